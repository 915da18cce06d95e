//! Finds the delay of each stretch of speech.

use realfft::RealFftPlanner;

use super::Search;
use super::spectrum::{RATE, cross_correlation};

/// Length of one stretch: 200 ms, shorter than most words, longer than a pitch period by far.
const WINDOW: usize = RATE as usize / 5;
/// A stretch counts as speech if its level is at most this far below the mean of all speech, dB.
const SPEECH_RANGE_DB: f64 = 20.0;
/// How far the delay may wander from the delay of the whole: 300 ms each way.
const WANDER: usize = RATE as usize * 3 / 10;
/// The delay may move freely by this many samples from stretch to stretch (clock drift).
const DRIFT: usize = 2;
/// What a larger move costs, in units of correlation. A jitter buffer that jumps gains far more
/// in every later stretch; a wrong voice, whose best match is somewhere else each time, does not.
const JUMP_COST: f32 = 0.5;
/// Heard energy below this share of the said energy is silence: no match is looked for in it.
const SILENT_SHARE: f64 = 1e-5;

/// A stretch of speech and where it was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    /// First sample in what was said.
    pub(super) start: usize,
    /// Number of samples.
    pub(super) length: usize,
    /// Delay in samples, to a fraction.
    pub(super) lag: f64,
    /// Correlation coefficient at this delay, −1 to 1.
    pub(super) correlation: f64,
    /// Energy said and heard.
    pub(super) said_energy: f64,
    pub(super) heard_energy: f64,
}

/// The starts and lengths of the stretches of `said` that hold speech.
pub(super) fn speech_windows(said: &[f32]) -> Vec<(usize, usize)> {
    let all: Vec<_> = said.chunks_exact(WINDOW).enumerate().map(|(i, chunk)| (i * WINDOW, energy(chunk))).collect();
    let loudest = all.iter().map(|w| w.1).fold(0.0, f64::max);
    let threshold = loudest * 10_f64.powf(-SPEECH_RANGE_DB / 10.0);
    all.into_iter().filter(|&(_, e)| e > 0.0 && e >= threshold).map(|(start, _)| (start, WINDOW)).collect()
}

/// Where each window of `said` was heard.
pub(super) fn follow(said: &[f32], heard: &[f32], windows: &[(usize, usize)], search: &Search) -> Vec<Window> {
    let to_samples = |ms: f64| (ms.clamp(-180_000.0, 180_000.0) * f64::from(RATE) / 1000.0) as i64;
    let first = to_samples(search.min_delay_ms);
    let last = to_samples(search.max_delay_ms).max(first);
    let mut planner = RealFftPlanner::new();

    let whole = padded(heard, first, said.len() + (last - first) as usize);
    let coarse = best_offset(&normalised(&mut planner, said, &whole)) as i64 + first;

    let from = (coarse - WANDER as i64).max(first);
    let to = (coarse + WANDER as i64).min(last).max(from);
    let range = (to - from) as usize;
    let curves: Vec<Vec<f32>> = windows
        .iter()
        .map(|&(start, length)| {
            let area = padded(heard, start as i64 + from, length + range);
            let template = said.get(start..start + length).unwrap_or_default();
            normalised(&mut planner, template, &area)
        })
        .collect();
    let offsets = best_path(&curves);
    windows
        .iter()
        .zip(curves.iter().zip(offsets))
        .map(|(&(start, length), (curve, offset))| {
            let (fraction, correlation) = peak(curve, offset);
            let at = start as i64 + from + offset as i64;
            Window {
                start,
                length,
                lag: from as f64 + offset as f64 + fraction,
                correlation,
                said_energy: energy(said.get(start..start + length).unwrap_or_default()),
                heard_energy: energy(&padded(heard, at, length)),
            }
        })
        .collect()
}

/// The correlation coefficient over all windows, each at its own delay; 0 at least.
pub(super) fn correlation(track: &[Window]) -> f64 {
    let said: f64 = track.iter().map(|w| w.said_energy).sum();
    let heard: f64 = track.iter().map(|w| w.heard_energy).sum();
    let shared: f64 = track.iter().map(shared).sum();
    if said <= 0.0 || heard <= 0.0 {
        return 0.0;
    }
    (shared / (said * heard).sqrt()).clamp(0.0, 1.0)
}

/// How much louder the speech was heard than said (a factor of amplitude), from the windows that
/// match: the projection on what was said, so noise does not count as level.
pub(super) fn gain(track: &[Window]) -> f64 {
    let sure = || track.iter().filter(|w| w.correlation > super::SAME_SPEECH);
    let said: f64 = sure().map(|w| w.said_energy).sum();
    if said <= 0.0 {
        return 0.0;
    }
    sure().map(shared).sum::<f64>() / said
}

/// The dot product of what was said and heard in a window.
fn shared(window: &Window) -> f64 {
    window.correlation * (window.said_energy * window.heard_energy).sqrt()
}

/// `length` samples of `signal` from `start` on, which may lie outside: zeros there.
pub(super) fn padded(signal: &[f32], start: i64, length: usize) -> Vec<f32> {
    let mut out = vec![0.0; length];
    let skip = usize::try_from(-start).unwrap_or(0);
    let from = usize::try_from(start).unwrap_or(0);
    if let (Some(to), Some(source)) = (out.get_mut(skip..), signal.get(from..)) {
        for (to, from) in to.iter_mut().zip(source) {
            *to = *from;
        }
    }
    out
}

pub(super) fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum()
}

/// The correlation coefficient of `template` with `signal` at every offset, −1 to 1.
fn normalised(planner: &mut RealFftPlanner<f32>, template: &[f32], signal: &[f32]) -> Vec<f32> {
    let mut curve = cross_correlation(planner, template, signal);
    let mut sums = Vec::with_capacity(signal.len() + 1);
    let mut sum = 0.0_f64;
    sums.push(sum);
    for &s in signal {
        sum += f64::from(s) * f64::from(s);
        sums.push(sum);
    }
    let said = energy(template);
    let ends = sums.get(template.len()..).unwrap_or_default();
    for (value, (start, end)) in curve.iter_mut().zip(sums.iter().zip(ends)) {
        let heard = end - start;
        *value = if said > 0.0 && heard > said * SILENT_SHARE {
            (f64::from(*value) / (said * heard).sqrt()).clamp(-1.0, 1.0) as f32
        } else {
            0.0
        };
    }
    curve
}

fn best_offset(curve: &[f32]) -> usize {
    curve.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(offset, _)| offset)
}

/// One offset for each curve so that the sum of correlations, less the cost of the jumps between
/// neighbours, is the largest (the Viterbi algorithm).
fn best_path(curves: &[Vec<f32>]) -> Vec<usize> {
    let Some((head, tail)) = curves.split_first() else {
        return Vec::new();
    };
    let mut score = head.clone();
    // For each later curve: where each of its offsets came from.
    let mut origins: Vec<Vec<u32>> = Vec::with_capacity(tail.len());
    for curve in tail {
        let jump_from = best_offset(&score);
        let jump = score.get(jump_from).copied().unwrap_or(0.0) - JUMP_COST;
        let mut next = Vec::with_capacity(curve.len());
        let mut origin = Vec::with_capacity(curve.len());
        for (offset, value) in curve.iter().enumerate() {
            let low = offset.saturating_sub(DRIFT);
            let high = (offset + DRIFT + 1).min(score.len());
            let near = score.get(low..high).unwrap_or_default();
            let best = low + best_offset(near);
            let stay = score.get(best).copied().unwrap_or(f32::NEG_INFINITY);
            let (from, sum) = if stay >= jump { (best, stay) } else { (jump_from, jump) };
            next.push(sum + value);
            origin.push(from as u32);
        }
        score = next;
        origins.push(origin);
    }
    let mut at = best_offset(&score);
    let mut path = vec![at];
    for origin in origins.iter().rev() {
        at = origin.get(at).map_or(at, |&from| from as usize);
        path.push(at);
    }
    path.reverse();
    path
}

/// The top of the curve near `offset`: a parabola through three points (the curve is limited to
/// the telephone band, so it is smooth). Gives the distance from `offset` and the height.
fn peak(curve: &[f32], offset: usize) -> (f64, f64) {
    let at = |i: Option<usize>| i.and_then(|i| curve.get(i)).map(|&v| f64::from(v));
    let Some(centre) = at(Some(offset)) else {
        return (0.0, 0.0);
    };
    let (Some(before), Some(after)) = (at(offset.checked_sub(1)), at(Some(offset + 1))) else {
        return (0.0, centre);
    };
    let bend = before - 2.0 * centre + after;
    if bend >= -1e-9 {
        return (0.0, centre);
    }
    let shift = (0.5 * (before - after) / bend).clamp(-1.0, 1.0);
    let height = centre - 0.25 * (before - after) * shift;
    (shift, height.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_where_a_jump_gains_too_little() {
        let flat = vec![0.9, 0.1, 0.1, 0.1, 0.1, 0.1];
        let spike = vec![0.6, 0.1, 0.1, 0.1, 0.1, 0.9];
        assert_eq!(best_path(&[flat.clone(), spike, flat]), [0, 0, 0]);
    }

    #[test]
    fn a_path_follows_a_jump_that_lasts() {
        let early = vec![0.9, 0.1, 0.1, 0.1, 0.1, 0.1];
        let late = vec![0.1, 0.1, 0.1, 0.1, 0.1, 0.9];
        let curves = [early.clone(), early, late.clone(), late];
        assert_eq!(best_path(&curves), [0, 0, 5, 5]);
    }

    #[test]
    fn a_peak_between_two_samples_is_found() {
        let curve: Vec<f32> = (0..9).map(|i| 1.0 - 0.01 * (i as f32 - 4.3).powi(2)).collect();
        let (shift, height) = peak(&curve, 4);
        assert!((shift - 0.3).abs() < 1e-3 && (height - 1.0).abs() < 1e-3);
    }

    #[test]
    fn padding_reaches_outside_on_both_ends() {
        assert_eq!(padded(&[1.0, 2.0], -1, 4), [0.0, 1.0, 2.0, 0.0]);
        assert_eq!(padded(&[1.0, 2.0], 5, 2), [0.0, 0.0]);
        assert_eq!(padded(&[1.0, 2.0], -9, 2), [0.0, 0.0]);
    }
}
