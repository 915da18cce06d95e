//! Changing an established session: re-INVITE (RFC 3261 §14) and UPDATE (RFC 3311), both ways.
//!
//! One exchange at a time. What happens when two meet:
//!
//! | pending here | comes in | answer |
//! | --- | --- | --- |
//! | our INVITE, or an offer of ours in whatever message | re-INVITE, UPDATE with offer | 491 (§14.2, RFC 3311 §5.2) |
//! | our UPDATE without an offer | re-INVITE, UPDATE with offer | taken: it concerns no session |
//! | their offer, not answered by us | re-INVITE, UPDATE with offer | 500 with Retry-After 0–10 s |
//! | our 2xx, not acknowledged | re-INVITE | taken: it stands for the ACK, which was lost |
//! | our 2xx with an answer, not acknowledged | UPDATE with offer | 500 with Retry-After 0–10 s |
//! | any | UPDATE without SDP | 200 |
//! | ours, on the connection that the call was moved away from | anything | as if there were none: it has no answer any more |
//!
//! Our own request refused with 491 waits 2.1–4 s when we made the call's Call-ID, else 0–2 s (§14.1). A refusal of any
//! kind leaves the session as it was (RFC 6141 §3.4): the user rolls its offer back.

use super::uas::RepeatedOk;
use super::{Call, CallState, CallTimer};
use crate::Millis;
use crate::agent::{Agent, Fault, Owner, TimerKey, TxId};
use crate::command::{Modify, ModifyMethod};
use crate::compose;
use crate::dialog::cseq;
use crate::error::CommandError;
use crate::event::{CallKey, ConnectionId, Event, ModifyOutcome, Originator};
use crate::header::{HeaderError, HeaderField};
use crate::message::{HeadersExt as _, Method, Request, Response, sdp_body};

/// A re-INVITE that is answered by 1xx only is cancelled after this: someone may be asked whether they want video.
const MODIFY_PATIENCE_MS: Millis = 64_000;

/// Our exchange.
#[derive(Debug)]
pub(crate) struct LocalModify {
    pub(super) tx: TxId,
    method: ModifyMethod,
    has_offer: bool,
    canceled: bool,
}

/// Theirs.
#[derive(Debug)]
pub(crate) struct RemoteModify {
    pub(super) tx: TxId,
    pub(super) cseq: u32,
    method: ModifyMethod,
    has_offer: bool,
    /// Our 2xx to a re-INVITE, until it is acknowledged; before: the user was asked.
    pub(super) ok: Option<RepeatedOk>,
}

/// A request of ours that is to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Its time after a 491 is not over.
    Waiting,
    /// Another exchange is pending.
    Due,
}

impl Call {
    /// Whether an INVITE or an offer of ours is under way, so that theirs is answered 491 (§14.2, RFC 3311 §5.2).
    fn must_not_be_offered(&self, method: ModifyMethod) -> bool {
        // Until the 2xx, no answer is certain: one in a 1xx that is not reliable counts for nothing to who sent it (§13.2.1).
        let early = self.outbound.as_ref().filter(|_| !self.is_established());
        let in_invite = early.is_some_and(|outbound| outbound.has_offer || method == ModifyMethod::Invite);
        let in_ok = self.inbound.as_ref().is_some_and(|inbound| inbound.ok.is_some() && !inbound.has_offer);
        let in_modify = self.local_modify.as_ref().is_some_and(|modify| modify.has_offer);
        let in_modify_ok = self.remote_modify.as_ref().is_some_and(|modify| modify.ok.is_some() && !modify.has_offer);
        in_invite || in_ok || in_modify || in_modify_ok
    }
}

impl Agent {
    /// Changes an established session by re-INVITE or UPDATE. [`Event::Modified`](crate::Event::Modified) follows
    /// always, unless the call ends before.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`]; [`CommandError::WrongState`] unless established; [`CommandError::OfferPending`], and
    /// [`Event::ModifyRetry`] follows when nothing is pending any more; [`CommandError::UnknownConnection`] while its
    /// connection is lost.
    pub fn modify(&mut self, now: Millis, call: CallKey, modify: Modify) -> Result<(), CommandError> {
        self.begin(now);
        let found = self.live(call)?;
        if found.state != CallState::Established {
            return Err(CommandError::WrongState { command: "modify", state: found.state.name() });
        }
        if found.local_modify.is_some() || found.remote_modify.is_some() {
            // One that waits for its time after a 491 keeps it.
            found.retry.get_or_insert(Retry::Due);
            return Err(CommandError::OfferPending);
        }
        let method = match (modify.method, &modify.offer) {
            (ModifyMethod::Invite, None) => {
                return Err(HeaderError::Body { what: "a re-INVITE must carry an offer" }.into());
            }
            (ModifyMethod::Invite, Some(_)) => Method::Invite,
            (ModifyMethod::Update, _) => Method::Update,
        };
        let mut fields = modify.headers;
        fields.extend(self.capabilities());
        fields.extend(self.live(call)?.session.refresh_fields());
        let body = modify.offer.as_deref().and_then(compose::sdp);
        let has_offer = modify.offer.is_some();
        self.live(call)?.local_modify = Some(LocalModify { tx: 0, method: modify.method, has_offer, canceled: false });
        match self.send_in_dialog(call, method, &fields, body, Owner::Modify(call)) {
            Ok(tx) => self.resent(Owner::Modify(call), tx),
            Err(error) => {
                self.live(call)?.local_modify = None;
                return Err(error);
            }
        }
        if has_offer {
            self.live(call)?.retry = None;
            self.timers.clear(TimerKey::Call(call, CallTimer::Glare));
        }
        self.fire_due();
        Ok(())
    }

    pub(crate) fn modify_response(&mut self, key: CallKey, tx: TxId, response: Response) {
        let status = response.status.code();
        let Some(call) = self.calls.get_mut(&key) else {
            // The call ended while its re-INVITE was under way. A 2xx still wants its ACK.
            return self.orphan_response(tx, &response);
        };
        let Some(modify) = call.local_modify.as_ref().filter(|modify| modify.tx == tx) else {
            return self.repeat_ack(key, &response);
        };
        let (method, canceled) = (modify.method, modify.canceled);
        match status {
            100..=199 => {
                let at = self.now + MODIFY_PATIENCE_MS;
                if method == ModifyMethod::Invite && !canceled {
                    self.timers.set(TimerKey::Call(key, CallTimer::ModifyGiveUp), at);
                }
            }
            200..=299 => {
                call.dialog.retarget(&response.headers);
                let sdp = sdp_body(&response.headers, response.body());
                if method == ModifyMethod::Invite {
                    self.send_dialog_ack(key, None);
                }
                self.session_from_answer(key, &response.headers);
                self.modify_over(key, ModifyOutcome::Accepted { sdp });
            }
            491 => self.glare(key, None),
            500 if response.headers.number("Retry-After").is_some_and(|seconds| seconds <= 10) => {
                let after = response.headers.number("Retry-After").map(|seconds| u64::from(seconds) * 1_000);
                self.glare(key, after);
            }
            408 | 481 => {
                self.modify_refused(key, &response);
                self.dialog_gone(key, status);
            }
            _ => self.modify_refused(key, &response),
        }
    }

    fn modify_refused(&mut self, key: CallKey, response: &Response) {
        let outcome = ModifyOutcome::Refused {
            status: response.status.code(),
            reason: String::from_utf8_lossy(&response.reason).into_owned(),
        };
        self.modify_over(key, outcome);
    }

    fn modify_over(&mut self, key: CallKey, outcome: ModifyOutcome) {
        self.timers.clear(TimerKey::Call(key, CallTimer::ModifyGiveUp));
        if let Some(call) = self.calls.get_mut(&key) {
            call.local_modify = None;
        }
        self.event(Event::Modified { call: key, outcome });
        self.retry_if_due(key);
    }

    pub(crate) fn modify_fault(&mut self, key: CallKey, tx: TxId, fault: Fault) {
        let Some(call) = self.calls.get(&key) else { return };
        let Some(modify) = call.local_modify.as_ref().filter(|modify| modify.tx == tx) else { return };
        let canceled = modify.canceled;
        match fault {
            Fault::ConnectionLost => self.modify_over(key, ModifyOutcome::ConnectionLost),
            Fault::Timeout => {
                self.modify_over(key, ModifyOutcome::Timeout);
                if !canceled {
                    self.dialog_gone(key, 408);
                }
            }
        }
    }

    /// The call has moved: no answer comes to what went out on the connection before, and until its time is over it would be
    /// in the way of what the far end offers on this one.
    pub(super) fn modify_left_behind(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(tx) = call.local_modify.as_ref().map(|modify| modify.tx) else { return };
        call.retry.get_or_insert(Retry::Due);
        self.forget_client(tx);
        self.modify_over(key, ModifyOutcome::ConnectionLost);
    }

    /// Answered by 1xx only: cancel it; and when that comes to nothing either, give it up.
    pub(super) fn modify_gave_up(&mut self, key: CallKey) {
        let give_up = self.now + 64 * self.config.timers.t1_ms;
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(modify) = &mut call.local_modify else { return };
        let tx = modify.tx;
        if std::mem::replace(&mut modify.canceled, true) {
            self.forget_client(tx);
            return self.modify_over(key, ModifyOutcome::Timeout);
        }
        let Some(client) = self.clients.get(&tx) else { return };
        let number = cseq(&client.request.headers).unwrap_or(0);
        let cancel = compose::cancel(&client.request, number, &self.config.user_agent, None);
        let id = client.connection;
        self.timers.set(TimerKey::Call(key, CallTimer::ModifyGiveUp), give_up);
        self.send_stamped(id, cancel, Owner::Nobody, None, 0);
    }

    // --- 491 ---

    fn glare(&mut self, key: CallKey, after: Option<Millis>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.retry = Some(Retry::Waiting);
        let after = match (after, call.originator) {
            (Some(after), _) => after,
            (None, Originator::Local) => 2_100 + 10 * self.rng.below(191),
            (None, _) => 10 * self.rng.below(201),
        };
        self.timers.set(TimerKey::Call(key, CallTimer::Glare), self.now + after);
        self.modify_over(key, ModifyOutcome::Glare);
    }

    pub(super) fn glare_over(&mut self, key: CallKey) {
        if let Some(call) = self.calls.get_mut(&key)
            && call.retry == Some(Retry::Waiting)
        {
            call.retry = Some(Retry::Due);
            self.retry_if_due(key);
        }
    }

    fn retry_if_due(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let idle = call.local_modify.is_none() && call.remote_modify.is_none();
        if idle && call.retry == Some(Retry::Due) && !call.told {
            call.retry = None;
            self.event(Event::ModifyRetry { call: key });
        }
    }

    // --- theirs ---

    pub(crate) fn reinvite_received(&mut self, key: CallKey, id: ConnectionId, tx: TxId, request: Request) {
        let offer = sdp_body(&request.headers, request.body());
        if offer.is_none() && !request.body().is_empty() {
            let accept = HeaderField::new("Accept", "application/sdp");
            return self.answer(tx, 415, accept.ok().as_slice(), None, None);
        }
        self.offer_received(key, id, tx, ModifyMethod::Invite, offer, request);
    }

    pub(crate) fn update_received(&mut self, key: CallKey, id: ConnectionId, tx: TxId, request: Request) {
        let offer = sdp_body(&request.headers, request.body());
        if offer.is_some() {
            return self.offer_received(key, id, tx, ModifyMethod::Update, offer, request);
        }
        // Before the answer there is no session to keep: its timer is agreed in the INVITE and its 2xx (RFC 4028 §7.2, §9).
        let has_session = self.calls.get(&key).is_some_and(Call::is_established);
        let fields = if has_session { self.accept_session(key, tx, &request) } else { Some(Vec::new()) };
        let Some(fields) = fields else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.dialog.retarget(&request.headers);
        let contact = HeaderField::contact(&call.dialog.contact);
        let fields: Vec<HeaderField> = [contact].into_iter().chain(fields).collect();
        self.answer(tx, 200, &fields, None, None);
        if has_session {
            self.start_session_timers(key);
        }
        self.event(Event::Updated { call: key, request: Box::new(request) });
    }

    fn offer_received(
        &mut self,
        key: CallKey,
        connection: ConnectionId,
        tx: TxId,
        method: ModifyMethod,
        offer: Option<String>,
        request: Request,
    ) {
        let wait = self.rng.below(11);
        if method == ModifyMethod::Invite {
            self.imply_ack(key);
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.told {
            return self.answer(tx, 487, &[], None, None);
        }
        if call.must_not_be_offered(method) {
            return self.answer(tx, 491, &[], None, None);
        }
        if call.remote_modify.is_some() || call.state != CallState::Established {
            let field = HeaderField::new("Retry-After", &wait.to_string());
            return self.answer(tx, 500, field.ok().as_slice(), None, None);
        }
        let modify = RemoteModify {
            tx,
            cseq: cseq(&request.headers).unwrap_or(0),
            method,
            has_offer: offer.is_some(),
            ok: None,
        };
        call.remote_modify = Some(modify);
        self.own_server(tx, key);
        self.event(Event::RemoteOffer { call: key, offer, connection, request: Box::new(request) });
    }

    /// Accepts [`Event::RemoteOffer`](crate::Event::RemoteOffer) with this answer (or with our offer, when it had none).
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`]; [`CommandError::WrongState`] when there is nothing to answer (any more).
    pub fn answer_offer(&mut self, now: Millis, call: CallKey, sdp: String) -> Result<(), CommandError> {
        self.begin(now);
        let (tx, method) = self.asked(call, "answer_offer")?;
        let Some(request) = self.server_request(tx).cloned() else { return Err(CommandError::UnknownCall) };
        let Some(session_fields) = self.accept_session(call, tx, &request) else {
            self.abandon_remote(call);
            return Ok(());
        };
        let capabilities = self.capabilities();
        let found = self.live(call)?;
        found.dialog.retarget(&request.headers);
        let mut fields = vec![HeaderField::contact(&found.dialog.contact)];
        fields.extend(capabilities);
        fields.extend(session_fields);
        let tag = found.dialog.local_tag.clone();
        let ok = self.answer_invite(tx, 200, &fields, compose::sdp(&sdp), &tag);
        let found = self.live(call)?;
        match (method, ok) {
            (ModifyMethod::Invite, Some(ok)) => {
                if let Some(modify) = &mut found.remote_modify {
                    modify.ok = Some(ok);
                }
                self.plan_ok(call);
            }
            _ => found.remote_modify = None,
        }
        self.start_session_timers(call);
        self.retry_if_due(call);
        self.fire_due();
        Ok(())
    }

    /// Refuses [`Event::RemoteOffer`](crate::Event::RemoteOffer) with 300–699, usually 488; the session stays as it was.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`]; [`CommandError::WrongState`] when there is nothing to refuse (any more);
    /// [`CommandError::OutOfRange`].
    pub fn refuse_offer(&mut self, now: Millis, call: CallKey, status: u16) -> Result<(), CommandError> {
        self.begin(now);
        if !(300..700).contains(&status) {
            return Err(CommandError::OutOfRange { what: "status", allowed: "300 to 699" });
        }
        let (tx, _) = self.asked(call, "refuse_offer")?;
        self.live(call)?.remote_modify = None;
        self.answer(tx, status, &[], None, None);
        self.retry_if_due(call);
        self.fire_due();
        Ok(())
    }

    fn asked(&mut self, call: CallKey, command: &'static str) -> Result<(TxId, ModifyMethod), CommandError> {
        let found = self.live(call)?;
        match &found.remote_modify {
            Some(modify) if modify.ok.is_none() => Ok((modify.tx, modify.method)),
            _ => Err(CommandError::WrongState { command, state: "not asked" }),
        }
    }

    pub(super) fn reinvite_acknowledged(&mut self, key: CallKey, answer: Option<String>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(modify) = call.remote_modify.take() else { return };
        if call.told {
            return;
        }
        if !modify.has_offer {
            match answer {
                Some(answer) => self.event(Event::RemoteAnswer { call: key, answer }),
                None => self.event(Event::RemoteOfferAbandoned { call: key }),
            }
        }
        self.retry_if_due(key);
    }

    pub(super) fn reinvite_canceled(&mut self, key: CallKey, tx: TxId) {
        if self.is_asked(key, tx) {
            self.answer(tx, 487, &[], None, None);
            self.abandon_remote(key);
        }
    }

    pub(super) fn reinvite_lost(&mut self, key: CallKey, tx: TxId) {
        if self.is_asked(key, tx) {
            self.abandon_remote(key);
        }
    }

    fn is_asked(&self, key: CallKey, tx: TxId) -> bool {
        let modify = self.calls.get(&key).and_then(|call| call.remote_modify.as_ref());
        modify.is_some_and(|modify| modify.tx == tx && modify.ok.is_none())
    }

    fn abandon_remote(&mut self, key: CallKey) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.remote_modify = None;
            self.event(Event::RemoteOfferAbandoned { call: key });
            self.retry_if_due(key);
        }
    }
}
