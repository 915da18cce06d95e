//! Requests in dialogs that are not there, and calls whose other side goes silent.

use crate::support::{Client, Request, assert_nothing_left, offer, pbx, pbx_with};

/// RFC 3261 §12.2.2, §9.2: 481 Call/Transaction Does Not Exist.
#[tokio::test]
async fn a_request_in_an_unknown_dialog_is_answered_481() {
    let pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    for method in ["BYE", "INFO", "UPDATE", "INVITE"] {
        let mut request = client.request(method, "sip:localhost", "1000", "600");
        request.to.push_str(";tag=nowhere");
        let response = client.ask(&request).await;
        assert_eq!(response.status, 481, "{method}: {}", response.text);
        if method == "INVITE" {
            client.send(request.ack(&response).text()).await;
        }
    }
    let cancel = client.request("CANCEL", "sip:600@localhost", "1000", "600");
    assert_eq!(client.ask(&cancel).await.status, 481);
    client.assert_served().await;
}

/// An ACK is never answered, and a response that answers nothing is dropped (RFC 3261 §17.1.1.2, §18.1.2).
#[tokio::test]
async fn strays_are_dropped_in_silence() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let mut ack = client.request("ACK", "sip:localhost", "1000", "600");
    ack.to.push_str(";tag=nowhere");
    client.send(ack.text()).await;
    let response = ack.text().replacen("ACK sip:localhost SIP/2.0", "SIP/2.0 200 OK", 1);
    client.send(response.replace("1 ACK", "1 INVITE")).await;
    client.send(response.replace("1 ACK", "1 BYE")).await;
    client.assert_served().await;
}

#[tokio::test]
async fn a_call_made_by_hand_is_answered_and_ended() {
    let pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    let (call, answer) = echo_call(&mut client).await;
    assert!(answer.text.contains("m=audio"), "{}", answer.text);
    client.send(call.in_dialog("ACK", &answer).text()).await;
    assert!(pbx.load().calls == 1, "{:?}", pbx.load());

    let bye = call.in_dialog("BYE", &answer);
    assert_eq!(client.ask(&bye).await.status, 200);
    let mut again = bye.clone();
    again.cseq += 1;
    again.branch.push('x');
    assert_eq!(client.ask(&again).await.status, 481, "the dialog is over");
    drop(client);
    assert_nothing_left(&pbx).await;
}

/// RFC 3261 §12.2.2: a lower CSeq is out of order.
#[tokio::test]
async fn an_old_request_in_a_dialog_is_answered_500() {
    let pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    let (call, answer) = echo_call(&mut client).await;
    client.send(call.in_dialog("ACK", &answer).text()).await;
    let mut old = call.in_dialog("INFO", &answer);
    old.cseq = call.cseq - 1;
    assert_eq!(client.ask(&old).await.status, 500);
    assert_eq!(client.ask(&call.in_dialog("BYE", &answer)).await.status, 200);
}

/// A tag that is off by one is another dialog: the call must not be touched by it.
#[tokio::test]
async fn a_wrong_tag_does_not_end_a_call() {
    let pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    let (call, answer) = echo_call(&mut client).await;
    client.send(call.in_dialog("ACK", &answer).text()).await;
    for (from, to) in [("x", ""), ("", "x")] {
        let mut bye = call.in_dialog("BYE", &answer);
        bye.branch.push_str(&format!("{from}-{to}"));
        bye.from.push_str(from);
        bye.to.push_str(to);
        assert_eq!(client.ask(&bye).await.status, 481);
    }
    assert_eq!(pbx.load().calls, 1);
    assert_eq!(client.ask(&call.in_dialog("BYE", &answer)).await.status, 200);
}

/// The tags of a dialog are no password: on another connection, only the call's owner has a say.
#[tokio::test]
async fn who_knows_the_tags_of_a_call_cannot_disturb_or_end_it() {
    let pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    let (call, answer) = echo_call(&mut client).await;
    client.send(call.in_dialog("ACK", &answer).text()).await;

    let mut thief = Client::registered(&pbx, "1001").await;
    for method in ["INFO", "UPDATE", "REFER", "MESSAGE"] {
        let mut forged = call.in_dialog(method, &answer);
        // Remembered, it would make whatever the owner sends later out of order.
        forged.cseq = 2_000_000_000;
        assert_eq!(thief.ask(&forged).await.status, 403, "{method}");
    }
    let bye = call.in_dialog("BYE", &answer);
    let challenge = thief.ask(&bye).await;
    assert_eq!(challenge.status, 407, "{}", challenge.text);
    let as_itself = bye.again().header(&challenge.credentials(&bye, "1001", "secret-1001"));
    assert_eq!(thief.ask(&as_itself).await.status, 403);
    let guessed = as_itself.again().header(&challenge.credentials(&bye, "1000", "secret-1001"));
    assert_eq!(thief.ask(&guessed).await.status, 407);
    assert_eq!(pbx.load().calls, 1);
    assert_eq!(client.ask(&call.in_dialog("INFO", &answer)).await.status, 200, "the owner goes on");

    // The owner on a new connection, before it has registered.
    let mut again = Client::connect(&pbx).await;
    let mut bye = call.in_dialog("BYE", &answer);
    bye.cseq += 10;
    bye.branch.push_str("again");
    assert_eq!(again.authenticated(bye, "1000", "secret-1000").await.status, 200);
    drop((client, thief, again));
    assert_nothing_left(&pbx).await;
}

/// An offer that cannot be used: 488, and nothing of it stays (RFC 3261 §21.4.26).
#[tokio::test]
async fn an_offer_that_cannot_be_used_is_refused() {
    let pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    for sdp in [
        "v=0\r\n",
        "no sdp at all",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n",
    ] {
        let invite = client.request("INVITE", "sip:600@localhost", "1000", "600").sdp(sdp);
        let response = client.authenticated(invite, "1000", "secret-1000").await;
        assert!(matches!(response.status, 400 | 488), "{sdp}: {}", response.text);
    }
    drop(client);
    assert_nothing_left(&pbx).await;
}

/// The caller answers everything, but never sends a packet: the media time-out ends the call with BYE.
#[tokio::test]
async fn a_call_without_media_is_ended() {
    let pbx = pbx_with(|limits| limits.media_timeout_s = 2).await;
    let mut client = Client::registered(&pbx, "1000").await;
    let (call, answer) = echo_call(&mut client).await;
    client.send(call.in_dialog("ACK", &answer).text()).await;
    let bye = client.receive().await;
    assert!(bye.text.starts_with("BYE "), "{}", bye.text);
    assert!(bye.text.contains(&call.call_id), "{}", bye.text);
    drop(client);
    assert_nothing_left(&pbx).await;
}

/// A call to the echo service whose 200 has come. The peer connection that made the offer is gone: nothing will be sent.
pub(crate) async fn echo_call(client: &mut Client) -> (Request, crate::support::Received) {
    let (sdp, _peer, _events) = offer().await;
    let invite = client.request("INVITE", "sip:600@localhost", "1000", "600").sdp(&sdp);
    let answer = client.authenticated(invite.clone(), "1000", "secret-1000").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    (invite.again(), answer)
}
