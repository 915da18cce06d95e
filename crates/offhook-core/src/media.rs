//! What a call asks of its peer connection, and what it hears from it.
//!
//! Commands of one call are carried out in order. A command with a `request` is answered by exactly one event with the
//! same `request`, unless [`MediaCommand::Rollback`] or [`MediaCommand::Close`] came after it: then an answer may come or
//! not, and is not waited for.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::CallOptions;
use crate::report::StatsSample;

/// In which direction media flows, from this side's point of view (RFC 3264 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// We send only.
    SendOnly,
    /// We receive only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// From whether we send and whether we receive.
    #[must_use]
    pub fn new(send: bool, receive: bool) -> Self {
        match (send, receive) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether this side sends.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether this side receives.
    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same seen from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// The attribute's name, `sendrecv` …
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// Which answer belongs to which command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaRequest(pub u64);

/// Which early dialog of a forked call an answer belongs to (RFC 3261 §12.1).
pub type EarlyDialog = offhook_sip::EarlyId;

/// A remote stream, named by the media driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct StreamId(pub u64);

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TrackKind {
    /// Audio.
    Audio,
    /// Video.
    Video,
}

/// What a call asks of its peer connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaCommand {
    /// Make the peer connection and begin to open the local media. The first command of a call.
    Open {
        /// What the call was made or answered with.
        options: CallOptions,
    },
    /// Make a local offer (with gathered candidates). Answer: [`MediaEvent::LocalDescription`].
    CreateOffer {
        /// To answer with.
        request: MediaRequest,
        /// Direction of the audio.
        direction: Direction,
        /// Direction of the video; `None`: none. A video part that there was is given up then.
        video: Option<Direction>,
        /// With new ICE credentials (RFC 8445 §9).
        ice_restart: bool,
    },
    /// Apply a remote offer and make the answer. Answer: [`MediaEvent::LocalDescription`].
    AcceptOffer {
        /// To answer with.
        request: MediaRequest,
        /// The remote offer.
        sdp: String,
        /// Direction of the audio in our answer.
        direction: Direction,
        /// Direction of the video in it; `None` refuses a video part. It is refused as well if there is no codec in common.
        video: Option<Direction>,
    },
    /// Apply the remote answer to our offer. Answer: [`MediaEvent::Applied`].
    AcceptAnswer {
        /// To answer with.
        request: MediaRequest,
        /// The remote answer.
        sdp: String,
        /// It belongs to this early dialog, and other early dialogs may bring other answers to the same offer
        /// (provisional answer). `None`: it is final.
        early: Option<EarlyDialog>,
    },
    /// Early media is over: the answer of this early dialog, applied before, is the final one.
    ConfirmEarly {
        /// Which.
        early: EarlyDialog,
    },
    /// Undo the local offer that is not answered, or the remote offer that we could not answer; drop what is being made.
    Rollback,
    /// No video is sent any more: a camera or screen that was opened for it, whether it was agreed to or not, is let go.
    EndVideo,
    /// Send silence (or nothing), or the microphone again.
    SetMuted(bool),
    /// How loud the far end is played.
    SetVolume(Volume),
    /// Send DTMF. Answer: [`MediaEvent::DtmfSent`] after the last one.
    SendDtmf {
        /// To answer with.
        request: MediaRequest,
        /// `0`–`9`, `*`, `#`, `A`–`D`, and `,` for a pause of 2 s.
        tones: String,
        /// Length of a tone, ms.
        duration_ms: u32,
        /// Pause between tones, ms.
        gap_ms: u32,
        /// As tones in the audio instead of telephone-events.
        in_band: bool,
    },
    /// Record both sides into a stereo WAV file, left what is sent, right what is heard, until the call is closed; readable
    /// at any moment. Answer: [`MediaEvent::RecordingStarted`].
    StartRecording {
        /// To answer with.
        request: MediaRequest,
        /// The file; an older one is replaced.
        path: PathBuf,
    },
    /// Leave out what is said from now on, or write it again.
    PauseRecording(bool),
    /// Mix the call's audio with that of every other call of the phone which is so too: each is sent what the others say,
    /// besides its own source. Or do not any more.
    SetConference(bool),
    /// Take statistics. Answer: [`MediaEvent::Stats`].
    TakeStats {
        /// To answer with.
        request: MediaRequest,
    },
    /// Close it. The last command of a call.
    Close,
}

/// How loud something is played: 0 to 1,000 thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume(u16);

impl Volume {
    /// As it is.
    pub const FULL: Self = Self(1_000);

    /// From a factor, 0.0 (silent) to 1.0 (as it is); `None` for any other.
    #[must_use]
    pub fn new(factor: f64) -> Option<Self> {
        // In range, so the cast is exact to the thousandth.
        (0.0..=1.0).contains(&factor).then(|| Self((factor * 1_000.0).round() as u16))
    }

    /// The factor, 0.0 to 1.0.
    #[must_use]
    pub fn factor(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

/// What a call hears from its peer connection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MediaEvent {
    /// The offer or answer is made and set locally.
    LocalDescription {
        /// Of which command.
        request: MediaRequest,
        /// The SDP to send.
        sdp: String,
    },
    /// The answer is applied.
    Applied {
        /// Of which command.
        request: MediaRequest,
    },
    /// A command failed; or, without `request`, the whole peer connection, for good.
    Failed {
        /// Of which command.
        request: Option<MediaRequest>,
        /// Why.
        error: MediaError,
    },
    /// A remote track is there.
    RemoteTrack {
        /// In which stream.
        stream: StreamId,
        /// Audio or video.
        kind: TrackKind,
    },
    /// The state of ICE changed.
    IceState(IceState),
    /// The address of this machine that the path began at is gone, or there is no path and the machine has other addresses
    /// now: ICE is restarted.
    NetworkChanged,
    /// A local candidate was found.
    Candidate {
        /// The value of its `a=candidate` line.
        candidate: String,
    },
    /// A telephone-event came.
    DtmfReceived {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        tone: char,
        /// Its length, ms.
        duration_ms: u32,
    },
    /// All tones are sent.
    DtmfSent {
        /// Of which command.
        request: MediaRequest,
    },
    /// The recording has begun.
    RecordingStarted {
        /// Of which command.
        request: MediaRequest,
    },
    /// The recording broke off: its file cannot be written any more.
    RecordingFailed {
        /// Why.
        error: MediaError,
    },
    /// Statistics.
    Stats {
        /// Of which command.
        request: MediaRequest,
        /// The numbers.
        sample: Box<StatsSample>,
    },
}

/// How ICE is doing, as in `RTCIceConnectionState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceState {
    /// Looking for a path.
    Checking,
    /// There is one.
    Connected,
    /// Lost, perhaps for a moment.
    Disconnected,
    /// There is none.
    Failed,
}

/// Why a media command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The user or the system does not let us use the microphone.
    #[error("no permission to use the microphone")]
    PermissionDenied,
    /// No microphone.
    #[error("no microphone")]
    NoDevice,
    /// The device is there, but cannot be opened.
    #[error("the device cannot be opened: {0}")]
    Device(String),
    /// The remote SDP cannot be used. The fault is the far end's, or there is no codec in common.
    #[error("the SDP of the far end cannot be used: {0}")]
    BadDescription(String),
    /// Not done in time.
    #[error("not done in time")]
    Timeout,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
