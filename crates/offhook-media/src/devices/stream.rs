//! The engine's ends of an open device: at 48 kHz and our clock on this side, at the device's on the other.

use std::sync::Arc;

use super::backend::{DeviceInfo, Health, InputPort, OutputPort, Stream};
use super::drift::{Advice, Drift};
use super::ring::{Reader, Writer, ring};
use super::{FRAME, RATE};
use crate::audio::Resampler;

/// What a device's queue holds at most, ms.
const QUEUE_MS: u32 = 500;
/// A device that does not call back for so many frames has stalled: 1.5 s.
const STALLED: u32 = 150;

/// Watches that a device goes on.
#[derive(Debug)]
struct Watch {
    health: Arc<Health>,
    calls: usize,
    still: u32,
}

impl Watch {
    fn new(health: Arc<Health>) -> Self {
        Self { health, calls: 0, still: 0 }
    }

    /// Every frame: why it does not go on.
    fn look(&mut self) -> Option<&'static str> {
        let calls = self.health.calls();
        self.still = if calls == self.calls { self.still + 1 } else { 0 };
        self.calls = calls;
        match self.still {
            _ if self.health.has_failed() => Some("it ended"),
            STALLED.. => Some("it stands still"),
            _ => None,
        }
    }
}

/// A device that is open, with our end of its queue.
#[derive(Debug)]
pub(super) struct Open<End> {
    pub(super) device: DeviceInfo,
    ring: End,
    rate: u32,
    watch: Watch,
    drift: Drift,
    convert: Resampler,
    /// At the rate that is wanted: what is not taken yet of a microphone, a loudspeaker's frame.
    converted: Vec<i16>,
    /// The queue fills before the first sample is taken, and after it ran dry.
    filling: bool,
    pub(super) dry: u64,
    _stream: Stream,
}

/// A microphone that is open.
pub(super) type Capture = Open<Reader>;
/// A loudspeaker that is open.
pub(super) type Playback = Open<Writer>;

/// What a device is opened with, and the engine's end of it.
pub(super) fn input_port(rate: u32) -> (InputPort, Reader, Arc<Health>) {
    let (writer, reader) = ring(samples(rate, QUEUE_MS));
    let health = Arc::new(Health::default());
    (InputPort { ring: writer, health: Arc::clone(&health) }, reader, health)
}

/// As [`input_port`].
pub(super) fn output_port(rate: u32) -> (OutputPort, Writer, Arc<Health>) {
    let (writer, reader) = ring(samples(rate, QUEUE_MS));
    let health = Arc::new(Health::default());
    (OutputPort { ring: reader, health: Arc::clone(&health), piece: [0; 64] }, writer, health)
}

impl<End> Open<End> {
    fn with(
        device: DeviceInfo,
        rate: u32,
        (ring, health): (End, Arc<Health>),
        stream: Stream,
        convert: Resampler,
    ) -> Self {
        Self {
            device,
            ring,
            rate,
            watch: Watch::new(health),
            drift: Drift::default(),
            convert,
            converted: Vec::with_capacity(4 * FRAME),
            filling: true,
            dry: 0,
            _stream: stream,
        }
    }

    /// Why it does not go on, if so.
    pub(super) fn trouble(&mut self) -> Option<&'static str> {
        self.watch.look()
    }
}

impl Capture {
    /// `None` for a rate that no device has.
    pub(super) fn new(device: DeviceInfo, rate: u32, ends: (Reader, Arc<Health>), stream: Stream) -> Option<Self> {
        Some(Self::with(device, rate, ends, stream, Resampler::adjustable(rate, RATE).ok()?))
    }

    /// The next 10 ms.
    pub(super) fn pull(&mut self, out: &mut [i16; FRAME]) {
        out.fill(0);
        let waiting = self.waiting_ms();
        let period = ms(self.watch.health.period(), self.rate);
        if self.filling {
            if waiting < Drift::target(period).max(10.0) || self.watch.health.calls() == 0 {
                return;
            }
            self.filling = false;
            self.drift.restart();
        }
        match self.drift.measure(waiting, period) {
            Advice::Trim(ppm) => self.convert.set_trim(ppm),
            Advice::Skip(keep) => self.ring.keep(samples(self.rate, keep as u32)),
        }
        let mut piece = [0; 64];
        while self.converted.len() < FRAME {
            let count = self.ring.read(&mut piece);
            if count == 0 {
                self.filling = true;
                self.dry += 1;
                break;
            }
            self.convert.process(piece.get(..count).unwrap_or(&[]), &mut self.converted);
        }
        let count = self.converted.len().min(FRAME);
        for (slot, sample) in out.iter_mut().zip(self.converted.drain(..count)) {
            *slot = sample;
        }
    }

    /// What waits to be taken.
    pub(super) fn waiting_ms(&self) -> f64 {
        ms(self.ring.len(), self.rate) + ms(self.converted.len(), RATE)
    }
}

impl Playback {
    /// `None` for a rate that no device has.
    pub(super) fn new(device: DeviceInfo, rate: u32, ends: (Writer, Arc<Health>), stream: Stream) -> Option<Self> {
        Some(Self::with(device, rate, ends, stream, Resampler::adjustable(RATE, rate).ok()?))
    }

    /// The next 10 ms to be heard.
    pub(super) fn push(&mut self, frame: &[i16; FRAME]) {
        let period = ms(self.watch.health.period(), self.rate);
        if self.ring.len() == 0 && !self.filling {
            self.dry += 1;
            self.filling = true;
        }
        if self.filling {
            // How much a callback takes is known only after the first: until then, what is always wanted.
            let silence = samples(self.rate, Drift::target(period) as u32).saturating_sub(self.ring.len());
            self.ring.write(std::iter::repeat_n(0, silence));
            self.filling = self.watch.health.calls() == 0;
            self.drift.restart();
        }
        match self.drift.measure(self.waiting_ms(), period) {
            Advice::Trim(ppm) => self.convert.set_trim(ppm),
            // The device will have caught up before long.
            Advice::Skip(_) => return,
        }
        self.converted.clear();
        self.convert.process(frame, &mut self.converted);
        self.ring.write(self.converted.iter().copied());
    }

    /// What waits to be heard.
    pub(super) fn waiting_ms(&self) -> f64 {
        ms(self.ring.len(), self.rate)
    }
}

fn ms(samples: usize, rate: u32) -> f64 {
    samples as f64 * 1_000.0 / f64::from(rate)
}

fn samples(rate: u32, ms: u32) -> usize {
    (u64::from(rate) * u64::from(ms) / 1_000) as usize
}
