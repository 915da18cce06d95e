//! The subscription socket: made again when it is lost, and what comes on it.

use futures_util::StreamExt as _;
use offhook::{CdrChange, PbxEvent, PhoneEvent, RecordPermissions, RecordStatus, SessionEvent};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Server, call, soon, until};

#[tokio::test]
async fn a_socket_that_the_server_drops_is_made_again_and_subscribed_again() {
    let mut server = Server::start().await;
    let (operator, mut first) = server.operator().await;
    let mut events = operator.phone.events();
    first.close().await;
    let mut second = server.subscription().await;
    let topics = second.topics().await;
    assert!(topics.contains(&10_000) && topics.contains(&20_048), "{topics:?}");
    second.tell(20_047, json!({ "enb_ctl_record": 0 })).await;
    let change = PhoneEvent::RecordPermissionsChange { record_permissions: RecordPermissions::None };
    until("the change", &mut events, |event| *event == change).await;
    assert_eq!(operator.phone.record_permissions(), RecordPermissions::None);
    assert!(server.asked("login").len() == 1, "with the same token");
}

#[tokio::test]
async fn what_is_not_of_the_protocol_harms_nothing() {
    let mut server = Server::start().await;
    let (operator, mut subscription) = server.operator().await;
    let mut events = operator.pbx.events();
    for text in ["", "heartbeat response", "no JSON", "[]", "{}", "{\"type\":10000}", "{\"type\":\"x\",\"msg\":\"{\"}"]
    {
        subscription.send(Message::text(text)).await;
    }
    subscription.send(Message::binary(vec![0xff_u8; 100])).await;
    let cdr = json!({ "date": "d", "time": "t", "timestamp": 1_764_142_200, "number": "1001", "talk_duration": 2 });
    subscription.tell(20_049, json!({ "ext_num": "1000", "personal_cdr": cdr })).await;
    let change = CdrChange {
        ext_num: "1000".to_owned(),
        date: "d".to_owned(),
        time: "t".to_owned(),
        timestamp: 1_764_142_200,
        number: "1001".to_owned(),
        talk_duration: 2,
    };
    assert_eq!(soon("an event", events.next()).await, Some(PbxEvent::CdrChange(change)));
}

/// More than the SDK takes in one message costs the socket, which is made again.
#[tokio::test]
async fn a_message_of_a_megabyte_costs_the_socket() {
    let mut server = Server::start().await;
    let (operator, mut first) = server.operator().await;
    first.send(Message::text("x".repeat(1 << 20))).await;
    assert_eq!(first.next().await, None);
    let mut second = server.subscription().await;
    second.topics().await;
    assert!(!operator.pbx.is_destroyed());
}

#[tokio::test]
async fn what_the_pbx_changes_is_seen_on_the_phone() {
    let mut server = Server::start().await;
    let (operator, mut subscription) = server.operator().await;
    let mut events = operator.phone.events();
    let list = json!([{ "service_list": [{ "service_name": "video", "status": 1 }] }]);
    subscription.tell(20_053, json!({ "subscribe_plan_list": list })).await;
    until("the plan", &mut events, |event| *event == PhoneEvent::VideoPlanChange { video_plan: true }).await;
    assert!(operator.phone.video_plan());
}

#[tokio::test]
async fn a_call_is_told_that_it_is_recorded_and_in_a_conference() {
    let mut server = Server::start().await;
    let (operator, mut subscription) = server.operator().await;
    let session = call(&operator).await;
    let mut events = session.events();
    let status = json!({
        "call_feature": "conference", "caller_origin_number": "1000", "caller_sip_callid": session.call_id().as_str(),
        "callee_origin_number": "600", "callee_sip_callid": "other", "record_status": "recording",
    });
    subscription.tell(20_048, status).await;
    until("the change", &mut events, |event| {
        matches!(event, SessionEvent::StatusChange { new_status, .. }
            if new_status.is_conference && new_status.record_status == RecordStatus::Recording)
    })
    .await;
}
