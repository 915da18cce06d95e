//! What the receive path makes of bad networks: a table, from traces of one seed in virtual time.
//!
//! `cargo run --release -p offhook-media --example quality [-- --codec opus|pcmu|g722] [--wav FOLDER]`
//!
//! `--wav` writes what was said and what was heard, for a full-reference measure (tools/score.py).

use std::path::PathBuf;
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};
use offhook_media::{
    AudioEncoder, AudioReceiver, Codec, JitterConfig, OpusConfig, ReceiverStats, Resampler, WavSource,
};
use offhook_netem::{Link, Profile, Scenario};

const SEED: u64 = 20_240_601;
const FRAME: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut codec, mut folder) = (Codec::Opus, None);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or("an option needs a value")?;
        match argument.as_str() {
            "--codec" => codec = value.parse()?,
            "--wav" => folder = Some(PathBuf::from(value)),
            other => return Err(format!("what is {other}?").into()),
        }
    }
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder)?;
    }
    println!("{codec}, frames of 20 ms, seed {SEED}; the delay of the path itself is not counted");
    println!();
    println!(
        "| trace | concealed % | silent % | recovered by FEC % | late % | mean wait ms | longest wait ms | target at the end ms |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for row in rows() {
        let stats = run(&row, codec, folder.as_deref())?;
        let share = |seconds: f64| 100.0 * seconds / stats.total_s;
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} |",
            row.name,
            share(stats.concealed_s),
            share(stats.silent_s),
            share(stats.recovered_s),
            100.0 * stats.late as f64 / stats.received.max(1) as f64,
            stats.mean_wait_ms,
            stats.longest_wait_ms,
            stats.target_ms,
        );
    }
    Ok(())
}

struct Row {
    name: String,
    profile: Profile,
    /// How much faster the sender's clock is, parts per million.
    drift: f64,
    seconds: u32,
}

fn rows() -> Vec<Row> {
    let row = |scenario: Scenario| Row { name: scenario.title, profile: scenario.profile, drift: 0.0, seconds: 60 };
    let mut rows: Vec<Row> = Scenario::all().into_iter().map(row).collect();
    for drift in [-200.0, 200.0] {
        let profile = Profile { delay: Duration::from_millis(40), ..Profile::default() };
        rows.push(Row { name: format!("sender's clock {drift:+} ppm, 10 min"), profile, drift, seconds: 600 });
    }
    rows
}

/// Speech of the demo's clips, again and again, at this rate.
fn speech(rate: u32, seconds: u32) -> Result<Vec<i16>, Box<dyn std::error::Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../offhook-cli/assets/speech-1000.wav");
    let clip = WavSource::open(path)?;
    let mut once = Vec::new();
    Resampler::new(clip.sample_rate(), rate)?.process(clip.samples(), &mut once);
    Ok(once.into_iter().cycle().take((rate * seconds) as usize).collect())
}

fn run(row: &Row, codec: Codec, folder: Option<&std::path::Path>) -> Result<ReceiverStats, Box<dyn std::error::Error>> {
    let mut encoder = AudioEncoder::new(codec, &OpusConfig::default(), 8_000)?;
    let said = speech(encoder.sample_rate(), row.seconds)?;
    let mut receiver = AudioReceiver::new(codec, JitterConfig::default())?;
    let mut link = Link::new(row.profile.clone(), SEED);
    let mut heard = Vec::with_capacity((codec.sample_rate() * row.seconds) as usize);
    let interval = FRAME.as_secs_f64() / (1.0 + row.drift / 1e6);
    // The sender is told of the loss every 2 s, as by RTCP.
    let (mut reported, mut sent) = ((0, 0), 0u64);
    let mut frames = said.chunks_exact(encoder.frame_samples()).zip(0u32..).peekable();
    for tick in 0..row.seconds * 50 {
        // The receiver's grid is not the sender's.
        let now = FRAME * tick + Duration::from_millis(7);
        while let Some((frame, n)) = frames.next_if(|(_, n)| Duration::from_secs_f64(interval * f64::from(*n)) <= now) {
            let payload = encoder.encode(frame)?;
            sent += 1;
            let size = payload.len() + 12 + 10 + 28;
            link.send(Duration::from_secs_f64(interval * f64::from(n)), size, (n, payload));
        }
        while let Some(at) = link.next().filter(|at| *at <= now) {
            if let Some((n, payload)) = link.receive(now) {
                receiver.packet(at, n as u16, n.wrapping_mul(codec.frame_ticks()), &payload);
            }
        }
        heard.extend_from_slice(receiver.frame(now));
        if tick % 100 == 99 {
            let received = receiver.stats().received;
            let share = 1.0 - (received - reported.1) as f64 / (sent - reported.0).max(1) as f64;
            encoder.loss_reported(share.clamp(0.0, 1.0))?;
            reported = (sent, received);
        }
    }
    if let Some(folder) = folder.filter(|_| row.seconds <= 60) {
        let name: String = row.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        for (what, rate, samples) in [("said", encoder.sample_rate(), &said), ("heard", codec.sample_rate(), &heard)] {
            // The clip has nothing above 4 kHz; the measure takes 8 or 16 kHz.
            let mut narrow = Vec::new();
            Resampler::new(rate, 8_000)?.process(samples, &mut narrow);
            let spec =
                WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
            let mut file = WavWriter::create(folder.join(format!("{name}.{what}.wav")), spec)?;
            narrow.iter().try_for_each(|&sample| file.write_sample(sample))?;
            file.finalize()?;
        }
    }
    Ok(receiver.stats())
}
