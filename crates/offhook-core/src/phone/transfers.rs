//! Transfers: the commands, the two calls of a consultation, and being transferred.

use offhook_sip::message::{HeadersExt, Request};
use offhook_sip::{CallKey, HeaderField, ReferTo, Replaces};

use super::Phone;
use crate::call_id::CallId;
use crate::config::CallOptions;
use crate::error::PhoneError;
use crate::events::PhoneEvent;
use crate::io::{CommandId, Now};
use crate::number;
use crate::session::Session;
use crate::status::TerminateType;

/// A consultation call whose far end does not hang up after the transfer is hung up by us.
const CONSULTATION_GRACE_MS: u64 = 10_000;

impl Phone {
    /// Sends the far end of a call to another number. The call is held, and stays until the new call is answered: then it
    /// ends. If nothing comes of it, it is given back as it was (`transferFailed`), and stays held if another call is talking
    /// by then. Settled when the outcome is known.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`], [`PhoneError::InvalidNumber`], [`PhoneError::WrongState`] before the answer and while
    /// another transfer of the call is under way. Later: [`PhoneError::Refused`], [`PhoneError::Timeout`].
    pub fn blind_transfer(&mut self, now: Now, call_id: &CallId, number: &str) -> Result<CommandId, PhoneError> {
        self.transferable(call_id)?;
        let (target, _) = number::target(number, &self.config.aor.uri().host())?;
        let refer_to = ReferTo { target, replaces: None };
        Ok(self.act(now, call_id, |session, ctx, command| session.transfer(ctx, command, refer_to, None)))
    }

    /// Makes a consultation call: a second call for the transfer of the first, which is held. It does not count against
    /// the limit of calls. Settled as [`call`](Self::call) is.
    ///
    /// # Errors
    /// As [`call`](Self::call); last of all [`PhoneError::ParentNotFound`].
    pub fn consult(
        &mut self,
        now: Now,
        parent: &CallId,
        number: &str,
        options: CallOptions,
    ) -> Result<(CommandId, CallId), PhoneError> {
        let target = self.check_call(now, number, &options, Some(parent))?;
        let parent = self.answered(parent, "consult").map_err(|_| PhoneError::ParentNotFound)?;
        let parent = parent.as_parent(now);
        self.make_call(now, target, options, Some(parent))
    }

    /// Completes a transfer: connects the far end of the consultation call's parent with that of the consultation call
    /// (REFER with Replaces). If the consultation call still rings, it is cancelled and the parent transferred blind to its
    /// number. Settled when the outcome is known; both calls are over then, or the parent is given back.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`], [`PhoneError::ParentNotFound`] if it is no consultation call or its parent is over,
    /// [`PhoneError::WrongState`] while a transfer of the parent is under way. Later: [`PhoneError::Refused`],
    /// [`PhoneError::Timeout`].
    pub fn attended_transfer(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        let consultation = self.live(call_id)?;
        let parent = consultation.status().transfer_parent.as_ref().ok_or(PhoneError::ParentNotFound)?;
        let parent = parent.call_id.clone();
        let established = consultation.is_confirmed();
        // What was dialled is not known any more after a reload; who was reached is.
        let reached = || Some(self.sip.call(consultation.key()?)?.remote.uri().clone());
        let target = consultation.dialed().cloned().or_else(reached).ok_or(PhoneError::ParentNotFound)?;
        let replaces = consultation.key().and_then(|key| self.sip.dialog(key)).filter(|_| established);
        self.transferable(&parent).map_err(|error| match error {
            PhoneError::UnknownCall => PhoneError::ParentNotFound,
            other => other,
        })?;
        let waits_for = (!established).then(|| call_id.clone());
        let refer_to = ReferTo { target, replaces };
        let command =
            self.act(now, &parent, |session, ctx, command| session.transfer(ctx, command, refer_to, waits_for));
        if !established {
            self.with_session(now, call_id, |session, ctx| session.hang_up(ctx, TerminateType::Terminate));
            self.settle_down(now);
        }
        Ok(command)
    }

    fn transferable(&self, call_id: &CallId) -> Result<(), PhoneError> {
        if self.answered(call_id, "transfer")?.is_transferring() {
            return Err(PhoneError::WrongState { command: "transfer", state: "the call is being transferred already" });
        }
        Ok(())
    }

    /// A call is over: those that hang on it follow. `transferred`: its far end has gone where a transfer sent it.
    pub(super) fn after_the_end(&mut self, now: Now, gone: &CallId, transferred: bool) {
        for parent in self.call_ids(Session::is_transferring) {
            self.with_session(now, &parent, |session, ctx| session.on_consultation_ended(ctx, gone));
        }
        let is_child =
            |session: &Session| session.status().transfer_parent.as_ref().is_some_and(|parent| parent.call_id == *gone);
        for child in self.call_ids(is_child) {
            self.with_session(now, &child, |session, ctx| {
                if transferred {
                    session.end_later(ctx.now.mono + CONSULTATION_GRACE_MS);
                } else {
                    session.hang_up(ctx, TerminateType::Terminate);
                }
            });
        }
    }

    /// Takes calls from hold again whose transfers have failed. A call that is talking or being made by now goes on instead.
    pub(super) fn take_back(&mut self, now: Now) {
        let given_back = |session: &mut Session| session.take_given_back().then(|| session.call_id().clone());
        for call_id in self.sessions.iter_mut().filter_map(given_back).collect::<Vec<_>>() {
            let busy = |session: &Session| session.is_talking() || (session.is_connecting() && !session.is_ending());
            if !self.sessions.iter().any(|session| busy(session) && self.is_apart(&call_id, session)) {
                self.with_session(now, &call_id, |session, ctx| session.hold(ctx, None, false));
            }
        }
    }

    // --- being transferred ---

    /// A REFER in a call: makes the new call. The status to answer with.
    pub(super) fn on_refer(&mut self, now: Now, referrer: CallKey, request: &Request) -> u16 {
        let talks = |s: &&Session| s.key() == Some(referrer) && s.is_confirmed() && !s.is_ending();
        let may = self.config.allow_transfer && !self.link.is_stopping();
        let Some(referring) = self.sessions.iter().find(talks).filter(|_| may) else { return 603 };
        let Some(refer_to) = request.headers.text("Refer-To").as_deref().and_then(ReferTo::parse) else { return 400 };
        let replaces = refer_to.replaces.as_ref().map(ToString::to_string);
        let referred_by = request.headers.text("Referred-By");
        let headers = [("Replaces", replaces), ("Referred-By", referred_by)];
        let headers: Vec<HeaderField> =
            headers.iter().filter_map(|(name, value)| HeaderField::new(name, value.as_deref()?).ok()).collect();
        let number = refer_to.target.user();
        let call_id = CallId::new(self.random.token(26));
        let target = (refer_to.target, number);
        let mut session = Session::outbound(now, call_id.clone(), target, headers, CallOptions::default());
        session.refer_by(referrer);
        session.follow(referring);
        session.want_look_up();
        if self.current.as_ref() == Some(referring.call_id()) {
            session.look_away_from(self.current.replace(call_id.clone()));
        }
        self.sessions.push(session);
        self.event(PhoneEvent::NewRtcSession { call_id: call_id.clone() });
        self.event(PhoneEvent::StartSession { call_id: call_id.clone() });
        self.referred.push(call_id);
        202
    }

    /// Begins the calls that a REFER asked for, after its 202 (RFC 3515 §2.4.4: NOTIFY follows at once).
    pub(super) fn dial_referred(&mut self, now: Now) {
        for call_id in std::mem::take(&mut self.referred) {
            self.with_session(now, &call_id, |session, ctx| session.dial_referred(ctx));
        }
    }

    // --- INVITE with Replaces ---

    /// The call that an INVITE wants to replace (RFC 3891 §3): `Ok(None)` when it wants none; `Err` the status to refuse
    /// it with.
    pub(super) fn replaced_by(&self, request: &Request) -> Result<Option<CallId>, u16> {
        let mut values = request.headers.texts("Replaces").into_iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(400);
        }
        let replaces = Replaces::parse(&value).ok_or(400_u16)?;
        let key = self.sip.find_dialog(&replaces).ok_or(481_u16)?;
        let session = self.sessions.iter().find(|session| session.key() == Some(key)).ok_or(481_u16)?;
        match (session.is_confirmed(), replaces.early_only) {
            _ if session.is_ending() => Err(603),
            (true, true) => Err(486),
            (true, false) => Ok(Some(session.call_id().clone())),
            // Only the maker of an early dialog may have it replaced, and ours ring at somebody else's.
            (false, _) => Err(481),
        }
    }
}
