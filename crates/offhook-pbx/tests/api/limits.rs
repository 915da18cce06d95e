//! Requests that are too large, too slow, or none.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Call, SOON, Server};

/// What is answered to these bytes, up to the end of the connection.
pub(crate) async fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(&server.authority).await.expect("it listens");
    stream.write_all(bytes).await.expect("open");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(SOON, read).await.expect("the connection ends").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_above_64_kib_is_refused_413() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    for path in ["/api/v1.0/login", "/openapi/v1.0/get_token"] {
        let call = Call::new("POST", path).body(vec![b' '; 64 * 1024 + 1]);
        server.send(call).await.fails(413, 40004);
    }
    let body = format!("{{\"type\":\"call\"{}}}", " ".repeat(64 * 1024 - 15));
    let fits = Call::new("POST", "/api/v1.0/dct/init").token(&token).body(body);
    server.send(fits).await.ok();
    let open = format!("/openapi/v1.0/sign/create?access_token={}", server.open_token().await);
    server.send(Call::new("POST", &open).body(vec![b'['; 70_000])).await.fails(413, 40004);
    server.admin("PATCH", "settings", json!({ "fqdn_domain": "x".repeat(70_000) })).await.fails(413, 40004);
}

#[tokio::test]
async fn deep_json_is_refused() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let deep = format!("{{\"a\":{}", "[".repeat(60_000));
    server.send(Call::new("POST", "/api/v1.0/rascallreport/web").token(&token).body(deep)).await.refused(40001);
}

#[tokio::test]
async fn a_slow_body_is_not_waited_for() {
    let server = Server::start().await;
    for path in ["/api/v1.0/login", "/openapi/v1.0/get_token"] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{\"user");
        let answer = raw(&server, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test]
async fn a_slow_head_is_not_waited_for() {
    let server = Server::start().await;
    raw(&server, b"GET /api/v1.0/pbx/getproduct HTTP/1.1\r\nHost: loc").await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::start().await;
    for sent in [&b""[..], b"GET /api/v1.0/pbx/getproduct HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        raw(&server, sent).await;
    }
}

#[tokio::test]
async fn what_is_no_request_of_the_api_is_not_found() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    for path in [
        "/",
        "/api",
        "/api/v1.0",
        "/api/v1.0/",
        "/api/v1.0/extension",
        "/api/v1.0/extension/list",
        "/api/v2.0/login",
        "/api/v1.0/../../admin/v1/extensions",
        "/api/v1.0/%2e%2e/login",
        "/openapi/v1.0/extension/list",
        "/admin",
        "/admin/v1/../v1/settings",
        "/etc/passwd",
    ] {
        let reply = server.get(path, &token).await;
        assert!(matches!(reply.status, 404 | 426 | 401), "{path}: {reply:?}");
    }
    server.get("/api/v1.0/nothing", &token).await.fails(404, 10001);
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        server.send(Call::new(method, "/api/v1.0/extension/getpersonal").token(&token)).await.fails(404, 10001);
    }
}

#[tokio::test]
async fn a_parameter_that_is_too_long_or_no_text_is_refused() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let long = "1".repeat(257);
    for number in [long.as_str(), "%ff", "a%00", "a%0d%0a"] {
        server.get(&format!("/api/v1.0/contacts/matchall?number={number}"), &token).await.refused(40002);
    }
}
