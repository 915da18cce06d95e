//! GET `/api/v1.0/pbx/getproduct`.

use offhook_pbx::PlanMode;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn the_product_is_told_without_a_login() {
    let server = Server::start().await;
    let answer = server.get("/api/v1.0/pbx/getproduct?host=127.0.0.1", "").await.ok();
    assert_eq!(answer["access_type"], "local");
    let product = &answer["product"];
    for field in ["company_name", "disp_dev_name", "platform_name", "product_name", "product_type", "version"] {
        assert!(product[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {product}");
    }
    assert!(product["oem_id"].is_number());
    assert_ne!(product["base_oem_id"], json!(1));
    assert_ne!(product["platform_name"], "p_cloudpbx");
}

#[tokio::test]
async fn plan_mode_and_cloud_are_as_configured() {
    let server = Server::with(|pseries| {
        pseries.plan = PlanMode::Cn;
        pseries.cloud = true;
        pseries.company = "ACME".to_owned();
        pseries.access_type = "external_ip".to_owned();
    })
    .await;
    let answer = server.get("/api/v1.0/pbx/getproduct", "").await.ok();
    assert_eq!(answer["product"]["base_oem_id"], 1);
    assert_eq!(answer["product"]["platform_name"], "p_cloudpbx");
    assert_eq!((&answer["product"]["company_name"], &answer["access_type"]), (&json!("ACME"), &json!("external_ip")));
}
