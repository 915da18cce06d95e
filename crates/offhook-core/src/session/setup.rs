//! Making a call, and answering one.

use offhook_sip::message::Response;
use offhook_sip::{Accept, CommandError, EarlyId, HeaderField, Invite, NameAddr};

use super::describe::Remote;
use super::{Ctx, Early, Ending, Session, Setup, Waiting};
use crate::cause::Cause;
use crate::config::CallOptions;
use crate::error::PhoneError;
use crate::events::{PhoneEvent, SdpType, SessionEvent};
use crate::identity;
use crate::io::CommandId;
use crate::media::{Direction, EarlyDialog, MediaCommand, Volume};
use crate::sdp;
use crate::status::CallState;

/// Early dialogs of a forked call whose answers are kept.
const MAX_FORKS: usize = 16;

impl Session {
    // --- outbound ---

    /// Opens the media and makes the offer; the INVITE follows when it is made.
    pub(crate) fn dial(&mut self, ctx: &mut Ctx<'_>) {
        let Setup::Outbound { options, .. } = &self.side else { return };
        let options = CallOptions::clone(options);
        self.negotiation.want_video(video_of(&options));
        self.open_media(ctx, options);
        self.make_offer(ctx);
    }

    /// Begins a call that a REFER asked for: the referrer is told first.
    pub(crate) fn dial_referred(&mut self, ctx: &mut Ctx<'_>) {
        self.notify_referrer(ctx, 100);
        self.dial(ctx);
    }

    /// The offer is made: sends the INVITE.
    pub(super) fn send_invite(&mut self, ctx: &mut Ctx<'_>, offer: String) {
        let Some(offer) = self.hold_back(offer) else { return };
        let Setup::Outbound { target, headers, .. } = &self.side else { return };
        let Some(connection) = ctx.sip.connection else {
            self.finish(ctx, Cause::ConnectionError, None);
            return;
        };
        let mut from = NameAddr::new(ctx.config.aor.uri().clone());
        if let Some(name) = ctx.config.aor.display() {
            from = from.with_display(name);
        }
        let invite = Invite {
            target: target.clone(),
            from,
            to: NameAddr::new(target.clone()),
            contact: ctx.sip.contact.clone(),
            call_id: Some(self.call_id.to_string()),
            route: Vec::new(),
            headers: headers.clone(),
            offer: Some(offer),
            credentials: ctx.config.credentials.clone(),
            no_answer_ms: Some(ctx.config.no_answer_ms),
        };
        match ctx.sip.run(|agent| agent.invite(ctx.now.mono, connection, invite)) {
            Ok(key) => self.key = Some(key),
            Err(CommandError::UnknownConnection) => self.finish(ctx, Cause::ConnectionError, None),
            Err(error) => {
                tracing::error!(%error, "the INVITE was refused by the SIP agent");
                self.finish_client_error(ctx, Cause::InternalError);
            }
        }
    }

    /// A provisional response.
    pub(crate) fn on_provisional(
        &mut self,
        ctx: &mut Ctx<'_>,
        dialog: Option<EarlyId>,
        status: u16,
        answer: Option<String>,
        response: &Response,
    ) {
        if self.is_ending() {
            return;
        }
        let rings = (180..190).contains(&status);
        if rings && self.moments.rang.is_none() {
            self.moments.rang = Some(ctx.now.mono);
            self.change(ctx.out, |s| s.call_status = CallState::Ringing);
        }
        self.identify(ctx.out, identity::asserted(&response.headers));
        if rings {
            ctx.out.session(SessionEvent::Progress { call_id: self.call_id.clone(), status_code: status });
            self.notify_referrer(ctx, status);
        }
        let (Some(sdp), Some(dialog)) = (answer, dialog) else { return };
        // One early dialog is heard: the first. Others of a forked call are as good as silent until one is answered.
        if self.early.is_some() {
            self.keep_early(dialog, sdp);
        } else {
            let request = ctx.request();
            self.early = Some(Early { dialog, sdp: sdp.clone(), request, applied: false });
            self.remote_description(ctx, SdpType::Answer, sdp, Remote::Early { request, dialog });
        }
    }

    /// An answer that is not heard, for the 200 of its dialog.
    pub(super) fn keep_early(&mut self, dialog: EarlyDialog, sdp: String) {
        self.other_early.retain(|(known, _)| *known != dialog);
        if self.other_early.len() < MAX_FORKS {
            self.other_early.push((dialog, sdp));
        }
    }

    /// The 200 OK to our INVITE.
    pub(crate) fn on_accepted(
        &mut self,
        ctx: &mut Ctx<'_>,
        dialog: Option<EarlyId>,
        answer: Option<String>,
        response: &Response,
    ) {
        if self.is_ending() {
            return;
        }
        self.identify(ctx.out, identity::asserted(&response.headers));
        // The 200 need not repeat what its own 18x said.
        let others = std::mem::take(&mut self.other_early);
        let earlier = || others.into_iter().find(|(known, _)| Some(*known) == dialog).map(|(_, sdp)| sdp);
        let answer = answer.or_else(earlier);
        let heard = self.early.as_ref().filter(|early| Some(early.dialog) == dialog);
        match (answer, heard) {
            (answer, Some(early)) if answer.as_deref().is_none_or(|sdp| same_session(sdp, &early.sdp)) => {
                // What the 18x said is the answer; it may still be on its way into the peer connection.
                let (request, applied, dialog) = (early.request, early.applied, early.dialog);
                self.negotiation.begin_applying(request);
                ctx.out.media(&self.call_id, MediaCommand::ConfirmEarly { early: dialog });
                if applied {
                    self.on_applied(ctx, request);
                } else {
                    self.expect_media(ctx);
                }
            }
            (Some(sdp), _) => self.apply_answer(ctx, sdp),
            (None, _) => self.end(ctx, Ending::fault(Cause::MissingSdp), Some((488, "No SDP in the answer"))),
        }
    }

    /// The ACK was sent or received.
    pub(crate) fn on_confirmed(&mut self, ctx: &mut Ctx<'_>, answer: Option<String>) {
        self.acknowledged = true;
        if self.is_ending() {
            return;
        }
        match (self.negotiation.phase(), answer) {
            (crate::negotiation::Phase::AwaitingAck, Some(sdp)) => self.apply_answer(ctx, sdp),
            (crate::negotiation::Phase::AwaitingAck, None) => {
                self.end(ctx, Ending::fault(Cause::MissingSdp), Some((488, "No SDP in the ACK")));
            }
            _ => {
                self.confirm(ctx);
                self.carry_on(ctx);
            }
        }
    }

    // --- inbound ---

    /// Accepts a ringing call: opens the media and makes the answer; the 200 follows when it is made.
    pub(crate) fn answer(
        &mut self,
        ctx: &mut Ctx<'_>,
        command: Option<CommandId>,
        mut options: CallOptions,
        extra: Vec<HeaderField>,
    ) {
        self.announce(ctx);
        let Setup::Inbound { offer, headers } = &mut self.side else { return };
        *headers = extra;
        let offer = offer.take();
        // An answer adds nothing to what is offered (RFC 3264 §6): the camera stays off.
        if offer.as_deref().is_some_and(|offer| !sdp::takes_video(offer)) {
            (options.video, options.offer_to_receive_video) = (false, false);
        }
        self.give_up_ringing = None;
        self.waiting.extend(command.map(|command| (command, Waiting::Confirmed)));
        self.change(ctx.out, |s| s.is_ring = false);
        self.negotiation.want_video(video_of(&options));
        self.open_media(ctx, options);
        ctx.out.event(PhoneEvent::StartSession { call_id: self.call_id.clone() });
        match offer {
            Some(offer) => self.make_answer(ctx, offer),
            None => self.make_reply(ctx),
        }
    }

    /// The answer (or our offer, when the INVITE had none) is made: sends the 200.
    pub(super) fn send_accept(&mut self, ctx: &mut Ctx<'_>, sdp: String) {
        let (Setup::Inbound { headers, .. }, Some(key)) = (&mut self.side, self.key) else { return };
        let accept = Accept {
            sdp,
            contact: ctx.sip.contact.clone(),
            headers: std::mem::take(headers),
            credentials: ctx.config.credentials.clone(),
        };
        match ctx.sip.run(|agent| agent.accept(ctx.now.mono, key, accept)) {
            Ok(()) => self.accept(ctx),
            // It ended in this instant: its Terminated is on its way.
            Err(CommandError::UnknownCall) => {}
            Err(error) => {
                tracing::error!(%error, "the 200 was refused by the SIP agent");
                self.end(ctx, Ending::fault(Cause::InternalError), Some((500, "Server Internal Error")));
            }
        }
    }

    // --- both ---

    fn open_media(&mut self, ctx: &mut Ctx<'_>, mut options: CallOptions) {
        if let Some(before) = &self.follows {
            // Not the microphone: natively it is the whole phone's, and the user may have chosen another since.
            let CallOptions { codecs, ice_servers, ice_transport_policy, .. } = CallOptions::clone(before);
            options = CallOptions { codecs, ice_servers, ice_transport_policy, ..options };
        }
        // Without what the phone adds: its servers may be others by the time that another call goes on from this one.
        self.follows = Some(Box::new(options.clone()));
        self.plan_recording(&options);
        self.open_peer(ctx, options);
    }

    /// Opens the peer connection, as loud or silent as the call is.
    pub(super) fn open_peer(&mut self, ctx: &mut Ctx<'_>, options: CallOptions) {
        self.media_open = true;
        let options = ctx.config.complete(options);
        ctx.out.media(&self.call_id, MediaCommand::Open { options });
        self.silence_as_due(ctx.out);
        if self.volume != Volume::FULL {
            ctx.out.media(&self.call_id, MediaCommand::SetVolume(self.volume));
        }
        ctx.out.session(SessionEvent::Peerconnection { call_id: self.call_id.clone() });
    }

    /// The call is answered, and the descriptions are in place.
    pub(super) fn accept(&mut self, ctx: &mut Ctx<'_>) {
        self.accepted = true;
        self.moments.answered = Some(ctx.now.mono);
        ctx.out.session(SessionEvent::Accepted { call_id: self.call_id.clone() });
        self.begin_reports(ctx);
        self.record_as_planned(ctx);
    }

    /// The call is confirmed, and the descriptions are in place.
    pub(super) fn confirm(&mut self, ctx: &mut Ctx<'_>) {
        if self.confirmed || !self.accepted || !self.acknowledged {
            return;
        }
        self.confirmed = true;
        let (wall, remote_held) = (ctx.now.wall, self.negotiation.remote_held());
        let video = self.negotiation.video().is_some();
        let held = self.negotiation.held();
        self.moments.held = held.then_some(ctx.now.mono);
        self.change(ctx.out, |s| {
            s.call_status = CallState::Talking;
            s.is_hold = held;
            s.call_start_time = wall;
            s.is_remote_hold = remote_held;
            s.is_video = video;
        });
        ctx.out.session(SessionEvent::Confirmed { call_id: self.call_id.clone() });
        self.settle_where(ctx.out, |w| w == Waiting::Confirmed, &Ok(()));
        self.notify_referrer(ctx, 200);
        // What was no loss under early media is one now.
        if self.ice_lost {
            self.tell_ice(ctx);
        }
        // It may have been lost since the ACK.
        self.tell_lost(ctx);
    }
}

/// What a call is to do with video.
fn video_of(options: &CallOptions) -> Option<Direction> {
    match (options.video, options.offer_to_receive_video) {
        (true, _) => Some(Direction::SendRecv),
        (false, true) => Some(Direction::RecvOnly),
        (false, false) => None,
    }
}

/// Whether two descriptions differ at most in their origin line: some servers count its version up between 183 and 200.
fn same_session(a: &str, b: &str) -> bool {
    let lines = |sdp: &str| -> Vec<String> {
        sdp.lines().filter(|line| !line.starts_with("o=")).map(|line| line.trim_end().to_owned()).collect()
    };
    lines(a) == lines(b)
}

/// The call's extra headers, checked.
pub(crate) fn extra_headers(lines: &[String]) -> Result<Vec<HeaderField>, PhoneError> {
    lines
        .iter()
        .map(|line| HeaderField::parse(line).map_err(|e| PhoneError::InvalidArgument { detail: e.to_string() }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_origin_version_is_the_same_session() {
        let a = "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\nm=audio 1 X 0\r\n";
        assert!(same_session(a, "v=0\r\no=- 1 2 IN IP4 1.1.1.1\r\nm=audio 1 X 0\r\n"));
        assert!(!same_session(a, "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\nm=audio 2 X 0\r\n"));
    }

    #[test]
    fn a_line_break_in_a_header_is_refused() {
        assert!(extra_headers(&["X-A: b".to_owned()]).is_ok());
        let refused = extra_headers(&["X-A: b\r\nVia: c".to_owned()]);
        assert!(matches!(refused, Err(PhoneError::InvalidArgument { .. })));
    }
}
