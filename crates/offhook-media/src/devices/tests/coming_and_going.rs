//! Devices that come, go and fail in a call.

use super::*;

fn name(device: &Option<DeviceInfo>) -> Option<&str> {
    device.as_ref().map(|one| one.name.as_str())
}

#[test]
fn a_device_lost_in_a_call_is_told_of_and_the_call_goes_on_with_the_fallback() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let (inside, headset) =
        (bench.backend.plug(DeviceKind::Input, "inside"), bench.backend.plug(DeviceKind::Input, "headset"));
    let (speaker, phones) =
        (bench.backend.plug(DeviceKind::Output, "speaker"), bench.backend.plug(DeviceKind::Output, "phones"));
    let _ = bench.look();
    bench.engine.choose(Role::Microphone, Some("headset")).unwrap();
    bench.engine.choose(Role::Speaker, Some("virtual:phones")).unwrap();
    bench.call();
    bench.run(500);
    assert!(headset.is_open() && phones.is_open() && !inside.is_open() && !speaker.is_open());
    let _ = bench.engine.take_events();

    bench.backend.unplug(&headset);
    bench.backend.unplug(&phones);
    let events = bench.look();
    let lost: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            DeviceEvent::Lost { role, device, fallback, .. } => Some((*role, device.name.as_str(), name(fallback))),
            _ => None,
        })
        .collect();
    let expected = [
        (Role::Microphone, "headset", Some("inside")),
        (Role::Speaker, "phones", Some("speaker")),
        (Role::Ringer, "phones", Some("speaker")),
    ];
    assert_eq!(lost, expected);
    bench.run(500);
    assert!(inside.is_open() && speaker.is_open());
    let _ = (bench.hears(), speaker.played());
    inside.speak(&tone(400.0, RATE, 1_100));
    bench.says(&tone(700.0, RATE, 1_100));
    bench.run(1_000);
    let (heard, played) = (bench.hears(), speaker.played());
    assert!(share(&heard[10_000..40_000], 400.0, RATE) > 0.9, "the fallback is heard");
    assert!(share(&played[10_000..40_000], 700.0, RATE) > 0.9, "the fallback plays");

    // A chosen device that is back is used again.
    bench.backend.replug(&headset);
    let events = bench.look();
    assert!(events.iter().any(|event| matches!(event, DeviceEvent::Added(device) if device.name == "headset")));
    bench.run(100);
    assert_eq!(bench.used(Role::Microphone), Some("headset"));
    assert!(headset.is_open() && !inside.is_open());
}

#[test]
fn the_last_microphone_lost_leaves_silence_and_the_next_one_plugged_in_is_used() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let only = bench.backend.plug(DeviceKind::Input, "only");
    let _ = bench.look();
    bench.call();
    bench.run(200);
    bench.backend.unplug(&only);
    let events = bench.look();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, DeviceEvent::Lost { fallback: None, device, .. } if device.name == "only"))
    );
    let _ = bench.hears();
    bench.run(500);
    assert!(bench.hears().iter().skip(4_800).all(|sample| *sample == 0));
    let other = bench.backend.plug(DeviceKind::Input, "other");
    let _ = bench.look();
    other.speak(&tone(400.0, RATE, 1_000));
    bench.run(1_000);
    assert!(dbfs(&bench.hears()) > -30.0);
}

#[test]
fn without_a_choice_the_systems_default_is_followed() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let (one, two) = (bench.backend.plug(DeviceKind::Output, "one"), bench.backend.plug(DeviceKind::Output, "two"));
    let _ = bench.look();
    bench.call();
    bench.run(100);
    assert!(one.is_open());
    bench.backend.set_default(&two);
    let events = bench.look();
    assert!(
        matches!(events.first(), Some(DeviceEvent::DefaultChanged { kind: DeviceKind::Output, device }) if name(device) == Some("two"))
    );
    let switched = |event: &DeviceEvent| matches!(event, DeviceEvent::Switched { role: Role::Speaker, device } if name(device) == Some("two"));
    assert!(events.iter().any(switched), "{events:?}");
    bench.run(100);
    assert!(two.is_open() && !one.is_open());
    // A choice ends that.
    bench.engine.choose(Role::Speaker, Some("one")).unwrap();
    bench.run(100);
    assert!(one.is_open() && !two.is_open());
}

#[test]
fn a_device_that_stands_still_or_cannot_be_opened_is_left_for_another() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let (first, second) =
        (bench.backend.plug(DeviceKind::Input, "first"), bench.backend.plug(DeviceKind::Input, "second"));
    let busy = bench.backend.plug(DeviceKind::Output, "busy");
    let free = bench.backend.plug(DeviceKind::Output, "free");
    busy.refuse(true);
    let _ = bench.look();
    bench.call();
    bench.run(100);
    let events = bench.engine.take_events();
    let refused = |event: &DeviceEvent| {
        matches!(event, DeviceEvent::Lost { role: Role::Speaker, device, fallback, reason }
            if device.name == "busy" && name(fallback) == Some("free") && reason.contains("busy"))
    };
    assert!(events.iter().any(refused), "{events:?}");
    assert!(free.is_open());

    first.stall(true);
    bench.run(2_000);
    let events = bench.engine.take_events();
    let still = |event: &DeviceEvent| matches!(event, DeviceEvent::Lost { role: Role::Microphone, reason, .. } if reason == "it stands still");
    assert!(events.iter().any(still), "{events:?}");
    assert!(second.is_open() && !first.is_open());
}

#[test]
fn what_could_not_be_opened_is_tried_again_when_there_is_no_other() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let only = bench.backend.plug(DeviceKind::Input, "only");
    only.refuse(true);
    let _ = bench.look();
    bench.call();
    bench.run(100);
    assert_eq!(bench.used(Role::Microphone), None);
    only.refuse(false);
    bench.run(4_000);
    assert!(only.is_open());
}

#[test]
fn a_wrong_name_says_which_there_are_and_changes_nothing() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let error = bench.engine.choose(Role::Microphone, Some("x")).unwrap_err();
    assert_eq!(error, DeviceError::None(DeviceKind::Input));
    bench.backend.plug(DeviceKind::Input, "one");
    bench.backend.plug(DeviceKind::Input, "two");
    let _ = bench.look();
    let error = bench.engine.choose(Role::Microphone, Some("three")).unwrap_err();
    assert!(error.to_string().contains("one, two"), "{error}");
    assert_eq!(bench.used(Role::Microphone), Some("one"));
}

#[test]
fn devices_are_open_only_while_they_are_needed() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let (microphone, speaker) =
        (bench.backend.plug(DeviceKind::Input, "microphone"), bench.backend.plug(DeviceKind::Output, "speaker"));
    let _ = bench.look();
    bench.run(100);
    assert!(!microphone.is_open() && !speaker.is_open() && bench.engine.is_idle());
    bench.call();
    bench.run(100);
    assert!(microphone.is_open() && speaker.is_open());
    bench.call = None;
    bench.run(100);
    assert!(!microphone.is_open() && !speaker.is_open() && bench.engine.is_idle());
    bench.engine.listen(true);
    microphone.speak(&tone(400.0, RATE, 1_000));
    bench.run(500);
    assert!(microphone.is_open() && !speaker.is_open());
    let [meter, ..] = &bench.engine.meters.0;
    assert!((-16.0..-14.0).contains(&meter.dbfs()), "{}", meter.dbfs());
}
