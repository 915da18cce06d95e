//! Calls: an INVITE, the dialog it makes, and what happens in it.

use crate::event::{CallKey, ConnectionId, Originator};
use crate::name_addr::NameAddr;

/// What a call is doing, as signalling sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallState {
    /// Outbound: the INVITE is sent, nothing but 100 came back.
    Calling,
    /// Outbound: a provisional response above 100 came.
    Ringing,
    /// Inbound: not answered yet.
    Incoming,
    /// The 2xx was sent (UAS) or received without its ACK having been sent (UAC, late offer).
    Answered,
    /// ACK sent or received.
    Established,
    /// We hung up before the answer and wait for what comes of it.
    Canceling,
}

/// A look at one call.
#[derive(Debug, Clone, Copy)]
pub struct CallView<'a> {
    /// Its key.
    pub call: CallKey,
    /// What it is doing.
    pub state: CallState,
    /// Who made it: `Local` for an outbound call.
    pub originator: Originator,
    /// The connection it runs on.
    pub connection: ConnectionId,
    /// Call-ID.
    pub call_id: &'a str,
    /// Our tag.
    pub local_tag: &'a str,
    /// Their tag, once known.
    pub remote_tag: Option<&'a str>,
    /// From (outbound) or To (inbound).
    pub local: &'a NameAddr,
    /// To (outbound) or From (inbound).
    pub remote: &'a NameAddr,
}
