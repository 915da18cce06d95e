//! Two peers on loopback, and what one hears of the other.
#![allow(dead_code, unreachable_pub, reason = "each test file is a crate that uses a part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use offhook_media::*;
use tokio::time::timeout;

/// Longest wait for anything: a failure, not a rhythm.
pub const LIMIT: Duration = Duration::from_secs(10);

pub struct End {
    pub peer: Peer,
    pub events: PeerEvents,
}

impl End {
    pub fn new(codecs: &[Codec]) -> Self {
        let config = PeerConfig::new("test").addresses(Addresses::Loopback).codecs(codecs.iter().copied());
        let (peer, events) = Peer::spawn(config).expect("loopback can be bound");
        Self { peer, events }
    }

    /// Waits for an event, passing over others.
    pub async fn wait<T>(&mut self, mut pick: impl FnMut(&PeerEvent) -> Option<T>) -> T {
        let found = timeout(LIMIT, async {
            while let Some(event) = self.events.recv().await {
                if let Some(found) = pick(&event) {
                    return found;
                }
            }
            panic!("the peer closed");
        });
        found.await.expect("the event comes in time")
    }

    pub async fn connected(&mut self) {
        self.wait(|event| matches!(event, PeerEvent::Connected).then_some(())).await;
    }

    pub async fn dtmf(&mut self) -> (char, u32) {
        self.wait(|event| match event {
            PeerEvent::Dtmf { tone, duration_ms } => Some((*tone, *duration_ms)),
            _ => None,
        })
        .await
    }
}

/// Negotiates two ends and waits until both are connected.
pub async fn connect(a: &mut End, b: &mut End) {
    negotiate(a, b, Direction::SendRecv, Direction::SendRecv).await;
    a.connected().await;
    b.connected().await;
}

/// Waits until an end hears at such a level, dBFS: how long that takes is the machine's affair.
pub async fn level(end: &End, wanted: impl Fn(f64) -> bool) {
    let mut last = 0.0;
    let heard = timeout(LIMIT, async {
        loop {
            last = end.peer.stats().await.expect("open").inbound.level_dbfs;
            if wanted(last) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    if heard.await.is_err() {
        panic!("heard at {last} dBFS");
    }
}

/// Waits until an end has received so many packets.
pub async fn packets(end: &End, count: u64) {
    timeout(LIMIT, async {
        while end.peer.stats().await.expect("open").inbound.packets_received < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the packets come in time");
}

/// One offer of `a` and the answer of `b`; gives both texts.
pub async fn negotiate(a: &End, b: &End, offered: Direction, wanted: Direction) -> (String, String) {
    let offer = a.peer.create_offer(offered).await.expect("offer");
    let answer = b.peer.accept_offer(offer.clone(), wanted).await.expect("answer");
    a.peer.accept_answer(answer.clone()).await.expect("answer is taken");
    (offer, answer)
}

/// A sweep with gaps: it correlates with itself at one delay only.
pub fn speech(rate: u32, seconds: f64) -> Vec<i16> {
    let mut phase = 0f64;
    (0..(f64::from(rate) * seconds) as usize)
        .map(|n| {
            let t = n as f64 / f64::from(rate);
            phase += std::f64::consts::TAU * (250.0 + 900.0 * ((t * 0.7).sin() * 0.5 + 0.5)) / f64::from(rate);
            let envelope = (std::f64::consts::PI * (t * 3.1).fract()).sin();
            (9_000.0 * envelope * phase.sin()) as i16
        })
        .collect()
}

/// Keeps what is heard.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<(u32, Vec<i16>)>>);

impl AudioSink for Heard {
    fn write(&mut self, sample_rate: u32, samples: &[i16]) {
        let mut heard = self.0.lock().expect("no panic under the lock");
        if heard.0 != sample_rate {
            *heard = (sample_rate, Vec::new());
        }
        heard.1.extend_from_slice(samples);
    }
}

impl Heard {
    pub fn listen(end: &End) -> Self {
        let heard = Self::default();
        end.peer.set_sink(Some(Box::new(heard.clone())));
        heard
    }

    /// What was heard so far, at `rate`.
    pub fn at(&self, rate: u32) -> Vec<i16> {
        let heard = self.0.lock().expect("no panic under the lock");
        let mut out = Vec::new();
        if heard.0 != 0 {
            Resampler::new(heard.0, rate).expect("a codec's rate").process(&heard.1, &mut out);
        }
        out
    }

    /// Waits until this much was heard.
    pub async fn seconds(&self, seconds: f64) {
        timeout(LIMIT, async {
            loop {
                {
                    let heard = self.0.lock().expect("no panic under the lock");
                    if heard.1.len() as f64 >= f64::from(heard.0.max(1)) * seconds {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("audio is heard in time");
    }
}

/// Rate at which what was said and heard are compared, Hz: high enough that the delay need not be a whole sample.
pub const RATE: u32 = 16_000;

/// How alike what was heard is to what was said: the median, over pieces of a quarter of a second, of the largest normalised
/// correlation within delays of up to half a second, at [`RATE`]. Piece by piece, because the delay changes where the machine
/// stalls and the receiver waits longer from then on.
pub fn correlation(said: &[i16], heard: &[i16]) -> f64 {
    const DELAYS: usize = RATE as usize / 2;
    const PIECE: usize = RATE as usize / 4;
    let product =
        |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum::<i64>() as f64;
    let alike = |said: &[i16], heard: &[i16]| {
        let energy = product(said, said);
        heard
            .windows(PIECE)
            .map(|heard| product(said, heard) / (energy * product(heard, heard)).sqrt().max(1.0))
            .fold(0.0, f64::max)
    };
    let mut pieces: Vec<f64> = said
        .chunks_exact(PIECE)
        .enumerate()
        .take(6)
        .map_while(|(n, said)| Some(alike(said, heard.get(n * PIECE..(n + 1) * PIECE + DELAYS)?)))
        .collect();
    assert!(pieces.len() >= 2, "too little was heard: {} samples", heard.len());
    pieces.sort_by(f64::total_cmp);
    pieces[(pieces.len() - 1) / 2]
}

pub fn wav(samples: &[i16], rate: u32) -> AudioSource {
    AudioSource::Wav(WavSource::from_samples(rate, samples.to_vec()).expect("rate"))
}
