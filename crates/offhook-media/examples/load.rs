//! What a call costs: CPU and memory per leg, straight between two phones and through a relaying and a transcoding PBX.
//!
//! `cargo run --release -p offhook-media --example load [PAIRS] [SECONDS]` (Linux: it reads /proc)

use std::time::{Duration, Instant};

use offhook_media::{
    Addresses, AudioSource, Codec, Direction, Peer, PeerConfig, PeerEvent, PeerEvents, WavSource, bridge,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const WAYS: [(&str, [Codec; 2], bool); 4] = [
    ("Opus, straight", [Codec::Opus, Codec::Opus], false),
    ("PCMU, straight", [Codec::Pcmu, Codec::Pcmu], false),
    ("Opus, relayed", [Codec::Opus, Codec::Opus], true),
    ("Opus to PCMA, transcoded", [Codec::Opus, Codec::Pcma], true),
];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<u64> =
        std::env::args().skip(1).map(|argument| argument.parse()).collect::<std::result::Result<_, _>>()?;
    let pairs = arguments.first().copied().unwrap_or(50);
    let seconds = arguments.get(1).copied().unwrap_or(10);
    if let Some((name, codecs, anchored)) = arguments.get(2).and_then(|&way| WAYS.get(way as usize)) {
        return measure(name, *codecs, *anchored, pairs, seconds).await;
    }
    println!("{pairs} calls, {seconds} s each\n");
    println!("| way | legs | CPU per leg, % of a core | kB per leg | offer to connected, ms (median) | heard |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    // Each in a process of its own: memory that was freed would hide what the next one takes.
    for way in 0..WAYS.len() {
        let arguments = [pairs.to_string(), seconds.to_string(), way.to_string()];
        let status = std::process::Command::new(std::env::current_exe()?).args(arguments).status()?;
        if !status.success() {
            return Err(status.to_string().into());
        }
    }
    Ok(())
}

async fn measure(name: &str, codecs: [Codec; 2], anchored: bool, calls: u64, seconds: u64) -> Result<()> {
    let memory = resident()?;
    let speech = WavSource::from_samples(16_000, speech())?.looped();
    let mut peers: Vec<(Peer, PeerEvents)> = Vec::new();
    let mut phones = Vec::new();
    let mut times = Vec::new();
    for _ in 0..calls {
        let first = peers.len();
        let [from, to] = codecs;
        if anchored {
            peers.extend([spawn(from)?, spawn(from)?, spawn(to)?, spawn(to)?]);
            times.push(connect(&mut peers, first, first + 1).await?);
            times.push(connect(&mut peers, first + 2, first + 3).await?);
            if let Some([_, (a, _), (b, _), _]) = peers.get(first..first + 4) {
                bridge(a, b);
            }
            phones.extend([first, first + 3]);
        } else {
            peers.extend([spawn(from)?, spawn(to)?]);
            times.push(connect(&mut peers, first, first + 1).await?);
            phones.extend([first, first + 1]);
        }
    }
    for (peer, _) in phones.iter().filter_map(|&index| peers.get(index)) {
        peer.set_source(AudioSource::Wav(speech.clone()));
    }
    // Jitter buffers settle and memory is what it stays.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (cpu, begin) = (cpu_time()?, Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let used = (cpu_time()? - cpu) / begin.elapsed().as_secs_f64();
    let grown = resident()?.saturating_sub(memory) as f64 / 1_024.0;
    let mut heard = 0;
    for (peer, _) in phones.iter().filter_map(|&index| peers.get(index)) {
        let stats = peer.stats().await?;
        heard += u32::from(stats.inbound.packets_received > 100 && stats.inbound.packets_lost == 0);
    }
    let legs = peers.len() as f64;
    times.sort_unstable();
    let median = times.get(times.len() / 2).map_or(0, Duration::as_millis);
    let (cpu, kilobytes, phones) = (used * 100.0 / legs, grown / legs, phones.len());
    println!("| {name} | {legs} | {cpu:.2} | {kilobytes:.0} | {median} | {heard}/{phones} |");
    Ok(())
}

fn spawn(codec: Codec) -> Result<(Peer, PeerEvents)> {
    Ok(Peer::spawn(PeerConfig::new("load").addresses(Addresses::Loopback).codecs([codec]))?)
}

async fn connect(peers: &mut [(Peer, PeerEvents)], from: usize, to: usize) -> Result<Duration> {
    let begin = Instant::now();
    let [(a, _), (b, _)] = peers.get_disjoint_mut([from, to])?;
    let offer = a.create_offer(Direction::SendRecv).await?;
    let answer = b.accept_offer(offer, Direction::SendRecv).await?;
    a.accept_answer(answer).await?;
    for index in [from, to] {
        let Some((_, events)) = peers.get_mut(index) else { continue };
        while !matches!(events.recv().await, Some(PeerEvent::Connected) | None) {}
    }
    Ok(begin.elapsed())
}

/// Syllables of a gliding voice: what makes an encoder work.
fn speech() -> Vec<i16> {
    let mut phase = 0f64;
    (0..16_000 * 4)
        .map(|n| {
            let t = f64::from(n) / 16_000.0;
            phase += std::f64::consts::TAU * (140.0 + 30.0 * (t * 5.0).sin()) / 16_000.0;
            let voice: f64 = (1..20).map(|k| (f64::from(k) * phase).sin() / f64::from(k)).sum();
            (5_000.0 * (t * 12.0).sin().max(0.0).sqrt() * voice) as i16
        })
        .collect()
}

/// CPU time of this process, s.
fn cpu_time() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("unreadable /proc/self/stat")?.1;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // USER_HZ is 100 on every Linux.
    Ok(ticks as f64 / 100.0)
}

/// Resident memory, bytes.
fn resident() -> Result<u64> {
    let pages: u64 =
        std::fs::read_to_string("/proc/self/statm")?.split_whitespace().nth(1).ok_or("unreadable statm")?.parse()?;
    Ok(pages * 4_096)
}
