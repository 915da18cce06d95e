//! The network changes under a call, or the media finds no way any more: another path is looked for, and nothing ends.

mod common;

use common::{A, B, World};
use offhook_core::media::IceState;
use offhook_core::{CallId, Input, MediaCommand, MediaEvent};

fn media(world: &mut World, call_id: &CallId, event: MediaEvent) {
    let input = Input::Media { call_id: call_id.clone(), event };
    world.act(A, |phone, now| phone.handle_input(now, input));
}

/// How many offers with an ICE restart were asked for since the last look.
fn restarts(world: &mut World) -> usize {
    let asked = std::mem::take(&mut world.media(A).asked);
    asked.iter().filter(|command| matches!(command, MediaCommand::CreateOffer { ice_restart: true, .. })).count()
}

#[test]
fn a_lost_path_is_looked_for_at_once_and_again_every_15_seconds_until_it_is_back() {
    let mut world = World::new();
    let (a, _) = world.talk();
    restarts(&mut world);
    media(&mut world, &a, MediaEvent::IceState(IceState::Disconnected));
    world.run(1_000);
    assert_eq!(restarts(&mut world), 1);
    world.run(13_000);
    assert_eq!(restarts(&mut world), 0);
    world.run(16_500);
    assert_eq!(restarts(&mut world), 2);
    media(&mut world, &a, MediaEvent::IceState(IceState::Connected));
    world.run(60_000);
    assert_eq!(restarts(&mut world), 0);
    assert!(world.phone(A).session(&a).is_some());
}

#[test]
fn a_call_reconnects_while_signalling_or_media_has_no_path() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let told = |world: &mut World| {
        let log = world.log(A).into_iter();
        log.filter(|event| event == "reconnecting" || event == "reconnected").collect::<Vec<_>>()
    };
    media(&mut world, &a, MediaEvent::IceState(IceState::Disconnected));
    media(&mut world, &a, MediaEvent::IceState(IceState::Failed));
    assert_eq!(told(&mut world), ["reconnecting"], "once");
    world.kill_server();
    media(&mut world, &a, MediaEvent::IceState(IceState::Connected));
    assert_eq!(told(&mut world), common::NOTHING, "signalling is lost by now");
    world.server_up = true;
    world.run(10_000);
    assert_eq!(told(&mut world), ["reconnected"]);
    media(&mut world, &a, MediaEvent::IceState(IceState::Disconnected));
    media(&mut world, &a, MediaEvent::IceState(IceState::Connected));
    assert_eq!(told(&mut world), ["reconnecting", "reconnected"]);
}

#[test]
fn a_changed_network_restarts_ice_once() {
    let mut world = World::new();
    let (a, _) = world.talk();
    restarts(&mut world);
    media(&mut world, &a, MediaEvent::NetworkChanged);
    world.run(60_000);
    assert_eq!(restarts(&mut world), 1);
    assert!(world.phone(A).session(&a).is_some());
}

#[test]
fn before_the_answer_a_changed_network_makes_no_offer() {
    let mut world = World::new();
    let (a, _) = world.ring();
    media(&mut world, &a, MediaEvent::NetworkChanged);
    media(&mut world, &a, MediaEvent::IceState(IceState::Disconnected));
    world.run(5_000);
    assert_eq!(restarts(&mut world), 0);
}

#[test]
fn a_network_that_is_back_is_used_at_once() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.kill_server();
    // Tried in vain for so long that the next attempt is far.
    world.run(40_000);
    world.server_up = true;
    world.clear(A);
    world.act(A, |phone, now| phone.handle_input(now, Input::NetworkChanged));
    world.run(500);
    let log = world.log(A);
    assert!(log.contains(&"registered".to_owned()), "{log:?}");
    assert!(restarts(&mut world) > 0, "the media's way may be another one too");
    // The far end's phone tries again when its time has come.
    world.run(60_000);
    assert!(world.log(A).contains(&"reconnected".to_owned()));
    assert!(world.phone(A).session(&a).is_some());
}

#[test]
fn a_changed_network_does_nothing_to_a_connection_that_lives() {
    let mut world = World::new();
    world.talk();
    world.clear(A);
    world.sent(A);
    world.act(A, |phone, now| phone.handle_input(now, Input::NetworkChanged));
    world.run(200);
    assert_eq!(world.sent(A), common::NOTHING);
    assert!(world.phone(A).is_connected());
}

#[test]
fn a_path_lost_under_early_media_is_told_when_the_call_is_confirmed_and_only_if_it_still_is() {
    for back in [false, true] {
        let mut world = World::new();
        let (a, b) = world.ring();
        world.log(A);
        media(&mut world, &a, MediaEvent::IceState(IceState::Disconnected));
        media(&mut world, &a, MediaEvent::IceState(IceState::Failed));
        world.run(500);
        let log = world.log(A);
        assert!(log.is_empty(), "a call that rings is no call that reconnects: {log:?}");
        if back {
            media(&mut world, &a, MediaEvent::IceState(IceState::Connected));
        }
        restarts(&mut world);
        world.act(B, |phone, now| phone.answer(now, &b, Default::default())).expect("answers");
        world.run(2_000);
        let log = world.log(A);
        let of_loss =
            |event: &&String| ["confirmed", "reconnecting", "warningMessage"].iter().any(|e| event.starts_with(e));
        let told: Vec<&String> = log.iter().filter(of_loss).collect();
        let (wanted, offers): (&[&str], _) = if back {
            (&["confirmed"], 0)
        } else {
            (&["confirmed", "warningMessage ice-connectivity-lost", "reconnecting"], 1)
        };
        assert_eq!(told, wanted);
        assert_eq!(restarts(&mut world), offers);
    }
}
