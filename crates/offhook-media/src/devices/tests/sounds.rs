//! Tones, volumes, and which device they are heard from.

use super::*;

#[test]
fn the_ringtone_has_a_device_of_its_own_and_goes_with_the_speaker_without_one() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let (phones, loud) =
        (bench.backend.plug(DeviceKind::Output, "phones"), bench.backend.plug(DeviceKind::Output, "loud"));
    let _ = bench.look();
    bench.engine.choose(Role::Ringer, Some("loud")).unwrap();
    bench.engine.ring(Some(&Sound::endless(ToneSpec::ring())));
    bench.run(1_000);
    let rung = loud.played();
    let both = share(&rung[5_000..40_000], 660.0, RATE) + share(&rung[5_000..40_000], 880.0, RATE);
    assert!(both > 0.95, "{both}");
    assert!(!phones.is_open(), "the headphones are left in peace");
    // A second on, two off.
    bench.run(1_500);
    assert!(loud.played()[24_000..].iter().all(|sample| *sample == 0));
    bench.engine.choose(Role::Ringer, None).unwrap();
    bench.run(2_000);
    assert!(dbfs(&phones.played()) > -30.0);
    bench.engine.ring(None);
    bench.run(100);
    assert!(!phones.is_open() && !loud.is_open());
}

#[test]
fn keys_are_heard_as_they_are_sent_beside_the_call() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let speaker = bench.backend.plug(DeviceKind::Output, "speaker");
    let _ = bench.look();
    bench.call();
    bench.run(500);
    let _ = speaker.played();
    for sound in "5#".chars().flat_map(Sound::key) {
        bench.engine.key(&sound);
    }
    bench.run(500);
    let heard = speaker.played();
    let start = heard.iter().position(|sample| *sample != 0).unwrap();
    let at = |ms: usize| &heard[start + ms * 48..start + (ms + 80) * 48];
    for (ms, low, high) in [(10, 770.0, 1_336.0), (210, 941.0, 1_477.0)] {
        let both = share(at(ms), low, RATE) + share(at(ms), high, RATE);
        assert!(both > 0.95, "{low} and {high} Hz at {ms} ms: {both}");
    }
    assert!(dbfs(&heard[start + 110 * 48..start + 190 * 48]) < -80.0, "the gap");
}

#[test]
fn a_tone_stops_when_it_has_lasted_or_is_told_to() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let speaker = bench.backend.plug(DeviceKind::Output, "speaker");
    let _ = bench.look();
    bench.engine.tone(Some(&Sound::lasting(ToneSpec::busy(), 3_000)));
    bench.run(2_900);
    assert!(speaker.is_open());
    let heard = speaker.played();
    assert!(share(&heard[5_000..20_000], 425.0, RATE) > 0.98);
    bench.run(300);
    assert!(!speaker.is_open());
    bench.engine.tone(Some(&Sound::endless(ToneSpec::ringback())));
    bench.run(600_000);
    assert!(speaker.is_open());
    bench.engine.tone(None);
    bench.run(50);
    assert!(!speaker.is_open());
}

#[test]
fn volumes_are_of_each_role() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let microphone = bench.backend.plug(DeviceKind::Input, "microphone");
    let speaker = bench.backend.plug(DeviceKind::Output, "speaker");
    let _ = bench.look();
    bench.call();
    bench.engine.set_volume(Role::Speaker, 0.1);
    bench.engine.set_volume(Role::Microphone, 0.5);
    bench.run(500);
    let _ = (bench.hears(), speaker.played());
    microphone.speak(&tone(400.0, RATE, 1_100));
    bench.says(&tone(700.0, RATE, 1_100));
    bench.run(1_000);
    let before = dbfs(&tone(400.0, RATE, 1_000));
    let (heard, played) = (dbfs(&bench.hears()[10_000..40_000]), dbfs(&speaker.played()[10_000..40_000]));
    assert!((heard - before + 6.0).abs() < 0.5, "half: {heard} of {before}");
    assert!((played - before + 20.0).abs() < 0.5, "a tenth: {played} of {before}");
}

#[test]
fn two_calls_are_heard_together_and_both_hear_the_microphone() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let microphone = bench.backend.plug(DeviceKind::Input, "microphone");
    let speaker = bench.backend.plug(DeviceKind::Output, "speaker");
    let _ = bench.look();
    bench.call();
    let mut other = bench.engine.attach();
    let AudioSource::Custom(mut source) = other.source else { panic!("a source of another kind") };
    bench.run(500);
    let _ = (bench.hears(), speaker.played());
    microphone.speak(&tone(400.0, RATE, 1_100));
    bench.says(&tone(700.0, RATE, 1_100));
    let mut heard_there = Vec::new();
    for piece in tone(1_000.0, 8_000, 1_000).chunks(160) {
        other.sink.write(8_000, piece);
        let mut frame = [0; 160];
        let _ = source.fill(8_000, &mut frame);
        heard_there.extend(frame);
        bench.run(20);
    }
    let played = speaker.played();
    let both = [700.0, 1_000.0].map(|hz| share(&played[10_000..40_000], hz, RATE));
    assert!(both.iter().all(|share| *share > 0.4), "{both:?}");
    assert!(share(&bench.hears()[10_000..40_000], 400.0, RATE) > 0.95);
    assert!(share(&heard_there[2_000..7_000], 400.0, 8_000) > 0.95);
}
