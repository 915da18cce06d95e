//! Connecting that fails: soon, and with a name.

use std::time::Duration;

use offhook::{Cause, PhoneError, TransportError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Server, soon};

#[tokio::test]
async fn nobody_listens() {
    // The port stays taken, so that nobody else listens there.
    let (server, _kept) = Server::with_kept_port().await;
    let phone = server.phone();
    drop(server);
    let error = soon("a refusal", phone.connect()).await.expect_err("nobody is there");
    assert!(matches!(error, PhoneError::Transport(TransportError::Unreachable { .. })), "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let server = Server::start().await;
    let connecting = tokio::spawn(server.phone().connect_timeout(Duration::from_millis(300)).connect());
    let _silent = server.tcp().await;
    let error = soon("the time-out", connecting).await.expect("no panic").expect_err("it says nothing");
    assert!(matches!(error, PhoneError::Transport(TransportError::Timeout { .. })), "{error:?}");
}

/// What is answered to the upgrade is no WebSocket for SIP.
#[tokio::test]
async fn a_server_of_something_else() {
    for answer in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 301 Moved Permanently\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        "220 mail.example.com ESMTP\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        let server = Server::start().await;
        let connecting = tokio::spawn(server.phone().connect());
        let mut stream = server.tcp().await;
        let mut head = [0; 4096];
        assert!(stream.read(&mut head).await.expect("the upgrade") > 0);
        stream.write_all(answer.as_bytes()).await.expect("open");
        drop(stream);
        let error = soon("a refusal", connecting).await.expect("no panic").expect_err(answer);
        let named = matches!(
            error,
            PhoneError::Transport(TransportError::Handshake { .. } | TransportError::Unreachable { .. })
        );
        assert!(named, "{answer}: {error:?}");
    }
}

/// An answer to the upgrade whose head never ends.
#[tokio::test]
async fn a_server_that_answers_without_end() {
    let server = Server::start().await;
    let connecting = tokio::spawn(server.phone().connect());
    let mut stream = server.tcp().await;
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n").await.expect("open");
    let line = format!("X-Padding: {}\r\n", "x".repeat(1000));
    let endless = async { while stream.write_all(line.as_bytes()).await.is_ok() {} };
    let (result, ()) = soon("an end", async { tokio::join!(connecting, endless) }).await;
    let error = result.expect("no panic").expect_err("it never was a WebSocket");
    assert!(matches!(error, PhoneError::Transport(_)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password() {
    let server = Server::start().await;
    let connecting = tokio::spawn(server.phone().connect());
    let mut connection = server.accept().await;
    let mut asked = 0;
    while !connecting.is_finished() {
        let Some(register) = connection.next().await else { break };
        asked += 1;
        assert!(asked <= 3, "the phone tries a wrong password again and again");
        let challenge =
            format!("WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n{asked}\", qop=\"auth\", algorithm=MD5\r\n");
        connection.send(register.answer(401, "Unauthorized", &challenge)).await;
    }
    let error = soon("a refusal", connecting).await.expect("no panic").expect_err("the password is wrong");
    let PhoneError::Registration { cause, status, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*cause, *status), (Cause::AuthenticationError, Some(401)));
    assert_eq!(asked, 2, "asked with and without credentials");
}

#[tokio::test]
async fn a_registrar_that_refuses() {
    let server = Server::start().await;
    let connecting = tokio::spawn(server.phone().connect());
    let mut connection = server.accept().await;
    let register = connection.request("REGISTER").await;
    connection.send(register.answer(403, "Not today", "")).await;
    let error = soon("a refusal", connecting).await.expect("no panic").expect_err("refused");
    let PhoneError::Registration { status, reason, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*status, reason.as_str()), (Some(403), "Not today"));
}
