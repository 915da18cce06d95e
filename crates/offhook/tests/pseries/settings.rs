//! What `init()` is told, and what it makes of it.

use offhook::{CallOptions, PhoneEvent};
use serde_json::json;

use crate::support::{Answer, Embedded, Server, call, incoming_call, soon, until};

/// The PBX offers call waiting; the program does not want it.
#[tokio::test]
async fn one_call_at_a_time_if_the_program_says_so() {
    let pbx = Embedded::start().await;
    let init = pbx.init("1000").await.disable_call_waiting();
    let ann = soon("logging in", init.connect()).await.expect("logged in");
    soon("registering", ann.phone.connect()).await.expect("registered");
    let (bob, carol) = (pbx.operator("1001").await, pbx.operator("1002").await);
    let (_talking, _answered) = incoming_call(&bob, &ann).await;
    // Also when the PBX says otherwise once more.
    pbx.admin("PATCH", "extensions/1000", json!({ "call_waiting": false })).await;
    pbx.admin("PATCH", "extensions/1000", json!({ "call_waiting": true })).await;
    let second = soon("calling", carol.phone.call("1000", CallOptions::default())).await.expect("calls");
    assert_eq!(soon("busy", second.ended()).await.code, Some(486));
}

#[tokio::test]
async fn a_second_call_is_busy_once_the_pbx_does_not_offer_call_waiting_any_more() {
    let pbx = Embedded::start().await;
    let (ann, bob, carol) = (pbx.operator("1000").await, pbx.operator("1001").await, pbx.operator("1002").await);
    let (_talking, _answered) = incoming_call(&bob, &ann).await;
    let mut events = ann.phone.events();
    pbx.admin("PATCH", "extensions/1000", json!({ "call_waiting": false })).await;
    // Told after it, on the same socket.
    pbx.admin("PATCH", "extensions/1000", json!({ "record": 0 })).await;
    until("the permission", &mut events, |event| event.name() == "recordPermissionsChange").await;
    let second = soon("calling", carol.phone.call("1000", CallOptions::default())).await.expect("calls");
    assert_eq!(soon("busy", second.ended()).await.code, Some(486));
}

#[tokio::test]
async fn the_phone_gives_up_after_as_many_attempts_as_it_is_given() {
    let mut server = Server::start().await;
    let operator = soon("logging in", server.init().re_registry_phone_times(1).connect()).await.expect("logged in");
    let _subscription = server.subscription().await;
    let mut events = operator.phone.events();
    server.cut_sip();
    soon("the refusal", operator.phone.connect()).await.expect_err("no SIP there");
    let failed = |event: &PhoneEvent| matches!(event, PhoneEvent::RegistrationFailed { code: -204, .. });
    until("giving up", &mut events, failed).await;
    // The PBX's side goes on.
    assert!(!operator.pbx.is_destroyed());
}

#[tokio::test]
async fn the_report_of_a_call_and_the_log_go_to_the_pbx() {
    let mut server = Server::start().await;
    let services = json!([{ "service_list": [{ "service_name": "fqdn", "status": 1 }] }]);
    server.answer("licenseservice/get", [Answer::Json(json!({ "subscribe_plan_list": services }))]);
    let (operator, _subscription) = server.operator().await;
    let session = call(&operator).await;
    soon("hanging up", session.hangup()).await.expect("hangs up");
    let report = server.request("rascallreport/web", 1).await;
    assert!(report.body.as_object().is_some_and(|report| !report.is_empty()), "{}", report.body);
    // What waits is sent before the token is given back.
    soon("logging out", operator.pbx.logout()).await.expect("logged out");
    // One log, or one of each ten seconds.
    let logs = server.asked("systemlog/webclientlog");
    let lines: String = logs.iter().map(|log| log.body["log_list"].to_string()).collect();
    assert!(lines.contains("registered") && lines.contains(session.call_id().as_str()), "{lines}");
    assert!(!lines.contains(crate::support::SECRET) && !lines.contains(crate::support::TOKEN), "{lines}");
}

#[tokio::test]
async fn neither_report_nor_log_go_to_a_pbx_that_is_not_to_have_them() {
    let mut server = Server::start().await;
    let operator = soon("logging in", server.init().enable_log(false).connect()).await.expect("logged in");
    let _subscription = server.subscription().await;
    let session = call(&operator).await;
    soon("hanging up", session.hangup()).await.expect("hangs up");
    soon("logging out", operator.pbx.logout()).await.expect("logged out");
    server.request("logout", 1).await;
    // No service fqdn, and no log wanted.
    assert!(server.asked("rascallreport/web").is_empty() && server.asked("systemlog/webclientlog").is_empty());
}

/// A STUN server that the PBX names is not used by this build, and stands in no call's way.
#[tokio::test]
async fn a_stun_server_of_the_pbx_stands_in_no_calls_way() {
    let mut server = Server::start().await;
    let global = json!({ "enable_nat_fqdn": 1, "fqdn_domain": "pbx.example", "record_feature_code": "*1" });
    server.answer("extension/getpersonalglobal", [Answer::Json(global)]);
    let (operator, _subscription) = server.operator().await;
    let session = call(&operator).await;
    soon("hanging up", session.hangup()).await.expect("hangs up");
}
