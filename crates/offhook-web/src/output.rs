//! What the page is told to do, as JSON.

use bytes::Bytes;
use offhook_core::{Direction, MediaCommand, Output, PhoneError, PhoneEvent};
use serde::{Serialize, Serializer};

/// One thing to do: its name as a string, or an object whose only key it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Out {
    /// Open a WebSocket to the phone's server.
    Connect,
    /// Close it.
    Disconnect,
    /// Send this.
    #[serde(serialize_with = "text")]
    Transmit(Bytes),
    /// Tell this to the call's peer connection.
    Media(String, Media),
    /// Tell this to the listeners.
    Event(Box<PhoneEvent>),
    /// Give the description of the `sdp` event before it back, as its listeners left it.
    FilterSdp { call_id: String, filter: u64 },
    /// A command is over; with its error, unless it went well.
    Settled(u64, Option<Refusal>),
    /// When to input that time passed.
    Timeout(u64),
    /// Of a later core; nothing to do.
    Unknown,
}

/// For a peer connection. `request` comes back with what was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Media {
    Open,
    CreateOffer {
        request: u64,
        direction: Direction,
        video: Option<Direction>,
        ice_restart: bool,
    },
    AcceptOffer {
        request: u64,
        direction: Direction,
        video: Option<Direction>,
        sdp: String,
    },
    AcceptAnswer {
        request: u64,
        early: bool,
        sdp: String,
    },
    ConfirmEarly,
    Rollback,
    SetMuted(bool),
    SetVolume(f64),
    SendDtmf {
        request: u64,
        tones: String,
        duration_ms: u32,
        gap_ms: u32,
    },
    TakeStats {
        request: u64,
    },
    Close,
    /// What a browser cannot do: it failed.
    Unsupported {
        request: u64,
    },
    /// Nothing that a browser would have to do.
    Nothing,
}

/// Why a command was refused or came to nothing.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    code: i32,
    message: &'static str,
    detail: String,
}

impl From<PhoneError> for Refusal {
    fn from(error: PhoneError) -> Self {
        Self { code: error.code(), message: error.name(), detail: error.to_string() }
    }
}

impl From<Output> for Out {
    fn from(output: Output) -> Self {
        match output {
            Output::Connect => Self::Connect,
            Output::Disconnect => Self::Disconnect,
            Output::Transmit(data) => Self::Transmit(data),
            Output::Media { call_id, command } => Self::Media(call_id.to_string(), command.into()),
            Output::Event(event) => Self::Event(Box::new(event)),
            Output::FilterSdp { call_id, filter, .. } => {
                Self::FilterSdp { call_id: call_id.to_string(), filter: filter.0 }
            }
            Output::Settled { command, result } => Self::Settled(command.0, result.err().map(Refusal::from)),
            Output::Timeout(at) => Self::Timeout(at),
            _ => Self::Unknown,
        }
    }
}

impl From<MediaCommand> for Media {
    fn from(command: MediaCommand) -> Self {
        match command {
            MediaCommand::Open { .. } => Self::Open,
            MediaCommand::CreateOffer { request, direction, video, ice_restart } => {
                Self::CreateOffer { request: request.0, direction, video, ice_restart }
            }
            MediaCommand::AcceptOffer { request, sdp, direction, video } => {
                Self::AcceptOffer { request: request.0, direction, video, sdp }
            }
            MediaCommand::AcceptAnswer { request, sdp, early } => {
                Self::AcceptAnswer { request: request.0, early: early.is_some(), sdp }
            }
            MediaCommand::ConfirmEarly { .. } => Self::ConfirmEarly,
            MediaCommand::Rollback => Self::Rollback,
            MediaCommand::SetMuted(muted) => Self::SetMuted(muted),
            MediaCommand::SetVolume(volume) => Self::SetVolume(volume.factor()),
            MediaCommand::SendDtmf { request, in_band: true, .. } | MediaCommand::StartRecording { request, .. } => {
                Self::Unsupported { request: request.0 }
            }
            MediaCommand::SendDtmf { request, tones, duration_ms, gap_ms, .. } => {
                Self::SendDtmf { request: request.0, tones, duration_ms, gap_ms }
            }
            MediaCommand::TakeStats { request } => Self::TakeStats { request: request.0 },
            MediaCommand::Close => Self::Close,
            _ => Self::Nothing,
        }
    }
}

/// SIP messages of ours are UTF-8, as a text frame must be.
fn text<S: Serializer>(data: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(data))
}
