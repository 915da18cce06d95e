//! Connecting and registering: what works, and how it fails.

use std::time::Duration;

use offhook::{Cause, Phone, PhoneError, PhoneEvent, TransportError};
use tokio::net::{TcpListener, TcpSocket};

use crate::support::{at, pbx, phone, soon, until};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The error of a phone that cannot connect, and what it says.
async fn refused(builder: offhook::PhoneBuilder) -> (PhoneError, String) {
    let error = soon(builder.connect()).await.expect_err("cannot connect");
    let text = error.to_string();
    (error, text)
}

#[tokio::test]
async fn a_phone_registers_and_shuts_down() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    assert!(phone.is_registered());
    soon(pbx.load_when(|load| load.registrations == 1)).await.expect("the PBX has it");
    soon(phone.shutdown()).await;
    assert!(!phone.is_registered());
    soon(pbx.load_when(|load| load.registrations == 0)).await.expect("and no more");
}

#[tokio::test]
async fn events_from_before_the_connection_are_there_for_the_first_to_listen() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    let mut events = phone.events();
    until(&mut events, |event| *event == PhoneEvent::Connected).await;
    until(&mut events, |event| *event == PhoneEvent::Registered).await;
}

#[tokio::test]
async fn dropping_the_last_handle_unregisters() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    let clone = phone.clone();
    drop(phone);
    assert!(clone.is_registered());
    drop(clone);
    soon(pbx.load_when(|load| load.registrations == 0 && load.connections == 0)).await.expect("it is gone");
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let pbx = pbx().await;
    let (error, text) = refused(at(&pbx, "1000").password("wrong")).await;
    assert!(matches!(error, PhoneError::Registration { cause: Cause::AuthenticationError, .. }), "{error:?}");
    assert!(text.contains("password"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    // Bound, so that nobody else takes the port, and not listening.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
    let port = socket.local_addr().expect("an address").port();
    let (error, text) = refused(Phone::builder().server(format!("ws://127.0.0.1:{port}")).user("1")).await;
    assert!(matches!(error, PhoneError::Transport(TransportError::Unreachable { .. })), "{error:?}");
    assert!(text.contains(&port.to_string()) && text.contains("running"), "{text}");
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("ws://{}", silent.local_addr().expect("an address"));
    let builder = Phone::builder().server(url).user("1").connect_timeout(Duration::from_millis(200));
    let (error, _) = refused(builder).await;
    assert!(matches!(error, PhoneError::Transport(TransportError::Timeout { after_ms: 200, .. })), "{error:?}");
}

#[tokio::test]
async fn a_server_of_another_kind_is_named() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let web = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("ws://{}/", web.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut socket, _) = web.accept().await.expect("a client");
        let mut request = [0; 4096];
        let _ = socket.read(&mut request).await;
        let _ = socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    });
    let (error, text) = refused(Phone::builder().server(url).user("1")).await;
    assert!(matches!(error, PhoneError::Transport(TransportError::Handshake { .. })), "{error:?}");
    assert!(text.contains("404") && text.contains("path"), "{text}");
}

#[tokio::test]
async fn a_server_that_wants_tls_is_named() {
    let pbx = pbx().await;
    let url = pbx.wss_url().expect("a wss port").replace("wss://", "ws://");
    let (error, text) = refused(Phone::builder().server(url).user("1")).await;
    assert!(matches!(error, PhoneError::Transport(TransportError::Handshake { .. })), "{error:?}");
    assert!(text.contains("may be a wss:// server") && !text.contains("path"), "{text}");
}

#[tokio::test]
async fn the_servers_ca_or_its_fingerprint_make_it_trusted() {
    let pbx = pbx().await;
    let url = pbx.wss_url().expect("a wss port");
    let builder = || Phone::builder().server(&url).user("1000").password("secret-1000");
    let by_ca = soon(builder().ca_certificate(pbx.certificate_pem()).connect()).await.expect("trusts the CA");
    assert!(by_ca.is_registered());
    let pin = hex(&pbx.certificate_sha256());
    let by_pin = soon(builder().pin_certificate(pin).connect()).await.expect("trusts the certificate");
    assert!(by_pin.is_registered());
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let pbx = pbx().await;
    let url = pbx.wss_url().expect("a wss port");
    let builder = || Phone::builder().server(&url).user("1000").password("secret-1000");
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    for builder in [builder(), builder().ca_certificate(other.cert.pem()), builder().pin_certificate("00".repeat(32))] {
        let (error, text) = refused(builder).await;
        assert!(matches!(error, PhoneError::Transport(TransportError::Certificate { .. })), "{error:?}");
        assert!(text.contains("certificate"), "{text}");
    }
    assert_eq!(pbx.load().registrations, 0);
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_before_anything_is_tried() {
    for builder in [
        Phone::builder(),
        Phone::builder().server("wss://h").password("x"),
        Phone::builder().server("https://h").user("1"),
        Phone::builder().server("wss://h").user("1").pin_certificate("xyz"),
        Phone::builder().server("wss://h").user("1").ca_certificate("nothing"),
        Phone::builder().server("wss://h").user("1").ca_certificate("").pin_certificate("00".repeat(32)),
    ] {
        assert!(matches!(builder.build(), Err(PhoneError::InvalidArgument { .. })));
    }
}

#[tokio::test]
async fn a_phone_that_lost_its_server_finds_it_again() {
    let first = pbx().await;
    let port = first.ws_address().expect("an address").port();
    let policy = offhook::ReconnectPolicy { first_ms: 50, max_ms: 100, ..Default::default() };
    let phone = soon(at(&first, "1000").reconnect(policy).connect()).await.expect("registers");
    let mut events = phone.events();
    soon(first.shutdown()).await;
    until(&mut events, |event| matches!(event, PhoneEvent::Disconnected { .. })).await;
    let _second = offhook_pbx::Pbx::builder().ws_port(port).start().await.expect("starts again");
    until(&mut events, |event| *event == PhoneEvent::Registered).await;
    assert!(phone.is_registered());
}
