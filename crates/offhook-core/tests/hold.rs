//! Holding and resuming, from both sides, one after the other and at once.

mod common;

use common::{A, B, World};
use offhook_core::Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
use offhook_core::media::MediaError;
use offhook_core::{CallId, CallOptions, CallState, CommandId, PhoneError};

fn hold(world: &mut World, who: usize, call: &CallId) -> CommandId {
    world.act(who, |phone, now| phone.hold(now, call)).expect("holds")
}

fn unhold(world: &mut World, who: usize, call: &CallId) -> CommandId {
    world.act(who, |phone, now| phone.unhold(now, call)).expect("resumes")
}

fn holds(world: &World, who: usize) -> (bool, bool) {
    let status = world.phone(who).sessions().next().expect("a call").status();
    (status.is_hold, status.is_remote_hold)
}

#[test]
fn hold_and_unhold_are_agreed_with_the_far_end_and_seen_there() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.media(A).directions();
    world.media(B).directions();
    let command = hold(&mut world, A, &a);
    assert_eq!(world.log(A), common::NOTHING, "nothing is held before the far end agreed");
    assert_eq!(world.outcome(A, command), None);
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(world.log(A), ["sdp local offer", "sdp remote answer", "statusChange isHold=true"]);
    assert_eq!(world.log(B), ["reinvite", "sdp remote offer", "sdp local answer", "statusChange isRemoteHold=true"]);
    assert_eq!((world.media(A).directions(), world.media(B).directions()), (vec![SendOnly], vec![RecvOnly]));
    let command = unhold(&mut world, A, &a);
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!((holds(&world, A), holds(&world, B)), ((false, false), (false, false)));
    assert_eq!((world.media(A).directions(), world.media(B).directions()), (vec![SendRecv], vec![SendRecv]));
}

#[test]
fn what_is_asked_for_before_the_ack_is_done_after_it() {
    let mut world = World::new();
    let (_, b) = world.ring();
    world.act(B, |phone, now| phone.answer(now, &b, CallOptions::default())).expect("answers");
    while !world.phone(B).session(&b).is_some_and(offhook_core::Session::is_accepted) {
        world.run(1);
    }
    assert_ne!(world.phone(B).session(&b).expect("there").status().call_status, CallState::Talking);
    let command = hold(&mut world, B, &b);
    world.run(1_000);
    assert_eq!(world.outcome(B, command), Some(Ok(())));
    assert_eq!((holds(&world, B), holds(&world, A)), ((true, false), (false, true)));
}

#[test]
fn holding_a_held_call_succeeds_and_says_nothing() {
    let mut world = World::new();
    let (a, _) = world.talk();
    hold(&mut world, A, &a);
    world.run(500);
    world.clear(A);
    let command = hold(&mut world, A, &a);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    world.run(500);
    assert_eq!((world.log(A), world.sent(A)), (vec![], vec![]));
    // Two at once are one exchange.
    let first = unhold(&mut world, A, &a);
    let second = unhold(&mut world, A, &a);
    world.run(500);
    assert_eq!((world.outcome(A, first), world.outcome(A, second)), (Some(Ok(())), Some(Ok(()))));
    assert_eq!(world.sent(A).iter().filter(|sent| *sent == "INVITE").count(), 1);
}

#[test]
fn both_sides_hold_one_after_the_other() {
    let mut world = World::new();
    let (a, b) = world.talk();
    hold(&mut world, A, &a);
    world.run(500);
    world.media(A).directions();
    world.media(B).directions();
    hold(&mut world, B, &b);
    world.run(500);
    assert_eq!((world.media(B).directions(), world.media(A).directions()), (vec![Inactive], vec![Inactive]));
    assert_eq!((holds(&world, A), holds(&world, B)), ((true, true), (true, true)));
    // A resumes; B still holds.
    unhold(&mut world, A, &a);
    world.run(500);
    assert_eq!((world.media(A).directions(), world.media(B).directions()), (vec![SendRecv], vec![SendOnly]));
    assert_eq!((holds(&world, A), holds(&world, B)), ((false, true), (true, false)));
    unhold(&mut world, B, &b);
    world.run(500);
    assert_eq!((holds(&world, A), holds(&world, B)), ((false, false), (false, false)));
}

#[test]
fn holds_that_cross_are_both_reached_after_the_back_off() {
    let mut world = World::new();
    let (a, b) = world.talk();
    let one = hold(&mut world, A, &a);
    let other = hold(&mut world, B, &b);
    world.run(200);
    let refused = |world: &World, who| world.sent(who).iter().any(|sent| sent == "491 INVITE");
    assert!(refused(&world, A) || refused(&world, B), "they did cross");
    world.run(20_000);
    assert_eq!((world.outcome(A, one), world.outcome(B, other)), (Some(Ok(())), Some(Ok(()))));
    assert_eq!((holds(&world, A), holds(&world, B)), ((true, true), (true, true)));
    for (who, call) in [(A, a), (B, b)] {
        let command = unhold(&mut world, who, &call);
        world.run(20_000);
        assert_eq!(world.outcome(who, command), Some(Ok(())));
    }
    assert_eq!((holds(&world, A), holds(&world, B)), ((false, false), (false, false)));
}

#[test]
fn an_unhold_while_the_hold_is_under_way_follows_it() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let held = hold(&mut world, A, &a);
    world.run(20);
    let resumed = unhold(&mut world, A, &a);
    world.run(1_000);
    assert_eq!((world.outcome(A, held), world.outcome(A, resumed)), (Some(Ok(())), Some(Ok(()))));
    assert_eq!((holds(&world, A), holds(&world, B)), ((false, false), (false, false)));
    assert_eq!(world.sent(A).iter().filter(|sent| *sent == "INVITE").count(), 2);
}

#[test]
fn a_hold_that_was_not_sent_yet_is_overtaken_by_the_unhold() {
    let mut world = World::new();
    let (a, _) = world.talk();
    hold(&mut world, A, &a);
    world.run(20);
    let resumed = unhold(&mut world, A, &a);
    let held = hold(&mut world, A, &a);
    assert_eq!(world.outcome(A, resumed), Some(Err(PhoneError::Superseded)));
    world.run(1_000);
    assert_eq!(world.outcome(A, held), Some(Ok(())));
    assert_eq!(holds(&world, A), (true, false));
    assert_eq!(world.sent(A).iter().filter(|sent| *sent == "INVITE").count(), 1);
}

#[test]
fn a_refused_hold_fails_and_the_call_goes_on() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.serve(|server, _| server.refuse_changes = Some(488));
    let command = hold(&mut world, A, &a);
    world.run(500);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Refused { status: 488, .. }))));
    assert_eq!((holds(&world, A), holds(&world, B)), ((false, false), (false, false)));
    assert!(world.media(A).asked.contains(&offhook_core::MediaCommand::Rollback));
    world.serve(|server, _| server.refuse_changes = None);
    let command = hold(&mut world, A, &a);
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
}

#[test]
fn an_offer_that_cannot_be_answered_is_refused_and_changes_nothing() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.media(B).fail = Some(("answer", MediaError::BadDescription("no codec".to_owned())));
    let command = hold(&mut world, A, &a);
    world.run(500);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Refused { status: 488, .. }))));
    assert_eq!((holds(&world, A), holds(&world, B)), ((false, false), (false, false)));
    let command = hold(&mut world, A, &a);
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
}

#[test]
fn a_hold_whose_call_ends_is_settled() {
    let mut world = World::new();
    let (a, b) = world.talk();
    let command = hold(&mut world, A, &a);
    world.act(B, |phone, now| phone.hangup(now, &b)).expect("hangs up");
    world.run(1_000);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Ended { .. }))));
    world.assert_clean();
}

#[test]
fn hanging_up_in_the_middle_of_a_hold_ends_the_call() {
    for delay in [0, 3, 6, 16, 26, 36, 46] {
        let mut world = World::new();
        let (a, _) = world.talk();
        hold(&mut world, A, &a);
        world.run(delay);
        world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
        world.run(500);
        let log = world.log(A);
        assert_eq!(log[log.len() - 2..], ["ended Terminated", "deleteSession Terminated"], "after {delay} ms");
        world.assert_clean();
    }
}

#[test]
fn a_ringing_call_cannot_be_held() {
    let mut world = World::new();
    let (a, b) = world.ring();
    for (who, call) in [(A, a), (B, b)] {
        let refused = world.act(who, |phone, now| phone.hold(now, &call));
        assert!(matches!(refused, Err(PhoneError::WrongState { .. })));
    }
}

#[test]
fn the_second_call_holds_the_first_and_resuming_it_holds_the_second() {
    let mut world = World::unregistered(3, |_| {});
    for who in 0..3 {
        world.act(who, |phone, now| phone.start(now)).expect("starts");
    }
    world.run(1_000);
    let (first, _) = world.talk();
    world.run(1_000);
    let (_, second) = world.act(A, |phone, now| phone.call(now, "1002", Default::default())).expect("calls");
    world.run(500);
    let there = world.call_of(2);
    world.act(2, |phone, now| phone.answer(now, &there, Default::default())).expect("answers");
    world.run(1_000);
    let held = |world: &World, call: &CallId| world.phone(A).session(call).expect("there").status().is_hold;
    assert_eq!((held(&world, &first), held(&world, &second)), (true, false));
    world.act(A, |phone, now| phone.unhold(now, &first)).expect("resumes");
    world.run(1_000);
    assert_eq!((held(&world, &first), held(&world, &second)), (false, true));
}

#[test]
fn the_duration_of_a_hold_is_counted_from_its_agreement() {
    let mut world = World::new();
    let (a, _) = world.talk();
    hold(&mut world, A, &a);
    world.run(4_500);
    let now = world.wall();
    assert_eq!(world.phone(A).session(&a).expect("there").timer(now).hold_duration, 4);
    unhold(&mut world, A, &a);
    world.run(1_000);
    let now = world.wall();
    assert_eq!(world.phone(A).session(&a).expect("there").timer(now).hold_duration, 0);
}
