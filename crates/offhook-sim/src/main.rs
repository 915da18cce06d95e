//! `offhook-sim [--calls N] [--seed S] [--trace]`: storms of calls until there were so many; stops at the first broken promise.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Instant;

use offhook_sim::storm::{Plan, attempt};

fn main() -> ExitCode {
    let (mut calls, mut seed, mut trace) = (10_000_u64, 1_u64, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--trace" {
            trace = true;
            continue;
        }
        let value = args.next().and_then(|text| text.parse().ok());
        match (arg.as_str(), value) {
            ("--calls", Some(number)) => calls = number,
            ("--seed", Some(number)) => seed = number,
            _ => {
                eprintln!("usage: offhook-sim [--calls N] [--seed S] [--trace]");
                return ExitCode::from(2);
            }
        }
    }
    // A failing storm is run many times to shorten it: its panics are told once, at the end.
    std::panic::set_hook(Box::new(|_| {}));
    let (start, first) = (Instant::now(), seed);
    let (mut done, mut established, mut virtual_ms, mut steps, mut hash) = (0, 0, 0, 0, 0_u64);
    while done < calls {
        match attempt(seed, Plan { trace, ..Plan::of(seed) }) {
            Ok(outcome) => {
                // Counted at both ends.
                done += outcome.calls.div_ceil(2);
                established += outcome.established / 2;
                virtual_ms += outcome.virtual_ms;
                steps += outcome.steps;
                hash = hash.rotate_left(5) ^ outcome.hash;
            }
            Err(why) => {
                println!("{why}");
                return ExitCode::FAILURE;
            }
        }
        seed += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{done} calls ({established} answered) in {} storms, seeds {first} to {}: clean. {:.1} s for {:.1} h of calls \
         ({:.0} times real time), {steps} steps, trace {hash:016x}",
        seed - first,
        seed - 1,
        seconds,
        virtual_ms as f64 / 3_600_000.0,
        virtual_ms as f64 / 1_000.0 / seconds
    );
    ExitCode::SUCCESS
}
