//! Why one cannot log in: each reason has its number, and comes in time.

use std::time::Instant;

use offhook::{HttpFailure, Init, PbxError};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Answer, SECRET, Server, TOKEN, refused, soon};

#[tokio::test]
async fn a_url_that_is_none() {
    for url in ["", "pbx.example", "ftp://pbx.example", "https://", "https://pbx.example:x", "https://a b"] {
        let error = refused(Init::new(url, "1000", SECRET)).await;
        assert_eq!(error.code(), -2, "{url}: {error}");
        assert!(error.to_string().contains("https://HOST"), "{error}");
    }
}

#[tokio::test]
async fn plain_http_beyond_this_machine() {
    let error = refused(Init::new("http://pbx.example", "1000", SECRET)).await;
    assert_eq!(error.code(), -3, "{error}");
}

#[tokio::test]
async fn a_product_that_is_down_or_none() {
    // A port that was free an instant ago.
    let port = TcpListener::bind("127.0.0.1:0").await.expect("binds").local_addr().expect("an address").port();
    let error = refused(Init::new(format!("https://127.0.0.1:{port}"), "1000", SECRET)).await;
    assert_eq!(error.code(), -4, "{error}");

    let server = Server::start().await;
    for answer in [
        Answer::Status(500, ""),
        Answer::Status(200, "<html>"),
        Answer::Status(302, ""),
        Answer::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        Answer::Json(json!({ "errcode": 1, "errmsg": "FAIL" })),
        Answer::Json(json!({ "product": { "version": "1" } })),
    ] {
        server.answer("pbx/getproduct", [answer]);
        assert_eq!(refused(server.init()).await.code(), -4);
    }
    assert!(server.asked("login").is_empty());
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted() {
    let (server, other) = (Server::start().await, Server::start().await);
    let error = refused(Init::new(server.url(), "1000", SECRET).ca_certificate(other.ca.clone())).await;
    assert!(error.to_string().contains("certificate") && error.code() == -4, "{error}");
    let error = refused(Init::new(server.url(), "1000", SECRET).pin_certificate("00".repeat(32))).await;
    assert!(error.to_string().contains("pinned"), "{error}");
    assert!(server.asked("pbx/getproduct").is_empty(), "nothing is said to a server that is not trusted");
}

#[tokio::test]
async fn a_ca_that_cannot_be_read() {
    let error = refused(Init::new("https://pbx.example", "1000", SECRET).ca_certificate("hello")).await;
    assert!(matches!(error, PbxError::InvalidArgument { .. }), "{error:?}");
}

#[tokio::test]
async fn what_the_pbx_says_no_to() {
    let api = |errcode: i64| Answer::Json(json!({ "errcode": errcode, "errmsg": "NO" }));
    let extension = |web: i64| json!({ "id": 12, "number": "1000", "enb_web_client": web, "enb_desktop_client": 1 });
    for (path, answer, code) in [
        ("login", api(20_001), -103),
        ("login", api(70_136), -110),
        ("login", Answer::Status(200, "{\"errcode\":0}"), -103),
        ("login", Answer::Raw(Vec::new()), -102),
        ("extension/getpersonalglobal", api(1), -103),
        ("licenseservice/get", Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec()), -102),
        ("extension/getpersonal", Answer::Json(json!({})), -104),
        ("extension/getpersonal", Answer::Json(json!({ "extension": extension(0) })), -106),
        ("extension/getregisterinfo", Answer::Json(json!({})), -101),
    ] {
        let server = Server::start().await;
        server.answer(path, [answer]);
        let error = refused(server.init()).await;
        assert_eq!(error.code(), code, "{path}: {error}");
        if path != "login" {
            assert_eq!(server.request("logout", 1).await.header("authorization"), Some(TOKEN), "{path}");
        }
        server.connections(0).await;
    }
}

#[tokio::test]
async fn an_answer_above_a_mebibyte() {
    let server = Server::start().await;
    let body = "x".repeat((1 << 20) + 1);
    server.answer(
        "extension/getpersonal",
        [Answer::Raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())],
    );
    let error = refused(server.init()).await;
    assert!(matches!(error, PbxError::Network { failure: HttpFailure::TooLarge, .. }), "{error:?}");
}

/// The core's deadline, in real time: one request of each kind of silence.
#[tokio::test]
async fn a_server_that_never_answers() {
    let begun = Instant::now();
    let server = Server::start().await;
    server.answer("pbx/getproduct", [Answer::Never]);
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("https://{}", silent.local_addr().expect("bound"));
    let (asked, no_tls) = tokio::join!(refused(server.init()), refused(Init::new(url, "1000", SECRET)));
    assert_eq!((asked.code(), no_tls.code()), (-4, -4));
    assert!(begun.elapsed().as_secs() < 15);
    server.connections(0).await;
    soon("nothing", std::future::ready(())).await;
}
