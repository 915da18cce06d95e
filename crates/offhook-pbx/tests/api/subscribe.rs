//! The subscription socket: `/api/v1.0/subscribe?access_token=TOKEN`.

use std::time::Duration;

use futures_util::SinkExt as _;
use offhook_pbx::{PSeries, Pbx};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::{Call, MARKER, SOON, Server, Socket};

/// Changes what everybody is told with the topic 20008.
async fn tell(server: &Server, code: &str) {
    server.admin("PATCH", "settings", json!({ "record_feature_code": code })).await.ok();
}

#[tokio::test]
async fn only_topics_that_were_subscribed_are_told() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.socket(&token).await.expect("a socket");
    tell(&server, "*2").await;
    socket.send(r#"{"topic_list":[20008,20008,4711]}"#).await;
    assert_eq!(socket.json().await, json!({ "errcode": 0, "errmsg": "SUCCESS" }));
    // What was told before is not told later either: the next is this.
    tell(&server, "*3").await;
    assert_eq!(socket.told(20008).await, json!({ "record_feature_code": "*3" }));
    // A later list replaces the one before.
    socket.send(&json!({ "topic_list": [20065, MARKER] }).to_string()).await;
    assert_eq!(socket.json().await["errcode"], 0);
    tell(&server, "*4").await;
    socket.silent(&server).await;
}

#[tokio::test]
async fn a_heartbeat_is_answered() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.socket(&token).await.expect("a socket");
    for _ in 0..3 {
        socket.send("heartbeat").await;
        assert_eq!(socket.text().await, "heartbeat response");
    }
}

#[tokio::test]
async fn what_is_no_subscription_is_answered_minus_2_and_changes_nothing() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20008]).await;
    let many = json!({ "topic_list": vec![1; 257] }).to_string();
    for wrong in [
        "",
        "hello",
        "{",
        "[]",
        r#"{"topic_list":20008}"#,
        r#"{"topic_list":["20008"]}"#,
        r#"{"topic_list":[-1]}"#,
        r#"{"topic_list":[1.5]}"#,
        r#"{"topic_list":[18446744073709551616]}"#,
        "Heartbeat",
        many.as_str(),
    ] {
        socket.send(wrong).await;
        assert_eq!(socket.json().await["errcode"], -2, "{wrong}");
    }
    socket.0.send(Message::binary(vec![0, 255])).await.expect("open");
    assert_eq!(socket.json().await["errcode"], -2);
    tell(&server, "*2").await;
    socket.told(20008).await;
}

#[tokio::test]
async fn without_a_good_token_there_is_no_socket() {
    let server = Server::start().await;
    let lost = server.login("1000").await;
    server.get("/api/v1.0/logout", &lost).await.ok();
    for token in ["", "x", &"0".repeat(64), &lost, "offhook-admin"] {
        match server.socket(token).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 401, "{token}"),
            other => panic!("{token}: {other:?}"),
        }
    }
    let plain = server.send(Call::new("GET", "/api/v1.0/subscribe")).await;
    plain.fails(401, 10004);
    // In the header it does not count: a browser cannot send it there.
    let token = server.login("1000").await;
    server.get("/api/v1.0/subscribe", &token).await.fails(401, 10004);
    let no_upgrade = server.send(Call::new("GET", &format!("/api/v1.0/subscribe?access_token={token}"))).await;
    assert!((400..500).contains(&no_upgrade.status), "{no_upgrade:?}");
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_socket() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20008]).await;
    let _ = socket.0.send(Message::text("x".repeat(9 * 1024))).await;
    socket.closed().await;
    // The token is as good as before.
    let mut socket = server.subscribe(&token, &[20008]).await;
    tell(&server, "*2").await;
    socket.told(20008).await;
}

#[tokio::test]
async fn of_too_many_sockets_the_first_is_closed() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut sockets: Vec<Socket> = Vec::new();
    for _ in 0..5 {
        sockets.push(server.subscribe(&token, &[20008]).await);
    }
    assert_eq!(sockets[0].closed().await, Some(1008));
    tell(&server, "*2").await;
    for socket in &mut sockets[1..] {
        socket.told(20008).await;
    }
}

#[tokio::test]
async fn a_silent_socket_is_closed() {
    let server = Server::with(|pseries| pseries.subscription_idle_s = 3).await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20008]).await;
    assert_eq!(socket.closed().await, Some(1008));
    server.get("/api/v1.0/extension/getpersonal", &token).await.ok();
}

/// It reads nothing, though it is told more than the buffers of the connection hold.
#[tokio::test]
async fn a_slow_reader_is_dropped_and_harms_nobody() {
    let server = Server::start().await;
    let (slow, quick) = (server.login("1000").await, server.login("1001").await);
    let stuck = server.socket(&slow).await.expect("a socket");
    let mut stuck = stuck.0;
    let mut quick = server.subscribe(&quick, &[20008]).await;
    // Each heartbeat is answered: the answers are never read.
    let flood = async {
        loop {
            if stuck.send(Message::text("heartbeat")).await.is_err() {
                return;
            }
        }
    };
    let dropped = tokio::time::timeout(Duration::from_secs(60), flood).await;
    assert!(dropped.is_ok(), "still taken");
    tell(&server, "*2").await;
    quick.told(20008).await;
}

#[tokio::test]
async fn a_socket_ends_with_the_pbx() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20008]).await;
    tokio::time::timeout(SOON, server.pbx.shutdown()).await.expect("in time");
    socket.closed().await;
}

#[tokio::test]
async fn over_wss_it_is_the_same() {
    let pbx = Pbx::builder().ws_port(None).pseries(PSeries::default()).start().await.expect("the PBX starts");
    let address = pbx.wss_address().expect("wss is on");
    let mut roots = rustls::RootCertStore::empty();
    let pem = pbx.certificate_pem().to_owned();
    for certificate in
        <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::pem_slice_iter(pem.as_bytes())
    {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let connect = || async {
        let tcp = tokio::net::TcpStream::connect(address).await.expect("it listens");
        connector.connect(name.clone(), tcp).await.expect("TLS")
    };

    let signature = pbx.login_signature("1000").expect("there is 1000");
    let login =
        json!({ "username": "1000", "password": signature.expose(), "login_source": null, "login_jump": "sdk" });
    let io = hyper_util::rt::TokioIo::new(connect().await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request = hyper::Request::post("/api/v1.0/login").header("host", "localhost");
    let request =
        request.body(http_body_util::Full::new(hyper::body::Bytes::from(login.to_string()))).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("whole").to_bytes();
    let answer: Value = serde_json::from_slice(&body).expect("JSON");
    let token = answer["access_token"].as_str().expect("a token");

    let url = format!("wss://localhost:{}/api/v1.0/subscribe?access_token={token}", address.port());
    let (mut socket, _) = tokio_tungstenite::client_async(url, connect().await).await.expect("a socket");
    socket.send(Message::text("heartbeat")).await.expect("open");
    let answer = futures_util::StreamExt::next(&mut socket).await.expect("open").expect("a message");
    assert_eq!(answer, Message::text("heartbeat response"));
}
