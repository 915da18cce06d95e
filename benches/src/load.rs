//! 200 phones on one PBX, 50 calls at once, and more than it takes.
//!
//! The PBX is a process of its own; the phones are in this one, on the same machine, and take most of its processor.

use std::error::Error;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use offhook::{AudioSource, CallOptions, Phone, Session, SessionEvent, WavSource};

use crate::process::{PbxProcess, PbxSetup, password, runtime, speech, user};
use crate::table::{Table, median, quantile};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Phones that are registered.
pub(crate) const PHONES: usize = 200;
/// Calls at once, each of two of them; what the PBX takes.
pub(crate) const CALLS: usize = 50;
/// Calls that are tried above that.
const SURPLUS: usize = 20;
/// Rounds of calls: as many set-up times as rounds times calls.
const ROUNDS: usize = 4;
/// Between two calls of a round.
const PACE: Duration = Duration::from_millis(50);
/// The processor's time is measured for this long when all calls are up.
const MEASURED: Duration = Duration::from_secs(10);
/// Nothing in here takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Set-up times, what the PBX takes, and that nothing fails but what is above its capacity.
pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let pbx = PbxProcess::start(&PbxSetup { calls: CALLS, ..PbxSetup::new(PHONES) })?;
    let figures = runtime()?.block_on(run(&pbx))?;
    let calls = CALLS as f64;
    table.row(&format!("{PHONES} phones registered, all at once"), figures.registered_ms, "ms");
    table.row(
        &format!("dial → confirmed, {CALLS} calls up, median of {}", figures.setups.len()),
        median(figures.setups.clone()),
        "ms",
    );
    table.row("dial → confirmed, the same, 99 % of them", quantile(figures.setups, 0.99), "ms");
    table.row("calls that failed", figures.failed as f64, "calls");
    table.row(&format!("CPU of the PBX, {CALLS} calls, Opus passed on"), figures.cpu, "% of a core");
    table.row("CPU of the PBX a call", figures.cpu / calls, "% of a core");
    table.row(&format!("memory of the PBX, {PHONES} phones and {CALLS} calls"), figures.rss_kb / 1_000.0, "MB");
    table.row("open files of the PBX, the same", figures.files as f64, "files");
    table.row(&format!("refused with 503 of {SURPLUS} above its capacity"), figures.refused as f64, "calls");
    table.row("calls without audio after those", figures.harmed as f64, "calls");
    Ok(())
}

struct Figures {
    registered_ms: f64,
    setups: Vec<f64>,
    failed: usize,
    cpu: f64,
    rss_kb: f64,
    files: usize,
    refused: usize,
    harmed: usize,
}

async fn run(pbx: &PbxProcess) -> Result<Figures> {
    let speech = speech(8_000)?.looped();
    let clock = Instant::now();
    let phones = register(&pbx.url).await?;
    let registered_ms = ms(clock);
    for phone in phones.iter().skip(1).step_by(2) {
        answer_all(phone, &speech);
    }
    let (mut setups, mut failed, mut cpu, mut rss_kb) = (Vec::new(), 0, 0.0, 0.0);
    let (mut files, mut refused, mut harmed) = (0, 0, 0);
    for round in 0..ROUNDS {
        let tried = join_all((0..CALLS).map(|n| dial(&phones, n, &speech))).await;
        let mut calls = Vec::new();
        for tried in tried {
            match tried {
                Ok((call, took)) => {
                    calls.push(call);
                    setups.push(took);
                }
                Err(error) => {
                    eprintln!("offhook-bench: a call failed: {error}");
                    failed += 1;
                }
            }
        }
        if round + 1 == ROUNDS {
            let (before, clock) = (pbx.usage()?, Instant::now());
            tokio::time::sleep(MEASURED).await;
            let after = pbx.usage()?;
            cpu = (after.cpu_s - before.cpu_s) / clock.elapsed().as_secs_f64() * 100.0;
            rss_kb = after.rss_kb;
            files = pbx.files()?;
            refused = surplus(&phones).await?;
            harmed = silent(&calls).await?;
        }
        for ended in join_all(calls.iter().map(Session::hangup)).await {
            ended?;
        }
        // A phone makes one call a second at most.
        tokio::time::sleep(Duration::from_millis(1_000)).await;
    }
    join_all(phones.iter().map(Phone::shutdown)).await;
    Ok(Figures { registered_ms, setups, failed, cpu, rss_kb, files, refused, harmed })
}

/// All phones, registered at once.
pub(crate) async fn register(url: &str) -> Result<Vec<Phone>> {
    let connecting = (0..PHONES).map(|n| Phone::builder().server(url).user(user(n)).password(password(n)).connect());
    let mut phones = Vec::new();
    for connected in join_all(connecting).await {
        phones.push(connected?);
    }
    Ok(phones)
}

/// Answers every call of a phone, for as long as it lives.
pub(crate) fn answer_all(phone: &Phone, speech: &WavSource) {
    let (mut incoming, speech) = (phone.incoming(), speech.clone());
    tokio::spawn(async move {
        while let Some(call) = incoming.next().await {
            call.play(AudioSource::Wav(speech.clone()));
            tokio::spawn(async move {
                // It may be over already; its events are read as an application would.
                let _ = call.answer(CallOptions::default()).await;
                let mut events = call.events();
                while events.next().await.is_some() {}
            });
        }
    });
}

/// The call number `n` of a round, and how long it took to come about.
async fn dial(phones: &[Phone], n: usize, speech: &WavSource) -> std::result::Result<(Session, f64), String> {
    tokio::time::sleep(PACE * u32::try_from(n).unwrap_or(0)).await;
    let caller = phones.get(2 * n).ok_or("no such phone")?;
    let clock = Instant::now();
    let call = caller.call(user(2 * n + 1), CallOptions::default()).await.map_err(|error| error.to_string())?;
    call.confirmed().await.map_err(|error| error.to_string())?;
    let took = ms(clock);
    call.play(AudioSource::Wav(speech.clone()));
    let mut events = call.events();
    tokio::spawn(async move { while events.next().await.is_some() {} });
    Ok((call, took))
}

/// How many of the calls above its capacity the PBX refuses with 503.
async fn surplus(phones: &[Phone]) -> Result<usize> {
    let phones: Vec<&Phone> = phones.iter().skip(2 * CALLS).step_by(2).take(SURPLUS).collect();
    let tried = phones.into_iter().map(|phone| async move {
        let call = phone.call(user(0), CallOptions::default()).await?;
        let mut events = call.events();
        while let Some(event) = events.next().await {
            if let SessionEvent::Failed(failed) = event {
                return Ok(failed.code);
            }
        }
        Ok::<_, offhook::PhoneError>(None)
    });
    let codes = tokio::time::timeout(PATIENCE, join_all(tried)).await?;
    Ok(codes.into_iter().filter(|code| matches!(code, Ok(Some(503)))).count())
}

/// How many calls hear nothing new within a second.
async fn silent(calls: &[Session]) -> Result<usize> {
    let heard = async || -> Result<Vec<u64>> {
        let mut heard = Vec::new();
        for call in calls {
            heard.push(call.stats().await?.inbound.packets_received);
        }
        Ok(heard)
    };
    let before = heard().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = heard().await?;
    Ok(before.iter().zip(&after).filter(|(before, after)| after <= before).count())
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}
