//! One row, with both receivers at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_media::Resampler;
use tokio::sync::Semaphore;

use crate::browser::Browser;
use crate::delay;
use crate::native::{Native, now_ms};
use crate::plan::{MORE, Plan, Row};
use crate::sender::Stream;

/// From the connection to the first packet.
const SETTLING: Duration = Duration::from_millis(300);
/// The rate at which sound is compared, Hz.
pub(crate) const NARROW: u32 = 8_000;

/// Sound as a receiver gave it out.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Hz.
    pub rate: u32,
    /// All of it, without a gap.
    pub samples: Vec<i16>,
    /// Which sample was the first of a block, and when that was given out, ms of the machine's clock.
    pub times: Vec<(usize, f64)>,
}

/// What a receiver says of itself, and what it gave out.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Packets.
    pub received: u64,
    /// Made up or silent because nothing was there, s.
    pub concealed_s: f64,
    /// How many times that began.
    pub events: u64,
    /// Mean wait of a packet or sample in the jitter buffer, by its own account, ms.
    pub waited_ms: f64,
    /// The sound.
    pub heard: Heard,
}

/// What came of a row at one receiver.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// By its own account.
    pub receiver: Receiver,
    /// Share of the speech that was made up or silent, percent.
    pub concealed_percent: f64,
    /// Mean delay of the sound from the sender's packet to the receiver's output, without the path's own delay, ms.
    pub added_ms: f64,
    /// What was said, 8 kHz.
    pub said: Vec<i16>,
    /// What was heard, 8 kHz, from when the first packet could arrive.
    pub heard: Vec<i16>,
    /// Latest that the sender of this row was, ms.
    pub lateness_ms: f64,
}

/// Runs rows through both receivers at once, so many at a time: of each, what came of it at offhook's and at Chromium's.
///
/// Everything that takes a while is done before and after, so that nothing disturbs what runs.
pub async fn compare(rows: Vec<Row>, parallel: usize, browser: Browser) -> Vec<[Outcome; 2]> {
    let plans = tokio::task::spawn_blocking(move || {
        let plan = |row: Row| (Plan::make(&row), row);
        rows.into_iter().map(plan).collect::<Vec<_>>()
    });
    let (browser, places) = (Arc::new(browser), Arc::new(Semaphore::new(parallel.max(1))));
    let mut running: Vec<_> = Vec::new();
    // The longest are the last: they begin first, and the others run beside them.
    for (plan, row) in plans.await.expect("plans").into_iter().rev() {
        let (browser, places) = (Arc::clone(&browser), Arc::clone(&places));
        running.push(tokio::spawn(async move {
            let _place = places.acquire().await.expect("it is never closed");
            eprintln!("{} …", row.scenario.title);
            Run::go(plan, row, &browser).await
        }));
    }
    let mut runs = Vec::new();
    for run in running.into_iter().rev() {
        runs.push(run.await.expect("it ran"));
    }
    drop(browser);
    let judged = tokio::task::spawn_blocking(move || runs.into_iter().map(Run::judge).collect());
    judged.await.expect("outcomes")
}

impl Outcome {
    /// Whether it gave out sound until the end. Chromium at times stops fetching it: then nothing is measured.
    pub fn is_complete(&self) -> bool {
        self.heard.len() * 20 > self.said.len() * 19
    }
}

/// A row that ran.
struct Run {
    row: Row,
    plan: Plan,
    receivers: [Receiver; 2],
    /// When the first packet was sent, ms of the machine's clock.
    start_ms: f64,
    lateness: Duration,
}

impl Run {
    async fn go(plan: Plan, row: Row, browser: &Browser) -> Self {
        let (mut ours, offer) = Stream::offer(row.codec).await;
        let (native, answer) = Native::answer(row.codec, offer).await;
        ours.answered(&answer);
        let (mut theirs, offer) = Stream::offer(row.codec).await;
        let (page, answer) = browser.answer(&offer).await;
        theirs.answered(&answer);
        tokio::join!(ours.connect(), theirs.connect());

        let (start, start_ms) = (Instant::now() + SETTLING, now_ms() + SETTLING.as_secs_f64() * 1_000.0);
        let mut lateness = Duration::ZERO;
        // The receivers are asked while packets still come: an end is no loss.
        let length = row.scenario.profile.delay + Duration::from_secs(row.seconds.into()) + MORE;
        for arrival in plan.arrivals.iter().take_while(|arrival| arrival.at < length) {
            let due = start + arrival.at;
            tokio::join!(ours.run(due), theirs.run(due));
            lateness = lateness.max(due.elapsed());
            ours.send(arrival.number, &arrival.payload);
            theirs.send(arrival.number, &arrival.payload);
        }
        let (native, page) = tokio::join!(native.end(), page.end());
        Self { row, plan, receivers: [native, page], start_ms, lateness }
    }

    fn judge(self) -> [Outcome; 2] {
        let Self { row, plan, receivers, start_ms, lateness } = self;
        receivers.map(|receiver| {
            let path_ms = row.scenario.profile.delay.as_secs_f64() * 1_000.0;
            let (heard, begins) = narrow(&receiver.heard, start_ms + path_ms);
            Outcome {
                concealed_percent: 100.0 * receiver.concealed_s
                    / (Duration::from_secs(row.seconds.into()) + MORE).as_secs_f64(),
                added_ms: begins + delay::mean(&plan.said, &heard, row.drift).unwrap_or(f64::NAN),
                said: plan.said.clone(),
                heard,
                lateness_ms: lateness.as_secs_f64() * 1_000.0,
                receiver,
            }
        })
    }
}

/// At 8 kHz from this moment on, and how much later than that it begins, ms.
fn narrow(heard: &Heard, from_ms: f64) -> (Vec<i16>, f64) {
    let rate = f64::from(heard.rate.max(1));
    // When the first sample was given out, by each block; they agree but for the machine's own delays.
    let mut firsts: Vec<f64> = heard.times.iter().map(|&(at, ms)| ms - at as f64 * 1_000.0 / rate).collect();
    firsts.sort_by(f64::total_cmp);
    let Some(&first) = firsts.get(firsts.len() / 2) else { return (Vec::new(), 0.0) };
    let skip = ((from_ms - first) * rate / 1_000.0).ceil().max(0.0);
    let rest = heard.samples.get(skip as usize..).unwrap_or_default();
    let mut samples = Vec::new();
    Resampler::new(heard.rate, NARROW).expect("rates").process(rest, &mut samples);
    (samples, first + skip * 1_000.0 / rate - from_ms)
}
