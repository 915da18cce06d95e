//! The numbers that the PBX answers itself.

use offhook_sip::{Accept, HeaderField, Millis, Ring};

use super::call::{Due, Hosted};
use super::{Switch, Turn, crossing};
use crate::events::CallId;
use crate::media::{AnswerFor, LegId, MediaAction, Sound};
use crate::service::Service;

/// How long the tone of 601 and the early media of 607 are heard.
pub(super) const PLAY_MS: Millis = 3_000;

/// How long 612 rings.
pub(super) const SHORT_RING_MS: Millis = 1_000;

/// 601 hangs up, and 607 refuses, after so long though no media path was found.
const NO_PATH_MS: Millis = 20_000;

/// Retry-After of 605, seconds.
const RETRY_AFTER_S: &str = "30";

impl Switch {
    /// A number is called that the PBX answers itself.
    pub(super) fn serve(&mut self, turn: &mut Turn<'_>, id: CallId, hosted: Hosted) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(leg) = call.caller else { return };
        call.hosted = Some(hosted);
        let Some(caller) = self.legs.get(&leg) else { return };
        let (has_offer, is_established) = (caller.offer.is_some(), caller.established);
        match hosted {
            Hosted::Room(room) if !self.has_seat(room) => return self.refuse(turn, id, 486, Vec::new()),
            Hosted::Service(service) if !service.answers() => {
                return self.serve_unanswered(turn, id, service, has_offer && !is_established);
            }
            _ => {}
        }
        if is_established {
            return self.pair_with_hosted(turn, id, leg, hosted);
        }
        self.answer_caller(id, AnswerFor::Answer, offhook_media::PeerConfig::default().codecs, None);
    }

    fn serve_unanswered(&mut self, turn: &mut Turn<'_>, id: CallId, service: Service, takes_early: bool) {
        match service {
            Service::Echo | Service::Tone | Service::Music => {}
            Service::Busy => self.refuse(turn, id, 486, Vec::new()),
            Service::Forbidden => self.refuse(turn, id, 403, Vec::new()),
            Service::Unavailable => {
                let retry = HeaderField::new("Retry-After", RETRY_AFTER_S);
                self.refuse(turn, id, 503, retry.into_iter().collect());
            }
            Service::RingsForever => self.ring_then(turn, id, self.no_answer_ms, Due::Refuse(480)),
            Service::NoAnswer => self.ring_then(turn, id, SHORT_RING_MS, Due::Refuse(480)),
            Service::EarlyMedia if takes_early => {
                self.answer_caller(id, AnswerFor::Early, offhook_media::PeerConfig::default().codecs, None);
            }
            // A caller that wants the offer from us has no early media.
            Service::EarlyMedia => self.ring_then(turn, id, PLAY_MS, Due::Refuse(603)),
        }
    }

    /// The number under which it is called.
    pub(super) fn number_of(&self, hosted: Hosted) -> String {
        match hosted {
            Hosted::Service(service) => service.number().to_owned(),
            Hosted::Room(room) => self.rooms.get(room.0).map(|room| room.number.clone()).unwrap_or_default(),
            Hosted::Deposit | Hosted::Mailbox => self.codes.voicemail.clone(),
        }
    }

    /// The description for the caller of a service is made.
    pub(super) fn service_ready(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId) {
        let Some(call) = self.calls.get(&id).filter(|call| !call.over) else { return };
        let (hosted, to) = (call.hosted, call.to.clone());
        let Some((key, sdp)) = self.legs.get(&leg).and_then(|leg| leg.key.zip(leg.answer.clone())) else { return };
        if hosted == Some(Hosted::Service(Service::EarlyMedia)) {
            let ring = Ring { status: 183, sdp: Some(sdp), contact: self.contact(&to), headers: Vec::new() };
            crossing("ring", turn.agent.ring(turn.now, key, ring));
            // It begins when it can be heard.
            return self.set_deadline(id, Some((turn.now + NO_PATH_MS, Due::Refuse(603))));
        }
        let Some(contact) = self.contact(&to) else { return };
        let accept = Accept { sdp, contact, headers: Vec::new(), credentials: None };
        if crossing("accept", turn.agent.accept(turn.now, key, accept)).is_none() {
            return self.end(turn, id, 500, "Not answered");
        }
        self.establish(leg);
        self.answered(turn, id);
        self.media(MediaAction::Watch { leg, on: true });
        match hosted {
            // It begins when its audio can be heard.
            Some(Hosted::Service(Service::Tone)) => self.set_deadline(id, Some((turn.now + NO_PATH_MS, Due::Hangup))),
            _ => self.begin_hosted(turn, id, leg),
        }
    }

    /// The dialog of a leg is agreed.
    pub(super) fn establish(&mut self, leg: LegId) {
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.established = true;
        }
        self.media(MediaAction::Answered { leg });
    }

    /// A leg whose media is up has come to what of the PBX answers.
    pub(super) fn begin_hosted(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId) {
        match self.calls.get(&id).and_then(|call| call.hosted) {
            Some(Hosted::Service(service)) => self.begin_service(turn, id, leg, service),
            Some(Hosted::Room(room)) => self.begin_room(turn, id, leg, room),
            Some(Hosted::Deposit) => self.begin_deposit(turn, id, leg),
            Some(Hosted::Mailbox) => self.begin_mailbox(turn, id, leg),
            None => {}
        }
    }

    fn begin_service(&mut self, turn: &Turn<'_>, id: CallId, leg: LegId, service: Service) {
        match service {
            Service::Echo => self.play(leg, Sound::Echo),
            Service::Music => self.play(leg, Sound::Music),
            Service::Tone => {
                self.play(leg, Sound::Tone);
                self.set_deadline(id, Some((turn.now + PLAY_MS, Due::Hangup)));
            }
            Service::EarlyMedia => {
                self.play(leg, Sound::Music);
                self.set_deadline(id, Some((turn.now + PLAY_MS, Due::Refuse(603))));
            }
            _ => {}
        }
    }

    /// Encrypted audio can flow: what lasts a while begins now.
    pub(super) fn media_connected(&mut self, turn: &Turn<'_>, leg: LegId) {
        let Some((id, call)) = self.call_of(leg) else { return };
        let Some(Hosted::Service(service)) = call.hosted.filter(|_| !call.over) else { return };
        let plays = match service {
            Service::Tone => call.answered.is_some(),
            Service::EarlyMedia => call.answered.is_none(),
            _ => false,
        };
        if plays && self.legs.get(&leg).is_some_and(|leg| leg.sound.is_none()) {
            self.begin_service(turn, id, leg, service);
        }
    }

    /// A call's time is up.
    pub(super) fn due(&mut self, turn: &mut Turn<'_>, id: CallId, due: Due) {
        match due {
            Due::NoAnswer => self.no_answer(turn, id),
            Due::NextMember => self.turn_is_over(turn, id),
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
        if let Some((leg, caller)) = call.caller.and_then(|leg| Some((leg, self.legs.get(&leg)?))) {
            match caller.key {
                _ if caller.established => self.play(leg, Sound::Ringback),
                Some(key) => {
                    crossing("ring", turn.agent.ring(turn.now, key, ring));
                }
                None => {}
            }
        }
        self.set_deadline(id, Some((turn.now.saturating_add(after_ms), due)));
    }
}
