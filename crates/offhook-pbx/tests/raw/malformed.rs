//! Messages that are no SIP, or not quite.

use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, assert_nothing_left, pbx};

/// Each is answered with this status, or dropped in silence when nobody could tell what the answer belongs to (0), and the connection
/// goes on.
#[tokio::test]
async fn what_is_wrong_with_a_request_is_answered() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let cases: [(&str, &str, &str, u16); 9] = [
        ("CSeq of another method", "CSeq: 1 OPTIONS", "CSeq: 1 INVITE", 400),
        ("negative Content-Length", "Content-Length: 0", "Content-Length: -1", 400),
        ("unknown scheme", "OPTIONS sip:localhost", "OPTIONS nobodyknowsthis:opaque", 416),
        ("unknown extension required", "Max-Forwards: 70", "Max-Forwards: 70\r\nRequire: teleport", 420),
        ("later version", "sip:localhost SIP/2.0\r\n", "sip:localhost SIP/7.0\r\n", 505),
        ("no From", "From:", "X-From:", 0),
        ("no To", "\r\nTo:", "\r\nX-To:", 0),
        ("no Call-ID", "Call-ID:", "X-Call-ID:", 0),
        ("no Via", "Via:", "X-Via:", 0),
    ];
    for (what, from, to, status) in cases {
        let options = client.request("OPTIONS", "sip:localhost", "1000", "1000");
        let text = options.text();
        assert!(text.contains(from), "{what}");
        client.send(text.replacen(from, to, 1)).await;
        if status > 0 {
            let response = client.receive().await;
            assert_eq!(response.status, status, "{what}: {}", response.text);
            if status == 420 {
                assert_eq!(response.header("Unsupported"), "teleport");
            }
        }
        client.assert_served().await;
    }
}

/// RFC 3261 §8.2.1: 405 with the methods that are allowed, or 501.
#[tokio::test]
async fn an_unknown_method_is_answered() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let request = client.request("TELEPORT", "sip:localhost", "1000", "1000");
    let response = client.ask(&request).await;
    assert!(matches!(response.status, 405 | 501), "{}", response.text);
    if response.status == 405 {
        assert!(response.header("Allow").contains("INVITE"), "{}", response.text);
    }
    client.assert_served().await;
}

/// What cannot be answered, because nobody knows to whom, is dropped.
#[tokio::test]
async fn what_is_no_sip_is_dropped() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    for garbage in [
        "hello",
        "\u{0}\u{0}",
        "OPTIONS",
        "OPTIONS sip:x SIP/2.0\r\n\r\n",
        "{\"json\": true}",
        "SIP/2.0 200 OK\r\n\r\n",
    ] {
        client.send(garbage).await;
        client.assert_served().await;
    }
    client.send_frame(Message::binary(vec![0xff_u8; 100])).await.expect("open");
    client.assert_served().await;
}

/// Somebody who only sends garbage is no SIP client.
#[tokio::test]
async fn a_client_of_nothing_but_garbage_is_dropped() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    for number in 0..1000 {
        if client.send_frame(Message::text(format!("garbage {number}"))).await.is_err() {
            break;
        }
    }
    assert!(client.closed().await.is_empty(), "garbage was answered");
    assert_nothing_left(&pbx).await;
}

/// RFC 7118 §4.2 takes both frame types; RFC 3261 §7.5 needs no Content-Length on message transports (RFC 7118 §5).
#[tokio::test]
async fn sip_in_a_binary_frame_without_content_length_is_served() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let options = client.request("OPTIONS", "sip:localhost", "1000", "1000");
    let text = options.text().replace("Content-Length: 0\r\n", "");
    client.send_frame(Message::binary(text.into_bytes())).await.expect("open");
    assert_eq!(client.final_response(&options).await.status, 200);
}

/// RFC 5626 §4.4.1 as RFC 7118 §6 takes it over: a double CRLF is answered with one.
#[tokio::test]
async fn a_crlf_keep_alive_is_answered() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    client.send("\r\n\r\n").await;
    assert_eq!(client.receive_text().await, "\r\n");
    client.send("\r\n").await;
    client.assert_served().await;
}

/// 513 Message Too Large (RFC 3261 §21.5.7), or the connection is closed; either way nobody else notices.
#[tokio::test]
async fn a_message_above_the_limit_is_refused() {
    let pbx = pbx().await;
    let mut other = Client::registered(&pbx, "1001").await;
    let mut client = Client::registered(&pbx, "1000").await;
    let mut message =
        client.request("MESSAGE", "sip:1001@localhost", "1000", "1001").header("Content-Type: text/plain");
    message.body = "x".repeat(100_000);
    client.send(message.text()).await;
    let answers = client.closed().await;
    assert!(answers.iter().all(|answer| answer.status == 513), "{answers:?}");
    assert!(!answers.is_empty(), "the reason was not told");
    other.assert_served().await;
    drop((client, other));
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn a_message_of_a_megabyte_ends_the_connection() {
    let pbx = pbx().await;
    let mut other = Client::registered(&pbx, "1001").await;
    let mut client = Client::registered(&pbx, "1000").await;
    let mut message = client.request("MESSAGE", "sip:1001@localhost", "1000", "1001");
    message.body = "x".repeat(1_000_000);
    // The PBX may close before it has read all of it.
    let _ = client.send_frame(Message::text(message.text())).await;
    client.closed().await;
    other.assert_served().await;
    drop((client, other));
    assert_nothing_left(&pbx).await;
}

/// A head of many headers is as costly as a large body: it is answered or dropped, and the client is served as before.
#[tokio::test]
async fn a_request_with_thousands_of_headers_harms_nobody() {
    let pbx = pbx().await;
    let mut client = Client::connect(&pbx).await;
    let mut heavy = client.request("OPTIONS", "sip:localhost", "1000", "1000");
    heavy.headers.extend((0..5_000).map(|n| format!("X-{n}: y")));
    assert!(heavy.text().len() < 65_536);
    client.send(heavy.text()).await;
    let options = client.request("OPTIONS", "sip:localhost", "1000", "1000");
    assert_eq!(client.ask(&options).await.status, 200);
}
