//! Calls from extension to extension: all devices of the called extension ring, the first to answer has the call.

use offhook_media::{Codec, Direction};
use offhook_sip::message::Response;
use offhook_sip::{Accept, CallKey, ConnectionId, HeaderField, Invite, Ring, Termination, Uri};

use super::call::{Leg, Side};
use super::status::{self, Failure};
use super::{Switch, Turn, crossing, headers};
use crate::events::{CallId, PbxEvent};
use crate::media::{AnswerFor, AppliedFor, LegId, MediaAction, OfferFor, Sound};
use crate::sdp;

/// Told to the devices that were not the first (RFC 3326 §3.1).
const ELSEWHERE: (u16, &str) = (200, "Call completed elsewhere");

/// A device to ring.
pub(super) struct Target {
    extension: String,
    uri: Uri,
    connection: ConnectionId,
}

impl Switch {
    /// The devices of an extension but, when it calls itself, the one that does.
    pub(super) fn devices(&self, turn: &Turn<'_>, id: CallId, number: &str) -> Vec<Target> {
        // Who calls their own number reaches their other devices.
        let is_other = self.calls.get(&id).is_none_or(|call| call.from != number);
        let from =
            self.waits_for(id).and_then(|leg| turn.agent.call(self.legs.get(&leg)?.key?)).map(|view| view.connection);
        self.registrar
            .bindings(number)
            .iter()
            .filter(|binding| is_other || Some(binding.connection) != from)
            .map(|binding| Target {
                extension: number.to_owned(),
                uri: binding.contact.uri().clone(),
                connection: binding.connection,
            })
            .collect()
    }

    /// Rings devices. Their number is the caller's to bound.
    pub(super) fn ring(&mut self, turn: &Turn<'_>, id: CallId, targets: Vec<Target>) {
        tracing::debug!(call = id.0, devices = targets.len(), now = turn.now, "rings");
        let waiting = self.waits_for(id).and_then(|leg| self.legs.get(&leg));
        let offer = waiting.and_then(|leg| leg.offer.as_deref());
        let (codecs, video) = (preference(offer), offer.and_then(sdp::video));
        for Target { extension, uri, connection } in targets {
            if let Some(call) = self.calls.get_mut(&id)
                && call.to != extension
                && !call.notes.called.contains(&extension)
            {
                call.notes.called.push(extension.clone());
            }
            let callee = LegId(self.new_id());
            let mut leg = Leg::new(id, Side::Callee, &extension);
            leg.target = Some((uri, connection));
            leg.open = true;
            self.legs.insert(callee, leg);
            if let Some(call) = self.calls.get_mut(&id) {
                call.callees.push(callee);
            }
            self.media(MediaAction::Open { leg: callee, codecs: codecs.clone() });
            let direction = Direction::SendRecv;
            self.media(MediaAction::CreateOffer { leg: callee, purpose: OfferFor::Invite, direction, video });
        }
    }

    /// The offer for a device is made: calls it.
    pub(super) fn invite(&mut self, turn: &mut Turn<'_>, leg: LegId, offer: String) {
        let Some((id, call)) = self.call_of(leg) else { return };
        if call.is_settled() {
            return self.forget_leg(leg);
        }
        let carried = call.caller.and_then(|caller| self.legs.get(&caller)).map(|caller| caller.carried.clone());
        let target = self.legs.get(&leg).and_then(|leg| leg.target.clone());
        let addresses = (self.address_of(&call.from), self.address_of(&call.to), self.contact(&call.from));
        let (Some((target, connection)), (Some(from), Some(to), Some(contact))) = (target, addresses) else {
            return self.callee_failed(turn, id, leg, Failure::of(500));
        };
        let hops = HeaderField::max_forwards(call.max_forwards);
        let referred_by = call.refer.as_ref().and_then(|refer| self.referred_by(refer));
        let headers =
            carried.into_iter().flatten().chain(headers::identity(&from)).chain([hops]).chain(referred_by).collect();
        let invite = Invite {
            target,
            from,
            to,
            contact,
            call_id: None,
            route: Vec::new(),
            headers,
            offer: Some(offer),
            credentials: None,
            no_answer_ms: None,
        };
        match crossing("invite", turn.agent.invite(turn.now, connection, invite)) {
            Some(key) => {
                self.keys.insert(key, leg);
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.key = Some(key);
                    leg.sip_call_id = turn.agent.call(key).map(|view| view.call_id.to_owned()).unwrap_or_default();
                }
            }
            None => self.callee_failed(turn, id, leg, Failure::of(480)),
        }
    }

    /// A device rings, or sends early media.
    pub(super) fn provisional(
        &mut self,
        turn: &mut Turn<'_>,
        key: CallKey,
        status: u16,
        answer: Option<String>,
        response: &Response,
    ) {
        let Some(leg) = self.leg_of(key) else { return };
        let Some((id, call)) = self.call_of(leg) else { return };
        if call.is_settled() {
            return;
        }
        let (caller, is_first) = (call.caller, call.early.is_none());
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.carried = headers::carried(&response.headers);
        }
        let caller = caller.and_then(|caller| self.legs.get(&caller));
        let takes_early = caller.is_some_and(|caller| caller.offer.is_some() && !caller.established);
        match answer {
            Some(sdp) if is_first && takes_early => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.early = Some(leg);
                }
                let codecs = first_of(&sdp);
                let video = self.answered_video(leg, &sdp);
                self.media(MediaAction::AcceptAnswer { leg, purpose: AppliedFor::Early, sdp });
                self.answer_caller(id, AnswerFor::Early, codecs, video);
                self.early_media(turn, id);
            }
            Some(sdp) => {
                self.media(MediaAction::AcceptAnswer { leg, purpose: AppliedFor::Early, sdp });
                self.ring_caller(turn, id, status, None, leg);
            }
            None => self.ring_caller(turn, id, status, None, leg),
        }
    }

    /// Gives the caller the early media of a device, as soon as our answer is made.
    pub(super) fn early_media(&mut self, turn: &mut Turn<'_>, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let (Some(caller), Some(early)) = (call.caller, call.early) else { return };
        let Some(sdp) = self.legs.get(&caller).and_then(|caller| caller.answer.clone()) else { return };
        self.ring_caller(turn, id, 183, Some(sdp), early);
        self.connect(caller, early);
    }

    /// A device answered.
    pub(super) fn accepted(&mut self, turn: &mut Turn<'_>, key: CallKey, sdp: Option<String>, response: &Response) {
        let Some(leg) = self.leg_of(key) else { return };
        let Some((id, call)) = self.call_of(leg) else { return };
        if call.is_settled() {
            return self.hangup(turn, leg, Some(ELSEWHERE));
        }
        let others: Vec<LegId> = call.callees.iter().copied().filter(|&callee| callee != leg).collect();
        let extension = self.legs.get(&leg).map(|leg| leg.extension.clone());
        self.set_winner(id, leg);
        if let Some(call) = self.calls.get_mut(&id) {
            call.notes.answered_by = extension.filter(|extension| *extension != call.to);
        }
        self.set_deadline(id, None);
        for other in others {
            self.hangup(turn, other, Some(ELSEWHERE));
        }
        if let Some(winner) = self.legs.get_mut(&leg) {
            winner.carried = headers::carried(&response.headers);
            winner.established = true;
            // Without SDP it repeats that of its 18x.
            winner.ready = sdp.is_none();
        }
        let codecs = sdp.as_deref().map_or_else(|| preference(None), first_of);
        let video = sdp.as_deref().and_then(|sdp| self.answered_video(leg, sdp));
        self.media(match sdp {
            Some(sdp) => MediaAction::AcceptAnswer { leg, purpose: AppliedFor::Answer, sdp },
            None => MediaAction::Answered { leg },
        });
        self.answer_caller(id, AnswerFor::Answer, codecs, video);
        self.try_accept(turn, id);
    }

    /// The video in a device's answer, as we send and receive it.
    fn answered_video(&mut self, leg: LegId, answer: &str) -> Option<Direction> {
        let video = sdp::video(answer).map(Direction::reversed);
        self.note_video(leg, video);
        video
    }

    /// Has the description for the caller made, unless it is.
    pub(super) fn answer_caller(
        &mut self,
        id: CallId,
        purpose: AnswerFor,
        codecs: Vec<Codec>,
        video: Option<Direction>,
    ) {
        let Some(leg) = self.calls.get(&id).and_then(|call| call.caller) else { return };
        let Some(caller) = self.legs.get_mut(&leg) else { return };
        if caller.established || std::mem::replace(&mut caller.answering, true) {
            return;
        }
        caller.open = true;
        let offer = caller.offer.clone();
        self.media(MediaAction::Open { leg, codecs });
        match offer {
            // What the device sends, the caller is sent, and the other way round.
            Some(sdp) => {
                self.media(MediaAction::AcceptOffer { leg, purpose, sdp, video: video.map(Direction::reversed) })
            }
            None => {
                let direction = Direction::SendRecv;
                self.media(MediaAction::CreateOffer { leg, purpose: OfferFor::Answer, direction, video: None });
            }
        }
    }

    /// Answers the caller, when both sides' media is ready.
    pub(super) fn try_accept(&mut self, turn: &mut Turn<'_>, id: CallId) {
        let Some(call) = self.calls.get(&id).filter(|call| call.answered.is_none() && !call.over) else { return };
        if call.refer.is_some() {
            return self.complete_transfer(turn, id);
        }
        if call.replacing.is_some() {
            return self.take_over(turn, id);
        }
        let Some((caller, winner)) = call.caller.zip(call.winner) else { return };
        let (Some(a), Some(b)) = (self.legs.get(&caller), self.legs.get(&winner)) else { return };
        if a.established {
            if b.ready {
                self.answered(turn, id);
                self.connect_established(caller, winner);
                self.tell_identity(turn, caller, winner);
                self.tell_status(id);
            }
            return;
        }
        let Some((key, sdp)) = a.key.zip(a.answer.clone()).filter(|_| b.ready) else { return };
        let Some(contact) = self.contact(&call.to) else { return };
        // Of a ring group, who has answered.
        let identity = self.address_of(&b.extension).and_then(|address| headers::identity(&address));
        let headers = b.carried.iter().cloned().chain(identity).collect();
        if crossing("accept", turn.agent.accept(turn.now, key, Accept { sdp, contact, headers, credentials: None }))
            .is_none()
        {
            return self.end(turn, id, 500, "Not answered");
        }
        self.establish(caller);
        self.answered(turn, id);
        self.connect(caller, winner);
        for leg in [caller, winner] {
            self.media(MediaAction::Watch { leg, on: true });
        }
    }

    /// The 200 is sent to the caller.
    pub(super) fn answered(&mut self, turn: &Turn<'_>, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.answered = Some(turn.now);
        let answered = PbxEvent::CallAnswered { call: id, from: call.from.clone(), to: call.to.clone() };
        self.tell(answered);
    }

    /// Nobody answered in time.
    pub(super) fn no_answer(&mut self, turn: &mut Turn<'_>, id: CallId) {
        let Some(call) = self.calls.get(&id).filter(|call| !call.is_settled()) else { return };
        for callee in call.callees.clone() {
            self.hangup(turn, callee, Some((480, "No answer")));
        }
        self.unreached(turn, id, Failure::of(480));
    }

    /// The caller's leg is over: so is the call.
    pub(super) fn caller_gone(&mut self, turn: &mut Turn<'_>, id: CallId, termination: &Termination) {
        let Some(call) = self.calls.get(&id) else { return };
        let reason = status::reason(termination);
        let reason = reason.as_ref().map(|(status, text)| (*status, text.as_str()));
        for callee in call.callees.clone() {
            self.hangup(turn, callee, reason);
        }
    }

    /// A device's leg is over.
    pub(super) fn callee_gone(&mut self, turn: &mut Turn<'_>, id: CallId, was_winner: bool, termination: &Termination) {
        if !was_winner {
            return self.note_failure(turn, id, Failure::from_termination(termination));
        }
        if self.asked_is_gone(turn, id) {
            return;
        }
        let Some(call) = self.calls.get(&id) else { return };
        let (caller, answered) = (call.caller, call.answered.is_some());
        let reason = status::reason(termination);
        let reason = reason.as_ref().map(|(status, text)| (*status, text.as_str()));
        match caller {
            Some(caller) if answered => self.hangup(turn, caller, reason),
            // It answered and hung up before the caller could be told.
            // The same, and it was called for a transfer: refusing tells the transferor.
            _ => self.refuse(turn, id, 480, Vec::new()),
        }
    }

    /// A device cannot be called.
    pub(super) fn callee_failed(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId, failure: Failure) {
        self.forget_leg(leg);
        self.note_failure(turn, id, failure);
    }

    fn note_failure(&mut self, turn: &mut Turn<'_>, id: CallId, failure: Failure) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.failures.push(failure);
        if call.is_settled() || !call.callees.is_empty() {
            return;
        }
        let told = Failure::best(&call.failures);
        self.unreached(turn, id, told);
    }

    /// Passes a provisional response on. Several devices ring: the caller is told of changes only.
    fn ring_caller(&mut self, turn: &mut Turn<'_>, id: CallId, status: u16, sdp: Option<String>, from: LegId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.refer.is_some() {
            return self.target_rings(turn, id, status);
        }
        if call.relayed == status && sdp.is_none() {
            return;
        }
        call.relayed = status;
        let (number, caller) = (call.target.clone(), call.caller);
        if let Some(caller) = caller.filter(|caller| self.legs.get(caller).is_some_and(|leg| leg.established)) {
            return self.play(caller, Sound::Ringback);
        }
        let identity = self.address_of(&number).and_then(|address| headers::identity(&address));
        let carried = self.legs.get(&from).map(|leg| leg.carried.clone()).unwrap_or_default();
        let headers = carried.into_iter().chain(identity).collect();
        let (key, contact) = (caller.and_then(|caller| self.legs.get(&caller)?.key), self.contact(&number));
        if let Some(key) = key {
            crossing("ring", turn.agent.ring(turn.now, key, Ring { status, sdp, contact, headers }));
        }
    }

    /// Lets two legs hear each other.
    pub(super) fn connect(&mut self, a: LegId, b: LegId) {
        self.media(MediaAction::Bridge { a, b });
        for leg in [a, b] {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.sound = Some(Sound::Relay);
            }
        }
    }
}

/// The codecs to offer a device: those of the caller first, so that audio can be passed on as it is.
pub(super) fn preference(offer: Option<&str>) -> Vec<Codec> {
    let mut codecs = offer.map(sdp::codecs).unwrap_or_default();
    for codec in [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma] {
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    codecs
}

/// All codecs, that of the device's answer first.
fn first_of(answer: &str) -> Vec<Codec> {
    preference(Some(answer))
}
