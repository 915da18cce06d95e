//! Making calls: the events and their order, answered and not.

mod common;

use common::{A, B, World};
use offhook_core::media::MediaError;
use offhook_core::{CallOptions, PhoneError};

fn dial(world: &mut World, number: &str) -> (offhook_core::CommandId, offhook_core::CallId) {
    world.act(A, |phone, now| phone.call(now, number, CallOptions::default())).expect("calls")
}

#[test]
fn an_answered_call_tells_everything_in_the_contracts_order() {
    let mut world = World::new();
    let (command, call) = dial(&mut world, "1001");
    assert_eq!(world.outcome(A, command), Some(Ok(())), "the call is under way at once");
    assert_eq!(world.log(A), ["newRTCSession", "startSession", "peerconnection"]);
    world.run(500);
    assert_eq!(world.log(A), ["sdp local offer", "statusChange callStatus=ringing", "progress 180"]);
    let other = world.call_of(B);
    world.act(B, |phone, now| phone.answer(now, &other, CallOptions::default())).expect("answers");
    world.run(500);
    assert_eq!(
        world.log(A),
        [
            "sdp remote answer",
            "updateRemoteStream stream",
            "streamAdded",
            "accepted",
            "callReport",
            "statusChange callStatus=talking",
            "confirmed",
        ]
    );
    let hangup = world.act(A, |phone, now| phone.hangup(now, &call)).expect("hangs up");
    assert_eq!(
        world.log(A),
        ["updateLocalStream null", "updateRemoteStream null", "ended Terminated", "deleteSession Terminated"]
    );
    assert_eq!(world.outcome(A, hangup), Some(Ok(())));
    world.run(500);
    assert_eq!(world.log(B).last().map(String::as_str), Some("deleteSession Terminated"));
    world.assert_clean();
}

#[test]
fn early_media_is_heard_before_the_answer_and_not_applied_twice() {
    let mut world = World::new();
    dial(&mut world, "607");
    world.run(500);
    assert_eq!(
        world.log(A),
        [
            "newRTCSession",
            "startSession",
            "peerconnection",
            "sdp local offer",
            "statusChange callStatus=ringing",
            "progress 183",
            "sdp remote answer",
            "updateRemoteStream stream",
            "streamAdded",
            "accepted",
            "callReport",
            "statusChange callStatus=talking",
            "confirmed",
        ]
    );
}

#[test]
fn early_media_of_a_call_that_is_given_up_is_taken_away() {
    let mut world = World::new();
    let (_, call) = dial(&mut world, "608");
    world.run(500);
    world.clear(A);
    world.act(A, |phone, now| phone.hangup(now, &call)).expect("hangs up");
    world.run(500);
    assert_eq!(world.log(A), ["updateRemoteStream null", "failed Canceled", "deleteSession Canceled"]);
    world.assert_clean();
}

#[test]
fn every_refusal_has_its_cause_and_code() {
    for (number, cause) in [
        ("486", "Busy 486"),
        ("603", "Rejected 603"),
        ("480", "Unavailable 480"),
        ("404", "Not Found 404"),
        ("302", "Redirected 302"),
        ("503", "SIP Failure Code 503"),
        ("1005", "Not Found 404"),
    ] {
        let mut world = World::new();
        dial(&mut world, number);
        world.run(500);
        let (log, cause_only) = (world.log(A), cause.rsplit_once(' ').expect("two words").0);
        assert_eq!(log[log.len() - 2..], [format!("failed {cause}"), format!("deleteSession {cause_only}")]);
        assert!(log.iter().all(|event| !event.starts_with("updateRemoteStream")), "{log:?}");
        world.assert_clean();
    }
}

#[test]
fn a_call_hung_up_before_its_offer_was_made_never_reaches_the_wire() {
    let mut world = World::new();
    let (_, call) = dial(&mut world, "1001");
    world.clear(A);
    let hangup = world.act(A, |phone, now| phone.hangup(now, &call)).expect("hangs up");
    assert_eq!(world.log(A), ["failed Canceled", "deleteSession Canceled"]);
    assert_eq!(world.outcome(A, hangup), Some(Ok(())));
    world.run(500);
    assert_eq!(world.sent(A), common::NOTHING);
    world.assert_clean();
}

#[test]
fn a_call_hung_up_before_any_response_is_cancelled_when_one_comes() {
    let mut world = World::new();
    let (_, call) = dial(&mut world, "1001");
    world.run(6);
    world.clear(A);
    world.act(A, |phone, now| phone.hangup(now, &call)).expect("hangs up");
    assert!(world.phone(A).session(&call).is_some(), "not before it has ended");
    world.run(500);
    assert_eq!(world.log(A), ["failed Canceled", "deleteSession Canceled"]);
    assert!(world.sent(A).contains(&"CANCEL".to_owned()));
    world.assert_clean();
}

#[test]
fn hanging_up_while_it_rings_cancels_both_ends() {
    let mut world = World::new();
    let (a, _) = world.ring();
    world.clear(A);
    world.clear(B);
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    world.run(500);
    assert_eq!(world.log(A), ["failed Canceled", "deleteSession Canceled"]);
    assert_eq!(world.log(B), ["failed Canceled", "deleteSession Canceled"]);
    world.assert_clean();
}

#[test]
fn hanging_up_as_the_answer_arrives_ends_as_cancelled_and_both_ends_are_free() {
    // From just before B's 200 until A has applied it.
    for delay in [0, 10, 20, 21, 25, 30, 35, 36, 40, 45, 50] {
        let mut world = World::new();
        let (a, b) = world.ring();
        world.act(B, |phone, now| phone.answer(now, &b, CallOptions::default())).expect("answers");
        world.run(delay);
        let log = world.log(A);
        if log.contains(&"accepted".to_owned()) {
            continue;
        }
        world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
        world.run(2_000);
        let log = world.log(A);
        assert_eq!(log[log.len() - 2..], ["failed Canceled", "deleteSession Canceled"], "after {delay} ms");
        assert_eq!(log.iter().filter(|event| event.starts_with("failed") || event.starts_with("ended")).count(), 1);
        world.assert_clean();
    }
}

#[test]
fn a_call_that_rings_for_too_long_is_given_up() {
    let mut world = World::with(|config| config.no_answer_ms = 20_000);
    dial(&mut world, "606");
    world.run(19_000);
    assert_eq!(world.phone(A).sessions().count(), 1);
    world.run(3_000);
    assert_eq!(world.log(A).last().map(String::as_str), Some("deleteSession No Answer"));
    assert!(world.sent(A).contains(&"CANCEL".to_owned()));
    world.assert_clean();
}

#[test]
fn an_invite_that_is_never_answered_times_out() {
    let mut world = World::new();
    world.lose = Box::new(|_, to_server, text| to_server && text.starts_with("INVITE"));
    dial(&mut world, "1001");
    world.run(31_000);
    assert_eq!(world.phone(A).sessions().count(), 1);
    world.run(2_000);
    let log = world.log(A);
    assert_eq!(log[log.len() - 2..], ["failed Request Timeout", "deleteSession Request Timeout"]);
    world.assert_clean();
}

#[test]
fn a_local_fault_is_a_client_error_and_nothing_is_sent() {
    for (error, cause) in [
        (MediaError::PermissionDenied, "User Denied Media Access"),
        (MediaError::Other("no".to_owned()), "WebRTC Error"),
    ] {
        let mut world = World::new();
        world.media(A).fail = Some(("offer", error));
        dial(&mut world, "1001");
        world.run(500);
        let log = world.log(A);
        assert_eq!(log[log.len() - 2..], [format!("clientError {cause}"), format!("deleteSession {cause}")]);
        assert!(!world.sent(A).contains(&"INVITE".to_owned()));
        world.assert_clean();
    }
}

#[test]
fn media_that_never_opens_has_a_deadline() {
    let mut world = World::new();
    world.media(A).hang = Some("offer");
    dial(&mut world, "1001");
    world.run(59_000);
    assert_eq!(world.phone(A).sessions().count(), 1);
    world.run(2_000);
    assert_eq!(world.log(A).last().map(String::as_str), Some("deleteSession WebRTC Error"));
    world.assert_clean();
}

#[test]
fn an_answer_that_cannot_be_applied_ends_the_call_at_both_ends() {
    let mut world = World::new();
    let (_, b) = world.ring();
    world.media(A).fail = Some(("apply", MediaError::BadDescription("no codec".to_owned())));
    world.act(B, |phone, now| phone.answer(now, &b, CallOptions::default())).expect("answers");
    world.run(500);
    let log = world.log(A);
    assert_eq!(log[log.len() - 2..], ["clientError Bad Media Description", "deleteSession Bad Media Description"]);
    assert_eq!(world.log(B).last().map(String::as_str), Some("deleteSession Terminated"));
    world.assert_clean();
}

#[test]
fn a_peer_connection_that_breaks_ends_the_call() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let broken = offhook_core::MediaEvent::Failed { request: None, error: MediaError::Other("DTLS".to_owned()) };
    let input = offhook_core::Input::Media { call_id: a, event: broken };
    world.act(A, |phone, now| phone.handle_input(now, input));
    assert_eq!(world.log(A)[2..], ["ended WebRTC Error", "deleteSession WebRTC Error"]);
    world.run(500);
    assert_eq!(world.log(B).last().map(String::as_str), Some("deleteSession Terminated"));
    world.assert_clean();
}

#[test]
fn the_lost_connection_ends_a_call_that_is_not_established() {
    let mut world = World::new();
    dial(&mut world, "606");
    world.run(500);
    world.clear(A);
    world.kill_server();
    let log = world.log(A);
    assert!(log.contains(&"failed Connection Error".to_owned()), "{log:?}");
}

#[test]
fn refusals_come_in_the_contracts_order() {
    let mut world = World::new();
    let refused = |world: &mut World, number: &str| {
        world.act(A, |phone, now| phone.call(now, number, CallOptions::default())).map(drop).map_err(|e| e.code())
    };
    assert_eq!(refused(&mut world, ""), Err(-209));
    let (a, b) = world.ring();
    assert_eq!(refused(&mut world, ""), Err(-210));
    world.act(B, |phone, now| phone.answer(now, &b, CallOptions::default())).expect("answers");
    world.run(300);
    assert_eq!(refused(&mut world, ""), Err(-209));
    assert_eq!(refused(&mut world, "607"), Err(-208));
    world.run(1_000);
    assert_eq!(refused(&mut world, "607"), Ok(()));
    world.run(2_000);
    assert_eq!(refused(&mut world, "607"), Err(-205));
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    let devices = |inputs, permission| offhook_core::Devices { inputs, permission };
    use offhook_core::Permission::{Denied, Granted};
    for (set, code) in
        [(devices(None, Denied), -206), (devices(Some((0, 0)), Denied), -290), (devices(Some((1, 0)), Denied), -202)]
    {
        world.act(A, |phone, _| phone.set_devices(set));
        assert_eq!(refused(&mut world, "607"), Err(code));
    }
    world.act(A, |phone, _| phone.set_devices(devices(Some((1, 0)), Granted)));
    let video = CallOptions { video: true, ..CallOptions::default() };
    let refused = world.act(A, |phone, now| phone.call(now, "607", video));
    assert_eq!(refused, Err(PhoneError::NoCamera));
}

#[test]
fn extra_headers_go_out_and_a_line_break_refuses_the_call() {
    let mut world = World::new();
    let with = |header: &str| CallOptions { extra_headers: vec![header.to_owned()], ..CallOptions::default() };
    let refused = world.act(A, |phone, now| phone.call(now, "1001", with("X-A: b\r\nX-C: d")));
    assert!(matches!(refused, Err(PhoneError::InvalidArgument { .. })));
    assert_eq!(world.phone(A).sessions().count(), 0);
    let seen = std::rc::Rc::new(std::cell::Cell::new(false));
    let there = seen.clone();
    world.lose = Box::new(move |_, to_server, text| {
        there.set(there.get() || (to_server && text.starts_with("INVITE") && text.contains("\r\nX-A: b\r\n")));
        false
    });
    world.act(A, |phone, now| phone.call(now, "1001", with("X-A: b"))).expect("calls");
    world.run(100);
    assert!(seen.get());
}
