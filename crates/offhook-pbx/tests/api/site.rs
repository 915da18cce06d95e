//! The site: what a browser is shown beside the API, and what it is told about it.

use offhook_pbx::{Pbx, PbxBuilder, Site, SiteFile};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::limits::raw;
use crate::support::{Call, Server};

const PAGE: &str = "<!doctype html><title>a page</title>";

fn site() -> Site {
    let script = SiteFile::new("text/javascript; charset=utf-8", b"plain".as_slice())
        .gzip(b"as gzip".as_slice())
        .brotli(b"as brotli".as_slice())
        .immutable();
    Site::new()
        .file("/", SiteFile::new("text/html; charset=utf-8", PAGE.as_bytes()))
        .and_then(|site| site.file("/v1/phone.js", script))
        .expect("a site")
}

fn builder() -> PbxBuilder {
    Pbx::builder().wss_port(None).site(site())
}

#[tokio::test]
async fn a_page_is_served_with_its_policy_and_asked_for_each_time() {
    let server = Server::of(builder()).await;
    let reply = server.get("/", "").await;
    assert_eq!((reply.status, reply.body.as_ref()), (200, PAGE.as_bytes()));
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(reply.header("cache-control"), "no-cache");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
    assert_eq!(reply.header("cross-origin-opener-policy"), "same-origin");
    assert!(reply.header("permissions-policy").contains("microphone=(self)"), "{reply:?}");
    let policy = reply.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval';",
        "style-src 'self';",
        "connect-src 'self';",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(
        !policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'") && !policy.contains('*'),
        "{policy}"
    );
    // A query is no part of a name.
    assert_eq!(server.get("/?user=1000", "").await.status, 200);
}

#[tokio::test]
async fn what_has_its_hash_in_its_name_is_kept_for_a_year() {
    let server = Server::of(builder()).await;
    let reply = server.get("/v1/phone.js", "").await;
    assert_eq!((reply.status, reply.body.as_ref()), (200, b"plain".as_slice()));
    assert_eq!(reply.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(reply.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(reply.header("content-encoding"), "");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn the_smallest_form_that_the_client_takes_is_sent_each_with_its_own_tag() {
    let server = Server::of(builder()).await;
    let mut tags = Vec::new();
    for (accepted, encoding, body) in [
        ("gzip, deflate, br", "br", "as brotli"),
        ("gzip, deflate", "gzip", "as gzip"),
        ("br;q=0, gzip;q=0.1", "gzip", "as gzip"),
        ("identity", "", "plain"),
    ] {
        let reply = server.send(Call::new("GET", "/v1/phone.js").header("accept-encoding", accepted)).await;
        assert_eq!((reply.header("content-encoding"), reply.body.as_ref()), (encoding, body.as_bytes()), "{accepted}");
        assert_eq!(reply.header("vary"), "Accept-Encoding");
        tags.push(reply.header("etag").to_owned());
    }
    tags.dedup();
    assert_eq!(tags.len(), 3, "{tags:?}");
    // A file without compressed forms goes as it is.
    let reply = server.send(Call::new("GET", "/").header("accept-encoding", "gzip, br")).await;
    assert_eq!((reply.header("content-encoding"), reply.body.as_ref()), ("", PAGE.as_bytes()));
}

#[tokio::test]
async fn a_client_that_has_it_is_not_sent_it_again() {
    let server = Server::of(builder()).await;
    let tag = server.get("/", "").await.header("etag").to_owned();
    assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let reply = server.send(Call::new("GET", "/").header("if-none-match", &known)).await;
        assert_eq!((reply.status, reply.body.len()), (304, 0), "{known}");
        assert_eq!((reply.header("etag"), reply.header("cache-control")), (tag.as_str(), "no-cache"), "{known}");
        assert!(!reply.header("content-security-policy").is_empty());
    }
    let reply = server.send(Call::new("GET", "/").header("if-none-match", "\"other\"")).await;
    assert_eq!((reply.status, reply.body.as_ref()), (200, PAGE.as_bytes()));
    // The tag of another form is another.
    let plain = server.get("/v1/phone.js", "").await.header("etag").to_owned();
    let call = Call::new("GET", "/v1/phone.js").header("accept-encoding", "br").header("if-none-match", &plain);
    assert_eq!(server.send(call).await.status, 200);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::of(builder()).await;
    for path in ["/", "/v1/phone.js"] {
        let (get, head) = (server.get(path, "").await, server.send(Call::new("HEAD", path)).await);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        for name in ["content-type", "content-length", "etag", "cache-control", "content-security-policy"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        assert_eq!(head.header("content-length"), get.body.len().to_string());
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_those_there_are() {
    let server = Server::of(builder()).await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        for path in ["/", "/v1/phone.js"] {
            let reply = server.send(Call::new(method, path)).await;
            assert_eq!(
                (reply.status, reply.header("allow"), reply.body.len()),
                (405, "GET, HEAD", 0),
                "{method} {path}"
            );
        }
    }
}

/// The table has names, not places: whatever else is asked for is not there.
#[tokio::test]
async fn no_other_name_leads_anywhere() {
    let server = Server::of(builder()).await;
    for target in [
        "/index.html",
        "/v1",
        "/v1/",
        "/v1/phone.js/",
        "/v1/phone.jsx",
        "/v1/../v1/phone.js",
        "/v1/..%2fv1%2fphone.js",
        "/%76%31/phone.js",
        "/v1/./phone.js",
        "//v1/phone.js",
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/V1/phone.js",
        "/v1/phone.js%00",
        "/v1\\phone.js",
    ] {
        let answer =
            raw(&server, format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
                .await;
        assert!(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"), "{target}: {answer}");
        assert!(!answer.contains("plain") && !answer.contains("root:"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn who_asks_to_upgrade_at_the_root_gets_sip_and_never_a_page() {
    let server = Server::of(builder()).await;
    let mut request = format!("ws://{}/", server.authority).into_client_request().expect("a URL");
    request.headers_mut().insert("sec-websocket-protocol", "sip".parse().expect("a value"));
    let (_, response) = connect_async(request).await.expect("SIP over WebSocket");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["sec-websocket-protocol"]),
        (101, &"sip".parse().expect("a value"))
    );
    // Without the subprotocol it is refused as before.
    let reply = connect_async(format!("ws://{}/", server.authority)).await.expect_err("no SIP");
    assert!(reply.to_string().contains("400"), "{reply}");
}

#[tokio::test]
async fn without_a_site_the_root_is_for_sip_alone() {
    let server = Server::start().await;
    let reply = server.get("/", "").await;
    assert_eq!(reply.status, 426);
    assert_eq!(reply.header("content-security-policy"), "");
    assert_eq!(server.get("/v1/phone.js", "").await.status, 404);
}
