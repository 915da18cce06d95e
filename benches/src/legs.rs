//! Native calls through the PBX: what a phone leg costs, and how soon one hears the other.
//!
//! The PBX runs in a process of its own, so that CPU and memory here are the phones' alone: per call two phones, each
//! with its registration, its WebSocket, DTLS-SRTP, and Opus both ways with speech.

use std::error::Error;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use offhook::{AudioSource, CallOptions, Phone, Session, ToneSpec, WavSource};

use crate::process::{PbxProcess, PbxSetup, in_child, password, runtime, speech, usage, user};
use crate::table::{Budget, Table, median};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Measured for this long when all calls are up.
const MEASURED: Duration = Duration::from_secs(10);
/// Calls one after the other for the times.
const TIMED: usize = 20;

/// CPU and memory a leg at 1 and 50 calls, and times from dialling, beside the floors.
pub(crate) fn measure(table: &mut Table) -> Result<()> {
    for (calls, rate) in [(1, 8_000), (50, 8_000), (50, 48_000)] {
        let arguments = [calls, rate].map(|number: u32| number.to_string());
        let [cpu, memory, setup, audio] = in_child("legs-child", &arguments)?;
        let [floor] = in_child("floor-child", &arguments)?;
        let name = format!("{calls} call(s), speech at {} kHz", rate / 1_000);
        table.row(&format!("CPU a phone leg, {name}"), cpu, "% of a core");
        table.floor("bare Opus and UDP at the same pace", floor).budget(Budget::AtMost(1.5));
        if calls > 1 {
            table.row(&format!("memory a phone leg, {name}"), memory, "kB").budget(Budget::AtMost(500.0));
        } else {
            table.row("memory of the whole process, half of it, 1 call", memory, "kB");
            table.row("dial → confirmed, median", setup, "ms").budget(Budget::AtMost(60.0));
            table.row("dial → first decoded audio, median", audio, "ms").budget(Budget::AtMost(200.0));
        }
    }
    Ok(())
}

/// In a fresh process, whose memory is not what an earlier measurement left: prints four figures.
pub(crate) fn child(calls: usize, rate: u32) -> Result<()> {
    let pbx = PbxProcess::start(&PbxSetup::new(calls * 2))?;
    let figures = runtime()?.block_on(async {
        let speech = speech(rate)?.looped();
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

// --- the floor ---

/// What Opus and the datagrams cost by themselves, for as many legs, every 20 ms as in a call: an idle process that is woken
/// finds cold caches, whatever it does. In a fresh process; prints one figure.
pub(crate) fn floor(calls: usize, rate: u32) -> Result<()> {
    let speech = speech(rate)?.looped();
    let mut legs = (0..calls * 2).map(|_| BareLeg::new(&speech)).collect::<Result<Vec<_>>>()?;
    let frames = (MEASURED.as_millis() / 20) as u32;
    let (start, clock) = (usage()?, Instant::now());
    for frame in 0..frames {
        let due = Duration::from_millis(20) * frame;
        std::thread::sleep(due.saturating_sub(clock.elapsed()));
        for leg in &mut legs {
            leg.frame(frame as usize)?;
        }
    }
    let seconds = f64::from(frames) / 50.0;
    println!("{}", (usage()?.cpu_s - start.cpu_s) / seconds / legs.len() as f64 * 100.0);
    Ok(())
}

/// The codec as the SDK sets it up, and a pair of sockets.
struct BareLeg {
    encoder: ropus::Encoder,
    decoder: ropus::Decoder,
    sockets: (UdpSocket, UdpSocket),
    said: WavSource,
}

impl BareLeg {
    fn new(speech: &WavSource) -> Result<Self> {
        use ropus::{Application, Bitrate, Channels, InbandFec, Signal};
        let encoder = ropus::Encoder::builder(speech.sample_rate(), Channels::Mono, Application::Voip)
            .bitrate(Bitrate::Bits(24_000))
            .complexity(5)
            .signal(Signal::Voice)
            .inband_fec(InbandFec::Enabled)
            .packet_loss_perc(5)
            .build()?;
        let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        a.connect(b.local_addr()?)?;
        b.connect(a.local_addr()?)?;
        let decoder = ropus::Decoder::new(48_000, Channels::Mono)?;
        Ok(Self { encoder, decoder, sockets: (a, b), said: speech.clone() })
    }

    fn frame(&mut self, number: usize) -> Result<()> {
        let (mut packet, mut pcm) = ([0_u8; 1_500], [0_i16; 960]);
        let samples = self.said.sample_rate() as usize / 50;
        let said = self.said.samples().chunks_exact(samples);
        let said = said.clone().nth(number % said.len()).ok_or("no speech")?;
        let length = self.encoder.encode(said, &mut packet)?;
        self.sockets.0.send(packet.get(..length).unwrap_or(&[]))?;
        let length = self.sockets.1.recv(&mut packet)?;
        let packet = packet.get(..length).unwrap_or(&[]);
        self.decoder.decode(packet, &mut pcm, ropus::DecodeMode::Normal)?;
        Ok(())
    }
}
