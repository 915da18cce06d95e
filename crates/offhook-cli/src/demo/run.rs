//! `offhook demo`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use offhook::Phone;

use super::diary::Diary;
use super::judge::judge;
use super::live::Live;
use super::outcome::{DemoOutcome, Flow};
use super::pbx_process::{PbxProcess, describe};
use super::report;
use super::script::{Script, Stage};
use super::track::Clock;
use crate::args::DemoArgs;
use crate::audio::write_wav;
use crate::exit::{Failure, Reason};
use crate::signal::Interrupt;

/// The whole run takes at most this long, whatever happens.
const LIMIT: Duration = Duration::from_secs(60);
/// After a failure, the phones get this long to hang up.
const CLEAN_UP: Duration = Duration::from_secs(2);

/// Runs the demo, writes its files and prints its result.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let mut interrupt = Interrupt::install();
    let clock = Clock::start();
    let started = utc_now();
    let live = Arc::new(Live::new(args.json));
    let diary = Diary::new(clock, Arc::clone(&live));
    let mut stage = Stage::default();
    let mut pbx = None;

    live.head();
    let mut fatal = async {
        writable(&args.out)?;
        tokio::select! {
            result = tokio::time::timeout(LIMIT, call(clock, &diary, &live, &mut stage, &mut pbx)) => result.unwrap_or_else(|_| {
                Err(Failure::new(Reason::Timeout, format!("the demo took longer than {} s", LIMIT.as_secs())))
            }),
            () = interrupt.wait() => Err(Failure::new(Reason::Interrupted, "interrupted")),
        }
    }
    .await
    .err();
    if fatal.is_some() {
        let leaving = futures_util::future::join_all(stage.phones.iter().map(Phone::shutdown));
        // They may have lost their server: then there is nobody to say goodbye to.
        let _ = tokio::time::timeout(CLEAN_UP, leaving).await;
    }
    if let Some(pbx) = pbx {
        let stopped = pbx.stop().await;
        fatal = fatal.or(stopped.err());
    }
    live.phase(99, "comparing what was heard with what was said");
    let mut outcome = judge(stage, clock.ms(), fatal.as_ref());
    outcome.started = started;
    outcome.events = diary.events();
    let files = write_files(&args.out, &outcome);
    if let Err(failure) = &files {
        outcome.ok = false;
        // It may have been the reason why there was no call.
        if !outcome.failures.contains(&failure.to_string()) {
            outcome.failures.push(failure.to_string());
        }
    }
    live.finish(&outcome);
    if args.json {
        let line = serde_json::to_string(&outcome).map_err(|e| Failure::new(Reason::Failed, e.to_string()))?;
        crate::output::print_line(&line);
    } else if files.is_ok() {
        live.print(&format!("recordings and report: {}", args.out.join("report.html").display()));
    }
    match outcome.failures.first() {
        None => Ok(()),
        Some(first) => {
            let reason = fatal.or(files.err()).map_or(Reason::Failed, |f| f.reason());
            Err(Failure::new(reason, format!("the demo failed: {first}")))
        }
    }
}

/// Starts the PBX, which stays in `pbx` for the phones to say goodbye to, and makes the call; breaks off when the PBX ends.
async fn call(
    clock: Clock,
    diary: &Diary,
    live: &Arc<Live>,
    stage: &mut Stage,
    pbx: &mut Option<PbxProcess>,
) -> Result<(), Failure> {
    live.phase(1, "starting the PBX");
    let pbx = pbx.insert(PbxProcess::start().await?);
    diary.note("PBX", "listening", format!("{} (process {})", pbx.url, pbx.pid), Flow::Local);
    let script = Script::new(clock, diary, live, pbx);
    let watch = async {
        loop {
            match pbx.event().await {
                Ok(event) => {
                    if let Some((name, detail)) = describe(&event) {
                        diary.note("PBX", &name, detail, Flow::Local);
                    }
                }
                Err(failure) => return failure,
            }
        }
    };
    tokio::select! {
        // A PBX that died is the cause, whatever the script makes of it.
        biased;
        failure = watch => Err(failure),
        result = script.play(stage) => result,
    }
}

fn writable(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|e| {
        Failure::new(
            Reason::Media,
            format!("cannot write to {}: {e}; choose another directory with --out", dir.display()),
        )
    })
}

/// The recordings and the report.
fn write_files(dir: &Path, outcome: &DemoOutcome) -> Result<(), Failure> {
    writable(dir)?;
    for direction in &outcome.directions {
        write_wav(&dir.join(format!("{}-said.wav", direction.from)), &direction.said)?;
        write_wav(&dir.join(format!("{}-heard.wav", direction.to)), &direction.heard)?;
    }
    let path = dir.join("report.html");
    std::fs::write(&path, report::render(outcome))
        .map_err(|e| Failure::new(Reason::Media, format!("cannot write {}: {e}", path.display())))
}

/// `YYYY-MM-DD hh:mm:ss`, UTC.
fn utc_now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    utc(seconds)
}

fn utc(seconds: u64) -> String {
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02} {:02}:{:02}:{:02}", day + 1, second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn dates() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(utc(1_795_363_200 + 3_661), "2026-11-22 17:01:01");
        assert_eq!(utc(1_798_761_599), "2026-12-31 23:59:59");
    }
}
