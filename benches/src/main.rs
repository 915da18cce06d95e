//! Measures, and prints one table: [`USAGE`] says how. `docs/performance.md` keeps the figures.

#![forbid(unsafe_code)]

mod kill;
mod legs;
mod load;
mod process;
mod relay;
mod signalling;
mod table;

use std::process::ExitCode;

use table::Table;

/// What stands in the table.
const MEASUREMENTS: [&str; 4] = ["sip", "calls", "legs", "load"];

const USAGE: &str = "\
cargo run --release -p offhook-bench [-- sip|calls|legs|load …]
  measures these, or all, and prints one table: each row with the floor it stands on, measured in the same run; each figure
  is the median of several runs
    sip    SIP messages parsed, checked and written
    calls  calls of two agents without media
    legs   media of one call and of 50
    load   the embedded PBX with 200 phones and 50 calls

cargo run --release -p offhook-bench -- kill [SECONDS]
  kills the PBX every 20 s under load, and looks for what it had acknowledged (300 s)";

fn main() -> ExitCode {
    let which: Vec<String> = std::env::args().skip(1).collect();
    match which.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["pbx-child", ..] => return done(process::serve(which.get(1..).unwrap_or_default())),
        ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        ["kill"] => return done(kill::measure(300)),
        ["kill", seconds] => return done(kill::measure(seconds.parse().unwrap_or(300))),
        ["legs-child", calls, rate] => {
            return done(legs::child(calls.parse().unwrap_or(1), rate.parse().unwrap_or(8_000)));
        }
        ["floor-child", calls, rate] => {
            return done(legs::floor(calls.parse().unwrap_or(1), rate.parse().unwrap_or(8_000)));
        }
        _ => {}
    }
    let wanted = |name: &str| which.is_empty() || which.iter().any(|arg| arg == name);
    if let Some(unknown) = which.iter().find(|arg| !MEASUREMENTS.contains(&arg.as_str())) {
        let known = MEASUREMENTS.join(", ");
        eprintln!(
            "offhook-bench: no such measurement: {unknown} (there are: {known}, or alone: kill [SECONDS]; --help)"
        );
        return ExitCode::from(2);
    }
    let mut table = Table::default();
    if wanted("sip") {
        signalling::messages(&mut table);
    }
    if wanted("calls") {
        signalling::calls(&mut table);
    }
    let mut measured = if wanted("legs") { legs::measure(&mut table) } else { Ok(()) };
    if measured.is_ok() && wanted("load") {
        measured = load::measure(&mut table);
    }
    print!("{table}");
    done(measured)
}

fn done(result: Result<(), Box<dyn std::error::Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("offhook-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
