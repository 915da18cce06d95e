//! The commands of calls.

use offhook_sip::Uri;

use super::Phone;
use crate::call_id::CallId;
use crate::config::CallOptions;
use crate::error::PhoneError;
use crate::events::PhoneEvent;
use crate::io::{CommandId, Now};
use crate::session::{Session, extra_headers};
use crate::status::{StaticPatch, StatusPatch, TerminateType, TransferParent};
use crate::tones;

impl Phone {
    /// Calls a number, a user name or a `sip:` address; holds every other talking call. Settled when the call exists and
    /// its making has begun: what becomes of it, its events tell.
    ///
    /// # Errors
    /// In this order: [`PhoneError::CallNotConnected`], [`InvalidNumber`](PhoneError::InvalidNumber),
    /// [`CallTooSoon`](PhoneError::CallTooSoon), [`TooManyCalls`](PhoneError::TooManyCalls),
    /// [`DevicesUnreadable`](PhoneError::DevicesUnreadable), [`NoMicrophone`](PhoneError::NoMicrophone),
    /// [`NoCamera`](PhoneError::NoCamera), [`PermissionDenied`](PhoneError::PermissionDenied),
    /// [`NotConnected`](PhoneError::NotConnected),
    /// [`InvalidArgument`](PhoneError::InvalidArgument) for a header.
    pub fn call(&mut self, now: Now, number: &str, options: CallOptions) -> Result<(CommandId, CallId), PhoneError> {
        let target = self.check_call(now, number, &options, None)?;
        self.make_call(now, target, options, None)
    }

    pub(super) fn make_call(
        &mut self,
        now: Now,
        target: (Uri, String),
        options: CallOptions,
        parent: Option<TransferParent>,
    ) -> Result<(CommandId, CallId), PhoneError> {
        let headers = extra_headers(&options.extra_headers)?;
        self.check_recording(&options)?;
        let command = self.command();
        let call_id = CallId::new(self.random.token(26));
        self.called = Some(now.mono);
        self.hold_others(now, &call_id);
        let mut session = Session::outbound(now, call_id.clone(), target, headers, options);
        if let Some(parent) = parent {
            session.set_parent(parent);
        }
        self.look_up_first(now, &mut session, false);
        self.sessions.push(session);
        self.current = Some(call_id.clone());
        self.event(PhoneEvent::NewRtcSession { call_id: call_id.clone() });
        self.event(PhoneEvent::StartSession { call_id: call_id.clone() });
        self.out.settle(command, Ok(()));
        self.with_session(now, &call_id, |session, ctx| session.dial(ctx));
        self.settle_down(now);
        Ok((command, call_id))
    }

    /// Accepts a call that rings inbound; holds every other talking call. Settled when the call is confirmed.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`] if it does not ring (any more), [`PhoneError::CallNotConnected`] if another call is being
    /// made or answered, [`PhoneError::NoCamera`] for video without a camera, [`PhoneError::InvalidArgument`] for a header.
    pub fn answer(&mut self, now: Now, call_id: &CallId, options: CallOptions) -> Result<CommandId, PhoneError> {
        self.may_answer(call_id, &options)?;
        let headers = extra_headers(&options.extra_headers)?;
        self.check_recording(&options)?;
        self.hold_others(now, call_id);
        self.current = Some(call_id.clone());
        Ok(self.act(now, call_id, |session, ctx, command| session.answer(ctx, Some(command), options, headers)))
    }

    /// Refuses a call that rings inbound with 486. Settled when it is over.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`] if it does not ring (any more).
    pub fn reject(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.ringing(call_id)?;
        self.terminate(now, call_id, TerminateType::Reject)
    }

    /// Ends a call in whatever state it is: CANCEL before the answer, BYE after it, 486 if it rings inbound. Settled when
    /// it is over.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn hangup(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.terminate(now, call_id, TerminateType::Hangup)
    }

    /// As [`hangup`](Self::hangup); `kind` only changes what [`Ended`](crate::events::Ended) says.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn terminate(&mut self, now: Now, call_id: &CallId, kind: TerminateType) -> Result<CommandId, PhoneError> {
        self.session(call_id).ok_or(PhoneError::UnknownCall)?;
        Ok(self.act(now, call_id, |session, ctx, command| session.terminate(ctx, command, kind)))
    }

    /// Puts a call on hold: re-INVITE with sendonly, or inactive if the far end holds us. Settled when the far end agreed;
    /// at once and without an event if it is held.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`], [`PhoneError::WrongState`] before the answer. Later: [`PhoneError::Refused`],
    /// [`Timeout`](PhoneError::Timeout), [`Superseded`](PhoneError::Superseded), [`Ended`](PhoneError::Ended).
    pub fn hold(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "hold")?;
        Ok(self.act(now, call_id, |session, ctx, command| session.hold(ctx, Some(command), true)))
    }

    /// Takes a call from hold: re-INVITE with sendrecv; holds every other talking call. Settled as [`hold`](Self::hold) is.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn unhold(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "unhold")?;
        self.hold_others(now, call_id);
        self.current = Some(call_id.clone());
        Ok(self.act(now, call_id, |session, ctx, command| session.hold(ctx, Some(command), false)))
    }

    /// Stops sending the microphone's audio; the SDP stays as it is. Settled at once.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn mute(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.set_muted(now, call_id, true)
    }

    /// Sends the microphone's audio again. Settled at once.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn unmute(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.set_muted(now, call_id, false)
    }

    /// Sends DTMF: `0`–`9`, `*`, `#`, `A`–`D`, and `,` for a pause of 2 s, at most 256. Settled after the last tone.
    ///
    /// # Errors
    /// With nothing sent: [`PhoneError::InvalidArgument`] for any other character, [`PhoneError::UnknownCall`],
    /// [`PhoneError::WrongState`] before the answer. Later: [`PhoneError::LocalStream`] if the far end takes no
    /// telephone-events, [`PhoneError::Refused`] for an INFO.
    pub fn dtmf(&mut self, now: Now, call_id: &CallId, tones: &str) -> Result<CommandId, PhoneError> {
        let tones = tones::parse(tones)?;
        self.answered(call_id, "dtmf")?;
        self.try_act(now, call_id, |session, ctx, command| session.send_dtmf(ctx, command, tones))
    }

    /// Sends a SIP INFO in the call. Settled with its answer.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`], [`PhoneError::WrongState`] before the answer, [`PhoneError::InvalidArgument`] for a
    /// content type that is none. Later: [`PhoneError::Refused`], [`PhoneError::Timeout`].
    pub fn send_info(
        &mut self,
        now: Now,
        call_id: &CallId,
        content_type: &str,
        body: &str,
    ) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "sendInfo")?;
        self.try_act(now, call_id, |session, ctx, command| session.send_info(ctx, command, content_type, body))
    }

    /// Stops the once-a-second timer of a call; its durations freeze.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn stop_timer(&mut self, now: Now, call_id: &CallId) -> Result<(), PhoneError> {
        self.with_session(now, call_id, |session, _| session.stop_timer(now.mono)).ok_or(PhoneError::UnknownCall)?;
        self.settle_down(now);
        Ok(())
    }

    /// Changes the status of a call; emits `statusChange` if something changed.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn set_status(&mut self, now: Now, call_id: &CallId, patch: StatusPatch) -> Result<(), PhoneError> {
        self.with_session(now, call_id, |session, ctx| session.patch(ctx.out, patch)).ok_or(PhoneError::UnknownCall)?;
        self.settle_down(now);
        Ok(())
    }

    /// Changes who the far end of a call is. With `manual` `Some(true)`, signalling does not change the name any more;
    /// `None` leaves that as it is.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn set_static_status(
        &mut self,
        now: Now,
        call_id: &CallId,
        patch: StaticPatch,
        manual: Option<bool>,
    ) -> Result<(), PhoneError> {
        self.with_session(now, call_id, |session, ctx| {
            if let Some(manual) = manual {
                session.set_manual(manual);
            }
            session.patch(ctx.out, patch.into());
        })
        .ok_or(PhoneError::UnknownCall)?;
        self.settle_down(now);
        Ok(())
    }

    // --- inside ---

    fn set_muted(&mut self, now: Now, call_id: &CallId, muted: bool) -> Result<CommandId, PhoneError> {
        self.live(call_id)?;
        Ok(self.act(now, call_id, |session, ctx, command| {
            if session.status().is_mute != muted {
                session.change(ctx.out, |status| status.is_mute = muted);
                session.send_muted(ctx.out);
            }
            ctx.out.settle(command, Ok(()));
        }))
    }

    /// Puts every talking call but this one, and those in a conference with it, on hold.
    pub(super) fn hold_others(&mut self, now: Now, but: &CallId) {
        for call_id in self.call_ids(|session| session.is_talking() && self.is_apart(but, session)) {
            self.with_session(now, &call_id, |session, ctx| session.hold(ctx, None, true));
        }
    }

    /// Whether it is neither this call nor in a conference with it: of the two, one is held.
    pub(super) fn is_apart(&self, call_id: &CallId, other: &Session) -> bool {
        other.call_id() != call_id && !self.confer(call_id, other.call_id())
    }

    pub(super) fn act(
        &mut self,
        now: Now,
        call_id: &CallId,
        act: impl FnOnce(&mut Session, &mut crate::session::Ctx<'_>, CommandId),
    ) -> CommandId {
        let command = self.command();
        self.with_session(now, call_id, |session, ctx| act(session, ctx, command));
        self.settle_down(now);
        command
    }

    pub(super) fn try_act(
        &mut self,
        now: Now,
        call_id: &CallId,
        act: impl FnOnce(&mut Session, &mut crate::session::Ctx<'_>, CommandId) -> Result<(), PhoneError>,
    ) -> Result<CommandId, PhoneError> {
        let command = self.command();
        let accepted = self.with_session(now, call_id, |session, ctx| act(session, ctx, command));
        self.settle_down(now);
        accepted.ok_or(PhoneError::UnknownCall)?.map(|()| command)
    }
}
