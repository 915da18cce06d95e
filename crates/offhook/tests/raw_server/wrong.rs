//! A server that breaks the protocol.

use futures_util::StreamExt as _;
use offhook::PhoneEvent;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Connection, SDP, Server, request, soon};

/// In this time nothing more could be sent: whom it goes to does not read.
const HELD_BACK: std::time::Duration = std::time::Duration::from_secs(1);

/// RFC 3261 §12.2.2, §9.2: 481.
#[tokio::test]
async fn requests_in_unknown_dialogs_are_answered_481() {
    let server = Server::start().await;
    let (phone, mut connection) = registered(&server).await;
    for method in ["BYE", "INFO", "UPDATE", "INVITE"] {
        connection.send(request(method, &format!("dialog-{method}"), ";tag=nowhere", "")).await;
        let response = connection.response(481).await;
        if method == "INVITE" {
            connection.send(request("ACK", "dialog-INVITE", &tag(response.header("To")), "")).await;
        }
    }
    connection.send(request("CANCEL", "cancel", "", "")).await;
    connection.response(481).await;
    assert_served(&mut connection).await;
    assert!(phone.is_registered());
}

#[tokio::test]
async fn garbage_and_strays_are_dropped() {
    let server = Server::start().await;
    let (phone, mut connection) = registered(&server).await;
    for garbage in ["hello", "\u{0}", "SIP/2.0 200 OK\r\n\r\n", "INVITE sip:x SIP/2.0\r\n\r\n", "heartbeat response"] {
        connection.send(garbage).await;
        assert_served(&mut connection).await;
    }
    connection.send_frame(Message::binary(vec![0xff_u8; 200])).await;
    let stray =
        request("INVITE", "stray", ";tag=x", "").replacen("INVITE sip:1000@127.0.0.1 SIP/2.0", "SIP/2.0 200 OK", 1);
    connection.send(stray).await;
    connection.send(request("ACK", "ack", ";tag=x", "")).await;
    assert_served(&mut connection).await;
    assert!(phone.sessions().is_empty());
}

/// Before the user hears of it: a description that no media can be made of is refused by who must answer it, at the latest when the
/// call is answered.
#[tokio::test]
async fn an_offer_that_cannot_be_used_is_refused() {
    let server = Server::start().await;
    let (phone, mut connection) = registered(&server).await;
    let mut incoming = phone.incoming();
    connection.send(request("INVITE", "offer", "", SDP)).await;
    let session = soon("a call", incoming.next()).await.expect("the phone lives");
    drop(session.answer(offhook::CallOptions::default()));
    let end = soon("the end", session.ended()).await;
    assert!(!end.was_established);
    loop {
        let message = connection.next().await.expect("open");
        if message.0.starts_with("SIP/2.0 1") {
            continue;
        }
        assert!(message.0.starts_with("SIP/2.0 488 "), "{}", message.0);
        break;
    }
    assert!(phone.sessions().is_empty());
}

/// 1 MB in one message: the phone drops the connection, makes another and registers again.
#[tokio::test]
async fn a_message_of_a_megabyte_costs_the_connection() {
    let server = Server::start().await;
    let (phone, mut connection) = registered(&server).await;
    connection.send(request("MESSAGE", "big", "", &"x".repeat(1_000_000))).await;
    while let Some(message) = connection.next().await {
        assert!(message.0.starts_with("SIP/2.0 513 "), "{}", message.0);
    }
    comes_back(&server, &phone).await;
}

/// Frames that RFC 6455 forbids.
#[tokio::test]
async fn forbidden_frames_cost_the_connection() {
    for bytes in
        [&b"\x83\x00"[..], b"\xf1\x00", b"\x81\x82\0\0\0\0hi", b"\x80\x00", b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"]
    {
        let server = Server::start().await;
        let (phone, mut connection) = registered(&server).await;
        connection.tcp().write_all(bytes).await.expect("open");
        assert!(connection.next().await.is_none(), "{bytes:x?}: the connection is still open");
        comes_back(&server, &phone).await;
    }
}

/// A server that does nothing but send garbage is no SIP server.
#[tokio::test]
async fn a_server_of_nothing_but_garbage_is_left() {
    let server = Server::start().await;
    let (phone, mut connection) = registered(&server).await;
    let mut events = phone.events();
    for number in 0..200 {
        connection.send(format!("garbage {number}")).await;
    }
    soon("the disconnection", async { while !matches!(events.next().await, Some(PhoneEvent::Disconnected { .. })) {} })
        .await;
    comes_back(&server, &phone).await;
}

/// What a phone's task has not taken yet may wait at its server.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_sends_faster_than_it_is_read_is_held_back() {
    let server = Server::start().await;
    let (reached, mut at_filter) = mpsc::unbounded_channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    // It runs on the phone's task.
    let filter = move |_: &offhook::SdpStep<'_>| {
        let _ = reached.send(());
        let _ = may_go_on.lock().expect("nobody panicked").recv();
        None
    };
    let (phone, mut connection) = tokio::join!(server.phone().sdp_filter(filter).connect(), server.registered());
    let phone = phone.expect("registered");
    let call = soon("calling", phone.call("1001", offhook::CallOptions::default())).await.expect("calls");
    soon("the filter", at_filter.recv()).await.expect("is asked");
    let mut sent = 0;
    // One that is not held back is never this slow.
    while tokio::time::timeout(HELD_BACK, connection.send(request("ACK", "stray", ";tag=x", &"x".repeat(60_000))))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 2_000, "120 MB wait in the phone");
    }
    go_on.send(()).expect("it waits");
    let invite = connection.request("INVITE").await;
    connection.send(invite.answer(486, "Busy Here", "")).await;
    assert_eq!(soon("the end", call.ended()).await.code, Some(486));
}

async fn registered(server: &Server) -> (offhook::Phone, Connection) {
    let (phone, connection) = tokio::join!(server.phone().connect(), server.registered());
    (phone.expect("registered"), connection)
}

async fn assert_served(connection: &mut Connection) {
    connection.send(request("OPTIONS", "options", "", "").replace("z9hG4bKoptions", &branch())).await;
    connection.response(200).await;
}

/// The phone connects and registers again.
async fn comes_back(server: &Server, phone: &offhook::Phone) {
    let mut events = phone.events();
    let _connection = server.registered().await;
    soon("the registration", async {
        while !phone.is_registered() {
            events.next().await;
        }
    })
    .await;
}

fn branch() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("z9hG4bKoptions{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn tag(to: &str) -> String {
    to.split_once(";tag=").map(|(_, tag)| format!(";tag={tag}")).unwrap_or_default()
}
