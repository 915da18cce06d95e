//! Audio codecs.

use std::fmt;
use std::str::FromStr;

/// An audio codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Codec {
    /// Opus (RFC 6716, RFC 7587), 48 kHz mono here.
    Opus,
    /// G.711 µ-law (RFC 3551), 8 kHz.
    Pcmu,
    /// G.711 A-law (RFC 3551), 8 kHz.
    Pcma,
}

impl Codec {
    /// Encoding name as in `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// RTP clock and sample rate, Hz.
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Samples in a frame of 20 ms.
    pub fn frame_samples(self) -> usize {
        (self.clock_rate() / 50) as usize
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no codec known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown codec \"{0}\": use opus, PCMU or PCMA")]
pub struct UnknownCodec(pub String);

impl FromStr for Codec {
    type Err = UnknownCodec;

    /// Case-insensitive, as RFC 8866 §6.6 wants.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Opus, Self::Pcmu, Self::Pcma]
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownCodec(text.chars().take(32).collect()))
    }
}
