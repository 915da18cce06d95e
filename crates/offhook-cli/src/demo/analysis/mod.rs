//! Compares what was heard with what was said.
//!
//! Both signals are brought to one rate and the telephone band, the delay is found by normalised
//! cross-correlation and followed window by window, so that a jitter buffer that adapts in the
//! middle of a word, or two clocks that drift, do not count as damage.
//! What is left is a correlation coefficient over everything that was said, a level difference,
//! and the list of places where speech was said but silence heard.
//!
//! A waveform match is a far stricter proof than a level meter: another voice, the own voice
//! coming back, or noise of the right loudness all fail it.

mod align;
mod gaps;
mod spectrum;

use serde::Serialize;

use crate::audio::Pcm;

use align::Window;
use spectrum::RATE;

/// Longer recordings are compared over their first three minutes only.
const MAX_MS: f64 = 180_000.0;
/// What is quieter than this all along counts as silence, dBFS.
const SILENCE_DBFS: f64 = -60.0;
/// Below this correlation something else was heard.
const SAME_SPEECH: f64 = 0.6;
/// The figures of a perfect copy would be infinite: they end here, dB.
const MAX_SNR_DB: f64 = 60.0;

/// Where to look for the speech.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// The smallest delay to consider, ms; negative if the two clocks may disagree.
    pub min_delay_ms: f64,
    /// The largest delay to consider, ms.
    pub max_delay_ms: f64,
}

impl Default for Search {
    /// Both signals on one time base: −100 ms to 1.5 s.
    fn default() -> Self {
        Self { min_delay_ms: -100.0, max_delay_ms: 1_500.0 }
    }
}

impl Search {
    /// The speech may be anywhere in the recording.
    pub fn anywhere(heard: &Pcm) -> Self {
        Self { min_delay_ms: 0.0, max_delay_ms: heard.duration_ms() }
    }
}

/// What the comparison found, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// The speech that was said was heard.
    Heard,
    /// Something was heard, but not what was said.
    Different,
    /// Nothing but silence was heard.
    Silence,
    /// Nothing was said, or too little (below 0.2 s) to recognise.
    NothingSaid,
}

/// Speech that was said but not heard.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gap {
    /// Where it begins in what was said, ms.
    pub start_ms: f64,
    /// How long it lasts, ms.
    pub length_ms: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// In one word.
    pub verdict: Verdict,
    /// Correlation coefficient of speech said and heard, 0 (unrelated) to 1 (same waveform).
    pub correlation: f64,
    /// Delay of the larger part of the speech, ms; 0 unless the verdict is [`Verdict::Heard`].
    pub delay_ms: f64,
    /// How much the delay moved during the speech (largest − smallest), ms.
    pub delay_spread_ms: f64,
    /// Level of the speech heard minus the level said, dB; 0 unless heard.
    pub level_db: f64,
    /// Speech against everything that is not a copy of it (coding noise, concealment), dB, 60 at most.
    pub snr_db: f64,
    /// Where speech is missing.
    pub gaps: Vec<Gap>,
}

impl Comparison {
    fn without_match(verdict: Verdict, correlation: f64) -> Self {
        Self {
            verdict,
            correlation,
            delay_ms: 0.0,
            delay_spread_ms: 0.0,
            level_db: 0.0,
            snr_db: snr_db(correlation),
            gaps: Vec::new(),
        }
    }

    /// The length of all gaps together, ms.
    pub fn missing_ms(&self) -> f64 {
        self.gaps.iter().fold(0.0, |sum, gap| sum + gap.length_ms)
    }
}

/// Compares `heard` with `said`. The two start at the same instant; only delays within `search`
/// are considered. Never panics, whatever the signals hold.
pub fn compare(said: &Pcm, heard: &Pcm, search: &Search) -> Comparison {
    let said = spectrum::telephone_band(&said.part(0.0, MAX_MS));
    if crate::audio::Pcm::new(RATE, said.clone()).level_dbfs() < SILENCE_DBFS {
        return Comparison::without_match(Verdict::NothingSaid, 0.0);
    }
    let windows = align::speech_windows(&said);
    if windows.is_empty() {
        return Comparison::without_match(Verdict::NothingSaid, 0.0);
    }
    let heard = spectrum::telephone_band(&heard.part(0.0, MAX_MS));
    if loudest_second_dbfs(&heard) < SILENCE_DBFS {
        return Comparison::without_match(Verdict::Silence, 0.0);
    }
    let track = align::follow(&said, &heard, &windows, search);
    let correlation = align::correlation(&track);
    if correlation < SAME_SPEECH {
        return Comparison::without_match(Verdict::Different, correlation);
    }
    let (delay_ms, delay_spread_ms) = delays(&track);
    let gain = align::gain(&track);
    Comparison {
        verdict: Verdict::Heard,
        correlation,
        delay_ms,
        delay_spread_ms,
        level_db: 20.0 * gain.max(1e-6).log10(),
        snr_db: snr_db(correlation),
        gaps: gaps::find(&said, &heard, &track, gain),
    }
}

/// The level of the loudest second: a long recording with little speech is no silence.
fn loudest_second_dbfs(samples: &[f32]) -> f64 {
    samples.chunks(RATE as usize).map(crate::audio::level_db).fold(f64::NEG_INFINITY, f64::max)
}

/// The share of a signal that is a scaled copy is r², the rest 1 − r².
fn snr_db(correlation: f64) -> f64 {
    let r2 = correlation.clamp(0.0, 1.0).powi(2);
    (10.0 * (r2.max(1e-6) / (1.0 - r2).max(1e-6)).log10()).clamp(-MAX_SNR_DB, MAX_SNR_DB)
}

/// Median delay, weighted by the energy of the speech, and its spread, ms.
fn delays(track: &[Window]) -> (f64, f64) {
    let mut sure: Vec<(f64, f64)> = track
        .iter()
        .filter(|w| w.correlation > SAME_SPEECH)
        .map(|w| (w.lag * 1000.0 / f64::from(RATE), w.said_energy))
        .collect();
    sure.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = sure.iter().map(|s| s.1).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    let median = sure.iter().find(|(_, energy)| {
        sum += energy;
        sum >= half
    });
    match (sure.first(), median, sure.last()) {
        (Some(first), Some(median), Some(last)) => (median.0, last.0 - first.0),
        _ => (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests;
