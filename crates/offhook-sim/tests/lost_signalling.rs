//! The signalling path is lost in every state of a call.

use offhook_core::{CallId, CallState, Cause, PhoneEvent, SessionEvent, SessionTimer};
use offhook_sim::{PhoneId, World};

/// In this time a transfer of which nothing is heard is over: nobody rings for longer than 60 s here, and 35 s more are waited.
const TRANSFER_MS: u64 = 110_000;

struct Two {
    world: World,
    ann: PhoneId,
    bob: PhoneId,
    call: CallId,
}

/// Ann calls Bob; nothing has happened yet.
fn calling() -> Two {
    let mut world = World::new(23);
    let short = |config: &mut offhook_core::PhoneConfig| {
        config.session_timer = SessionTimer { enabled: true, expires_s: 90, min_se_s: 90 };
        config.no_answer_ms = 60_000;
    };
    let (ann, bob) = (world.phone_with("ann", short), world.phone_with("bob", short));
    let call = world.call(ann, "bob").expect("registered");
    Two { world, ann, bob, call }
}

/// It rings at Bob.
fn ringing() -> Two {
    let mut t = calling();
    t.world.run(300);
    assert_eq!(t.world.ringing(t.bob), Some(t.call.clone()));
    t
}

/// They talk.
fn talking() -> Two {
    let mut t = ringing();
    t.world.answer(t.bob, &t.call.clone()).expect("rings");
    t.world.run(2_000);
    assert!(t.both_talk());
    t.world.take_events(t.ann);
    t.world.take_events(t.bob);
    t
}

impl Two {
    fn both_talk(&self) -> bool {
        self.world.is_talking(self.ann, &self.call) && self.world.is_talking(self.bob, &self.call)
    }

    /// What a phone was told of how its call ended, and of its path.
    fn told(&mut self, phone: PhoneId) -> Vec<String> {
        let told = |event: PhoneEvent| match event {
            PhoneEvent::Session(SessionEvent::Ended(ended)) => Some(format!("ended {}", ended.cause)),
            PhoneEvent::Session(SessionEvent::Failed(failed)) => Some(format!("failed {}", failed.cause)),
            PhoneEvent::Session(SessionEvent::Reconnecting { .. }) => Some("reconnecting".to_owned()),
            PhoneEvent::Session(SessionEvent::Reconnected { .. }) => Some("reconnected".to_owned()),
            PhoneEvent::Session(SessionEvent::TransferFailed { status_code, .. }) => {
                Some(format!("transferFailed {status_code}"))
            }
            _ => None,
        };
        self.world.take_events(phone).into_iter().filter_map(told).collect()
    }

    fn held(&self, phone: PhoneId) -> Option<(bool, bool)> {
        self.world.view(phone).session(&self.call).map(|s| (s.status().is_hold, s.status().is_remote_hold))
    }

    /// Both can be called again, and nothing waits.
    fn quiet(&mut self) {
        self.world.run(150_000);
        for phone in [self.ann, self.bob] {
            assert!(self.world.calls(phone).is_empty(), "{}", self.world.name(phone));
            assert_eq!(self.world.ledger(phone).pending(), 0);
            assert!(self.world.view(phone).is_registered());
            assert_eq!(self.world.view(phone).load().calls, 0);
        }
    }
}

#[test]
fn before_the_100_the_call_fails_with_connection_error() {
    let mut t = calling();
    // The offer is being made, or the INVITE is on its way.
    t.world.run(20);
    t.world.cut(t.ann, 3_000);
    t.world.run(10);
    assert_eq!(t.told(t.ann), ["failed Connection Error"]);
    t.quiet();
}

#[test]
fn while_it_rings_the_callers_call_fails_and_the_callee_does_not_ring_for_ever() {
    let mut t = ringing();
    t.world.cut(t.ann, 3_000);
    t.world.run(10);
    assert_eq!(t.told(t.ann), ["failed Connection Error"]);
    t.quiet();
    assert_eq!(t.told(t.bob), ["failed No Answer"]);
}

#[test]
fn while_it_rings_the_callee_that_loses_its_path_has_lost_the_call_and_the_caller_gives_up_in_time() {
    let mut t = ringing();
    t.world.cut(t.bob, 3_000);
    t.world.run(10);
    assert_eq!(t.told(t.bob), ["failed Connection Error"]);
    t.quiet();
    assert_eq!(t.told(t.ann), ["failed No Answer"]);
}

#[test]
fn between_200_and_ack_the_caller_that_loses_its_path_fails_and_the_callee_hears_of_it() {
    let mut t = ringing();
    let call = t.call.clone();
    t.world.answer(t.bob, &call).expect("rings");
    while !t.world.view(t.bob).session(&call).is_some_and(offhook_core::Session::is_accepted) {
        t.world.run(1);
    }
    t.world.cut(t.ann, 3_000);
    t.world.run(10);
    assert_eq!(t.told(t.ann), ["failed Connection Error"]);
    t.world.run(40_000);
    assert_eq!(t.told(t.bob), ["ended No ACK"]);
    t.quiet();
}

#[test]
fn the_caller_that_loses_its_path_after_its_ack_is_reached_again_also_if_the_answer_is_not_applied_yet() {
    let mut applying = 0;
    for after in 0..60 {
        let mut t = ringing();
        let call = t.call.clone();
        t.world.answer(t.bob, &call).expect("rings");
        while !t.world.view(t.bob).session(&call).is_some_and(offhook_core::Session::is_accepted) {
            t.world.run(1);
        }
        t.world.run(after);
        let talked = t.world.is_talking(t.ann, &call);
        t.world.cut(t.ann, 3_000);
        t.world.run(20_000);
        if t.world.calls(t.ann).is_empty() {
            // Before its ACK.
            assert_eq!(t.told(t.ann), ["failed Connection Error"]);
            continue;
        }
        applying += usize::from(!talked);
        assert_eq!(t.told(t.ann), ["reconnecting", "reconnected"], "{after} ms after the 200");
        t.world.command(t.ann, |phone, now| phone.hold(now, &call)).expect("talking");
        t.world.run(1_000);
        assert_eq!(
            (t.held(t.ann), t.held(t.bob)),
            (Some((true, false)), Some((false, true))),
            "{after} ms after the 200"
        );
        t.world.hangup(t.ann, &call).expect("talking");
        t.quiet();
    }
    assert!(applying > 0, "the answer was being applied in none");
}

#[test]
fn between_200_and_ack_the_callee_that_loses_its_path_gives_up_and_tells_the_caller_when_it_is_back() {
    let mut t = ringing();
    let call = t.call.clone();
    t.world.answer(t.bob, &call).expect("rings");
    while t.world.view(t.ann).session(&call).is_some_and(|s| s.status().call_status != CallState::Talking) {
        t.world.run(1);
    }
    // Ann's ACK is on its way.
    t.world.cut(t.bob, 3_000);
    t.world.run(20_000);
    assert!(t.world.is_talking(t.ann, &call), "she cannot know yet");
    t.world.run(20_000);
    assert_eq!(t.told(t.bob), ["ended No ACK"]);
    assert_eq!(t.told(t.ann), ["ended Terminated"]);
    t.quiet();
}

#[test]
fn an_ack_that_is_lost_with_the_path_of_the_caller_is_made_up_for_when_it_is_back() {
    let mut t = ringing();
    let call = t.call.clone();
    t.world.answer(t.bob, &call).expect("rings");
    while !t.world.is_talking(t.ann, &call) {
        t.world.run(1);
    }
    t.world.cut(t.ann, 3_000);
    assert!(!t.world.is_talking(t.bob, &call), "the ACK has not come");
    t.world.run(60_000);
    assert!(t.both_talk());
    t.world.hangup(t.bob, &call).expect("talking");
    t.quiet();
}

#[test]
fn a_talking_call_goes_on_and_says_reconnecting_and_reconnected() {
    let mut t = talking();
    t.world.cut(t.ann, 5_000);
    t.world.run(100);
    assert_eq!(t.told(t.ann), ["reconnecting"]);
    t.world.run(20_000);
    assert_eq!(t.told(t.ann), ["reconnected"]);
    assert_eq!(t.told(t.bob), [""; 0], "nothing was lost there");
    // Bob's requests find her at her new connection.
    let call = t.call.clone();
    t.world.command(t.bob, |phone, now| phone.hold(now, &call)).expect("talking");
    t.world.run(1_000);
    assert_eq!((t.held(t.ann), t.held(t.bob)), (Some((false, true)), Some((true, false))));
    t.world.hangup(t.bob, &call).expect("talking");
    t.quiet();
}

#[test]
fn a_held_call_stays_held_and_can_be_resumed_afterwards() {
    let mut t = talking();
    let call = t.call.clone();
    t.world.command(t.ann, |phone, now| phone.hold(now, &call)).expect("talking");
    t.world.run(1_000);
    t.world.cut(t.ann, 5_000);
    t.world.run(20_000);
    assert_eq!((t.held(t.ann), t.held(t.bob)), (Some((true, false)), Some((false, true))));
    t.world.command(t.ann, |phone, now| phone.unhold(now, &call)).expect("held");
    t.world.run(1_000);
    assert_eq!((t.held(t.ann), t.held(t.bob)), (Some((false, false)), Some((false, false))));
    t.world.hangup(t.ann, &call).expect("talking");
    t.quiet();
}

#[test]
fn a_hold_whose_reinvite_is_lost_with_the_path_is_reached_afterwards() {
    // From before the re-INVITE leaves until after its answer came.
    for after_ms in (0..120).step_by(5) {
        let mut t = talking();
        let call = t.call.clone();
        t.world.command(t.ann, |phone, now| phone.hold(now, &call)).expect("talking");
        t.world.run(after_ms);
        t.world.cut(t.ann, 5_000);
        t.world.run(30_000);
        assert!(t.both_talk(), "{after_ms}");
        let both = (t.held(t.ann), t.held(t.bob));
        assert_eq!(both, (Some((true, false)), Some((false, true))), "{after_ms}");
        assert_eq!(t.world.ledger(t.ann).pending(), 0, "the command is settled");
        t.world.hangup(t.ann, &call).expect("talking");
        t.quiet();
    }
}

#[test]
fn a_transfer_whose_refer_is_lost_with_the_path_gives_the_call_back_or_ends_it() {
    for after_ms in (0..200).step_by(10) {
        let mut t = talking();
        let call = t.call.clone();
        t.world.command(t.ann, |phone, now| phone.blind_transfer(now, &call, "nobody")).expect("talking");
        t.world.run(after_ms);
        t.world.cut(t.ann, 5_000);
        // If the word of how it went is lost with the path, the transfer has its own end.
        t.world.run(TRANSFER_MS);
        assert!(t.both_talk(), "{after_ms}: nobody answered the new call {:?} {:?}", t.told(t.ann), t.told(t.bob));
        let failed = t.told(t.ann).iter().filter(|told| told.starts_with("transferFailed")).count();
        assert_eq!((failed, t.world.ledger(t.ann).pending()), (1, 0), "{after_ms}");
        assert_eq!((t.held(t.ann), t.held(t.bob)), (Some((false, false)), Some((false, false))), "{after_ms}");
        t.world.hangup(t.ann, &call).expect("talking");
        t.quiet();
    }
}

#[test]
fn a_bye_that_is_lost_with_the_path_is_delivered_on_the_next() {
    for after_ms in 0..10 {
        let mut t = talking();
        let call = t.call.clone();
        t.world.hangup(t.ann, &call).expect("talking");
        t.world.run(after_ms);
        t.world.cut(t.ann, 3_000);
        assert_eq!(t.told(t.ann), ["ended Terminated"]);
        t.world.run(8_000);
        assert_eq!(t.told(t.bob), ["ended Terminated"], "{after_ms}");
        t.quiet();
    }
}

#[test]
fn a_hangup_made_while_offline_is_delivered_later() {
    let mut t = talking();
    let call = t.call.clone();
    t.world.cut(t.ann, 10_000);
    t.world.run(1_000);
    t.world.hangup(t.ann, &call).expect("talking");
    t.world.run(5_000);
    assert_eq!(t.told(t.ann), ["reconnecting", "ended Terminated"], "over for her at once");
    assert!(t.world.is_talking(t.bob, &call), "he cannot know yet");
    t.world.run(15_000);
    assert_eq!(t.told(t.bob), ["ended Terminated"]);
    t.quiet();
}

#[test]
fn a_call_whose_far_end_is_gone_ends_with_a_cause() {
    let mut t = talking();
    let call = t.call.clone();
    // Bob's machine stops for good: no BYE will ever come.
    t.world.cut(t.bob, 10_000_000);
    t.world.cut(t.ann, 5_000);
    t.world.run(200_000);
    let told = t.told(t.ann);
    let cause = told.last().and_then(|last| last.strip_prefix("ended "));
    let causes = [Cause::DialogError, Cause::Expires, Cause::RequestTimeout].map(|cause| cause.to_string());
    assert!(cause.is_some_and(|cause| causes.iter().any(|known| known == cause)), "{told:?}");
    assert!(t.world.view(t.ann).session(&call).is_none());
    assert_eq!(t.world.ledger(t.ann).pending(), 0);
}

#[test]
fn a_server_that_restarts_in_a_call_loses_nobody() {
    let mut t = talking();
    let call = t.call.clone();
    t.world.restart_server(4_000);
    t.world.run(60_000);
    assert!(t.both_talk());
    for phone in [t.ann, t.bob] {
        assert_eq!(t.told(phone), ["reconnecting", "reconnected"]);
    }
    t.world.hangup(t.bob, &call).expect("talking");
    t.quiet();
}

#[test]
fn a_registration_that_expires_in_a_call_is_renewed_and_changes_nothing_in_it() {
    let mut world = World::new(5);
    let short = |config: &mut offhook_core::PhoneConfig| config.register_expires_s = 60;
    let (ann, bob) = (world.phone_with("ann", short), world.phone_with("bob", short));
    let call = world.call(ann, "bob").expect("registered");
    world.run(300);
    world.answer(bob, &call).expect("rings");
    world.run(1_000);
    world.take_events(ann);
    world.run(300_000);
    let events = world.take_events(ann);
    assert!(events.iter().filter(|event| matches!(event, PhoneEvent::Registered)).count() >= 4);
    assert!(world.is_talking(ann, &call) && world.is_talking(bob, &call));
    let path = |e: &&PhoneEvent| matches!(e, PhoneEvent::Session(SessionEvent::Reconnecting { .. }));
    assert_eq!(events.iter().filter(path).count(), 0);
}
