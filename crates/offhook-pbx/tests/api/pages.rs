//! Pages of browsers: which origins may use the API, and what every answer says to them.

use crate::support::{Call, Reply, Server};

const PRODUCT: &str = "/api/v1.0/pbx/getproduct";

async fn from(server: &Server, origin: &str) -> Reply {
    server.send(Call::new("GET", PRODUCT).header("origin", origin)).await
}

#[tokio::test]
async fn on_loopback_pages_of_loopback_hosts_may() {
    let server = Server::start().await;
    for origin in ["http://localhost:3000", "http://127.0.0.1", "https://[::1]:8443", "http://app.localhost:5173"] {
        let reply = from(&server, origin).await;
        reply.ok();
        assert_eq!(reply.header("access-control-allow-origin"), origin);
        assert!(reply.header("vary").contains("Origin"), "{reply:?}");
    }
    for origin in ["https://evil.example", "http://localhost.evil.example", "null", "http://127.0.0.1.evil.example"] {
        let reply = from(&server, origin).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (403, ""), "{origin}");
    }
    let preflight = Call::new("OPTIONS", "/api/v1.0/login")
        .header("origin", "http://localhost:3000")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let reply = server.send(preflight).await;
    assert_eq!(reply.status, 204);
    assert!(reply.header("access-control-allow-headers").contains("Authorization"), "{reply:?}");
    assert!(reply.header("access-control-allow-methods").contains("POST"), "{reply:?}");
    let preflight = Call::new("OPTIONS", "/admin/v1/settings").header("origin", "https://evil.example");
    assert_eq!(server.send(preflight).await.status, 403);
}

#[tokio::test]
async fn the_configured_origins_may_and_no_others() {
    let server = Server::with(|pseries| pseries.allowed_origins = Some(vec!["https://app.example".to_owned()])).await;
    from(&server, "https://app.example").await.ok();
    for origin in ["http://app.example", "https://app.example.evil", "http://localhost:3000", "https://app.example:444"]
    {
        assert_eq!(from(&server, origin).await.status, 403, "{origin}");
    }
    // A page of the PBX's own address.
    from(&server, &format!("http://{}", server.authority)).await.ok();
}

/// DNS rebinding: a name of somebody else's that leads to this machine.
#[tokio::test]
async fn on_loopback_the_api_is_reached_by_loopback_names_only() {
    let server = Server::start().await;
    for host in ["evil.example", "evil.example:80", "192.0.2.1"] {
        let raw = format!("GET {PRODUCT} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = crate::limits::raw(&server, raw.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 421"), "{host}: {answer}");
    }
    let raw = format!("GET {PRODUCT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(crate::limits::raw(&server, raw.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn every_answer_says_that_it_is_no_page_and_not_to_be_kept() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    for reply in [
        server.get(PRODUCT, "").await,
        server.get("/api/v1.0/extension/getregisterinfo", &token).await,
        server.get("/api/v1.0/extension/getregisterinfo", "").await,
        server.get("/api/v1.0/nothing", "").await,
        server.admin("GET", "extensions", serde_json::Value::Null).await,
        server.get("/admin/v1/extensions", "").await,
    ] {
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{reply:?}");
        assert_eq!(reply.header("cache-control"), "no-store", "{reply:?}");
        assert!(reply.header("content-security-policy").contains("default-src 'none'"), "{reply:?}");
        assert!(reply.header("content-type").starts_with("application/json"), "{reply:?}");
    }
}
