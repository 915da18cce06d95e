//! What a call warns of, seen from outside: silence of either side, and when it is meant.

mod common;

use common::{A, B, World};
use offhook_core::{CallId, PhoneConfig};

/// What phone A warned of since the last look.
fn warnings(world: &mut World) -> Vec<String> {
    world.log(A).into_iter().filter_map(|event| event.strip_prefix("warningMessage ").map(str::to_owned)).collect()
}

fn talk(adjust: impl Fn(&mut PhoneConfig)) -> (World, CallId) {
    let mut world = World::with(adjust);
    let (a, _) = world.talk();
    world.clear(A);
    (world, a)
}

#[test]
fn a_far_end_that_sends_nothing_is_warned_of_after_three_samples_and_cleared_after_two() {
    let (mut world, _) = talk(|_| {});
    world.run(3_000);
    world.media(A).deaf = true;
    world.run(6_500);
    assert_eq!(warnings(&mut world), [""; 0], "two samples");
    world.run(3_000);
    assert_eq!(
        warnings(&mut world),
        ["no-incoming-media", "one-way-audio"],
        "the far end hears us: its reports say so"
    );
    world.run(60_000);
    assert_eq!(warnings(&mut world), [""; 0], "once");
    world.media(A).deaf = false;
    world.run(3_000);
    assert_eq!(warnings(&mut world), [""; 0], "one sample");
    world.run(3_000);
    assert_eq!(warnings(&mut world), ["no-incoming-media-cleared", "one-way-audio-cleared"]);
    assert_eq!(world.phone(A).sessions().count(), 1, "a warning ends nothing");
}

#[test]
fn a_held_call_is_silent_without_a_warning_whoever_holds_it() {
    for who in [A, B] {
        let mut world = World::new();
        let (a, b) = world.talk();
        let call = if who == A { a } else { b };
        world.act(who, |phone, now| phone.hold(now, &call)).expect("holds");
        world.run(500);
        world.clear(A);
        (world.media(A).deaf, world.media(A).level) = (true, Some(-127.0));
        world.run(60_000);
        assert_eq!(warnings(&mut world), [""; 0], "held by {who}");
        world.act(who, |phone, now| phone.unhold(now, &call)).expect("resumes");
        world.run(12_000);
        let told = warnings(&mut world);
        for code in ["no-incoming-media", "one-way-audio", "constant-audio-input-level"] {
            assert!(told.iter().any(|warning| warning == code), "{code} is not in {told:?}");
        }
    }
}

#[test]
fn a_silent_microphone_is_warned_of_but_not_a_muted_one() {
    let (mut world, a) = talk(|_| {});
    world.act(A, |phone, now| phone.mute(now, &a)).expect("mutes");
    world.media(A).level = Some(-127.0);
    world.run(60_000);
    assert_eq!(warnings(&mut world), [""; 0], "muted");
    world.act(A, |phone, now| phone.unmute(now, &a)).expect("unmutes");
    world.run(9_500);
    assert_eq!(warnings(&mut world), ["constant-audio-input-level"]);
    world.media(A).level = None;
    world.run(6_500);
    assert_eq!(warnings(&mut world), ["constant-audio-input-level-cleared"]);
}

#[test]
fn a_bot_that_is_silent_by_intention_is_not_warned_of_it() {
    for level in [-127.0, -12.0] {
        let (mut world, _) = talk(|config| config.warn_silent_input = false);
        world.media(A).level = Some(level);
        world.run(60_000);
        assert_eq!(warnings(&mut world), [""; 0], "{level} dB");
    }
}
