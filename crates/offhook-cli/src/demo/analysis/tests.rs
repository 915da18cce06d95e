use proptest::prelude::*;

use super::*;
use crate::demo::clips::{speech_1000, speech_1001};

/// What `said` becomes on its way: delayed, scaled, with noise and dropouts, at another rate.
struct Line {
    rate: u32,
    delay_ms: f64,
    gain: f32,
    noise: f32,
    dropouts: Vec<(f64, f64)>,
}

impl Line {
    fn new(delay_ms: f64) -> Self {
        Self { rate: 16_000, delay_ms, gain: 1.0, noise: 0.0, dropouts: Vec::new() }
    }

    fn carry(&self, said: &Pcm) -> Pcm {
        let total = ((said.duration_ms() + self.delay_ms + 300.0) * f64::from(self.rate) / 1000.0) as usize;
        let mut seed = 0x1234_5678_u32;
        let samples = (0..total)
            .map(|i| {
                let said_ms = i as f64 * 1000.0 / f64::from(self.rate) - self.delay_ms;
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
                let dropped = self.dropouts.iter().any(|&(from, length)| (from..from + length).contains(&said_ms));
                let speech = if dropped { 0.0 } else { sample_at(said, said_ms) * self.gain };
                speech + noise * self.noise
            })
            .collect();
        Pcm::new(self.rate, samples)
    }
}

/// Linear interpolation; good enough for a line.
fn sample_at(pcm: &Pcm, ms: f64) -> f32 {
    let position = ms * f64::from(pcm.rate()) / 1000.0;
    if position < 0.0 {
        return 0.0;
    }
    let at = |i: usize| pcm.samples().get(i).copied().unwrap_or(0.0);
    let low = position.floor() as usize;
    let fraction = (position - position.floor()) as f32;
    at(low) * (1.0 - fraction) + at(low + 1) * fraction
}

fn short(clip: &Pcm) -> Pcm {
    clip.part(0.0, 3_000.0)
}

#[test]
fn a_perfect_line_is_perfect() {
    let said = speech_1000();
    let result = compare(&said, &said, &Search::default());
    assert_eq!(result.verdict, Verdict::Heard);
    assert!(result.correlation > 0.999, "{result:?}");
    assert!(result.delay_ms.abs() < 0.1 && result.level_db.abs() < 0.05);
    assert!(result.gaps.is_empty() && result.snr_db > 25.0);
}

#[test]
fn the_other_voice_is_not_taken_for_the_first() {
    let (a, b) = (speech_1000(), speech_1001());
    for (said, heard) in [(&a, &b), (&b, &a)] {
        let result = compare(said, heard, &Search::default());
        assert_eq!(result.verdict, Verdict::Different);
        assert!(result.correlation < 0.35, "{result:?}");
    }
}

#[test]
fn leaking_of_the_own_voice_is_seen() {
    let (mine, theirs) = (speech_1000(), speech_1001());
    let mixed = theirs.samples().iter().zip(mine.samples()).map(|(t, m)| t * 0.3 + m).collect();
    let heard = Pcm::new(theirs.rate(), mixed);
    assert!(compare(&theirs, &heard, &Search::default()).correlation < 0.6);
    assert!(compare(&mine, &heard, &Search::default()).correlation > 0.8);
}

#[test]
fn noise_as_loud_as_speech_is_different() {
    let said = short(&speech_1000());
    let noise = Line { gain: 0.0, noise: 0.15, ..Line::new(0.0) };
    let result = compare(&said, &noise.carry(&said), &Search::default());
    assert_eq!(result.verdict, Verdict::Different);
    assert!(result.correlation < 0.3, "{result:?}");
}

#[test]
fn silence_has_its_own_verdict() {
    let said = speech_1000();
    let silent = Pcm::silence(48_000, 9_000.0);
    assert_eq!(compare(&said, &silent, &Search::default()).verdict, Verdict::Silence);
    assert_eq!(compare(&said, &Pcm::default(), &Search::default()).verdict, Verdict::Silence);
    assert_eq!(compare(&silent, &said, &Search::default()).verdict, Verdict::NothingSaid);
    assert_eq!(compare(&Pcm::default(), &said, &Search::default()).verdict, Verdict::NothingSaid);
}

#[test]
fn a_jitter_buffer_that_adapts_is_followed() {
    // 60 ms at first, 100 ms after a pause of 40 ms was inserted, 80 ms at the end.
    let said = speech_1000();
    let delay = |heard_ms: f64| match heard_ms {
        t if t < 3_000.0 => 60.0,
        t if t < 6_000.0 => 100.0,
        _ => 80.0,
    };
    let samples = (0..16 * 9_500).map(|i| sample_at(&said, f64::from(i) / 16.0 - delay(f64::from(i) / 16.0))).collect();
    let result = compare(&said, &Pcm::new(16_000, samples), &Search::default());
    assert!(result.correlation > 0.95, "{result:?}");
    assert!((result.delay_spread_ms - 40.0).abs() < 2.0, "{result:?}");
}

#[test]
fn drifting_clocks_are_followed() {
    let said = speech_1001();
    let samples = (0..16 * 9_500).map(|i| sample_at(&said, (f64::from(i) / 16.0 - 50.0) * 1.000_2)).collect();
    let result = compare(&said, &Pcm::new(16_000, samples), &Search::default());
    assert!(result.correlation > 0.95, "{result:?}");
}

#[test]
fn speech_is_found_anywhere_in_a_long_recording() {
    let said = short(&speech_1001());
    let heard = Line::new(12_345.0).carry(&said);
    let result = compare(&said, &heard, &Search::anywhere(&heard));
    assert!((result.delay_ms - 12_345.0).abs() < 1.0, "{result:?}");
}

#[test]
fn music_between_two_stretches_of_speech_does_no_harm() {
    // What the called side of the demo hears: speech, music on hold, speech again.
    let clip = short(&speech_1000());
    let pause = Pcm::silence(8_000, 2_000.0);
    let said: Vec<f32> = [&clip, &pause, &clip].iter().flat_map(|p| p.samples()).copied().collect();
    let music: Vec<f32> = (0..16_000).map(|i| (i as f32 * 0.35).sin() * 0.3).collect();
    let heard: Vec<f32> = [&clip, &Pcm::new(8_000, music), &clip].iter().flat_map(|p| p.samples()).copied().collect();
    let result = compare(&Pcm::new(8_000, said), &Pcm::new(8_000, heard), &Search::default());
    assert!(result.correlation > 0.99 && result.gaps.is_empty(), "{result:?}");
}

#[test]
fn short_dropouts_are_no_gaps() {
    let said = short(&speech_1000());
    let line = Line { dropouts: vec![(1_000.0, 15.0), (2_000.0, 10.0)], ..Line::new(60.0) };
    let result = compare(&said, &line.carry(&said), &Search::default());
    assert!(result.gaps.is_empty(), "{result:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn delay_and_gain_are_found(
        delay_ms in 0.0_f64..800.0,
        gain_db in -15.0_f64..3.0,
        rate in prop::sample::select(vec![8_000_u32, 16_000, 44_100, 48_000]),
        noise in 0.0_f32..0.01,
    ) {
        let said = short(&speech_1000());
        let gain = 10_f64.powf(gain_db / 20.0) as f32;
        let line = Line { rate, gain, noise: noise * gain, ..Line::new(delay_ms) };
        let result = compare(&said, &line.carry(&said), &Search::default());
        prop_assert_eq!(result.verdict, Verdict::Heard);
        prop_assert!(result.correlation > 0.93, "{:?}", result);
        prop_assert!((result.delay_ms - delay_ms).abs() < 0.5, "{:?}", result);
        prop_assert!((result.level_db - gain_db).abs() < 1.0, "{:?}", result);
        prop_assert!(result.gaps.is_empty(), "{:?}", result);
    }

    #[test]
    fn a_dropout_in_speech_is_found(at in 400.0_f64..2_300.0, length in 120.0_f64..400.0) {
        let said = short(&speech_1001());
        let line = Line { dropouts: vec![(at, length)], ..Line::new(70.0) };
        let result = compare(&said, &line.carry(&said), &Search::default());
        // Only what was speech can be missed.
        let lost = said.part(at, at + length);
        prop_assume!(lost.active_share(-35.0) > 0.9);
        prop_assert!(!result.gaps.is_empty(), "{:?}", result);
        let first = result.gaps[0].start_ms;
        let end = result.gaps.iter().map(|g| g.start_ms + g.length_ms).fold(0.0, f64::max);
        prop_assert!(first >= at - 30.0 && end <= at + length + 30.0, "{:?}", result);
        prop_assert!(result.missing_ms() > length * 0.6, "{:?}", result);
    }

    #[test]
    fn more_noise_means_less_correlation(noise in 0.02_f32..0.2) {
        let said = short(&speech_1000());
        let heard = |noise| Line { noise, ..Line::new(40.0) }.carry(&said);
        let clean = compare(&said, &heard(0.0), &Search::default());
        let noisy = compare(&said, &heard(noise), &Search::default());
        prop_assert!(noisy.correlation < clean.correlation);
        prop_assert!(noisy.snr_db < clean.snr_db);
    }

    #[test]
    fn nothing_panics(
        said in prop::collection::vec(any::<f32>(), 0..4_000),
        heard in prop::collection::vec(any::<f32>(), 0..4_000),
        rates in (0_u32..50_000, 0_u32..50_000),
        delays in (any::<f64>(), any::<f64>()),
    ) {
        let search = Search { min_delay_ms: delays.0, max_delay_ms: delays.1 };
        let result = compare(&Pcm::new(rates.0, said), &Pcm::new(rates.1, heard), &search);
        prop_assert!((0.0..=1.0).contains(&result.correlation));
    }
}
