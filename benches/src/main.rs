//! `cargo run --release -p offhook-bench [-- sip|calls|legs|load]`: measures and prints one table, each row with the floor it
//! stands on, measured in the same run. Each figure is the median of several runs. `docs/performance.md` keeps the figures.
//!
//! `-- kill [SECONDS]`: the PBX is killed every 20 s under load, and what it had acknowledged is looked for (300 s).

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

fn main() -> ExitCode {
    let which: Vec<String> = std::env::args().skip(1).collect();
    match which.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["pbx-child", ..] => return done(process::serve(which.get(1..).unwrap_or_default())),
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
    let known = ["sip", "calls", "legs", "load"];
    if let Some(unknown) = which.iter().find(|arg| !known.contains(&arg.as_str())) {
        eprintln!("offhook-bench: no such measurement: {unknown} (there are: {})", known.join(", "));
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
