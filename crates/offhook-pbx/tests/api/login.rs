//! POST `/api/v1.0/login`, the token it gives, and GET `/api/v1.0/logout`.

use serde_json::{Value, json};

use crate::support::{Call, Server};

const WRONG_LOGIN: i64 = 70002;
const TOKEN: i64 = 10004;
const BLOCKED: i64 = 70004;
const PARAMETER: i64 = 40002;

#[tokio::test]
async fn a_login_with_a_signature_answers_a_token() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()), "256 bits");
    assert_ne!(token, server.login("1000").await);
}

#[tokio::test]
async fn a_login_with_the_password_answers_a_token() {
    let server = Server::start().await;
    let reply = server.try_login("1003", "secret-1003", json!("webpc")).await;
    let token = reply.ok()["access_token"].as_str().expect("a token").to_owned();
    let personal = server.get("/api/v1.0/extension/getpersonal", &token).await.ok();
    assert_eq!(personal["extension"]["number"], "1003");
}

#[tokio::test]
async fn wrong_credentials_and_unknown_users_are_refused_alike() {
    let server = Server::start().await;
    let other = server.signature("1001").await;
    for (user, password) in [
        ("1000", "secret-1001"),
        ("1000", other.as_str()),
        ("1000", ""),
        ("4711", "secret-4711"),
        ("' OR 1=1 --", "' OR 1=1 --"),
        ("../../etc/passwd", "x"),
        ("", ""),
    ] {
        let reply = server.try_login(user, password, Value::Null).await;
        reply.refused(WRONG_LOGIN);
        assert_eq!(reply.json()["detail"], "wrong user name, password or login signature", "{user}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_login_is_refused() {
    let server = Server::start().await;
    let send = |body: &str| server.send(Call::new("POST", "/api/v1.0/login").body(body.to_owned()));
    for body in ["", "{", "username=1000", "[]]", "\u{0}"] {
        send(body).await.refused(40001);
    }
    for body in [
        "{}",
        "[]",
        "null",
        r#"{"username":"1000"}"#,
        r#"{"username":1000,"password":"x"}"#,
        r#"{"username":"1000","password":["secret-1000"]}"#,
        r#"{"username":"1000","password":"secret-1000","login_source":"fridge"}"#,
        r#"{"username":"1000","password":"secret-1000","login_source":7}"#,
        r#"{"username":"1000","password":"secret-1000","login_jump":"web"}"#,
    ] {
        send(body).await.refused(PARAMETER);
    }
    server.try_login(&"1".repeat(65), "x", Value::Null).await.refused(PARAMETER);
    server.try_login("1000", &"x".repeat(513), Value::Null).await.refused(PARAMETER);
    let get = server.send(Call::new("GET", "/api/v1.0/login")).await;
    get.fails(404, 10001);
}

#[tokio::test]
async fn every_other_request_needs_a_token() {
    let server = Server::start().await;
    let real = server.login("1000").await;
    let gets = [
        "extension/getpersonalglobal",
        "licenseservice/get",
        "extension/getpersonal",
        "extension/getregisterinfo",
        "extension/getphoto?ext_num=1001",
        "contacts/matchall?number=1001",
        "cdr/searchpersonal?page=1&page_size=10",
        "logout",
    ];
    let posts = ["dct/init", "rascallreport/web", "systemlog/webclientlog"];
    // Unknown, of the wrong shape, of another API, and the right one in the wrong place.
    for token in [
        "",
        &"0".repeat(64),
        "x",
        "' OR 1=1 --",
        "offhook-admin",
        &format!("Bearer {real}"),
        &server.open_token().await,
    ] {
        for path in gets {
            server.get(&format!("/api/v1.0/{path}"), token).await.refused(TOKEN);
        }
        for path in posts {
            server.post(&format!("/api/v1.0/{path}"), token, json!({ "type": "call" })).await.refused(TOKEN);
        }
    }
    server.get(&format!("/api/v1.0/extension/getpersonal?access_token={real}"), "").await.refused(TOKEN);
    server.get("/api/v1.0/extension/getpersonal", &real).await.ok();
}

#[tokio::test]
async fn logout_ends_the_token_and_its_socket() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let other = server.login_as("1000", json!("webpc")).await;
    let mut socket = server.subscribe(&token, &[10000, 20010]).await;
    server.get("/api/v1.0/logout", &token).await.ok();
    assert!(socket.closed().await.is_some());
    server.get("/api/v1.0/extension/getpersonal", &token).await.refused(TOKEN);
    server.get("/api/v1.0/logout", &token).await.refused(TOKEN);
    server.get("/api/v1.0/extension/getpersonal", &other).await.ok();
}

#[tokio::test]
async fn a_second_login_of_the_same_kind_ends_the_first() {
    let server = Server::start().await;
    let first = server.login("1000").await;
    let desktop = server.login_as("1000", json!("webpc")).await;
    let second = server.login("1000").await;
    server.get("/api/v1.0/extension/getpersonal", &first).await.refused(TOKEN);
    for good in [&desktop, &second] {
        server.get("/api/v1.0/extension/getpersonal", good).await.ok();
    }
}

#[tokio::test]
async fn too_many_wrong_passwords_block_the_user_but_not_the_owner_of_a_signature() {
    let server = Server::start().await;
    let signature = server.signature("1000").await;
    let mut blocked = None;
    for _ in 0..12 {
        let reply = server.try_login("1000", "guess", Value::Null).await;
        if reply.errcode() == BLOCKED {
            blocked = Some(reply);
            break;
        }
        reply.refused(WRONG_LOGIN);
    }
    let blocked = blocked.expect("blocked after some tries");
    assert!(blocked.header("retry-after").parse::<u64>().is_ok_and(|s| (1..=60).contains(&s)), "{blocked:?}");
    // The right password would be as good as a guess now.
    server.try_login("1000", "secret-1000", Value::Null).await.refused(BLOCKED);
    server.try_login("1000", &signature, Value::Null).await.ok();
    server.try_login("1001", "secret-1001", Value::Null).await.ok();
}

#[tokio::test]
async fn too_many_wrong_logins_block_the_address_but_no_signature() {
    let server = Server::start().await;
    let signature = server.signature("1000").await;
    let mut blocked = None;
    for i in 0..30 {
        let reply = server.try_login(&format!("5{i}"), "guess", Value::Null).await;
        if reply.errcode() == BLOCKED {
            blocked = Some(reply);
            break;
        }
    }
    let blocked = blocked.expect("blocked after some tries");
    blocked.refused(BLOCKED);
    assert!(blocked.header("retry-after").parse::<u64>().is_ok(), "{blocked:?}");
    server.try_login("1000", "secret-1000", Value::Null).await.refused(BLOCKED);
    server.try_login("1000", &signature, Value::Null).await.ok();
}

#[tokio::test]
async fn logins_that_succeed_are_not_counted() {
    let server = Server::start().await;
    let signature = server.signature("1000").await;
    for _ in 0..40 {
        server.try_login("1000", &signature, Value::Null).await.ok();
        server.try_login("1001", "secret-1001", Value::Null).await.ok();
    }
}

#[tokio::test]
async fn without_the_sdk_plan_a_login_is_answered_70136() {
    let server = Server::with(|pseries| pseries.sdk_plan = false).await;
    let signature = server.signature("1000").await;
    server.try_login("1000", &signature, Value::Null).await.refused(70136);
}
