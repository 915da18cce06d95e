//! Warnings about the quality of a call: what got bad, and when it is well again.

use std::collections::VecDeque;

use super::{CodecQuality, Impairment, mos};
use crate::report::StatsSample;

/// A value is bad when it was in so many of the last [`WINDOW`] samples; one sample is taken every 3 s.
const BAD: usize = 3;
const WINDOW: usize = 5;
/// Mouth to ear and back: above it, people begin to talk at the same time (ITU-T G.114 asks for 150 ms one way, 400 ms at
/// most).
const MAX_RTT_MS: f64 = 400.0;
/// What a jitter buffer hides without a delay that is heard.
const MAX_JITTER_MS: f64 = 30.0;
/// What concealment hides of random losses.
const MAX_LOSS: f64 = 0.03;
/// "Many users dissatisfied" begins below it (ITU-T G.107 Annex B).
const MIN_MOS: f64 = 3.5;
/// A microphone in a room moves by more than this, dB, within [`WINDOW`] samples.
const MIN_MOVEMENT_DB: f64 = 0.1;

/// A warning, or the end of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
}

/// Watches the statistics of one call.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    rtt: Judge,
    jitter: Judge,
    loss: Judge,
    mos: Judge,
    levels: VecDeque<f64>,
    silent: bool,
    /// Packets received and lost, as counted last.
    counted: Option<(u64, u64)>,
}

impl Watch {
    /// Takes a sample. `sending`: the microphone is neither muted nor held back.
    pub(crate) fn sample(&mut self, sample: &StatsSample, sending: bool) -> Vec<Warning> {
        let audio = &sample.audio;
        let (received, lost) = (audio.packets_received, audio.packets_lost);
        let (before_received, before_lost) = self.counted.replace((received, lost)).unwrap_or((0, 0));
        let (received, lost) = (received.saturating_sub(before_received), lost.saturating_sub(before_lost));
        let heard = received > 0;
        let expected = received.saturating_add(lost);
        let loss = (expected > 0).then(|| lost as f64 / expected as f64);
        let score = heard.then(|| {
            let delay_ms = sample.rtt_ms.unwrap_or(0.0) / 2.0 + audio.jitter_buffer_delay_ms + 20.0;
            mos(&Impairment { codec: CodecQuality::of(&audio.codec), loss: loss.unwrap_or(0.0), delay_ms })
        });
        let mut warnings = Vec::new();
        let mut judge = |judge: &mut Judge, bad: Option<bool>, [on, off]: [Warning; 2]| {
            warnings.extend(bad.and_then(|bad| judge.sample(bad)).map(|bad| if bad { on } else { off }));
        };
        judge(&mut self.rtt, sample.rtt_ms.map(|rtt| rtt > MAX_RTT_MS), HIGH_RTT);
        judge(&mut self.jitter, audio.jitter_ms.filter(|_| heard).map(|jitter| jitter > MAX_JITTER_MS), HIGH_JITTER);
        judge(&mut self.loss, loss.map(|loss| loss > MAX_LOSS), HIGH_LOSS);
        judge(&mut self.mos, score.map(|score| score < MIN_MOS), LOW_MOS);
        warnings.extend(self.level(sample.audio_input_dbfs.filter(|_| sending)));
        warnings
    }

    /// A level that does not move at all is that of no microphone.
    fn level(&mut self, level: Option<f64>) -> Option<Warning> {
        let Some(level) = level else {
            self.levels.clear();
            return None;
        };
        self.levels.push_back(level);
        if self.levels.len() > WINDOW {
            self.levels.pop_front();
        }
        let (low, high) = self.levels.iter().fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(*x), h.max(*x)));
        // Digital silence has no level: it is as constant as can be, and infinite.
        let constant = self.levels.iter().all(|x| *x == level) || high - low < MIN_MOVEMENT_DB;
        let silent = if constant { self.silent || self.levels.len() == WINDOW } else { false };
        let [on, off] = CONSTANT_LEVEL;
        (std::mem::replace(&mut self.silent, silent) != silent).then_some(if silent { on } else { off })
    }
}

/// Whether something is bad, judged by the latest samples.
#[derive(Debug, Default)]
struct Judge {
    recent: VecDeque<bool>,
    bad: bool,
}

impl Judge {
    /// Takes a sample; gives the judgement if it changed. Bad is quickly said and slowly taken back.
    fn sample(&mut self, bad: bool) -> Option<bool> {
        self.recent.push_back(bad);
        if self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
        let count = self.recent.iter().filter(|bad| **bad).count();
        let judged = if self.bad { count > 0 } else { count >= BAD };
        (std::mem::replace(&mut self.bad, judged) != judged).then_some(judged)
    }
}

const fn pair(on: (&'static str, &'static str), off: (&'static str, &'static str)) -> [Warning; 2] {
    [Warning { code: on.0, message: on.1 }, Warning { code: off.0, message: off.1 }]
}

const HIGH_RTT: [Warning; 2] = pair(
    ("high-rtt", "The way to the far end and back takes more than 400 ms"),
    ("high-rtt-cleared", "The way to the far end and back is short again"),
);
const HIGH_JITTER: [Warning; 2] = pair(
    ("high-jitter", "Packets come more than 30 ms irregularly"),
    ("high-jitter-cleared", "Packets come regularly again"),
);
const HIGH_LOSS: [Warning; 2] = pair(
    ("high-packet-loss", "More than 3 % of the far end's packets are lost"),
    ("high-packet-loss-cleared", "The far end's packets arrive again"),
);
const LOW_MOS: [Warning; 2] = pair(
    ("low-mos", "The call sounds bad: its estimated score is below 3.5"),
    ("low-mos-cleared", "The call sounds well again"),
);
const CONSTANT_LEVEL: [Warning; 2] = pair(
    ("constant-audio-input-level", "The microphone gives no sound, or always the same"),
    ("constant-audio-input-level-cleared", "The microphone gives sound again"),
);

#[cfg(test)]
mod tests {
    use super::*;

    /// The `n`th sample of a good call: 150 packets each.
    fn good(n: u64) -> StatsSample {
        let mut sample = StatsSample { rtt_ms: Some(40.0), ..StatsSample::default() };
        sample.audio.codec = "opus".to_owned();
        sample.audio.packets_received = (n + 1) * 150;
        sample.audio.jitter_ms = Some(2.0);
        sample
    }

    /// The codes of what a call says in which every sample is made bad by this, from the 5th to the 9th.
    fn codes(spoil: impl Fn(&mut StatsSample, u64)) -> Vec<(u64, &'static str)> {
        let mut watch = Watch::default();
        let sample = |n: u64| {
            let mut sample = good(n);
            if (5..10).contains(&n) {
                spoil(&mut sample, n);
            }
            sample
        };
        (0..30).flat_map(|n| watch.sample(&sample(n), true).into_iter().map(move |w| (n, w.code))).collect()
    }

    #[test]
    fn each_value_warns_after_three_bad_samples_and_clears_when_the_last_five_are_good() {
        assert_eq!(codes(|_, _| {}), []);
        assert_eq!(codes(|s, _| s.rtt_ms = Some(450.0)), [(7, "high-rtt"), (14, "high-rtt-cleared")]);
        assert_eq!(codes(|s, _| s.audio.jitter_ms = Some(31.0)), [(7, "high-jitter"), (14, "high-jitter-cleared")]);
        let far = codes(|s, _| s.audio.jitter_buffer_delay_ms = 1_500.0);
        assert_eq!(far, [(7, "low-mos"), (14, "low-mos-cleared")]);
    }

    #[test]
    fn loss_counts_by_what_was_lost_since_the_last_sample() {
        let mut watch = Watch::default();
        let mut said = Vec::new();
        let mut lost = 0;
        for n in 0..30 {
            lost += if (5..10).contains(&n) { 6 } else { 0 };
            let mut sample = good(n);
            sample.audio.packets_lost = lost;
            said.extend(watch.sample(&sample, true).into_iter().map(|w| (n, w.code)));
        }
        assert_eq!(said, [(7, "high-packet-loss"), (14, "high-packet-loss-cleared")]);
    }

    #[test]
    fn a_dead_microphone_is_told_of_unless_it_is_muted() {
        let mut watch = Watch::default();
        let mut at = |level: f64, sending| {
            let sample = StatsSample { audio_input_dbfs: Some(level), ..StatsSample::default() };
            watch.sample(&sample, sending).first().map(|w| w.code)
        };
        for level in [-40.0, -38.0, -45.0, -41.0, -39.0, -44.0] {
            assert_eq!(at(level, true), None);
        }
        for _ in 0..10 {
            assert_eq!(at(f64::NEG_INFINITY, false), None, "muted");
        }
        for _ in 0..4 {
            assert_eq!(at(f64::NEG_INFINITY, true), None);
        }
        assert_eq!(at(f64::NEG_INFINITY, true), Some("constant-audio-input-level"));
        assert_eq!(at(f64::NEG_INFINITY, true), None, "once");
        assert_eq!(at(-40.0, true), Some("constant-audio-input-level-cleared"));
    }

    #[test]
    fn numbers_that_are_none_warn_of_nothing() {
        let mut watch = Watch::default();
        for _ in 0..10 {
            let mut sample = StatsSample { rtt_ms: Some(f64::NAN), ..StatsSample::default() };
            sample.audio.jitter_ms = Some(f64::NAN);
            assert_eq!(watch.sample(&sample, true), []);
        }
    }
}
