//! Codecs in a call: what is offered, in which order, and what comes through.

#[path = "../../../tests/common/detect.rs"]
mod detect;

use detect::detect;

use super::*;
use crate::audio::{Resampler, WavSource};

/// Plays a tone made at 16 kHz: a codec at 8 kHz gets of it what is below 4 kHz.
fn tone(pair: &mut Pair, side: usize, frequency: f64) {
    let sample = |n: i32| 8_231.0 * 2f64.sqrt() * (std::f64::consts::TAU * frequency * f64::from(n) / 16_000.0).sin();
    let samples: Vec<i16> = (0..16_000 * 20).map(|n| sample(n) as i16).collect();
    pair.sides[side].play(AudioSource::Wav(WavSource::from_samples(16_000, samples).unwrap()));
}

/// The audio line of a description.
fn audio_line(sdp: &str) -> &str {
    sdp.lines().find(|line| line.starts_with("m=audio")).unwrap()
}

#[test]
fn g722_carries_a_tone_that_g711_cannot_and_its_clock_is_8_khz() {
    let mut levels = Vec::new();
    for codec in [Codec::G722, Codec::Pcmu] {
        let mut pair = Pair::connected(&[codec]);
        tone(&mut pair, 0, 5_500.0);
        pair.run(1_000);
        pair.sides[1].level();
        pair.run(5_000);
        levels.push(pair.sides[1].level());
        let stats = pair.sides[1].core.stats(pair.now).inbound;
        assert_eq!((stats.codec, stats.sample_rate), (Some(codec), codec.sample_rate()));
        // A clock that was taken for another would show as jitter, and as sound made up or left out.
        assert!(stats.jitter_ms < 1.0, "{codec}: jitter {} ms", stats.jitter_ms);
        assert_eq!((stats.packets_lost, stats.packets_late), (0, 0));
        assert!(stats.concealed_samples < u64::from(codec.sample_rate()) / 10, "{codec}: {}", stats.concealed_samples);
        assert!((6.0..6.6).contains(&stats.total_samples_duration), "{} s", stats.total_samples_duration);
    }
    assert!(levels[0] > 3_000.0 && levels[1] < 500.0, "{levels:?}");
}

#[test]
fn g722_hides_a_lost_packet() {
    let mut pair = Pair::connected(&[Codec::G722]);
    tone(&mut pair, 0, 400.0);
    pair.run(1_000);
    pair.sides[1].level();
    pair.sides[0].path = Box::new(|n| (n % 10 != 3).then_some(Duration::from_millis(10)));
    pair.run(5_000);
    let level = pair.sides[1].level();
    let stats = pair.sides[1].core.stats(pair.now).inbound;
    assert!(stats.packets_lost > 15 && stats.concealed_samples >= 320 * 15, "{stats:?}");
    assert!(level > 0.85 * 8_231.0, "{level}");
}

#[test]
fn codecs_are_offered_in_the_order_that_was_asked_for_with_their_payload_types() {
    let config = PeerConfig::new("default");
    assert_eq!(config.codecs, [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma]);
    let mut pair = Pair::new(&config.codecs);
    let now = pair.now;
    let offer = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
    assert!(audio_line(&offer).contains(" 111 9 0 8 "), "{offer}");
    for map in ["a=rtpmap:9 G722/8000", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000"] {
        assert!(offer.contains(map), "{map} in {offer}");
    }
    let mut pair = Pair::new(&[Codec::Pcma, Codec::G722]);
    let offer = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
    assert!(audio_line(&offer).contains(" 8 9 ") && !offer.contains("opus"), "{offer}");
}

#[test]
fn g722_is_known_by_its_number_alone() {
    let mut pair = Pair::new(&[Codec::G722]);
    let now = pair.now;
    let offer = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
    let bare = offer.replace("a=rtpmap:9 G722/8000\r\n", "");
    assert_ne!(bare, offer);
    let answer = pair.sides[1].core.accept_offer(now, &bare, Direction::SendRecv).unwrap();
    assert!(audio_line(&answer).contains(" 9"), "{answer}");
    // At 16 kHz, as its name suggests, nobody has it.
    let wrong = offer.replace("G722/8000", "G722/16000");
    assert!(pair.sides[1].core.accept_offer(now, &wrong, Direction::SendRecv).is_err());
}

/// Two seconds of a tone, four of a quiet room at −60 dBFS or of nothing, and the tone again.
fn talk(pair: &mut Pair, side: usize, room: bool) {
    let mut state = 1u32;
    let sample = |n: i32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = if room { f64::from((state >> 16) as i16) / 32_768.0 * 32.768 * 3f64.sqrt() } else { 0.0 };
        let tone = if (16_000 * 2..16_000 * 6).contains(&n) { 0.0 } else { (f64::from(n) * 0.2).sin() * 8_000.0 };
        (noise + tone) as i16
    };
    let samples: Vec<i16> = (0..16_000 * 10).map(sample).collect();
    pair.sides[side].play(AudioSource::Wav(WavSource::from_samples(16_000, samples).unwrap()));
}

/// What came of a talk with a pause: packets in three seconds of the pause, and what was heard then and after it, dBFS.
fn pause(config: &PeerConfig, far: &PeerConfig, room: bool) -> (u64, f64, f64) {
    let dbfs = |rms: f64| 20.0 * (rms.max(1e-3) / 32_768.0).log10();
    let mut pair = Pair::of([config, far]).connect();
    talk(&mut pair, 0, room);
    pair.run(2_700);
    let sent = |pair: &Pair| pair.sides[0].core.stats(pair.now).outbound.packets_sent;
    let before = sent(&pair);
    pair.sides[1].level();
    pair.run(3_000);
    let packets = sent(&pair) - before;
    let paused = dbfs(pair.sides[1].level());
    pair.run(1_000);
    pair.sides[1].level();
    pair.run(2_000);
    let back = dbfs(pair.sides[1].level());
    let stats = pair.sides[1].core.stats(pair.now).inbound;
    // A pause is no loss, and its sound is not made up for one.
    assert_eq!((stats.packets_lost, stats.packets_late), (0, 0), "{stats:?}");
    let concealed = stats.concealed_samples as f64 / f64::from(stats.sample_rate);
    assert!(concealed < 0.15, "{concealed} s concealed: {stats:?}");
    (packets, paused, back)
}

#[test]
fn opus_sends_next_to_nothing_in_a_pause_if_that_was_asked_for() {
    let config = PeerConfig::new("opus").codecs([Codec::Opus]);
    for room in [false, true] {
        let (all, _, _) = pause(&config, &config, room);
        let (few, paused, back) = pause(&config.clone().dtx(true), &config, room);
        assert!((148..=152).contains(&all), "{all}");
        assert!(few <= 40, "{few} packets");
        assert!(paused < -45.0 && back > -20.0, "{paused} dBFS in the pause, {back} after it");
    }
}

#[test]
fn g711_and_g722_send_comfort_noise_in_a_pause_which_sounds_like_it() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
        let config = PeerConfig::new("noise").codecs([codec]);
        let (packets, paused, back) = pause(&config.clone().dtx(true), &config, true);
        assert!((4..=10).contains(&packets), "{codec}: {packets} packets");
        // At 8 kHz, half of the room's band is left, and half of its power.
        let room = if codec == Codec::G722 { -60.0 } else { -63.0 };
        assert!((paused - room).abs() < 2.0, "{codec}: the room is heard at {paused} dBFS, not {room}");
        assert!(back > -20.0, "{codec}: {back} dBFS after it");
    }
}

#[test]
fn without_comfort_noise_in_common_everything_is_sent() {
    let config = PeerConfig::new("noise").codecs([Codec::Pcmu]).dtx(true);
    for (ours, far) in
        [(config.clone(), config.clone().comfort_noise(false)), (config.clone().comfort_noise(false), config)]
    {
        let (packets, ..) = pause(&ours, &far, true);
        assert!((148..=152).contains(&packets), "{packets}");
    }
}

#[test]
fn comfort_noise_is_offered_with_codecs_that_have_none_of_their_own_and_answered_where_it_was() {
    let describe = |ours: &PeerConfig, far: &PeerConfig| {
        let mut pair = Pair::of([ours, far]);
        let now = pair.now;
        let offer = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
        let answer = pair.sides[1].core.accept_offer(now, &offer, Direction::SendRecv).unwrap();
        [offer, answer]
    };
    let all = PeerConfig::new("all");
    let [offer, answer] = describe(&all, &all);
    assert!(audio_line(&offer).contains(" 111 9 0 8 13 ") && offer.contains("a=rtpmap:13 CN/8000\r\n"), "{offer}");
    assert!(audio_line(&answer).contains(" 13 ") && answer.contains("a=rtpmap:13 CN/8000\r\n"), "{answer}");
    let without = PeerConfig::new("without").comfort_noise(false);
    for (ours, far) in [(&all, &without), (&without, &all)] {
        // Not the letters alone: the random password of ICE may have them.
        assert!(!describe(ours, far)[1].contains(" CN/"));
    }
    let opus = PeerConfig::new("opus").codecs([Codec::Opus]);
    assert!(!describe(&opus, &all)[0].contains(" CN/"), "Opus has its own");
}

#[test]
fn a_digit_with_another_clock_than_the_audio_does_not_change_what_a_report_says_of_jitter() {
    let mut pair = Pair::new(&[Codec::Opus]);
    let now = pair.now;
    let offer = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
    // A far end whose events have the clock of 8 kHz whatever the codec.
    let offer = offer.replace(" 110 ", " ").replace("a=rtpmap:110 telephone-event/48000\r\n", "");
    let answer = pair.sides[1].core.accept_offer(now, &offer, Direction::SendRecv).unwrap();
    assert!(!answer.contains("telephone-event/48000") && answer.contains("telephone-event/8000"), "{answer}");
    pair.sides[0].core.accept_answer(now, &answer).unwrap();
    pair.run(500);
    let clock = |pair: &Pair| pair.sides[0].core.engine.as_ref().unwrap().sent_clock_rate();
    assert_eq!(clock(&pair), 48_000.0);
    pair.sides[0].core.send_dtmf(parse_tones("5", 200, 40).unwrap(), Reply::discard());
    // While the packets of the event are the last ones sent.
    for _ in 0..20 {
        pair.run(20);
        assert_eq!(clock(&pair), 48_000.0);
    }
    assert!(pair.sides[1].has(&PeerEvent::Dtmf { tone: '5', duration_ms: 200 }));
}

#[test]
fn tones_in_the_audio_are_detected_at_the_far_end_through_both_codecs() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let mut pair = Pair::connected(&[codec]);
        // A voice that is in nobody's way.
        pair.sides[0].play(AudioSource::Tone(ToneSpec::new(300.0)));
        pair.sides[1].level();
        pair.run(500);
        let (reply, mut sent) = Reply::channel();
        pair.sides[0].core.send_tones(parse_tones("159#d*0ab", 100, 100).unwrap(), reply);
        pair.run(1_900);
        assert_eq!(sent.try_recv(), Ok(Ok(())));
        pair.run(700);
        let heard = std::mem::take(&mut *pair.sides[1].heard.0.lock().unwrap());
        let mut narrow = Vec::new();
        Resampler::new(codec.sample_rate(), 8_000).unwrap().process(&heard, &mut narrow);
        assert_eq!(detect(&narrow, 8_000), "v159#D*0ABv", "{codec}: and the voice is silent meanwhile");
        let event = pair.sides[1].events.iter().find(|event| matches!(event, PeerEvent::Dtmf { .. }));
        assert_eq!(event, None, "no telephone-event was sent");
    }
}
