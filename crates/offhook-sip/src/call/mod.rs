//! Calls: an INVITE, the dialog it makes, and what happens in it.
//!
//! | file | topic |
//! | --- | --- |
//! | `uac` | making a call: INVITE, forked 1xx, CANCEL and its race with 200, ACK (RFC 3261 §9, §13.2) |
//! | `uas` | taking a call: 1xx, 200 and its retransmission until ACK, CANCEL (§13.3, RFC 6026) |
//! | `modify` | re-INVITE and UPDATE both ways, glare, rollback (§14, RFC 3311, RFC 6141) |
//! | `session_timer` | RFC 4028 |
//! | `resume` | taking a call along into another agent |
//! | `end` | BYE and everything that ends a call |

mod end;
mod modify;
mod resume;
mod session_timer;
mod uac;
mod uas;

use std::sync::Arc;

use bytes::Bytes;

use crate::agent::{Agent, Owner, TxId};
use crate::auth::Credentials;
use crate::compose::{self, Body, RequestParts};
use crate::dialog::Dialog;
use crate::error::CommandError;
use crate::event::{CallKey, ConnectionId, Originator, TerminationKind};
use crate::header::HeaderField;
use crate::message::{Method, Request};
use crate::name_addr::NameAddr;
use modify::{LocalModify, RemoteModify};
pub use resume::{DialogSnapshot, SnapshotError};
use session_timer::SessionTimerState;
use uac::Outbound;
use uas::Inbound;

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

impl CallState {
    fn name(self) -> &'static str {
        match self {
            Self::Calling => "calling",
            Self::Ringing => "ringing",
            Self::Incoming => "incoming",
            Self::Answered => "waiting for the ACK",
            Self::Established => "established",
            Self::Canceling => "being cancelled",
        }
    }
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
    /// From (outbound) or To (inbound), without tag.
    pub local: &'a NameAddr,
    /// To (outbound) or From (inbound), without tag.
    pub remote: &'a NameAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CallTimer {
    /// Outbound: rang too long.
    NoAnswer,
    /// Outbound: the CANCEL came to nothing.
    CancelGiveUp,
    /// Inbound: the INVITE's Expires.
    Expires,
    /// A 2xx to (re-)INVITE goes out again.
    RetransmitOk,
    /// No ACK for it.
    AckGiveUp,
    /// 491 back-off.
    Glare,
    /// Our re-INVITE or UPDATE is answered by nothing but 1xx.
    ModifyGiveUp,
    /// Session timer: refresh.
    Refresh,
    /// Session timer: not refreshed.
    SessionExpires,
}

impl CallTimer {
    const ALL: [Self; 9] = [
        Self::NoAnswer,
        Self::CancelGiveUp,
        Self::Expires,
        Self::RetransmitOk,
        Self::AckGiveUp,
        Self::Glare,
        Self::ModifyGiveUp,
        Self::Refresh,
        Self::SessionExpires,
    ];
}

#[derive(Debug)]
pub(crate) struct Call {
    originator: Originator,
    state: CallState,
    /// The user was told that the call is over; it lives on to send the BYE that had to wait for the ACK.
    told: bool,
    pub(crate) connection: ConnectionId,
    pub(crate) dialog: Dialog,
    credentials: Option<Arc<Credentials>>,
    /// The far end's Allow has UPDATE.
    pub(crate) allows_update: bool,
    session: SessionTimerState,
    /// The INVITE that we sent.
    outbound: Option<Outbound>,
    /// The INVITE that we got.
    inbound: Option<Inbound>,
    local_modify: Option<LocalModify>,
    remote_modify: Option<RemoteModify>,
    /// A 491 back-off is running ([`CallTimer::Glare`]), or is over and waits for a pending exchange.
    retry: Option<modify::Retry>,
    /// The last ACK of a 2xx, sent again when the 2xx is (§13.2.2.4).
    last_ack: Option<(u32, Bytes)>,
}

impl Call {
    pub(crate) fn view(&self, call: CallKey) -> Option<CallView<'_>> {
        (!self.told).then_some(CallView {
            call,
            state: self.state,
            originator: self.originator,
            connection: self.connection,
            call_id: &self.dialog.call_id,
            local_tag: &self.dialog.local_tag,
            remote_tag: self.dialog.remote_tag.as_deref(),
            local: &self.dialog.local,
            remote: &self.dialog.remote,
        })
    }

    /// Whether requests with this From tag belong to the call: its dialog, or one of its early dialogs.
    pub(crate) fn knows_remote_tag(&self, tag: &str) -> bool {
        match &self.outbound {
            Some(outbound) if self.state != CallState::Established && self.state != CallState::Answered => {
                outbound.has_early(tag)
            }
            _ => self.dialog.remote_tag.as_deref().unwrap_or("") == tag,
        }
    }

    /// The last number of theirs in the dialog of this tag: each early dialog has its own (§12.1.2, §12.2.2).
    pub(crate) fn remote_cseq_mut(&mut self, tag: &str) -> &mut Option<u32> {
        let is_early = !self.is_established();
        let outbound = self.outbound.as_mut().filter(|_| is_early);
        match outbound.and_then(|outbound| outbound.early_cseq_mut(tag)) {
            Some(number) => number,
            None => &mut self.dialog.remote_cseq,
        }
    }

    fn is_established(&self) -> bool {
        matches!(self.state, CallState::Answered | CallState::Established)
    }
}

impl Agent {
    /// A call that the user may command.
    fn live(&mut self, call: CallKey) -> Result<&mut Call, CommandError> {
        self.calls.get_mut(&call).filter(|c| !c.told).ok_or(CommandError::UnknownCall)
    }

    /// Moves a call's dialog to another connection, with a new Contact: the next request or response in it tells the
    /// far end. (After a lost connection; follow with [`modify`](Self::modify).) A [`modify`](Self::modify) under way on the
    /// one before is over: [`Event::Modified`](crate::Event::Modified) says that the connection was lost, and
    /// [`Event::ModifyRetry`](crate::Event::ModifyRetry) follows.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], [`CommandError::UnknownConnection`].
    pub fn rebind(
        &mut self,
        now: crate::Millis,
        call: CallKey,
        connection: ConnectionId,
        contact: NameAddr,
    ) -> Result<(), CommandError> {
        self.begin(now);
        let up = self.is_up(connection);
        let found = self.live(call)?;
        if !up {
            return Err(CommandError::UnknownConnection);
        }
        let has_moved = std::mem::replace(&mut found.connection, connection) != connection;
        found.dialog.contact = contact;
        if has_moved {
            self.modify_left_behind(call);
        }
        Ok(())
    }

    /// Sends a request in a call's dialog.
    pub(crate) fn send_in_dialog(
        &mut self,
        key: CallKey,
        method: Method,
        fields: &[HeaderField],
        body: Body,
        owner: Owner,
    ) -> Result<TxId, CommandError> {
        let up = self.live(key).map(|call| call.connection).map(|id| self.is_up(id))?;
        let user_agent = self.config.user_agent.clone();
        let call = self.live(key)?;
        if call.dialog.remote_tag.is_none() {
            return Err(CommandError::WrongState { command: "a request", state: call.state.name() });
        }
        if !up {
            return Err(CommandError::UnknownConnection);
        }
        let cseq = call.dialog.next_cseq();
        let with_contact =
            matches!(method, Method::Invite | Method::Update | Method::Refer | Method::Subscribe | Method::Notify);
        let (dialog, id, credentials) = (&call.dialog, call.connection, call.credentials.clone());
        let request = request_in(dialog, method, cseq, with_contact, &user_agent, fields, body);
        self.send_request(id, request, owner, credentials).ok_or(CommandError::UnknownConnection)
    }

    pub(crate) fn call_timer(&mut self, call: CallKey, timer: CallTimer) {
        match timer {
            CallTimer::NoAnswer => self.cancel_invite(call, TerminationKind::NoAnswer, None),
            CallTimer::CancelGiveUp => self.cancel_gave_up(call),
            CallTimer::Expires => self.invite_expired(call),
            CallTimer::RetransmitOk => self.retransmit_ok(call),
            CallTimer::AckGiveUp => self.no_ack(call),
            CallTimer::Glare => self.glare_over(call),
            CallTimer::ModifyGiveUp => self.modify_gave_up(call),
            CallTimer::Refresh => self.refresh_session(call),
            CallTimer::SessionExpires => self.session_expired(call),
        }
    }
}

/// A request in a dialog, without Via (§12.2.1.1).
fn request_in(
    dialog: &Dialog,
    method: Method,
    cseq: u32,
    with_contact: bool,
    user_agent: &str,
    fields: &[HeaderField],
    body: Body,
) -> Request {
    let (uri, route) = dialog.request_route();
    let to = match &dialog.remote_tag {
        Some(tag) => dialog.remote.clone().with_tag(tag),
        None => dialog.remote.clone(),
    };
    let parts = RequestParts {
        method,
        uri: &uri,
        from: dialog.local.clone().with_tag(&dialog.local_tag).to_string(),
        to: to.to_string(),
        call_id: &dialog.call_id,
        cseq,
        contact: with_contact.then(|| dialog.contact.to_string()),
        route: &route,
    };
    compose::request(parts, user_agent, fields, body)
}
