//! What the PBX decides: registrations, routing, and the two legs of each call.
//!
//! Like the agent that it drives, it knows no socket, no clock and no media: it is told what happened, gives the agent
//! commands, and hands out what is wanted of the media engine.

mod admit;
mod auth;
mod bridge;
mod call;
mod cdr;
mod codes;
mod consult;
mod directory;
mod elsewhere;
mod facts;
mod headers;
mod hunt;
mod mailbox;
mod midcall;
mod offer;
mod pairs;
mod record;
mod register;
mod replace;
mod room;
mod service;
mod status;
#[cfg(test)]
mod tests;
mod transfer;
mod video;
mod voicemail;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

use offhook_sip::{
    Agent, AgentConfig, CallKey, CommandError, ConnectionId, Event, HeaderField, KeepAlive, Millis, NameAddr,
    RequestId, Termination, TransactionId,
};

use crate::config::PbxConfig;
use crate::events::{CallId, PbxEvent};
use crate::features::{FeatureCodes, RingGroup};
use crate::guesses::Guesses;
use crate::media::{LegId, MediaAction, Message, MessageId, Piece, PromptId, Sound};
use crate::notice::Notice;
use crate::registrar::{Bounds, Registrar};
use crate::status::{ActiveCall, Status};
use auth::Authenticator;
use call::{Call, Due, Leg, Side};
pub(crate) use cdr::Concluded;
pub(crate) use hunt::MOST_RINGING;
use room::Room;

/// Methods that the PBX takes.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, MESSAGE, UPDATE, REFER";

/// What the switch wants done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Media(MediaAction),
    Tell(PbxEvent),
    /// Subscribers of the API are to know it.
    Notice(Notice),
    /// A call is over: what is sent in the same turn waits until its record is on the disk.
    Cdr(Box<Concluded>),
    /// A client is to lose its connection after what was sent to it.
    Disconnect(ConnectionId),
}

/// The agent that a switch drives.
pub(crate) fn agent_config(seed: [u8; 32]) -> AgentConfig {
    AgentConfig {
        // Clients keep their connections alive (RFC 7118 §6); the sockets' own pings find those that are gone.
        keep_alive: KeepAlive::Off,
        guard_dialogs: true,
        extensions: vec!["replaces"],
        ..AgentConfig::new(seed)
    }
}

/// One thing that happens: the time, and the agent to command.
pub(crate) struct Turn<'a> {
    pub(crate) now: Millis,
    pub(crate) agent: &'a mut Agent,
}

/// The state of the PBX.
#[derive(Debug)]
pub(crate) struct Switch {
    domain: String,
    no_answer_ms: Millis,
    max_calls: usize,
    auth: Authenticator,
    registrar: Registrar,
    calls: BTreeMap<CallId, Call>,
    legs: BTreeMap<LegId, Leg>,
    keys: HashMap<CallKey, LegId>,
    deadlines: BTreeSet<(Millis, CallId)>,
    /// When the numbers that are dialled in calls are complete.
    leg_deadlines: BTreeSet<(Millis, LegId)>,
    /// Requests passed on to the other leg, and whom their responses are owed.
    passed_on: HashMap<RequestId, TransactionId>,
    /// NOTIFYs not answered yet: whom they tell which status of which REFER.
    notifies: HashMap<RequestId, (LegId, Option<u32>, u16)>,
    actions: VecDeque<Action>,
    next_id: u64,
    stopping: bool,
    /// The digits that switch recording on and off, if there is a place for it.
    record_code: Option<String>,
    codes: FeatureCodes,
    rooms: Vec<Room>,
    max_members: usize,
    groups: Vec<RingGroup>,
    /// The messages of each mailbox, oldest first; `None`: there is no place for any.
    mailboxes: Option<BTreeMap<String, Vec<Message>>>,
    max_messages: usize,
    /// Messages that are being recorded, and for whom.
    taking: BTreeMap<MessageId, (CallId, String)>,
}

impl Switch {
    /// `key` is the secret of the nonces; `mailboxes` has what was left before, if there is voicemail.
    pub(crate) fn new(
        config: &PbxConfig,
        key: [u8; 32],
        mailboxes: Option<BTreeMap<String, Vec<Message>>>,
        guesses: Guesses,
    ) -> Self {
        let limits = &config.limits;
        let bounds = Bounds {
            bindings: limits.bindings,
            min_expires_s: limits.min_expires_s,
            max_expires_s: limits.max_expires_s,
        };
        Self {
            domain: config.domain.clone(),
            no_answer_ms: Millis::try_from(config.no_answer.as_millis()).unwrap_or(Millis::MAX),
            max_calls: limits.calls,
            auth: Authenticator::new(config.realm(), key, &config.extensions, guesses),
            registrar: Registrar::new(bounds),
            calls: BTreeMap::new(),
            legs: BTreeMap::new(),
            keys: HashMap::new(),
            deadlines: BTreeSet::new(),
            leg_deadlines: BTreeSet::new(),
            passed_on: HashMap::new(),
            notifies: HashMap::new(),
            actions: VecDeque::new(),
            next_id: 0,
            stopping: false,
            record_code: config.recordings.as_ref().map(|_| config.record_feature_code.clone()),
            codes: config.feature_codes.clone(),
            rooms: config.rooms().into_iter().map(Room::new).collect(),
            max_members: limits.conference_members,
            groups: config.ring_groups.clone(),
            mailboxes,
            max_messages: limits.messages,
            taking: BTreeMap::new(),
        }
    }

    // --- getters ---

    /// Calls, each counted once.
    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Bindings.
    pub(crate) fn registrations(&self) -> usize {
        self.registrar.len()
    }

    /// Who is registered, and which calls there are.
    pub(crate) fn status(&self, now: Millis) -> Status {
        let calls = self.calls.iter().filter(|(_, call)| !call.over).map(|(id, call)| ActiveCall {
            call: *id,
            from: call.from.clone(),
            to: call.to.clone(),
            answered: call.answered.is_some(),
            duration_s: now.saturating_sub(call.answered.unwrap_or(call.started)) / 1000,
            recording: call.recording.is_some(),
        });
        let registered = self.registrar.registered().map(|(number, devices)| (number.to_owned(), devices));
        Status { registered: registered.collect(), calls: calls.collect() }
    }

    /// When [`on_time`](Self::on_time) wants to be called.
    pub(crate) fn next_timeout(&self) -> Option<Millis> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let leg_deadline = self.leg_deadlines.first().map(|(at, _)| *at);
        [deadline, leg_deadline, self.registrar.next_expiry()].into_iter().flatten().min()
    }

    /// The next thing to do.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    // --- input ---

    /// `peer`: where it comes from; `only`: the one extension that this connection is for, if its URL names one.
    pub(crate) fn on_connected(&mut self, now: Millis, connection: ConnectionId, peer: IpAddr, only: Option<String>) {
        self.auth.connected(now, connection, peer, only);
    }

    /// There is no place for another connection: those on which nobody has proven to be an extension, though there was time for
    /// it, are closed. Not before: a monitor or a phone that waits for its user does no harm.
    pub(crate) fn make_room(&mut self, now: Millis) {
        self.actions.extend(self.auth.idle(now).into_iter().map(Action::Disconnect));
    }

    pub(crate) fn on_disconnected(&mut self, connection: ConnectionId) {
        self.auth.disconnected(connection);
        let gone = self.registrar.connection_lost(connection);
        self.tell_unregistered(gone);
    }

    /// Something happened in the agent.
    pub(crate) fn on_event(&mut self, turn: &mut Turn<'_>, event: Event) {
        match event {
            Event::Incoming { call, connection, request, offer } => {
                self.incoming(turn, call, connection, &request, offer);
            }
            Event::Provisional { call, status, answer, response, .. } => {
                self.provisional(turn, call, status, answer, &response);
            }
            Event::Accepted { call, sdp, response, .. } => self.accepted(turn, call, sdp, &response),
            Event::Confirmed { call, answer } => self.confirmed(turn, call, answer),
            Event::Terminated { call, termination } => self.terminated(turn, call, &termination),
            Event::RemoteOffer { call, offer, .. } => self.remote_offer(turn, call, offer),
            Event::RemoteAnswer { call, answer } => self.remote_answer(call, answer),
            Event::Modified { call, outcome } => self.modified(call, outcome),
            Event::RemoteOfferAbandoned { call } => self.abandoned(call),
            Event::ModifyRetry { call } => self.try_again(turn, call),
            Event::RefreshNeeded { call } => self.refresh(call),
            Event::Request { transaction, connection, call, request } => {
                self.request(turn, transaction, connection, call, &request);
            }
            Event::Elsewhere { transaction, connection, call, request } => {
                self.elsewhere(turn, transaction, connection, call, &request);
            }
            Event::Response { request, outcome, .. } => self.response(turn, request, outcome),
            // Registrations of our own there are none; the rest changes nothing for the other leg.
            _ => {}
        }
    }

    /// Time passed.
    pub(crate) fn on_time(&mut self, turn: &mut Turn<'_>) {
        let gone = self.registrar.expire(turn.now);
        self.tell_unregistered(gone);
        while let Some(&(at, id)) = self.deadlines.first() {
            if at > turn.now {
                break;
            }
            self.deadlines.pop_first();
            if let Some((_, due)) = self.calls.get_mut(&id).and_then(|call| call.deadline.take()) {
                self.due(turn, id, due);
            }
        }
        while let Some(&(at, leg)) = self.leg_deadlines.first() {
            if at > turn.now {
                break;
            }
            self.set_leg_deadline(leg, None);
            self.entry_complete(turn, leg);
        }
    }

    /// Ends all calls, and takes no new ones.
    pub(crate) fn stop(&mut self, turn: &mut Turn<'_>) {
        self.stopping = true;
        for id in self.calls.keys().copied().collect::<Vec<_>>() {
            if self.calls.get(&id).is_some_and(|call| call.refer.is_some()) {
                self.transfer_failed(turn, id, 503);
            }
            self.end(turn, id, 503, "The PBX stops");
        }
    }

    // --- what the parts share ---

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn media(&mut self, action: MediaAction) {
        self.actions.push_back(Action::Media(action));
    }

    fn tell(&mut self, event: PbxEvent) {
        self.actions.push_back(Action::Tell(event));
    }

    /// Lets subscribers of the API know.
    fn notice(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notice(notice));
    }

    /// The leg of a call of the agent's.
    fn leg_of(&self, key: CallKey) -> Option<LegId> {
        self.keys.get(&key).copied()
    }

    fn call_of(&self, leg: LegId) -> Option<(CallId, &Call)> {
        let id = self.legs.get(&leg)?.call;
        Some((id, self.calls.get(&id)?))
    }

    fn set_deadline(&mut self, id: CallId, deadline: Option<(Millis, Due)>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some((at, _)) = call.deadline.take() {
            self.deadlines.remove(&(at, id));
        }
        call.deadline = deadline;
        if let Some((at, _)) = deadline {
            self.deadlines.insert((at, id));
        }
    }

    fn set_leg_deadline(&mut self, leg: LegId, deadline: Option<Millis>) {
        let before = self.legs.get_mut(&leg).and_then(|leg| std::mem::replace(&mut leg.deadline, deadline));
        if let Some(at) = before {
            self.leg_deadlines.remove(&(at, leg));
        }
        if let Some(at) = deadline {
            self.leg_deadlines.insert((at, leg));
        }
    }

    /// Tells a leg something that ends.
    fn prompt(&mut self, leg: LegId, pieces: Vec<Piece>) {
        let prompt = PromptId(self.new_id());
        let Some(known) = self.legs.get_mut(&leg).filter(|leg| leg.open) else { return };
        known.sound = None;
        known.prompt = Some(prompt);
        self.media(MediaAction::Prompt { leg, prompt, pieces });
    }

    fn play(&mut self, leg: LegId, sound: Sound) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        if known.open && known.sound != Some(sound) {
            known.sound = Some(sound);
            known.prompt = None;
            self.media(MediaAction::Play { leg, sound });
        }
    }

    /// An extension's address as the other side is told it.
    fn address_of(&self, number: &str) -> Option<NameAddr> {
        let room = || self.rooms.iter().find(|room| room.number == number).map(|room| room.name.as_str());
        let group = || self.groups.iter().find(|group| group.number == number).map(|group| group.name.as_str());
        let extension = self.auth.extension(number).map(|extension| extension.name());
        let name = extension.or_else(room).or_else(group).unwrap_or_default();
        headers::address(name, number, &self.domain).ok()
    }

    /// The Contact of our leg of a call to this number.
    fn contact(&self, number: &str) -> Option<NameAddr> {
        let uri = headers::address("", number, &self.domain).ok()?.uri().with_param("transport", Some("ws")).ok()?;
        Some(NameAddr::new(uri))
    }

    /// Ends one leg in whatever state it is.
    fn hangup(&mut self, turn: &mut Turn<'_>, leg: LegId, reason: Option<(u16, &str)>) {
        match self.legs.get(&leg).map(|known| known.key) {
            Some(Some(key)) => {
                crossing("hangup", turn.agent.hangup(turn.now, key, reason));
            }
            Some(None) => self.forget_leg(leg),
            None => {}
        }
    }

    /// Ends all legs of a call.
    fn end(&mut self, turn: &mut Turn<'_>, id: CallId, status: u16, text: &str) {
        let Some(call) = self.calls.get(&id) else { return };
        let legs: Vec<LegId> = call.caller.into_iter().chain(call.callees.iter().copied()).collect();
        for leg in legs {
            self.hangup(turn, leg, Some((status, text)));
        }
    }

    /// Refuses the caller, who has no answer yet; or tells the transferor, if that is who wanted the call.
    fn refuse(&mut self, turn: &mut Turn<'_>, id: CallId, status: u16, headers: Vec<HeaderField>) {
        if self.calls.get(&id).is_some_and(|call| call.refer.is_some()) {
            return self.transfer_failed(turn, id, status);
        }
        if self.calls.get(&id).and_then(|call| self.legs.get(&call.caller?)).is_some_and(|caller| caller.established) {
            return self.give_up(turn, id, status);
        }
        let key = self.calls.get(&id).and_then(|call| self.legs.get(&call.caller?)?.key);
        if let Some(key) = key {
            crossing("reject", turn.agent.reject(turn.now, key, status, headers));
        }
    }

    /// A leg is over.
    fn terminated(&mut self, turn: &mut Turn<'_>, key: CallKey, termination: &Termination) {
        let Some(leg) = self.keys.remove(&key) else { return };
        let Some((id, side)) = self.legs.get(&leg).map(|leg| (leg.call, leg.side)) else { return };
        if self.gone_while_consulting(turn, leg, termination) {
            return;
        }
        let others_stay = self.gone_while_referring(turn, leg);
        if others_stay {
            self.end_recording(turn, id);
            self.conclude(turn.now, id, status::outcome(termination));
            if let Some(call) = self.calls.get_mut(&id)
                && call.winner == Some(leg)
            {
                call.winner = None;
            }
            return self.forget_leg(leg);
        }
        let was_winner = self.calls.get(&id).is_some_and(|call| call.winner == Some(leg));
        if was_winner {
            // Its media is what is recorded.
            self.stop_recording(id);
        }
        match side {
            Side::Caller => self.conclude(turn.now, id, status::outcome(termination)),
            Side::Callee => {}
        }
        self.forget_leg(leg);
        match side {
            Side::Caller => self.caller_gone(turn, id, termination),
            Side::Callee => self.callee_gone(turn, id, was_winner, termination),
        }
    }

    /// Tells the end of a call, once.
    fn conclude(&mut self, now: Millis, id: CallId, status: u16) {
        self.set_deadline(id, None);
        self.stop_recording(id);
        self.stop_message(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if std::mem::replace(&mut call.over, true) {
            return;
        }
        let ended = PbxEvent::CallEnded {
            call: id,
            from: call.from.clone(),
            to: call.to.clone(),
            answered: call.answered.is_some(),
            status,
            duration_ms: now.saturating_sub(call.answered.unwrap_or(call.started)),
        };
        self.tell(ended);
        self.record_call(now, id, status);
    }

    /// Lets go of a leg, and of its call with the last one.
    fn forget_leg(&mut self, leg: LegId) {
        self.leave_room(leg);
        self.asked(leg, None);
        self.do_not_ask(leg);
        self.set_leg_deadline(leg, None);
        let Some(gone) = self.legs.remove(&leg) else { return };
        if gone.open {
            self.media(MediaAction::Close { leg });
        }
        let Some(call) = self.calls.get_mut(&gone.call) else { return };
        call.callees.retain(|&callee| callee != leg);
        for role in [&mut call.caller, &mut call.early] {
            if *role == Some(leg) {
                *role = None;
            }
        }
        if call.caller.is_none() && call.callees.is_empty() && call.refer.is_none() {
            self.set_deadline(gone.call, None);
            self.calls.remove(&gone.call);
        }
    }
}

/// A command can cross the end of its call: that is no fault.
fn crossing<T>(command: &str, result: Result<T, CommandError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::debug!(command, %error, "not done");
            None
        }
    }
}
