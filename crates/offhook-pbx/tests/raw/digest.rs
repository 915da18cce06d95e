//! Who may register and call (RFC 3261 §22, RFC 7616).

use std::time::Duration;

use crate::support::{Client, Received, assert_nothing_left, offer, pass, pbx};

#[tokio::test]
async fn registering_needs_the_password() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let register = client.request("REGISTER", "sip:localhost", "1000", "1000");
    let challenge = client.ask(&register).await;
    assert_eq!(challenge.status, 401);
    assert_eq!(challenge.challenge("realm"), pbx.realm());
    assert!(challenge.challenge("nonce").len() >= 16, "{}", challenge.text);

    let wrong = register.again().header(&challenge.credentials(&register, "1000", "secret-1001"));
    let refusal = client.ask(&wrong).await;
    assert!(matches!(refusal.status, 401 | 403), "{}", refusal.text);
    assert_eq!(pbx.load().registrations, 0);

    let right = register.next("REGISTER").again();
    let response = client.authenticated(right, "1000", "secret-1000").await;
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(pbx.load_when(|load| load.registrations == 1).await.map(|load| load.registrations), Some(1));
    drop(client);
    assert_nothing_left(&pbx).await;
}

/// Whether an extension exists must not be told to who does not know its password.
#[tokio::test]
async fn an_unknown_extension_looks_like_a_wrong_password() {
    let pbx = pbx().await;
    let mut answers = Vec::new();
    for user in ["1000", "4711"] {
        let mut client = Client::connect(&pbx).await;
        let register = client.request("REGISTER", "sip:localhost", user, user);
        answers.push(client.authenticated(register, user, "wrong").await.status);
    }
    assert_eq!(answers[0], answers[1]);
    assert!(matches!(answers[0], 401 | 403), "{answers:?}");
}

/// Nor may it be a way to try passwords: right and wrong ones are answered alike, and so neither counts.
#[tokio::test]
async fn a_nonce_of_ones_own_making_is_refused() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    for password in ["secret-1000"].into_iter().chain(["wrong"; 30]) {
        let register = client.request("REGISTER", "sip:localhost", "1000", "1000");
        let challenge = client.ask(&register).await;
        let nonce = challenge.challenge("nonce");
        let forged = Received { status: 401, text: challenge.text.replace(&nonce, "forged") };
        let answer = client.ask(&register.again().header(&forged.credentials(&register, "1000", password))).await;
        assert_eq!(answer.status, 401, "{}", answer.text);
        assert!(answer.header("WWW-Authenticate").contains("stale=true"), "{password}: {}", answer.text);
    }
    assert_eq!(pbx.load().registrations, 0);
    Client::registered(&pbx, "1000").await;
}

/// Whoever guesses is refused on all connections for a while, the right password too; others are not. (At the owner's address, where
/// there are twenty tries; the switch's own tests have others.)
#[tokio::test]
async fn passwords_cannot_be_guessed_on_many_connections() {
    let pbx = pbx().await;
    let mut owner = Client::registered(&pbx, "1000").await;
    for guess in 0..21 {
        let mut client = Client::connect(&pbx).await;
        // Who it says it is counts for nothing.
        let (claimed, status) = (if guess % 2 == 0 { "1000" } else { "1001" }, if guess < 20 { 401 } else { 503 });
        let register = client.request("REGISTER", "sip:localhost", claimed, claimed);
        let response = client.authenticated(register, "1000", &format!("guess-{guess}")).await;
        assert_eq!(response.status, status, "{guess}: {}", response.text);
    }
    let mut client = Client::connect(&pbx).await;
    let register = client.request("REGISTER", "sip:localhost", "1000", "1000");
    let refusal = client.authenticated(register, "1000", "secret-1000").await;
    assert_eq!(refusal.status, 503, "{}", refusal.text);
    let wait: u64 = refusal.header("Retry-After").parse().expect("seconds");
    assert!((1..=6).contains(&wait), "{wait}");
    Client::registered(&pbx, "1001").await;

    let refresh = owner.request("REGISTER", "sip:localhost", "1000", "1000").header("Expires: 600");
    let response = owner.authenticated(refresh, "1000", "secret-1000").await;
    assert_eq!(response.status, 200, "{}", response.text);
}

/// However slowly they come.
#[tokio::test]
async fn a_connection_on_which_many_passwords_were_wrong_is_closed() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    for guess in 0..=20 {
        // Another try every 30 s; who is silent for so long is pinged.
        pass(Duration::from_secs(15)).await;
        client.assert_served().await;
        pass(Duration::from_secs(15)).await;
        let register = client.request("REGISTER", "sip:localhost", "1000", "1000");
        let response = client.authenticated(register, "1000", &format!("guess-{guess}")).await;
        assert_eq!(response.status, if guess < 20 { 401 } else { 403 }, "{guess}: {}", response.text);
    }
    client.closed().await;
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn nobody_registers_for_another() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let register = client.request("REGISTER", "sip:localhost", "1001", "1001");
    let response = client.authenticated(register, "1000", "secret-1000").await;
    assert_eq!(response.status, 403, "{}", response.text);
    assert_eq!(pbx.load().registrations, 0);
}

#[tokio::test]
async fn calling_needs_the_password() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let (sdp, _peer, _events) = offer().await;

    let invite = client.request("INVITE", "sip:600@localhost", "1000", "600").sdp(&sdp);
    let challenge = client.ask(&invite).await;
    assert_eq!(challenge.status, 407, "{}", challenge.text);
    client.send(invite.ack(&challenge).text()).await;

    let invite = invite.again();
    let refusal = client.ask(&invite.clone().header(&challenge.credentials(&invite, "1000", "wrong"))).await;
    assert!(matches!(refusal.status, 403 | 407), "{}", refusal.text);
    client.send(invite.ack(&refusal).text()).await;
    assert_eq!(pbx.load().calls, 0);
    client.assert_served().await;
}

/// The caller shown must be who was authenticated.
#[tokio::test]
async fn nobody_calls_as_another() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let (sdp, _peer, _events) = offer().await;
    let invite = client.request("INVITE", "sip:600@localhost", "1001", "600").sdp(&sdp);
    let response = client.authenticated(invite, "1000", "secret-1000").await;
    assert_eq!(response.status, 403, "{}", response.text);
    drop(client);
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn nonsense_for_credentials_is_challenged_again() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    for credentials in [
        "Authorization: Digest",
        "Authorization: Digest username=",
        "Authorization: Digest username=\"1000\", realm==, nonce=\", response",
        "Authorization: Basic MTAwMDpzZWNyZXQtMTAwMA==",
        "Authorization: NoOneKnowsThisScheme opaque-data=here",
        "Authorization: Digest username=\"1000\", realm=\"localhost\", nonce=\"\", uri=\"\", response=\"\", nc=zzzzzzzz, qop=auth-int",
    ] {
        let register = client.request("REGISTER", "sip:localhost", "1000", "1000").header(credentials);
        let response = client.ask(&register).await;
        assert!(matches!(response.status, 400 | 401 | 403), "{credentials}: {}", response.text);
    }
    assert_eq!(pbx.load().registrations, 0);
    client.assert_served().await;
}
