//! Encoded video, passed through: frames in, RTP out, and back. Nothing here encodes or decodes a picture.

mod assemble;
mod packetize;

use std::fmt;

pub(crate) use assemble::Assembler;
pub(crate) use packetize::packetize;

/// RTP clock of video, Hz.
pub(crate) const CLOCK: u32 = 90_000;

/// A video codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[non_exhaustive]
pub enum VideoCodec {
    /// VP8 (RFC 6386, RFC 7741).
    Vp8,
    /// H.264, constrained baseline, packetization mode 1 (RFC 6184).
    H264,
}

impl VideoCodec {
    /// Those offered, the preferred first.
    pub(crate) const ALL: [Self; 2] = [Self::Vp8, Self::H264];

    /// Encoding name as in `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
        }
    }
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFrame {
    /// How it is encoded.
    pub codec: VideoCodec,
    /// When it was taken, in units of 1/90,000 s; wraps.
    pub timestamp: u32,
    /// Whether it can be decoded without earlier ones. Without meaning for a frame that is sent.
    pub keyframe: bool,
    /// VP8: the frame. H.264: NAL units in Annex B form, each behind a start code.
    pub data: Vec<u8>,
}

/// Takes the far end's pictures.
pub trait VideoSink: Send {
    /// The next picture, complete; the first one, and the first after a loss, is a key frame. It runs on the peer's task:
    /// return soon. One that panics gets no more; the call goes on.
    fn frame(&mut self, frame: VideoFrame);
}
