//! What the page is told to do, as JSON.

use bytes::Bytes;
use offhook_core::pbx::{CdrChange, CdrPage, HttpId, HttpRequest, PbxEvent, RESULTS, SubscriptionOutput};
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
    /// Send this to the API of the phone's PBX.
    Http {
        id: u64,
        method: &'static str,
        path: String,
        headers: Vec<(String, String)>,
        body: Option<String>,
        deadline_ms: u64,
    },
    /// For the socket that tells what happens at the PBX.
    Subscription(Subscription),
    /// Tell this to the listeners of the PBX.
    Pbx(Pbx),
    /// A query of the list of calls is over: its page, or why there is none.
    Cdr(u64, Option<Box<CdrPage>>, Option<Refusal>),
    /// A log-in is over; with its error, unless it went well.
    Done(Option<Refusal>),
    /// When to input that time passed.
    Timeout(u64),
    /// Of a later core; nothing to do.
    Unknown,
}

/// For the subscription socket.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Subscription {
    Open(String),
    Send(String),
    Close,
    Unknown,
}

/// An event of the PBX, in the words of the contract.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(crate) enum Pbx {
    RuntimeError(Refusal),
    CdrChange {
        #[serde(rename = "ext_num")]
        ext_num: String,
        #[serde(rename = "personal_cdr")]
        personal_cdr: PersonalCdr,
    },
    Destroyed,
    Unknown,
}

#[derive(Debug, Serialize)]
pub(crate) struct PersonalCdr {
    date: String,
    time: String,
    timestamp: i64,
    number: String,
    talk_duration: u64,
}

/// For a peer connection. `request` comes back with what was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Media {
    /// With the URLs of the STUN servers that the PBX names.
    Open(Vec<String>),
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
    EndVideo,
    SetMuted(bool),
    SetVolume(f64),
    SendDtmf {
        request: u64,
        tones: String,
        duration_ms: u32,
        gap_ms: u32,
    },
    StartRecording {
        request: u64,
    },
    PauseRecording(bool),
    SetConference(bool),
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
    pub(crate) code: i32,
    pub(crate) message: &'static str,
    pub(crate) detail: String,
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
            Output::Http { id, request } => Self::http(id, request),
            Output::Subscription(output) => Self::Subscription(output.into()),
            Output::Pbx(event) => Self::Pbx(event.into()),
            Output::Cdr { command, result } => match result {
                Ok(page) => Self::Cdr(command.0, Some(Box::new(page)), None),
                Err(error) => Self::Cdr(command.0, None, Some(error.into())),
            },
            Output::Timeout(at) => Self::Timeout(at),
            _ => Self::Unknown,
        }
    }
}

impl Out {
    pub(crate) fn http(id: HttpId, request: HttpRequest) -> Self {
        Self::Http {
            id: id.0,
            method: request.method.as_str(),
            path: request.path_and_query,
            headers: request.headers,
            body: request.body.map(|body| String::from_utf8_lossy(&body).into_owned()),
            deadline_ms: request.deadline_ms,
        }
    }
}

impl From<SubscriptionOutput> for Subscription {
    fn from(output: SubscriptionOutput) -> Self {
        match output {
            SubscriptionOutput::Open { url } => Self::Open(url.expose().to_owned()),
            SubscriptionOutput::Send(text) => Self::Send(text),
            SubscriptionOutput::Close => Self::Close,
            _ => Self::Unknown,
        }
    }
}

impl From<PbxEvent> for Pbx {
    fn from(event: PbxEvent) -> Self {
        match event {
            PbxEvent::RuntimeError { code, message: detail } => {
                let message =
                    RESULTS.iter().find(|(known, _)| *known == code).map_or("UNKNOWN_ERROR", |(_, name)| name);
                Self::RuntimeError(Refusal { code, message, detail })
            }
            PbxEvent::CdrChange(CdrChange { ext_num, date, time, timestamp, number, talk_duration }) => {
                Self::CdrChange { ext_num, personal_cdr: PersonalCdr { date, time, timestamp, number, talk_duration } }
            }
            PbxEvent::Destroyed => Self::Destroyed,
            _ => Self::Unknown,
        }
    }
}

impl From<MediaCommand> for Media {
    fn from(command: MediaCommand) -> Self {
        match command {
            MediaCommand::Open { options } => {
                Self::Open(options.ice_servers.into_iter().flat_map(|server| server.urls).collect())
            }
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
            MediaCommand::EndVideo => Self::EndVideo,
            MediaCommand::SetMuted(muted) => Self::SetMuted(muted),
            MediaCommand::SetVolume(volume) => Self::SetVolume(volume.factor()),
            MediaCommand::SendDtmf { request, in_band: true, .. } => Self::Unsupported { request: request.0 },
            MediaCommand::StartRecording { request, .. } => Self::StartRecording { request: request.0 },
            MediaCommand::PauseRecording(paused) => Self::PauseRecording(paused),
            MediaCommand::SetConference(mixed) => Self::SetConference(mixed),
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
