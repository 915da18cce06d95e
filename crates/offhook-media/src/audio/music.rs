//! Generated hold music: a short chord progression, plucked softly, looping without a seam and without a file.

use std::f64::consts::TAU;

/// Beats per second.
const TEMPO: f64 = 2.0;
/// Broken chords, one note a beat, as semitones above A3 (220 Hz): C, G, Am, F in the key of C.
const NOTES: [i32; 32] =
    [3, 7, 10, 15, 10, 7, 3, 7, -2, 2, 5, 10, 5, 2, -2, 2, 0, 3, 7, 12, 7, 3, 0, 3, -4, 0, 3, 8, 3, 0, -4, 0];
/// Peak amplitude: about −20 dBFS RMS, below speech.
const PEAK: f64 = 7_000.0;

/// Plays the loop.
#[derive(Debug, Default)]
pub(crate) struct Music {
    /// Time within the loop, s.
    elapsed: f64,
}

impl Music {
    pub(crate) fn fill(&mut self, sample_rate: u32, out: &mut [i16]) {
        let step = 1.0 / f64::from(sample_rate);
        let length = NOTES.len() as f64 / TEMPO;
        for sample in out {
            let beat = (self.elapsed * TEMPO) as usize % NOTES.len();
            let since = self.elapsed - beat as f64 / TEMPO;
            let previous = NOTES.get((beat + NOTES.len() - 1) % NOTES.len()).copied().unwrap_or(0);
            let current = NOTES.get(beat).copied().unwrap_or(0);
            // Each note rings into the next one.
            let sum = pluck(current, since) + pluck(previous, since + 1.0 / TEMPO);
            *sample = (PEAK * sum) as i16;
            self.elapsed += step;
            if self.elapsed >= length {
                self.elapsed -= length;
            }
        }
    }
}

fn pluck(semitones: i32, since: f64) -> f64 {
    let hz = 220.0 * 2f64.powf(f64::from(semitones) / 12.0);
    let attack = (since / 0.01).min(1.0);
    let decay = (-3.0 * since).exp();
    let wave = (TAU * hz * since).sin() + 0.3 * (TAU * 2.0 * hz * since).sin() + 0.1 * (TAU * 3.0 * hz * since).sin();
    attack * decay * wave
}
