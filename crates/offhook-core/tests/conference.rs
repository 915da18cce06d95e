//! Conferences of this phone and two to four calls.

mod common;

use common::{A, World};
use offhook_core::{CallId, CommandId, MediaCommand, PhoneError, RecordStatus, StatusPatch};

/// A and `others` phones. A talks to each of them: two calls as any other, then consultation calls for the first. All
/// but the last are held.
fn talks(others: usize) -> (World, Vec<CallId>) {
    let mut world = World::unregistered(others + 1, |_| {});
    for who in 0..=others {
        world.act(who, |phone, now| phone.start(now)).expect("starts");
    }
    world.run(1_000);
    let mut calls: Vec<CallId> = Vec::new();
    for who in 1..=others {
        let number = (1000 + who).to_string();
        let first = calls.first().cloned();
        let (_, call) = world
            .act(A, |phone, now| match first.filter(|_| who > 2) {
                Some(first) => phone.consult(now, &first, &number, Default::default()),
                None => phone.call(now, &number, Default::default()),
            })
            .expect("calls");
        world.run(500);
        let there = world.call_of(who);
        world.act(who, |phone, now| phone.answer(now, &there, Default::default())).expect("answers");
        world.run(1_000);
        calls.push(call);
    }
    for who in 0..=others {
        world.clear(who);
    }
    (world, calls)
}

fn conference(world: &mut World, calls: &[CallId]) -> CommandId {
    world.act(A, |phone, now| phone.conference(now, calls)).expect("confers")
}

/// A conference that stands.
fn standing(others: usize) -> (World, Vec<CallId>) {
    let (mut world, calls) = talks(others);
    let command = conference(&mut world, &calls);
    world.run(1_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    world.clear(A);
    (world, calls)
}

/// Of each call: in the conference, held by us.
fn states(world: &World, calls: &[CallId]) -> Vec<(bool, bool)> {
    let state = |call: &CallId| world.phone(A).session(call).map(|s| (s.status().is_conference, s.status().is_hold));
    calls.iter().filter_map(state).collect()
}

fn mixed(world: &mut World, calls: &[&CallId]) -> bool {
    let mut calls: Vec<CallId> = calls.iter().map(|call| (*call).clone()).collect();
    calls.sort();
    world.media(A).mixed() == calls
}

#[test]
fn the_held_and_the_active_call_become_a_conference() {
    let (mut world, calls) = talks(2);
    assert_eq!(states(&world, &calls), [(false, true), (false, false)]);
    let command = conference(&mut world, &calls);
    assert_eq!(world.outcome(A, command), None, "one has to be unheld first");
    assert_eq!(states(&world, &calls), [(false, true), (false, false)]);
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(states(&world, &calls), [(true, false); 2]);
    assert!(mixed(&mut world, &[&calls[0], &calls[1]]));
    assert_eq!(world.phone(A).conference_calls().cloned().collect::<Vec<_>>(), calls);
    let log = world.log(A);
    let told = |what: &str| log.iter().filter(|event| event.contains(what)).count();
    assert_eq!((told("isConference=true"), told("isHold=false"), told("isHold=true")), (2, 1, 0), "{log:?}");
    // Once more changes nothing.
    let again = conference(&mut world, &calls);
    assert_eq!((world.outcome(A, again), world.log(A)), (Some(Ok(())), vec![]));
}

#[test]
fn three_four_and_five_parties_are_a_conference_and_six_are_not() {
    for others in 2..=4 {
        let (mut world, calls) = standing(others);
        assert_eq!(states(&world, &calls), vec![(true, false); others]);
        assert!(mixed(&mut world, &calls.iter().collect::<Vec<_>>()));
    }
    let (mut world, calls) = talks(5);
    let refused = world.act(A, |phone, now| phone.conference(now, &calls));
    assert_eq!(refused, Err(PhoneError::ConferenceSize { calls: 5 }));
    conference(&mut world, &calls[..4]);
    world.run(1_000);
    let refused = world.act(A, |phone, now| phone.conference(now, &calls[4..]));
    assert_eq!(refused, Err(PhoneError::ConferenceSize { calls: 5 }));
    assert_eq!(states(&world, &calls)[..4], [(true, false); 4], "it goes on as it was");
}

#[test]
fn what_is_no_conference_is_refused_and_nothing_is_done() {
    let (mut world, calls) = talks(2);
    let mut refused = |calls: &[CallId]| world.act(A, |phone, now| phone.conference(now, calls)).expect_err("refused");
    let unknown = CallId::new("nobody");
    assert_eq!(refused(&[]), PhoneError::ConferenceSize { calls: 0 });
    assert_eq!(refused(&calls[..1]), PhoneError::ConferenceSize { calls: 1 });
    assert_eq!(refused(&[calls[0].clone(), calls[0].clone()]), PhoneError::ConferenceSize { calls: 1 });
    assert_eq!(refused(&[calls[0].clone(), unknown]), PhoneError::UnknownCall);
    for none in
        [world.act(A, |phone, now| phone.hold_conference(now)), world.act(A, |phone, now| phone.unhold_conference(now))]
    {
        assert!(matches!(none, Err(PhoneError::WrongState { .. })));
    }
    world.run(1_000);
    let ringing = world.act(A, |phone, now| phone.consult(now, &calls[0], "606", Default::default())).expect("calls").1;
    world.run(500);
    let refused = world.act(A, |phone, now| phone.conference(now, &[calls[0].clone(), ringing]));
    assert!(matches!(refused, Err(PhoneError::WrongState { command: "conference", .. })));
    assert_eq!(states(&world, &calls), [(false, true); 2]);
    assert!(mixed(&mut world, &[]));
}

#[test]
fn unholding_a_member_does_not_hold_the_others() {
    let (mut world, calls) = standing(3);
    let command = world.act(A, |phone, now| phone.hold(now, &calls[1])).expect("holds");
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(states(&world, &calls), [(true, false), (true, true), (true, false)], "held, and a member still");
    assert!(mixed(&mut world, &[&calls[0], &calls[2]]));
    world.act(A, |phone, now| phone.unhold(now, &calls[1])).expect("resumes");
    world.run(500);
    assert_eq!(states(&world, &calls), [(true, false); 3]);
    assert!(mixed(&mut world, &calls.iter().collect::<Vec<_>>()));
}

#[test]
fn a_call_outside_holds_the_conference_which_comes_back_as_a_whole() {
    let (mut world, mut calls) = talks(3);
    let outside = calls.pop().expect("three");
    conference(&mut world, &calls);
    world.run(1_000);
    assert_eq!(states(&world, &calls), [(true, false); 2]);
    assert_eq!(states(&world, std::slice::from_ref(&outside)), [(false, true)], "a talking call outside is held");
    world.act(A, |phone, now| phone.unhold(now, &outside)).expect("resumes");
    world.run(1_000);
    assert_eq!(states(&world, &calls), [(true, true); 2]);
    assert!(mixed(&mut world, &[]));
    let command = world.act(A, |phone, now| phone.unhold_conference(now)).expect("resumes");
    world.run(1_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(states(&world, &calls), [(true, false); 2]);
    assert_eq!(states(&world, std::slice::from_ref(&outside)), [(false, true)], "a call outside is held instead");
    assert!(mixed(&mut world, &[&calls[0], &calls[1]]));
    let command = world.act(A, |phone, now| phone.hold_conference(now)).expect("holds");
    world.run(1_000);
    assert_eq!((world.outcome(A, command), states(&world, &calls)), (Some(Ok(())), vec![(true, true); 2]));
    // Without new calls, the conference is resumed.
    conference(&mut world, &[]);
    world.run(1_000);
    assert_eq!(states(&world, &calls), [(true, false); 2]);
}

#[test]
fn a_call_can_be_brought_into_a_running_conference() {
    let (mut world, calls) = talks(3);
    conference(&mut world, &calls[..2]);
    world.run(1_000);
    assert_eq!(states(&world, &calls), [(true, false), (true, false), (false, true)]);
    let command = conference(&mut world, &calls[2..]);
    world.run(1_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(states(&world, &calls), [(true, false); 3]);
}

#[test]
fn any_member_may_leave_and_one_alone_is_a_call_as_any_other() {
    let (mut world, calls) = standing(3);
    let there = world.call_of(1);
    world.act(1, |phone, now| phone.hangup(now, &there)).expect("hangs up");
    world.run(500);
    assert_eq!(states(&world, &calls), [(true, false); 2], "the others go on");
    assert!(mixed(&mut world, &[&calls[1], &calls[2]]));
    world.act(A, |phone, now| phone.hangup(now, &calls[1])).expect("hangs up");
    world.run(500);
    assert_eq!(states(&world, &calls), [(false, false)]);
    assert!(mixed(&mut world, &[]));
    assert_eq!(world.phone(A).conference_calls().count(), 0);
    assert!(world.log(A).contains(&"statusChange isConference=false".to_owned()));
    world.act(A, |phone, now| phone.hangup(now, &calls[2])).expect("hangs up");
    world.assert_clean();
}

#[test]
fn a_consultation_call_in_a_conference_outlives_the_call_it_was_made_for() {
    let (mut world, calls) = talks(3);
    assert!(world.phone(A).session(&calls[2]).expect("there").status().is_transfer);
    conference(&mut world, &calls);
    world.run(1_000);
    let status = world.phone(A).session(&calls[2]).expect("there").status().clone();
    assert!(!status.is_transfer && status.transfer_parent.is_none());
    world.act(A, |phone, now| phone.hangup(now, &calls[0])).expect("hangs up");
    world.run(30_000);
    assert_eq!(states(&world, &calls), [(true, false); 2]);
}

#[test]
fn a_call_that_cannot_be_unheld_is_left_out_and_the_error_names_it() {
    let (mut world, calls) = talks(3);
    // The first two are held. Only the first one's far end refuses.
    let there = world.call_of(1);
    world.media(1).fail = Some(("answer", offhook_core::media::MediaError::BadDescription("no".to_owned())));
    let command = conference(&mut world, &calls);
    world.run(1_000);
    let Some(Err(PhoneError::Conference { failed })) = world.outcome(A, command) else { panic!("it says so") };
    assert!(
        matches!(&failed[..], [(call, PhoneError::Refused { status: 488, .. })] if *call == calls[0]),
        "{failed:?}"
    );
    assert_eq!(states(&world, &calls), [(false, true), (true, false), (true, false)]);
    assert!(mixed(&mut world, &[&calls[1], &calls[2]]));
    // Afterwards it can be brought in.
    let command = conference(&mut world, &calls[..1]);
    world.run(1_000);
    assert_eq!((world.outcome(A, command), states(&world, &calls)), (Some(Ok(())), vec![(true, false); 3]));
    world.act(1, |phone, now| phone.hangup(now, &there)).expect("hangs up");
}

#[test]
fn of_two_calls_of_which_one_cannot_be_unheld_the_other_talks_on() {
    let (mut world, calls) = talks(2);
    world.serve(|server, _| server.refuse_changes = Some(488));
    let command = conference(&mut world, &calls);
    world.run(1_000);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Conference { .. }))));
    assert_eq!(states(&world, &calls), [(false, true), (false, false)]);
    assert!(mixed(&mut world, &[]));
    assert_eq!(world.phone(A).conference_calls().count(), 0);
}

#[test]
fn a_member_whose_far_end_holds_is_out_of_the_mix_until_it_comes_back() {
    let (mut world, calls) = standing(3);
    let there = world.call_of(2);
    world.act(2, |phone, now| phone.hold(now, &there)).expect("holds");
    world.run(500);
    assert!(world.phone(A).session(&calls[1]).expect("there").status().is_remote_hold);
    assert_eq!(states(&world, &calls), [(true, false); 3]);
    assert!(mixed(&mut world, &[&calls[0], &calls[2]]), "its hold music is not played to the others");
    world.act(2, |phone, now| phone.unhold(now, &there)).expect("resumes");
    world.run(500);
    assert!(mixed(&mut world, &calls.iter().collect::<Vec<_>>()));
}

#[test]
fn muting_us_takes_nobody_out_of_the_mix() {
    let (mut world, calls) = standing(2);
    world.media(A).asked.clear();
    world.act(A, |phone, now| phone.mute(now, &calls[0])).expect("mutes");
    assert_eq!(world.media(A).asked, [MediaCommand::SetMuted(true)]);
    assert!(mixed(&mut world, &[&calls[0], &calls[1]]));
}

#[test]
fn a_conference_whose_calls_end_while_it_is_made_is_settled() {
    for delay in [0, 5, 15, 25, 35, 45] {
        let (mut world, calls) = talks(2);
        let command = conference(&mut world, &calls);
        world.run(delay);
        for call in &calls {
            let _ = world.act(A, |phone, now| phone.hangup(now, call));
        }
        world.run(1_000);
        let outcome = world.outcome(A, command);
        assert!(matches!(outcome, Some(Err(PhoneError::Conference { .. }) | Ok(()))), "after {delay} ms: {outcome:?}");
        assert_eq!(world.phone(A).conference_calls().count(), 0);
        world.assert_clean();
    }
}

#[test]
fn a_conference_that_the_program_says_of_a_call_is_not_ours_to_take_back() {
    let (mut world, calls) = talks(2);
    // A call to a conference room of the server.
    let patch =
        StatusPatch { is_conference: Some(true), record_status: Some(RecordStatus::Pause), ..Default::default() };
    world.act(A, |phone, now| phone.set_status(now, &calls[1], patch)).expect("sets");
    world.run(1_000);
    assert_eq!(states(&world, &calls), [(false, true), (true, false)]);
}
