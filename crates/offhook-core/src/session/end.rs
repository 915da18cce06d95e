//! Ending a call: exactly one final event, whoever ends it.

use offhook_sip::{Millis, Termination};

use super::{Ctx, Session, Waiting};
use crate::cause::Cause;
use crate::error::PhoneError;
use crate::events::{Ended, Failed, PhoneEvent, SessionEvent};
use crate::io::CommandId;
use crate::media::{MediaCommand, MediaError};
use crate::status::{CommunicationType, TerminateType};

/// The agent gives every call up by then (RFC 3261 timers B and those after CANCEL); this is a net under it.
const DEADLINE_MS: Millis = 80_000;

/// How this side ends the call.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Told instead of what signalling makes of it.
    cause: Option<Cause>,
    /// The fault is local: `clientError` instead of `failed`.
    client_error: bool,
    /// For commands that wait for the call.
    error: Option<PhoneError>,
    kind: Option<TerminateType>,
    deadline: Millis,
}

impl Ending {
    /// The user ends it.
    pub(crate) fn by_user(kind: TerminateType) -> Self {
        Self { cause: None, client_error: false, error: None, kind: Some(kind), deadline: 0 }
    }

    /// It cannot go on, by nobody's wish and not for want of local media.
    pub(crate) fn fault(cause: Cause) -> Self {
        Self { cause: Some(cause), client_error: false, error: None, kind: None, deadline: 0 }
    }

    /// The peer connection failed.
    pub(crate) fn media(error: &MediaError) -> Self {
        let for_commands = match error {
            MediaError::PermissionDenied => PhoneError::PermissionDenied,
            MediaError::NoDevice => PhoneError::NoMicrophone,
            other => PhoneError::LocalStream { detail: other.to_string() },
        };
        Self { client_error: true, error: Some(for_commands), ..Self::fault(error.into()) }
    }
}

impl Session {
    /// The user hangs up or refuses; settled when the call is over.
    pub(crate) fn terminate(&mut self, ctx: &mut Ctx<'_>, command: CommandId, kind: TerminateType) {
        self.waiting.push((command, Waiting::End));
        self.end(ctx, Ending::by_user(kind), None);
    }

    /// Ends the call on the wire and forgets it at once, whatever comes of that.
    pub(crate) fn destroy(&mut self, ctx: &mut Ctx<'_>) {
        let inbound = self.status.communication_type == CommunicationType::Inbound;
        self.end(ctx, Ending::by_user(TerminateType::Terminate), None);
        let (cause, code) = match (self.accepted, inbound) {
            (true, _) => (Cause::Terminated, None),
            (false, true) => (Cause::Rejected, Some(486)),
            (false, false) => (Cause::Canceled, None),
        };
        self.finish(ctx, cause, code);
    }

    /// The phone hangs up by itself.
    pub(crate) fn hang_up(&mut self, ctx: &mut Ctx<'_>, kind: TerminateType) {
        self.end(ctx, Ending::by_user(kind), None);
    }

    /// The phone hangs up then, if the far end has not.
    pub(crate) fn end_later(&mut self, at: Millis) {
        self.end_at.get_or_insert(at);
    }

    /// Ends the call on the wire, in whatever state it is. The final event follows with the agent's `Terminated`, or at
    /// once when the far end has never heard of the call. `reason` is a SIP status and text for the far end.
    pub(crate) fn end(&mut self, ctx: &mut Ctx<'_>, ending: Ending, reason: Option<(u16, &str)>) {
        if self.is_ending() {
            return;
        }
        let now = ctx.now.mono;
        self.ending = Some(Ending { deadline: now + DEADLINE_MS, ..ending });
        let Some(key) = self.key else {
            self.finish(ctx, Cause::Canceled, None);
            return;
        };
        let inbound = self.status.communication_type == CommunicationType::Inbound;
        let result = match reason {
            Some((status, _)) if inbound && !self.accepted => {
                ctx.sip.run(|agent| agent.reject(now, key, status, Vec::new()))
            }
            _ => ctx.sip.run(|agent| agent.hangup(now, key, reason)),
        };
        if let Err(error) = result {
            tracing::debug!(%error, call_id = %self.call_id, "hanging up crossed the end of the call");
        }
    }

    /// The call is over as signalling sees it.
    pub(crate) fn on_terminated(&mut self, ctx: &mut Ctx<'_>, termination: &Termination) {
        let (mut cause, mut code) = Cause::of_call(termination);
        if termination.established && !self.accepted && self.ending.is_some() {
            // We hung up while the 200 was on its way, or its answer was being applied: for the user, before the answer.
            (cause, code) = (Cause::Canceled, None);
        }
        self.finish(ctx, cause, code);
    }

    /// A local fault before anything was sent.
    pub(super) fn finish_client_error(&mut self, ctx: &mut Ctx<'_>, cause: Cause) {
        self.ending = Some(Ending { client_error: true, ..Ending::fault(cause) });
        self.finish(ctx, cause, None);
    }

    /// The end: final event, `deleteSession`, and every command settled.
    pub(super) fn finish(&mut self, ctx: &mut Ctx<'_>, cause: Cause, code: Option<u16>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.announce(ctx);
        self.moments.stopped.get_or_insert(ctx.now.mono);
        if let Some(report) = self.reports.latest.as_ref().filter(|_| self.confirmed) {
            ctx.out.report_for_pbx(report);
        }
        let ending = self.ending.take();
        let (cause, code) = match ending.as_ref().and_then(|ending| ending.cause) {
            Some(cause) => (cause, None),
            None => (cause, code),
        };
        let client_error = ending.as_ref().is_some_and(|ending| ending.client_error);
        if std::mem::take(&mut self.media_open) {
            ctx.out.media(&self.call_id, MediaCommand::Close);
        }
        self.forget_streams(ctx);
        let call_id = self.call_id.clone();
        ctx.out.session(if self.accepted {
            SessionEvent::Ended(Ended { call_id, cause, kind: ending.as_ref().and_then(|ending| ending.kind) })
        } else if client_error {
            SessionEvent::ClientError { call_id, cause }
        } else {
            SessionEvent::Failed(Failed { call_id, cause, code })
        });
        ctx.out.event(PhoneEvent::DeleteSession { call_id: self.call_id.clone(), cause });
        let ended = PhoneError::Ended { cause, status: code };
        self.transfer_at_end(ctx, &ended);
        // What the referrer is told of a call that was never answered; of an answered one it was told already.
        self.notify_referrer(
            ctx,
            code.filter(|code| *code >= 300).unwrap_or(if cause == Cause::Canceled { 487 } else { 503 }),
        );
        let of_answer = ending.and_then(|ending| ending.error).unwrap_or_else(|| ended.clone());
        for (command, waiting) in std::mem::take(&mut self.waiting) {
            let result = match waiting {
                Waiting::End => Ok(()),
                Waiting::Confirmed => Err(of_answer.clone()),
                Waiting::Held { .. } | Waiting::Refresh { .. } | Waiting::Video { .. } => Err(ended.clone()),
            };
            ctx.out.settle(command, result);
        }
        let infos = self.infos.drain(..).map(|(_, c)| c);
        let others = self.dtmf.take_commands().into_iter().chain(infos).chain(self.recording.take_commands());
        for command in others {
            ctx.out.settle(command, Err(ended.clone()));
        }
    }

    fn forget_streams(&mut self, ctx: &mut Ctx<'_>) {
        let had_remote = self.remote_stream.take().is_some();
        if self.accepted {
            let call_id = self.call_id.clone();
            ctx.out.session(SessionEvent::UpdateLocalStream { call_id, local_stream: None });
        }
        if self.accepted || had_remote {
            let call_id = self.call_id.clone();
            ctx.out.session(SessionEvent::UpdateRemoteStream { call_id, remote_stream: None });
        }
    }

    pub(super) fn ending_deadline(&self) -> Option<Millis> {
        self.ending.as_ref().filter(|_| !self.finished).map(|ending| ending.deadline)
    }
}
