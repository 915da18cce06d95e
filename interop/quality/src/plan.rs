//! What is sent, and when which packet arrives: decided before it begins.

use std::time::Duration;

use offhook_media::{AudioEncoder, Codec, OpusConfig, Resampler, WavSource};
use offhook_netem::{Link, Profile, Scenario};

/// Speech is in frames of so long.
pub(crate) const FRAME: Duration = Duration::from_millis(20);
/// What is heard of the speech is heard while so much more comes after it.
pub(crate) const MORE: Duration = Duration::from_secs(1);
/// Between two reports of loss to the encoder, frames: 2 s, as by RTCP.
const REPORT: u32 = 100;
/// Of the clip.
const SOURCE_RATE: u32 = 8_000;

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// What the network does.
    pub scenario: Scenario,
    /// What the speech is coded in.
    pub codec: Codec,
    /// How much faster the sender's clock is, parts per million.
    pub drift: f64,
    /// How long it speaks, s.
    pub seconds: u32,
    /// Of the network's chances.
    pub seed: u64,
}

impl Row {
    /// The rows of the table: all scenarios for `seconds`, and a sender's clock that is off either way for five times that.
    pub fn all(codec: Codec, seconds: u32, seed: u64) -> Vec<Self> {
        let row = |scenario: Scenario| Self { scenario, codec, drift: 0.0, seconds, seed };
        let mut rows: Vec<Self> = Scenario::all().into_iter().map(row).collect();
        for drift in [-200.0, 200.0] {
            let name = format!("drift{drift:+}");
            let title = format!("sender's clock {drift:+} ppm");
            let profile = Profile { delay: Duration::from_millis(40), ..Profile::default() };
            rows.push(Self { drift, seconds: 5 * seconds, ..row(Scenario { name, title, profile }) });
        }
        rows
    }
}

/// A packet that arrives.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// Since the first packet was sent.
    pub(crate) at: Duration,
    pub(crate) number: u32,
    pub(crate) payload: Vec<u8>,
}

/// Everything that arrives, in its order, and what was said at 8 kHz.
pub(crate) struct Plan {
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) said: Vec<i16>,
}

impl Plan {
    pub(crate) fn make(row: &Row) -> Self {
        let Row { codec, seconds, .. } = *row;
        let clip =
            WavSource::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/offhook-cli/assets/speech-1000.wav"))
                .expect("the speech of the demo");
        let speech = |rate: u32, seconds: u32| {
            let mut once = Vec::new();
            let mut resampler = Resampler::new(clip.sample_rate(), rate).expect("rates");
            resampler.process(clip.samples(), &mut once);
            once.into_iter().cycle().take((rate * seconds) as usize).collect::<Vec<i16>>()
        };
        let mut encoder = AudioEncoder::new(codec, &OpusConfig::default(), SOURCE_RATE).expect("an encoder");
        let mut link = Link::new(row.scenario.profile.clone(), row.seed);
        let interval = FRAME.as_secs_f64() / (1.0 + row.drift / 1e6);
        let (mut arrivals, mut sent, mut reported) = (Vec::new(), 0, (0, 0));
        let mut take = |link: &mut Link<(u32, Vec<u8>)>, until: Duration| {
            while let Some(at) = link.next().filter(|at| *at <= until) {
                let (number, payload) = link.receive(at).expect("it is due");
                arrivals.push(Arrival { at, number, payload });
            }
            arrivals.len()
        };
        // Some of it is still on its way at the end.
        let spoken = speech(encoder.sample_rate(), seconds + 2 * MORE.as_secs() as u32);
        for frame in spoken.chunks_exact(encoder.frame_samples()) {
            let now = Duration::from_secs_f64(interval * f64::from(sent));
            let payload = encoder.encode(frame).expect("a frame");
            // With the headers of RTP, SRTP, UDP and IP.
            link.send(now, payload.len() + 12 + 10 + 28, (sent, payload));
            sent += 1;
            let arrived = take(&mut link, now);
            if sent % REPORT == 0 {
                let share = 1.0 - (arrived - reported.1) as f64 / f64::from(sent - reported.0);
                encoder.loss_reported(share.clamp(0.0, 1.0)).expect("a share");
                reported = (sent, arrived);
            }
        }
        take(&mut link, Duration::MAX);
        Self { arrivals, said: speech(SOURCE_RATE, seconds) }
    }
}
