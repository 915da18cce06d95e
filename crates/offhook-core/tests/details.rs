//! Fields and warnings of the contract that no other topic has.

mod common;

use common::*;
use offhook_core::media::IceState;
use offhook_core::{CallOptions, Input, MediaEvent, PhoneEvent, SessionEvent, StatusPatch};

#[test]
fn the_start_of_a_call_is_when_it_began_and_then_when_it_was_answered() {
    let mut world = World::new();
    let began = world.wall().wall;
    let (a, b) = world.ring();
    world.run(4_000);
    let start =
        |world: &World, who: usize, call| world.phone(who).session(call).expect("there").status().call_start_time;
    assert!(start(&world, A, &a) - began < 2_000, "when it was dialled");
    let answered = world.wall().wall;
    world.act(B, |phone, now| phone.answer(now, &b, CallOptions::default())).expect("answers");
    world.run(1_000);
    for (who, call) in [(A, &a), (B, &b)] {
        let start = start(&world, who, call);
        assert!((answered..answered + 1_000).contains(&start), "{start} is not at the answer, {answered}");
    }
}

#[test]
fn a_consultation_knows_the_call_it_was_made_for_with_its_name_and_durations() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let picture = StatusPatch { avatar: Some("bob.png".to_owned()), ..StatusPatch::default() };
    world.act(A, |phone, now| phone.set_status(now, &a, picture)).expect("sets");
    world.run(6_000);
    world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(4_500);
    let parent = world.phone(A).session(&a).expect("talks").status().clone();
    world.act(A, |phone, now| phone.consult(now, &a, "nobody", CallOptions::default())).expect("consults");
    let calls = world.phone(A);
    let consultation = calls.sessions().find(|session| session.status().is_transfer).expect("there");
    let known = consultation.status().transfer_parent.clone().expect("of a parent");
    assert_eq!((&known.call_id, &known.name, &known.number), (&a, &parent.name, &parent.number));
    assert_eq!((known.avatar.as_str(), known.name.is_empty()), ("bob.png", false));
    assert!((9..=12).contains(&known.call_duration), "{} s", known.call_duration);
    assert_eq!(known.hold_duration, 4);
}

#[test]
fn a_lost_media_path_is_warned_of_once_and_cleared_once() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.clear(A);
    for state in
        [IceState::Disconnected, IceState::Failed, IceState::Checking, IceState::Connected, IceState::Connected]
    {
        let input = Input::Media { call_id: a.clone(), event: MediaEvent::IceState(state) };
        world.act(A, |phone, now| phone.handle_input(now, input));
    }
    let warnings: Vec<String> = world.log(A).into_iter().filter(|event| event.starts_with("warningMessage")).collect();
    assert_eq!(warnings, ["warningMessage ice-connectivity-lost", "warningMessage ice-connectivity-lost-cleared"]);
}

#[test]
fn each_local_candidate_is_told() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.events(A);
    let found = "1 1 UDP 2130706431 192.0.2.1 40000 typ host".to_owned();
    let event = MediaEvent::Candidate { candidate: found.clone() };
    world.act(A, |phone, now| phone.handle_input(now, Input::Media { call_id: a.clone(), event }));
    let told = world.events(A).into_iter().find_map(|event| match event {
        PhoneEvent::Session(SessionEvent::Icecandidate { call_id, candidate }) => Some((call_id, candidate)),
        _ => None,
    });
    assert_eq!(told, Some((a, found)));
}

#[test]
fn a_phone_says_what_it_was_made_with() {
    let world = World::with(|config| config.no_answer_ms = 4_321);
    assert_eq!(world.phone(A).config().no_answer_ms, 4_321);
}
