//! The engine on virtual devices, in virtual time.

mod clocks;
mod coming_and_going;
mod processing;
mod sounds;

use std::f64::consts::TAU;
use std::sync::Arc;

use super::engine::Engine;
use super::*;
use crate::audio::Resampler;

/// An engine, its devices, and a call on it.
struct Bench {
    backend: VirtualBackend,
    engine: Engine,
    call: Option<Call>,
    ticks: u64,
}

struct Call {
    source: Box<dyn AudioSourceFn>,
    sink: Box<dyn AudioSink>,
    /// What the far end says from now on.
    says: Vec<i16>,
    /// What the far end hears.
    hears: Vec<i16>,
}

impl Bench {
    fn new(processing: ProcessingConfig) -> Self {
        let backend = VirtualBackend::new();
        let engine = Engine::new(Arc::new(backend.clone()), processing);
        Self { backend, engine, call: None, ticks: 0 }
    }

    fn look(&mut self) -> Vec<DeviceEvent> {
        self.engine.found(self.backend.list().unwrap());
        self.engine.take_events()
    }

    fn call(&mut self) {
        let CallAudio { source, sink } = self.engine.attach();
        let AudioSource::Custom(source) = source else { panic!("a source of another kind") };
        self.call = Some(Call { source, sink, says: Vec::new(), hears: Vec::new() });
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.backend.step(10.0);
            self.engine.tick();
            self.ticks += 1;
            let Some(call) = self.call.as_mut().filter(|_| self.ticks.is_multiple_of(2)) else { continue };
            let mut frame = [0; 2 * FRAME];
            assert_eq!(call.source.fill(RATE, &mut frame), SourceState::Playing);
            call.hears.extend(frame);
            let count = call.says.len().min(frame.len());
            frame.fill(0);
            for (slot, sample) in frame.iter_mut().zip(call.says.drain(..count)) {
                *slot = sample;
            }
            call.sink.write(RATE, &frame);
        }
    }

    fn says(&mut self, samples: &[i16]) {
        self.call.as_mut().unwrap().says.extend(samples);
    }

    fn hears(&mut self) -> Vec<i16> {
        std::mem::take(&mut self.call.as_mut().unwrap().hears)
    }

    fn used(&self, role: Role) -> Option<&str> {
        self.engine.used(role).map(|one| one.name.as_str())
    }
}

fn tone(hz: f64, rate: u32, ms: u32) -> Vec<i16> {
    let samples = u64::from(rate) * u64::from(ms) / 1_000;
    (0..samples).map(|n| (8_000.0 * (TAU * hz * n as f64 / f64::from(rate)).sin()) as i16).collect()
}

/// How much of the sound is at a frequency, 0 to 1.
fn share(samples: &[i16], hz: f64, rate: u32) -> f64 {
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let (phase, sample) = (TAU * hz * n as f64 / f64::from(rate), f64::from(sample));
        re += sample * phase.cos();
        im += sample * phase.sin();
        all += sample * sample;
    }
    if all == 0.0 { 0.0 } else { 2.0 * (re * re + im * im) / (all * samples.len() as f64) }
}

fn dbfs(samples: &[i16]) -> f64 {
    let mut level = crate::audio::Level::default();
    level.measure(samples);
    level.dbfs()
}

/// About 9 s of a voice, 48 kHz, at −20 dBFS.
fn speech(who: &str) -> Vec<i16> {
    let path = format!("{}/../offhook-cli/assets/speech-{who}.wav", env!("CARGO_MANIFEST_DIR"));
    let mut wav = hound::WavReader::open(path).unwrap();
    let samples: Vec<i16> = wav.samples::<i16>().map(Result::unwrap).collect();
    let mut out = Vec::new();
    Resampler::new(wav.spec().sample_rate, RATE).unwrap().process(&samples, &mut out);
    out
}
