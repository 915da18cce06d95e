//! What listeners are told: payloads with the names and fields of the JavaScript contract.
//!
//! Serialised, an event is one object: its name under `event`, and the payload's fields beside it.
//! Where the contract hands a `session`, a stream or a peer connection to the listener, the driver adds it by `callId`.

use serde::Serialize;

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::media::StreamId;
use crate::recording::RecordPermissions;
use crate::report::Report;
use crate::status::{CallStatus, CommunicationType, StaticCallStatus, TerminateType};
use crate::timer::TimerType;

/// An event of the phone or of one of its calls.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum PhoneEvent {
    /// The connection to the server is open.
    Connected,
    /// The connection to the server is lost, or could not be made.
    Disconnected {
        /// Why, in words.
        reason: String,
    },
    /// Registered; also after each refresh.
    Registered,
    /// Registering failed.
    RegistrationFailed {
        /// Why.
        cause: Cause,
        /// SIP status, where there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        status_code: Option<u16>,
        /// −201, or −204 when the attempts are used up.
        code: i32,
    },
    /// Registered or not.
    IsRegisteredChange {
        /// Which.
        is_registered: bool,
    },
    /// What the user may do about recording is another.
    RecordPermissionsChange {
        /// 0, 1 or 2.
        record_permissions: RecordPermissions,
    },
    /// Whether the PBX's plan includes video is another.
    VideoPlanChange {
        /// It does.
        video_plan: bool,
    },
    /// A call exists, inbound or outbound.
    #[serde(rename = "newRTCSession")]
    NewRtcSession {
        /// Which.
        call_id: CallId,
    },
    /// A call comes in and rings.
    Incoming {
        /// Which.
        call_id: CallId,
    },
    /// A call was begun: dialled, or its answering.
    StartSession {
        /// Which.
        call_id: CallId,
    },
    /// A call is over and forgotten.
    DeleteSession {
        /// Which.
        call_id: CallId,
        /// Why.
        cause: Cause,
    },
    /// The connection or registration will be tried again.
    Reconnecting {
        /// Counted from 1 since it was last registered.
        attempt: u32,
        /// In how many milliseconds.
        delay_ms: u64,
    },
    /// Of a call.
    #[serde(untagged)]
    Session(SessionEvent),
}

/// An event of a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum SessionEvent {
    /// A quality report: every 3 s from the answer to the end.
    CallReport {
        /// Which call.
        call_id: CallId,
        /// The report.
        call_report: Box<Report>,
    },
    /// A remote track was added.
    StreamAdded {
        /// Which call.
        call_id: CallId,
        /// Which side made it.
        communication_type: CommunicationType,
        /// The remote stream.
        stream: StreamId,
    },
    /// The local video stream was replaced.
    UpdateLocalStream {
        /// Which call.
        call_id: CallId,
        /// The new one.
        local_stream: Option<StreamId>,
    },
    /// The remote stream was replaced.
    UpdateRemoteStream {
        /// Which call.
        call_id: CallId,
        /// The new one.
        remote_stream: Option<StreamId>,
    },
    /// The peer connection exists.
    Peerconnection {
        /// Which call.
        call_id: CallId,
    },
    /// An SDP is about to be applied.
    Sdp {
        /// Which call.
        call_id: CallId,
        /// Whose it is.
        originator: Side,
        /// Offer or answer.
        #[serde(rename = "type")]
        kind: SdpType,
        /// The SDP.
        sdp: String,
    },
    /// A local ICE candidate.
    Icecandidate {
        /// Which call.
        call_id: CallId,
        /// The value of its `a=candidate` line.
        candidate: String,
    },
    /// A provisional response (18x) came.
    Progress {
        /// Which call.
        call_id: CallId,
        /// 101–199.
        status_code: u16,
    },
    /// 200 OK received (outbound) or sent (inbound).
    Accepted {
        /// Which call.
        call_id: CallId,
    },
    /// ACK sent (outbound) or received (inbound).
    Confirmed {
        /// Which call.
        call_id: CallId,
    },
    /// The far end sent a re-INVITE.
    Reinvite {
        /// Which call.
        call_id: CallId,
        /// It offers video.
        is_invite_video: bool,
    },
    /// A SIP INFO in the call, received or sent.
    NewInfo {
        /// Which call.
        call_id: CallId,
        /// Who sent it.
        originator: Side,
        /// Its content type.
        content_type: String,
        /// Its body; bytes that are no UTF-8 are replaced.
        body: String,
    },
    /// A MESSAGE in the call, received or sent.
    NewMessage {
        /// Which call.
        call_id: CallId,
        /// Who sent it.
        originator: Side,
        /// Its content type.
        content_type: String,
        /// Its body; bytes that are no UTF-8 are replaced.
        body: String,
    },
    /// The far end wants video, and somebody is to agree or refuse: [`Phone::agree_video`](crate::Phone::agree_video).
    VideoRequested {
        /// Which call.
        call_id: CallId,
        /// Who wants it.
        name: String,
    },
    /// An established call is over.
    Ended(Ended),
    /// The call was never established.
    Failed(Failed),
    /// The call could not be made because of a local fault.
    ClientError {
        /// Which call.
        call_id: CallId,
        /// Why.
        cause: Cause,
    },
    /// A field of the status changed.
    StatusChange {
        /// Which call.
        call_id: CallId,
        /// As it is.
        new_status: Box<CallStatus>,
        /// As it was.
        old_status: Box<CallStatus>,
    },
    /// Name, picture or company changed.
    StaticStatusChange {
        /// Which call.
        call_id: CallId,
        /// As it is.
        new_status: StaticCallStatus,
        /// As it was.
        old_status: StaticCallStatus,
    },
    /// Once a second.
    UpdateTimer {
        /// Which call.
        call_id: CallId,
        /// The durations.
        timer: TimerType,
    },
    /// Something is wrong with the quality, or is well again (code ending in `-cleared`).
    WarningMessage {
        /// Which call.
        call_id: CallId,
        /// What.
        code: &'static str,
        /// In words.
        message: String,
    },
    /// The signalling path of the call or its media path is lost; the other may go on.
    Reconnecting {
        /// Which call.
        call_id: CallId,
    },
    /// Both are there again.
    Reconnected {
        /// Which call.
        call_id: CallId,
    },
    /// A transfer of this call goes on: a NOTIFY of our REFER.
    TransferProgress {
        /// Which call.
        call_id: CallId,
        /// 100–299.
        status_code: u16,
    },
    /// A transfer of this call came to nothing; the call goes on as it was.
    TransferFailed {
        /// Which call.
        call_id: CallId,
        /// 300–699: of the REFER's answer or of a NOTIFY; 408: nothing came in time.
        status_code: u16,
    },
    /// A DTMF tone came.
    Dtmf {
        /// Which call.
        call_id: CallId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        tone: char,
        /// Its length, ms.
        duration: u32,
    },
}

/// The end of an established call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// Which call.
    pub call_id: CallId,
    /// Why.
    pub cause: Cause,
    /// How this side ended it, if it did.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<TerminateType>,
}

/// The end of a call that was never established.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// Which call.
    pub call_id: CallId,
    /// Why.
    pub cause: Cause,
    /// SIP status, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// This side.
    Local,
    /// The far end.
    Remote,
}

/// Offer or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SdpType {
    /// Offer.
    Offer,
    /// Answer.
    Answer,
}

impl PhoneEvent {
    /// The contract's name of the event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::Registered => "registered",
            Self::RegistrationFailed { .. } => "registrationFailed",
            Self::IsRegisteredChange { .. } => "isRegisteredChange",
            Self::RecordPermissionsChange { .. } => "recordPermissionsChange",
            Self::VideoPlanChange { .. } => "videoPlanChange",
            Self::NewRtcSession { .. } => "newRTCSession",
            Self::Incoming { .. } => "incoming",
            Self::StartSession { .. } => "startSession",
            Self::DeleteSession { .. } => "deleteSession",
            Self::Reconnecting { .. } => "reconnecting",
            Self::Session(event) => event.name(),
        }
    }

    /// The call it is about, if any.
    #[must_use]
    pub fn call_id(&self) -> Option<&CallId> {
        match self {
            Self::NewRtcSession { call_id }
            | Self::Incoming { call_id }
            | Self::StartSession { call_id }
            | Self::DeleteSession { call_id, .. } => Some(call_id),
            Self::Session(event) => Some(event.call_id()),
            _ => None,
        }
    }
}

impl SessionEvent {
    /// The contract's name of the event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::CallReport { .. } => "callReport",
            Self::StreamAdded { .. } => "streamAdded",
            Self::UpdateLocalStream { .. } => "updateLocalStream",
            Self::UpdateRemoteStream { .. } => "updateRemoteStream",
            Self::Peerconnection { .. } => "peerconnection",
            Self::Sdp { .. } => "sdp",
            Self::Icecandidate { .. } => "icecandidate",
            Self::Progress { .. } => "progress",
            Self::Accepted { .. } => "accepted",
            Self::Confirmed { .. } => "confirmed",
            Self::Reinvite { .. } => "reinvite",
            Self::NewInfo { .. } => "newInfo",
            Self::NewMessage { .. } => "newMessage",
            Self::VideoRequested { .. } => "videoRequested",
            Self::Ended(_) => "ended",
            Self::Failed(_) => "failed",
            Self::ClientError { .. } => "clientError",
            Self::StatusChange { .. } => "statusChange",
            Self::StaticStatusChange { .. } => "staticStatusChange",
            Self::UpdateTimer { .. } => "updateTimer",
            Self::WarningMessage { .. } => "warningMessage",
            Self::Reconnecting { .. } => "reconnecting",
            Self::Reconnected { .. } => "reconnected",
            Self::TransferProgress { .. } => "transferProgress",
            Self::TransferFailed { .. } => "transferFailed",
            Self::Dtmf { .. } => "dtmf",
        }
    }

    /// The call it is about.
    #[must_use]
    pub fn call_id(&self) -> &CallId {
        match self {
            Self::CallReport { call_id, .. }
            | Self::StreamAdded { call_id, .. }
            | Self::UpdateLocalStream { call_id, .. }
            | Self::UpdateRemoteStream { call_id, .. }
            | Self::Peerconnection { call_id }
            | Self::Sdp { call_id, .. }
            | Self::Icecandidate { call_id, .. }
            | Self::Progress { call_id, .. }
            | Self::Accepted { call_id }
            | Self::Confirmed { call_id }
            | Self::Reinvite { call_id, .. }
            | Self::NewInfo { call_id, .. }
            | Self::NewMessage { call_id, .. }
            | Self::VideoRequested { call_id, .. }
            | Self::ClientError { call_id, .. }
            | Self::StatusChange { call_id, .. }
            | Self::StaticStatusChange { call_id, .. }
            | Self::UpdateTimer { call_id, .. }
            | Self::WarningMessage { call_id, .. }
            | Self::Reconnecting { call_id }
            | Self::Reconnected { call_id }
            | Self::TransferProgress { call_id, .. }
            | Self::TransferFailed { call_id, .. }
            | Self::Dtmf { call_id, .. } => call_id,
            Self::Ended(ended) => &ended.call_id,
            Self::Failed(failed) => &failed.call_id,
        }
    }

    /// Whether it is the last of its call: [`Ended`], [`Failed`] or [`ClientError`](Self::ClientError).
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Failed(_) | Self::ClientError { .. })
    }
}

#[cfg(test)]
mod tests;
