//! POST `/api/v1.0/dct/init`, `rascallreport/web` and `systemlog/webclientlog`.

use serde_json::{Value, json};

use crate::support::{Call, Server};

const REPORT: &str = "/api/v1.0/rascallreport/web";
const LOG: &str = "/api/v1.0/systemlog/webclientlog";

#[tokio::test]
async fn dct_init_takes_the_type_call() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    server.post("/api/v1.0/dct/init", &token, json!({ "type": "call" })).await.ok();
    for wrong in [json!({}), json!({ "type": "fax" }), json!({ "type": 1 }), json!([])] {
        server.post("/api/v1.0/dct/init", &token, wrong).await.refused(40002);
    }
}

#[tokio::test]
async fn a_call_report_is_kept_for_the_administrator() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let report =
        json!({ "call_id": "abc", "extension": "1000", "lks_timestamp": "1732600000000", "audio_rx_lost": "0.000000" });
    server.post(REPORT, &token, report.clone()).await.ok();
    let kept = server.admin("GET", "extensions/1000/reports", Value::Null).await.ok();
    assert_eq!(kept["reports"][0]["report"], report);
    assert!(kept["reports"][0]["received"].is_u64());
    let other = server.admin("GET", "extensions/1001/reports", Value::Null).await.ok();
    assert_eq!(other["reports"], json!([]));
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let many: serde_json::Map<String, Value> = (0..65).map(|i| (format!("field_{i}"), json!("1"))).collect();
    for wrong in [
        json!({}),
        json!([1]),
        json!("text"),
        json!({ "camelCase": "1" }),
        json!({ "nested": { "a": 1 } }),
        json!({ "list": [1] }),
        json!({ "": "1" }),
        json!({ "lines": "a\r\nb" }),
        json!({ "long": "x".repeat(513) }),
        json!({ "x".repeat(65): "1" }),
        Value::Object(many),
    ] {
        server.post(REPORT, &token, wrong).await.refused(40002);
    }
    let large: serde_json::Map<String, Value> =
        (0..20).map(|i| (format!("field_{i}"), json!("x".repeat(400)))).collect();
    server.post(REPORT, &token, Value::Object(large)).await.fails(413, 40004);
    server.post(REPORT, &token, json!({ "extension": "1001", "call_id": "x" })).await.refused(10005);
    let kept = server.admin("GET", "extensions/1000/reports", Value::Null).await.ok();
    assert_eq!(kept["reports"], json!([]));
}

#[tokio::test]
async fn the_last_reports_are_kept_and_too_many_are_refused() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut taken = 0;
    let refused = loop {
        let reply = server.post(REPORT, &token, json!({ "call_id": taken.to_string() })).await;
        if reply.errcode() != 0 {
            break reply;
        }
        taken += 1;
        assert!(taken < 100, "never refused");
    };
    refused.refused(70004);
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|s| s >= 1), "{refused:?}");
    let kept = server.admin("GET", "extensions/1000/reports", Value::Null).await.ok();
    let kept = kept["reports"].as_array().expect("a list");
    assert!((1..=20).contains(&kept.len()));
    assert_eq!(kept[0]["report"]["call_id"], (taken - 1).to_string(), "the newest first");
    // Another client is not concerned.
    let other = server.login("1001").await;
    server.post(REPORT, &other, json!({ "call_id": "x" })).await.ok();
}

#[tokio::test]
async fn a_log_is_kept_line_by_line_and_bounded() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let lines = json!({ "log_list": ["one\r\nforged", { "level": "error" }, "x".repeat(2000)] });
    server.post(LOG, &token, lines).await.ok();
    let kept = server.admin("GET", "extensions/1000/log", Value::Null).await.ok();
    let lines: Vec<&str> =
        kept["log"].as_array().expect("a list").iter().map(|l| l["line"].as_str().expect("text")).collect();
    assert_eq!(lines[1..], [r#"{"level":"error"}"#, "one  forged"]);
    assert_eq!(lines[0].len(), 500);
    for wrong in [json!({}), json!({ "log_list": "one" }), json!([]), json!({ "log_list": vec![""; 201] })] {
        server.post(LOG, &token, wrong).await.refused(40002);
    }
    let large = json!({ "log_list": ["x".repeat(70_000)] });
    server.post(LOG, &token, large).await.fails(413, 40004);
    server.send(Call::new("POST", LOG).token(&token).body("{\"log_list\":")).await.refused(40001);
}

#[tokio::test]
async fn too_many_logs_are_refused() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    for _ in 0..100 {
        let reply = server.post(LOG, &token, json!({ "log_list": ["x"] })).await;
        if reply.errcode() != 0 {
            reply.refused(70004);
            assert!(reply.header("retry-after").parse::<u64>().is_ok(), "{reply:?}");
            return;
        }
    }
    panic!("never refused");
}
