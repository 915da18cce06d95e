//! INVITE and re-INVITE without SDP: the PBX makes the offer, and the answer comes with the ACK (RFC 3261 §13.2.1).

use offhook_media::{Addresses, Direction, Peer, PeerConfig, PeerEvent, PeerEvents};
use offhook_pbx::Pbx;

use crate::support::{Client, Received, Request, SOON, assert_nothing_left, pbx};

#[tokio::test]
async fn the_answer_in_the_ack_opens_the_media_and_can_be_changed_the_same_way() {
    let pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    let (call, ok, peer, mut events) = answered_without_offer(&mut client).await;
    loop {
        let event = tokio::time::timeout(SOON, events.recv()).await.expect("media");
        match event {
            Some(PeerEvent::Connected) => break,
            Some(PeerEvent::Failed(error)) => panic!("{error}"),
            Some(_) => {}
            None => panic!("closed"),
        }
    }

    let mut reinvite = call.in_dialog("INVITE", &ok);
    reinvite = reinvite.header("Contact: <sip:1000@raw.invalid;transport=ws>");
    let again = client.ask(&reinvite).await;
    assert_eq!(again.status, 200, "{}", again.text);
    let answer = peer.accept_offer(body(&again), Direction::SendRecv).await.expect("an offer like the first");
    client.send(reinvite.in_dialog("ACK", &again).sdp(&answer).text()).await;
    client.assert_served().await;

    assert_eq!(client.ask(&reinvite.in_dialog("BYE", &again)).await.status, 200);
    drop(client);
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn an_ack_without_the_answer_that_it_owes_ends_the_call() {
    let pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    let (call, ok) = offered(&mut client).await;
    client.send(call.in_dialog("ACK", &ok).text()).await;
    assert!(client.receive().await.text.starts_with("BYE "));
    drop(client);
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_ends_the_call() {
    let pbx: Pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    let (call, ok) = offered(&mut client).await;
    client.send(call.in_dialog("ACK", &ok).sdp("v=0\r\ns=nothing\r\n").text()).await;
    let bye = client.receive().await;
    assert!(bye.text.starts_with("BYE ") && bye.header("Reason").contains("488"), "{}", bye.text);
    drop(client);
    assert_nothing_left(&pbx).await;
}

/// A call to the echo, in whose ACK the answer was.
async fn answered_without_offer(client: &mut Client) -> (Request, Received, Peer, PeerEvents) {
    let (call, ok) = offered(client).await;
    let (peer, events) = Peer::spawn(PeerConfig::new("raw").addresses(Addresses::Loopback)).expect("media");
    let answer = peer.accept_offer(body(&ok), Direction::SendRecv).await.expect("an offer");
    client.send(call.in_dialog("ACK", &ok).sdp(&answer).text()).await;
    (call, ok, peer, events)
}

/// A call to the echo without an offer, and the 200 with the PBX's.
async fn offered(client: &mut Client) -> (Request, Received) {
    let invite = client.request("INVITE", "sip:600@localhost", "1000", "600");
    let ok = client.authenticated(invite.clone(), "1000", "secret-1000").await;
    assert_eq!(ok.status, 200, "{}", ok.text);
    assert!(body(&ok).contains("m=audio"), "{}", ok.text);
    (invite.again(), ok)
}

fn body(message: &Received) -> String {
    message.text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}
