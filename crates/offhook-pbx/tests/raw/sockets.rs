//! Connections that break, and WebSocket frames that are wrong (RFC 6455 §5, §7).

use std::time::Duration;

use offhook_pbx::{Load, Pbx, PbxLimits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::{Client, SOON, assert_nothing_left, offer, pass, pbx, pbx_with};

#[tokio::test]
async fn a_half_closed_socket_is_let_go() {
    let pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    client.tcp().shutdown().await.expect("half closed");
    client.closed().await;
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn a_reset_connection_is_let_go() {
    let pbx = pbx().await;
    let mut client = Client::registered(&pbx, "1000").await;
    // With linger 0 the drop sends RST.
    client.tcp().set_zero_linger().expect("linger");
    drop(client);
    assert_nothing_left(&pbx).await;
}

/// The caller is gone in the middle of a call, or before it was answered: neither leaves a leg behind.
#[tokio::test]
async fn a_caller_that_vanishes_leaves_no_call() {
    let pbx = pbx_with(|limits| limits.media_timeout_s = 2).await;
    for number in ["600", "606"] {
        let (sdp, _peer, _events) = offer().await;
        let mut client = Client::registered(&pbx, "1000").await;
        let invite = client.request("INVITE", &format!("sip:{number}@localhost"), "1000", number).sdp(&sdp);
        let challenge = client.ask(&invite).await;
        client.send(invite.ack(&challenge).text()).await;
        let invite = invite.again();
        client.send(invite.clone().header(&challenge.credentials(&invite, "1000", "secret-1000")).text()).await;
        loop {
            let response = client.receive().await;
            if response.status >= 180 {
                break;
            }
        }
        client.tcp().set_zero_linger().expect("linger");
        drop(client);
        assert_nothing_left(&pbx).await;
    }
}

/// The called phone is gone while it rings: the caller is told.
#[tokio::test]
async fn a_callee_that_vanishes_is_unavailable() {
    let pbx = pbx().await;
    let mut callee = Client::registered(&pbx, "1001").await;
    let mut caller = Client::registered(&pbx, "1000").await;
    let (sdp, _peer, _events) = offer().await;
    let invite = caller.request("INVITE", "sip:1001@localhost", "1000", "1001").sdp(&sdp);
    let challenge = caller.ask(&invite).await;
    caller.send(invite.ack(&challenge).text()).await;
    let invite = invite.again();
    caller.send(invite.clone().header(&challenge.credentials(&invite, "1000", "secret-1000")).text()).await;

    let ringing = callee.receive().await;
    assert!(ringing.text.starts_with("INVITE "), "{}", ringing.text);
    drop(callee);
    let response = caller.final_response(&invite).await;
    assert!((400..600).contains(&response.status), "{}", response.text);
    caller.send(invite.ack(&response).text()).await;
    drop(caller);
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn a_ping_is_answered_and_a_close_confirmed() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    client.send_frame(Message::Ping(b"are you there".as_slice().into())).await.expect("open");
    match client.receive_frame().await {
        Some(Ok(Message::Pong(data))) => assert_eq!(&data[..], b"are you there"),
        other => panic!("no pong: {other:?}"),
    }
    client.send_frame(Message::Close(None)).await.expect("open");
    assert!(client.closed().await.is_empty());
    assert_nothing_left(&pbx).await;
}

/// Frames that RFC 6455 forbids end the connection, and only that one.
#[tokio::test]
async fn forbidden_frames_end_the_connection() {
    let pbx = pbx().await;
    let mut other = Client::connect(&pbx).await;
    let frames: [(&str, &[u8]); 7] = [
        ("not masked", b"\x81\x05hello"),
        ("reserved bits set", b"\xf1\x80\x00\x00\x00\x00"),
        ("unknown opcode", b"\x83\x80\x00\x00\x00\x00"),
        ("continuation of nothing", b"\x80\x80\x00\x00\x00\x00"),
        ("fragmented ping", b"\x09\x80\x00\x00\x00\x00"),
        ("text that is not UTF-8", b"\x81\x82\x00\x00\x00\x00\xff\xfe"),
        ("length of 2^63 and more", b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"),
    ];
    for (what, bytes) in frames {
        let mut client = Client::connect(&pbx).await;
        client.tcp().write_all(bytes).await.expect("open");
        let mut rest = Vec::new();
        let end = tokio::time::timeout(SOON, client.tcp().read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "{what}: the connection is still open");
        other.assert_served().await;
    }
    drop(other);
    assert_nothing_left(&pbx).await;
}

/// A message in many fragments is one message; one whose end never comes is none.
#[tokio::test]
async fn fragments_are_put_together() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let options = client.request("OPTIONS", "sip:localhost", "1000", "1000");
    let text = options.text();
    let mut bytes = Vec::new();
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(7).collect();
    for (index, piece) in pieces.iter().enumerate() {
        let opcode = if index == 0 { 0x01 } else { 0x00 };
        let fin = if index + 1 == pieces.len() { 0x80 } else { 0x00 };
        let length = u8::try_from(piece.len()).expect("short");
        bytes.extend_from_slice(&[fin | opcode, 0x80 | length, 0, 0, 0, 0]);
        bytes.extend_from_slice(piece);
    }
    client.tcp().write_all(&bytes).await.expect("open");
    assert_eq!(client.final_response(&options).await.status, 200);

    client.tcp().write_all(b"\x01\x85\x00\x00\x00\x00OPTIO").await.expect("open");
    drop(client);
    assert_nothing_left(&pbx).await;
}

/// A client that asks and asks and never reads: what waits for it is bounded, and then it is dropped.
#[tokio::test]
async fn a_client_that_never_reads_is_dropped() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let request =
        client.request("OPTIONS", "sip:localhost", "1000", "1000").header(&format!("X-Padding: {}", "x".repeat(1000)));
    let flood = async {
        for number in 0..200_000 {
            let mut options = request.clone();
            options.branch = format!("z9hG4bKflood{number}");
            options.cseq = number + 1;
            if client.send_frame(Message::text(options.text())).await.is_err() {
                return number;
            }
        }
        panic!("all of it was taken");
    };
    let taken = tokio::time::timeout(SOON, flood).await.expect("the client is still served");
    assert!(taken > 256, "as much may wait: {taken}");
    // The client still has its end.
    assert_nothing_left(&pbx).await;
    Client::connect(&pbx).await.assert_served().await;
    drop(client);
    assert_nothing_left(&pbx).await;
}

/// A client that pings and pings and never reads is not alive: it is dropped when it has taken no pong for 10 s.
#[tokio::test]
async fn a_client_that_pings_and_never_reads_is_dropped() {
    let pbx = pbx().await;
    let mut client = Client::connect_narrow(&pbx).await;
    let flood = async {
        // More than the system's buffers hold.
        for _ in 0..100_000 {
            client.send_frame(Message::Ping([0; 125].as_slice().into())).await?;
        }
        Ok::<(), tungstenite::Error>(())
    };
    // It may fail: the PBX has had enough before all is sent.
    let _ = tokio::time::timeout(3 * SOON, flood).await.expect("the PBX reads");
    // The client still has its end.
    let empty = tokio::time::timeout(3 * SOON, pbx.load_when(Load::is_zero)).await;
    assert!(empty.is_ok(), "the client is still served");
}

/// When all places are taken, who has not said for 30 s who it is makes room; who has, and who came just now, stays.
#[tokio::test]
async fn who_proves_nothing_gives_its_place_to_others() {
    let mut limits = PbxLimits::default();
    limits.connections = 2;
    let pbx = Pbx::builder().wss_port(None).limits(limits).start().await.expect("the PBX starts");
    let _owner = Client::registered(&pbx, "1000").await;
    let mut idle = Client::connect(&pbx).await;
    refused(&pbx).await;
    idle.assert_served().await;
    pass(Duration::from_secs(30)).await;
    refused(&pbx).await;
    idle.closed().await;
    assert!(pbx.load_when(|load| load.connections == 1).await.is_some());
    let _other = Client::registered(&pbx, "1001").await;
    assert_eq!(pbx.load_when(|load| load.registrations == 2).await.map(|load| load.connections), Some(2));
}

/// There is no place for one more connection.
async fn refused(pbx: &Pbx) {
    let mut stream = TcpStream::connect(pbx.ws_address().expect("ws is on")).await.expect("the PBX listens");
    let end = tokio::time::timeout(SOON, stream.read(&mut [0; 1])).await.expect("it has a place");
    assert!(matches!(end, Ok(0) | Err(_)), "something is told");
}
