//! What a call is doing, as the user sees it.

use serde::Serialize;

use crate::call_id::CallId;

/// Which side made the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CommunicationType {
    /// We called.
    Outbound,
    /// We were called.
    Inbound,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CallState {
    /// Outbound: from dialling to the first 18x.
    Calling,
    /// Outbound: from the first 18x to the answer.
    Ringing,
    /// Inbound: until it is confirmed.
    Connecting,
    /// Confirmed (ACK sent or received).
    Talking,
}

/// Whether a call is being recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordStatus {
    /// No.
    Stop,
    /// Yes.
    Recording,
    /// It was, and will be again.
    Pause,
}

/// How a call was ended by this side; only the log and [`Ended`](crate::events::Ended) differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TerminateType {
    /// Hung up.
    Hangup,
    /// Refused.
    Reject,
    /// Ended by the program.
    Terminate,
}

/// The part of [`CallStatus`] that says who the far end is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StaticCallStatus {
    /// Name; the number when no name is known.
    pub name: String,
    /// Address of a picture; empty when there is none.
    pub avatar: String,
    /// Company; empty when not known.
    pub company: String,
}

/// The call that a consultation call was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferParent {
    /// Its identity.
    pub call_id: CallId,
    /// Address of a picture.
    pub avatar: String,
    /// Name.
    pub name: String,
    /// Number.
    pub number: String,
    /// Seconds since its answer.
    pub call_duration: u64,
    /// Seconds of its present hold.
    pub hold_duration: u64,
}

/// What a call is doing: a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallStatus {
    /// Name of the far end; its number when no name is known.
    pub name: String,
    /// Address of a picture of the far end; empty when there is none.
    pub avatar: String,
    /// Company of the far end; empty when not known.
    pub company: String,
    /// Number of the far end.
    pub number: String,
    /// The call's identity.
    pub call_id: CallId,
    /// Which side made it.
    pub communication_type: CommunicationType,
    /// With video.
    pub is_video: bool,
    /// Inbound and not answered.
    pub is_ring: bool,
    /// Held by this side.
    pub is_hold: bool,
    /// The microphone is off.
    pub is_mute: bool,
    /// How far it is.
    pub call_status: CallState,
    /// When it began, set again at the answer; ms since 1970-01-01 UTC.
    pub call_start_time: u64,
    /// Whether it is recorded.
    pub record_status: RecordStatus,
    /// It is a consultation call.
    pub is_transfer: bool,
    /// For which call, then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_parent: Option<TransferParent>,
    /// It is a conference.
    pub is_conference: bool,
    /// Held by the far end.
    pub is_remote_hold: bool,
}

impl CallStatus {
    /// Who the far end is.
    #[must_use]
    pub fn static_status(&self) -> StaticCallStatus {
        StaticCallStatus { name: self.name.clone(), avatar: self.avatar.clone(), company: self.company.clone() }
    }
}

/// A change of [`CallStatus`] by the program: `None` leaves a field alone. What signalling decides (identity of the
/// call, how far it is, holding) cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusPatch {
    /// Name.
    pub name: Option<String>,
    /// Picture.
    pub avatar: Option<String>,
    /// Company.
    pub company: Option<String>,
    /// Number.
    pub number: Option<String>,
    /// Whether it is recorded.
    pub record_status: Option<RecordStatus>,
    /// Whether it is a conference.
    pub is_conference: Option<bool>,
}

impl StatusPatch {
    pub(crate) fn apply(self, status: &mut CallStatus) {
        let Self { name, avatar, company, number, record_status, is_conference } = self;
        set(&mut status.name, name);
        set(&mut status.avatar, avatar);
        set(&mut status.company, company);
        set(&mut status.number, number);
        set(&mut status.record_status, record_status);
        set(&mut status.is_conference, is_conference);
    }
}

/// A change of who the far end is: `None` leaves a field alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StaticPatch {
    /// Name.
    pub name: Option<String>,
    /// Picture.
    pub avatar: Option<String>,
    /// Company.
    pub company: Option<String>,
}

impl From<StaticPatch> for StatusPatch {
    fn from(patch: StaticPatch) -> Self {
        Self { name: patch.name, avatar: patch.avatar, company: patch.company, ..Self::default() }
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
