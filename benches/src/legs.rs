//! Native calls through the PBX: what a phone leg costs, and how soon one hears the other.
//!
//! The PBX runs in a process of its own, so that CPU and memory here are the phones' alone: per call two phones, each
//! with its registration, its WebSocket, DTLS-SRTP, and Opus both ways with speech.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use offhook::{AudioSource, CallOptions, Phone, Session, ToneSpec, WavSource};
use offhook_pbx::{Extension, Pbx};
use tokio::net::UdpSocket;

use crate::table::{Budget, Table, median};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is said in the calls.
const SPEECH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/offhook-cli/assets/speech-1000.wav");
/// Measured for this long when all calls are up.
const MEASURED: Duration = Duration::from_secs(10);
/// Calls one after the other for the times.
const TIMED: usize = 20;

/// The PBX's side: prints its URL, and runs until its standard input is closed.
pub(crate) fn serve(extensions: usize) -> Result<()> {
    runtime()?.block_on(async {
        let mut builder = Pbx::builder();
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

/// CPU and memory a leg at 1 and 50 calls, and times from dialling, beside the floors.
pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let opus = opus_percent()?;
    let udp = runtime()?.block_on(udp_percent())?;
    for calls in [1, 50] {
        let cost = in_child(&["legs-child".to_owned(), calls.to_string()])?;
        let [cpu, memory, setup, audio] = cost[..] else { return Err("the child's figures are not four".into()) };
        table.row(&format!("CPU a phone leg, {calls} call(s)"), cpu, "% of a core");
        table.floor("bare Opus and bare UDP", opus + udp).budget(Budget::AtMost(1.5));
        table.row(&format!("memory a phone leg, {calls} call(s)"), memory, "kB").budget(Budget::AtMost(500.0));
        if calls == 1 {
            table.row("dial → confirmed, median", setup, "ms").budget(Budget::AtMost(60.0));
            table.row("dial → first decoded audio, median", audio, "ms").budget(Budget::AtMost(200.0));
        }
    }
    table.row("… of the floor: Opus, 20 ms encoded and decoded 50 times a second", opus, "% of a core");
    table.row("… of the floor: UDP, 50 datagrams a second each way", udp, "% of a core");
    Ok(())
}

/// In a fresh process, whose memory is not what an earlier measurement left: prints four figures.
pub(crate) fn child(calls: usize) -> Result<()> {
    let pbx = PbxProcess::start(calls * 2)?;
    let figures = runtime()?.block_on(async {
        let speech = WavSource::open(SPEECH)?.looped();
        let warm = pair(&pbx.url, 0, &speech).await?;
        let (times, heard) = times(&warm).await?;
        let mut pairs = vec![warm];
        let before = usage()?;
        for number in 1..calls {
            pairs.push(pair(&pbx.url, number, &speech).await?);
        }
        let mut sessions = Vec::new();
        for pair in &pairs {
            sessions.push(pair.connect().await?);
        }
        let (start, clock) = (usage()?, Instant::now());
        tokio::time::sleep(MEASURED).await;
        let (end, elapsed) = (usage()?, clock.elapsed().as_secs_f64());
        let legs = (calls * 2) as f64;
        let cpu = (end.cpu_s - start.cpu_s) / elapsed * 100.0 / legs;
        // With one call there is nothing to compare with: what the whole process takes stands for two legs.
        let memory = if calls == 1 { end.rss_kb / 2.0 } else { (end.rss_kb - before.rss_kb) / (legs - 2.0) };
        for (a, b) in &sessions {
            let status = (a.stats().await?, b.stats().await?);
            if status.0.inbound.packets_received == 0 || status.1.inbound.packets_received == 0 {
                return Err("a call without audio was measured".into());
            }
        }
        for pair in &pairs {
            pair.caller.shutdown().await;
            pair.callee.shutdown().await;
        }
        Ok::<_, Box<dyn Error>>([cpu, memory, times, heard])
    })?;
    println!("{}", figures.map(|figure| figure.to_string()).join(" "));
    Ok(())
}

struct Pair {
    caller: Phone,
    callee: Phone,
    number: String,
    /// Shared by all: what is said is not what a leg costs.
    speech: WavSource,
}

async fn pair(url: &str, number: usize, speech: &WavSource) -> Result<Pair> {
    let phone = |n: usize| Phone::builder().server(url).user(user(n)).password(password(n)).connect();
    Ok(Pair {
        caller: phone(number * 2).await?,
        callee: phone(number * 2 + 1).await?,
        number: user(number * 2 + 1),
        speech: speech.clone(),
    })
}

impl Pair {
    async fn connect(&self) -> Result<(Session, Session)> {
        let mut incoming = self.callee.incoming();
        let call = self.caller.call(&self.number, CallOptions::default()).await?;
        let theirs = incoming.next().await.ok_or("no call came")?;
        theirs.play(AudioSource::Wav(self.speech.clone()));
        theirs.answer(CallOptions::default()).await?;
        call.confirmed().await?;
        call.play(AudioSource::Wav(self.speech.clone()));
        // As an application does; what nobody reads is kept for whoever comes, up to a bound.
        for mut events in [call.events(), theirs.events()] {
            tokio::spawn(async move { while events.next().await.is_some() {} });
        }
        Ok((call, theirs))
    }
}

/// Medians of dial → confirmed and dial → first audible samples, ms.
async fn times(pair: &Pair) -> Result<(f64, f64)> {
    let (mut confirmed, mut heard) = (Vec::new(), Vec::new());
    let mut incoming = pair.callee.incoming();
    for _ in 0..TIMED {
        let dialled = Instant::now();
        let call = pair.caller.call(&pair.number, CallOptions::default()).await?;
        let mut output = call.audio_output(48_000)?;
        let theirs = incoming.next().await.ok_or("no call came")?;
        theirs.play(AudioSource::Tone(ToneSpec::new(440.0)));
        let answering = theirs.answer(CallOptions::default());
        call.confirmed().await?;
        confirmed.push(dialled.elapsed().as_secs_f64() * 1_000.0);
        answering.await?;
        let mut samples = [0_i16; 480];
        while output.read(&mut samples).await > 0 {
            if samples.iter().any(|sample| sample.unsigned_abs() > 300) {
                break;
            }
        }
        heard.push(dialled.elapsed().as_secs_f64() * 1_000.0);
        call.hangup().await?;
        theirs.ended().await;
        // The contract refuses a second call within a second.
        tokio::time::sleep(Duration::from_millis(1_050).saturating_sub(dialled.elapsed())).await;
    }
    Ok((median(confirmed), median(heard)))
}

// --- floors ---

/// What encoding and decoding speech cost by themselves, as the SDK sets the codec up.
fn opus_percent() -> Result<f64> {
    use ropus::{Application, Bitrate, Channels, DecodeMode, Decoder, Encoder, InbandFec, Signal};
    let mut encoder = Encoder::builder(48_000, Channels::Mono, Application::Voip)
        .bitrate(Bitrate::Bits(24_000))
        .complexity(5)
        .signal(Signal::Voice)
        .inband_fec(InbandFec::Enabled)
        .build()?;
    let mut decoder = Decoder::new(48_000, Channels::Mono)?;
    // 8 kHz to 48 kHz, straight lines between the samples: the codec sees the same energies.
    let narrow = WavSource::open(SPEECH)?;
    let narrow = narrow.samples();
    let at = |n: usize| f64::from(narrow.get(n % narrow.len().max(1)).copied().unwrap_or(0));
    let wide = |n: usize| at(n / 6) + (at(n / 6 + 1) - at(n / 6)) * (n % 6) as f64 / 6.0;
    let (mut packet, mut pcm) = ([0_u8; 1_500], [0_i16; 960]);
    let mut spent = Duration::ZERO;
    let frames = 2_000_u32;
    for frame in 0..frames as usize {
        let mut said = [0_i16; 960];
        for (n, sample) in said.iter_mut().enumerate() {
            *sample = wide(frame * 960 + n) as i16;
        }
        let start = Instant::now();
        let length = encoder.encode(&said, &mut packet)?;
        decoder.decode(packet.get(..length).unwrap_or(&[]), &mut pcm, DecodeMode::Normal)?;
        spent += start.elapsed();
    }
    Ok(spent.as_secs_f64() / f64::from(frames) * 50.0 * 100.0)
}

/// What the datagrams cost by themselves, sent and received on loopback.
async fn udp_percent() -> Result<f64> {
    let (a, b) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    a.connect(b.local_addr()?).await?;
    b.connect(a.local_addr()?).await?;
    let (mut buffer, datagram) = ([0_u8; 1_500], [7_u8; 120]);
    let (count, start) = (20_000_u32, usage()?);
    for _ in 0..count {
        a.send(&datagram).await?;
        b.recv(&mut buffer).await?;
    }
    Ok((usage()?.cpu_s - start.cpu_s) / f64::from(count) * 50.0 * 100.0)
}

// --- processes ---

struct PbxProcess {
    child: Child,
    url: String,
}

impl PbxProcess {
    fn start(extensions: usize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["pbx-child", &extensions.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let output = child.stdout.take().ok_or("no output of the PBX")?;
        BufReader::new(output).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }
}

impl Drop for PbxProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It stops by itself then; an error means that it has already.
        let _ = self.child.wait();
    }
}

fn in_child(arguments: &[String]) -> Result<Vec<f64>> {
    let output = Command::new(std::env::current_exe()?).args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("a measurement failed: {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?)
}

struct Usage {
    cpu_s: f64,
    rss_kb: f64,
}

/// Of this process, out of /proc (Linux).
fn usage() -> Result<Usage> {
    // Nanoseconds on a core, of each thread; utime and stime are counted in ticks of 10 ms, which work that is done every
    // 20 ms falls in step with.
    let mut cpu_s = 0.0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let schedstat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        cpu_s += schedstat.split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 1e9;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    Ok(Usage { cpu_s, rss_kb: rss.ok_or("no VmRSS")? })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn user(number: usize) -> String {
    (2_000 + number).to_string()
}

fn password(number: usize) -> String {
    format!("bench-password-{number}")
}
