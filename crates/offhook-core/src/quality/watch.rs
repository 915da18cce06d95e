//! Warnings about the quality of a call: what got bad, and when it is well again.

use super::{CodecQuality, Impairment, mos};
use crate::report::StatsSample;

/// Samples in a row, one every 3 s, after which something is said to be bad, and to be well again.
const RAISED_AFTER: u8 = 3;
const CLEARED_AFTER: u8 = 2;
/// Mouth to ear and back: above it, people begin to talk at the same time (ITU-T G.114 asks for 150 ms one way, 400 ms at
/// most).
const MAX_RTT_MS: f64 = 400.0;
/// What a jitter buffer hides without a delay that is heard.
const MAX_JITTER_MS: f64 = 30.0;
/// Where loss begins to be heard with codecs that have no copies in the next packet.
const MAX_LOSS: f64 = 0.01;
/// "Many users dissatisfied" begins below it (ITU-T G.107 Annex B).
const MIN_MOS: f64 = 3.5;
/// A microphone in a room moves by more than this from one sample to the next, dB.
const MIN_MOVEMENT_DB: f64 = 0.1;
/// Below what 16 bits can hold (−90 dB is the smallest step).
const DIGITAL_SILENCE_DB: f64 = -100.0;
/// So many samples without a report of newer packets of ours and they do not arrive: receivers report every 5 s, some seconds
/// more or less (RFC 3550 §6.2).
const UNHEARD: u8 = 2;

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
    input: Judge,
    incoming: Judge,
    one_way: Judge,
    /// Level of the microphone in the last sample.
    level: Option<f64>,
    /// Packets received, lost and sent, as counted last.
    counted: [u64; 3],
    /// Packets of ours that the far end had, and for how many samples that has not changed.
    arrived: Option<(u64, u8)>,
}

/// What should be going on in a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    /// Neither side holds the call.
    pub(crate) talk: bool,
    /// The microphone should be heard: it is neither muted nor held back, and its warning is wanted.
    pub(crate) microphone: bool,
}

impl Watch {
    /// Takes a sample.
    pub(crate) fn sample(&mut self, sample: &StatsSample, expected: Expected) -> Vec<Warning> {
        let audio = &sample.audio;
        let counted = [audio.packets_received, audio.packets_lost, audio.packets_sent];
        let before = std::mem::replace(&mut self.counted, counted);
        let mut since = counted.iter().zip(before).map(|(now, before)| now.saturating_sub(before));
        let [received, lost, sent] = [(); 3].map(|()| since.next().unwrap_or(0));
        let heard = received > 0;
        let due = received.saturating_add(lost);
        let loss = (due > 0).then(|| lost as f64 / due as f64);
        let score = heard.then(|| {
            let delay_ms = sample.rtt_ms.unwrap_or(0.0) / 2.0 + audio.jitter_buffer_delay_ms + 20.0;
            mos(&Impairment { codec: CodecQuality::of(&audio.codec), loss: loss.unwrap_or(0.0), delay_ms })
        });
        // Exactly one of the two hears the other.
        let one_way = self.unheard(audio.remote_packets_received).filter(|_| sent > 0).map(|unheard| heard == unheard);
        let constant = self.constant(sample.audio_input_dbfs.filter(|_| expected.microphone));
        let mut warnings = Vec::new();
        let mut judge = |judge: &mut Judge, bad: Option<bool>, [on, off]: [Warning; 2]| {
            warnings.extend(judge.sample(bad).map(|bad| if bad { on } else { off }));
        };
        judge(&mut self.rtt, sample.rtt_ms.map(|rtt| rtt > MAX_RTT_MS), HIGH_RTT);
        judge(&mut self.jitter, audio.jitter_ms.filter(|_| heard).map(|jitter| jitter > MAX_JITTER_MS), HIGH_JITTER);
        judge(&mut self.loss, loss.map(|loss| loss > MAX_LOSS), HIGH_LOSS);
        judge(&mut self.mos, score.map(|score| score < MIN_MOS), LOW_MOS);
        judge(&mut self.input, constant, CONSTANT_LEVEL);
        judge(&mut self.incoming, expected.talk.then_some(!heard), NO_INCOMING);
        judge(&mut self.one_way, one_way.filter(|_| expected.talk), ONE_WAY);
        warnings
    }

    /// Whether the microphone gives nothing at all, or what it gave before.
    fn constant(&mut self, level: Option<f64>) -> Option<bool> {
        let before = std::mem::replace(&mut self.level, level);
        let level = level?;
        if level <= DIGITAL_SILENCE_DB {
            return Some(true);
        }
        before.map(|before| (level - before).abs() < MIN_MOVEMENT_DB)
    }

    /// Whether the far end has had nothing more of ours for some time; `None` where it says nothing of it.
    fn unheard(&mut self, arrived: Option<u64>) -> Option<bool> {
        let arrived = arrived?;
        let run = self.arrived.filter(|(last, _)| *last == arrived).map_or(0, |(_, run)| run.saturating_add(1));
        self.arrived = Some((arrived, run));
        Some(run >= UNHEARD)
    }
}

/// Whether something is bad, judged by the latest samples.
#[derive(Debug, Default)]
struct Judge {
    /// Samples in a row that say the contrary of the present judgement.
    against: u8,
    bad: bool,
}

impl Judge {
    /// Takes a sample; gives the judgement if it changed. A sample in which nothing can be said breaks the row.
    fn sample(&mut self, bad: Option<bool>) -> Option<bool> {
        self.against = if bad.is_some_and(|bad| bad != self.bad) { self.against + 1 } else { 0 };
        if self.against < if self.bad { CLEARED_AFTER } else { RAISED_AFTER } {
            return None;
        }
        self.against = 0;
        self.bad = !self.bad;
        Some(self.bad)
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
    ("high-packet-loss", "More than 1 % of the far end's packets are lost"),
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

const NO_INCOMING: [Warning; 2] = pair(
    ("no-incoming-media", "Nothing arrives from the far end"),
    ("no-incoming-media-cleared", "Something arrives from the far end again"),
);
const ONE_WAY: [Warning; 2] = pair(
    ("one-way-audio", "Only one side hears the other"),
    ("one-way-audio-cleared", "Both sides hear each other again"),
);

#[cfg(test)]
mod tests {
    use super::*;

    const TALK: Expected = Expected { talk: true, microphone: true };

    /// The `n`th sample of a good call: 150 packets each way.
    fn good(n: u64) -> StatsSample {
        let mut sample = StatsSample { rtt_ms: Some(40.0), ..StatsSample::default() };
        sample.audio.codec = "opus".to_owned();
        sample.audio.packets_received = (n + 1) * 150;
        sample.audio.packets_sent = (n + 1) * 150;
        sample.audio.remote_packets_received = Some((n + 1) * 150);
        sample.audio.jitter_ms = Some(2.0);
        sample
    }

    /// What a call of 20 samples says in which those from the 5th on are made like this.
    fn said(samples: u64, spoil: impl Fn(&mut StatsSample, u64)) -> Vec<(u64, &'static str)> {
        let mut watch = Watch::default();
        let sample = |n: u64| {
            let mut sample = good(n);
            if n >= 5 {
                spoil(&mut sample, (n - 4).min(samples));
            }
            sample
        };
        (0..20).flat_map(|n| watch.sample(&sample(n), TALK).into_iter().map(move |w| (n, w.code))).collect()
    }

    /// The same with a value that is bad in so many samples.
    fn bad(samples: u64, spoil: impl Fn(&mut StatsSample)) -> Vec<(u64, &'static str)> {
        let mut watch = Watch::default();
        let sample = |n: u64| {
            let mut sample = good(n);
            if (5..5 + samples).contains(&n) {
                spoil(&mut sample);
            }
            sample
        };
        (0..20).flat_map(|n| watch.sample(&sample(n), TALK).into_iter().map(move |w| (n, w.code))).collect()
    }

    #[test]
    fn each_value_warns_after_three_bad_samples_in_a_row_and_clears_after_two_good_ones() {
        assert_eq!(bad(0, |_| {}), []);
        for samples in [3, 6] {
            let (on, off) = (7, 6 + samples);
            assert_eq!(bad(samples, |s| s.rtt_ms = Some(401.0)), [(on, "high-rtt"), (off, "high-rtt-cleared")]);
            let jitter = bad(samples, |s| s.audio.jitter_ms = Some(31.0));
            assert_eq!(jitter, [(on, "high-jitter"), (off, "high-jitter-cleared")]);
            let far = bad(samples, |s| s.audio.jitter_buffer_delay_ms = 1_500.0);
            assert_eq!(far, [(on, "low-mos"), (off, "low-mos-cleared")]);
        }
        // Two bad samples are none; and at the threshold itself nothing is bad.
        assert_eq!(bad(2, |s| s.rtt_ms = Some(900.0)), []);
        assert_eq!(bad(9, |s| (s.rtt_ms, s.audio.jitter_ms) = (Some(400.0), Some(30.0))), []);
    }

    #[test]
    fn one_good_sample_between_bad_ones_clears_nothing() {
        let mut judge = Judge::default();
        let row = [true, true, true, false, true, false, false, true, true, false, true, true, true];
        let told: Vec<Option<bool>> = row.into_iter().map(|bad| judge.sample(Some(bad))).collect();
        let mut expected = [None; 13];
        (expected[2], expected[6], expected[12]) = (Some(true), Some(false), Some(true));
        assert_eq!(told, expected);
    }

    #[test]
    fn loss_counts_by_what_was_lost_since_the_last_sample() {
        // 2 of 152 are 1.3 %, 1 of 151 are 0.7 %.
        assert_eq!(said(4, |s, n| s.audio.packets_lost = n), []);
        let two = said(4, |s, n| s.audio.packets_lost = n * 2);
        assert_eq!(two, [(7, "high-packet-loss"), (10, "high-packet-loss-cleared")]);
    }

    #[test]
    fn a_far_end_that_sends_nothing_is_told_of_unless_the_call_is_held() {
        let stays_away = |s: &mut StatsSample, n: u64| s.audio.packets_received -= n * 150;
        let told = said(4, stays_away);
        let cleared = [(10, "no-incoming-media-cleared"), (10, "one-way-audio-cleared")];
        assert_eq!(told, [(7, "no-incoming-media"), (7, "one-way-audio"), cleared[0], cleared[1]]);
        let mut watch = Watch::default();
        let held = Expected { talk: false, microphone: false };
        for n in 0..20 {
            let mut sample = good(n);
            sample.audio.packets_received = 150;
            assert_eq!(watch.sample(&sample, held), []);
        }
    }

    #[test]
    fn a_far_end_that_hears_nothing_is_told_of_even_if_its_reports_are_slow() {
        // Its reports come with every second or third sample: no cause to worry.
        for every in [2, 3] {
            let slow = said(u64::MAX, |s, n| s.audio.remote_packets_received = Some((n / every * every + 5) * 150));
            assert_eq!(slow, [], "every {every}");
        }
        let deaf =
            said(8, |s, n| s.audio.remote_packets_received = s.audio.remote_packets_received.map(|all| all - n * 150));
        assert_eq!(deaf, [(8, "one-way-audio"), (14, "one-way-audio-cleared")]);
        // Without reports nothing is known.
        let mut watch = Watch::default();
        for n in 0..20 {
            let mut sample = good(n);
            sample.audio.remote_packets_received = None;
            assert_eq!(watch.sample(&sample, TALK), []);
        }
    }

    #[test]
    fn a_dead_microphone_is_told_of_unless_it_is_muted() {
        let mut watch = Watch::default();
        let mut n = 0;
        let mut at = |level: f64, microphone| {
            n += 1;
            let sample = StatsSample { audio_input_dbfs: Some(level), ..good(n) };
            watch.sample(&sample, Expected { talk: true, microphone }).first().map(|w| w.code)
        };
        for level in [-40.0, -38.0, -45.0, -41.0, -39.0, -44.0] {
            assert_eq!(at(level, true), None);
        }
        for _ in 0..10 {
            assert_eq!(at(f64::NEG_INFINITY, false), None, "muted");
        }
        for silence in [f64::NEG_INFINITY, -127.0] {
            assert_eq!((at(silence, true), at(silence, true)), (None, None));
            assert_eq!(at(silence, true), Some("constant-audio-input-level"));
            assert_eq!(at(silence, true), None, "once");
            assert_eq!((at(-40.0, true), at(-40.0, true), at(-38.0, true)), (None, None, None));
            assert_eq!(at(-41.0, true), Some("constant-audio-input-level-cleared"));
        }
        // A hum is no voice.
        let hum: Vec<_> = (0..4).map(|_| at(-20.0, true)).collect();
        assert_eq!(hum, [None, None, None, Some("constant-audio-input-level")]);
    }

    #[test]
    fn numbers_that_are_none_warn_of_nothing() {
        let mut watch = Watch::default();
        for n in 0..10 {
            let mut sample = StatsSample { rtt_ms: Some(f64::NAN), audio_input_dbfs: Some(f64::NAN), ..good(n) };
            sample.audio.jitter_ms = Some(f64::NAN);
            assert_eq!(watch.sample(&sample, TALK), []);
        }
    }
}
