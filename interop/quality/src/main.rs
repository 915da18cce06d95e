//! offhook's receiver and Chromium's on the same bad networks, as a table.
//!
//! `cargo run --release -p offhook-interop-quality [-- --codec opus|pcmu|g722] [--seconds 60] [--seed N] [--rows NAME,…]
//! [--parallel 6] [--runs 1] [--python PYTHON] [--wav FOLDER] [--json]`
//!
//! Of several runs the table has the medians.
//!
//! `--python` names one that has the package `pesq`: without it there are no scores.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::path::PathBuf;

use offhook_interop_quality::{Browser, Measured, Row, Scored, Scorer, compare, json, markdown, write_wavs};
use offhook_media::Codec;

struct Options {
    codec: Codec,
    seconds: u32,
    seed: u64,
    rows: Option<String>,
    parallel: usize,
    runs: usize,
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
    let mut runs = Vec::new();
    for number in 1..=options.runs {
        if options.runs > 1 {
            eprintln!("run {number} of {}", options.runs);
        }
        runs.push(compare(rows.clone(), options.parallel, Browser::start().await).await);
    }

    let temporary = std::env::temp_dir().join(format!("offhook-quality-wav-{}", std::process::id()));
    let folder = options.wav.as_ref().unwrap_or(&temporary);
    std::fs::create_dir_all(folder)?;
    let name = |row: &Row, run: usize, whose: usize| {
        format!("{}-{}-{}-{}", row.codec, row.scenario.name, run + 1, ["offhook", "chromium"][whose])
    };
    for (run, outcomes) in runs.iter().enumerate() {
        for (row, outcomes) in rows.iter().zip(outcomes) {
            for (whose, outcome) in outcomes.iter().enumerate() {
                let name = name(row, run, whose);
                if !outcome.is_complete() {
                    eprintln!("{name}: sound for a part of the time only, which is not counted");
                } else if row.drift == 0.0 {
                    // Of drift there is no score: it compares pieces of seconds.
                    write_wavs(folder, &name, outcome);
                }
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
    let measured: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| {
            let scored = |run: usize, whose: usize| -> Scored<'_> {
                let score = scores.as_ref().and_then(|scores| scores.get(&name(row, run, whose)).copied());
                (&runs[run][index][whose], score)
            };
            Measured { row, runs: (0..runs.len()).map(|run| [0, 1].map(|whose| scored(run, whose))).collect() }
        })
        .collect();
    if options.json {
        println!("{:#}", json(&measured));
    } else {
        let Options { codec, seconds, seed, .. } = options;
        println!("{codec}, frames of 20 ms, {seconds} s, seed {seed}, medians of {} runs\n", runs.len());
        print!("{}", markdown(&measured));
        let late = runs.iter().flatten().map(|[ours, _]| ours.lateness_ms).fold(0.0, f64::max);
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
        runs: 1,
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
            "--runs" => options.runs = value.parse::<NonZeroUsize>()?.get(),
            "--python" => options.python = value,
            "--wav" => options.wav = Some(value.into()),
            other => return Err(format!("what is {other}?").into()),
        }
    }
    Ok(options)
}
