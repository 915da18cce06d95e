//! What the embedded PBX does with calls, as a program that logged in sees it: recording, conference rooms, contact names.

use offhook::{CallOptions, EventStream, PhoneError, RecordStatus, SessionEvent};
use offhook_pbx::Pbx;
use serde_json::json;

use crate::support::{Directory, Embedded, eventually, incoming_call, soon, until};

/// Feature code, 20048, both sides.
#[tokio::test]
async fn recording_at_the_pbx_is_seen_on_both_sides() {
    let directory = Directory::new("features");
    let pbx = Embedded::of(Pbx::builder().recordings(directory.path())).await;
    let (ann, bob) = (pbx.operator("1000").await, pbx.operator("1001").await);
    let (call, answered) = incoming_call(&ann, &bob).await;
    let (mut here, mut there) = (call.events(), answered.events());
    soon("recording", call.start_record()).await.expect("records");
    recorded(&mut here, RecordStatus::Recording).await;
    recorded(&mut there, RecordStatus::Recording).await;
    soon("pausing", call.pause_record()).await.expect("pauses");
    recorded(&mut here, RecordStatus::Pause).await;
    recorded(&mut there, RecordStatus::Pause).await;
    soon("hanging up", call.hangup()).await.expect("hangs up");
    soon("the file", directory.wav()).await;

    // One who may not.
    pbx.admin("PATCH", "extensions/1001", json!({ "record": 0 })).await;
    let mut events = bob.phone.events();
    until("the permission", &mut events, |event| event.name() == "recordPermissionsChange").await;
    let (call, _answered) = incoming_call(&bob, &ann).await;
    let outcome = soon("a refusal", call.start_record()).await;
    assert!(matches!(outcome, Err(PhoneError::NotPermitted { .. })), "{outcome:?}");
    soon("hanging up", call.hangup()).await.expect("hangs up");
}

#[tokio::test]
async fn a_call_to_a_room_knows_that_it_is_a_conference() {
    let pbx = Embedded::start().await;
    let (ann, bob) = (pbx.operator("1000").await, pbx.operator("1001").await);
    for operator in [&ann, &bob] {
        let call = soon("calling", operator.phone.call("7000", CallOptions::default())).await.expect("calls");
        let mut events = call.events();
        until(
            "the conference",
            &mut events,
            |event| matches!(event, SessionEvent::StatusChange { new_status, .. } if new_status.is_conference),
        )
        .await;
        assert!(call.status().is_conference);
    }
}

async fn recorded(events: &mut EventStream<SessionEvent>, status: RecordStatus) {
    until(
        "the recording",
        events,
        |event| matches!(event, SessionEvent::StatusChange { new_status, .. } if new_status.record_status == status),
    )
    .await;
}

#[tokio::test]
async fn who_calls_is_looked_up_in_the_contacts() {
    let pbx = Embedded::start().await;
    pbx.admin("POST", "contacts", json!({ "name": "The Echo", "numbers": ["600"] })).await;
    let ann = soon("logging in", pbx.init("1000").await.connect()).await.expect("logged in");
    let call = crate::support::call(&ann).await;
    // The call does not wait long for the look-up.
    eventually("the name", || call.status().name == "The Echo").await;
}
