//! Taking calls: the events and their order, answered and not.

mod common;

use common::{A, B, World};
use offhook_core::media::MediaError;
use offhook_core::{CallOptions, CallState, CommunicationType, PhoneError};
use offhook_sip::HeaderField;

fn answer(world: &mut World, call: &offhook_core::CallId) -> offhook_core::CommandId {
    world.act(B, |phone, now| phone.answer(now, call, CallOptions::default())).expect("answers")
}

#[test]
fn an_answered_call_tells_everything_in_the_contracts_order() {
    let mut world = World::new();
    let (a, b) = world.ring();
    assert_eq!(world.log(B), ["newRTCSession", "incoming"]);
    let status = world.phone(B).session(&b).expect("there").status().clone();
    assert_eq!((status.call_status, status.is_ring), (CallState::Connecting, true));
    assert_eq!((status.communication_type, status.number.as_str()), (CommunicationType::Inbound, "1000"));
    assert_eq!(world.phone(B).incoming_list().count(), 1);
    let command = answer(&mut world, &b);
    assert_eq!(
        world.log(B),
        ["statusChange isRing=false", "peerconnection", "startSession", "sdp remote offer"],
        "at once"
    );
    assert_eq!(world.phone(B).incoming_list().count(), 0);
    assert_eq!(world.outcome(B, command), None, "not before the ACK");
    world.run(500);
    assert_eq!(
        world.log(B),
        [
            "sdp local answer",
            "updateRemoteStream stream",
            "streamAdded",
            "accepted",
            "callReport",
            "statusChange callStatus=talking",
            "confirmed",
        ]
    );
    assert_eq!(world.outcome(B, command), Some(Ok(())));
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    world.run(100);
    assert_eq!(
        world.log(B),
        ["updateLocalStream null", "updateRemoteStream null", "ended Terminated", "deleteSession Terminated"]
    );
    world.assert_clean();
}

#[test]
fn a_refused_call_is_busy_to_the_caller() {
    let mut world = World::new();
    let (_, b) = world.ring();
    world.clear(A);
    world.clear(B);
    let command = world.act(B, |phone, now| phone.reject(now, &b)).expect("refuses");
    assert_eq!(world.log(B), ["failed Rejected 486", "deleteSession Rejected"]);
    assert_eq!(world.outcome(B, command), Some(Ok(())));
    world.run(500);
    assert_eq!(world.log(A), ["failed Busy 486", "deleteSession Busy"]);
    world.assert_clean();
}

#[test]
fn hanging_up_a_ringing_call_refuses_it() {
    let mut world = World::new();
    let (_, b) = world.ring();
    world.clear(B);
    world.act(B, |phone, now| phone.hangup(now, &b)).expect("hangs up");
    assert_eq!(world.sent(B), ["486 INVITE"]);
    world.assert_clean();
}

#[test]
fn a_call_hung_up_while_its_answer_is_made_is_refused() {
    let mut world = World::new();
    let (_, b) = world.ring();
    let command = answer(&mut world, &b);
    world.clear(B);
    world.act(B, |phone, now| phone.hangup(now, &b)).expect("hangs up");
    world.run(500);
    assert_eq!(world.log(B), ["failed Rejected 486", "deleteSession Rejected"]);
    assert!(matches!(world.outcome(B, command), Some(Err(PhoneError::Ended { .. }))));
    world.assert_clean();
}

#[test]
fn the_callers_cancel_is_told_also_while_the_answer_is_made() {
    for answered in [false, true] {
        let mut world = World::new();
        let (a, b) = world.ring();
        if answered {
            world.media(B).hang = Some("answer");
            answer(&mut world, &b);
        }
        world.clear(B);
        world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
        world.run(500);
        assert_eq!(world.log(B), ["failed Canceled", "deleteSession Canceled"]);
        world.assert_clean();
    }
}

#[test]
fn a_local_fault_is_a_client_error_and_the_caller_gets_a_refusal() {
    for (error, cause, code, status) in [
        (MediaError::PermissionDenied, "User Denied Media Access", -202, "Unavailable 480"),
        (MediaError::BadDescription("no codec".to_owned()), "Bad Media Description", -203, "Incompatible SDP 488"),
    ] {
        let mut world = World::new();
        let (_, b) = world.ring();
        world.media(B).fail = Some(("answer", error));
        let command = answer(&mut world, &b);
        world.run(500);
        let log = world.log(B);
        assert_eq!(log[log.len() - 2..], [format!("clientError {cause}"), format!("deleteSession {cause}")]);
        assert_eq!(world.outcome(B, command).map(|r| r.map_err(|e| e.code())), Some(Err(code)));
        let log = world.log(A);
        assert_eq!(log[log.len() - 2], format!("failed {status}"));
        world.assert_clean();
    }
}

#[test]
fn a_call_that_nobody_answers_is_given_up() {
    let mut world = World::with(|config| config.no_answer_ms = 5_000);
    world.ring();
    world.clear(B);
    world.run(6_000);
    let log = world.log(B);
    assert_eq!(log.last().map(String::as_str), Some("deleteSession No Answer"), "{log:?}");
    world.assert_clean();
}

#[test]
fn an_ack_that_never_comes_ends_the_call() {
    let mut world = World::new();
    let (_, b) = world.ring();
    world.lose = Box::new(|who, to_server, text| who == B && !to_server && text.starts_with("ACK"));
    answer(&mut world, &b);
    world.run(20_000);
    assert!(!world.log(B).contains(&"confirmed".to_owned()));
    world.run(20_000);
    assert_eq!(world.log(B).last().map(String::as_str), Some("deleteSession No ACK"));
    world.lose = Box::new(|_, _, _| false);
    world.assert_clean();
}

#[test]
fn a_late_offer_is_made_in_the_200_and_answered_in_the_ack() {
    let mut world = World::new();
    world.serve(|server, now| server.call_without_offer(now, B));
    world.run(500);
    let b = world.call_of(B);
    world.clear(B);
    answer(&mut world, &b);
    world.run(500);
    assert_eq!(
        world.log(B),
        [
            "statusChange isRing=false",
            "peerconnection",
            "startSession",
            "sdp local offer",
            "accepted",
            "callReport",
            "sdp remote answer",
            "updateRemoteStream stream",
            "streamAdded",
            "statusChange callStatus=talking",
            "confirmed",
        ]
    );
}

#[test]
fn calls_over_the_limit_make_no_session() {
    for (call_waiting, limit) in [(false, 1), (true, 2)] {
        let mut world = World::with(|config| config.call_waiting = call_waiting);
        for _ in 0..limit {
            world.serve(|server, now| server.call_without_offer(now, B));
            world.run(100);
        }
        world.clear(B);
        assert!(world.phone(B).is_max_call());
        world.serve(|server, now| server.call_without_offer(now, B));
        world.run(100);
        assert_eq!(world.log(B), common::NOTHING);
        assert_eq!(world.sent(B), ["486 INVITE"]);
        assert_eq!(world.phone(B).sessions().count(), limit);
    }
}

#[test]
fn of_two_ringing_calls_either_can_be_answered_and_holds_the_other_then() {
    let mut world = World::new();
    let (_, first) = world.ring();
    answer(&mut world, &first);
    world.run(500);
    world.serve(|server, now| server.call_without_offer(now, B));
    world.run(500);
    world.clear(B);
    let second = world.phone(B).incoming_list().next().expect("rings").call_id().clone();
    answer(&mut world, &second);
    world.run(500);
    assert!(world.phone(B).session(&first).expect("there").status().is_hold);
    assert!(world.phone(A).sessions().all(|session| session.status().is_remote_hold));
    assert!(!world.phone(B).session(&second).expect("there").status().is_hold);
}

#[test]
fn what_does_not_ring_cannot_be_answered() {
    let mut world = World::new();
    let (a, b) = world.talk();
    for (who, call) in [(A, a), (B, b), (B, "nonsense".into())] {
        let refused = world.act(who, |phone, now| phone.answer(now, &call, CallOptions::default()));
        assert_eq!(refused.map_err(|e| e.code()), Err(-211));
        let refused = world.act(who, |phone, now| phone.reject(now, &call));
        assert_eq!(refused.map_err(|e| e.code()), Err(-211));
    }
}

#[test]
fn the_far_end_is_who_the_server_asserts() {
    let mut world = World::new();
    world.serve(|server, _| {
        server.headers = vec![
            HeaderField::new("P-Asserted-Identity", "\"Ann Bell\" <sip:7777@pbx.example>").expect("a header"),
            HeaderField::new("Contacts-Company", "Bell & Sons").expect("a header"),
        ];
    });
    let (a, b) = world.ring();
    let b = world.phone(B).session(&b).expect("there").status().clone();
    assert_eq!((b.name.as_str(), b.number.as_str(), b.company.as_str()), ("Ann Bell", "7777", "Bell & Sons"));
    let a = world.phone(A).session(&a).expect("there").status().clone();
    assert_eq!((a.name.as_str(), a.number.as_str()), ("Ann Bell", "7777"));
    assert_eq!(
        world.log(A)[4..],
        [
            "statusChange callStatus=ringing",
            "statusChange name=Ann Bell number=7777",
            "staticStatusChange",
            "progress 180"
        ]
    );
}
