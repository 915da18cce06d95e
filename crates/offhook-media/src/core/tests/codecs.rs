//! Codecs in a call: what is offered, in which order, and what comes through.

use super::*;
use crate::audio::WavSource;

/// Plays a tone made at 16 kHz: a codec at 8 kHz gets of it what is below 4 kHz.
fn tone(pair: &mut Pair, side: usize, frequency: f64) {
    let sample = |n: i32| 8_231.0 * 2f64.sqrt() * (std::f64::consts::TAU * frequency * f64::from(n) / 16_000.0).sin();
    let samples: Vec<i16> = (0..16_000 * 20).map(|n| sample(n) as i16).collect();
    pair.sides[side].core.set_source(AudioSource::Wav(WavSource::from_samples(16_000, samples).unwrap()));
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
