//! The open API: POST `/openapi/v1.0/get_token`, `refresh_token` and `sign/create`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Call, Reply, Server};

async fn post(server: &Server, path: &str, body: Value) -> Reply {
    server.send(Call::new("POST", &format!("/openapi/v1.0/{path}")).json(&body)).await
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

#[tokio::test]
async fn a_client_gets_tokens_for_its_secret_and_refreshes_them_once() {
    let server = Server::start().await;
    let answer = post(&server, "get_token", json!({ "username": "offhook", "password": "offhook-secret" })).await.ok();
    assert_eq!(
        (&answer["access_token_expire_time"], &answer["refresh_token_expire_time"]),
        (&json!(1800), &json!(86400))
    );
    assert!(answer["access_token"].as_str().is_some_and(|token| token.len() == 64), "{answer}");
    let refresh = answer["refresh_token"].clone();
    let fresh = post(&server, "refresh_token", json!({ "refresh_token": refresh })).await.ok();
    assert_ne!(fresh["access_token"], answer["access_token"]);
    for used in [refresh, fresh["access_token"].clone(), json!("x")] {
        post(&server, "refresh_token", json!({ "refresh_token": used })).await.refused(10004);
    }
    let path = format!("sign/create?access_token={}", fresh["access_token"].as_str().expect("text"));
    post(&server, &path, json!({ "username": "1000" })).await.ok();
}

#[tokio::test]
async fn a_wrong_client_id_or_secret_is_refused_and_soon_blocked() {
    let server = Server::start().await;
    for (id, secret) in
        [("offhook", "x"), ("x", "offhook-secret"), ("", ""), ("1000", "secret-1000"), ("' OR 1=1 --", "x")]
    {
        post(&server, "get_token", json!({ "username": id, "password": secret })).await.refused(70002);
    }
    for wrong in [json!({}), json!({ "username": "offhook" }), json!({ "username": 1, "password": 2 }), json!([])] {
        post(&server, "get_token", wrong).await.refused(40002);
    }
    for _ in 0..40 {
        let reply = post(&server, "get_token", json!({ "username": "offhook", "password": "guess" })).await;
        if reply.errcode() == 70004 {
            assert!(reply.header("retry-after").parse::<u64>().is_ok(), "{reply:?}");
            return;
        }
    }
    panic!("never blocked");
}

#[tokio::test]
async fn a_signature_is_of_one_extension_and_good_until_it_expires() {
    let server = Server::start().await;
    let path = format!("sign/create?access_token={}", server.open_token().await);
    let sign = |body: Value| post(&server, &path, body);
    let answer = sign(json!({ "username": "1000", "sign_type": "sdk" })).await.ok();
    let signature = answer["data"]["sign"].as_str().expect("a signature").to_owned();
    assert!(answer["data"]["expire_time"].as_u64().is_some_and(|at| at > now()), "{answer}");
    server.try_login("1000", &signature, Value::Null).await.ok();
    server.try_login("1001", &signature, Value::Null).await.refused(70002);
    assert_eq!(sign(json!({ "username": "1000", "expire_time": 0 })).await.ok()["data"]["expire_time"], 0);

    // Good for some seconds: then it is not any more.
    let short = sign(json!({ "username": "1002", "expire_time": now() + 5 })).await.ok();
    let short = short["data"]["sign"].as_str().expect("a signature").to_owned();
    server.try_login("1002", &short, Value::Null).await.ok();
    let mut clock = tokio::time::interval(std::time::Duration::from_millis(100));
    let end = tokio::time::Instant::now() + crate::support::SOON;
    while server.try_login("1002", &short, json!("webpc")).await.errcode() == 0 {
        assert!(tokio::time::Instant::now() < end, "never expired");
        clock.tick().await;
    }
}

#[tokio::test]
async fn a_signature_ends_with_the_password_of_its_time() {
    let server = Server::start().await;
    let signature = server.signature("1000").await;
    server.admin("PATCH", "extensions/1000", json!({ "name": "Ada L." })).await.ok();
    server.try_login("1000", &signature, Value::Null).await.ok();
    server.admin("PATCH", "extensions/1000", json!({ "password": "another secret" })).await.ok();
    server.try_login("1000", &signature, Value::Null).await.refused(70002);
}

#[tokio::test]
async fn what_cannot_be_signed_is_refused() {
    let server = Server::start().await;
    let path = format!("sign/create?access_token={}", server.open_token().await);
    let sign = |body: Value| post(&server, &path, body);
    for unknown in ["4711", "", "600", "1000' OR '1'='1", "1000\n1001"] {
        sign(json!({ "username": unknown })).await.refused(60001);
    }
    for wrong in [
        json!({}),
        json!({ "username": 1000 }),
        json!({ "username": "1000", "sign_type": "web" }),
        json!({ "username": "1000", "expire_time": "0" }),
        json!({ "username": "1000", "expire_time": -1 }),
        json!({ "username": "1000", "expire_time": 1 }),
    ] {
        sign(wrong).await.refused(40002);
    }
    let client = server.login("1000").await;
    for token in ["", "x", &client, "offhook-admin"] {
        let path = format!("sign/create?access_token={token}");
        post(&server, &path, json!({ "username": "1000" })).await.refused(10004);
    }
    post(&server, "sign/create", json!({ "username": "1000" })).await.refused(10004);
    server.admin("PATCH", "extensions/1000", json!({ "enabled": false })).await.ok();
    sign(json!({ "username": "1000" })).await.refused(60001);
}
