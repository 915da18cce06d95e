//! What is said, and what is heard.

use std::f64::consts::TAU;

use offhook_media::{AudioSource, AudioSourceFn, Peer, SourceState, Tap, TapFrame, ToneSpec};
use tokio::sync::mpsc;

use crate::support::SOON;

/// All hearing is done at this rate, Hz.
const RATE: usize = 8_000;

/// Listens to a call: to what its peer sends, and to what it hears.
pub(crate) struct Ear {
    frames: mpsc::UnboundedReceiver<Frame>,
    said: Vec<f64>,
    heard: Vec<f64>,
}

struct Frame {
    said: Vec<f64>,
    heard: Vec<f64>,
}

struct Listener(mpsc::UnboundedSender<Frame>);

impl Tap for Listener {
    fn frame(&mut self, frame: &TapFrame<'_>) {
        let said = to_rate(frame.local, frame.local_rate);
        let heard = to_rate(frame.remote, frame.remote_rate);
        let _ = self.0.send(Frame { said, heard });
    }
}

impl Ear {
    pub(crate) fn of(peer: &Peer) -> Self {
        let (sender, frames) = mpsc::unbounded_channel();
        peer.tap(Listener(sender));
        Self { frames, said: Vec::new(), heard: Vec::new() }
    }

    /// Only what comes from now on counts.
    pub(crate) fn forget(&mut self) {
        while self.frames.try_recv().is_ok() {}
        self.said.clear();
        self.heard.clear();
    }

    /// Waits until the last 200 ms heard are as wanted.
    async fn until(&mut self, what: &str, wanted: impl Fn(&[f64]) -> bool) {
        let window = RATE / 5;
        let heard = tokio::time::timeout(SOON, async {
            loop {
                self.frame().await;
                let start = self.heard.len().saturating_sub(window);
                if self.heard.len() >= window && wanted(&self.heard[start..]) {
                    return;
                }
            }
        });
        let heard = heard.await.is_ok();
        assert!(heard, "{what} was not heard");
    }

    /// Waits until a tone is heard, and nothing else.
    pub(crate) async fn hears_tone(&mut self, hz: f64) {
        self.until(&format!("a tone of {hz} Hz"), |samples| purity(samples, hz) > 0.8).await;
    }

    /// Waits until these tones are heard together, each with its part, and not that one.
    pub(crate) async fn hears_tones(&mut self, wanted: &[f64], not: f64) {
        let least = 0.6 / wanted.len() as f64;
        let fits =
            |samples: &[f64]| wanted.iter().all(|&hz| purity(samples, hz) > least) && purity(samples, not) < 0.02;
        self.until(&format!("tones of {wanted:?} Hz"), fits).await;
    }

    /// Waits until speech is heard: loud, and no tone.
    pub(crate) async fn hears_speech(&mut self) {
        let is_tone = |samples: &[f64]| (1..=30).any(|i| purity(samples, f64::from(i) * 50.0) > 0.7);
        self.until("speech", |samples| power(samples) > 1e-3 && !is_tone(samples)).await;
    }

    /// Waits until something with much power is heard in which a tone has no part.
    pub(crate) async fn hears_music_not_tone(&mut self, hz: f64) {
        self.until("music", |samples| power(samples) > 1e-4 && purity(samples, hz) < 0.1).await;
    }

    /// Waits until 300 ms of what was said come back within a second, alike to nine tenths.
    pub(crate) async fn hears_echo(&mut self) {
        let (window, most_delay) = (RATE * 3 / 10, RATE);
        let mut best = 0.0_f64;
        let echo = tokio::time::timeout(SOON, async {
            while best < 0.9 {
                let from = self.said.len();
                while self.heard.len() < from + window + most_delay {
                    self.frame().await;
                }
                let said = self.said[from..from + window].to_vec();
                let heard = self.heard[from..from + window + most_delay].to_vec();
                // Elsewhere: it takes long, and audio must not wait for it.
                let found = tokio::task::spawn_blocking(move || best_correlation(&said, &heard));
                best = best.max(found.await.expect("a number"));
            }
        });
        let heard = echo.await.is_ok();
        assert!(heard, "no echo: the best correlation was {best}");
    }

    async fn frame(&mut self) {
        let frame = tokio::time::timeout(SOON, self.frames.recv()).await.expect("no audio");
        let frame = frame.expect("the media is closed");
        self.said.extend(frame.said);
        self.heard.extend(frame.heard);
    }
}

/// The share of a tone in each channel of a recorded file, 0 to 1, its first and last half second left out.
pub(crate) fn purity_in_file(path: &std::path::Path, hz: f64) -> Vec<f64> {
    let wav = std::fs::read(path).expect("a file");
    let channels = usize::from(wav[22]);
    let rate = u32::from_le_bytes(wav[24..28].try_into().expect("four bytes"));
    let samples: Vec<i16> =
        wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes(pair.try_into().expect("two"))).collect();
    let channel = |n: usize| {
        let samples: Vec<i16> = samples.iter().copied().skip(n).step_by(channels).collect();
        let samples = to_rate(&samples, rate);
        let edge = RATE / 2;
        purity(samples.get(edge..samples.len().saturating_sub(edge)).expect("more than a second"), hz)
    };
    (0..channels).map(channel).collect()
}

/// Says a tone.
pub(crate) fn tone(hz: f64) -> AudioSource {
    AudioSource::Tone(ToneSpec::new(hz))
}

/// Says something that sounds the same at no two moments of a second: a chirp from 300 to 1500 Hz.
pub(crate) fn chirp() -> AudioSource {
    AudioSource::Custom(Box::new(Chirp { time: 0.0, phase: 0.0 }))
}

struct Chirp {
    time: f64,
    phase: f64,
}

impl AudioSourceFn for Chirp {
    fn fill(&mut self, sample_rate: u32, out: &mut [i16]) -> SourceState {
        for sample in out {
            let hz = 300.0 + 1200.0 * (self.time % 1.0);
            self.phase = (self.phase + TAU * hz / f64::from(sample_rate)) % TAU;
            self.time += 1.0 / f64::from(sample_rate);
            *sample = (8_000.0 * self.phase.sin()) as i16;
        }
        SourceState::Playing
    }
}

fn to_rate(samples: &[i16], rate: u32) -> Vec<f64> {
    let step = rate as usize / RATE;
    samples
        .chunks_exact(step)
        .map(|chunk| chunk.iter().map(|&s| f64::from(s) / 32_768.0).sum::<f64>() / step as f64)
        .collect()
}

fn power(samples: &[f64]) -> f64 {
    samples.iter().map(|s| s * s).sum::<f64>() / samples.len() as f64
}

/// The share of a frequency in the power of a sound, 0 to 1.
fn purity(samples: &[f64], hz: f64) -> f64 {
    let total = power(samples);
    if total < 1e-5 {
        return 0.0;
    }
    let (mut cos, mut sin) = (0.0, 0.0);
    for (i, sample) in samples.iter().enumerate() {
        let angle = TAU * hz * i as f64 / RATE as f64;
        cos += sample * angle.cos();
        sin += sample * angle.sin();
    }
    let n = samples.len() as f64;
    2.0 * (cos * cos + sin * sin) / (n * n) / total
}

/// The correlation of a sound with what of another is most like it.
fn best_correlation(sound: &[f64], other: &[f64]) -> f64 {
    let own = power(sound);
    other
        .windows(sound.len())
        .map(|part| {
            let (mut dot, mut square) = (0.0, 0.0);
            for (a, b) in sound.iter().zip(part) {
                dot += a * b;
                square += b * b;
            }
            let norm = (own * sound.len() as f64 * square).sqrt();
            if norm > 0.0 { dot / norm } else { 0.0 }
        })
        .fold(0.0, f64::max)
}
