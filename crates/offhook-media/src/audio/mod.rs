//! Audio in and out of a call: sources, sinks, taps.
//!
//! All audio is mono, signed 16-bit, in frames of 20 ms at the rate of the codec in use (8 or 48 kHz). Sources
//! are asked to fill a frame at that rate; sinks are handed frames at that rate. Handles for user code
//! ([`PcmInput`], [`PcmOutput`]) convert to and from any rate.

mod level;
mod mixer;
mod music;
mod pcm;
mod resample;
mod riff;
mod source;
mod tone;
mod wav;
mod writer;

pub(crate) use level::Level;
pub use mixer::Mixer;
pub(crate) use mixer::Seat;
pub use pcm::{PcmInput, PcmOutput, PcmReceiver, PcmSender, pcm_input, pcm_output};
pub use resample::Resampler;
#[cfg(feature = "devices")]
pub(crate) use resample::convert;
pub(crate) use source::ActiveSource;
pub use source::{AudioSource, AudioSourceFn, SourceState};
#[cfg(feature = "devices")]
pub(crate) use tone::Tone;
pub use tone::ToneSpec;
pub use wav::WavSource;
pub use writer::{Recorder, Recording, RecordingControl, RecordingSummary, WavSink};

use std::time::Duration;

/// Something that hears a call. Called on the peer's task every 20 ms: it must not block. One that panics hears no more; the
/// call goes on.
pub trait AudioSink: Send {
    /// One frame of 20 ms. `sample_rate` may change between frames (another codec was negotiated).
    fn write(&mut self, sample_rate: u32, samples: &[i16]);
}

/// Both directions of a call: every 20 ms that are sent, and what is heard then.
#[derive(Debug, Clone, Copy)]
pub struct TapFrame<'a> {
    /// What we send, before encoding.
    pub local: &'a [i16],
    /// Rate of `local`, Hz.
    pub local_rate: u32,
    /// What we hear, decoded and concealed.
    pub remote: &'a [i16],
    /// Rate of `remote`, Hz.
    pub remote_rate: u32,
    /// How much earlier `remote` was heard than `local` is sent: less than 20 ms in the long run, as what is heard keeps the far
    /// end's time.
    pub remote_earlier: Duration,
}

/// Something that hears both sides of a call. Called on the peer's task every 20 ms: it must not block. One that panics hears
/// no more; the call goes on.
pub trait Tap: Send {
    /// One frame of 20 ms of each side.
    fn frame(&mut self, frame: &TapFrame<'_>);
}
