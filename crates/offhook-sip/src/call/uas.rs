//! Taking a call (RFC 3261 §13.3): checks, 1xx, the 200 and its retransmission until the ACK, CANCEL.
//!
//! Who wins when CANCEL and our final response cross: the response that went out first (§9.2). A CANCEL after it is
//! answered 200 and changes nothing.

use std::sync::Arc;

use bytes::Bytes;

use super::{Call, CallState, CallTimer};
use crate::Millis;
use crate::agent::{Agent, TimerKey, TxId};
use crate::command::{Accept, Ring};
use crate::compose;
use crate::dialog::{Dialog, cseq, record_route};
use crate::error::CommandError;
use crate::event::{CallKey, ConnectionId, Event, Originator, Termination, TerminationKind};
use crate::header::HeaderField;
use crate::message::{HeadersExt as _, Message, Request, sdp_body};
use crate::name_addr::{NameAddr, Uri};

/// The INVITE that made a call.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(super) tx: TxId,
    from_tag: String,
    pub(super) cseq: u32,
    pub(super) has_offer: bool,
    /// What the session timer came to; said in the 2xx.
    session_fields: Vec<HeaderField>,
    pub(super) ok: Option<RepeatedOk>,
}

/// A 2xx that is sent until it is acknowledged (§13.3.1.4); the transport's reliability does not matter, since it is
/// end to end.
#[derive(Debug)]
pub(super) struct RepeatedOk {
    pub(super) bytes: Bytes,
    pub(super) connection: ConnectionId,
    pub(super) interval_ms: Millis,
}

impl Agent {
    pub(crate) fn invite_received(&mut self, id: ConnectionId, tx: TxId, request: Request) {
        if self.calls.len() >= self.config.limits.max_calls {
            return self.answer(tx, 503, &[], None, None);
        }
        let headers = &request.headers;
        let (Some(call_id), Some(mut from), Some(mut to)) =
            (headers.text("Call-ID"), headers.address("From"), headers.address("To"))
        else {
            return self.answer(tx, 400, &[], None, None);
        };
        let Some(contact) = headers.address("Contact").filter(|contact| contact.uri().is_sip()) else {
            return self.answer(tx, 400, &[], None, None);
        };
        let from_tag = from.tag().unwrap_or("").to_owned();
        let number = cseq(headers).unwrap_or(0);
        if self.is_merged(&call_id, &from_tag, number) {
            return self.answer(tx, 482, &[], None, None);
        }
        let offer = sdp_body(headers, request.body());
        if (offer.is_none() && !request.body().is_empty()) || headers.text("Content-Encoding").is_some() {
            let accept = HeaderField::new("Accept", "application/sdp");
            return self.answer(tx, 415, accept.ok().as_slice(), None, None);
        }
        let mut session = self.new_session();
        let session_fields = match session.negotiate(headers, &self.config.session_timer) {
            Ok(fields) => fields,
            Err(minimum) => {
                let field = HeaderField::unreserved("Min-SE", &minimum.to_string());
                return self.answer(tx, 422, field.ok().as_slice(), None, None);
            }
        };
        from.remove_param("tag");
        to.remove_param("tag");
        let key = CallKey(self.new_id());
        let dialog = Dialog {
            call_id,
            local_tag: self.rng.token(16),
            remote_tag: Some(from_tag.clone()),
            local: to,
            remote: from,
            local_cseq: u32::try_from(self.rng.below(1_000)).unwrap_or(0),
            remote_cseq: Some(number),
            remote_target: contact.uri().clone(),
            route: record_route(headers),
            contact: NameAddr::new(Uri::from_parsed(&request.uri)),
        };
        self.dialogs.insert((dialog.call_id.clone(), dialog.local_tag.clone()), key);
        self.inbound.insert((dialog.call_id.clone(), from_tag.clone()), key);
        self.own_server(tx, key);
        if let Some(expires) = headers.number("Expires").filter(|seconds| *seconds > 0) {
            let at = self.now + u64::from(expires) * 1_000;
            self.timers.set(TimerKey::Call(key, CallTimer::Expires), at);
        }
        let inbound = Inbound { tx, from_tag, cseq: number, has_offer: offer.is_some(), session_fields, ok: None };
        let call = Call {
            originator: Originator::Remote,
            state: CallState::Incoming,
            told: false,
            connection: id,
            dialog,
            credentials: None,
            allows_update: headers.has_token("Allow", "UPDATE"),
            session,
            outbound: None,
            inbound: Some(inbound),
            local_modify: None,
            remote_modify: None,
            retry: None,
            last_ack: None,
        };
        self.calls.insert(key, call);
        self.event(Event::Incoming { call: key, connection: id, request: Box::new(request), offer });
    }

    /// The same INVITE came on another path (§8.2.2.2).
    fn is_merged(&self, call_id: &str, from_tag: &str, number: u32) -> bool {
        self.inbound
            .get(&(call_id.to_owned(), from_tag.to_owned()))
            .and_then(|key| self.calls.get(key))
            .and_then(|call| call.inbound.as_ref())
            .is_some_and(|inbound| inbound.cseq == number)
    }

    /// Inbound, before the answer: sends a provisional response.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`]; [`CommandError::WrongState`] after the answer, or for an SDP when the INVITE had no
    /// offer; [`CommandError::OutOfRange`].
    pub fn ring(&mut self, now: Millis, call: CallKey, ring: Ring) -> Result<(), CommandError> {
        self.begin(now);
        let status = if ring.status == 0 { 180 } else { ring.status };
        if !(101..200).contains(&status) {
            return Err(CommandError::OutOfRange { what: "status", allowed: "101 to 199" });
        }
        let (tx, has_offer) = self.unanswered_invite(call, "ring")?;
        if ring.sdp.is_some() && !has_offer {
            return Err(CommandError::WrongState { command: "early media", state: "waiting for our offer" });
        }
        let found = self.live(call)?;
        if let Some(contact) = ring.contact {
            found.dialog.contact = contact;
        }
        let (tag, contact) = (found.dialog.local_tag.clone(), found.dialog.contact.clone());
        let mut fields = ring.headers;
        fields.push(HeaderField::contact(&contact));
        fields.extend(HeaderField::new("Allow", compose::ALLOW));
        self.answer_invite(tx, status, &fields, ring.sdp.as_deref().and_then(compose::sdp), &tag);
        self.fire_due();
        Ok(())
    }

    /// Inbound: answers 200. [`Event::Confirmed`](crate::Event::Confirmed) follows with the ACK.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], [`CommandError::WrongState`].
    pub fn accept(&mut self, now: Millis, call: CallKey, accept: Accept) -> Result<(), CommandError> {
        self.begin(now);
        let (tx, _) = self.unanswered_invite(call, "accept")?;
        let capabilities = self.capabilities();
        let found = self.live(call)?;
        found.dialog.contact = accept.contact;
        found.credentials = accept.credentials.map(Arc::new);
        found.state = CallState::Answered;
        let (tag, contact) = (found.dialog.local_tag.clone(), found.dialog.contact.clone());
        let mut fields = accept.headers;
        fields.push(HeaderField::contact(&contact));
        fields.extend(capabilities);
        fields.extend(found.inbound.iter().flat_map(|inbound| inbound.session_fields.clone()));
        self.timers.clear(TimerKey::Call(call, CallTimer::Expires));
        let ok = self.answer_invite(tx, 200, &fields, compose::sdp(&accept.sdp), &tag);
        if let Some(inbound) = self.live(call)?.inbound.as_mut() {
            inbound.ok = ok;
        }
        self.plan_ok(call);
        self.start_session_timers(call);
        self.fire_due();
        Ok(())
    }

    /// Inbound, before the answer: refuses with 300–699. [`Event::Terminated`](crate::Event::Terminated) follows at once.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], [`CommandError::WrongState`], [`CommandError::OutOfRange`].
    pub fn reject(
        &mut self,
        now: Millis,
        call: CallKey,
        status: u16,
        headers: Vec<HeaderField>,
    ) -> Result<(), CommandError> {
        self.begin(now);
        if !(300..700).contains(&status) {
            return Err(CommandError::OutOfRange { what: "status", allowed: "300 to 699" });
        }
        self.unanswered_invite(call, "reject")?;
        self.refuse_invite(call, status, &headers);
        self.fire_due();
        Ok(())
    }

    pub(super) fn refuse_invite(&mut self, key: CallKey, status: u16, headers: &[HeaderField]) {
        let termination = Termination {
            status: Some(status),
            ..Termination::new(false, Originator::Local, TerminationKind::Rejected)
        };
        self.refuse_as(key, status, headers, termination);
    }

    fn refuse_as(&mut self, key: CallKey, status: u16, headers: &[HeaderField], termination: Termination) {
        let Some(call) = self.calls.get(&key) else { return };
        let Some(inbound) = &call.inbound else { return };
        let (tx, tag) = (inbound.tx, call.dialog.local_tag.clone());
        self.answer(tx, status, headers, None, Some(&tag));
        self.finish(key, termination);
    }

    fn unanswered_invite(&mut self, call: CallKey, command: &'static str) -> Result<(TxId, bool), CommandError> {
        let found = self.live(call)?;
        match &found.inbound {
            Some(inbound) if found.state == CallState::Incoming => Ok((inbound.tx, inbound.has_offer)),
            _ => Err(CommandError::WrongState { command, state: found.state.name() }),
        }
    }

    /// Sends a response to a (re-)INVITE and returns its bytes.
    pub(super) fn answer_invite(
        &mut self,
        tx: TxId,
        status: u16,
        fields: &[HeaderField],
        body: compose::Body,
        tag: &str,
    ) -> Option<RepeatedOk> {
        let connection = self.servers.get(&tx)?.connection;
        let mut response = self.build_response(tx, status, Some(tag), body)?;
        // Record-Route makes the dialog's route set at the far end (§12.1.1).
        let invite = self.server_request(tx)?;
        let routes: Vec<_> = invite.headers.get_all(&sipx_sip::HeaderName::RecordRoute).cloned().collect();
        for route in routes {
            response.headers.push(route);
        }
        compose::put_fields(&mut response.headers, fields);
        let bytes = Message::Response(response.clone()).to_bytes();
        self.respond_with(tx, response);
        Some(RepeatedOk { bytes, connection, interval_ms: self.config.timers.t1_ms })
    }

    // --- the ACK ---

    /// Plans the first retransmission of a 2xx, and the end of patience.
    pub(super) fn plan_ok(&mut self, key: CallKey) {
        let t1 = self.config.timers.t1_ms;
        self.timers.set(TimerKey::Call(key, CallTimer::RetransmitOk), self.now + t1);
        self.timers.set(TimerKey::Call(key, CallTimer::AckGiveUp), self.now + 64 * t1);
    }

    pub(super) fn retransmit_ok(&mut self, key: CallKey) {
        let t2 = self.config.timers.t2_ms;
        let Some(call) = self.calls.get_mut(&key) else { return };
        let ok = match (&mut call.remote_modify, &mut call.inbound) {
            (Some(modify), _) => modify.ok.as_mut(),
            (None, Some(inbound)) => inbound.ok.as_mut(),
            (None, None) => None,
        };
        let Some(ok) = ok else { return };
        ok.interval_ms = (ok.interval_ms * 2).min(t2);
        let (connection, bytes, at) = (ok.connection, ok.bytes.clone(), self.now + ok.interval_ms);
        self.transmit(connection, bytes);
        self.timers.set(TimerKey::Call(key, CallTimer::RetransmitOk), at);
    }

    pub(crate) fn ack_received(&mut self, ack: &Request) {
        let tag = ack.headers.address("To").and_then(|to| to.tag().map(str::to_owned));
        let (Some(tag), Some(call_id)) = (tag, ack.headers.text("Call-ID")) else { return };
        let Some(key) = self.dialogs.get(&(call_id, tag)).copied() else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let from = ack.headers.address("From");
        if call.dialog.remote_tag.as_deref() != Some(from.as_ref().and_then(NameAddr::tag).unwrap_or("")) {
            return;
        }
        let number = cseq(&ack.headers);
        let answer = sdp_body(&ack.headers, ack.body());
        if call.remote_modify.as_ref().is_some_and(|m| m.ok.is_some() && Some(m.cseq) == number) {
            self.settle_ok(key);
            return self.reinvite_acknowledged(key, answer);
        }
        let Some(inbound) = call.inbound.as_mut().filter(|i| i.ok.is_some() && Some(i.cseq) == number) else { return };
        inbound.ok = None;
        let answer = answer.filter(|_| !inbound.has_offer);
        self.settle_ok(key);
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.state = CallState::Established;
        if call.told {
            // Hung up before the ACK came: the BYE had to wait for it (§15).
            self.send_bye(key, None);
            self.remove(key);
        } else {
            self.event(Event::Confirmed { call: key, answer });
        }
    }

    /// A new INVITE in the dialog. Its sender is done with the one before (§14.1: it must not have two under way), so the ACK of our
    /// 2xx was lost, with a connection perhaps. The answer in it, if one was due, is lost as well.
    pub(super) fn imply_ack(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| !call.told) else { return };
        if call.remote_modify.as_ref().is_some_and(|modify| modify.ok.is_some()) {
            self.settle_ok(key);
            return self.reinvite_acknowledged(key, None);
        }
        // Without the answer that the ACK should have brought, the call is none.
        let Some(inbound) = call.inbound.as_mut().filter(|inbound| inbound.ok.is_some() && inbound.has_offer) else {
            return;
        };
        inbound.ok = None;
        call.state = CallState::Established;
        self.settle_ok(key);
        self.event(Event::Confirmed { call: key, answer: None });
    }

    fn settle_ok(&mut self, key: CallKey) {
        self.timers.clear(TimerKey::Call(key, CallTimer::RetransmitOk));
        self.timers.clear(TimerKey::Call(key, CallTimer::AckGiveUp));
    }

    // --- what ends it before ---

    pub(crate) fn invite_canceled(&mut self, tx: TxId, cancel: &Request) {
        let Some(key) = self.owner_of_server(tx) else { return };
        let Some(call) = self.calls.get(&key) else { return };
        if call.inbound.as_ref().is_some_and(|inbound| inbound.tx == tx) {
            if call.state == CallState::Incoming {
                let (status, reason) = compose::read_reason(&cancel.headers);
                let termination = Termination {
                    status,
                    reason,
                    ..Termination::new(false, Originator::Remote, TerminationKind::Canceled)
                };
                self.refuse_as(key, 487, &[], termination);
            }
        } else {
            self.reinvite_canceled(key, tx);
        }
    }

    pub(super) fn invite_expired(&mut self, key: CallKey) {
        if self.calls.get(&key).is_some_and(|call| call.state == CallState::Incoming) {
            self.refuse_as(key, 487, &[], Termination::by_system(false, TerminationKind::Expired));
        }
    }

    /// The connection of a request that was not answered is gone.
    pub(crate) fn server_transaction_lost(&mut self, tx: TxId, owner: Option<CallKey>) {
        let Some(key) = owner else { return };
        let Some(call) = self.calls.get(&key) else { return };
        if call.state == CallState::Incoming && call.inbound.as_ref().is_some_and(|inbound| inbound.tx == tx) {
            self.finish(key, Termination::by_system(false, TerminationKind::ConnectionLost));
        } else {
            self.reinvite_lost(key, tx);
        }
    }

    pub(super) fn forget_inbound(&mut self, call: &Call) {
        if let Some(inbound) = &call.inbound {
            self.inbound.remove(&(call.dialog.call_id.clone(), inbound.from_tag.clone()));
        }
    }
}
