use super::super::clips::speech_1001;
use super::super::track;
use super::*;
use crate::audio::resample;
use crate::exit::Reason;

/// A hold from 1 s to 4 s, in a recording of 5 s.
const HELD: (u64, u64) = (1_000, 4_000);

/// `what` from `at_ms` on, in 5 s of silence.
fn recording(what: &Pcm, at_ms: f64) -> Pcm {
    let what = resample(what, track::RATE);
    let mut samples = Pcm::silence(track::RATE, 5_000.0).samples().to_vec();
    let start = (at_ms * f64::from(track::RATE) / 1_000.0) as usize;
    for (to, from) in samples.iter_mut().skip(start).zip(what.samples()) {
        *to = *from;
    }
    Pcm::new(track::RATE, samples)
}

fn chord(millis: f64) -> Pcm {
    let count = (millis * 16.0) as usize;
    let tone = |i: usize, hertz: f32| (i as f32 * hertz * std::f32::consts::TAU / 16_000.0).sin();
    Pcm::new(16_000, (0..count).map(|i| (tone(i, 262.0) + tone(i, 330.0) + tone(i, 392.0)) * 0.05).collect())
}

#[test]
fn music_on_hold_is_music() {
    let good = music(&recording(&chord(3_000.0), 1_000.0), HELD);
    assert!(good.ok, "{good:?}");
    let nothing = music(&recording(&Pcm::default(), 0.0), HELD);
    assert!(!nothing.ok, "{nothing:?}");
    let short = music(&recording(&chord(1_200.0), 1_000.0), HELD);
    assert!(!short.ok, "{short:?}");
    let holder = music(&recording(&speech_1000().part(UNHEARD_MS.0, UNHEARD_MS.1), 1_400.0), HELD);
    assert!(!holder.ok && holder.detail.contains("speech of the holder"), "{holder:?}");
}

#[test]
fn the_holder_hears_nothing() {
    assert!(silence(&recording(&speech_1001().part(0.0, 900.0), 0.0), HELD).ok, "before the hold");
    let leak = silence(&recording(&speech_1001().part(UNHEARD_MS.0, UNHEARD_MS.1), 1_500.0), HELD);
    assert!(!leak.ok, "{leak:?}");
    assert!(!silence(&Pcm::default(), HELD).ok, "no recording proves nothing");
}

#[test]
fn encryption_is_seen_on_both_legs_or_fails() {
    let leg = |connected| Security { connected, cipher: None };
    assert!(encrypted(&[leg(true), leg(true)]).ok);
    assert!(!encrypted(&[leg(true), leg(false)]).ok);
    assert!(!encrypted(&[leg(true)]).ok);
}

#[test]
fn what_is_said_on_hold_is_not_missed() {
    // Said before, on and after the hold; heard before and after it.
    let word = resample(&speech_1000().part(0.0, 900.0), track::RATE);
    let words = |times: &[f64]| {
        let mut sum = recording(&word, 50.0).samples().to_vec();
        for &at_ms in times {
            for (to, from) in sum.iter_mut().zip(recording(&word, at_ms).samples()) {
                *to += from;
            }
        }
        Pcm::new(track::RATE, sum)
    };
    let (said, heard) = (words(&[2_000.0, 4_050.0]), words(&[4_050.0]));
    let speaker = (said.clone(), Pcm::default());
    let listener = (Pcm::default(), heard);
    let with = direction(0, 1, &speaker, &listener, Some(HELD));
    assert!(with.correlation > 0.99 && with.gaps.is_empty(), "{:?}", with.gaps);
    assert_eq!(with.said, said, "the picture shows all that was said");
    let without = direction(0, 1, &speaker, &listener, None);
    assert!(without.missing_ms() > 400.0, "{:?}", without.gaps);
}

#[test]
fn a_run_that_broke_off_has_one_cause() {
    let fatal = Failure::new(Reason::Unreachable, "the PBX ended");
    let outcome = judge(Stage::default(), 1_234, Some(&fatal));
    assert!(!outcome.ok);
    assert_eq!(outcome.failures, ["the PBX ended"]);
    assert_eq!(outcome.duration_ms, 1_234);
}

#[test]
fn a_run_without_recordings_is_not_right() {
    let outcome = judge(Stage::default(), 0, None);
    assert!(!outcome.ok && outcome.failures.iter().any(|f| f.contains("not recorded")), "{:?}", outcome.failures);
}
