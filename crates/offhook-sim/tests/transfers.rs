//! Transfers between three phones over a server that knows no call: both ends of REFER, and INVITE with Replaces.

use offhook_core::{CallId, PhoneError, PhoneEvent, SessionEvent};
use offhook_sim::{PhoneId, World};

struct Three {
    world: World,
    ann: PhoneId,
    bob: PhoneId,
    cy: PhoneId,
    /// Ann's call to Bob, at Ann and at Bob.
    call: CallId,
}

/// Ann talks to Bob; Cy is there.
fn three() -> Three {
    let mut world = World::new(11);
    let (ann, bob, cy) = (world.phone("ann"), world.phone("bob"), world.phone("cy"));
    let call = world.call(ann, "bob").expect("registered");
    world.run(300);
    let theirs = world.ringing(bob).expect("rings");
    world.answer(bob, &theirs).expect("rings");
    world.run(2_000);
    assert!(world.is_talking(ann, &call) && world.is_talking(bob, &call));
    for phone in [ann, bob, cy] {
        world.take_events(phone);
    }
    Three { world, ann, bob, cy, call }
}

impl Three {
    fn blind(&mut self, number: &str) {
        let call = self.call.clone();
        self.world.command(self.ann, |phone, now| phone.blind_transfer(now, &call, number)).expect("talking");
    }

    fn names(&mut self, phone: PhoneId) -> Vec<String> {
        let told = |event: PhoneEvent| match event {
            PhoneEvent::Session(SessionEvent::TransferProgress { status_code, .. }) => {
                format!("progress {status_code}")
            }
            PhoneEvent::Session(SessionEvent::TransferFailed { status_code, .. }) => format!("failed {status_code}"),
            PhoneEvent::Session(SessionEvent::Ended(ended)) => format!("ended {}", ended.cause),
            PhoneEvent::Session(SessionEvent::Failed(failed)) => format!("call failed {}", failed.cause),
            other => other.name().to_owned(),
        };
        let interesting = ["progress ", "failed ", "ended", "call failed"];
        let names = self.world.take_events(phone).into_iter().map(told);
        names.filter(|name| interesting.iter().any(|word| name.starts_with(word))).collect()
    }

    /// Nobody has a call any more, or a command that waits.
    fn quiet(&mut self) {
        self.world.run(120_000);
        for phone in [self.ann, self.bob, self.cy] {
            assert!(self.world.calls(phone).is_empty(), "{}", self.world.name(phone));
            assert_eq!(self.world.ledger(phone).pending(), 0);
        }
    }
}

#[test]
fn a_blind_transfer_ends_the_first_call_when_the_new_one_is_answered() {
    let mut t = three();
    t.blind("cy");
    t.world.run(1_000);
    let held = t.world.view(t.ann).session(&t.call).map(|s| s.status().is_hold);
    assert_eq!(held, Some(true), "held, and not ended, while the outcome is open");
    assert_eq!(t.names(t.ann), ["progress 100", "progress 180"]);
    let theirs = t.world.ringing(t.cy).expect("rings at Cy");
    assert_eq!(t.world.view(t.cy).session(&theirs).map(|s| s.status().number.clone()).as_deref(), Some("bob"));
    t.world.answer(t.cy, &theirs).expect("rings");
    t.world.run(2_000);
    assert_eq!(t.names(t.ann), ["progress 200", "ended Terminated"]);
    assert_eq!(t.names(t.bob), ["ended Terminated"]);
    assert!(t.world.calls(t.ann).is_empty());
    assert_eq!(t.world.calls(t.bob), t.world.calls(t.cy));
    assert!(t.world.is_talking(t.bob, &theirs) && t.world.is_talking(t.cy, &theirs));
    t.world.hangup(t.cy, &theirs).expect("talking");
    t.quiet();
}

#[test]
fn a_blind_transfer_that_comes_to_nothing_gives_the_call_back() {
    for (number, status, reject) in [("cy", 486, true), ("nobody", 404, false), ("cy", 480, false)] {
        let mut t = three();
        if status == 480 {
            t.world.command(t.cy, |phone, now| Ok(phone.disconnect(now))).expect("started");
            t.world.run(1_000);
        }
        t.blind(number);
        t.world.run(1_000);
        if reject {
            let theirs = t.world.ringing(t.cy).expect("rings");
            t.world.command(t.cy, |phone, now| phone.reject(now, &theirs)).expect("rings");
        }
        t.world.run(3_000);
        let last = t.names(t.ann).pop();
        assert_eq!(last, Some(format!("failed {status}")));
        let status = t.world.view(t.ann).session(&t.call).map(|s| s.status().clone()).expect("the call goes on");
        assert!(!status.is_hold, "and is unheld");
        assert!(t.world.is_talking(t.bob, &t.call));
        t.world.hangup(t.bob, &t.call.clone()).expect("talking");
        t.quiet();
    }
}

#[test]
fn a_transfer_that_fails_while_another_call_is_there_leaves_its_call_held() {
    for answered in [true, false] {
        let mut t = three();
        let dan = t.world.phone("dan");
        t.blind("cy");
        t.world.run(1_500);
        let other = t.world.call(t.ann, "dan").expect("one is being transferred");
        t.world.run(500);
        if answered {
            t.world.answer(dan, &other).expect("rings");
            t.world.run(1_000);
        }
        let theirs = t.world.ringing(t.cy).expect("rings");
        t.world.command(t.cy, |phone, now| phone.reject(now, &theirs)).expect("rings");
        t.world.run(2_000);
        assert_eq!(t.names(t.ann).pop().as_deref(), Some("failed 486"));
        let held = |t: &Three, call: &CallId| t.world.view(t.ann).session(call).map(|s| s.status().is_hold);
        assert_eq!(held(&t, &t.call), Some(true), "the user is busy with the other");
        assert_eq!(held(&t, &other), Some(false));
        for call in [other, t.call.clone()] {
            t.world.hangup(t.ann, &call).expect("there");
        }
        t.quiet();
    }
}

#[test]
fn a_call_that_replaces_another_is_held_and_muted_as_that_was() {
    let mut t = three();
    let parent = t.call.clone();
    let second = t.world.consult(t.ann, &parent, "cy").expect("talking");
    t.world.run(500);
    let theirs = t.world.ringing(t.cy).expect("rings");
    t.world.answer(t.cy, &theirs).expect("rings");
    t.world.run(3_000);
    t.world.command(t.cy, |phone, now| phone.mute(now, &theirs)).expect("talking");
    t.world.command(t.cy, |phone, now| phone.hold(now, &theirs)).expect("talking");
    t.world.run(1_000);
    t.world.command(t.ann, |phone, now| phone.attended_transfer(now, &second)).expect("both are up");
    t.world.run(3_000);
    let new = t.world.calls(t.cy).pop().expect("with Bob");
    assert_ne!(new, theirs);
    let status = |t: &Three, phone| t.world.view(phone).session(&new).map(|s| s.status().clone()).expect("there");
    let (cys, bobs) = (status(&t, t.cy), status(&t, t.bob));
    assert_eq!((cys.is_hold, cys.is_mute, bobs.is_remote_hold), (true, true, true));
    t.world.command(t.cy, |phone, now| phone.unhold(now, &new)).expect("held");
    t.world.run(1_000);
    assert!(!status(&t, t.cy).is_hold && !status(&t, t.bob).is_remote_hold);
    t.world.hangup(t.bob, &new).expect("talking");
    t.quiet();
}

#[test]
fn who_is_transferred_while_held_is_not_heard_by_the_new_far_end() {
    let mut t = three();
    let call = t.call.clone();
    t.world.command(t.bob, |phone, now| phone.hold(now, &call)).expect("talking");
    t.world.run(1_000);
    t.blind("cy");
    t.world.run(1_000);
    let theirs = t.world.ringing(t.cy).expect("rings");
    t.world.answer(t.cy, &theirs).expect("rings");
    t.world.run(2_000);
    assert_eq!(t.world.calls(t.bob), std::slice::from_ref(&theirs));
    assert_eq!(t.world.view(t.bob).session(&theirs).map(|s| s.status().is_hold), Some(true));
    assert_eq!(t.world.view(t.cy).session(&theirs).map(|s| s.status().is_remote_hold), Some(true));
    t.world.hangup(t.bob, &theirs).expect("talking");
    t.quiet();
}

#[test]
fn a_refused_refer_gives_the_call_back() {
    let mut world = World::new(3);
    let ann = world.phone("ann");
    let bob = world.phone_with("bob", |config| config.allow_transfer = false);
    let call = world.call(ann, "bob").expect("registered");
    world.run(300);
    world.answer(bob, &call).expect("rings");
    world.run(1_000);
    world.command(ann, |phone, now| phone.blind_transfer(now, &call, "cy")).expect("talking");
    let twice = world.command(ann, |phone, now| phone.blind_transfer(now, &call, "cy"));
    assert!(matches!(twice, Err(PhoneError::WrongState { .. })));
    world.run(2_000);
    let events = world.take_events(ann);
    let failed =
        |e: &PhoneEvent| matches!(e, PhoneEvent::Session(SessionEvent::TransferFailed { status_code: 603, .. }));
    assert!(events.iter().any(failed));
    assert!(world.is_talking(ann, &call) && !world.view(ann).session(&call).is_some_and(|s| s.status().is_hold));
}

#[test]
fn an_attended_transfer_connects_the_two_far_ends() {
    let mut t = three();
    let parent = t.call.clone();
    let second = t.world.consult(t.ann, &parent, "cy").expect("talking");
    t.world.run(500);
    let status = t.world.view(t.ann).session(&second).map(|s| s.status().clone()).expect("calls");
    assert!(status.is_transfer);
    assert_eq!(status.transfer_parent.map(|p| (p.call_id, p.number)), Some((parent.clone(), "bob".to_owned())));
    assert_eq!(t.world.view(t.ann).session(&parent).map(|s| s.status().is_hold), Some(true));
    let theirs = t.world.ringing(t.cy).expect("rings");
    t.world.answer(t.cy, &theirs).expect("rings");
    t.world.run(3_000);
    t.world.command(t.ann, |phone, now| phone.attended_transfer(now, &second)).expect("both are up");
    t.world.run(3_000);
    assert!(t.world.calls(t.ann).is_empty(), "Ann is out of it");
    let (bobs, cys) = (t.world.calls(t.bob), t.world.calls(t.cy));
    assert_eq!(bobs, cys, "one call, between Bob and Cy");
    assert_eq!(bobs.len(), 1);
    assert!(t.world.is_talking(t.bob, &bobs[0]) && t.world.is_talking(t.cy, &cys[0]));
    let number = t.world.view(t.cy).session(&cys[0]).map(|s| s.status().number.clone());
    assert_eq!(number.as_deref(), Some("bob"));
    assert!(t.names(t.ann).contains(&"progress 200".to_owned()));
    t.world.hangup(t.bob, &bobs[0]).expect("talking");
    t.quiet();
}

#[test]
fn a_consultation_that_still_rings_is_cancelled_and_the_parent_transferred_blind() {
    let mut t = three();
    let parent = t.call.clone();
    let second = t.world.consult(t.ann, &parent, "cy").expect("talking");
    t.world.run(500);
    assert!(t.world.ringing(t.cy).is_some());
    t.world.command(t.ann, |phone, now| phone.attended_transfer(now, &second)).expect("rings");
    t.world.run(1_500);
    let theirs = t.world.ringing(t.cy).expect("rings again, for Bob");
    assert_ne!(theirs, second);
    t.world.answer(t.cy, &theirs).expect("rings");
    t.world.run(2_000);
    assert!(t.world.calls(t.ann).is_empty());
    assert!(t.world.is_talking(t.bob, &theirs) && t.world.is_talking(t.cy, &theirs));
    t.world.hangup(t.bob, &theirs).expect("talking");
    t.quiet();
}

#[test]
fn a_ringing_consultation_that_is_completed_and_comes_to_nothing_gives_the_parent_back() {
    let mut t = three();
    let parent = t.call.clone();
    let second = t.world.consult(t.ann, &parent, "cy").expect("talking");
    t.world.run(500);
    t.world.command(t.ann, |phone, now| phone.attended_transfer(now, &second)).expect("rings");
    t.world.run(1_500);
    let theirs = t.world.ringing(t.cy).expect("rings again, for Bob");
    t.world.command(t.cy, |phone, now| phone.reject(now, &theirs)).expect("rings");
    t.world.run(2_000);
    assert!(t.names(t.ann).iter().any(|name| name.starts_with("failed ")));
    let held = t.world.view(t.ann).session(&parent).map(|s| s.status().is_hold);
    assert_eq!(held, Some(false), "it is the only call that is left");
    assert!(t.world.is_talking(t.ann, &parent) && t.world.is_talking(t.bob, &parent));
    t.world.hangup(t.bob, &parent).expect("talking");
    t.quiet();
}

#[test]
fn who_is_transferred_looks_at_the_new_call_though_the_old_one_ends_first() {
    let mut t = three();
    t.blind("cy");
    t.world.run(1_000);
    let call = t.call.clone();
    t.world.hangup(t.ann, &call).expect("talking");
    t.world.run(1_000);
    let theirs = t.world.ringing(t.cy).expect("rings");
    assert_eq!(t.world.calls(t.bob), std::slice::from_ref(&theirs));
    assert_eq!(t.world.view(t.bob).current_session_id(), Some(&theirs));
    t.world.answer(t.cy, &theirs).expect("rings");
    t.world.run(2_000);
    assert_eq!(t.world.view(t.bob).current_session_id(), Some(&theirs));
    t.world.hangup(t.bob, &theirs).expect("talking");
    t.quiet();
}

#[test]
fn a_busy_consultation_leaves_the_parent_held_and_whole() {
    let mut t = three();
    let parent = t.call.clone();
    let second = t.world.consult(t.ann, &parent, "cy").expect("talking");
    t.world.run(500);
    let theirs = t.world.ringing(t.cy).expect("rings");
    t.world.command(t.cy, |phone, now| phone.reject(now, &theirs)).expect("rings");
    t.world.run(1_000);
    let refused = t.world.command(t.ann, |phone, now| phone.attended_transfer(now, &second));
    assert_eq!(refused, Err(PhoneError::UnknownCall));
    t.world.command(t.ann, |phone, now| phone.unhold(now, &parent)).expect("held");
    t.world.run(1_000);
    assert!(t.world.is_talking(t.ann, &parent) && t.world.is_talking(t.bob, &parent));
    t.world.hangup(t.ann, &parent).expect("talking");
    t.quiet();
}

#[test]
fn a_consultation_call_goes_with_its_parent() {
    let mut t = three();
    let parent = t.call.clone();
    t.world.consult(t.ann, &parent, "cy").expect("talking");
    t.world.run(500);
    let theirs = t.world.ringing(t.cy).expect("rings");
    t.world.answer(t.cy, &theirs).expect("rings");
    t.world.run(2_000);
    t.world.hangup(t.bob, &parent).expect("talking");
    t.world.run(2_000);
    assert!(t.world.calls(t.ann).is_empty() && t.world.calls(t.cy).is_empty());
    t.quiet();
}

#[test]
fn a_consultation_needs_a_parent_and_does_not_count_against_the_limit() {
    let mut t = three();
    let unknown = t.world.consult(t.ann, &CallId::new("none"), "cy");
    assert_eq!(unknown.map_err(|e| e.code()), Err(-207));
    let plain = t.call.clone();
    let no_consultation = t.world.command(t.ann, |phone, now| phone.attended_transfer(now, &plain));
    assert_eq!(no_consultation.map_err(|e| e.code()), Err(-207));
}

#[test]
fn the_far_end_may_hang_up_instead_of_notifying() {
    let mut t = three();
    t.blind("cy");
    t.world.run(1_000);
    // Bob has taken the REFER and rings at Cy; he ends the first call himself.
    let call = t.call.clone();
    t.world.hangup(t.bob, &call).expect("talking");
    t.world.run(1_000);
    assert!(t.world.calls(t.ann).is_empty());
    assert_eq!(t.world.ledger(t.ann).pending(), 0, "the transfer counts as done");
    let theirs = t.world.ringing(t.cy).expect("still rings");
    t.world.answer(t.cy, &theirs).expect("rings");
    t.world.run(1_000);
    assert!(t.world.is_talking(t.bob, &theirs));
    t.world.hangup(t.bob, &theirs).expect("talking");
    t.quiet();
}

#[test]
fn the_transferor_loses_its_network_in_the_middle() {
    let mut t = three();
    t.blind("cy");
    t.world.run(1_000);
    t.world.cut(t.ann, 5_000);
    t.world.run(20_000);
    let theirs = t.world.ringing(t.cy).expect("still rings");
    t.world.answer(t.cy, &theirs).expect("rings");
    t.world.run(10_000);
    assert!(t.world.is_talking(t.bob, &theirs) && t.world.is_talking(t.cy, &theirs));
    assert!(t.world.calls(t.ann).is_empty(), "the NOTIFY came on the new connection");
    t.world.hangup(t.bob, &theirs).expect("talking");
    t.quiet();
}
