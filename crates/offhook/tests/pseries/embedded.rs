//! The embedded PBX as the peer: what its administrator and its other users do reaches the program.

use futures_util::StreamExt as _;
use offhook::{CallOptions, CdrQuery, ClientKind, EventStream, Operator, PbxEvent, PhoneEvent, RecordPermissions};
use serde_json::{Value, json};

use crate::support::{Embedded, eventually, soon, until};

/// Sign, log in, register, call, query.
#[tokio::test]
async fn two_extensions_call_each_other_and_both_have_the_record() {
    let pbx = Embedded::start().await;
    let (ann, bob) = (pbx.operator("1000").await, pbx.operator("1001").await);
    assert_eq!(ann.pbx.extension_number(), "1000");
    assert!(!ann.pbx.extension_name().is_empty() && ann.phone.video_plan());
    let (mut ann_events, mut bob_events) = (ann.pbx.events(), bob.pbx.events());

    let mut incoming = bob.phone.incoming();
    let call = soon("calling", ann.phone.call("1001", CallOptions::default())).await.expect("calls");
    let ringing = soon("ringing", incoming.next()).await.expect("rings");
    soon("answering", ringing.answer(CallOptions::default())).await.expect("answers");
    soon("talking", call.confirmed()).await.expect("talks");
    // Calls do not wait long for the look-up.
    eventually("Bob's name", || call.status().name == bob.pbx.extension_name()).await;
    eventually("Ann's name", || ringing.status().name == ann.pbx.extension_name()).await;
    soon("hanging up", call.hangup()).await.expect("hangs up");

    let change = cdr_change(&mut ann_events).await;
    assert_eq!((change.ext_num.as_str(), change.number.as_str()), ("1000", "1001"));
    assert_eq!(cdr_change(&mut bob_events).await.number, "1000");
    for (operator, number, status) in [(&ann, "1001", 3), (&bob, "1000", 1)] {
        let page = soon("a page", operator.pbx.cdr_query(CdrQuery::new(1, 10))).await.expect("a page");
        assert_eq!((page.total_number, page.personal_cdr_list.len()), (1, 1));
        let row = &page.personal_cdr_list[0];
        assert_eq!((row.number.as_str(), row.status, row.disposition.as_str()), (number, status, "ANSWERED"));
        assert_eq!(row.extension.as_ref().map(|extension| extension.ext_num.as_str()), Some(number));
    }
}

#[tokio::test]
async fn what_the_administrator_changes_reaches_the_phone() {
    let pbx = Embedded::start().await;
    let ann = pbx.operator("1000").await;
    let mut events = ann.phone.events();
    pbx.admin("PATCH", "extensions/1000", json!({ "record": 1 })).await;
    let change = PhoneEvent::RecordPermissionsChange { record_permissions: RecordPermissions::PauseResume };
    until("the permission", &mut events, |event| *event == change).await;
    pbx.admin("PATCH", "settings", json!({ "video_licence": false })).await;
    until("the plan", &mut events, |event| *event == PhoneEvent::VideoPlanChange { video_plan: false }).await;
    assert!(!ann.phone.video_plan());
    // Another password: the phone is given the new one and registers with it.
    pbx.admin("PATCH", "extensions/1000", json!({ "password": "another-good-password-42" })).await;
    until("registering", &mut events, |event| *event == PhoneEvent::Registered).await;
    // Another machine takes over: subscribed again, and told as before.
    pbx.admin("POST", "hot_standby", Value::Null).await;
    pbx.admin("PATCH", "extensions/1000", json!({ "record": 2 })).await;
    let change = PhoneEvent::RecordPermissionsChange { record_permissions: RecordPermissions::All };
    until("the permission", &mut events, |event| *event == change).await;
}

/// Each way of being told to go, with a call that it ends.
#[tokio::test]
async fn every_runtime_error_of_the_pbx_comes_and_ends_everything() {
    let off = |name: &str| json!({ name: false });
    for (client, method, path, body, code) in [
        (ClientKind::WebClient, "DELETE", "extensions/1000", Value::Null, -108),
        (ClientKind::WebClient, "PATCH", "extensions/1000", off("web_client"), -106),
        (ClientKind::WebPc, "PATCH", "extensions/1000", off("desktop_client"), -106),
        (ClientKind::WebClient, "PATCH", "settings", off("sdk_plan"), -110),
    ] {
        let pbx = Embedded::start().await;
        let init = pbx.init("1000").await.user_agent(client);
        let ann = soon("logging in", init.connect()).await.expect("logged in");
        let events = talking(&ann).await;
        pbx.admin(method, path, body).await;
        ends(&pbx, &ann, events, code).await;
    }
}

#[tokio::test]
async fn a_log_in_elsewhere_ends_the_first() {
    let pbx = Embedded::start().await;
    let ann = soon("logging in", pbx.init("1000").await.connect()).await.expect("logged in");
    let events = talking(&ann).await;
    let again = soon("logging in", pbx.init("1000").await.connect()).await.expect("logged in");
    ends(&pbx, &ann, events, -107).await;
    assert!(!again.pbx.is_destroyed());
    soon("a page", again.pbx.cdr_query(CdrQuery::new(1, 10))).await.expect("the second is in");
}

/// A session that the administrator ended is made again; with a signature that is no longer good, it is not.
#[tokio::test]
async fn an_ended_session_is_made_again_as_long_as_the_signature_is_good() {
    let pbx = Embedded::start().await;
    let ann = soon("logging in", pbx.init("1000").await.connect()).await.expect("logged in");
    let events = talking(&ann).await;
    let first = ann.pbx.token();
    pbx.admin("POST", "extensions/1000/logout", json!({})).await;
    soon("a page", ann.pbx.cdr_query(CdrQuery::new(1, 10))).await.expect("with another token");
    assert_ne!(ann.pbx.token().expose(), first.expose());

    pbx.admin("PATCH", "extensions/1000", json!({ "password": "another-good-password-42" })).await;
    pbx.admin("POST", "extensions/1000/logout", json!({})).await;
    ends(&pbx, &ann, events, -109).await;
}

#[tokio::test]
async fn a_log_in_that_is_refused_says_why() {
    let pbx = Embedded::start().await;
    let wrong = |secret: &str| {
        let url = pbx.pbx.https_url().expect("wss is on");
        offhook::Init::new(url, "1000", secret).ca_certificate(pbx.pbx.certificate_pem())
    };
    assert_eq!(crate::support::refused(wrong("a-wrong-signature")).await.code(), -103);
    pbx.admin("PATCH", "extensions/1000", json!({ "web_client": false })).await;
    let init = pbx.init("1000").await;
    assert_eq!(crate::support::refused(init.clone()).await.code(), -106);
    let desktop = soon("logging in", init.user_agent(ClientKind::WebPc).connect()).await;
    assert!(desktop.is_ok(), "{desktop:?}");
    pbx.admin("PATCH", "settings", json!({ "sdk_plan": false })).await;
    assert_eq!(crate::support::refused(pbx.init("1001").await).await.code(), -110);
}

/// In a call with the echo. What happens on the PBX's side is heard from the beginning.
async fn talking(operator: &Operator) -> EventStream<PbxEvent> {
    let events = operator.pbx.events();
    crate::support::call(operator).await;
    events
}

async fn ends(pbx: &Embedded, operator: &Operator, mut events: EventStream<PbxEvent>, code: i32) {
    let is_error = |event: &PbxEvent| matches!(event, PbxEvent::RuntimeError { .. });
    let event = until("the error", &mut events, is_error).await;
    assert!(matches!(event, PbxEvent::RuntimeError { code: found, .. } if found == code), "{code}: {event:?}");
    soon("the end", async { while events.next().await.is_some() {} }).await;
    assert!(operator.phone.sessions().is_empty());
    let nothing_left = pbx.pbx.load_when(|load| load.calls == 0 && load.registrations == 0);
    soon("the PBX's side", nothing_left).await.expect("the PBX lives");
}

async fn cdr_change(events: &mut EventStream<PbxEvent>) -> offhook::CdrChange {
    let event = until("the record", events, |event| matches!(event, PbxEvent::CdrChange(_))).await;
    match event {
        PbxEvent::CdrChange(change) => change,
        other => panic!("{other:?}"),
    }
}
