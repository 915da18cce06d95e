//! A registrar and B2BUA in little: it joins two legs and hands descriptions across unchanged. Some numbers behave in
//! a special way.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use offhook_sip::message::{HeadersExt, Method, Request};
use offhook_sip::{
    Accept, Agent, AgentConfig, AuthFailure, CallKey, ConnectionId, ConnectionKind, DigestAlgorithm, Driven, Event,
    HeaderField, Input, Invite, KeepAlive, Modify, ModifyMethod, ModifyOutcome, NameAddr, Originator, Output, Ring,
    Secret, TerminationKind, TransactionId, Uri, Verifier, ha1,
};

use super::sdp_with;

pub struct Server {
    agent: Driven<Agent>,
    verifier: Verifier,
    inbox: VecDeque<Output>,
    due: Option<u64>,
    out: Vec<(usize, Bytes)>,
    /// Which phone is behind a connection, and the latest connection of a phone.
    phones: HashMap<ConnectionId, usize>,
    lines: HashMap<usize, ConnectionId>,
    next: u64,
    /// The other leg.
    peers: HashMap<CallKey, CallKey>,
    /// INFOs passed on.
    passed: HashMap<offhook_sip::RequestId, TransactionId>,
    /// Headers for the 18x, 200 and INVITE that it sends.
    pub headers: Vec<HeaderField>,
    /// Re-INVITEs are refused with this status.
    pub refuse_changes: Option<u16>,
}

impl Server {
    pub fn new() -> Self {
        let config = AgentConfig { keep_alive: KeepAlive::Off, ..AgentConfig::new([99; 32]) };
        Self {
            agent: Driven::new(Agent::new(config)),
            verifier: Verifier::new("pbx.example", [98; 32], 3_600_000),
            inbox: VecDeque::new(),
            due: None,
            out: Vec::new(),
            phones: HashMap::new(),
            lines: HashMap::new(),
            next: 0,
            peers: HashMap::new(),
            passed: HashMap::new(),
            headers: Vec::new(),
            refuse_changes: None,
        }
    }

    pub fn calls(&self) -> usize {
        self.agent.view().load().calls
    }

    pub fn connected(&mut self, now: u64, phone: usize) {
        self.next += 1;
        let connection = ConnectionId(self.next);
        self.phones.insert(connection, phone);
        self.lines.insert(phone, connection);
        self.input(now, Input::Connected { connection, kind: ConnectionKind::Server { secure: true } });
    }

    pub fn disconnected(&mut self, now: u64, phone: usize) {
        if let Some(connection) = self.lines.remove(&phone) {
            self.input(now, Input::Disconnected { connection });
        }
    }

    pub fn received(&mut self, now: u64, phone: usize, data: Bytes) {
        let connection = self.lines[&phone];
        self.input(now, Input::Received { connection, data });
    }

    pub fn timeout(&mut self, now: u64) {
        self.input(now, Input::Timeout);
    }

    /// What is to be sent to which phone, and when to be called again.
    pub fn take(&mut self) -> (Vec<(usize, Bytes)>, Option<u64>) {
        (std::mem::take(&mut self.out), self.due)
    }

    /// The call of a phone's leg.
    pub fn leg_of(&self, phone: usize) -> CallKey {
        let line = self.lines[&phone];
        let call = self.agent.view().calls().find(|call| call.connection == line).expect("a call");
        call.call
    }

    /// Does something by the server's own will.
    pub fn act<R>(&mut self, now: u64, act: impl FnOnce(&mut Agent) -> R) -> R {
        let result = self.run(act);
        self.pump(now);
        result
    }

    /// Calls a phone by itself, without an offer; answers the phone's one.
    pub fn call_without_offer(&mut self, now: u64, phone: usize) {
        let connection = self.lines[&phone];
        let target = Uri::sip("x", "phone.invalid").expect("a URI");
        let invite = Invite {
            target: target.clone(),
            from: contact(),
            to: NameAddr::new(target),
            contact: contact(),
            call_id: None,
            route: Vec::new(),
            headers: Vec::new(),
            offer: None,
            credentials: None,
            no_answer_ms: None,
        };
        self.run(|agent| agent.invite(now, connection, invite)).expect("invites");
        self.pump(now);
    }

    fn run<R>(&mut self, act: impl FnOnce(&mut Agent) -> R) -> R {
        self.due = None;
        let (inbox, due) = (&mut self.inbox, &mut self.due);
        self.agent.turn(act, |output| match output {
            Output::Timeout(at) => *due = Some(at),
            other => inbox.push_back(other),
        })
    }

    fn input(&mut self, now: u64, input: Input) {
        self.run(|agent| agent.handle_input(now, input));
        self.pump(now);
    }

    fn pump(&mut self, now: u64) {
        while let Some(output) = self.inbox.pop_front() {
            match output {
                Output::Transmit { connection, data } => {
                    if let Some(phone) = self.phones.get(&connection) {
                        self.out.push((*phone, data));
                    }
                }
                Output::Event(event) => self.on_event(now, event),
                _ => {}
            }
        }
    }

    fn on_event(&mut self, now: u64, event: Event) {
        match event {
            Event::Request { transaction, call, request, .. } => self.on_request(now, transaction, call, &request),
            Event::Incoming { call, request, offer, .. } => self.on_incoming(now, call, &request, offer),
            Event::Provisional { call, .. } | Event::Accepted { call, .. } if !self.peers.contains_key(&call) => {
                if let Event::Accepted { .. } = event {
                    let answer = sdp_with(50, 1, offhook_core::Direction::SendRecv);
                    self.run(|agent| agent.ack(now, call, answer)).expect("acknowledges");
                }
            }
            Event::Provisional { call, status, answer, .. } => {
                let ring = Ring { status, sdp: answer, headers: self.headers.clone(), contact: None };
                let peer = self.peers[&call];
                let _ = self.run(|agent| agent.ring(now, peer, ring));
            }
            Event::Accepted { call, sdp, .. } => {
                let peer = self.peers[&call];
                let sdp = sdp.expect("no early media between phones");
                let accept = Accept { sdp, contact: contact(), headers: self.headers.clone(), credentials: None };
                let _ = self.run(|agent| agent.accept(now, peer, accept));
            }
            Event::Terminated { call, termination } => {
                let Some(peer) = self.peers.remove(&call) else { return };
                self.peers.remove(&peer);
                let refused =
                    termination.kind == TerminationKind::Rejected && termination.originator == Originator::Remote;
                let _ = match termination.status.filter(|_| refused) {
                    Some(status) => self.run(|agent| agent.reject(now, peer, status, Vec::new())),
                    None => self.run(|agent| agent.hangup(now, peer, None)),
                };
            }
            Event::RemoteOffer { call, offer, connection, .. } => self.on_change(now, call, connection, offer),
            Event::Modified { call, outcome } => {
                let Some(&peer) = self.peers.get(&call) else { return };
                let _ = match outcome {
                    ModifyOutcome::Accepted { sdp: Some(sdp) } => self.run(|agent| agent.answer_offer(now, peer, sdp)),
                    ModifyOutcome::Refused { status, .. } => self.run(|agent| agent.refuse_offer(now, peer, status)),
                    ModifyOutcome::Glare => self.run(|agent| agent.refuse_offer(now, peer, 491)),
                    _ => self.run(|agent| agent.refuse_offer(now, peer, 500)),
                };
            }
            Event::Response { request, outcome, .. } => {
                let Some(transaction) = self.passed.remove(&request) else { return };
                let status = match outcome {
                    offhook_sip::RequestOutcome::Answered(response) => response.status.code(),
                    _ => 408,
                };
                let _ = self.run(|agent| agent.respond(now, transaction, status, Vec::new(), None));
            }
            _ => {}
        }
    }

    fn on_request(&mut self, now: u64, transaction: TransactionId, call: Option<CallKey>, request: &Request) {
        if let Some(peer) = call.and_then(|call| self.peers.get(&call)).copied() {
            let body = request.headers.text("Content-Type").map(|kind| (kind, request.body().to_vec()));
            let kept = ["Refer-To", "Referred-By", "Event", "Subscription-State"];
            let headers = kept.iter().filter_map(|name| HeaderField::new(name, &request.headers.text(name)?).ok());
            let headers: Vec<HeaderField> = headers.collect();
            let passed = self.run(|agent| {
                agent.request(now, peer, &String::from_utf8_lossy(request.method.as_bytes()), headers, body)
            });
            self.passed.insert(passed.expect("passes on"), transaction);
            return;
        }
        let (status, headers) = match &request.method {
            Method::Register => self.register(now, request),
            _ => (405, Vec::new()),
        };
        let _ = self.run(|agent| agent.respond(now, transaction, status, headers, None));
    }

    fn register(&mut self, now: u64, request: &Request) -> (u16, Vec<HeaderField>) {
        let right =
            |user: &str, algorithm: DigestAlgorithm| Some(ha1(algorithm, user, "pbx.example", &Secret::new("secret")));
        match self.verifier.verify(now, request, "Authorization", right) {
            Ok(_) => {
                let contact = request.headers.address("Contact").map(|contact| HeaderField::contact(&contact));
                let expires = HeaderField::new("Expires", "600").expect("a header");
                (200, contact.into_iter().chain([expires]).collect())
            }
            Err(failure) => (401, self.challenge(now, failure)),
        }
    }

    fn challenge(&mut self, now: u64, failure: AuthFailure) -> Vec<HeaderField> {
        let values = self.verifier.challenge(now, failure);
        values.iter().map(|value| HeaderField::new("WWW-Authenticate", value).expect("a header")).collect()
    }

    fn on_incoming(&mut self, now: u64, call: CallKey, request: &Request, offer: Option<String>) {
        let to = request.headers.address("To").expect("To");
        let number = to.uri().user();
        let early = || Some(sdp_with(50, 1, offhook_core::Direction::SendRecv));
        let accept = |sdp| Accept { sdp, contact: contact(), headers: Vec::new(), credentials: None };
        let done = match number.as_str() {
            "486" | "480" | "404" | "603" | "503" | "302" => {
                let status = number.parse().expect("a status");
                self.run(|agent| agent.reject(now, call, status, Vec::new()))
            }
            // Rings forever.
            "606" => self.run(|agent| agent.ring(now, call, Ring::default())),
            // Not even that.
            "700" => Ok(()),
            // Early media, then an answer that repeats it.
            "607" => {
                let ring = Ring { status: 183, sdp: early(), headers: Vec::new(), contact: None };
                let _ = self.run(|agent| agent.ring(now, call, ring));
                self.run(|agent| agent.accept(now, call, accept(early().expect("an SDP"))))
            }
            // Early media, then nothing.
            "608" => {
                let ring = Ring { status: 183, sdp: early(), headers: Vec::new(), contact: None };
                self.run(|agent| agent.ring(now, call, ring))
            }
            _ => {
                self.connect(now, call, request, offer);
                Ok(())
            }
        };
        done.expect("the server's own doing");
    }

    fn connect(&mut self, now: u64, call: CallKey, request: &Request, offer: Option<String>) {
        let to = request.headers.address("To").expect("To");
        let line = to.uri().user().parse::<usize>().ok().and_then(|n| n.checked_sub(1000));
        let Some(&connection) = line.and_then(|line| self.lines.get(&line)) else {
            let _ = self.run(|agent| agent.reject(now, call, 404, Vec::new()));
            return;
        };
        let from = request.headers.address("From").expect("From");
        let mut caller = NameAddr::new(from.uri().clone());
        if let Some(name) = from.display() {
            caller = caller.with_display(name);
        }
        let invite = Invite {
            target: to.uri().clone(),
            from: caller,
            to: NameAddr::new(to.uri().clone()),
            contact: contact(),
            call_id: None,
            route: Vec::new(),
            headers: self.headers.clone(),
            offer,
            credentials: None,
            no_answer_ms: None,
        };
        let other = self.run(|agent| agent.invite(now, connection, invite)).expect("invites");
        self.peers.insert(call, other);
        self.peers.insert(other, call);
    }

    fn on_change(&mut self, now: u64, call: CallKey, connection: ConnectionId, offer: Option<String>) {
        let _ = self.run(|agent| agent.rebind(now, call, connection, contact()));
        let peer = self.peers.get(&call).copied();
        if let (Some(status), _) | (None, Some(status)) = (self.refuse_changes, peer.is_none().then_some(481)) {
            let _ = self.run(|agent| agent.refuse_offer(now, call, status));
            return;
        }
        let Some(peer) = peer else { return };
        let modify = Modify { method: ModifyMethod::Invite, offer, headers: Vec::new() };
        if self.run(|agent| agent.modify(now, peer, modify)).is_err() {
            let _ = self.run(|agent| agent.refuse_offer(now, call, 491));
        }
    }
}

fn contact() -> NameAddr {
    NameAddr::new(Uri::parse("sip:server@pbx.example").expect("a URI"))
}
