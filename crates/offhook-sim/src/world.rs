//! The network, the phones on it, and the clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use offhook_core::{
    CallId, CallOptions, CallState, Cause, CloseReason, CommandId, Driven, Input, MediaCommand, MediaEvent, Now,
    Output, Phone, PhoneConfig, PhoneError, PhoneEvent, SessionEvent, TransportError,
};

use crate::check::Ledger;
use crate::media::Media;
use crate::peer::{Deed, Peer, Plan};
use crate::random::Random;
use crate::server::{ConnectionId, Proxy, Server};

/// Events kept for each phone until they are taken; more are forgotten, oldest first.
const KEPT_EVENTS: usize = 4_096;

/// After so long, a call that ended at one end is over at the other: 64·T1, and the way there.
const ONE_SIDED_MS: u64 = 40_000;

/// What goes wrong on its own, in so many of a thousand cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// A message between server and phone is lost (as behind a server that speaks UDP).
    pub loss: u64,
    /// It comes twice.
    pub duplication: u64,
    /// It is overtaken by the next ones.
    pub reordering: u64,
    /// A peer connection fails to make or take a description.
    pub media: u64,
    /// The connection of a phone breaks as a message is about to come or go, for at most 20 s.
    pub cuts: u64,
}

/// A rule that every phone breaks on purpose, to see that the simulator notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A 2xx that comes again gets no ACK again (RFC 3261 §13.2.2.4).
    NeverRepeatsAck,
    /// The timer that sends a 2xx again until its ACK comes is forgotten (§13.3.1.4).
    ForgetsToRepeatOk,
    /// Ends calls without telling the far end (§15).
    EndsWithoutBye,
    /// Session timers are forgotten (RFC 4028): nobody notices that the far end has vanished.
    ForgetsSessionTimer,
    /// Every eighth command is never settled.
    ForgetsToSettle,
}

/// A phone of a [`World`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneId(usize);

/// A scripted peer of a [`World`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(usize);

/// The network, the phones on it, and the clock.
#[derive(Debug)]
pub struct World {
    seed: u64,
    now: u64,
    random: Random,
    server: Box<dyn Server>,
    server_up_at: u64,
    phones: Vec<Host>,
    peers: Vec<Stranger>,
    queue: BTreeMap<(u64, u64), Delivery>,
    sequence: u64,
    connections: u64,
    /// What goes wrong on its own.
    pub faults: Faults,
    /// One way, ms: at least, and so much more at most.
    pub latency: (u64, u64),
    /// A rule that is broken on purpose.
    pub broken: Option<Broken>,
    /// When each call was first heard of.
    started: BTreeMap<CallId, u64>,
    /// Calls that ended somewhere, in order, and when.
    ends: VecDeque<(u64, CallId)>,
    /// When a connection was last lost, anybody's.
    troubled: u64,
    /// Write every message and event to standard error.
    pub trace: bool,
    hash: u64,
    steps: u64,
}

/// A phone and what is around it.
#[derive(Debug)]
struct Host {
    name: String,
    /// Its own, so that what one phone does changes little for the others: a failure survives being shortened.
    random: Random,
    phone: Driven<Phone>,
    due: Option<u64>,
    outputs: VecDeque<Output>,
    connection: Option<ConnectionId>,
    /// The attempt to connect that is under way.
    connecting: Option<u64>,
    /// Without network until then.
    cut_until: u64,
    /// The next message of each direction comes no sooner: a connection keeps its order.
    not_before: [u64; 2],
    media: BTreeMap<CallId, Media>,
    /// What it sent, for rules about sending again.
    sent: BTreeSet<Bytes>,
    ledger: Ledger,
    events: VecDeque<PhoneEvent>,
}

/// A scripted peer and its connection.
#[derive(Debug)]
struct Stranger {
    peer: Peer,
    connection: Option<ConnectionId>,
    not_before: [u64; 2],
}

#[derive(Debug)]
enum Delivery {
    ToServer(ConnectionId, Bytes),
    ToPhone(usize, ConnectionId, Bytes),
    /// A phone's attempt to connect comes to its end.
    Connected(usize, u64),
    Media(usize, CallId, MediaEvent),
    ToPeer(usize, ConnectionId, Bytes),
    /// A scripted peer does something.
    Deed(usize, Deed),
    PeerConnects(usize),
}

impl World {
    /// An empty one, with a registrar and stateless proxy for a server.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_server(seed, Box::new(Proxy::default()))
    }

    /// An empty one with another server.
    #[must_use]
    pub fn with_server(seed: u64, server: Box<dyn Server>) -> Self {
        Self {
            seed,
            now: 1_000,
            random: Random::new(seed),
            server,
            server_up_at: 0,
            phones: Vec::new(),
            peers: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            connections: 0,
            faults: Faults::default(),
            latency: (5, 30),
            broken: None,
            started: BTreeMap::new(),
            ends: VecDeque::new(),
            troubled: 0,
            trace: false,
            hash: 0xcbf2_9ce4_8422_2325,
            steps: 0,
        }
    }

    /// Adds a phone, registered under this name.
    ///
    /// # Panics
    /// The name cannot stand in a SIP address.
    pub fn phone(&mut self, name: &str) -> PhoneId {
        self.phone_with(name, |_| {})
    }

    /// The same, with another configuration.
    ///
    /// # Panics
    /// The name cannot stand in a SIP address.
    pub fn phone_with(&mut self, name: &str, configure: impl FnOnce(&mut PhoneConfig)) -> PhoneId {
        let seed = self.random.seed();
        let mut config = PhoneConfig::new("wss://server.sim/ws", name, None, seed).expect("a name for an address");
        configure(&mut config);
        if self.broken == Some(Broken::ForgetsSessionTimer) {
            config.session_timer.enabled = false;
        }
        let id = PhoneId(self.phones.len());
        self.phones.push(Host {
            name: name.to_owned(),
            random: Random::new(self.random.below(u64::MAX)),
            phone: Driven::new(Phone::new(config)),
            due: None,
            outputs: VecDeque::new(),
            connection: None,
            connecting: None,
            cut_until: 0,
            not_before: [0; 2],
            media: BTreeMap::new(),
            sent: BTreeSet::new(),
            ledger: Ledger::default(),
            events: VecDeque::new(),
        });
        self.command(id, |phone, now| phone.start(now)).expect("not started before");
        self.run(1_000);
        id
    }

    /// Adds a peer that is no phone of ours and keeps no rules ([`storm`](crate::storm)): everything it does is drawn from the
    /// seed.
    pub fn wild_peer(&mut self, name: &str) -> PeerId {
        self.add_peer(name, false)
    }

    /// Adds a peer that only listens: what it says, the test says ([`say_as`](Self::say_as)).
    pub fn peer(&mut self, name: &str) -> PeerId {
        self.add_peer(name, true)
    }

    fn add_peer(&mut self, name: &str, by_hand: bool) -> PeerId {
        let random = Random::new(self.random.below(u64::MAX));
        let id = PeerId(self.peers.len());
        self.peers.push(Stranger { peer: Peer::new(name, by_hand, random), connection: None, not_before: [0; 2] });
        self.connect_peer(id.0);
        self.run(1_000);
        self.peers[id.0].peer.heard.clear();
        id
    }

    // --- getters ---

    /// Milliseconds since the beginning of the world.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The phones.
    pub fn phones(&self) -> impl Iterator<Item = PhoneId> + use<> {
        (0..self.phones.len()).map(PhoneId)
    }

    /// A phone's name.
    #[must_use]
    pub fn name(&self, phone: PhoneId) -> &str {
        &self.phones[phone.0].name
    }

    /// A phone's getters.
    #[must_use]
    pub fn view(&self, phone: PhoneId) -> &Phone {
        self.phones[phone.0].phone.view()
    }

    /// What is known of a phone's promises.
    #[must_use]
    pub fn ledger(&self, phone: PhoneId) -> &Ledger {
        &self.phones[phone.0].ledger
    }

    /// The calls of a phone that are not over, oldest first.
    #[must_use]
    pub fn calls(&self, phone: PhoneId) -> Vec<CallId> {
        self.view(phone).sessions().map(|session| session.call_id().clone()).collect()
    }

    /// The call that rings at a phone, the oldest.
    #[must_use]
    pub fn ringing(&self, phone: PhoneId) -> Option<CallId> {
        self.view(phone).incoming_list().next().map(|session| session.call_id().clone())
    }

    /// Whether a call is confirmed and not over.
    #[must_use]
    pub fn is_talking(&self, phone: PhoneId, call: &CallId) -> bool {
        self.view(phone).session(call).is_some_and(|session| session.status().call_status == CallState::Talking)
    }

    /// Events of a phone since they were last taken.
    pub fn take_events(&mut self, phone: PhoneId) -> Vec<PhoneEvent> {
        self.phones[phone.0].events.drain(..).collect()
    }

    /// The peers.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> + use<> {
        (0..self.peers.len()).map(PeerId)
    }

    /// A peer's name.
    #[must_use]
    pub fn peer_name(&self, peer: PeerId) -> &str {
        &self.peers[peer.0].peer.name
    }

    /// The messages that came to a peer since they were last taken, whole.
    pub fn take_heard(&mut self, peer: PeerId) -> Vec<String> {
        std::mem::take(&mut self.peers[peer.0].peer.heard)
    }

    /// Whether a peer has had to do with a call.
    #[must_use]
    pub fn is_strange(&self, call: &CallId) -> bool {
        self.peers.iter().any(|stranger| stranger.peer.knows(call.as_str()))
    }

    /// How many dialogs the server is an end of itself, if it is one.
    #[must_use]
    pub fn server_dialogs(&self) -> Option<usize> {
        self.server.dialogs()
    }

    /// Peer connections that are open at a phone.
    #[must_use]
    pub fn open_media(&self, phone: PhoneId) -> usize {
        self.phones[phone.0].media.len()
    }

    /// A hash over every message and event so far: the same seed and the same operations give the same.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.hash
    }

    /// Messages, timers and media events so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    // --- what users do ---

    /// Gives a phone any command.
    ///
    /// # Errors
    /// Those of the command.
    pub fn command(
        &mut self,
        phone: PhoneId,
        act: impl FnOnce(&mut Phone, Now) -> Result<CommandId, PhoneError>,
    ) -> Result<CommandId, PhoneError> {
        let now = self.clock();
        let command = self.turn(phone.0, |core| act(core, now));
        if let Ok(command) = command {
            self.phones[phone.0].ledger.accepted(self.now, command);
        }
        self.settle(phone.0);
        command
    }

    /// Calls a number.
    ///
    /// # Errors
    /// Those of [`Phone::call`].
    pub fn call(&mut self, phone: PhoneId, number: &str) -> Result<CallId, PhoneError> {
        let mut made = None;
        self.command(phone, |core, now| {
            let (command, call) = core.call(now, number, CallOptions::default())?;
            made = Some(call);
            Ok(command)
        })?;
        made.ok_or(PhoneError::UnknownCall)
    }

    /// Makes a consultation call.
    ///
    /// # Errors
    /// Those of [`Phone::consult`].
    pub fn consult(&mut self, phone: PhoneId, parent: &CallId, number: &str) -> Result<CallId, PhoneError> {
        let mut made = None;
        self.command(phone, |core, now| {
            let (command, call) = core.consult(now, parent, number, CallOptions::default())?;
            made = Some(call);
            Ok(command)
        })?;
        made.ok_or(PhoneError::UnknownCall)
    }

    /// Answers a call that rings.
    ///
    /// # Errors
    /// Those of [`Phone::answer`].
    pub fn answer(&mut self, phone: PhoneId, call: &CallId) -> Result<CommandId, PhoneError> {
        self.command(phone, |core, now| core.answer(now, call, CallOptions::default()))
    }

    /// Ends a call.
    ///
    /// # Errors
    /// Those of [`Phone::hangup`].
    pub fn hangup(&mut self, phone: PhoneId, call: &CallId) -> Result<CommandId, PhoneError> {
        self.command(phone, |core, now| core.hangup(now, call))
    }

    /// Changes something at a phone that is no command.
    ///
    /// # Errors
    /// Those of the method.
    pub fn change<R>(
        &mut self,
        phone: PhoneId,
        act: impl FnOnce(&mut Phone, Now) -> Result<R, PhoneError>,
    ) -> Result<R, PhoneError> {
        let now = self.clock();
        let result = self.turn(phone.0, |core| act(core, now));
        self.settle(phone.0);
        result
    }

    /// Stops the timer of a call.
    ///
    /// # Errors
    /// Those of [`Phone::stop_timer`].
    pub fn stop_timer(&mut self, phone: PhoneId, call: &CallId) -> Result<(), PhoneError> {
        // An update that is due in this very millisecond still comes.
        self.change(phone, |core, now| core.stop_timer(now, call))?;
        self.phones[phone.0].ledger.timer_stopped(call);
        Ok(())
    }

    /// A peer says something: one whole message.
    pub fn say_as(&mut self, peer: PeerId, message: &str) {
        self.do_deeds(peer.0, vec![(0, Deed::Send(Bytes::copy_from_slice(message.as_bytes())))]);
    }

    /// A wild peer calls somebody.
    pub fn call_as(&mut self, peer: PeerId, number: &str) {
        let plan = self.peers[peer.0].peer.call(number);
        self.do_deeds(peer.0, plan);
    }

    /// The peers say nothing from now on.
    pub fn silence_peers(&mut self) {
        for stranger in &mut self.peers {
            stranger.peer.silent = true;
        }
    }

    // --- what happens to them ---

    /// A phone loses its network, for so long, and with it whatever it was just saying.
    pub fn cut(&mut self, phone: PhoneId, for_ms: u64) {
        if let Some(connection) = self.phones[phone.0].connection {
            self.queue.retain(|_, d| !matches!(d, Delivery::ToServer(from, _) if *from == connection));
        }
        self.lose_network(phone, for_ms);
    }

    /// The same; what it was saying still arrives.
    pub fn lose_network(&mut self, phone: PhoneId, for_ms: u64) {
        self.phones[phone.0].cut_until = self.now + for_ms;
        let detail = "the network is gone".to_owned();
        self.drop_connection(phone.0, CloseReason::Failed(TransportError::Lost { detail }));
    }

    /// The server goes down, with every connection, and comes up again after so long, knowing nobody.
    pub fn restart_server(&mut self, down_ms: u64) {
        self.server_up_at = self.now + down_ms;
        for at in 0..self.phones.len() {
            self.drop_connection(at, CloseReason::Remote { code: Some(1006) });
        }
        for at in 0..self.peers.len() {
            if let Some(connection) = self.peers[at].connection.take() {
                self.with_server_do(|server, now, replies| server.disconnected(now, connection, replies));
            }
            self.schedule(self.server_up_at + 100, Delivery::PeerConnects(at));
        }
        self.server.restart(self.now);
    }

    /// Lets time pass.
    ///
    /// # Panics
    /// A phone breaks a promise, or talks without end.
    pub fn run(&mut self, for_ms: u64) {
        let end = self.now + for_ms;
        let (mut at, mut steps) = (self.now, 0_u32);
        while let Some(next) = self.next_due().filter(|next| *next <= end) {
            if next > at {
                (at, steps) = (next, 0);
            }
            steps += 1;
            assert!(steps < 20_000, "seed {}: a livelock at {} ms", self.seed, self.now);
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
        for host in &self.phones {
            host.ledger.check(end);
        }
        self.check_ends();
    }

    // --- inside ---

    /// Unless the network was in the way, a call that ended at one end is over at the other within the longest timer.
    fn check_ends(&mut self) {
        while let Some((at, call)) = self.ends.front().filter(|(at, _)| self.now - at > ONE_SIDED_MS).cloned() {
            self.ends.pop_front();
            let left = self.phones.iter().find(|host| host.phone.view().session(&call).is_some());
            let Some(left) = left else {
                self.started.remove(&call);
                continue;
            };
            let undisturbed = !self.is_strange(&call)
                && self.server.dialogs().is_none()
                && self.faults.loss + self.faults.duplication == 0
                && self.started.get(&call).is_some_and(|from| *from > self.troubled);
            assert!(!undisturbed, "{} still has {call}, which ended elsewhere {} ms ago", left.name, self.now - at);
        }
    }

    /// What the broken rule keeps from being sent.
    fn is_withheld(&mut self, at: usize, data: &Bytes) -> bool {
        match self.broken {
            Some(Broken::NeverRepeatsAck) => data.starts_with(b"ACK ") && !self.phones[at].sent.insert(data.clone()),
            Some(Broken::ForgetsToRepeatOk) => {
                data.starts_with(b"SIP/2.0 200 ") && !self.phones[at].sent.insert(data.clone())
            }
            Some(Broken::EndsWithoutBye) => data.starts_with(b"BYE "),
            _ => false,
        }
    }

    fn next_due(&self) -> Option<u64> {
        let message = self.queue.keys().next().map(|(at, _)| *at);
        let timer = self.phones.iter().filter_map(|host| host.due).min();
        [message, timer, self.server.next_timeout()].into_iter().flatten().min()
    }

    fn step(&mut self) {
        self.steps += 1;
        if self.queue.keys().next().is_some_and(|(at, _)| *at <= self.now) {
            if let Some((_, delivery)) = self.queue.pop_first() {
                self.deliver(delivery);
            }
            return;
        }
        if let Some(at) = self.phones.iter().position(|host| host.due.is_some_and(|due| due <= self.now)) {
            self.phones[at].due = None;
            self.input(at, Input::Timeout);
        } else if self.server.next_timeout().is_some_and(|due| due <= self.now) {
            self.with_server_do(|server, now, replies| server.on_time(now, replies));
        }
    }

    /// Tells the server something, and sends what it says to it.
    fn with_server_do(&mut self, act: impl FnOnce(&mut dyn Server, u64, &mut Vec<(ConnectionId, Bytes)>)) {
        let mut replies = Vec::new();
        act(self.server.as_mut(), self.now, &mut replies);
        for (to, data) in replies {
            self.pass_on(to, data);
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::ToServer(from, data) => {
                self.mix(&data);
                self.say(from, "->", &data);
                self.with_server_do(|server, now, replies| server.received(now, from, &data, replies));
            }
            Delivery::ToPhone(at, connection, data) => {
                if self.phones[at].connection == Some(connection) && !self.cuts(at) {
                    self.mix(&data);
                    self.say(connection, "<-", &data);
                    self.input(at, Input::TransportReceived(data));
                }
            }
            Delivery::Connected(at, attempt) => {
                if self.phones[at].connecting == Some(attempt) {
                    self.phones[at].connecting = None;
                    self.connect(at);
                }
            }
            Delivery::Media(at, call_id, event) => {
                if self.phones[at].media.get(&call_id).is_some_and(|media| media.is_current(&event)) {
                    self.input(at, Input::Media { call_id, event });
                }
            }
            Delivery::ToPeer(at, connection, data) => {
                if self.peers[at].connection == Some(connection) {
                    self.mix(&data);
                    self.say(connection, "<-", &data);
                    let plan = self.peers[at].peer.receive(&data);
                    self.do_deeds(at, plan);
                }
            }
            Delivery::Deed(at, Deed::Act(call)) => {
                let plan = self.peers[at].peer.act(&call);
                self.do_deeds(at, plan);
            }
            Delivery::Deed(at, Deed::Send(data)) => {
                let Stranger { peer, connection: Some(connection), .. } = &self.peers[at] else { return };
                if !peer.silent {
                    let connection = *connection;
                    let arrives = (self.now + self.latency.0).max(self.peers[at].not_before[0]);
                    self.peers[at].not_before[0] = arrives;
                    self.schedule(arrives, Delivery::ToServer(connection, data));
                }
            }
            Delivery::PeerConnects(at) => self.connect_peer(at),
        }
    }

    fn do_deeds(&mut self, at: usize, plan: Plan) {
        for (after, deed) in plan {
            self.schedule(self.now + after, Delivery::Deed(at, deed));
        }
    }

    fn connect_peer(&mut self, at: usize) {
        if self.server_up_at > self.now || self.peers[at].connection.is_some() {
            return;
        }
        self.connections += 1;
        let connection = self.connections;
        self.peers[at].connection = Some(connection);
        self.with_server_do(|server, now, replies| server.connected(now, connection, replies));
        let register = self.peers[at].peer.register();
        self.do_deeds(at, vec![(0, Deed::Send(register))]);
    }

    /// Whether the connection of a phone breaks in this instant.
    fn cuts(&mut self, at: usize) -> bool {
        let breaks = self.faults.cuts > 0
            && self.phones[at].connection.is_some()
            && self.phones[at].random.per_mille(self.faults.cuts);
        if breaks {
            let for_ms = self.phones[at].random.below(20_000);
            if self.phones[at].random.per_mille(500) {
                self.cut(PhoneId(at), for_ms);
            } else {
                self.lose_network(PhoneId(at), for_ms);
            }
        }
        breaks
    }

    fn connect(&mut self, at: usize) {
        let reachable = self.phones[at].cut_until <= self.now && self.server_up_at <= self.now;
        if reachable {
            self.connections += 1;
            let connection = self.connections;
            self.phones[at].connection = Some(connection);
            self.with_server_do(|server, now, replies| server.connected(now, connection, replies));
            self.input(at, Input::TransportConnected { secure: true });
        } else {
            let error = TransportError::Timeout { address: "server.sim".to_owned(), after_ms: 10 };
            self.input(at, Input::TransportClosed { reason: CloseReason::Failed(error) });
        }
    }

    fn drop_connection(&mut self, at: usize, reason: CloseReason) {
        if let Some(connection) = self.phones[at].connection.take() {
            self.troubled = self.now;
            self.with_server_do(|server, now, replies| server.disconnected(now, connection, replies));
            self.input(at, Input::TransportClosed { reason });
        }
    }

    fn pass_on(&mut self, connection: ConnectionId, data: Bytes) {
        if let Some(at) = self.peers.iter().position(|stranger| stranger.connection == Some(connection)) {
            let arrives = (self.now + self.latency.0).max(self.peers[at].not_before[1]);
            self.peers[at].not_before[1] = arrives;
            self.schedule(arrives, Delivery::ToPeer(at, connection, data));
            return;
        }
        let Some(at) = self.phones.iter().position(|host| host.connection == Some(connection)) else { return };
        let faults = self.faults;
        let random = &mut self.phones[at].random;
        if random.per_mille(faults.loss) {
            return;
        }
        let copies = if random.per_mille(faults.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let mut arrives = self.arrival(at, 1);
            if self.phones[at].random.per_mille(faults.reordering) {
                arrives += self.phones[at].random.below(200);
            } else {
                self.phones[at].not_before[1] = arrives;
            }
            self.schedule(arrives, Delivery::ToPhone(at, connection, data.clone()));
        }
    }

    /// When a message sent now arrives, in order.
    fn arrival(&mut self, at: usize, direction: usize) -> u64 {
        let host = &mut self.phones[at];
        let latency = self.latency.0 + host.random.below(self.latency.1 + 1);
        (self.now + latency).max(host.not_before[direction])
    }

    fn schedule(&mut self, at: u64, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), delivery);
    }

    fn clock(&self) -> Now {
        Now { mono: self.now, wall: 1_700_000_000_000 + self.now }
    }

    fn input(&mut self, at: usize, input: Input) {
        let now = self.clock();
        self.turn(at, |phone| phone.handle_input(now, input));
        self.settle(at);
    }

    fn turn<R>(&mut self, at: usize, act: impl FnOnce(&mut Phone) -> R) -> R {
        let Host { phone, due, outputs, .. } = &mut self.phones[at];
        // The last deadline counts: a command that is refused changes nothing and gives none.
        phone.turn(act, |output| match output {
            Output::Timeout(when) => *due = Some(when),
            other => outputs.push_back(other),
        })
    }

    fn settle(&mut self, at: usize) {
        while let Some(output) = self.phones[at].outputs.pop_front() {
            self.carry_out(at, output);
        }
        // What was announced and not deleted is what the phone holds.
        let host = &self.phones[at];
        let held = host.phone.view().sessions();
        let known = held.filter(|session| host.ledger.knows(session.call_id())).count();
        let same = known == host.ledger.calls().count() && known == host.phone.view().sessions().count();
        assert!(same, "{} holds other calls than it has told of", host.name);
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        match output {
            Output::Connect => {
                let when = self.now + 1 + self.phones[at].random.below(20);
                self.connections += 1;
                self.phones[at].connecting = Some(self.connections);
                self.schedule(when, Delivery::Connected(at, self.connections));
            }
            Output::Disconnect => {
                if self.phones[at].connecting.take().is_some() {
                    self.input(at, Input::TransportClosed { reason: CloseReason::Local });
                }
                self.drop_connection(at, CloseReason::Local);
            }
            Output::Transmit(data) => {
                if self.cuts(at) {
                    return;
                }
                if let Some(connection) = self.phones[at].connection.filter(|_| !self.is_withheld(at, &data)) {
                    let arrives = self.arrival(at, 0);
                    self.phones[at].not_before[0] = arrives;
                    self.schedule(arrives, Delivery::ToServer(connection, data));
                }
            }
            Output::Media { call_id, command } => {
                if let MediaCommand::SendDtmf { tones, duration_ms, gap_ms, .. } = &command {
                    self.send_tones(at, &call_id, tones, *duration_ms, *gap_ms);
                }
                let failures = self.faults.media;
                let Host { media, random, .. } = &mut self.phones[at];
                let connection = media.entry(call_id.clone()).or_default();
                let events = connection.command(command, random, failures);
                if connection.closed {
                    media.remove(&call_id);
                }
                for (delay, event) in events {
                    self.schedule(self.now + delay, Delivery::Media(at, call_id.clone(), event));
                }
            }
            Output::Settled { command, .. } => {
                let forgotten = self.broken == Some(Broken::ForgetsToSettle) && command.0.is_multiple_of(8);
                if !forgotten {
                    self.phones[at].ledger.settled(command);
                }
            }
            Output::Event(event) => self.told(at, event),
            _ => {}
        }
    }

    /// The tones are heard at the other end: the server passes Call-IDs on unchanged, so that is who has the same call.
    fn send_tones(&mut self, from: usize, call: &CallId, tones: &str, duration_ms: u32, gap_ms: u32) {
        let Some(to) = (0..self.phones.len()).find(|at| *at != from && self.phones[*at].media.contains_key(call))
        else {
            return;
        };
        let mut when = self.now + self.latency.0;
        for tone in tones.chars() {
            if tone == ',' {
                when += 2_000;
                continue;
            }
            when += u64::from(duration_ms);
            self.schedule(when, Delivery::Media(to, call.clone(), MediaEvent::DtmfReceived { tone, duration_ms }));
            when += u64::from(gap_ms);
        }
    }

    fn told(&mut self, at: usize, event: PhoneEvent) {
        let now = self.now;
        let host = &mut self.phones[at];
        host.ledger.event(now, &event);
        if let PhoneEvent::DeleteSession { call_id, .. } = &event {
            assert!(host.phone.view().session(call_id).is_none(), "{call_id} is deleted, and still held");
        }
        match &event {
            PhoneEvent::NewRtcSession { call_id } => {
                self.started.entry(call_id.clone()).or_insert(now);
            }
            PhoneEvent::DeleteSession { call_id, .. } => self.ends.push_back((now, call_id.clone())),
            PhoneEvent::Session(SessionEvent::Ended(ended)) if ended.cause == Cause::NoAck => {
                // Whoever took one of the eleven 200s took more of them, and sent as many ACKs; losing them all takes a
                // connection. (An INVITE that comes once more when its call is long over makes one that nobody took.)
                let taken = self
                    .phones
                    .iter()
                    .enumerate()
                    .any(|(other, h)| other != at && h.ledger.is_accepted(&ended.call_id));
                let undisturbed = taken
                    && !self.is_strange(&ended.call_id)
                    && self.started.get(&ended.call_id).is_some_and(|from| *from > self.troubled);
                assert!(
                    !undisturbed,
                    "{} got no ACK, though it was taken and nobody's connection was lost",
                    ended.call_id
                );
            }
            _ => {}
        }
        self.mix(event.name().as_bytes());
        if self.trace {
            eprintln!("{:>9} {:>6}    {event:?}", self.now, self.phones[at].name);
        }
        let host = &mut self.phones[at];
        let noise =
            matches!(event, PhoneEvent::Session(SessionEvent::UpdateTimer { .. } | SessionEvent::CallReport { .. }));
        if !noise {
            if host.events.len() == KEPT_EVENTS {
                host.events.pop_front();
            }
            host.events.push_back(event);
        }
    }

    fn say(&self, connection: ConnectionId, direction: &str, data: &Bytes) {
        if !self.trace {
            return;
        }
        let name = self.phones.iter().find(|host| host.connection == Some(connection)).map_or("?", |host| &host.name);
        let text = String::from_utf8_lossy(data);
        let first = text.split("\r\n").next().unwrap_or("");
        let cseq = text.split("\r\n").find(|line| line.starts_with("CSeq")).unwrap_or("");
        eprintln!("{:>9} {name:>6} {direction} {first}   {cseq}", self.now);
    }

    /// FNV-1a.
    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&self.now.to_le_bytes()) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
