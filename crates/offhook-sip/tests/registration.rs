//! REGISTER (RFC 3261 §10) with digest (RFC 7616, RFC 8760), as a client and checked as a server.
mod common;

use common::*;
use offhook_sip::message::HeadersExt as _;
use offhook_sip::{
    AuthFailure, Credentials, DigestAlgorithm, Event, HeaderField, Register, RegistrationFailure, RegistrationId,
    Secret, Verifier, ha1,
};

fn register(credentials: Credentials) -> Register {
    Register {
        registrar: uri("sip:example.com"),
        aor: address("alice"),
        contact: contact("alice"),
        expires_s: 600,
        credentials: Some(credentials),
        headers: Vec::new(),
    }
}

fn start(lab: &mut Lab, credentials: Credentials) -> RegistrationId {
    lab.act(A, |agent, now| agent.register(now, LINK, register(credentials))).expect("connected")
}

/// Serves what has come in at B as a registrar with one user would; returns the statuses it gave.
fn serve(lab: &mut Lab, verifier: &mut Verifier) -> Vec<u16> {
    let mut given = Vec::new();
    for _ in 0..8 {
        lab.run(30);
        for event in lab.take(B) {
            let Event::Request { transaction, request, .. } = event else { continue };
            let lookup = |user: &str, algorithm: DigestAlgorithm| {
                (user == "alice").then(|| ha1(algorithm, "alice", "r\"ealm", &Secret::from("wonderland")))
            };
            let (status, fields) = match verifier.verify(lab.now, &request, "Authorization", lookup) {
                Ok(verified) => {
                    assert_eq!(verified.username, "alice");
                    (200, request.headers.addresses("Contact").iter().map(HeaderField::contact).collect())
                }
                Err(AuthFailure::Malformed) => (400, Vec::new()),
                Err(failure) => {
                    let challenges = verifier.challenge(lab.now, failure);
                    let field = |value: &String| HeaderField::new("WWW-Authenticate", value).expect("valid");
                    (401, challenges.iter().map(field).collect())
                }
            };
            given.push(status);
            lab.act(B, |agent, now| agent.respond(now, transaction, status, fields, None)).expect("waits");
        }
    }
    given
}

fn verifier() -> Verifier {
    Verifier::new("r\"ealm", [9; 32], 300_000)
}

#[test]
fn a_password_answers_the_challenge_and_the_registration_is_refreshed() {
    let (mut lab, mut verifier) = (Lab::new(), verifier());
    let id = start(&mut lab, Credentials::password("alice", "wonderland"));
    assert_eq!(serve(&mut lab, &mut verifier), [401, 200]);
    let events = lab.take(A);
    assert!(matches!(&events[..], [Event::Registered { registration, expires_s: 600, .. }] if *registration == id));
    let answer = lab.wire.iter().rev().find(|(_, t)| t.contains("Authorization: ")).map(|(_, t)| t.clone());
    assert!(answer.expect("sent").contains("algorithm=SHA-256"), "the stronger of the two");
    lab.run(479_000);
    assert!(serve(&mut lab, &mut verifier).is_empty(), "too early");
    let refreshed = (0..40).any(|_| {
        lab.run(1_500);
        !serve(&mut lab, &mut verifier).is_empty()
    });
    assert!(refreshed, "80 to 90 % of the time have passed");
    lab.act(A, |agent, now| agent.unregister(now, id)).expect("registered");
    serve(&mut lab, &mut verifier);
    assert!(matches!(lab.take(A).last(), Some(Event::Unregistered { .. })));
    assert_eq!(lab.agent(A).load().registrations, 0);
    lab.assert_idle();
}

#[test]
fn an_ha1_answers_md5_of_its_realm_only() {
    let hash = ha1(DigestAlgorithm::Md5, "alice", "r\"ealm", &Secret::from("wonderland"));
    for (realm, expected) in [(None, vec![401, 200]), (Some("r\"ealm"), vec![401, 200]), (Some("other"), vec![401])] {
        let (mut lab, mut verifier) = (Lab::new(), verifier());
        start(&mut lab, Credentials::ha1("alice", realm.map(str::to_owned), hash.clone()));
        assert_eq!(serve(&mut lab, &mut verifier), expected, "{realm:?}");
    }
}

#[test]
fn a_wrong_password_is_asked_once_and_reported() {
    let (mut lab, mut verifier) = (Lab::new(), verifier());
    start(&mut lab, Credentials::password("alice", "wrong"));
    assert_eq!(serve(&mut lab, &mut verifier), [401, 401]);
    let events = lab.take(A);
    let refused = |f: &RegistrationFailure| matches!(f, RegistrationFailure::Refused { status: 401, .. });
    assert!(matches!(&events[..], [Event::RegistrationFailed { failure, .. }] if refused(failure)), "{events:?}");
    lab.assert_idle();
}

#[test]
fn a_stale_nonce_is_answered_anew() {
    let (mut lab, mut verifier) = (Lab::new(), Verifier::new("r\"ealm", [9; 32], 1));
    start(&mut lab, Credentials::password("alice", "wonderland"));
    lab.latency = 0;
    // Every nonce is too old when it comes back: the client tries again, but not for ever.
    lab.latency = 5;
    let given = serve(&mut lab, &mut verifier);
    assert_eq!(given, [401; 5]);
    let stale = lab.wire.iter().filter(|(who, text)| *who == B && text.contains("stale=true")).count();
    assert!(stale >= 3);
}

#[test]
fn a_replayed_request_is_stale() {
    let (mut lab, mut verifier) = (Lab::new(), verifier());
    start(&mut lab, Credentials::password("alice", "wonderland"));
    assert_eq!(serve(&mut lab, &mut verifier), [401, 200]);
    let replay = lab.wire.iter().rev().find(|(_, t)| t.contains("Authorization: ")).map(|(_, t)| t.clone());
    let replay = replay.expect("sent").replace("branch=z9hG4bK", "branch=z9hG4bKreplay");
    lab.act(B, |agent, now| {
        agent.handle_input(now, offhook_sip::Input::Received { connection: LINK, data: replay.into() });
    });
    assert_eq!(serve(&mut lab, &mut verifier), [401]);
    assert!(lab.wire.iter().any(|(_, text)| text.contains("stale=true")));
}

#[test]
fn credentials_for_another_uri_or_without_qop_are_malformed() {
    let (mut lab, mut verifier) = (Lab::new(), verifier());
    start(&mut lab, Credentials::password("alice", "wonderland"));
    serve(&mut lab, &mut verifier);
    let good =
        lab.wire.iter().rev().find(|(_, t)| t.contains("Authorization: ")).map(|(_, t)| t.clone()).expect("sent");
    for (i, bad) in [
        good.replace("uri=\"sip:example.com\"", "uri=\"sip:evil.com\""),
        good.replace("qop=auth, ", ""),
        good.replace("Digest username", "Basic username"),
        good.replace("response=\"", "response="),
    ]
    .into_iter()
    .enumerate()
    {
        let bad = bad.replace("branch=z9hG4bK", &format!("branch=z9hG4bKbad{i}"));
        lab.act(B, |agent, now| {
            agent.handle_input(now, offhook_sip::Input::Received { connection: LINK, data: bad.into() });
        });
        let given = serve(&mut lab, &mut verifier);
        assert!(given == [400] || given == [401], "{i}: {given:?}");
    }
}

#[test]
fn too_brief_an_interval_is_raised_to_the_registrars_minimum() {
    let mut solo = Solo::client();
    solo.act(|agent, now| agent.register(now, LINK, register(Credentials::password("a", "b")))).expect("connected");
    let first = solo.take_sent().remove(0);
    solo.reply(&first, "423 Interval Too Brief", "t", "Min-Expires: 1800\r\n", "");
    let second = solo.take_sent().remove(0);
    assert_eq!((header(&second, "Expires"), header(&second, "CSeq")), ("1800".into(), "2 REGISTER".into()));
    assert_eq!(header(&second, "Call-ID"), header(&first, "Call-ID"));
    solo.reply(&second, "423 Interval Too Brief", "t", "Min-Expires: 1800\r\n", "");
    assert!(matches!(solo.take()[..], [Event::RegistrationFailed { .. }]), "not in a circle");
}

#[test]
fn the_granted_time_counts_not_the_wanted() {
    let mut solo = Solo::client();
    solo.act(|agent, now| agent.register(now, LINK, register(Credentials::password("a", "b")))).expect("connected");
    let sent = solo.take_sent().remove(0);
    let contacts =
        "Contact: <sip:other@x>;expires=5, <sip:alice@alice.invalid;transport=ws>;expires=60\r\nExpires: 7\r\n";
    solo.reply(&sent, "200 OK", "t", contacts, "");
    assert!(matches!(solo.take()[..], [Event::Registered { expires_s: 60, .. }]));
    solo.advance(47_000);
    let registers = |solo: &Solo| solo.sent.iter().filter(|text| text.starts_with("REGISTER")).count();
    assert_eq!(registers(&solo), 0);
    solo.advance(8_000);
    assert_eq!(registers(&solo), 1);
}

#[test]
fn a_503_says_when_to_come_back() {
    let mut solo = Solo::client();
    solo.act(|agent, now| agent.register(now, LINK, register(Credentials::password("a", "b")))).expect("connected");
    let sent = solo.take_sent().remove(0);
    solo.reply(&sent, "503 Service Unavailable", "t", "Retry-After: 30 (maintenance)\r\n", "");
    let events = solo.take();
    let Some(Event::RegistrationFailed { failure, .. }) = events.first() else { panic!("{events:?}") };
    let RegistrationFailure::Refused { status: 503, retry_after_s: Some(30), .. } = failure else {
        panic!("{failure:?}")
    };
}

#[test]
fn silence_and_a_lost_connection_are_told_apart_and_both_can_be_mended() {
    let (mut lab, mut verifier) = (Lab::new(), verifier());
    lab.lose = Box::new(|from, _| from == A);
    let id = start(&mut lab, Credentials::password("alice", "wonderland"));
    lab.run(33_000);
    let failed = |events: &[Event], want: &RegistrationFailure| matches!(events, [Event::RegistrationFailed { failure, .. }] if failure == want);
    assert!(failed(&lab.take(A), &RegistrationFailure::Timeout));
    lab.lose = Box::new(|_, _| false);
    lab.act(A, |agent, now| agent.reregister(now, id, LINK, None)).expect("failed before");
    assert_eq!(serve(&mut lab, &mut verifier), [401, 200]);
    lab.take(A);
    lab.disconnect();
    assert!(failed(&lab.take(A), &RegistrationFailure::ConnectionLost));
    lab.connect();
    lab.act(A, |agent, now| agent.reregister(now, id, LINK, None)).expect("failed before");
    assert_eq!(serve(&mut lab, &mut verifier), [401, 200]);
    lab.act(A, |agent, now| agent.unregister(now, id)).expect("registered");
    lab.disconnect();
    assert!(matches!(lab.take(A).last(), Some(Event::Unregistered { .. })));
}

#[test]
fn unregistering_while_registering_happens_after_it() {
    let (mut lab, mut verifier) = (Lab::new(), verifier());
    let id = start(&mut lab, Credentials::password("alice", "wonderland"));
    lab.act(A, |agent, now| agent.unregister(now, id)).expect("under way");
    serve(&mut lab, &mut verifier);
    assert!(matches!(lab.take(A)[..], [Event::Unregistered { .. }]));
    assert!(lab.wire.iter().any(|(_, text)| text.contains("Expires: 0")));
    lab.assert_idle();
}

#[test]
fn the_refresh_that_was_planned_does_not_cross_a_reregister_and_what_follows_it() {
    let mut solo = Solo::client();
    let register = register(Credentials::password("a", "b"));
    let id = solo.act(|agent, now| agent.register(now, LINK, register)).expect("connected");
    let first = solo.take_sent().remove(0);
    solo.reply(&first, "200 OK", "t", "Expires: 60\r\n", "");
    solo.advance(47_000);
    solo.take_sent();
    solo.act(|agent, now| agent.reregister(now, id, LINK, None)).expect("registered");
    let second = solo.take_sent().remove(0);
    solo.act(|agent, now| agent.unregister(now, id)).expect("under way");
    // The time at which the first would have been refreshed.
    solo.advance(8_000);
    assert!(solo.take_sent().is_empty(), "one REGISTER at a time (§10.2)");
    solo.reply(&second, "200 OK", "t", "Expires: 60\r\n", "");
    let last = solo.take_sent().remove(0);
    assert_eq!((header(&last, "Expires"), header(&last, "CSeq")), ("0".into(), "3 REGISTER".into()));
    solo.reply(&last, "200 OK", "t", "", "");
    let events = solo.take();
    assert!(matches!(events[..], [Event::Registered { .. }, Event::Unregistered { .. }]), "{events:?}");
}

#[test]
fn a_request_the_user_forgets_is_answered_500() {
    let mut lab = Lab::new();
    start(&mut lab, Credentials::password("alice", "wonderland"));
    lab.run(31_000);
    assert!(lab.sent(B).contains(&"500 REGISTER".to_owned()));
}

#[test]
fn secrets_do_not_show() {
    let shown = format!("{:?}", register(Credentials::password("alice", "wonderland")));
    assert!(shown.contains("alice") && !shown.contains("wonderland"), "{shown}");
}
