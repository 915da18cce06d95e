//! Finds the places where speech was said but silence heard.

use super::Gap;
use super::align::{Window, energy, padded};
use super::spectrum::RATE;

/// Levels are compared in frames of 10 ms.
const FRAME: usize = RATE as usize / 100;
/// A frame was said loud enough to be missed if it is at most this far below the mean speech, dB.
const AUDIBLE_DB: f64 = 20.0;
/// It is missing if it was heard this far below the level it should have had, dB.
const MISSING_DB: f64 = 20.0;
/// Shorter holes are not heard as such, ms.
const SHORTEST_MS: f64 = 40.0;
/// Two holes with at most this much between them are one, ms: speech crosses zero.
const BRIDGE_MS: f64 = 20.0;

/// The gaps of the speech in `track`, in order.
pub(super) fn find(said: &[f32], heard: &[f32], track: &[Window], gain: f64) -> Vec<Gap> {
    let speech: f64 = track.iter().map(|w| w.said_energy).sum();
    let samples: usize = track.iter().map(|w| w.length).sum();
    if samples == 0 {
        return Vec::new();
    }
    let audible = speech / samples as f64 * FRAME as f64 * ratio(-AUDIBLE_DB);
    let missing = gain * gain * ratio(-MISSING_DB);

    let mut gaps: Vec<Gap> = Vec::new();
    for window in track {
        let lag = window.lag.round() as i64;
        for start in (window.start..window.start + window.length).step_by(FRAME) {
            let said = energy(said.get(start..start + FRAME).unwrap_or_default());
            let heard = energy(&padded(heard, start as i64 + lag, FRAME));
            if said >= audible && heard < said * missing {
                extend(&mut gaps, to_ms(start));
            }
        }
    }
    gaps.retain(|gap| gap.length_ms >= SHORTEST_MS);
    gaps
}

/// Adds the frame at `start_ms` to the last gap, or begins a new one.
fn extend(gaps: &mut Vec<Gap>, start_ms: f64) {
    let frame_ms = to_ms(FRAME);
    if let Some(last) = gaps.last_mut()
        && start_ms - (last.start_ms + last.length_ms) <= BRIDGE_MS
    {
        last.length_ms = start_ms + frame_ms - last.start_ms;
        return;
    }
    gaps.push(Gap { start_ms, length_ms: frame_ms });
}

fn to_ms(samples: usize) -> f64 {
    samples as f64 * 1000.0 / f64::from(RATE)
}

fn ratio(db: f64) -> f64 {
    10_f64.powf(db / 10.0)
}
