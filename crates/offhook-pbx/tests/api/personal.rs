//! What a client reads after its log-in: `getpersonalglobal`, `licenseservice/get`, `getpersonal`, `getregisterinfo`.

use offhook_pbx::PlanMode;
use serde_json::json;

use crate::sip::Client;
use crate::support::Server;

#[tokio::test]
async fn the_settings_of_the_pbx_are_told() {
    let server = Server::with(|pseries| {
        pseries.nat_fqdn = true;
        pseries.fqdn_domain = "pbx.example".to_owned();
        pseries.cloud_domain = "cloud.example".to_owned();
    })
    .await;
    let token = server.login("1000").await;
    let answer = server.get("/api/v1.0/extension/getpersonalglobal", &token).await.ok();
    assert_eq!(answer["enable_nat_fqdn"], 1);
    assert_eq!((&answer["fqdn_domain"], &answer["cloud_domain"]), (&json!("pbx.example"), &json!("cloud.example")));
    assert_eq!((&answer["turn_port"], &answer["record_feature_code"]), (&json!(11009), &json!("*1")));
    assert_eq!(answer["enb_internal_client"], 1);
}

#[tokio::test]
async fn the_licences_are_told() {
    let server = Server::with(|pseries| pseries.video_licence = false).await;
    let token = server.login("1000").await;
    let answer = server.get("/api/v1.0/licenseservice/get", &token).await.ok();
    let services = &answer["subscribe_plan_list"][0]["service_list"];
    assert_eq!(
        *services,
        json!([
            { "service_name": "fqdn", "status": "connected" },
            { "service_name": "video", "status": "disconnected" },
        ])
    );
}

#[tokio::test]
async fn an_extension_is_told_of_itself_and_of_no_other() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    // Whatever is asked for, it is the token's.
    let answer = server.get("/api/v1.0/extension/getpersonal?number=1001&id=2", &token).await.ok();
    let extension = &answer["extension"];
    assert_eq!((&extension["number"], &extension["caller_id_name"]), (&json!("1000"), &json!("Ada")));
    assert!(extension["id"].is_i64());
    assert_eq!((&extension["enb_web_client"], &extension["enb_desktop_client"]), (&json!(1), &json!(1)));
    assert_eq!((&extension["enb_web_client_call_waiting"], &extension["enb_ctl_record"]), (&json!(1), &json!(2)));
    let other = server.login("1001").await;
    let other = server.get("/api/v1.0/extension/getpersonal", &other).await.ok();
    assert_eq!(other["extension"]["number"], "1001");
    assert_ne!(other["extension"]["id"], extension["id"]);
}

/// What is told there registers, as an HA1, with the realm that is told with it.
#[tokio::test]
async fn a_phone_registers_with_the_register_info() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let answer = server.get("/api/v1.0/extension/getregisterinfo", &token).await.ok();
    let text = |field: &str| answer[field].as_str().expect(field).to_owned();
    assert_eq!((text("registername"), text("realm")), ("1000".to_owned(), server.pbx.realm().to_owned()));

    let mut phone = Client::connect(&server.pbx).await;
    let register = phone.request("REGISTER", "sip:localhost", "1000", "1000").header("Expires: 600");
    let challenge = phone.ask(&register).await;
    assert_eq!(challenge.challenge("realm"), text("realm"));
    let again = register.again();
    let credentials = challenge.credentials_of_ha1(&again, "1000", &text("registerpassword"));
    assert_eq!(phone.ask(&again.header(&credentials)).await.status, 200);
}

#[tokio::test]
async fn a_client_that_is_switched_off_is_told_so_and_gets_nothing_to_register_with() {
    let server = Server::start().await;
    server.admin("PATCH", "extensions/1000", json!({ "web_client": false })).await.ok();
    let token = server.login("1000").await;
    let personal = server.get("/api/v1.0/extension/getpersonal", &token).await.ok();
    assert_eq!(personal["extension"]["enb_web_client"], 0);
    let info = server.get("/api/v1.0/extension/getregisterinfo", &token).await.ok();
    assert_eq!((&info["registername"], &info["registerpassword"]), (&json!(""), &json!("")));
    for path in ["cdr/searchpersonal", "contacts/matchall?number=1001", "extension/getphoto?ext_num=1001"] {
        server.get(&format!("/api/v1.0/{path}"), &token).await.refused(70084);
    }
    // The other kind of client is not concerned.
    let desktop = server.login_as("1000", json!("webpc")).await;
    let info = server.get("/api/v1.0/extension/getregisterinfo", &desktop).await.ok();
    assert_eq!(info["registername"], "1000");
}

#[tokio::test]
async fn in_mode_cn_the_internal_client_decides() {
    let server = Server::with(|pseries| {
        pseries.plan = PlanMode::Cn;
        pseries.internal_client = false;
    })
    .await;
    let token = server.login("1000").await;
    let global = server.get("/api/v1.0/extension/getpersonalglobal", &token).await.ok();
    assert_eq!(global["enb_internal_client"], 0);
    let info = server.get("/api/v1.0/extension/getregisterinfo", &token).await.ok();
    assert_eq!(info["registerpassword"], "");
}
