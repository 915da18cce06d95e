//! Microphone and loudspeakers of this machine (feature `devices`).
//!
//! [`AudioDevices`] keeps them for all calls of a program. Everything inside runs at 48 kHz, mono, in frames of 10 ms; each
//! device has a clock of its own, which a resampler follows.

mod backend;
mod drift;
mod engine;
mod handle;
mod line;
mod meter;
mod processing;
mod ring;
mod roles;
mod stream;
mod system;
#[cfg(test)]
mod tests;
mod virtual_backend;

use std::fmt;
use std::sync::Arc;

use crate::audio::{AudioSink, AudioSource, AudioSourceFn, SourceState, ToneSpec};

pub use backend::{Alarm, Backend, DeviceError, DeviceInfo, DeviceKind, InputPort, OutputPort, Stream};
pub use handle::{AudioDevices, DeviceEvents};
pub use processing::ProcessingConfig;
pub use roles::{DeviceEvent, Role};
pub use system::SystemBackend;
pub use virtual_backend::{VirtualBackend, VirtualDevice};

/// Rate inside, Hz.
const RATE: u32 = 48_000;
/// Samples of 10 ms.
const FRAME: usize = RATE as usize / 100;

/// A tone and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    pub(crate) tone: ToneSpec,
    pub(crate) duration_ms: Option<u32>,
}

impl Sound {
    /// Until it is stopped.
    pub fn endless(tone: ToneSpec) -> Self {
        Self { tone, duration_ms: None }
    }

    /// For so long, ms; at least 10.
    pub fn lasting(tone: ToneSpec, duration_ms: u32) -> Self {
        Self { tone, duration_ms: Some(duration_ms) }
    }

    /// A key's tone and the gap behind it, 100 ms each, as they are sent; a comma is a pause of 2 s.
    fn key(key: char) -> Vec<Self> {
        let pause = Self::lasting(ToneSpec::new(0.0), if key == ',' { 2_000 } else { 100 });
        let tone = ToneSpec::dtmf(key).map(|tone| Self::lasting(tone, 100));
        tone.into_iter().chain([pause]).collect()
    }
}

/// The two plugs of a call, see [`AudioDevices::attach`].
pub struct CallAudio {
    /// What the call sends: the microphone.
    pub source: AudioSource,
    /// Who hears the far end: the loudspeaker.
    pub sink: Box<dyn AudioSink>,
}

impl fmt::Debug for CallAudio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallAudio").finish_non_exhaustive()
    }
}

/// A plug, and what tells the engine that it is still in.
struct Held<T>(T, #[expect(dead_code, reason = "it is only counted")] Arc<()>);

impl<T: AudioSourceFn> AudioSourceFn for Held<T> {
    fn fill(&mut self, sample_rate: u32, out: &mut [i16]) -> SourceState {
        self.0.fill(sample_rate, out)
    }
}

impl<T: AudioSink> AudioSink for Held<T> {
    fn write(&mut self, sample_rate: u32, samples: &[i16]) {
        self.0.write(sample_rate, samples);
    }
}
