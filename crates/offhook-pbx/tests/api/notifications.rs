//! Each notification: what makes it, what it says, and who is told.

use offhook_pbx::PlanMode;
use serde_json::{Value, json};

use crate::sip::{Client, offer};
use crate::support::{MARKER, Server};

const TOKEN: i64 = 10004;

#[tokio::test]
async fn type_10000_tells_that_the_user_logged_in_elsewhere() {
    let server = Server::start().await;
    let first = server.login("1000").await;
    let mut socket = server.subscribe(&first, &[10000]).await;
    let mut other = {
        let token = server.login("1001").await;
        server.subscribe(&token, &[10000, MARKER]).await
    };
    let second = server.login("1000").await;
    assert_eq!(socket.told(10000).await, json!({ "username": "1000" }));
    assert_eq!(socket.closed().await, Some(1008));
    other.silent(&server).await;
    server.get("/api/v1.0/extension/getpersonal", &first).await.refused(TOKEN);
    server.get("/api/v1.0/extension/getpersonal", &second).await.ok();
}

#[tokio::test]
async fn type_20007_tells_that_the_extension_is_deleted_or_switched_off() {
    let server = Server::start().await;
    for (number, method, body) in [("1000", "DELETE", Value::Null), ("1001", "PATCH", json!({ "enabled": false }))] {
        let token = server.login(number).await;
        let other = server.login("1002").await;
        let mut socket = server.subscribe(&token, &[20007]).await;
        let mut other = server.subscribe(&other, &[20007, MARKER]).await;
        server.admin(method, &format!("extensions/{number}"), body).await.ok();
        assert_eq!(socket.told(20007).await["ext_num"], number);
        assert!(socket.closed().await.is_some());
        other.silent(&server).await;
        server.get("/api/v1.0/extension/getpersonal", &token).await.refused(TOKEN);
        server.try_login(number, &format!("secret-{number}"), Value::Null).await.refused(70002);
    }
}

#[tokio::test]
async fn type_20008_tells_the_digits_that_switch_recording() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20008, MARKER]).await;
    server.admin("PATCH", "settings", json!({ "record_feature_code": "*9" })).await.ok();
    assert_eq!(socket.told(20008).await, json!({ "record_feature_code": "*9" }));
    // The same again is no change.
    server.admin("PATCH", "settings", json!({ "record_feature_code": "*9" })).await.ok();
    socket.silent(&server).await;
    let global = server.get("/api/v1.0/extension/getpersonalglobal", &token).await.ok();
    assert_eq!(global["record_feature_code"], "*9");
}

#[tokio::test]
async fn types_20010_and_20154_tell_to_log_in_again() {
    let server = Server::start().await;
    for (body, kind) in [(json!({}), 20010), (json!({ "type": 20154 }), 20154)] {
        let token = server.login("1000").await;
        let mut socket = server.subscribe(&token, &[20010, 20154]).await;
        let answer = server.admin("POST", "extensions/1000/logout", body).await.ok();
        assert_eq!(answer["logged_out"], 1);
        socket.told(kind).await;
        assert!(socket.closed().await.is_some());
        server.get("/api/v1.0/extension/getpersonal", &token).await.refused(TOKEN);
        // It may log in again.
        server.login("1000").await;
    }
}

#[tokio::test]
async fn types_20013_and_20015_tell_which_clients_may_be_used() {
    let server = Server::start().await;
    for (source, topic, key, field) in [
        (json!("webpc"), 20013, "desktop_client", "enb_desktop_client"),
        (Value::Null, 20015, "web_client", "enb_web_client"),
    ] {
        let token = server.login_as("1000", source).await;
        let mut socket = server.subscribe(&token, &[20013, 20015]).await;
        server.admin("PATCH", "extensions/1000", json!({ key: false })).await.ok();
        assert_eq!(socket.told(topic).await, json!({ field: 0 }));
        assert!(socket.closed().await.is_some());
        server.get("/api/v1.0/extension/getpersonal", &token).await.refused(TOKEN);
        server.admin("PATCH", "extensions/1000", json!({ key: true })).await.ok();
    }
}

#[tokio::test]
async fn the_other_kind_of_client_is_told_too_and_goes_on() {
    let server = Server::start().await;
    let token = server.login_as("1000", json!("webpc")).await;
    let mut socket = server.subscribe(&token, &[20013, 20015, MARKER]).await;
    for (on, flag) in [(false, 0), (true, 1)] {
        server.admin("PATCH", "extensions/1000", json!({ "web_client": on })).await.ok();
        assert_eq!(socket.told(20015).await, json!({ "enb_web_client": flag }));
    }
    socket.silent(&server).await;
}

#[tokio::test]
async fn type_20047_tells_what_may_be_done_about_recording() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20047, MARKER]).await;
    for record in [0, 1, 2] {
        server.admin("PATCH", "extensions/1000", json!({ "record": record })).await.ok();
        assert_eq!(socket.told(20047).await, json!({ "enb_ctl_record": record }));
    }
    server.admin("PATCH", "extensions/1001", json!({ "record": 0 })).await.ok();
    socket.silent(&server).await;
}

#[tokio::test]
async fn type_20048_tells_what_a_call_is_doing() {
    let server = Server::start().await;
    let (own, other) = (server.login("1000").await, server.login("1001").await);
    let mut socket = server.subscribe(&own, &[20048]).await;
    let mut other = server.subscribe(&other, &[20048, MARKER]).await;
    let (sdp, _peer, _events) = offer().await;
    let mut phone = Client::connect(&server.pbx).await;
    // 7000 is a conference room.
    let invite = phone.request("INVITE", "sip:7000@localhost", "1000", "7000").sdp(&sdp);
    assert_eq!(phone.authenticated(invite.clone(), "1000", "secret-1000").await.status, 200);
    let told = socket.told(20048).await;
    assert_eq!(told["call_feature"], "conference");
    assert_eq!((&told["caller_origin_number"], &told["caller_sip_callid"]), (&json!("1000"), &json!(invite.call_id)));
    assert_eq!((&told["callee_origin_number"], &told["callee_sip_callid"]), (&json!("7000"), &json!("")));
    assert_eq!(told["record_status"], "stop");
    other.silent(&server).await;
}

#[tokio::test]
async fn type_20049_tells_of_a_new_record() {
    let server = Server::start().await;
    let (callee, other) = (server.login("1001").await, server.login("1002").await);
    let mut socket = server.subscribe(&callee, &[20049]).await;
    let mut other = server.subscribe(&other, &[20049, MARKER]).await;
    let (sdp, _peer, _events) = offer().await;
    let mut phone = Client::connect(&server.pbx).await;
    let invite = phone.request("INVITE", "sip:1001@localhost", "1000", "1001").sdp(&sdp);
    assert_eq!(phone.authenticated(invite, "1000", "secret-1000").await.status, 480);
    let told = socket.told(20049).await;
    assert_eq!(told["ext_num"], "1001");
    let record = &told["personal_cdr"];
    assert_eq!((&record["number"], &record["talk_duration"]), (&json!("1000"), &json!(0)));
    assert!(record["date"].is_string() && record["time"].is_string() && record["timestamp"].is_i64(), "{told}");
    other.silent(&server).await;
}

#[tokio::test]
async fn type_20053_tells_the_licences() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20053]).await;
    server.admin("PATCH", "settings", json!({ "video_licence": false })).await.ok();
    let told = socket.told(20053).await;
    let asked = server.get("/api/v1.0/licenseservice/get", &token).await.ok();
    assert_eq!(told["subscribe_plan_list"], asked["subscribe_plan_list"]);
    let video = json!({ "service_name": "video", "status": "disconnected" });
    assert!(
        told["subscribe_plan_list"][0]["service_list"].as_array().is_some_and(|list| list.contains(&video)),
        "{told}"
    );
}

#[tokio::test]
async fn type_20065_tells_where_stun_is() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20065]).await;
    let change = json!({ "nat_fqdn": true, "fqdn_domain": "pbx.example", "turn_port": 3478 });
    server.admin("PATCH", "settings", change).await.ok();
    let told = socket.told(20065).await;
    assert_eq!(told, json!({ "enable_nat_fqdn": 1, "fqdn_domain": "pbx.example", "turn_port": 3478 }));
}

#[tokio::test]
async fn type_20066_tells_its_owner_what_to_register_with() {
    let server = Server::start().await;
    let (own, other) = (server.login("1000").await, server.login("1001").await);
    let mut socket = server.subscribe(&own, &[20066]).await;
    let mut other = server.subscribe(&other, &[20066, MARKER]).await;
    server.admin("PATCH", "extensions/1000", json!({ "password": "another secret" })).await.ok();
    let told = socket.told(20066).await;
    let asked = server.get("/api/v1.0/extension/getregisterinfo", &own).await.ok();
    assert_eq!((&told["reg_name"], &told["reg_password"]), (&json!("1000"), &asked["registerpassword"]));
    assert_eq!(told["realm"], asked["realm"]);
    other.silent(&server).await;

    let mut phone = Client::connect(&server.pbx).await;
    let register = phone.request("REGISTER", "sip:localhost", "1000", "1000").header("Expires: 600");
    assert_eq!(phone.authenticated(register, "1000", "another secret").await.status, 200);
}

#[tokio::test]
async fn type_20082_tells_in_mode_cn_whether_clients_may_be_used() {
    let server = Server::with(|pseries| pseries.plan = PlanMode::Cn).await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20082]).await;
    server.admin("PATCH", "settings", json!({ "internal_client": false })).await.ok();
    assert_eq!(socket.told(20082).await, json!({ "enb_internal_client": 0 }));
    assert!(socket.closed().await.is_some());
    server.get("/api/v1.0/extension/getpersonal", &token).await.refused(TOKEN);
}

#[tokio::test]
async fn type_20104_tells_to_subscribe_again() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20104]).await;
    server.admin("POST", "hot_standby", Value::Null).await.ok();
    socket.told(20104).await;
    server.get("/api/v1.0/extension/getpersonal", &token).await.ok();
}

#[tokio::test]
async fn type_20135_tells_whether_a_second_call_is_taken() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20135]).await;
    server.admin("PATCH", "extensions/1000", json!({ "call_waiting": false })).await.ok();
    assert_eq!(socket.told(20135).await, json!({ "enb_call_waiting": 0 }));
    let personal = server.get("/api/v1.0/extension/getpersonal", &token).await.ok();
    assert_eq!(personal["extension"]["enb_web_client_call_waiting"], 0);
}

#[tokio::test]
async fn type_20153_tells_that_the_plan_of_the_sdk_is_off() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20153]).await;
    server.admin("PATCH", "settings", json!({ "sdk_plan": false })).await.ok();
    assert_eq!(socket.told(20153).await, json!({ "enable": 0 }));
    assert!(socket.closed().await.is_some());
    let signature = server.signature("1000").await;
    server.try_login("1000", &signature, Value::Null).await.refused(70136);
    server.admin("PATCH", "settings", json!({ "sdk_plan": true })).await.ok();
    server.login("1000").await;
}
