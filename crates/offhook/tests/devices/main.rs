//! Phones with microphones and loudspeakers, virtual ones, at the embedded PBX.

mod audio;
mod tones;

use std::f64::consts::TAU;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use offhook::devices::{AudioDevices, DeviceKind, ProcessingConfig, VirtualBackend, VirtualDevice};
use offhook::{Phone, PhoneBuilder};
use offhook_pbx::Pbx;

/// A guard against hanging, far above what anything takes.
const PATIENCE: Duration = Duration::from_secs(20);
const RATE: u32 = 48_000;

/// A PBX, and a machine with two microphones and three loudspeakers.
struct Bench {
    pbx: Pbx,
    backend: VirtualBackend,
    microphone: VirtualDevice,
    other_microphone: VirtualDevice,
    speaker: VirtualDevice,
    bell: VirtualDevice,
    devices: AudioDevices,
    stop: Arc<AtomicBool>,
}

impl Bench {
    async fn new() -> Self {
        let backend = VirtualBackend::new();
        let microphone = backend.plug(DeviceKind::Input, "microphone");
        let other_microphone = backend.plug(DeviceKind::Input, "other microphone");
        let speaker = backend.plug(DeviceKind::Output, "speaker");
        let bell = backend.plug(DeviceKind::Output, "bell");
        let stop = Arc::new(AtomicBool::new(false));
        let (clock, until) = (backend.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            let (start, mut passed) = (Instant::now(), 0.0);
            while !until.load(Ordering::Relaxed) {
                let now = start.elapsed().as_secs_f64() * 1_000.0;
                clock.step(now - passed);
                passed = now;
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let devices =
            AudioDevices::with(Arc::new(backend.clone()), ProcessingConfig::none()).expect("virtual devices open");
        let pbx = Pbx::builder().start().await.expect("the PBX starts");
        Self { pbx, backend, microphone, other_microphone, speaker, bell, devices, stop }
    }

    fn builder(&self, user: &str) -> PhoneBuilder {
        let url = self.pbx.ws_url().expect("a ws port");
        Phone::builder().server(url).user(user).password(format!("secret-{user}"))
    }

    /// A phone with the devices.
    async fn phone(&self, user: &str) -> Phone {
        soon(self.builder(user).devices(self.devices.clone()).connect()).await.expect("registers")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

fn tone(hz: f64, seconds: u32) -> Vec<i16> {
    (0..seconds * RATE).map(|n| (8_000.0 * (TAU * hz * f64::from(n) / f64::from(RATE)).sin()) as i16).collect()
}

/// Waits until a loudspeaker has played 200 ms of these frequencies and little else.
async fn plays(speaker: &VirtualDevice, frequencies: &[f64]) {
    listen(speaker, |level, share| level > 100.0 && share > 0.8, frequencies).await;
}

/// Waits until a loudspeaker has played 200 ms of silence, or is closed.
async fn falls_silent(speaker: &VirtualDevice) {
    soon(async {
        while speaker.is_open() {
            let piece = piece(speaker, 9_600).await;
            if piece.iter().all(|sample| sample.abs() < 20) {
                return;
            }
        }
    })
    .await;
}

async fn listen(speaker: &VirtualDevice, wanted: impl Fn(f64, f64) -> bool, frequencies: &[f64]) {
    let _ = speaker.played();
    soon(async {
        loop {
            let piece = piece(speaker, 9_600).await;
            let level = (piece.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / piece.len().max(1) as f64).sqrt();
            let share = frequencies.iter().map(|hz| share(&piece, *hz)).sum();
            if wanted(level, share) {
                return;
            }
        }
    })
    .await;
}

/// So much of what is played, or what there is when it is closed, which may be nothing.
async fn piece(speaker: &VirtualDevice, samples: usize) -> Vec<i16> {
    let mut piece = Vec::new();
    while piece.len() < samples {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let played = speaker.played();
        if played.is_empty() && !speaker.is_open() {
            break;
        }
        piece.extend(played);
    }
    piece
}

fn share(samples: &[i16], hz: f64) -> f64 {
    let (mut re, mut im, mut all) = (0.0, 0.0, 1e-9);
    for (n, &sample) in samples.iter().enumerate() {
        let (phase, sample) = (TAU * hz * n as f64 / f64::from(RATE), f64::from(sample));
        re += sample * phase.cos();
        im += sample * phase.sin();
        all += sample * sample;
    }
    2.0 * (re * re + im * im) / (all * samples.len() as f64)
}
