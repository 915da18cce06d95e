//! What a run of the demo found: the data behind the report, the terminal table and `--json`.

use serde::{Serialize, Serializer};

use super::analysis::{Comparison, Gap, Verdict};
use crate::audio::Pcm;

/// The lowest correlation of speech said and heard that passes.
pub const MIN_CORRELATION: f64 = 0.9;
/// The highest correlation of what a phone hears with its own speech that passes: far above what
/// two unrelated voices have, far below an audible echo.
pub const MAX_LEAKAGE: f64 = 0.4;
/// The longest mouth-to-ear delay that passes, ms (ITU-T G.114 calls up to 400 acceptable).
pub const MAX_DELAY_MS: f64 = 400.0;
/// The largest level difference that passes, dB either way.
pub const MAX_LEVEL_DB: f64 = 3.0;
/// The most speech that may be missing in all, ms.
pub const MAX_MISSING_MS: f64 = 200.0;
/// The highest share of lost packets that passes: this is a call on loopback.
pub const MAX_LOSS: f64 = 0.01;
/// The lowest MOS that passes: "satisfied" in ITU-T G.107, annex B.
pub const MIN_MOS: f64 = 4.0;

/// Everything a run found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DemoOutcome {
    /// Whether every check passed.
    pub ok: bool,
    /// Why not: one sentence each.
    pub failures: Vec<String>,
    /// When it began, UTC, `YYYY-MM-DD hh:mm:ss`.
    pub started: String,
    /// How long it took, ms.
    pub duration_ms: u64,
    /// How the phones were connected, such as `wss · DTLS-SRTP`.
    pub transport: String,
    /// Both directions of speech.
    pub directions: Vec<DirectionResult>,
    /// What each phone was doing when.
    pub phones: Vec<PhoneTrack>,
    /// What was checked.
    pub checks: Vec<Check>,
    /// What happened, in order.
    pub events: Vec<TimedEvent>,
}

/// One direction of speech.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DirectionResult {
    /// Who spoke.
    pub from: String,
    /// Who listened.
    pub to: String,
    /// Correlation of said and heard, 0 to 1.
    #[serde(serialize_with = "three_decimals")]
    pub correlation: f64,
    /// Mouth-to-ear delay, ms.
    #[serde(serialize_with = "one_decimal")]
    pub delay_ms: f64,
    /// How much the delay moved, ms.
    #[serde(serialize_with = "one_decimal")]
    pub delay_spread_ms: f64,
    /// Level heard minus level said, dB.
    #[serde(serialize_with = "one_decimal")]
    pub level_db: f64,
    /// Speech against coding noise, dB.
    #[serde(serialize_with = "one_decimal")]
    pub snr_db: f64,
    /// What the comparison found, in one word.
    pub verdict: Verdict,
    /// Where speech is missing; times count from the start of the demo.
    pub gaps: Vec<Gap>,
    /// Correlation of what `to` heard with its own speech, 0 to 1.
    #[serde(serialize_with = "three_decimals")]
    pub leakage: f64,
    /// Share of packets lost, 0 to 1.
    #[serde(serialize_with = "four_decimals")]
    pub loss: f64,
    /// Mean jitter, ms.
    #[serde(serialize_with = "one_decimal")]
    pub jitter_ms: f64,
    /// Mean opinion score, 1 to 4.5.
    #[serde(serialize_with = "two_decimals")]
    pub mos: f64,
    /// Name of the codec.
    pub codec: String,
    /// Round-trip time, ms.
    #[serde(serialize_with = "one_decimal")]
    pub rtt_ms: f64,
    /// Quality over time.
    pub quality: Vec<QualityPoint>,
    /// What was said, from the start of the demo on.
    #[serde(skip)]
    pub said: Pcm,
    /// What was heard, on the same clock.
    #[serde(skip)]
    pub heard: Pcm,
}

impl DirectionResult {
    /// A direction with the result of the comparison; the figures from the call's reports are 0.
    pub fn new(from: &str, to: &str, said: Pcm, heard: Pcm, found: &Comparison, leakage: f64) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            correlation: found.correlation,
            delay_ms: found.delay_ms,
            delay_spread_ms: found.delay_spread_ms,
            level_db: found.level_db,
            snr_db: found.snr_db,
            verdict: found.verdict,
            gaps: found.gaps.clone(),
            leakage,
            loss: 0.0,
            jitter_ms: 0.0,
            mos: 0.0,
            codec: String::new(),
            rtt_ms: 0.0,
            quality: Vec::new(),
            said,
            heard,
        }
    }

    /// The length of all gaps together, ms.
    pub fn missing_ms(&self) -> f64 {
        self.gaps.iter().fold(0.0, |sum, gap| sum + gap.length_ms)
    }

    /// What is wrong with this direction: one sentence each, none if it passes.
    pub fn failures(&self) -> Vec<String> {
        let Self { from, to, .. } = self;
        let mut list = Vec::new();
        let mut say = |sentence: String| list.push(format!("{to} hears {from}: {sentence}"));
        match self.verdict {
            Verdict::Silence => say("nothing but silence was heard".to_owned()),
            Verdict::NothingSaid => say("nothing was said".to_owned()),
            _ if self.correlation < MIN_CORRELATION => say(format!(
                "what was heard is not what was said (correlation {:.2}, at least {MIN_CORRELATION} wanted)",
                self.correlation
            )),
            _ => {}
        }
        if self.verdict == Verdict::Heard {
            if self.level_db.abs() > MAX_LEVEL_DB {
                say(format!("the level is off by {:+.1} dB", self.level_db));
            }
            let missing = self.missing_ms();
            if missing > MAX_MISSING_MS {
                say(format!("{missing:.0} ms of speech are missing in {} gaps", self.gaps.len()));
            }
            if self.delay_ms > MAX_DELAY_MS || self.delay_ms < 0.0 {
                say(format!("the delay is {:.0} ms", self.delay_ms));
            }
        }
        if self.leakage > MAX_LEAKAGE {
            say(format!("{to} hears its own voice (correlation {:.2})", self.leakage));
        }
        if self.loss > MAX_LOSS {
            say(format!("{:.1} % of the packets were lost", self.loss * 100.0));
        }
        if self.mos < MIN_MOS {
            say(format!("the MOS is {:.2}, at least {MIN_MOS} wanted", self.mos));
        }
        list
    }
}

/// Quality at one moment of the call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct QualityPoint {
    /// When, ms from the start.
    pub at_ms: u64,
    /// Share of packets lost so far, 0 to 1.
    pub loss: f64,
    /// Jitter, ms.
    pub jitter_ms: f64,
    /// Mean opinion score, 1 to 4.5.
    pub mos: f64,
    /// Round-trip time, ms.
    pub rtt_ms: f64,
}

/// What one phone was doing when.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PhoneTrack {
    /// Its number.
    pub phone: String,
    /// States in order.
    pub states: Vec<StateSpan>,
}

/// A state and how long it lasted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateSpan {
    /// Such as `ringing`, `talking`, `on hold`.
    pub state: String,
    /// From, ms.
    pub from_ms: u64,
    /// To, ms.
    pub to_ms: u64,
}

/// Something that was checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// Whether it was right.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimedEvent {
    /// When, ms from the start.
    pub at_ms: u64,
    /// Where: the number of a phone, or `PBX`.
    pub phone: String,
    /// The event's name, as in the API.
    pub name: String,
    /// More about it, may be empty.
    pub detail: String,
    /// Whether it crossed the line to the PBX.
    pub flow: Flow,
}

/// Which way an event went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// From the phone to the PBX.
    Sent,
    /// From the PBX to the phone.
    Received,
    /// Nothing was sent.
    Local,
}

fn rounded<S: Serializer>(value: f64, decimals: i32, to: S) -> Result<S::Ok, S::Error> {
    let unit = 10_f64.powi(decimals);
    // Adding zero turns −0.0 into 0.0.
    to.serialize_f64((value * unit).round() / unit + 0.0)
}

fn one_decimal<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    rounded(*value, 1, to)
}

fn two_decimals<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    rounded(*value, 2, to)
}

fn three_decimals<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    rounded(*value, 3, to)
}

fn four_decimals<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    rounded(*value, 4, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::analysis::{Search, compare};
    use crate::demo::clips::{speech_1000, speech_1001};

    fn direction(heard: &Pcm) -> DirectionResult {
        let (said, own) = (speech_1000(), speech_1001());
        let found = compare(&said, heard, &Search::default());
        let leakage = compare(&own, heard, &Search::default()).correlation;
        DirectionResult { mos: 4.4, ..DirectionResult::new("1000", "1001", said, heard.clone(), &found, leakage) }
    }

    #[test]
    fn a_good_line_passes() {
        assert_eq!(direction(&speech_1000()).failures(), Vec::<String>::new());
    }

    #[test]
    fn silence_the_own_voice_and_a_quiet_line_fail_with_the_cause() {
        let silent = direction(&Pcm::silence(8_000, 9_000.0)).failures();
        assert!(silent[0].contains("silence"), "{silent:?}");

        let own = direction(&speech_1001()).failures().join("\n");
        assert!(own.contains("not what was said") && own.contains("own voice"), "{own}");

        let quiet = speech_1000().samples().iter().map(|s| s * 0.5).collect();
        let quiet = direction(&Pcm::new(8_000, quiet)).failures();
        assert_eq!(quiet, ["1001 hears 1000: the level is off by -6.0 dB"]);
    }

    #[test]
    fn missing_speech_loss_and_mos_fail_with_the_cause() {
        let mut samples = speech_1000().samples().to_vec();
        samples[16_000..20_000].fill(0.0);
        let mut broken = direction(&Pcm::new(8_000, samples));
        broken.loss = 0.05;
        broken.mos = 3.0;
        let text = broken.failures().join("\n");
        for part in ["speech are missing", "5.0 % of the packets", "MOS is 3.00"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn json_has_round_figures_and_no_samples() {
        let text = serde_json::to_string(&direction(&speech_1000())).expect("JSON");
        assert!(text.contains(r#""from":"1000","to":"1001","correlation":1.0"#), "{text}");
        assert!(text.len() < 600, "{}", text.len());
    }
}
