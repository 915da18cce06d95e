//! Making a call (RFC 3261 §13.2): INVITE, forked responses, CANCEL and its race with 200, ACK.
//!
//! Who wins when CANCEL and a final response cross (§9.1, RFC 6026):
//!
//! | then comes | what is done | the call ends as |
//! | --- | --- | --- |
//! | 487, or any refusal | nothing more | what it was cancelled as |
//! | 2xx | ACK, and BYE at once | what it was cancelled as |
//! | nothing, 64·T1 after the CANCEL | given up; a late 2xx still gets ACK and BYE | what it was cancelled as |
//! | no 1xx yet | the CANCEL waits for one (§9.1) | as above, or when timer B fires |

use std::sync::Arc;

use sipx_sip::HeaderName;

use super::{Call, CallState, CallTimer, request_in};
use crate::Millis;
use crate::agent::{Agent, Fault, Owner, TimerKey, TxId};
use crate::auth::Credentials;
use crate::command::Invite;
use crate::compose::{self, ALLOW, RequestParts};
use crate::dialog::{Dialog, cseq, record_route};
use crate::error::CommandError;
use crate::event::{CallKey, ConnectionId, EarlyId, Event, Originator, Termination, TerminationKind};
use crate::header::{HeaderError, HeaderField};
use crate::message::{HeadersExt as _, Method, Request, Response, sdp_body};
use crate::name_addr::{NameAddr, Uri};

/// Times that an INVITE refused with 422 is sent with a longer interval.
const MAX_422: u8 = 2;

/// The INVITE that made a call.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(super) tx: TxId,
    pub(super) has_offer: bool,
    extra: Vec<HeaderField>,
    offer: Option<String>,
    target: Uri,
    early: Vec<Early>,
    /// Any 1xx came: the INVITE may be cancelled.
    provisional: bool,
    cancel: Option<Cancel>,
    too_small: u8,
}

#[derive(Debug)]
struct Early {
    tag: String,
    answer: Option<String>,
    /// The last number of theirs in this dialog.
    remote_cseq: Option<u32>,
}

#[derive(Debug)]
struct Cancel {
    kind: TerminationKind,
    reason: Option<(u16, String)>,
    sent: bool,
}

impl Outbound {
    pub(super) fn tx(&self) -> TxId {
        self.tx
    }

    pub(super) fn has_early(&self, tag: &str) -> bool {
        self.early.iter().any(|early| early.tag == tag)
    }

    pub(super) fn early_cseq_mut(&mut self, tag: &str) -> Option<&mut Option<u32>> {
        self.early.iter_mut().find(|early| early.tag == tag).map(|early| &mut early.remote_cseq)
    }
}

impl Agent {
    /// Sends an INVITE. Its end is [`Event::Terminated`](crate::Event::Terminated), whatever happens.
    ///
    /// # Errors
    /// [`CommandError::UnknownConnection`]; [`CommandError::OutOfRange`] when there are too many calls already;
    /// [`CommandError::Header`] for a Call-ID that cannot be sent.
    pub fn invite(&mut self, now: Millis, connection: ConnectionId, invite: Invite) -> Result<CallKey, CommandError> {
        self.begin(now);
        if !self.is_up(connection) {
            return Err(CommandError::UnknownConnection);
        }
        if self.calls.len() >= self.config.limits.max_calls {
            return Err(CommandError::OutOfRange { what: "the number of calls", allowed: "Limits::max_calls" });
        }
        let call_id = match invite.call_id {
            Some(id) if !id.is_empty() && id.len() <= 256 && id.bytes().all(|b| b.is_ascii_graphic()) => id,
            Some(_) => return Err(HeaderError::Body { what: "the Call-ID is not a word of 1 to 256 bytes" }.into()),
            None => self.rng.token(22),
        };
        let key = CallKey(self.new_id());
        let dialog = Dialog {
            call_id,
            local_tag: self.rng.token(16),
            remote_tag: None,
            local: invite.from,
            remote: invite.to,
            local_cseq: 0,
            remote_cseq: None,
            remote_target: invite.target.clone(),
            route: invite.route.iter().map(|uri| format!("<{uri}>")).collect(),
            contact: invite.contact,
        };
        self.dialogs.insert((dialog.call_id.clone(), dialog.local_tag.clone()), key);
        let call = Call {
            originator: Originator::Local,
            state: CallState::Calling,
            told: false,
            connection,
            dialog,
            credentials: invite.credentials.map(Arc::new),
            allows_update: false,
            session: self.new_session(),
            outbound: Some(Outbound {
                tx: 0,
                has_offer: invite.offer.is_some(),
                extra: invite.headers,
                offer: invite.offer,
                target: invite.target,
                early: Vec::new(),
                provisional: false,
                cancel: None,
                too_small: 0,
            }),
            inbound: None,
            local_modify: None,
            remote_modify: None,
            retry: None,
            last_ack: None,
        };
        self.calls.insert(key, call);
        self.send_invite(key);
        if let Some(after) = invite.no_answer_ms {
            self.timers.set(TimerKey::Call(key, CallTimer::NoAnswer), self.now.saturating_add(after));
        }
        self.fire_due();
        Ok(key)
    }

    fn send_invite(&mut self, key: CallKey) {
        let capabilities = self.capabilities();
        let Some(call) = self.calls.get_mut(&key) else { return };
        let cseq = call.dialog.next_cseq();
        let Some(outbound) = &call.outbound else { return };
        let parts = RequestParts {
            method: Method::Invite,
            uri: &outbound.target,
            from: call.dialog.local.clone().with_tag(&call.dialog.local_tag).to_string(),
            to: call.dialog.remote.to_string(),
            call_id: &call.dialog.call_id,
            cseq,
            contact: Some(call.dialog.contact.to_string()),
            route: &call.dialog.route,
        };
        let mut fields = outbound.extra.clone();
        fields.extend(capabilities);
        fields.extend(call.session.offer_fields());
        let body = outbound.offer.as_deref().and_then(compose::sdp);
        let request = compose::request(parts, &self.config.user_agent, &fields, body);
        let (connection, credentials) = (call.connection, call.credentials.clone());
        match self.send_request(connection, request, Owner::Invite(key), credentials) {
            Some(tx) => self.resent(Owner::Invite(key), tx),
            None => self.invite_fault(key, Fault::ConnectionLost),
        }
    }

    /// The owner's request runs in another transaction now.
    pub(crate) fn resent(&mut self, owner: Owner, tx: TxId) {
        match owner {
            Owner::Invite(key) => {
                if let Some(outbound) = self.calls.get_mut(&key).and_then(|call| call.outbound.as_mut()) {
                    outbound.tx = tx;
                    outbound.provisional = false;
                }
            }
            Owner::Modify(key) => {
                if let Some(modify) = self.calls.get_mut(&key).and_then(|call| call.local_modify.as_mut()) {
                    modify.tx = tx;
                }
            }
            _ => {}
        }
    }

    /// Whether the owner's request is being cancelled: then it is not sent again.
    pub(crate) fn is_canceling(&self, owner: Owner) -> bool {
        match owner {
            Owner::Invite(key) => self.calls.get(&key).is_none_or(|call| call.state == CallState::Canceling),
            _ => false,
        }
    }

    pub(crate) fn invite_response(&mut self, key: CallKey, tx: TxId, response: Response) {
        let Some(call) = self.calls.get_mut(&key) else {
            return self.orphan_response(tx, &response);
        };
        if response.headers.get(&HeaderName::Allow).is_some() {
            call.allows_update = response.headers.has_token("Allow", "UPDATE");
        }
        match response.status.code() {
            100..=199 => self.invite_progress(key, response),
            200..=299 if call.is_established() || call.told => self.repeated_ok(key, tx, &response),
            200..=299 if call.state == CallState::Canceling => {
                let established = self.clients.get(&tx).map(|client| client.connection);
                if let Some(id) = established {
                    self.ack_and_bye(id, &response, key);
                }
                self.canceled(key, None);
            }
            200..=299 => self.invite_accepted(key, response),
            _ if call.is_established() => {}
            _ if call.state == CallState::Canceling => self.canceled(key, Some(response)),
            422 if self.longer_interval(key, &response) => self.send_invite(key),
            status => {
                let kind = match status {
                    401 | 407 => TerminationKind::AuthenticationFailed,
                    _ => TerminationKind::Rejected,
                };
                let termination = Termination {
                    established: false,
                    originator: Originator::Remote,
                    kind,
                    status: Some(status),
                    reason: Some(String::from_utf8_lossy(&response.reason).into_owned()),
                    response: Some(Box::new(response)),
                };
                self.finish(key, termination);
            }
        }
    }

    fn invite_progress(&mut self, key: CallKey, response: Response) {
        let max_early = self.config.limits.max_early_dialogs;
        let Some(call) = self.calls.get_mut(&key) else { return };
        let over = call.state == CallState::Canceling || call.is_established();
        let Some(outbound) = &mut call.outbound else { return };
        outbound.provisional = true;
        if outbound.cancel.as_ref().is_some_and(|cancel| !cancel.sent) {
            return self.send_cancel(key);
        }
        let status = response.status.code();
        if status == 100 || over {
            return;
        }
        let tag = response.headers.address("To").and_then(|to| to.tag().map(str::to_owned));
        let sdp = sdp_body(&response.headers, response.body());
        let (mut early_id, mut answer) = (None, None);
        if let Some(tag) = tag {
            let index = match outbound.early.iter().position(|early| early.tag == tag) {
                Some(index) => index,
                None if outbound.early.len() >= max_early => return,
                None => {
                    outbound.early.push(Early { tag, answer: None, remote_cseq: None });
                    outbound.early.len() - 1
                }
            };
            early_id = u32::try_from(index).ok().map(EarlyId);
            // An SDP in an unreliable 1xx is the answer that the 2xx will repeat (§13.2.1); without our offer it is none.
            if let Some(early) = outbound.early.get_mut(index)
                && outbound.has_offer
                && sdp.is_some()
                && early.answer != sdp
            {
                early.answer.clone_from(&sdp);
                answer = sdp;
            }
            if call.dialog.remote_tag.is_none() {
                call.dialog.learn_from_response(&response.headers);
            }
        }
        call.state = CallState::Ringing;
        self.event(Event::Provisional { call: key, early: early_id, status, answer, response: Box::new(response) });
    }

    fn invite_accepted(&mut self, key: CallKey, response: Response) {
        self.timers.clear(TimerKey::Call(key, CallTimer::NoAnswer));
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(outbound) = &mut call.outbound else { return };
        call.dialog.learn_from_response(&response.headers);
        let tag = call.dialog.remote_tag.clone().unwrap_or_default();
        let index = outbound.early.iter().position(|early| early.tag == tag);
        let winner = index.and_then(|i| outbound.early.get(i));
        call.dialog.remote_cseq = winner.and_then(|early| early.remote_cseq);
        let known = winner.and_then(|early| early.answer.clone());
        let sdp = sdp_body(&response.headers, response.body()).filter(|sdp| known.as_ref() != Some(sdp));
        let early = index.and_then(|i| u32::try_from(i).ok()).map(EarlyId);
        let has_offer = outbound.has_offer;
        // What is kept only to send the INVITE again is not needed any more.
        outbound.extra = Vec::new();
        outbound.offer = None;
        call.state = CallState::Answered;
        self.session_from_answer(key, &response.headers);
        self.event(Event::Accepted { call: key, early, sdp, response: Box::new(response) });
        if has_offer {
            self.acknowledge(key, None);
        }
    }

    /// Outbound with a late offer: sends the ACK with our answer to the offer in the 2xx.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`]; [`CommandError::WrongState`] when there is no such ACK to send.
    pub fn ack(&mut self, now: Millis, call: CallKey, answer: String) -> Result<(), CommandError> {
        self.begin(now);
        let found = self.live(call)?;
        if found.outbound.is_none() || found.state != CallState::Answered {
            return Err(CommandError::WrongState { command: "ack", state: found.state.name() });
        }
        self.acknowledge(call, Some(&answer));
        self.fire_due();
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, key: CallKey, answer: Option<&str>) {
        self.send_dialog_ack(key, answer);
        if let Some(call) = self.calls.get_mut(&key) {
            call.state = CallState::Established;
            self.event(Event::Confirmed { call: key, answer: None });
        }
    }

    /// Sends the ACK for the 2xx of the INVITE that this call's transaction carries (§13.2.2.4).
    pub(super) fn send_dialog_ack(&mut self, key: CallKey, answer: Option<&str>) {
        let Some(call) = self.calls.get(&key) else { return };
        let tx = match (&call.local_modify, &call.outbound) {
            (Some(modify), _) => modify.tx,
            (None, Some(outbound)) => outbound.tx,
            (None, None) => return,
        };
        let invite = self.clients.get(&tx).map(|client| &client.request);
        let number = invite.and_then(|r| cseq(&r.headers)).unwrap_or(call.dialog.local_cseq);
        let body = answer.and_then(compose::sdp);
        let mut ack = request_in(&call.dialog, Method::Ack, number, false, &self.config.user_agent, &[], body);
        if let Some(invite) = invite {
            // §22.1: the ACK carries the INVITE's credentials.
            let names = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
            compose::copy(&invite.headers, &mut ack.headers, &names);
        }
        let connection = call.connection;
        let bytes = self.send_ack(connection, ack);
        if let Some(call) = self.calls.get_mut(&key) {
            call.last_ack = Some((number, bytes));
        }
    }

    /// A 2xx to the first INVITE after the first 2xx: repeated, or of another fork (§13.2.2.4).
    fn repeated_ok(&mut self, key: CallKey, tx: TxId, response: &Response) {
        let Some(call) = self.calls.get(&key) else { return };
        let tag = response.headers.address("To").and_then(|to| to.tag().map(str::to_owned));
        if tag == call.dialog.remote_tag {
            self.repeat_ack(key, response);
        } else if let Some(id) = self.clients.get(&tx).map(|client| client.connection) {
            self.ack_and_bye(id, response, key);
        }
    }

    /// The 2xx came again, so the ACK was lost.
    pub(super) fn repeat_ack(&mut self, key: CallKey, response: &Response) {
        let Some(call) = self.calls.get(&key) else { return };
        if let Some((number, bytes)) = &call.last_ack
            && cseq(&response.headers) == Some(*number)
        {
            self.transmit(call.connection, bytes.clone());
        }
    }

    // --- cancelling ---

    /// Ends an outbound call before its answer.
    pub(super) fn cancel_invite(&mut self, key: CallKey, kind: TerminationKind, reason: Option<(u16, &str)>) {
        self.timers.clear(TimerKey::Call(key, CallTimer::NoAnswer));
        let Some(call) = self.calls.get_mut(&key) else { return };
        if !matches!(call.state, CallState::Calling | CallState::Ringing) {
            return;
        }
        let Some(outbound) = &mut call.outbound else { return };
        call.state = CallState::Canceling;
        let reason = reason.map(|(status, text)| (status, text.to_owned()));
        outbound.cancel = Some(Cancel { kind, reason, sent: false });
        if outbound.provisional {
            self.send_cancel(key);
        }
    }

    fn send_cancel(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(outbound) = &mut call.outbound else { return };
        let Some(cancel) = &mut outbound.cancel else { return };
        cancel.sent = true;
        let reason = cancel.reason.as_ref().and_then(|(status, text)| compose::reason(*status, text));
        let Some(client) = self.clients.get(&outbound.tx) else { return };
        let number = cseq(&client.request.headers).unwrap_or(0);
        let request = compose::cancel(&client.request, number, &self.config.user_agent, reason);
        let id = client.connection;
        let give_up = self.now + 64 * self.config.timers.t1_ms;
        self.timers.set(TimerKey::Call(key, CallTimer::CancelGiveUp), give_up);
        self.send_stamped(id, request, Owner::Nobody, None, 0);
    }

    pub(super) fn cancel_gave_up(&mut self, key: CallKey) {
        self.canceled(key, None);
    }

    /// The cancelled INVITE is over.
    fn canceled(&mut self, key: CallKey, response: Option<Response>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let cancel = call.outbound.as_mut().and_then(|outbound| outbound.cancel.take());
        let kind = cancel.map_or(TerminationKind::Canceled, |cancel| cancel.kind);
        let termination = Termination {
            established: false,
            originator: if kind == TerminationKind::NoAnswer { Originator::System } else { Originator::Local },
            kind,
            status: None,
            reason: None,
            response: response.map(Box::new),
        };
        self.finish(key, termination);
    }

    pub(crate) fn invite_fault(&mut self, key: CallKey, fault: Fault) {
        let Some(call) = self.calls.get(&key) else { return };
        match call.state {
            CallState::Canceling => self.canceled(key, None),
            CallState::Calling | CallState::Ringing => {
                let kind = match fault {
                    Fault::Timeout => TerminationKind::RequestTimeout,
                    Fault::ConnectionLost => TerminationKind::ConnectionLost,
                };
                self.finish(key, Termination::by_system(false, kind));
            }
            // The transaction only lived on to take repeated 2xx.
            _ => {}
        }
    }

    // --- what nobody waits for any more ---

    /// The response to an INVITE whose call is over.
    pub(super) fn orphan_response(&mut self, tx: TxId, response: &Response) {
        if response.status.is_success()
            && let Some(client) = self.clients.get(&tx)
        {
            let (id, credentials) = (client.connection, None);
            self.ack_and_bye_with(id, response, credentials);
        }
    }

    /// A response without a transaction: a 2xx to the INVITE of a call that we have must be acknowledged nevertheless.
    pub(crate) fn stray_response(&mut self, id: ConnectionId, response: &Response) {
        let is_invite = response.headers.text("CSeq").is_some_and(|cseq| cseq.ends_with("INVITE"));
        if !is_invite || !response.status.is_success() {
            return;
        }
        let (Some(call_id), Some(from)) = (response.headers.text("Call-ID"), response.headers.address("From")) else {
            return;
        };
        let local_tag = from.tag().unwrap_or("").to_owned();
        let Some(key) = self.dialogs.get(&(call_id, local_tag)).copied() else { return };
        let tag = response.headers.address("To").and_then(|to| to.tag().map(str::to_owned));
        if self.calls.get(&key).is_some_and(|call| call.dialog.remote_tag == tag) {
            self.repeat_ack(key, response);
        } else {
            self.ack_and_bye(id, response, key);
        }
    }

    fn ack_and_bye(&mut self, id: ConnectionId, response: &Response, key: CallKey) {
        let credentials = self.calls.get(&key).and_then(|call| call.credentials.clone());
        self.ack_and_bye_with(id, response, credentials);
    }

    /// Takes note of a 2xx whose dialog we do not want, and ends that dialog.
    fn ack_and_bye_with(&mut self, id: ConnectionId, response: &Response, credentials: Option<Arc<Credentials>>) {
        let Some((ack, bye)) = farewell(response, &self.config.user_agent) else { return };
        self.send_ack(id, ack);
        self.send_request(id, bye, Owner::Bye, credentials);
    }
}

/// ACK and BYE for the dialog that a 2xx to our INVITE made, out of nothing but that response.
fn farewell(response: &Response, user_agent: &str) -> Option<(Request, Request)> {
    let headers = &response.headers;
    let strip = |name: &str| -> Option<(NameAddr, String)> {
        let mut address = headers.address(name)?;
        let tag = address.tag().unwrap_or("").to_owned();
        address.remove_param("tag");
        Some((address, tag))
    };
    let ((local, local_tag), (remote, remote_tag)) = (strip("From")?, strip("To")?);
    let contact = headers.address("Contact")?;
    let mut route = record_route(headers);
    route.reverse();
    let number = cseq(headers)?;
    let dialog = Dialog {
        call_id: headers.text("Call-ID")?,
        local_tag,
        remote_tag: Some(remote_tag),
        contact: local.clone(),
        local,
        remote,
        local_cseq: number,
        remote_cseq: None,
        remote_target: contact.uri().clone(),
        route,
    };
    let ack = request_in(&dialog, Method::Ack, number, false, user_agent, &[], None);
    let bye = request_in(&dialog, Method::Bye, number.wrapping_add(1), false, user_agent, &[], None);
    Some((ack, bye))
}

impl Agent {
    /// What every INVITE and its 2xx say about us.
    pub(crate) fn capabilities(&self) -> Vec<HeaderField> {
        let supported = self.config.supported().join(", ");
        [("Allow", ALLOW), ("Supported", supported.as_str())]
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, value)| HeaderField::new(name, value).ok())
            .collect()
    }

    /// 422: asks for at least their minimum, a limited number of times (RFC 4028 §7.3).
    fn longer_interval(&mut self, key: CallKey, response: &Response) -> bool {
        let Some(call) = self.calls.get_mut(&key) else { return false };
        let Some(outbound) = &mut call.outbound else { return false };
        outbound.too_small += 1;
        outbound.too_small <= MAX_422 && call.session.raise_minimum(&response.headers)
    }
}
