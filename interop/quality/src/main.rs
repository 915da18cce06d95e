//! offhook's receiver and Chromium's on the same bad networks, as a table.
//!
//! `cargo run --release -p offhook-interop-quality [-- --codec opus|pcmu|g722] [--seconds 60] [--seed N] [--rows NAME,…]
//! [--parallel 6] [--python PYTHON] [--wav FOLDER] [--json]`
//!
//! `--python` names one that has the package `pesq`: without it there are no scores.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use offhook_interop_quality::{Browser, Row, Scorer, compare, json, markdown, write_wavs};
use offhook_media::Codec;

struct Options {
    codec: Codec,
    seconds: u32,
    seed: u64,
    rows: Option<String>,
    parallel: usize,
    python: String,
    wav: Option<PathBuf>,
    json: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let mut rows = Row::all(options.codec, options.seconds, options.seed);
    if let Some(wanted) = &options.rows {
        rows.retain(|row| wanted.split(',').any(|name| name == row.scenario.name));
    }
    let outcomes = compare(rows.clone(), options.parallel, Browser::start().await).await;

    let temporary = std::env::temp_dir().join(format!("offhook-quality-wav-{}", std::process::id()));
    let folder = options.wav.as_ref().unwrap_or(&temporary);
    std::fs::create_dir_all(folder)?;
    let name = |row: &Row, whose: &str| format!("{}-{}-{whose}", row.codec, row.scenario.name);
    // Of drift there is no score: it compares pieces of seconds.
    for (row, outcomes) in rows.iter().zip(&outcomes) {
        for (whose, outcome) in ["offhook", "chromium"].into_iter().zip(outcomes) {
            if !outcome.is_complete() {
                eprintln!(
                    "{}: {whose} gave out sound for a part of the time only: run this row again",
                    row.scenario.name
                );
            } else if row.drift == 0.0 {
                write_wavs(folder, &name(row, whose), outcome);
            }
        }
    }
    let scores = Scorer::find(&options.python).map(|scorer| scorer.scores(folder));
    if scores.is_none() {
        eprintln!(
            "no scores: {} has no package pesq (pip install pesq==0.0.4); --python names one that has",
            options.python
        );
    }
    if options.wav.is_none() {
        std::fs::remove_dir_all(folder)?;
    }
    let score = |row: &Row, whose: &str| scores.as_ref()?.get(&name(row, whose)).copied();
    let results: Vec<_> = rows
        .iter()
        .zip(&outcomes)
        .map(|(row, out)| (row, out, [score(row, "offhook"), score(row, "chromium")]))
        .collect();
    if options.json {
        println!("{:#}", json(&results));
    } else {
        println!("{}, frames of 20 ms, {} s, seed {}\n", options.codec, options.seconds, options.seed);
        print!("{}", markdown(&results));
        let late = outcomes.iter().map(|[ours, _]| ours.lateness_ms).fold(0.0, f64::max);
        println!("\nA packet was handed to both receivers up to {late:.1} ms late.");
    }
    Ok(())
}

fn options() -> Result<Options, Box<dyn std::error::Error>> {
    let mut options = Options {
        codec: Codec::Opus,
        seconds: 60,
        seed: 20_240_601,
        rows: None,
        parallel: 6,
        python: "venv/bin/python".to_owned(),
        wav: None,
        json: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--json" {
            options.json = true;
            continue;
        }
        let value = arguments.next().ok_or("an option needs a value")?;
        match argument.as_str() {
            "--codec" => options.codec = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--seed" => options.seed = value.parse()?,
            "--rows" => options.rows = Some(value),
            "--parallel" => options.parallel = value.parse()?,
            "--python" => options.python = value,
            "--wav" => options.wav = Some(value.into()),
            other => return Err(format!("what is {other}?").into()),
        }
    }
    Ok(options)
}
