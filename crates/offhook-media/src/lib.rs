//! offhook-media: the native media engine.
//!
//! A [`Peer`] is one ICE/DTLS/SRTP peer connection with its audio path: SDP in and out, codecs, jitter buffer, sources and
//! sinks, DTMF, statistics. It knows nothing of SIP: what carries the descriptions to the far end is the caller's.
//!
//! ```no_run
//! # async fn example() -> Result<(), offhook_media::MediaError> {
//! use offhook_media::{Addresses, AudioSource, Direction, Peer, PeerConfig, ToneSpec};
//!
//! let config = || PeerConfig::new("demo").addresses(Addresses::Loopback);
//! let (caller, _caller_events) = Peer::spawn(config())?;
//! let (callee, _callee_events) = Peer::spawn(config())?;
//! let offer = caller.create_offer(Direction::SendRecv).await?;
//! let answer = callee.accept_offer(offer, Direction::SendRecv).await?;
//! caller.accept_answer(answer).await?;
//! caller.set_source(AudioSource::Tone(ToneSpec::new(440.0)));
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod audio;
mod codec;
mod config;
mod core;
#[cfg(feature = "devices")]
pub mod devices;
mod dtmf;
mod error;
mod event;
mod guard;
mod interfaces;
mod jitter;
mod offline;
mod peer;
mod reach;
mod relay;
mod sdp;
mod stats;
mod task;
mod threads;
mod timer;
mod video;

pub use audio::{
    AudioSink, AudioSource, AudioSourceFn, Mixer, PcmInput, PcmOutput, PcmReceiver, PcmSender, Recorder, Recording,
    RecordingControl, RecordingSummary, Resampler, SourceState, Tap, TapFrame, ToneSpec, WavSink, WavSource, pcm_input,
    pcm_output,
};
pub use codec::{Codec, UnknownCodec};
pub use config::{Addresses, Direction, OpusConfig, PeerConfig, Wanted};
pub use error::{MediaError, SdpRefusal, TurnError};
pub use event::{PeerEvent, PeerEvents};
pub use interfaces::{ADDRESS_POLL, local_addresses};
pub use jitter::JitterConfig;
pub use offline::{AudioEncoder, AudioReceiver, ReceiverStats};
pub use peer::{Peer, SourceId, TapId, bridge, unbridge};
pub use reach::{IceServer, TransportPolicy};
pub use stats::{
    CandidateKind, CandidatePair, DtlsState, IceState, InboundStats, OutboundStats, PeerStats, RemoteReport, VideoStats,
};
pub use video::{VideoCodec, VideoFrame, VideoSink};

/// Largest description accepted, bytes.
pub const MAX_SDP_BYTES: usize = 65_536;
