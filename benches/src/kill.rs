//! The PBX is killed under load again and again: what it had acknowledged must be there, and all phones must come back.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use offhook::{AudioSource, CallOptions, Phone, WavSource};

use crate::load::{CALLS, PHONES, register};
use crate::process::{PbxProcess, PbxSetup, call_records, runtime, speech, user};
use crate::relay::{self, Witness};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Between two kills.
const EVERY: Duration = Duration::from_secs(20);
/// A call talks for so long, and every call a little longer than the one before.
const TALK: Duration = Duration::from_millis(1_500);
/// For all phones to be back after the last start.
const BACK: Duration = Duration::from_secs(60);

/// What happened to the calls.
#[derive(Default)]
struct Tally {
    made: AtomicUsize,
    confirmed: AtomicUsize,
    stop: AtomicBool,
}

/// Runs for so many seconds; an error if anything that was acknowledged is lost, or a phone does not come back.
pub(crate) fn measure(seconds: u64) -> Result<()> {
    let data = std::env::temp_dir().join(format!("offhook-kill-{}", std::process::id()));
    let result = runtime()?.block_on(run(seconds, &data));
    std::fs::remove_dir_all(&data)?;
    result
}

async fn run(seconds: u64, data: &std::path::Path) -> Result<()> {
    let mut setup = PbxSetup { data: Some(data.to_owned()), ..PbxSetup::new(PHONES) };
    let mut pbx = PbxProcess::start(&setup)?;
    setup.port = pbx.port().ok_or("the PBX says no port")?;
    let witness = Witness::default();
    let phones = register(&relay::start(setup.port, witness.clone()).await?).await?;
    let (tally, speech) = (Arc::new(Tally::default()), speech(8_000)?.looped());
    let pairs: Vec<_> =
        (0..CALLS).map(|n| tokio::spawn(pair(phones.clone(), n, speech.clone(), Arc::clone(&tally)))).collect();

    let (begun, mut kills, mut back) = (Instant::now(), 0, Vec::new());
    while begun.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(EVERY).await;
        pbx.kill()?;
        kills += 1;
        pbx = PbxProcess::start(&setup)?;
        let clock = Instant::now();
        let missing = all_back(&phones).await;
        if missing > 0 {
            return Err(format!("{missing} phones did not come back within {} s", BACK.as_secs()).into());
        }
        back.push(clock.elapsed().as_secs_f64());
    }
    tally.stop.store(true, Ordering::Relaxed);
    join_all(pairs).await;
    let recorded = call_records(data)?;
    let acknowledged = witness.acknowledged();
    let lost: BTreeSet<_> = acknowledged.difference(&recorded).collect();
    let (made, confirmed) = (tally.made.load(Ordering::Relaxed), tally.confirmed.load(Ordering::Relaxed));
    println!(
        "killed {kills} times in {} s: {made} calls made, {confirmed} confirmed, {} BYEs acknowledged, {} of them without a \
         record; {} phones back after {:.1} s (median; {:.1} s at most)",
        begun.elapsed().as_secs(),
        acknowledged.len(),
        lost.len(),
        phones.len(),
        crate::table::median(back.clone()),
        back.iter().copied().fold(0.0, f64::max),
    );
    join_all(phones.iter().map(Phone::shutdown)).await;
    drop(pbx);
    if acknowledged.is_empty() {
        return Err("no BYE was acknowledged: nothing was measured".into());
    }
    if lost.is_empty() {
        Ok(())
    } else {
        Err(format!("{} records lost, of the calls {:?} …", lost.len(), lost.iter().take(3).collect::<Vec<_>>()).into())
    }
}

/// How many phones are not registered when the time for it is over.
async fn all_back(phones: &[Phone]) -> usize {
    let missing = || phones.iter().filter(|phone| !phone.is_registered()).count();
    let until = Instant::now() + BACK;
    // A phone notices that its connection is gone a moment after the PBX is.
    tokio::time::sleep(Duration::from_millis(200)).await;
    while missing() > 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    missing()
}

/// Two phones that call one another until it is enough; in every other pair the one that is called hangs up.
async fn pair(phones: Vec<Phone>, n: usize, speech: WavSource, tally: Arc<Tally>) {
    let (Some(caller), Some(callee)) = (phones.get(2 * n), phones.get(2 * n + 1)) else { return };
    let callee_ends = n % 2 == 1;
    let mut talk = TALK + Duration::from_millis(137) * u32::try_from(n).unwrap_or(0);
    let mut incoming = callee.incoming();
    let answering = tokio::spawn({
        let speech = speech.clone();
        async move {
            while let Some(call) = incoming.next().await {
                call.play(AudioSource::Wav(speech.clone()));
                // The PBX may be killed at any moment.
                if call.answer(CallOptions::default()).await.is_ok() && callee_ends {
                    tokio::time::sleep(TALK).await;
                    let _ = call.hangup().await;
                }
            }
        }
    });
    while !tally.stop.load(Ordering::Relaxed) {
        talk += Duration::from_millis(61);
        let clock = Instant::now();
        if let Ok(call) = caller.call(user(2 * n + 1), CallOptions::default()).await {
            tally.made.fetch_add(1, Ordering::Relaxed);
            if tokio::time::timeout(Duration::from_secs(5), call.confirmed()).await.is_ok_and(|done| done.is_ok()) {
                tally.confirmed.fetch_add(1, Ordering::Relaxed);
                call.play(AudioSource::Wav(speech.clone()));
                let _ = tokio::time::timeout(talk, call.ended()).await;
            }
            let _ = call.hangup().await;
        }
        tokio::time::sleep(Duration::from_millis(1_050).saturating_sub(clock.elapsed())).await;
    }
    answering.abort();
}
