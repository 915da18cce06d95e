//! A phone and a server's agent talk to each other in virtual time: register, call, hold, DTMF, hang up.

use std::collections::VecDeque;
use std::fmt::Write as _;

use offhook_core::pbx::{SubscriptionInput, SubscriptionOutput};
use offhook_core::{
    CallOptions, CloseReason, Credentials, MediaCommand, MediaEvent, Now, Phone, PhoneConfig, StatsSample,
};
use offhook_sip::message::Request;
use offhook_sip::{
    Accept, Agent, AgentConfig, ConnectionId, ConnectionKind, Driven, Event, HeaderField, NameAddr, Secret, Verifier,
    ha1,
};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 127.0.0.1\r\na=sendrecv\r\n";
const CONNECTION: ConnectionId = ConnectionId(1);

/// Plays the scene and gives everything both sides put out, a line each.
pub(crate) fn play() -> String {
    let mut config = PhoneConfig::new("ws://pbx.test/ws", "1000", None, [1; 32]).expect("constants");
    config.credentials = Some(Credentials::password("1000", "secret"));
    let mut scene = Scene::new(Phone::new(config));
    scene.phone(|phone, now| _ = phone.start(now));
    scene.pass(1_000);
    let mut call = None;
    scene.phone(|phone, now| call = phone.call(now, "600", CallOptions::default()).ok().map(|(_, call)| call));
    scene.pass(5_000);
    if let Some(call) = call {
        scene.phone(|phone, now| _ = phone.hold(now, &call));
        scene.pass(2_000);
        scene.phone(|phone, now| _ = phone.unhold(now, &call));
        scene.pass(2_000);
        scene.phone(|phone, now| _ = phone.dtmf(now, &call, "12#"));
        scene.pass(2_000);
        scene.phone(|phone, now| _ = phone.hangup(now, &call));
        scene.pass(2_000);
    }
    scene.phone(|phone, now| _ = phone.disconnect(now));
    scene.pass(60_000);
    scene.transcript
}

pub(crate) struct Scene {
    phone: Driven<Phone>,
    server: Driven<Agent>,
    verifier: Verifier,
    now: u64,
    from_phone: VecDeque<offhook_core::Output>,
    from_server: VecDeque<offhook_sip::Output>,
    phone_timer: Option<u64>,
    server_timer: Option<u64>,
    pub(crate) transcript: String,
}

impl Scene {
    pub(crate) fn new(phone: Phone) -> Self {
        Self {
            phone: Driven::new(phone),
            server: Driven::new(Agent::new(AgentConfig::new([2; 32]))),
            verifier: Verifier::new("pbx.test", [3; 32], 300_000),
            now: 0,
            from_phone: VecDeque::new(),
            from_server: VecDeque::new(),
            phone_timer: None,
            server_timer: None,
            transcript: String::new(),
        }
    }

    /// Does something to the phone, and lets both sides talk until neither has anything to say.
    pub(crate) fn phone(&mut self, act: impl FnOnce(&mut Phone, Now)) {
        self.turn_phone(act);
        loop {
            if let Some(output) = self.from_phone.pop_front() {
                self.write("phone ", &output);
                self.carry_out(output);
            } else if let Some(output) = self.from_server.pop_front() {
                self.write("server", &output);
                self.serve(output);
            } else {
                return;
            }
        }
    }

    /// Lets time pass, from timer to timer.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(next) = [self.phone_timer, self.server_timer].into_iter().flatten().min() {
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            if self.server_timer == Some(next) {
                self.turn_server(|agent, now| agent.handle_input(now, offhook_sip::Input::Timeout));
            }
            self.phone(|phone, now| phone.handle_input(now, offhook_core::Input::Timeout));
        }
        self.now = until;
    }

    fn turn_phone(&mut self, act: impl FnOnce(&mut Phone, Now)) {
        let Self { phone, from_phone, phone_timer, now, .. } = self;
        *phone_timer = None;
        let now = Now { mono: *now, wall: 1_700_000_000_000 + *now };
        phone.turn(
            |phone| act(phone, now),
            |output| match output {
                offhook_core::Output::Timeout(at) => *phone_timer = Some(at),
                output => from_phone.push_back(output),
            },
        );
    }

    fn turn_server(&mut self, act: impl FnOnce(&mut Agent, u64)) {
        let Self { server, from_server, server_timer, now, .. } = self;
        *server_timer = None;
        server.turn(
            |agent| act(agent, *now),
            |output| match output {
                offhook_sip::Output::Timeout(at) => *server_timer = Some(at),
                output => from_server.push_back(output),
            },
        );
    }

    fn carry_out(&mut self, output: offhook_core::Output) {
        use offhook_core::{Input, Output};
        match output {
            Output::Connect => {
                let kind = ConnectionKind::Server { secure: false };
                self.turn_server(|agent, now| {
                    agent.handle_input(now, offhook_sip::Input::Connected { connection: CONNECTION, kind });
                });
                self.turn_phone(|phone, now| phone.handle_input(now, Input::TransportConnected { secure: false }));
            }
            Output::Disconnect => {
                self.turn_server(|agent, now| {
                    agent.handle_input(now, offhook_sip::Input::Disconnected { connection: CONNECTION });
                });
                let closed = Input::TransportClosed { reason: CloseReason::Local };
                self.turn_phone(|phone, now| phone.handle_input(now, closed));
            }
            Output::Transmit(data) => self.turn_server(|agent, now| {
                agent.handle_input(now, offhook_sip::Input::Received { connection: CONNECTION, data });
            }),
            Output::Media { call_id, command } => {
                if let Some(event) = media(command) {
                    self.turn_phone(|phone, now| phone.handle_input(now, Input::Media { call_id, event }));
                }
            }
            Output::Http { id, request } => {
                let result = crate::pbx::answer(&request);
                self.turn_phone(|phone, now| phone.handle_input(now, Input::Http { id, result }));
            }
            Output::Subscription(output) => {
                let input = match output {
                    SubscriptionOutput::Open { .. } => SubscriptionInput::Connected,
                    SubscriptionOutput::Close => SubscriptionInput::Closed { status: None, reason: CloseReason::Local },
                    _ => return,
                };
                self.turn_phone(|phone, now| phone.handle_input(now, Input::Subscription(input)));
            }
            _ => {}
        }
    }

    fn serve(&mut self, output: offhook_sip::Output) {
        use offhook_sip::Output;
        match output {
            Output::Transmit { data, .. } => {
                self.turn_phone(|phone, now| phone.handle_input(now, offhook_core::Input::TransportReceived(data)));
            }
            Output::Event(Event::Incoming { call, .. }) => {
                let contact = NameAddr::parse("<sip:pbx@pbx.test;transport=ws>").expect("a constant");
                let accept = Accept { sdp: SDP.to_owned(), contact, headers: Vec::new(), credentials: None };
                self.turn_server(|agent, now| _ = agent.accept(now, call, accept));
            }
            Output::Event(Event::RemoteOffer { call, .. }) => {
                self.turn_server(|agent, now| _ = agent.answer_offer(now, call, SDP.to_owned()));
            }
            Output::Event(Event::Request { transaction, request, .. }) => {
                let (status, headers) = self.judge(&request);
                self.turn_server(|agent, now| _ = agent.respond(now, transaction, status, headers, None));
            }
            _ => {}
        }
    }

    /// A REGISTER needs credentials.
    fn judge(&mut self, request: &Request) -> (u16, Vec<HeaderField>) {
        if request.method.to_string() != "REGISTER" {
            return (200, Vec::new());
        }
        let ha1 = |user: &str, algorithm| Some(ha1(algorithm, user, "pbx.test", &Secret::from("secret")));
        match self.verifier.verify(self.now, request, "Authorization", ha1) {
            Ok(_) => (200, HeaderField::new("Expires", "600").into_iter().collect()),
            Err(failure) => {
                let challenges = self.verifier.challenge(self.now, failure);
                (401, challenges.iter().flat_map(|value| HeaderField::new("WWW-Authenticate", value)).collect())
            }
        }
    }

    fn write(&mut self, who: &str, output: &dyn std::fmt::Debug) {
        let now = self.now;
        // Writing to a String cannot fail.
        let _ = writeln!(self.transcript, "{now:>6} {who} {output:?}");
    }
}

/// A peer connection that does at once what it is told.
fn media(command: MediaCommand) -> Option<MediaEvent> {
    match command {
        MediaCommand::CreateOffer { request, .. } | MediaCommand::AcceptOffer { request, .. } => {
            Some(MediaEvent::LocalDescription { request, sdp: SDP.to_owned() })
        }
        MediaCommand::AcceptAnswer { request, .. } => Some(MediaEvent::Applied { request }),
        MediaCommand::SendDtmf { request, .. } => Some(MediaEvent::DtmfSent { request }),
        MediaCommand::TakeStats { request } => {
            Some(MediaEvent::Stats { request, sample: Box::new(StatsSample::default()) })
        }
        _ => None,
    }
}
