//! The `offhook` command: its subcommands, and the analysis the demo proves a call with.
//!
//! The library part exists for the command's own tests; its API is not stable.

#![forbid(unsafe_code)]

mod answer;
pub mod args;
pub mod audio;
mod call;
pub mod ctl;
pub mod demo;
mod devices;
pub mod doctor;
pub mod exit;
mod ice;
mod output;
mod pbx;
mod quality;
mod server;
mod signal;
mod sound;
mod told;
mod transfer;
mod web_phone;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use tracing_subscriber::EnvFilter;

use args::{Cli, Command, PbxCommand};
use exit::{Failure, Reason};
use output::Output;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = args::one_password(&matches)
        .and_then(|()| Cli::from_arg_matches(&matches))
        .unwrap_or_else(|error| error.format(&mut Cli::command()).exit());
    if cli.verbose || std::env::var_os("RUST_LOG").is_some() {
        log(cli.verbose);
    }
    let output = failures_to(&cli.command);
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if output == Output::Json {
                output.tell(&failure.told(), String::new);
            }
            eprintln!("offhook: {failure}");
            failure.exit_code()
        }
    }
}

/// Where a failure is told besides standard error. The commands that make calls have it in their summaries.
fn failures_to(command: &Command) -> Output {
    Output::new(match command {
        Command::Pbx(args) => args.json || matches!(&args.command, Some(PbxCommand::Ctl(ctl)) if ctl.json),
        Command::Devices(args) => args.json,
        _ => false,
    })
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Reason::Failed, format!("cannot start threads: {e}")))?;
    let result = runtime.block_on(async {
        match command {
            Command::Pbx(args) => pbx::run(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Call(args) => call::run(args).await,
            Command::Answer(args) => answer::run(args).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Devices(args) => devices::run(args).await,
        }
    });
    // A thread that reads standard input cannot be ended: do not wait for it.
    runtime.shutdown_background();
    result
}

fn log(verbose: bool) {
    let or = if verbose { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(or));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
