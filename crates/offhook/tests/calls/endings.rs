//! How calls end.

use futures_util::StreamExt;
use offhook::{CallOptions, Cause, PhoneError, PhoneEvent, SessionEvent, TerminateType};

use crate::support::{Talk, pbx, phone, soon, talk, until};

#[tokio::test]
async fn either_side_can_hang_up() {
    for caller in [true, false] {
        let Talk { a, b, pbx, alice, bob } = talk().await;
        let (one, other) = if caller { (&a, &b) } else { (&b, &a) };
        let mut events = other.events();
        soon(one.hangup()).await.expect("hangs up");
        let end = soon(other.ended()).await;
        assert_eq!((end.cause, end.was_established), (Cause::Terminated, true));
        let all: Vec<SessionEvent> = soon(async { events.by_ref().collect().await }).await;
        assert!(all.last().expect("events").is_final(), "the stream ends with the call");
        assert!(alice.sessions().is_empty() && bob.sessions().is_empty());
        soon(pbx.load_when(|load| load.calls == 0)).await.expect("nothing is left at the PBX");
    }
}

#[tokio::test]
async fn refusals_have_their_cause() {
    let pbx = pbx().await;
    for (number, cause, code) in [
        ("604", Cause::Busy, 486),
        ("605", Cause::SipFailureCode, 503),
        ("609", Cause::Rejected, 403),
        ("612", Cause::Unavailable, 480),
        ("4711", Cause::NotFound, 404),
    ] {
        let phone = phone(&pbx, "1000").await;
        let call = soon(phone.call(number, CallOptions::default())).await.expect("calls");
        let end = soon(call.ended()).await;
        assert_eq!((end.cause, end.code, end.was_established), (cause, Some(code), false), "{number}");
        assert_eq!(soon(call.confirmed()).await, Err(PhoneError::Ended { cause, status: Some(code) }));
    }
}

#[tokio::test]
async fn a_service_that_hangs_up_ends_the_call() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    let call = soon(phone.call("601", CallOptions::default())).await.expect("calls");
    assert_eq!(soon(call.ended()).await.cause, Cause::Terminated);
}

#[tokio::test]
async fn a_caller_who_gives_up_stops_the_ringing() {
    let pbx = pbx().await;
    let (alice, bob) = (phone(&pbx, "1000").await, phone(&pbx, "1001").await);
    let call = soon(alice.call("1001", CallOptions::default())).await.expect("calls");
    let ringing = soon(bob.incoming().next()).await.expect("rings");
    soon(call.terminate(TerminateType::Terminate)).await.expect("gives up");
    assert_eq!(soon(call.ended()).await.cause, Cause::Canceled);
    assert_eq!(soon(ringing.ended()).await.cause, Cause::Canceled);
}

#[tokio::test]
async fn a_call_that_is_over_is_not_told_as_one_that_rings() {
    let pbx = pbx().await;
    let (alice, bob, carol) = (phone(&pbx, "1000").await, phone(&pbx, "1001").await, phone(&pbx, "1002").await);
    let mut events = bob.events();
    let call = soon(alice.call("1001", CallOptions::default())).await.expect("calls");
    until(&mut events, |event| matches!(event, PhoneEvent::Incoming { .. })).await;
    soon(call.hangup()).await.expect("gives up");
    until(&mut events, |event| matches!(event, PhoneEvent::DeleteSession { .. })).await;
    let call = soon(carol.call("1001", CallOptions::default())).await.expect("calls");
    let ringing = soon(bob.incoming().next()).await.expect("rings");
    soon(ringing.answer(CallOptions::default())).await.expect("it is the one that rings");
    soon(call.confirmed()).await.expect("is confirmed");
}

#[tokio::test]
async fn a_refused_call_is_busy_to_the_caller() {
    let pbx = pbx().await;
    let (alice, bob) = (phone(&pbx, "1000").await, phone(&pbx, "1001").await);
    let call = soon(alice.call("1001", CallOptions::default())).await.expect("calls");
    let ringing = soon(bob.incoming().next()).await.expect("rings");
    soon(ringing.reject()).await.expect("refuses");
    assert_eq!(soon(call.ended()).await.cause, Cause::Busy);
    assert_eq!(soon(ringing.ended()).await.cause, Cause::Rejected);
}

#[tokio::test]
async fn dropping_a_session_does_nothing_and_dropping_the_phone_hangs_up() {
    let Talk { a, b, pbx, alice, bob: _bob } = talk().await;
    drop(a);
    assert_eq!(alice.sessions().len(), 1);
    drop(alice);
    let end = soon(b.ended()).await;
    assert_eq!((end.cause, end.was_established), (Cause::Terminated, true));
    soon(pbx.load_when(|load| load.registrations == 1)).await.expect("only the other is left");
}

#[tokio::test]
async fn shutting_down_ends_every_call_and_every_stream() {
    let Talk { a, b, pbx: _pbx, alice, bob: _bob } = talk().await;
    let (calls, phone_events) = (a.events(), alice.events());
    soon(alice.shutdown()).await;
    assert_eq!(soon(a.ended()).await.cause, Cause::Terminated);
    assert_eq!(soon(b.ended()).await.cause, Cause::Terminated);
    assert!(soon(calls.collect::<Vec<_>>()).await.last().expect("events").is_final());
    drop(alice);
    let all: Vec<PhoneEvent> = soon(phone_events.collect()).await;
    assert!(matches!(all.last(), Some(PhoneEvent::Disconnected { .. })), "{:?}", all.last());
}

#[tokio::test]
async fn a_pbx_that_stops_ends_the_call() {
    let Talk { a, b: _b, pbx, alice, bob: _bob } = talk().await;
    let mut events = alice.events();
    soon(pbx.shutdown()).await;
    until(&mut events, |event| matches!(event, PhoneEvent::Disconnected { .. })).await;
    assert!(soon(a.ended()).await.was_established);
    assert!(!alice.is_registered());
}

#[test]
fn a_fault_of_our_own_is_an_internal_error() {
    let (here, theirs) = (runtime(), runtime());
    let pbx = here.block_on(pbx());
    // Its phone's task is on a runtime that goes down under it. The phone is kept: one that is dropped hangs up, and would
    // have the call over as `Terminated` if its task is faster than the runtime's end.
    let (_phone, call, mut events) = theirs.block_on(async {
        let phone = phone(&pbx, "1000").await;
        let call = soon(phone.call("600", CallOptions::default())).await.expect("calls");
        soon(call.confirmed()).await.expect("is confirmed");
        let events = call.events();
        (phone, call, events)
    });
    drop(theirs);
    let end = here.block_on(soon(call.ended()));
    assert_eq!((end.cause, end.cause.to_string().as_str()), (Cause::InternalError, "Internal Error"));
    assert!(end.was_established);
    here.block_on(soon(async { while events.next().await.is_some() {} }));
    assert_eq!(here.block_on(soon(call.hangup())), Err(PhoneError::Stopped), "and nobody waits for it");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}
