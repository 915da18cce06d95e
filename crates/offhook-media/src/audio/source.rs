//! What can be sent.

use super::music::Music;
use super::pcm::PcmReceiver;
use super::tone::{Tone, ToneSpec};
use super::wav::{WavPlayer, WavSource};
use crate::guard::Guarded;

/// Whether a source has more to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// There is more.
    Playing,
    /// Nothing more will come; what was not filled is silence.
    Ended,
}

/// A source of user code. Called on the peer's task every 20 ms: it must not block. One that panics has ended; the call goes on.
pub trait AudioSourceFn: Send {
    /// Fills `out`, which holds silence, with the next samples at `sample_rate` (the codec's: 8000, 16000 or 48000 Hz).
    fn fill(&mut self, sample_rate: u32, out: &mut [i16]) -> SourceState;
}

/// What a peer sends. A source that ends is followed by silence and told by [`crate::PeerEvent::SourceEnded`].
#[derive(Default)]
#[non_exhaustive]
pub enum AudioSource {
    /// Silence, still encoded and sent, so that the path stays open and the far end sees a living stream.
    #[default]
    Silence,
    /// A tone.
    Tone(ToneSpec),
    /// A WAV file, once or looping.
    Wav(WavSource),
    /// Samples pushed through a [`crate::PcmInput`].
    Pcm(PcmReceiver),
    /// What is heard.
    Echo,
    /// Generated hold music.
    Music,
    /// What the bridged peer hears; silence while there is none. [`crate::bridge`] sets it.
    Relay,
    /// User code.
    Custom(Box<dyn AudioSourceFn>),
}

impl std::fmt::Debug for AudioSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Silence => "Silence",
            Self::Tone(_) => "Tone",
            Self::Wav(_) => "Wav",
            Self::Pcm(_) => "Pcm",
            Self::Echo => "Echo",
            Self::Music => "Music",
            Self::Relay => "Relay",
            Self::Custom(_) => "Custom",
        })
    }
}

/// A source being played.
pub(crate) enum ActiveSource {
    Silence,
    Tone(Tone),
    Wav(WavPlayer),
    Pcm(PcmReceiver),
    Echo,
    Music(Music),
    Relay,
    Custom(Guarded<dyn AudioSourceFn>),
}

impl From<AudioSource> for ActiveSource {
    fn from(source: AudioSource) -> Self {
        match source {
            AudioSource::Silence => Self::Silence,
            AudioSource::Tone(spec) => Self::Tone(Tone::new(spec)),
            AudioSource::Wav(wav) => Self::Wav(WavPlayer::new(wav)),
            AudioSource::Pcm(receiver) => Self::Pcm(receiver),
            AudioSource::Echo => Self::Echo,
            AudioSource::Music => Self::Music(Music::default()),
            AudioSource::Relay => Self::Relay,
            AudioSource::Custom(source) => Self::Custom(Guarded::new("source", source)),
        }
    }
}

impl ActiveSource {
    /// The rate its samples were made at, Hz: nothing above half of it is in them. `None` where there are none, for silence has
    /// no band, or where the caller knows.
    pub(crate) fn rate(&self) -> Option<u32> {
        match self {
            Self::Silence | Self::Relay => None,
            Self::Wav(player) => Some(player.sample_rate()),
            Self::Pcm(receiver) => Some(receiver.sample_rate()),
            Self::Tone(_) | Self::Echo | Self::Music(_) | Self::Custom(_) => Some(48_000),
        }
    }

    /// Fills a frame. `heard` is what was heard in the same 20 ms, at the same rate. `Relay` is filled by the caller.
    pub(crate) fn fill(&mut self, sample_rate: u32, heard: &[i16], out: &mut [i16]) -> SourceState {
        out.fill(0);
        match self {
            Self::Silence | Self::Relay => {}
            Self::Tone(tone) => tone.fill(sample_rate, out),
            Self::Wav(player) => return player.fill(sample_rate, out),
            Self::Pcm(receiver) => return receiver.fill(sample_rate, out),
            Self::Echo => {
                for (sample, &heard) in out.iter_mut().zip(heard) {
                    *sample = heard;
                }
            }
            Self::Music(music) => music.fill(sample_rate, out),
            Self::Custom(source) => {
                return source.run(|source| source.fill(sample_rate, out)).unwrap_or_else(|| {
                    // What it had begun with.
                    out.fill(0);
                    SourceState::Ended
                });
            }
        }
        SourceState::Playing
    }
}
