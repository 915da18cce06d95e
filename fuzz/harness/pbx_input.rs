//! Anything a client may send over a WebSocket to a server's SIP agent, which here answers as a small PBX would.
//!
//! Beyond "no panic" it holds that no input makes the agent talk for ever, that what it sends is SIP, that every call ends exactly once
//! and is silent afterwards, and that nothing is left when the connection is gone and the timers have run out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use offhook_sip::{
    Accept, Agent, AgentConfig, CallKey, ConnectionId, ConnectionKind, Driven, Event, Input, Modify, ModifyMethod,
    NameAddr, Output, Ring,
};

use crate::script::{Step, fill_in, steps};

const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 127.0.0.1\r\n";
/// More outputs than any one input can need.
const MAX_OUTPUTS: usize = 2_000;
/// Longer than every timer of a lost connection's transactions and calls.
const REST_MS: u64 = 3_600_000;

/// Runs one script; gives the number of calls that were established.
pub(crate) fn run(data: &[u8]) -> usize {
    let mut server = Server::new();
    for step in steps(data) {
        server.step(step);
    }
    server.finish()
}

struct Server {
    agent: Driven<Agent>,
    now: u64,
    connection: ConnectionId,
    deadline: Option<u64>,
    outputs: VecDeque<Output>,
    last_sent: String,
    calls: BTreeMap<CallKey, Call>,
    over: BTreeSet<CallKey>,
    /// The agent asked for the connection to be closed.
    lost: bool,
    established: usize,
    closed: bool,
}

#[derive(Default)]
struct Call {
    offered: bool,
}

impl Server {
    fn new() -> Self {
        let mut server = Self {
            agent: Driven::new(Agent::new(AgentConfig::new([7; 32]))),
            now: 1_000,
            connection: ConnectionId(0),
            deadline: None,
            outputs: VecDeque::new(),
            last_sent: String::new(),
            calls: BTreeMap::new(),
            over: BTreeSet::new(),
            lost: false,
            established: 0,
            closed: true,
        };
        server.connect();
        server
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Message(data) => {
                if self.closed {
                    self.connect();
                }
                let data = Bytes::from(fill_in(&data, &self.last_sent));
                let connection = self.connection;
                self.input(Input::Received { connection, data });
            }
            Step::Wait(ms) => self.wait(ms),
            Step::Reconnect => {
                self.disconnect();
                self.connect();
            }
            Step::Command(number) => {
                self.command(number);
                self.settle();
            }
        }
        if std::mem::take(&mut self.lost) {
            self.disconnect();
        }
    }

    /// The connection is lost; an hour later everything it left must be gone.
    fn finish(mut self) -> usize {
        self.disconnect();
        self.hang_up_all();
        self.wait(REST_MS);
        let load = self.agent.view().load();
        assert_eq!(load.connections, 0, "a connection leaked: {load:?}");
        assert_eq!(load.calls, 0, "a call leaked: {load:?}");
        assert_eq!(load.server_transactions, 0, "a server transaction leaked: {load:?}");
        assert_eq!(load.client_transactions, 0, "a client transaction leaked: {load:?}");
        assert_eq!(load.timers, 0, "a timer leaked: {load:?}");
        assert!(self.calls.is_empty(), "a call never ended: {:?}", self.calls.keys());
        self.established
    }

    fn connect(&mut self) {
        self.connection = ConnectionId(self.connection.0 + 1);
        self.closed = false;
        let connection = self.connection;
        self.input(Input::Connected { connection, kind: ConnectionKind::Server { secure: false } });
    }

    fn disconnect(&mut self) {
        if !self.closed {
            self.closed = true;
            let connection = self.connection;
            self.input(Input::Disconnected { connection });
        }
    }

    /// Lets time pass from deadline to deadline.
    fn wait(&mut self, ms: u64) {
        let until = self.now + ms;
        let mut fired = 0;
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.input(Input::Timeout);
            fired += 1;
            assert!(fired < 100_000, "timers without end");
        }
        self.now = until;
    }

    fn input(&mut self, input: Input) {
        let now = self.now;
        self.turn(|agent| agent.handle_input(now, input));
        self.settle();
    }

    /// Takes outputs, and what comes of them, until there are none.
    fn settle(&mut self) {
        let mut taken = 0;
        while let Some(output) = self.outputs.pop_front() {
            self.take(output);
            taken += 1;
            assert!(taken < MAX_OUTPUTS, "outputs without end");
        }
    }

    /// Does something to the agent. What it puts out waits for its turn, so that events are answered in order.
    fn turn<R>(&mut self, act: impl FnOnce(&mut Agent) -> R) -> R {
        let Self { agent, outputs, deadline, .. } = self;
        *deadline = None;
        agent.turn(act, |output| match output {
            Output::Timeout(at) => *deadline = Some(at),
            other => {
                assert!(deadline.is_none(), "the time-out must come last");
                outputs.push_back(other);
            }
        })
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Transmit { connection, data } => {
                let text = std::str::from_utf8(&data).expect("what is sent is UTF-8");
                assert_eq!(connection, self.connection, "sent on a connection that is gone");
                if !text.trim().is_empty() {
                    assert!(text.contains("SIP/2.0") && text.contains("\r\n\r\n"), "not SIP: {text}");
                    text.clone_into(&mut self.last_sent);
                }
            }
            Output::Disconnect { .. } => self.lost = true,
            Output::Timeout(_) => unreachable!("taken in turn"),
            Output::Event(event) => self.event(event),
        }
    }

    fn event(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Incoming { call, request, .. } => {
                assert!(self.calls.insert(call, Call::default()).is_none(), "announced twice");
                // The last digit of the number called says how this one is answered.
                match request.uri.to_string().bytes().find(u8::is_ascii_digit) {
                    Some(b'0') => drop(self.turn(|agent| agent.reject(now, call, 486, Vec::new()))),
                    Some(b'1') => drop(self.turn(|agent| agent.ring(now, call, Ring::default()))),
                    Some(b'2') => self.early_media(call),
                    _ => self.accept(call),
                }
            }
            Event::RemoteOffer { call, offer, .. } => {
                self.assert_alive(call);
                self.calls.entry(call).or_default().offered = true;
                if offer.is_some_and(|sdp| sdp.contains("m=video")) {
                    drop(self.turn(|agent| agent.refuse_offer(now, call, 488)));
                } else {
                    drop(self.turn(|agent| agent.answer_offer(now, call, SDP.to_owned())));
                }
            }
            Event::RefreshNeeded { call } | Event::ModifyRetry { call } => {
                self.assert_alive(call);
                self.modify(call);
            }
            Event::Terminated { call, .. } => {
                assert!(self.calls.remove(&call).is_some(), "ended without having begun");
                assert!(self.over.insert(call), "ended twice");
            }
            Event::Request { transaction, call, .. } => {
                if let Some(call) = call {
                    self.assert_alive(call);
                }
                drop(self.turn(|agent| agent.respond(now, transaction, 200, Vec::new(), None)));
            }
            Event::Confirmed { call, .. } => {
                self.assert_alive(call);
                self.established += 1;
            }
            Event::RemoteAnswer { call, .. }
            | Event::RemoteOfferAbandoned { call }
            | Event::Modified { call, .. }
            | Event::Updated { call, .. } => self.assert_alive(call),
            _ => {}
        }
    }

    fn assert_alive(&self, call: CallKey) {
        assert!(self.calls.contains_key(&call), "an event of a call that is not there");
    }

    fn command(&mut self, number: u8) {
        let now = self.now;
        let Some(call) = self.calls.keys().next_back().copied() else { return };
        match number {
            0 => drop(self.turn(|agent| agent.hangup(now, call, None))),
            1 => self.accept(call),
            2 => self.modify(call),
            3 => drop(self.turn(|agent| agent.reject(now, call, 603, Vec::new()))),
            4 => drop(self.turn(|agent| agent.request(now, call, "INFO", Vec::new(), None))),
            _ => {
                let update = Modify { method: ModifyMethod::Update, offer: Some(SDP.to_owned()), headers: Vec::new() };
                drop(self.turn(|agent| agent.modify(now, call, update)));
            }
        }
    }

    fn accept(&mut self, call: CallKey) {
        let now = self.now;
        let accept = Accept { sdp: SDP.to_owned(), contact: contact(), headers: Vec::new(), credentials: None };
        drop(self.turn(|agent| agent.accept(now, call, accept)));
    }

    fn early_media(&mut self, call: CallKey) {
        let now = self.now;
        let ring = Ring { status: 183, sdp: Some(SDP.to_owned()), ..Ring::default() };
        drop(self.turn(|agent| agent.ring(now, call, ring)));
    }

    fn modify(&mut self, call: CallKey) {
        let now = self.now;
        let invite = Modify { method: ModifyMethod::Invite, offer: Some(SDP.to_owned()), headers: Vec::new() };
        drop(self.turn(|agent| agent.modify(now, call, invite)));
    }

    fn hang_up_all(&mut self) {
        let now = self.now;
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            drop(self.turn(|agent| agent.hangup(now, call, None)));
        }
        self.settle();
    }
}

fn contact() -> NameAddr {
    NameAddr::parse("<sip:pbx@127.0.0.1;transport=ws>").expect("a constant")
}
