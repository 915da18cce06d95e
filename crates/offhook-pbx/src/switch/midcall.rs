//! What happens in a call that is answered: hold, requests passed on, refreshes; and what its media tells.

use offhook_media::{Direction, MediaError};
use offhook_sip::message::{HeadersExt as _, Method, Request};
use offhook_sip::{CallKey, ConnectionId, HeaderField, RequestId, RequestOutcome, TransactionId};

use super::call::Side;
use super::status::Failure;
use super::{ALLOW, Switch, Turn, crossing, headers, record};
use crate::media::{AnswerFor, AppliedFor, LegId, MediaAction, MediaEvent, OfferFor, Sound, Step};
use crate::sdp;

/// Header fields of INFO and MESSAGE that say what their body is.
const ABOUT_BODY: [&str; 2] = ["Info-Package", "Content-Disposition"];

impl Switch {
    /// Something happened to a leg's media. The leg may be over by now.
    pub(crate) fn on_media(&mut self, turn: &mut Turn<'_>, event: MediaEvent) {
        match event {
            MediaEvent::Offer { leg, purpose, sdp } => self.offer_made(turn, leg, purpose, sdp),
            MediaEvent::Answer { leg, purpose, sdp } => self.answer_made(turn, leg, purpose, sdp),
            MediaEvent::Applied { leg, purpose } => self.answer_applied(turn, leg, purpose),
            MediaEvent::Failed { leg, step, error } => self.media_failed(turn, leg, step, &error),
            MediaEvent::Connected { leg } => self.media_connected(turn, leg),
            MediaEvent::Broken { leg, error } => {
                tracing::info!(leg = leg.0, %error, "media broken");
                self.media_lost(turn, leg, 500, "Media failed");
            }
            MediaEvent::Silent { leg } => self.media_lost(turn, leg, 408, "RTP Timeout"),
            MediaEvent::Digit { leg, digit } => self.digit(turn, leg, digit),
            MediaEvent::Prompted { leg, prompt } => self.prompted(turn, leg, prompt),
            MediaEvent::MessageOver { message } => self.message_over(turn, message),
            MediaEvent::MessageKept { message, mailbox, kept } => self.message_kept(turn, message, mailbox, kept),
            MediaEvent::MessageLost { message, mailbox, reason } => {
                self.message_lost(turn, message, &mailbox, &reason);
            }
            MediaEvent::RecordingStarted { call, recording, file } => {
                self.recording_started(turn, call, recording, file);
            }
            MediaEvent::RecordingFailed { call, recording, reason } => {
                self.recording_failed(turn, call, recording, reason);
            }
            MediaEvent::RecordingComplete { call, recording, file } => {
                self.recording_complete(turn, call, recording, file);
            }
        }
    }

    /// The ACK came (or was sent).
    pub(super) fn confirmed(&mut self, turn: &mut Turn<'_>, key: CallKey, answer: Option<String>) {
        let Some(leg) = self.leg_of(key) else { return };
        let Some(known) = self.legs.get(&leg) else { return };
        let owes_answer = known.side == Side::Caller && known.offer.is_none() && known.answer.is_some();
        match answer {
            Some(sdp) => {
                let purpose = AppliedFor::Ack { hold: sdp::is_hold(&sdp) };
                self.media(MediaAction::AcceptAnswer { leg, purpose, sdp });
            }
            None if owes_answer => return self.hangup(turn, leg, Some((488, "No answer in the ACK"))),
            None => {}
        }
        self.try_again(turn, key);
    }

    /// A device wants to change the session.
    pub(super) fn remote_offer(&mut self, turn: &mut Turn<'_>, key: CallKey, offer: Option<String>) {
        let Some(leg) = self.leg_of(key) else { return };
        let Some((_, call)) = self.call_of(leg) else { return };
        if call.answered.is_none() {
            // The other side has not agreed yet: later.
            crossing("refuse", turn.agent.refuse_offer(turn.now, key, 491));
            return;
        }
        self.give_way(leg);
        match offer {
            Some(sdp) => self.take_offer(leg, sdp),
            None => self.offer_in_answer(leg),
        }
    }

    /// The answer to our offer in the 200 to a re-INVITE.
    pub(super) fn remote_answer(&mut self, key: CallKey, sdp: String) {
        let Some(leg) = self.leg_of(key) else { return };
        self.note_video(leg, sdp::video(&sdp).map(Direction::reversed));
        self.answered_in_ack(leg);
        let purpose = AppliedFor::Ack { hold: sdp::is_hold(&sdp) };
        self.media(MediaAction::AcceptAnswer { leg, purpose, sdp });
    }

    /// A session refresh by re-INVITE is due: an offer that changes nothing.
    pub(super) fn refresh(&mut self, key: CallKey) {
        if let Some(leg) = self.leg_of(key) {
            self.offer_again(leg);
        }
    }

    /// A request that is ours to answer.
    pub(super) fn request(
        &mut self,
        turn: &mut Turn<'_>,
        transaction: TransactionId,
        connection: ConnectionId,
        call: Option<CallKey>,
        request: &Request,
    ) {
        let (status, headers) = match (&request.method, call) {
            (Method::Register, _) => return self.register(turn, transaction, connection, request),
            (Method::Info | Method::Message, Some(key)) => {
                let status = self.pass_on(turn, transaction, key, request);
                let digit = record::digit_of(request).filter(|_| request.method == Method::Info);
                if let Some((leg, digit)) = self.leg_of(key).zip(digit) {
                    self.digit(turn, leg, digit);
                }
                match status {
                    Some(status) => (status, Vec::new()),
                    None => return,
                }
            }
            (Method::Refer, Some(key)) => return self.refer(turn, transaction, key, request),
            _ => (405, HeaderField::new("Allow", ALLOW).into_iter().collect()),
        };
        crossing("respond", turn.agent.respond(turn.now, transaction, status, headers, None));
    }

    /// The other leg answered a request that was passed on.
    pub(super) fn response(&mut self, turn: &mut Turn<'_>, request: RequestId, outcome: RequestOutcome) {
        let Some(transaction) = self.passed_on.remove(&request) else {
            return self.notified(turn, request, &outcome);
        };
        let (status, headers) = match outcome {
            RequestOutcome::Answered(response) => {
                (response.status.code().max(200), headers::carried(&response.headers))
            }
            RequestOutcome::Timeout => (408, Vec::new()),
            _ => (480, Vec::new()),
        };
        crossing("respond", turn.agent.respond(turn.now, transaction, status, headers, None));
    }

    /// Sends an INFO or MESSAGE to the other leg; gives the status when it is answered here.
    fn pass_on(
        &mut self,
        turn: &mut Turn<'_>,
        transaction: TransactionId,
        key: CallKey,
        request: &Request,
    ) -> Option<u16> {
        let Some(leg) = self.leg_of(key) else { return Some(481) };
        let Some((_, call)) = self.call_of(leg) else { return Some(481) };
        // Who rings in a consultation is not to be told of digits that are for the PBX.
        if call.hosted.is_some() || call.consult.is_some() && call.answered.is_none() {
            return Some(200);
        }
        let Some(other) = call.across(leg).and_then(|other| self.legs.get(&other)?.key) else { return Some(480) };
        let about_body = ABOUT_BODY.iter().filter_map(|name| HeaderField::new(name, &request.headers.text(name)?).ok());
        let headers = headers::carried(&request.headers).into_iter().chain(about_body).collect();
        let body = (!request.body().is_empty()).then(|| {
            let kind = request.headers.text("Content-Type").unwrap_or_else(|| "application/octet-stream".to_owned());
            (kind, request.body().to_vec())
        });
        let method = request.method.to_string();
        match crossing("request", turn.agent.request(turn.now, other, &method, headers, body)) {
            Some(id) => {
                self.passed_on.insert(id, transaction);
                None
            }
            None => Some(480),
        }
    }

    fn offer_made(&mut self, turn: &mut Turn<'_>, leg: LegId, purpose: OfferFor, sdp: String) {
        let Some((id, call)) = self.call_of(leg) else { return };
        let is_service = call.hosted.is_some();
        let Some(key) = self.legs.get(&leg).map(|leg| leg.key) else { return };
        match (purpose, key) {
            (OfferFor::Invite, _) => self.invite(turn, leg, sdp),
            (OfferFor::Answer, _) => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.answer = Some(sdp);
                }
                if is_service { self.service_ready(turn, id, leg) } else { self.try_accept(turn, id) }
            }
            (_, Some(_)) => self.reoffer_made(turn, leg, purpose, sdp),
            (_, None) => {}
        }
    }

    fn answer_made(&mut self, turn: &mut Turn<'_>, leg: LegId, purpose: AnswerFor, sdp: String) {
        let Some((id, call)) = self.call_of(leg) else { return };
        let (is_service, is_answered) = (call.hosted.is_some(), call.winner.is_some());
        self.note_video(leg, sdp::video(&sdp));
        match purpose {
            AnswerFor::Early | AnswerFor::Answer => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.answer = Some(sdp);
                }
                match purpose {
                    _ if is_service => self.service_ready(turn, id, leg),
                    AnswerFor::Early if !is_answered => self.early_media(turn, id),
                    _ => self.try_accept(turn, id),
                }
            }
            AnswerFor::Reinvite { hold, .. } => {
                let Some(key) = self.legs.get(&leg).and_then(|leg| leg.key) else { return };
                if crossing("answer", turn.agent.answer_offer(turn.now, key, sdp)).is_some() {
                    self.set_hold(leg, hold);
                }
                self.offer_if_due(leg);
            }
        }
    }

    fn answer_applied(&mut self, turn: &mut Turn<'_>, leg: LegId, purpose: AppliedFor) {
        let Some((id, _)) = self.call_of(leg) else { return };
        match purpose {
            AppliedFor::Answer => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.ready = true;
                }
                self.try_accept(turn, id);
            }
            AppliedFor::Ack { hold } => {
                self.set_hold(leg, hold);
                self.offer_agreed(leg);
            }
            AppliedFor::Refresh => self.offer_agreed(leg),
            AppliedFor::Early => {}
        }
    }

    /// A device has put us on hold, or taken us off: who is across from it hears music, or it again.
    fn set_hold(&mut self, leg: LegId, hold: bool) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        if std::mem::replace(&mut known.hold, hold) == hold {
            return;
        }
        // On hold it may send nothing, and rightly so.
        self.media(MediaAction::Watch { leg, on: !hold });
        if let Some(room) = self.room_of(leg) {
            return self.hold_room(leg, room, hold);
        }
        let Some((id, call)) = self.call_of(leg) else { return };
        // While a transfer is on its way, who waits hears music whatever the other does.
        let is_waiting = call.referring.is_some() && self.is_transferring(leg);
        match call.across(leg).filter(|_| !is_waiting) {
            Some(_) if call.is_free() => self.restore(id),
            Some(across) => self.play(across, if hold { Sound::Music } else { Sound::Relay }),
            None => {}
        }
    }

    fn media_failed(&mut self, turn: &mut Turn<'_>, leg: LegId, step: Step, error: &MediaError) {
        tracing::info!(leg = leg.0, ?step, %error, "media refused");
        let Some((id, call)) = self.call_of(leg) else { return };
        let is_answered = call.answered.is_some();
        let Some(known) = self.legs.get(&leg) else { return };
        let (side, key) = (known.side, known.key);
        let (status, text) = match error {
            MediaError::Sdp(_) => (488, "Not Acceptable Here"),
            _ => (500, "Media failed"),
        };
        match (step, side, key) {
            (Step::Open | Step::Offer(OfferFor::Invite), Side::Callee, _) => {
                self.callee_failed(turn, id, leg, Failure::of(status));
            }
            // Early media is a courtesy: the call goes on without.
            (Step::Applied(AppliedFor::Early) | Step::Answer(AnswerFor::Early), ..) if !is_answered => {
                self.without_early_media(turn, id, leg, side, status);
            }
            (Step::Answer(AnswerFor::Reinvite { had, .. }), _, Some(key)) => {
                crossing("refuse", turn.agent.refuse_offer(turn.now, key, status));
                self.note_video(leg, had);
                self.offer_if_due(leg);
            }
            (Step::Offer(OfferFor::Reinvite), _, Some(key)) => {
                crossing("refuse", turn.agent.refuse_offer(turn.now, key, status));
                self.not_made(leg, OfferFor::Reinvite);
            }
            (Step::Offer(purpose @ (OfferFor::Refresh | OfferFor::Video | OfferFor::NoVideo)), ..) => {
                self.not_made(leg, purpose);
            }
            (Step::Applied(AppliedFor::Refresh), ..) => self.not_applied(leg),
            _ => self.end(turn, id, status, text),
        }
    }

    /// The caller's offer is refused already at its early media: it would be at the answer too.
    fn without_early_media(
        &mut self,
        turn: &mut Turn<'_>,
        id: crate::events::CallId,
        leg: LegId,
        side: Side,
        status: u16,
    ) {
        match side {
            Side::Caller => self.end(turn, id, status, "Not Acceptable Here"),
            Side::Callee => {
                if let Some(call) = self.calls.get_mut(&id)
                    && call.early == Some(leg)
                {
                    call.early = None;
                }
            }
        }
    }

    /// A leg's media is unusable.
    fn media_lost(&mut self, turn: &mut Turn<'_>, leg: LegId, status: u16, text: &str) {
        let Some((id, call)) = self.call_of(leg) else { return };
        let is_callee = self.legs.get(&leg).is_some_and(|leg| leg.side == Side::Callee);
        let is_invited = self.legs.get(&leg).is_some_and(|leg| leg.key.is_some());
        if is_callee && call.winner != Some(leg) && !is_invited {
            self.callee_failed(turn, id, leg, Failure::of(status));
        } else if is_callee && call.winner != Some(leg) {
            self.hangup(turn, leg, Some((status, text)));
        } else if self.ends_alone(leg) {
            // The other side waits for, or goes back to, somebody else.
            self.hangup(turn, leg, Some((status, text)));
        } else {
            self.end(turn, id, status, text);
        }
    }
}
