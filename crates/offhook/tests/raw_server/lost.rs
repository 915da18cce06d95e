//! A server that was there and is gone.

use futures_util::StreamExt as _;
use offhook::{CallOptions, Cause, KeepAlive, Phone, PhoneEvent};
use tokio::io::AsyncWriteExt as _;

use crate::support::{Connection, Server, soon};

#[tokio::test]
async fn a_half_closed_connection_is_made_again() {
    let server = Server::start().await;
    let (phone, mut connection) = registered(&server).await;
    let mut events = phone.events();
    connection.tcp().shutdown().await.expect("half closed");
    disconnected(&mut events).await;
    let _again = server.registered().await;
    registered_again(&phone, &mut events).await;
}

#[tokio::test]
async fn a_reset_connection_is_made_again() {
    let server = Server::start().await;
    let (phone, mut connection) = registered(&server).await;
    let mut events = phone.events();
    connection.tcp().set_zero_linger().expect("linger");
    drop(connection);
    disconnected(&mut events).await;
    let _again = server.registered().await;
    registered_again(&phone, &mut events).await;
}

/// The attempts go on while nobody listens, and say so.
#[tokio::test]
async fn a_server_that_is_gone_is_tried_again_and_again() {
    // The server of another test at this port would be tried, too.
    let (server, _port) = Server::with_kept_port().await;
    let (phone, connection) = registered(&server).await;
    let mut events = phone.events();
    drop((connection, server));
    let mut attempts = Vec::new();
    soon("three attempts", async {
        while attempts.len() < 3 {
            if let Some(PhoneEvent::Reconnecting { attempt, delay_ms }) = events.next().await {
                assert!(delay_ms <= 600, "the policy allows 500 ms and a fifth: {delay_ms}");
                attempts.push(attempt);
            }
        }
    })
    .await;
    assert_eq!(attempts, [1, 2, 3]);
    assert!(!phone.is_registered());
    soon("the shutdown", phone.shutdown()).await;
}

/// A server that takes everything and answers nothing any more: the keep-alive finds it out (RFC 5626 §4.4.1), if it was answered before.
#[tokio::test]
async fn a_server_that_has_gone_silent_is_left() {
    let server = Server::start().await;
    let keep_alive = KeepAlive::Crlf { interval_ms: 1_000, timeout_ms: 300 };
    let (phone, connection) = tokio::join!(server.phone().keep_alive(keep_alive).connect(), server.registered());
    let (phone, mut connection) = (phone.expect("registered"), connection);
    let mut events = phone.events();
    assert_eq!(connection.next_text().await, "\r\n\r\n");
    connection.send("\r\n").await;
    // The next one is not answered, and the socket stays open.
    disconnected(&mut events).await;
}

/// Nothing answers the INVITE, and then the connection is gone: the call fails, and says why.
#[tokio::test]
async fn a_call_being_made_fails_with_the_connection() {
    let server = Server::start().await;
    let (phone, mut connection) = registered(&server).await;
    let session = soon("a call", phone.call("1001", CallOptions::default())).await.expect("a call");
    connection.request("INVITE").await;
    drop(connection);
    let end = soon("the end", session.ended()).await;
    assert_eq!(end.cause, Cause::ConnectionError);
    assert!(!end.was_established);
    assert!(phone.sessions().is_empty());
}

/// The server neither answers the CANCEL nor closes: hanging up is settled all the same.
#[tokio::test]
async fn shutting_down_does_not_wait_for_a_silent_server() {
    let server = Server::start().await;
    let (phone, mut connection) = registered(&server).await;
    let session = soon("a call", phone.call("1001", CallOptions::default())).await.expect("a call");
    connection.request("INVITE").await;
    soon("the shutdown", phone.shutdown()).await;
    soon("the end", session.ended()).await;
    assert!(phone.sessions().is_empty());
    assert!(!phone.is_registered());
}

async fn registered(server: &Server) -> (Phone, Connection) {
    let (phone, connection) = tokio::join!(server.phone().connect(), server.registered());
    (phone.expect("registered"), connection)
}

async fn disconnected(events: &mut offhook::EventStream<PhoneEvent>) {
    soon("the disconnection", async { while !matches!(events.next().await, Some(PhoneEvent::Disconnected { .. })) {} })
        .await;
}

async fn registered_again(phone: &Phone, events: &mut offhook::EventStream<PhoneEvent>) {
    soon("the registration", async {
        while !phone.is_registered() {
            events.next().await;
        }
    })
    .await;
}
