//! What is under a call: its dialog and its descriptions.

use offhook_sip::CallView;
use serde::Serialize;

use super::Session;
use crate::call_id::CallId;
use crate::negotiation::Phase;
use crate::status::CommunicationType;

/// What is under a call, as it is now: the SIP dialog (RFC 3261 §12) and the two descriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RtcSession {
    /// Call-ID.
    pub call_id: CallId,
    /// Our tag; `None` before the INVITE is sent.
    pub local_tag: Option<String>,
    /// The far end's tag, once known.
    pub remote_tag: Option<String>,
    /// Our URI: From of an outbound INVITE, To of an inbound one.
    pub local_uri: Option<String>,
    /// The far end's URI.
    pub remote_uri: Option<String>,
    /// Which side made the call.
    pub direction: CommunicationType,
    /// The local description that was sent last.
    pub local_sdp: Option<String>,
    /// The remote description that was applied last.
    pub remote_sdp: Option<String>,
    /// Where offer and answer are.
    pub signaling_state: SignalingState,
}

/// Where offer and answer are, as `RTCSignalingState` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalingState {
    /// No exchange is under way.
    Stable,
    /// Our offer waits for its answer.
    HaveLocalOffer,
    /// Their offer waits for ours.
    HaveRemoteOffer,
    /// The call is over.
    Closed,
}

impl Session {
    pub(crate) fn rtc(&self, dialog: Option<&CallView<'_>>) -> RtcSession {
        RtcSession {
            call_id: self.call_id.clone(),
            local_tag: dialog.map(|dialog| dialog.local_tag.to_owned()),
            remote_tag: dialog.and_then(|dialog| dialog.remote_tag).map(str::to_owned),
            local_uri: dialog.map(|dialog| dialog.local.uri().to_string()),
            remote_uri: dialog.map(|dialog| dialog.remote.uri().to_string()),
            direction: self.status.communication_type,
            local_sdp: self.local_sdp.clone(),
            remote_sdp: self.remote_sdp.clone(),
            signaling_state: self.signaling_state(),
        }
    }

    fn signaling_state(&self) -> SignalingState {
        if self.is_ending() {
            return SignalingState::Closed;
        }
        match self.negotiation.phase() {
            _ if self.exchange.asking.is_some() => SignalingState::HaveRemoteOffer,
            Phase::Offered | Phase::ApplyingAnswer(_) | Phase::AwaitingAck => SignalingState::HaveLocalOffer,
            Phase::MakingAnswer(_) => SignalingState::HaveRemoteOffer,
            Phase::Fresh | Phase::MakingOffer(_) | Phase::MakingReply(_) | Phase::Stable => SignalingState::Stable,
        }
    }
}
