//! The numbers that the PBX answers itself.

use offhook_sip::{Accept, HeaderField, Millis, Ring};

use super::call::Due;
use super::{Switch, Turn, crossing};
use crate::events::CallId;
use crate::media::{AnswerFor, LegId, MediaAction, Sound};
use crate::service::Service;

/// How long the tone of 601 and the early media of 607 are heard.
pub(super) const PLAY_MS: Millis = 3_000;

/// How long 612 rings.
pub(super) const SHORT_RING_MS: Millis = 1_000;

/// 601 hangs up after so long though no media path was found.
const NO_PATH_MS: Millis = 20_000;

/// Retry-After of 605, seconds.
const RETRY_AFTER_S: &str = "30";

impl Switch {
    /// A service is called.
    pub(super) fn serve(&mut self, turn: &mut Turn<'_>, id: CallId, service: Service) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.service = Some(service);
        let has_offer = call.caller.and_then(|leg| self.legs.get(&leg)).is_some_and(|leg| leg.offer.is_some());
        let no_answer_ms = self.no_answer_ms;
        match service {
            Service::Echo | Service::Tone | Service::Music => {
                self.answer_caller(id, AnswerFor::Answer, offhook_media::PeerConfig::default().codecs);
            }
            Service::Busy => self.refuse(turn, id, 486, Vec::new()),
            Service::Forbidden => self.refuse(turn, id, 403, Vec::new()),
            Service::Unavailable => {
                let retry = HeaderField::new("Retry-After", RETRY_AFTER_S);
                self.refuse(turn, id, 503, retry.into_iter().collect());
            }
            Service::RingsForever => self.ring_then(turn, id, no_answer_ms, Due::Refuse(480)),
            Service::NoAnswer => self.ring_then(turn, id, SHORT_RING_MS, Due::Refuse(480)),
            Service::EarlyMedia if has_offer => {
                self.answer_caller(id, AnswerFor::Early, offhook_media::PeerConfig::default().codecs);
            }
            // A caller that wants the offer from us has no early media.
            Service::EarlyMedia => self.ring_then(turn, id, PLAY_MS, Due::Refuse(603)),
        }
    }

    /// The description for the caller of a service is made.
    pub(super) fn service_ready(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId) {
        let Some(call) = self.calls.get(&id).filter(|call| !call.over) else { return };
        let (service, to) = (call.service, call.to.clone());
        let Some((key, sdp)) = self.legs.get(&leg).and_then(|leg| leg.key.zip(leg.answer.clone())) else { return };
        if service == Some(Service::EarlyMedia) {
            let ring = Ring { status: 183, sdp: Some(sdp), contact: self.contact(&to), headers: Vec::new() };
            crossing("ring", turn.agent.ring(turn.now, key, ring));
            self.play(leg, Sound::Music);
            return self.set_deadline(id, Some((turn.now + PLAY_MS, Due::Refuse(603))));
        }
        let Some(contact) = self.contact(&to) else { return };
        let accept = Accept { sdp, contact, headers: Vec::new() };
        if crossing("accept", turn.agent.accept(turn.now, key, accept)).is_none() {
            return self.end(turn, id, 500, "Not answered");
        }
        self.answered(turn, id);
        self.media(MediaAction::Watch { leg, on: true });
        match service {
            Some(Service::Echo | Service::Music) => self.begin_service(turn, id, leg),
            _ => self.set_deadline(id, Some((turn.now + NO_PATH_MS, Due::Hangup))),
        }
    }

    /// A leg whose media is up has come to a service.
    pub(super) fn begin_service(&mut self, turn: &Turn<'_>, id: CallId, leg: LegId) {
        match self.calls.get(&id).and_then(|call| call.service) {
            Some(Service::Echo) => self.play(leg, Sound::Echo),
            Some(Service::Music) => self.play(leg, Sound::Music),
            Some(Service::Tone) => {
                self.play(leg, Sound::Tone);
                self.set_deadline(id, Some((turn.now + PLAY_MS, Due::Hangup)));
            }
            _ => {}
        }
    }

    /// Encrypted audio can flow: what lasts a while begins now.
    pub(super) fn media_connected(&mut self, turn: &Turn<'_>, leg: LegId) {
        let Some((id, call)) = self.call_of(leg) else { return };
        let plays = call.service == Some(Service::Tone) && call.answered.is_some() && !call.over;
        if plays && self.legs.get(&leg).is_some_and(|leg| leg.sound.is_none()) {
            self.play(leg, Sound::Tone);
            self.set_deadline(id, Some((turn.now + PLAY_MS, Due::Hangup)));
        }
    }

    /// A call's time is up.
    pub(super) fn due(&mut self, turn: &mut Turn<'_>, id: CallId, due: Due) {
        match due {
            Due::NoAnswer => self.no_answer(turn, id),
            Due::Refuse(status) => self.refuse(turn, id, status, Vec::new()),
            Due::Leave => self.end(turn, id, 200, "Call transferred"),
            Due::Hangup => {
                if let Some(caller) = self.calls.get(&id).and_then(|call| call.caller) {
                    self.hangup(turn, caller, None);
                }
            }
        }
    }

    fn ring_then(&mut self, turn: &mut Turn<'_>, id: CallId, after_ms: Millis, due: Due) {
        let Some(call) = self.calls.get(&id) else { return };
        let ring = Ring { contact: self.contact(&call.to), ..Ring::default() };
        if let Some(key) = call.caller.and_then(|caller| self.legs.get(&caller)?.key) {
            crossing("ring", turn.agent.ring(turn.now, key, ring));
        }
        self.set_deadline(id, Some((turn.now.saturating_add(after_ms), due)));
    }
}
