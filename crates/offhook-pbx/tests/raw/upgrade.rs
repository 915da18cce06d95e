//! Before there is a WebSocket: HTTP that is wrong, slow or none.

use std::time::Duration;

use offhook_pbx::{PSeries, Pbx};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, SOON, assert_nothing_left, pbx};

#[tokio::test]
async fn plain_http_is_told_to_upgrade() {
    let pbx = pbx().await;
    let answer = http(&pbx, "GET /ws HTTP/1.1\r\nHost: pbx\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("upgrade: websocket"), "{answer}");
}

#[tokio::test]
async fn another_path_is_not_found() {
    let pbx = pbx().await;
    let answer = http(&pbx, "GET /etc/passwd HTTP/1.1\r\nHost: pbx\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

/// RFC 7118 §4: without the subprotocol there is no SIP.
#[tokio::test]
async fn a_websocket_without_the_subprotocol_is_refused() {
    let pbx = pbx().await;
    let upgrade = "GET /ws HTTP/1.1\r\nHost: pbx\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for protocol in ["", "Sec-WebSocket-Protocol: chat\r\n"] {
        let answer = http(&pbx, &format!("{upgrade}{protocol}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let answer = http(
        &pbx,
        &upgrade.replace(": 13", ": 8").replace("\r\nSec-WebSocket-Key", "\r\nConnection: close\r\nSec-WebSocket-Key"),
    )
    .await;
    assert!(!answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn bytes_that_are_no_http_are_refused() {
    let pbx = pbx().await;
    for bytes in
        ["REGISTER sip:localhost SIP/2.0\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", "\r\n\r\n\r\nx\r\n\r\n"]
    {
        let answer = http(&pbx, bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    Client::connect(&pbx).await.assert_served().await;
}

#[tokio::test]
async fn an_endless_request_head_is_cut_off() {
    let pbx = pbx().await;
    let mut stream = tcp(&pbx).await;
    stream.write_all(b"GET /ws HTTP/1.1\r\nHost: pbx\r\n").await.expect("open");
    let line = format!("X-Padding: {}\r\n", "x".repeat(1000));
    let mut sent = 0;
    while stream.write_all(line.as_bytes()).await.is_ok() {
        sent += line.len();
        assert!(sent < 4_000_000, "the PBX reads a request head without end");
    }
}

/// Slow loris: handshakes that never come to their end hold neither the PBX nor other clients.
#[tokio::test]
async fn a_handshake_that_takes_too_long_is_ended() {
    let pbx = pbx().await;
    let mut slow = Vec::new();
    for head in ["", "G", "GET /ws HTTP/1.1\r\n", "GET /ws HTTP/1.1\r\nHost: pbx\r\nX: "] {
        let mut stream = tcp(&pbx).await;
        stream.write_all(head.as_bytes()).await.expect("open");
        slow.push((head, stream));
    }
    Client::connect(&pbx).await.assert_served().await;

    for (head, mut stream) in slow {
        let mut answer = Vec::new();
        let end = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "the PBX still waits after {head:?}");
    }
}

/// One byte every 100 ms keeps a connection busy, but the deadline is for the whole head.
#[tokio::test]
async fn a_handshake_byte_by_byte_is_ended_too() {
    let pbx = pbx().await;
    let mut stream = tcp(&pbx).await;
    let mut ended = false;
    for byte in b"GET /ws HTTP/1.1\r\nHost: pbx.example.org\r\nX-Padding: xxxxxxxxxxxxxxxxxxxx\r\n" {
        let pause = tokio::time::timeout(Duration::from_millis(100), stream.readable()).await;
        ended = pause.is_ok() || stream.write_all(&[*byte]).await.is_err();
        if ended {
            break;
        }
    }
    assert!(ended, "the PBX takes a handshake for as long as it may last");
}

async fn tcp(pbx: &offhook_pbx::Pbx) -> TcpStream {
    TcpStream::connect(pbx.ws_address().expect("ws is on")).await.expect("the PBX listens")
}

/// What is answered to these bytes, until the PBX closes or, having answered, waits for more.
async fn http(pbx: &offhook_pbx::Pbx, bytes: &str) -> String {
    let mut stream = tcp(pbx).await;
    stream.write_all(bytes.as_bytes()).await.expect("open");
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = tokio::time::timeout(SOON, stream.read(&mut buffer)).await.expect("neither answer nor end");
        match read {
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The SIP WebSocket is for the pages that may use the API; what is no page says no origin.
#[tokio::test]
async fn pages_of_other_origins_get_no_websocket() {
    let pbx = pbx().await;
    let host = pbx.ws_address().expect("ws is on").to_string();
    let own = format!("http://{host}");
    for path in ["/ws", "/"] {
        for origin in [own.as_str(), "http://localhost:5173", "http://127.0.0.1:3000", "https://app.localhost"] {
            assert_eq!(handshake(&pbx, path, &host, &[origin]).await, 101, "{path} {origin}");
        }
        for origin in ["https://evil.example", "http://127.0.0.1.evil.example", "null", "", "\u{e9}"] {
            assert_eq!(handshake(&pbx, path, &host, &[origin]).await, 403, "{path} {origin}");
        }
        assert_eq!(handshake(&pbx, path, &host, &[&own, "https://evil.example"]).await, 403, "{path}");
        assert_eq!(handshake(&pbx, path, &host, &[]).await, 101, "{path}");
        // DNS rebinding: a name of somebody else's that leads to this machine.
        assert_eq!(handshake(&pbx, path, "evil.example", &["http://evil.example"]).await, 421, "{path}");
    }
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn the_origins_of_pages_can_be_listed() {
    let mut pseries = PSeries::default();
    pseries.allowed_origins = Some(vec!["https://app.example".to_owned()]);
    let pbx = Pbx::builder().wss_port(None).pseries(pseries).start().await.expect("the PBX starts");
    for (origin, status) in [("https://app.example", 101), ("http://localhost:5173", 403), ("http://pbx.example", 101)]
    {
        assert_eq!(handshake(&pbx, "/ws", "pbx.example", &[origin]).await, status, "{origin}");
    }
}

/// The status of a handshake that has all it needs, with these origins.
async fn handshake(pbx: &Pbx, path: &str, host: &str, origins: &[&str]) -> u16 {
    let origins: String = origins.iter().map(|origin| format!("Origin: {origin}\r\n")).collect();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n{origins}\r\n"
    );
    let mut stream = tcp(pbx).await;
    stream.write_all(head.as_bytes()).await.expect("open");
    let mut answer = [0; 12];
    tokio::time::timeout(SOON, stream.read_exact(&mut answer)).await.expect("no answer").expect("open");
    String::from_utf8_lossy(&answer).strip_prefix("HTTP/1.1 ").and_then(|s| s.parse().ok()).expect("a status")
}
