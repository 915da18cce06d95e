//! The connection to the server is lost in the middle of a call.

use offhook::{CallOptions, Cause, PhoneError, PhoneEvent, ReconnectPolicy, SessionEvent};

use crate::support::{Wire, at, ear, hears, pbx, soon, tone, until};

/// A phone at the end of a wire, hearing its echo.
async fn echoing(wire: &Wire, pbx: &offhook_pbx::Pbx) -> (offhook::Phone, offhook::Session) {
    let policy = ReconnectPolicy { first_ms: 50, max_ms: 100, ..ReconnectPolicy::default() };
    let phone = soon(at(pbx, "1000").server(wire.url()).reconnect(policy).connect()).await.expect("registers");
    let call = soon(phone.call("600", CallOptions::default())).await.expect("calls");
    drop(call.play(tone(600.0)));
    soon(call.confirmed()).await.expect("is answered");
    (phone, call)
}

#[tokio::test]
async fn the_call_goes_on_and_comes_back_under_control() {
    let pbx = pbx().await;
    let wire = Wire::to(&pbx).await;
    let (phone, call) = echoing(&wire, &pbx).await;
    let mut ear = ear(&call);
    hears(&mut ear, 600.0).await;
    let (mut events, mut phone_events) = (call.events(), phone.events());
    wire.cut();
    until(&mut events, |event| matches!(event, SessionEvent::Reconnecting { .. })).await;
    assert!(!phone.is_registered());
    drop(call.play(tone(900.0)));
    hears(&mut ear, 900.0).await;
    // Refused for that, and not for being the second call within a second.
    until(&mut events, |event| matches!(event, SessionEvent::UpdateTimer { timer, .. } if timer.call_duration >= 2))
        .await;
    assert_eq!(soon(phone.call("600", CallOptions::default())).await.map(drop), Err(PhoneError::NotConnected));
    // Some attempts fail first.
    until(&mut phone_events, |event| matches!(event, PhoneEvent::Reconnecting { attempt: 3.., .. })).await;
    wire.mend();
    until(&mut events, |event| matches!(event, SessionEvent::Reconnected { .. })).await;
    assert!(phone.is_registered());
    soon(call.hold()).await.expect("holds");
    soon(call.unhold()).await.expect("resumes");
    hears(&mut ear, 900.0).await;
    soon(call.hangup()).await.expect("hangs up");
    soon(pbx.load_when(|load| load.calls == 0)).await.expect("nothing is left at the PBX");
}

#[tokio::test]
async fn it_can_be_hung_up_while_the_server_is_gone() {
    let pbx = pbx().await;
    let wire = Wire::to(&pbx).await;
    let (_phone, call) = echoing(&wire, &pbx).await;
    let mut events = call.events();
    wire.cut();
    until(&mut events, |event| matches!(event, SessionEvent::Reconnecting { .. })).await;
    soon(call.hangup()).await.expect("hangs up");
    let end = soon(call.ended()).await;
    assert_eq!((end.cause, end.was_established), (Cause::Terminated, true));
}

#[tokio::test]
async fn a_call_that_is_not_answered_ends_with_the_connection() {
    let pbx = pbx().await;
    let wire = Wire::to(&pbx).await;
    let phone = soon(at(&pbx, "1000").server(wire.url()).connect()).await.expect("registers");
    let call = soon(phone.call("606", CallOptions::default())).await.expect("calls");
    let mut events = call.events();
    until(&mut events, |event| matches!(event, SessionEvent::Progress { .. })).await;
    wire.cut();
    assert_eq!(soon(call.ended()).await.cause, Cause::ConnectionError);
}

#[tokio::test]
async fn shutting_down_without_a_server_takes_no_time() {
    let pbx = pbx().await;
    let wire = Wire::to(&pbx).await;
    let (phone, call) = echoing(&wire, &pbx).await;
    let mut events = phone.events();
    wire.cut();
    until(&mut events, |event| matches!(event, PhoneEvent::Disconnected { .. })).await;
    soon(phone.shutdown()).await;
    assert_eq!(soon(call.ended()).await.cause, Cause::Terminated);
}
