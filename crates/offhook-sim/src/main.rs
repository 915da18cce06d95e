//! `offhook-sim`: storms of calls until there were so many; stops at the first broken promise.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use offhook_sim::storm::{Plan, attempt};
use serde_json::json;

/// Simulates calls between phones on a bad network, in virtual time, until one breaks a promise.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// At least so many calls.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    calls: u64,
    /// The first storm's seed; the next storms count on from it.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// After a failure, tell every message and event of the shortest list of operations that fails.
    #[arg(long)]
    trace: bool,
    /// One JSON object on standard output, instead of words.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A failing storm is run many times to shorten it: its panics are told once, at the end.
    std::panic::set_hook(Box::new(|_| {}));
    let progress = progress_bar(arguments.calls);
    let (start, mut seed) = (Instant::now(), arguments.seed);
    let (mut calls, mut answered, mut virtual_ms, mut steps, mut hash) = (0, 0, 0, 0, 0_u64);
    while calls < arguments.calls {
        match attempt(seed, Plan { trace: arguments.trace, ..Plan::of(seed) }) {
            Ok(outcome) => {
                // Counted at both ends.
                calls += outcome.calls.div_ceil(2);
                answered += outcome.established / 2;
                virtual_ms += outcome.virtual_ms;
                steps += outcome.steps;
                hash = hash.rotate_left(5) ^ outcome.hash;
            }
            Err(why) => {
                progress.finish_and_clear();
                if arguments.json {
                    println!("{}", json!({ "clean": false, "seed": seed, "calls": calls, "failure": why }));
                } else {
                    println!("{why}");
                }
                return ExitCode::FAILURE;
            }
        }
        seed += 1;
        progress.set_position(calls.min(arguments.calls));
    }
    progress.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    let ratio = virtual_ms as f64 / 1_000.0 / seconds;
    if arguments.json {
        let told = json!({
            "clean": true, "calls": calls, "answered": answered, "storms": seed - arguments.seed, "firstSeed": arguments.seed,
            "lastSeed": seed - 1, "seconds": seconds, "virtualSeconds": virtual_ms as f64 / 1_000.0, "timesRealTime": ratio,
            "steps": steps, "trace": format!("{hash:016x}"),
        });
        println!("{told}");
    } else {
        println!(
            "{calls} calls ({answered} answered) in {} storms, seeds {} to {}: clean. {seconds:.1} s for {:.1} h of calls \
             ({ratio:.0} times real time), {steps} steps, trace {hash:016x}",
            seed - arguments.seed,
            arguments.seed,
            seed - 1,
            virtual_ms as f64 / 3_600_000.0,
        );
    }
    ExitCode::SUCCESS
}

/// On standard error, and only when that is a terminal.
fn progress_bar(calls: u64) -> ProgressBar {
    let style = "{elapsed_precise} {wide_bar} {human_pos} of {human_len} calls, {eta} to go";
    // The template is a constant; should it be none, the bar has its plain looks.
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(calls).with_style(style)
}
