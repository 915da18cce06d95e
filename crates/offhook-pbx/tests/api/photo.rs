//! GET `/api/v1.0/extension/getphoto` and `/api/photo/NAME`.

use serde_json::json;

use crate::support::{Call, Reply, Server};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n not much of a picture";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0 not much of a picture";
const WEBP: &[u8] = b"RIFF\x10\0\0\0WEBPVP8 not much";

async fn put(server: &Server, number: &str, picture: &[u8]) -> Reply {
    let path = format!("/admin/v1/extensions/{number}/photo");
    let call =
        Call::new("PUT", &path).header("authorization", "Bearer offhook-admin").header("content-type", "text/html");
    server.send(call.body(picture.to_vec())).await
}

#[tokio::test]
async fn a_photo_is_named_and_shown_as_what_it_is() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    for (picture, kind) in [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")] {
        let name = put(&server, "1001", picture).await.ok()["photo"].as_str().expect("a name").to_owned();
        let told = server.get("/api/v1.0/extension/getphoto?ext_num=1001", &token).await.ok();
        assert_eq!(told["photo"], name);
        let shown = server.get(&format!("/api/photo/{name}"), "").await;
        assert_eq!((shown.status, shown.header("content-type"), &shown.body[..]), (200, kind, picture));
        assert_eq!(shown.header("x-content-type-options"), "nosniff");
    }
    // One that nobody has any more is gone, and so is the last.
    server.admin("DELETE", "extensions/1001/photo", json!(null)).await.ok();
    assert_eq!(server.get("/api/v1.0/extension/getphoto?ext_num=1001", &token).await.ok()["photo"], "");
}

#[tokio::test]
async fn whatever_is_no_name_of_a_photo_is_not_there() {
    let server = Server::start().await;
    let name = put(&server, "1000", PNG).await.ok()["photo"].as_str().expect("a name").to_owned();
    let upper = name.to_ascii_uppercase();
    let hash = name.trim_end_matches(".png");
    for wrong in [
        "x",
        "..%2f..%2fetc%2fpasswd",
        "..%2Fpbx.db",
        "%2e%2e/pbx.db",
        "key.pem",
        "'%20OR%201=1%20--.png",
        &upper,
        hash,
        &format!("{hash}.jpg"),
        &format!("{hash}.png%00.html"),
        &format!("{}.png", "0".repeat(64)),
        "%ff%fe",
    ] {
        let reply = server.get(&format!("/api/photo/{wrong}"), "").await;
        assert!(matches!(reply.status, 400 | 404), "{wrong}: {reply:?}");
    }
}

#[tokio::test]
async fn getphoto_takes_a_number_of_this_pbx() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let get = |query: &str| {
        let path = format!("/api/v1.0/extension/getphoto{query}");
        let (server, token) = (&server, &token);
        async move { server.get(&path, token).await }
    };
    assert_eq!(get("?ext_num=1002").await.ok()["photo"], "");
    get("").await.refused(40002);
    get("?ext_num=1&ext_num=2").await.refused(40002);
    get("?ext_num=4711").await.refused(60001);
    get("?ext_num=1000'%20OR%20'1'='1").await.refused(60001);
    get("?ext_num=%0d%0a").await.refused(40002);
}

#[tokio::test]
async fn what_is_no_picture_or_too_large_is_not_taken() {
    let server = Server::start().await;
    for data in [&b"<svg onload=alert(1)>"[..], b"GIF89a", b"", b"RIFF\x10\0\0\0WAVE"] {
        put(&server, "1000", data).await.fails(422, 40002);
    }
    let mut large = PNG.to_vec();
    large.resize(256 * 1024, 0);
    put(&server, "1000", &large).await.ok();
    large.push(0);
    put(&server, "1000", &large).await.fails(413, 40004);
    put(&server, "4711", PNG).await.fails(404, 60001);
}
