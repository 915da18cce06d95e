//! What is done to a microphone's sound, measured on voices.

use super::*;
use crate::devices::processing::Processing;

/// Runs frames through it: what is played, what the microphone hears, what comes of it.
fn process(config: ProcessingConfig, played: &[i16], heard: &[i16]) -> Vec<i16> {
    let mut processing = Processing::new(config);
    let frames =
        |samples: &[i16]| samples.chunks_exact(FRAME).map(|c| <[i16; FRAME]>::try_from(c).unwrap()).collect::<Vec<_>>();
    let mut out = Vec::new();
    for (played, mut heard) in frames(played).into_iter().zip(frames(heard)) {
        processing.played(&played, 50.0);
        processing.heard(&mut heard);
        out.extend(heard);
    }
    out
}

/// What a microphone hears of a loudspeaker: later, softer, and from a few walls.
fn echo(played: &[i16]) -> Vec<i16> {
    let at = |n: usize, ms: usize| n.checked_sub(ms * 48).and_then(|n| played.get(n)).map_or(0.0, |s| f64::from(*s));
    (0..played.len()).map(|n| (0.3 * at(n, 60) + 0.12 * at(n, 67) - 0.06 * at(n, 81)) as i16).collect()
}

fn mixed(a: &[i16], b: &[i16]) -> Vec<i16> {
    a.iter().zip(b).map(|(a, b)| a.saturating_add(*b)).collect()
}

/// The same noise every time.
fn noise(samples: usize, amplitude: f64) -> Vec<i16> {
    let mut state = 1_u64;
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (((state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5) * 2.0 * amplitude) as i16
        })
        .collect()
}

const ECHO: ProcessingConfig =
    ProcessingConfig { echo_cancellation: true, noise_suppression: false, gain_control: false };

#[test]
fn the_echo_of_a_voice_is_taken_out() {
    let played = [speech("1000"), speech("1001")].concat();
    let heard = echo(&played);
    let out = process(ECHO, &played, &heard);
    // After it has learned the room in the first half.
    let half = heard.len() / 2;
    let (before, after) = (dbfs(&heard[half..out.len()]), dbfs(&out[half..]));
    println!("echo: {before:.1} dBFS before, {after:.1} after");
    assert!(before - after > 25.0, "{before} dBFS before, {after} after");
}

#[test]
fn a_voice_survives_while_the_other_side_is_silent_and_while_it_talks() {
    let far = [speech("1000"), speech("1000"), speech("1000")].concat();
    let near = speech("1001");
    let third = speech("1000").len();
    let silent = vec![0; third];
    // The far end talks; then both; then we alone.
    let far = [&far[..2 * third], &silent].concat();
    let mut own = vec![0; third];
    own.extend(near.iter().copied().chain(std::iter::repeat(0)).take(third));
    own.extend(near.iter().copied().chain(std::iter::repeat(0)).take(third));
    let out = process(ECHO, &far, &mixed(&echo(&far), &own));
    let length = near.len().min(third) - 5_000;
    let (both, alone) = (dbfs(&out[third..third + length]), dbfs(&out[2 * third..2 * third + length]));
    let was = dbfs(&near[..length]);
    println!("our voice: {was:.1} dBFS, {both:.1} while both talk, {alone:.1} alone");
    assert!(was - alone < 2.0, "{was} dBFS said, {alone} left");
    assert!(was - both < 9.0, "{was} dBFS said, {both} left while both talk");
}

#[test]
fn noise_is_suppressed_and_the_voice_is_not() {
    let config = ProcessingConfig { noise_suppression: true, echo_cancellation: false, gain_control: false };
    let pause = 4 * RATE as usize;
    let voice = speech("1000");
    let clean = [vec![0; pause], voice.clone()].concat();
    let noisy = mixed(&noise(clean.len(), 400.0), &clean);
    let out = process(config, &vec![0; noisy.len()], &noisy);
    let noise_of = |samples: &[i16]| dbfs(&samples[pause / 2..pause - 2_000]);
    let voice_of = |samples: &[i16]| dbfs(&samples[pause..pause + voice.len() - 2_000]);
    let (before, after) = (voice_of(&noisy) - noise_of(&noisy), voice_of(&out) - noise_of(&out));
    println!("voice over noise: {before:.1} dB before, {after:.1} after");
    assert!(after - before > 10.0, "{before} dB before, {after} after");
    assert!(voice_of(&noisy) - voice_of(&out) < 3.0, "the voice loses {}", voice_of(&noisy) - voice_of(&out));
}

#[test]
fn a_low_voice_is_made_louder_and_a_loud_one_stays_within_bounds() {
    let config = ProcessingConfig { gain_control: true, echo_cancellation: false, noise_suppression: false };
    let voice = [speech("1000"), speech("1001"), speech("1000")].concat();
    let at = |factor: f64| -> Vec<i16> { voice.iter().map(|s| (f64::from(*s) * factor) as i16).collect() };
    let last = |samples: &[i16]| dbfs(&samples[2 * samples.len() / 3..]);
    // The clips are at −20 dBFS.
    let low = at(0.1);
    let out = process(config, &vec![0; low.len()], &low);
    println!("low voice: {:.1} dBFS before, {:.1} after", last(&low), last(&out));
    assert!((-28.0..-12.0).contains(&last(&out)), "{} dBFS became {}", last(&low), last(&out));
    let loud = at(3.0);
    let out = process(config, &vec![0; loud.len()], &loud);
    println!("loud voice: {:.1} dBFS before, {:.1} after", last(&loud), last(&out));
    assert!((-25.0..-8.0).contains(&last(&out)), "{} dBFS became {}", last(&loud), last(&out));
}

#[test]
fn the_engine_gives_the_canceller_what_the_speaker_plays() {
    let mut bench = Bench::new(ECHO);
    let microphone = bench.backend.plug(DeviceKind::Input, "microphone");
    let speaker = bench.backend.plug(DeviceKind::Output, "speaker");
    speaker.set_drift(50.0);
    let _ = bench.look();
    bench.call();
    let far = [speech("1000"), speech("1001")].concat();
    bench.says(&far);
    let (mut room, mut before, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..far.len() / FRAME {
        bench.run(10);
        room.extend(speaker.played());
        // What is heard of the latest 10 ms.
        let recent = &room[room.len().saturating_sub(10_000)..];
        let heard = echo(recent);
        let heard = heard[heard.len().saturating_sub(480)..].to_vec();
        microphone.speak(&heard);
        before.extend(heard);
        after.extend(bench.hears());
    }
    let half = far.len() / 2;
    let (before, after) = (dbfs(&before[half..]), dbfs(&after[half..]));
    println!("echo through the engine: {before:.1} dBFS before, {after:.1} after");
    assert!(before - after > 20.0, "{before} dBFS before, {after} after");
}
