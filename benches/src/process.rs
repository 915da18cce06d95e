//! Processes that are measured, and what they have taken.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use offhook::WavSource;
use offhook_media::Resampler;
use offhook_pbx::{Extension, Pbx, PbxConfig};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is said in the calls.
const SPEECH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/offhook-cli/assets/speech-1000.wav");

/// How a PBX is set up for a measurement.
pub(crate) struct PbxSetup {
    pub(crate) extensions: usize,
    /// Above, 503.
    pub(crate) calls: usize,
    /// 0: a free one.
    pub(crate) port: u16,
    /// Where it keeps its records; `None`: in memory.
    pub(crate) data: Option<PathBuf>,
}

impl PbxSetup {
    pub(crate) fn new(extensions: usize) -> Self {
        Self { extensions, calls: 500, port: 0, data: None }
    }
}

/// A PBX in a process of its own, so that what it takes is not the phones'.
pub(crate) struct PbxProcess {
    child: Child,
    pub(crate) url: String,
}

impl PbxProcess {
    pub(crate) fn start(setup: &PbxSetup) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("pbx-child")
            .args([setup.extensions, setup.calls, setup.port.into()].map(|number| number.to_string()));
        let mut child = command.args(&setup.data).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut url = String::new();
        let output = child.stdout.take().ok_or("no output of the PBX")?;
        BufReader::new(output).read_line(&mut url)?;
        if url.is_empty() {
            return Err(format!("the PBX did not start: {}", child.wait()?).into());
        }
        Ok(Self { child, url: url.trim().to_owned() })
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        usage_of(&format!("/proc/{}", self.child.id()))
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.url.rsplit(':').next()?.split('/').next()?.parse().ok()
    }

    /// Open files.
    pub(crate) fn files(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// As a power cut for this process alone: SIGKILL.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for PbxProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It stops by itself then; an error means that it has already.
        let _ = self.child.wait();
    }
}

/// The PBX's side: prints its URL, and runs until its standard input is closed.
pub(crate) fn serve(arguments: &[String]) -> Result<()> {
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<usize>().ok());
    let extensions = number(0).unwrap_or(2);
    let mut config = PbxConfig::default();
    config.limits.calls = number(1).unwrap_or(config.limits.calls);
    config.data_dir = arguments.get(3).map(PathBuf::from);
    let port = u16::try_from(number(2).unwrap_or(0))?;
    runtime()?.block_on(async {
        let mut builder = Pbx::builder().config(config).ws_port(port);
        for number in 0..extensions {
            builder = builder.extension(Extension::new(user(number), "bench", password(number)));
        }
        let pbx = builder.start().await?;
        println!("{}", pbx.ws_url().ok_or("no ws listener")?);
        tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await?;
        pbx.shutdown().await;
        Ok(())
    })
}

/// The SIP Call-IDs of all legs that the PBX has a call record of.
pub(crate) fn call_records(data: &Path) -> Result<BTreeSet<String>> {
    let database = rusqlite::Connection::open(data.join("pbx.db"))?;
    let mut rows = database.prepare("SELECT sip_call_id FROM cdr")?;
    let call_ids = rows.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(call_ids)
}

/// Runs a measurement in a fresh process, whose memory is not what an earlier one left: it prints so many figures.
pub(crate) fn in_child<const N: usize>(what: &str, arguments: &[String]) -> Result<[f64; N]> {
    let output = Command::new(std::env::current_exe()?).arg(what).args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("a measurement failed: {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let figures = text.split_whitespace().map(str::parse).collect::<std::result::Result<Vec<f64>, _>>()?;
    figures.try_into().map_err(|figures| format!("the child gave {figures:?}, not {N} figures").into())
}

/// What a process has taken.
pub(crate) struct Usage {
    pub(crate) cpu_s: f64,
    pub(crate) rss_kb: f64,
}

/// Of this process.
pub(crate) fn usage() -> Result<Usage> {
    usage_of("/proc/self")
}

/// Out of /proc (Linux).
fn usage_of(process: &str) -> Result<Usage> {
    // Nanoseconds on a core, of each thread; utime and stime are counted in ticks of 10 ms, which work that is done every
    // 20 ms falls in step with.
    let mut cpu_s = 0.0;
    let process = Path::new(process);
    for thread in std::fs::read_dir(process.join("task"))? {
        let schedstat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        cpu_s += schedstat.split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 1e9;
    }
    let status = std::fs::read_to_string(process.join("status"))?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    Ok(Usage { cpu_s, rss_kb: rss.ok_or("no VmRSS")? })
}

/// What is said, as a file at this rate would hold it.
pub(crate) fn speech(rate: u32) -> Result<WavSource> {
    let file = WavSource::open(SPEECH)?;
    let mut samples = Vec::new();
    Resampler::new(file.sample_rate(), rate)?.process(file.samples(), &mut samples);
    Ok(WavSource::from_samples(rate, samples)?)
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

pub(crate) fn user(number: usize) -> String {
    (2_000 + number).to_string()
}

pub(crate) fn password(number: usize) -> String {
    format!("bench-password-{number}")
}
