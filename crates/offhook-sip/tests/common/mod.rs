//! Two agents on a virtual link in virtual time; and one agent against a scripted raw peer.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::collections::BTreeMap;

use bytes::Bytes;
use offhook_sip::{
    Accept, Agent, AgentConfig, CallKey, ConnectionId, ConnectionKind, Credentials, Driven, Event, Input, Invite,
    KeepAlive, Millis, NameAddr, Output, Termination, Uri,
};

pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
pub const ANSWER: &str = "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 7 RTP/AVP 0\r\n";

/// The phone.
pub const A: usize = 0;
/// The server.
pub const B: usize = 1;
pub const LINK: ConnectionId = ConnectionId(1);

/// Says of a message, by whom it is sent and what it is, whether it is lost.
pub type Lose = Box<dyn FnMut(usize, &str) -> bool>;

pub struct Lab {
    pub now: Millis,
    pub latency: Millis,
    agents: [Driven<Agent>; 2],
    due: [Option<Millis>; 2],
    queue: BTreeMap<(Millis, u64), (usize, Bytes)>,
    next: u64,
    pub events: [Vec<Event>; 2],
    /// Everything sent: by whom, and what.
    pub wire: Vec<(usize, String)>,
    /// Messages for which this says true are lost.
    pub lose: Lose,
    up: bool,
}

impl Lab {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(configure: impl Fn(&mut AgentConfig)) -> Self {
        let agent = |seed: u8| {
            let mut config = AgentConfig::new([seed; 32]);
            config.keep_alive = KeepAlive::Off;
            configure(&mut config);
            Driven::new(Agent::new(config))
        };
        let mut lab = Self {
            now: 1_000,
            latency: 10,
            agents: [agent(1), agent(2)],
            due: [None, None],
            queue: BTreeMap::new(),
            next: 0,
            events: [Vec::new(), Vec::new()],
            wire: Vec::new(),
            lose: Box::new(|_, _| false),
            up: false,
        };
        lab.connect();
        lab
    }

    pub fn connect(&mut self) {
        self.up = true;
        let (a, b) = (ConnectionKind::Client { secure: true }, ConnectionKind::Server { secure: true });
        self.act(A, |agent, now| agent.handle_input(now, Input::Connected { connection: LINK, kind: a }));
        self.act(B, |agent, now| agent.handle_input(now, Input::Connected { connection: LINK, kind: b }));
    }

    pub fn disconnect(&mut self) {
        self.up = false;
        self.queue.clear();
        for who in [A, B] {
            self.act(who, |agent, now| agent.handle_input(now, Input::Disconnected { connection: LINK }));
        }
    }

    pub fn agent(&self, who: usize) -> &Agent {
        self.agents[who].view()
    }

    /// A command or an input, with everything that comes of it.
    pub fn act<R>(&mut self, who: usize, act: impl FnOnce(&mut Agent, Millis) -> R) -> R {
        let now = self.now;
        let mut outputs = Vec::new();
        let result = self.agents[who].turn(|agent| act(agent, now), |output| outputs.push(output));
        self.due[who] = None;
        let last = outputs.len();
        for (i, output) in outputs.into_iter().enumerate() {
            match output {
                Output::Transmit { data, .. } => self.send(who, data),
                Output::Event(event) => self.events[who].push(event),
                Output::Timeout(at) => {
                    assert_eq!(i + 1, last, "the timeout comes last");
                    self.due[who] = Some(at);
                }
                Output::Disconnect { .. } => {}
            }
        }
        result
    }

    fn send(&mut self, from: usize, data: Bytes) {
        let text = String::from_utf8(data.to_vec()).expect("what is sent is UTF-8");
        self.wire.push((from, text.clone()));
        if self.up && !(self.lose)(from, &text) {
            self.next += 1;
            self.queue.insert((self.now + self.latency, self.next), (1 - from, data));
        }
    }

    /// Runs until nothing happens any more within this time.
    pub fn run(&mut self, for_ms: Millis) {
        let end = self.now + for_ms;
        for _ in 0..100_000 {
            let message = self.queue.keys().next().map(|(at, _)| *at);
            let timer = self.due.iter().flatten().copied().min();
            let Some(next) = [message, timer].into_iter().flatten().min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if message == Some(next) {
                let (_, (to, data)) = self.queue.pop_first().expect("there is one");
                self.act(to, |agent, now| agent.handle_input(now, Input::Received { connection: LINK, data }));
            } else {
                for who in [A, B] {
                    if self.due[who].is_some_and(|at| at <= self.now) {
                        self.act(who, |agent, now| agent.handle_input(now, Input::Timeout));
                    }
                }
            }
        }
        panic!("a livelock: 100,000 steps in {for_ms} ms");
    }

    /// The events since last asked.
    pub fn take(&mut self, who: usize) -> Vec<Event> {
        std::mem::take(&mut self.events[who])
    }

    /// First lines of what one side sent since the wire was last cleared.
    pub fn sent(&self, who: usize) -> Vec<String> {
        self.wire.iter().filter(|(from, text)| *from == who && text.len() > 4).map(|(_, text)| summary(text)).collect()
    }

    /// After every call, all is given back within 64·T1 and the longest timers after it.
    pub fn assert_idle(&mut self) {
        self.run(200_000);
        for who in [A, B] {
            let load = self.agent(who).load();
            assert_eq!(load.calls, 0, "{who}: calls");
            assert_eq!((load.client_transactions, load.server_transactions), (0, 0), "{who}: transactions");
            assert_eq!(load.timers, 0, "{who}: timers");
        }
    }

    // --- what most tests begin with ---

    pub fn invite(&mut self, invite: Invite) -> CallKey {
        self.act(A, |agent, now| agent.invite(now, LINK, invite)).expect("connected")
    }

    pub fn incoming(&mut self) -> CallKey {
        let found = self.take(B).into_iter().find_map(|event| match event {
            Event::Incoming { call, .. } => Some(call),
            _ => None,
        });
        found.expect("an INVITE came")
    }

    pub fn accept(&mut self, call: CallKey) {
        let accept = Accept { sdp: ANSWER.to_owned(), contact: contact("bob"), headers: Vec::new(), credentials: None };
        self.act(B, |agent, now| agent.accept(now, call, accept)).expect("it rings");
    }

    /// A call that is up, on both sides; no event of it is left.
    pub fn established(&mut self) -> (CallKey, CallKey) {
        let a = self.invite(invite());
        self.run(100);
        let b = self.incoming();
        self.accept(b);
        self.run(100);
        for who in [A, B] {
            assert!(self.take(who).iter().any(|e| matches!(e, Event::Confirmed { .. })), "{who} confirmed");
        }
        self.wire.clear();
        (a, b)
    }
}

/// `INVITE`, `200 INVITE`.
pub fn summary(text: &str) -> String {
    let first = text.split([' ', '\r']).next().unwrap_or("");
    let method = header(text, "CSeq").split(' ').nth(1).unwrap_or("").to_owned();
    match first {
        "SIP/2.0" => format!("{} {method}", text.split(' ').nth(1).unwrap_or("")),
        _ => method,
    }
}

/// The value of the first header of this name.
pub fn header(text: &str, name: &str) -> String {
    let prefix = format!("{}:", name.to_ascii_lowercase());
    text.split("\r\n")
        .take_while(|line| !line.is_empty())
        .find(|line| line.to_ascii_lowercase().starts_with(&prefix))
        .map(|line| line[prefix.len()..].trim().to_owned())
        .unwrap_or_default()
}

pub fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a URI")
}

pub fn address(user: &str) -> NameAddr {
    NameAddr::new(uri(&format!("sip:{user}@example.com")))
}

pub fn contact(user: &str) -> NameAddr {
    NameAddr::new(uri(&format!("sip:{user}@{user}.invalid;transport=ws")))
}

pub fn invite() -> Invite {
    Invite {
        target: uri("sip:bob@example.com"),
        from: address("alice"),
        to: address("bob"),
        contact: contact("alice"),
        call_id: None,
        route: Vec::new(),
        headers: Vec::new(),
        offer: Some(OFFER.to_owned()),
        credentials: Some(Credentials::password("alice", "wonderland")),
        no_answer_ms: None,
    }
}

pub fn terminated(events: &[Event]) -> Option<&Termination> {
    events.iter().find_map(|event| match event {
        Event::Terminated { termination, .. } => Some(termination),
        _ => None,
    })
}

/// One agent as a client, and a peer that is whatever the test says.
pub struct Solo {
    pub now: Millis,
    agent: Driven<Agent>,
    pub due: Option<Millis>,
    pub events: Vec<Event>,
    pub sent: Vec<String>,
    pub dropped: bool,
}

impl Solo {
    pub fn new(kind: ConnectionKind) -> Self {
        let agent = Driven::new(Agent::new(AgentConfig::new([7; 32])));
        let mut solo = Self { now: 0, agent, due: None, events: Vec::new(), sent: Vec::new(), dropped: false };
        solo.act(|agent, now| agent.handle_input(now, Input::Connected { connection: LINK, kind }));
        solo
    }

    pub fn client() -> Self {
        Self::new(ConnectionKind::Client { secure: true })
    }

    pub fn server() -> Self {
        Self::new(ConnectionKind::Server { secure: true })
    }

    pub fn act<R>(&mut self, act: impl FnOnce(&mut Agent, Millis) -> R) -> R {
        let now = self.now;
        let (events, sent, due, dropped) = (&mut self.events, &mut self.sent, &mut self.due, &mut self.dropped);
        *due = None;
        self.agent.turn(
            |agent| act(agent, now),
            |output| match output {
                Output::Transmit { data, .. } => sent.push(String::from_utf8_lossy(&data).into_owned()),
                Output::Event(event) => events.push(event),
                Output::Timeout(at) => *due = Some(at),
                Output::Disconnect { .. } => *dropped = true,
            },
        )
    }

    pub fn view(&self) -> &Agent {
        self.agent.view()
    }

    pub fn receive(&mut self, text: impl Into<Vec<u8>>) {
        let data = Bytes::from(text.into());
        self.act(|agent, now| agent.handle_input(now, Input::Received { connection: LINK, data }));
    }

    pub fn advance(&mut self, ms: Millis) {
        let end = self.now + ms;
        while let Some(at) = self.due.filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.act(|agent, now| agent.handle_input(now, Input::Timeout));
        }
        self.now = end;
    }

    /// A call that came in this dialog and was answered: the call, and its 200.
    pub fn answered(&mut self, dialog: &str) -> (CallKey, String) {
        self.receive(request("INVITE", "sip:c@d", dialog, 1, "", OFFER));
        let Some(Event::Incoming { call, .. }) = self.take().first().cloned() else { panic!("an INVITE") };
        let accept = Accept { sdp: ANSWER.to_owned(), contact: contact("bob"), headers: Vec::new(), credentials: None };
        self.act(|agent, now| agent.accept(now, call, accept)).expect("rings");
        (call, self.take_sent().pop().expect("200"))
    }

    pub fn take_sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    pub fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Answers a request that was sent.
    pub fn reply(&mut self, request: &str, status: &str, tag: &str, extra: &str, body: &str) {
        let text = reply(request, status, tag, extra, body);
        self.receive(text);
    }
}

/// A response to a request, as a server would write it.
pub fn reply(request: &str, status: &str, tag: &str, extra: &str, body: &str) -> String {
    let to = header(request, "To");
    let to = if tag.is_empty() || to.contains(";tag=") { to } else { format!("{to};tag={tag}") };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}{kind}Content-Length: {}\r\n\r\n{body}",
        header(request, "Via"),
        header(request, "From"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
        body.len(),
    )
}

/// A request from a raw peer.
pub fn request(method: &str, target: &str, dialog: &str, cseq: u32, extra: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/WSS raw.invalid;branch=z9hG4bKraw{method}{cseq}\r\nMax-Forwards: 70\r\n{dialog}CSeq: {cseq} {method}\r\nContact: <sip:raw@raw.invalid;transport=ws>\r\n{extra}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len(),
    )
}
