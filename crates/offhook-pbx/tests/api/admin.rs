//! The admin API: `/admin/v1`.

use serde_json::{Value, json};

use crate::sip::Client;
use crate::support::{Call, Server};

#[tokio::test]
async fn only_the_admin_token_is_let_in() {
    let server = Server::start().await;
    let client = server.login("1000").await;
    let paths = [
        ("GET", "extensions"),
        ("POST", "extensions"),
        ("DELETE", "extensions/1000"),
        ("PATCH", "settings"),
        ("GET", "load"),
    ];
    for (method, path) in paths {
        for authorization in [
            "",
            "offhook-admin",
            "Bearer",
            "Bearer ",
            "Bearer x",
            "Basic offhook-admin",
            &format!("Bearer {client}"),
            &client,
        ] {
            let call = Call::new(method, &format!("/admin/v1/{path}")).token(authorization);
            let reply = server.send(call).await;
            if reply.status == 429 {
                // Wrong tokens are counted.
                continue;
            }
            reply.fails(401, 70002);
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
    }
    assert!(server.pbx.extensions().iter().any(|extension| extension.number() == "1000"));
}

#[tokio::test]
async fn wrong_tokens_are_blocked_soon() {
    let server = Server::start().await;
    for _ in 0..40 {
        let reply = server.send(Call::new("GET", "/admin/v1/load").header("authorization", "Bearer guess")).await;
        if reply.status == 429 {
            assert!(reply.header("retry-after").parse::<u64>().is_ok(), "{reply:?}");
            // Not even the right one is looked at: an answer would tell that it is right.
            server.admin("GET", "load", Value::Null).await.fails(429, 70004);
            return;
        }
    }
    panic!("never blocked");
}

/// A page or a monitor that shows no token guesses none, and locks nobody out.
#[tokio::test]
async fn a_request_without_a_token_is_no_wrong_one() {
    let server = Server::start().await;
    for authorization in ["", "Basic b2ZmaG9vazo="].repeat(20) {
        let reply = server.send(Call::new("GET", "/admin/v1/load").token(authorization)).await;
        reply.fails(401, 70002);
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    server.admin("GET", "load", Value::Null).await.ok();
    server.try_login("1000", "secret-1000", Value::Null).await.ok();
}

#[tokio::test]
async fn extensions_are_listed_without_their_passwords() {
    let server = Server::start().await;
    server.login("1000").await;
    let mut phone = Client::registered(&server.pbx, "1000").await;
    let reply = server.admin("GET", "extensions", Value::Null).await;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(!text.contains("secret") && !text.contains("password") && !text.contains("ha1"), "{text}");
    let list = reply.ok()["extensions"].as_array().expect("a list").clone();
    assert_eq!(list.len(), 10);
    let ada = &list[0];
    assert_eq!((&ada["number"], &ada["name"], &ada["enabled"]), (&json!("1000"), &json!("Ada"), &json!(true)));
    assert_eq!((&ada["devices"], &ada["logged_in"]), (&json!(1), &json!(["web"])));
    assert_eq!((&list[1]["devices"], &list[1]["logged_in"]), (&json!(0), &json!([])));
    phone.assert_served().await;
}

#[tokio::test]
async fn an_extension_is_added_changed_and_deleted_while_the_pbx_runs() {
    let server = Server::start().await;
    let new = json!({ "number": "2000", "name": "Zoë", "password": "correct horse", "record": 1, "voicemail": true });
    let added = server.admin("POST", "extensions", new.clone()).await.ok();
    assert_eq!((&added["extension"]["record"], &added["extension"]["voicemail"]), (&json!(1), &json!(true)));
    server.admin("POST", "extensions", new).await.fails(409, 40003);

    let register =
        |phone: &mut Client| phone.request("REGISTER", "sip:localhost", "2000", "2000").header("Expires: 600");
    let mut phone = Client::connect(&server.pbx).await;
    let request = register(&mut phone);
    assert_eq!(phone.authenticated(request, "2000", "correct horse").await.status, 200);
    server.login("2000").await;

    let changed =
        server.admin("PATCH", "extensions/2000", json!({ "name": "Z", "password": "battery staple" })).await.ok();
    assert_eq!((&changed["extension"]["name"], &changed["extension"]["devices"]), (&json!("Z"), &json!(0)));
    let mut phone = Client::connect(&server.pbx).await;
    let request = register(&mut phone);
    assert_eq!(phone.authenticated(request, "2000", "battery staple").await.status, 200);

    server.admin("DELETE", "extensions/2000", Value::Null).await.ok();
    server.admin("GET", "extensions/2000", Value::Null).await.fails(404, 60001);
    server.admin("DELETE", "extensions/2000", Value::Null).await.fails(404, 60001);
    let mut phone = Client::connect(&server.pbx).await;
    let request = register(&mut phone);
    assert_eq!(phone.authenticated(request, "2000", "battery staple").await.status, 401);
}

/// Again and again: the sockets have their turn at any moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_logs_out_who_has_the_old_one_before_it_is_told() {
    let server = Server::start().await;
    for round in 0..20 {
        let (own, desktop) = (server.login("1000").await, server.login_as("1000", json!("webpc")).await);
        let other = server.login("1001").await;
        let mut told = server.subscribe(&own, &[20010, 20066]).await;
        let mut silent = server.subscribe(&desktop, &[20066]).await;
        let change = json!({ "password": format!("another secret {round}"), "log_out": true });
        let changed = server.admin("PATCH", "extensions/1000", change).await.ok();
        assert_eq!(changed["extension"]["logged_in"], json!([]));
        for token in [&own, &desktop] {
            server.get("/api/v1.0/extension/getregisterinfo", token).await.refused(10004);
        }
        assert_eq!(told.told(20010).await, json!({ "ext_num": "1000" }));
        assert_eq!((told.closed().await, silent.closed().await), (Some(1008), Some(1008)));
        server.get("/api/v1.0/extension/getregisterinfo", &other).await.ok();
    }
    // Only if it is asked for, and the change is made; and with any.
    let own = server.login("1000").await;
    server.admin("PATCH", "extensions/1000", json!({ "password": "yet another", "log_out": false })).await.ok();
    server.admin("PATCH", "extensions/1000", json!({ "name": "a\nb", "log_out": true })).await.fails(422, 40002);
    server.get("/api/v1.0/extension/getpersonal", &own).await.ok();
    server.admin("PATCH", "extensions/1000", json!({ "name": "A", "log_out": true })).await.ok();
    server.get("/api/v1.0/extension/getpersonal", &own).await.refused(10004);
    let new = json!({ "number": "2000", "password": "correct horse", "log_out": true });
    server.admin("POST", "extensions", new).await.fails(422, 40002);
}

#[tokio::test]
async fn an_extension_is_switched_off_and_on_and_reset() {
    let server = Server::start().await;
    server.admin("PATCH", "extensions/1000", json!({ "enabled": false, "name": "X" })).await.ok();
    server.try_login("1000", "secret-1000", Value::Null).await.refused(70002);
    let shown = server.admin("GET", "extensions/1000", Value::Null).await.ok();
    assert_eq!(shown["extension"]["enabled"], false);
    server.admin("PATCH", "extensions/1000", json!({ "enabled": true })).await.ok();
    server.try_login("1000", "secret-1000", Value::Null).await.ok();

    server.admin("PATCH", "extensions/1000", json!({ "password": "another secret" })).await.ok();
    let reset = server.admin("POST", "extensions/1000/reset", Value::Null).await.ok();
    assert_eq!(reset["extension"]["name"], "Ada");
    server.try_login("1000", "secret-1000", Value::Null).await.ok();
    // One that the configuration does not have is gone.
    server.admin("POST", "extensions", json!({ "number": "2000", "password": "correct horse" })).await.ok();
    assert_eq!(server.admin("POST", "extensions/2000/reset", Value::Null).await.ok()["extension"], Value::Null);
    server.admin("POST", "extensions/4711/reset", Value::Null).await.fails(404, 60001);
    // One that was deleted is back.
    server.admin("DELETE", "extensions/1001", Value::Null).await.ok();
    server.admin("POST", "extensions/1001/reset", Value::Null).await.ok();
    server.try_login("1001", "secret-1001", Value::Null).await.ok();
}

#[tokio::test]
async fn wrong_values_of_an_extension_are_refused_and_change_nothing() {
    let server = Server::start().await;
    for wrong in [
        json!({ "number": "2000" }),
        json!({ "password": "correct horse" }),
        json!({ "number": "", "password": "correct horse" }),
        json!({ "number": "600", "password": "correct horse" }),
        json!({ "number": "1' OR '1'='1", "password": "correct horse" }),
        json!({ "number": "../2000", "password": "correct horse" }),
        json!({ "number": "2".repeat(33), "password": "correct horse" }),
        json!({ "number": 2000, "password": "correct horse" }),
        json!({ "number": "2000", "password": "" }),
        json!({ "number": "2000", "password": "correct horse", "record": 3 }),
        json!({ "number": "2000", "password": "correct horse", "record": "2" }),
        json!({ "number": "2000", "password": "correct horse", "name": "a\r\nb" }),
        json!({ "number": "2000", "password": "correct horse", "name": "x".repeat(129) }),
        json!({ "number": "2000", "password": "correct horse", "surprise": 1 }),
        json!([]),
    ] {
        server.admin("POST", "extensions", wrong.clone()).await.fails(422, 40002);
    }
    for wrong in [json!({ "record": 9 }), json!({ "number": "1001" }), json!({ "enabled": "no" }), json!({ "id": 7 })] {
        server.admin("PATCH", "extensions/1000", wrong).await.fails(422, 40002);
    }
    server.admin("PATCH", "extensions/4711", json!({ "name": "x" })).await.fails(404, 60001);
    for path in ["extensions/1000'--", "extensions/%00", "extensions/..%2f..%2fetc", "extensions/%ff"] {
        let reply = server.admin("GET", path, Value::Null).await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {reply:?}");
    }
    let list = server.admin("GET", "extensions", Value::Null).await.ok();
    assert_eq!(list["extensions"].as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn contacts_are_added_changed_listed_and_deleted() {
    let server = Server::start().await;
    let grace = json!({ "name": "Grace", "numbers": ["555"], "company": "Navy", "email": "g@navy.example" });
    let added = server.admin("POST", "contacts", grace).await.ok();
    let id = added["contact"]["id"].as_i64().expect("an id");
    assert_eq!(added["contact"]["owner"], Value::Null);
    let path = format!("contacts/{id}");
    let changed = server.admin("PATCH", &path, json!({ "numbers": ["556", "557"], "owner": "1000" })).await.ok();
    assert_eq!(
        (&changed["contact"]["name"], &changed["contact"]["numbers"]),
        (&json!("Grace"), &json!(["556", "557"]))
    );
    assert_eq!(server.admin("GET", "contacts", Value::Null).await.ok()["contacts"], json!([]));
    let own = server.admin("GET", "contacts?owner=1000", Value::Null).await.ok();
    assert_eq!(own["contacts"][0], changed["contact"]);
    let freed = server.admin("PATCH", &path, json!({ "owner": null })).await.ok();
    assert_eq!(freed["contact"]["owner"], Value::Null);
    assert_eq!(server.admin("GET", &path, Value::Null).await.ok(), freed);
    server.admin("DELETE", &path, Value::Null).await.ok();
    for method in ["GET", "DELETE"] {
        server.admin(method, &path, Value::Null).await.fails(404, 60001);
    }
    server.admin("PATCH", &path, json!({ "name": "x" })).await.fails(404, 60001);
    for wrong in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "x", "numbers": [""] }),
        json!({ "name": "x", "numbers": "555" }),
        json!({ "name": "x\u{0}" }),
        json!({ "name": "x", "owner": "4711" }),
        json!({ "name": "x".repeat(257) }),
        json!({ "name": "x", "numbers": vec!["1"; 17] }),
        json!({ "name": "x", "surprise": 1 }),
    ] {
        server.admin("POST", "contacts", wrong).await.fails(422, 40002);
    }
    for id in ["x", "0", "-1", "1%20OR%201=1", "99999999999999999999"] {
        server.admin("DELETE", &format!("contacts/{id}"), Value::Null).await.fails(404, 60001);
    }
}

#[tokio::test]
async fn settings_are_shown_changed_and_checked() {
    let server = Server::start().await;
    let before = server.admin("GET", "settings", Value::Null).await.ok();
    let change =
        json!({ "record_feature_code": "*7", "turn_port": 3478, "nat_fqdn": true, "fqdn_domain": "pbx.example" });
    let after = server.admin("PATCH", "settings", change).await.ok();
    assert_eq!(
        (&after["settings"]["record_feature_code"], &after["settings"]["turn_port"]),
        (&json!("*7"), &json!(3478))
    );
    assert_eq!(after["settings"]["video_licence"], before["settings"]["video_licence"]);
    for wrong in [
        json!({ "record_feature_code": "" }),
        json!({ "record_feature_code": "*1x" }),
        json!({ "record_feature_code": 1 }),
        json!({ "turn_port": 0 }),
        json!({ "turn_port": 65536 }),
        json!({ "fqdn_domain": "a b" }),
        json!({ "nat_fqdn": 1 }),
        json!({ "surprise": true }),
    ] {
        server.admin("PATCH", "settings", wrong).await.fails(422, 40002);
    }
    assert_eq!(server.admin("GET", "settings", Value::Null).await.ok(), after);
    assert_eq!(server.admin("POST", "settings/reset", Value::Null).await.ok(), before);
    assert_eq!(server.admin("GET", "settings", Value::Null).await.ok(), before);
}

#[tokio::test]
async fn users_are_logged_out_by_kind() {
    let server = Server::start().await;
    let (web, desktop) = (server.login("1000").await, server.login_as("1000", json!("webpc")).await);
    let answer = server.admin("POST", "extensions/1000/logout", json!({ "client": "desktop" })).await.ok();
    assert_eq!(answer["logged_out"], 1);
    server.get("/api/v1.0/extension/getpersonal", &desktop).await.refused(10004);
    server.get("/api/v1.0/extension/getpersonal", &web).await.ok();
    assert_eq!(server.admin("POST", "extensions/1001/logout", json!({})).await.ok()["logged_out"], 0);
    for wrong in [json!({ "client": "fridge" }), json!({ "type": 20007 }), json!({ "surprise": 1 })] {
        server.admin("POST", "extensions/1000/logout", wrong).await.fails(422, 40002);
    }
    server.admin("POST", "extensions/4711/logout", json!({})).await.fails(404, 60001);
}

#[tokio::test]
async fn a_new_client_secret_ends_the_old_one_and_its_tokens() {
    let server = Server::start().await;
    let token = server.open_token().await;
    let made = server.admin("POST", "secrets/client_secret", json!({})).await.ok();
    let made = made["secret"].as_str().expect("a random one").to_owned();
    let get = |secret: &str| {
        let body = json!({ "username": "offhook", "password": secret });
        server.send(Call::new("POST", "/openapi/v1.0/get_token").json(&body))
    };
    get("offhook-secret").await.refused(70002);
    let path = format!("/openapi/v1.0/sign/create?access_token={token}");
    server.send(Call::new("POST", &path).json(&json!({ "username": "1000" }))).await.refused(10004);
    // Twice: the second time it is known.
    for _ in 0..2 {
        get(&made).await.ok();
    }
}

#[tokio::test]
async fn a_new_admin_token_ends_the_old_one_also_after_a_restart() {
    let dir = std::env::temp_dir().join(format!("offhook-api-token-{}", std::process::id()));
    let start = || Server::of(offhook_pbx::Pbx::builder().wss_port(None).data_dir(&dir));
    let load = |token: &str| Call::new("GET", "/admin/v1/load").header("authorization", &format!("Bearer {token}"));
    let server = start().await;
    for weak in ["short", "offhook-admin", "sixteen letters with spaces", "offhook-secret"] {
        server.admin("POST", "secrets/admin_token", json!({ "secret": weak })).await.fails(422, 40002);
    }
    server.admin("POST", "secrets/root", json!({})).await.fails(404, 60001);
    let own = "an-admin-token-of-my-own";
    assert!(server.admin("POST", "secrets/admin_token", json!({ "secret": own })).await.ok()["secret"].is_null());
    server.send(load("offhook-admin")).await.fails(401, 70002);
    for _ in 0..2 {
        server.send(load(own)).await.ok();
    }
    server.pbx.shutdown().await;
    let server = start().await;
    server.send(load("offhook-admin")).await.fails(401, 70002);
    server.send(load(own)).await.ok();
    let kept = std::fs::read(dir.join("pbx.db")).expect("the database");
    assert!(!kept.windows(own.len()).any(|part| part == own.as_bytes()), "kept as it is");
    server.pbx.shutdown().await;
    std::fs::remove_dir_all(&dir).expect("removed");
}

#[tokio::test]
async fn load_and_calls_are_told() {
    let server = Server::start().await;
    let load = server.admin("GET", "load", Value::Null).await.ok();
    assert_eq!(load["load"]["calls"], 0);
    assert_eq!(server.admin("GET", "calls", Value::Null).await.ok()["calls"], json!([]));

    // 606 rings for ever.
    let (sdp, _peer, _events) = crate::sip::offer().await;
    let mut phone = Client::connect(&server.pbx).await;
    let invite = phone.request("INVITE", "sip:606@localhost", "1000", "606").sdp(&sdp);
    let challenge = phone.ask(&invite).await;
    phone.send(invite.ack(&challenge).text()).await;
    let invite = invite.again();
    phone.send(invite.clone().header(&challenge.credentials(&invite, "1000", "secret-1000")).text()).await;
    while phone.receive().await.status < 180 {}
    let calls = server.admin("GET", "calls", Value::Null).await.ok();
    let call = &calls["calls"][0];
    assert_eq!((&call["from"], &call["to"], &call["answered"]), (&json!("1000"), &json!("606"), &json!(false)));
    assert_eq!(server.admin("GET", "load", Value::Null).await.ok()["load"]["calls"], 1);
}

#[tokio::test]
async fn call_records_of_every_extension_are_shown() {
    let server = Server::start().await;
    let token = server.login("1001").await;
    let mut socket = server.subscribe(&token, &[20049]).await;
    let (sdp, _peer, _events) = crate::sip::offer().await;
    let mut phone = Client::connect(&server.pbx).await;
    let invite = phone.request("INVITE", "sip:1001@localhost", "1000", "1001").sdp(&sdp);
    assert_eq!(phone.authenticated(invite, "1000", "secret-1000").await.status, 480);
    socket.told(20049).await;
    let page = server.admin("GET", "extensions/1001/cdrs?page_size=5", Value::Null).await.ok();
    assert_eq!(page["total_number"], 1);
    let row = &page["cdrs"][0];
    assert_eq!((&row["extension"], &row["caller"], &row["callee"]), (&json!("1001"), &json!("1000"), &json!("1001")));
    let all = server.admin("GET", "cdrs?sort_by=id&order_by=asc", Value::Null).await.ok();
    assert_eq!(all["total_number"], 2, "the caller's and the callee's");
    assert!(all["cdrs"].as_array().is_some_and(|rows| rows.contains(row)), "{all}");
    let one = server.admin("GET", &format!("extensions/1001/cdrs/{}", row["id"]), Value::Null).await.ok();
    assert_eq!(one["cdr"], *row);
    for other in [format!("1000/cdrs/{}", row["id"]), "1001/cdrs/0".to_owned(), "1001/cdrs/x".to_owned()] {
        server.admin("GET", &format!("extensions/{other}"), Value::Null).await.fails(404, 60001);
    }
    server.admin("GET", "extensions/1001/cdrs?page=0", Value::Null).await.fails(422, 40002);
    for path in ["reports", "log"] {
        server.admin("GET", &format!("extensions/4711/{path}"), Value::Null).await.fails(404, 60001);
    }
}
