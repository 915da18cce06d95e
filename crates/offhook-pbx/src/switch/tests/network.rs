//! A PBX and its clients on a perfect network, in virtual time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use offhook_media::Direction;
use offhook_sip::message::HeadersExt as _;
use offhook_sip::{
    Accept, Agent, AgentConfig, CallKey, ConnectionId, ConnectionKind, Credentials, Driven, Event, HeaderField, Input,
    Invite, KeepAlive, Millis, Modify, ModifyMethod, NameAddr, Output, Register, RegistrationId, Ring, Termination,
    Uri,
};

use crate::config::PbxConfig;
use crate::directory::SwitchChange;
use crate::events::PbxEvent;
use crate::extension::Extension;
use crate::guesses::Guesses;
use crate::media::{LegId, MediaAction, MediaEvent, Message, MessageId, Piece, PromptId, RecordingId, Taped};
use crate::notice::Notice;
use crate::switch::{Action, Concluded, Switch, Turn, agent_config};

/// What a client offers and answers; the media is played, so any audio line will do.
pub(super) const SDP: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=sendrecv\r\n";
pub(super) const HELD: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=sendonly\r\n";

pub(super) const VIDEO: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=sendrecv\r\n\
                                m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\na=sendrecv\r\n";

/// A client's own name for its connection.
const LINK: ConnectionId = ConnectionId(0);

/// A deadlock or a loop is a failure, not a hang.
const MOST_STEPS: usize = 10_000;

pub(super) struct Network {
    pub(super) now: Millis,
    agent: Driven<Agent>,
    pub(super) switch: Switch,
    clients: Vec<Client>,
    next_connection: u64,
    /// Everything the switch wanted of the media.
    pub(super) media: Vec<MediaAction>,
    pub(super) told: Vec<PbxEvent>,
    pub(super) notices: Vec<Notice>,
    /// Of calls that are over.
    pub(super) records: Vec<Concluded>,
    /// Media connections open.
    pub(super) open: Vec<LegId>,
    /// Those whose offer is not answered, nor taken back.
    offering: BTreeSet<LegId>,
    /// The media takes its time: what it has to tell waits for [`Network::deliver`].
    pub(super) slow: Option<VecDeque<MediaEvent>>,
    /// Offers and answers that have this in them are refused by the media.
    pub(super) refused_sdp: Option<&'static str>,
    /// Files cannot be written.
    pub(super) disk_full: bool,
    /// Recordings that were begun and not stopped.
    pub(super) recordings: Vec<RecordingId>,
    /// What each leg is being told, until [`Network::prompted`].
    pub(super) prompts: BTreeMap<LegId, (PromptId, Vec<Piece>)>,
    /// Messages that are being recorded.
    pub(super) messages: BTreeMap<MessageId, String>,
    /// Files of messages that were deleted.
    pub(super) deleted: Vec<PathBuf>,
    agent_timeout: Option<Millis>,
}

struct Client {
    agent: Driven<Agent>,
    /// The PBX's name for its connection, while it is connected.
    connection: Option<ConnectionId>,
    /// Where it connects from.
    address: Ipv4Addr,
    number: String,
    events: VecDeque<Event>,
    timeout: Option<Millis>,
    registration: Option<RegistrationId>,
}

/// Names a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who(usize);

impl Network {
    pub(super) fn new() -> Self {
        Self::with(PbxConfig::default())
    }

    pub(super) fn with(mut config: PbxConfig) -> Self {
        if config.extensions.is_empty() {
            config.extensions = Extension::built_in();
        }
        config.no_answer = Duration::from_secs(30);
        let mailboxes = config.data_dir.as_ref().map(|_| BTreeMap::new());
        Self {
            now: 0,
            agent: Driven::new(Agent::new(agent_config([1; 32]))),
            switch: Switch::new(&config, [2; 32], mailboxes, Guesses::default()),
            clients: Vec::new(),
            next_connection: 1,
            media: Vec::new(),
            told: Vec::new(),
            notices: Vec::new(),
            records: Vec::new(),
            open: Vec::new(),
            offering: BTreeSet::new(),
            slow: None,
            refused_sdp: None,
            disk_full: false,
            recordings: Vec::new(),
            prompts: BTreeMap::new(),
            messages: BTreeMap::new(),
            deleted: Vec::new(),
            agent_timeout: None,
        }
    }

    // --- clients ---

    /// Connects a client, and registers it.
    pub(super) fn phone(&mut self, number: &str) -> Who {
        let who = self.connect(number);
        self.register(who, 600, &format!("secret-{number}"));
        assert!(matches!(self.next(who), Event::Registered { .. }));
        who
    }

    pub(super) fn connect(&mut self, number: &str) -> Who {
        self.connect_from(number, Ipv4Addr::LOCALHOST)
    }

    pub(super) fn connect_from(&mut self, number: &str, address: Ipv4Addr) -> Who {
        let seed = u8::try_from(10 + self.clients.len()).expect("few clients");
        let mut config = AgentConfig::new([seed; 32]);
        config.keep_alive = KeepAlive::Off;
        self.clients.push(Client {
            agent: Driven::new(Agent::new(config)),
            connection: None,
            address,
            number: number.to_owned(),
            events: VecDeque::new(),
            timeout: None,
            registration: None,
        });
        let who = Who(self.clients.len() - 1);
        self.reconnect(who);
        who
    }

    /// A new connection of the same client.
    pub(super) fn reconnect(&mut self, who: Who) {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.clients[who.0].connection = Some(connection);
        self.switch.on_connected(self.now, connection, self.clients[who.0].address.into(), None);
        let kind = ConnectionKind::Server { secure: false };
        self.pbx_input(Input::Connected { connection, kind });
        self.client_input(who, Input::Connected { connection: LINK, kind: ConnectionKind::Client { secure: false } });
        self.settle();
    }

    /// The connection breaks.
    pub(super) fn disconnect(&mut self, who: Who) {
        if let Some(connection) = self.clients[who.0].connection.take() {
            self.notice_loss(connection);
            self.client_input(who, Input::Disconnected { connection: LINK });
        }
        self.settle();
    }

    /// The connection breaks, and the PBX does not notice.
    pub(super) fn lose(&mut self, who: Who) -> ConnectionId {
        let connection = self.clients[who.0].connection.take().expect("connected");
        self.client_input(who, Input::Disconnected { connection: LINK });
        self.settle();
        connection
    }

    /// The PBX notices that a connection is broken.
    pub(super) fn notice_loss(&mut self, connection: ConnectionId) {
        self.switch.on_disconnected(connection);
        self.pbx_input(Input::Disconnected { connection });
        self.settle();
    }

    /// A new connection, registered; the call's dialog is there for the client, and the PBX has not heard of it yet.
    pub(super) fn come_back(&mut self, who: Who, call: CallKey) {
        self.reconnect(who);
        let password = format!("secret-{}", self.clients[who.0].number);
        self.register(who, 600, &password);
        self.events(who);
        let contact = self.contact(who);
        self.command(who, |agent, now| agent.rebind(now, call, LINK, contact)).expect("moved");
    }

    pub(super) fn register(&mut self, who: Who, expires_s: u32, password: &str) {
        let number = self.clients[who.0].number.clone();
        self.register_as(who, &number, expires_s, password);
    }

    /// Registers for a number, with the client's own user name.
    pub(super) fn register_as(&mut self, who: Who, aor: &str, expires_s: u32, password: &str) {
        let number = self.clients[who.0].number.clone();
        let register = Register {
            registrar: uri("sip:localhost"),
            aor: self.address(aor),
            contact: self.contact(who),
            expires_s,
            credentials: Some(Credentials::password(number, password)),
            headers: Vec::new(),
        };
        let id = self.command(who, |agent, now| agent.register(now, LINK, register)).expect("taken");
        self.clients[who.0].registration = Some(id);
    }

    pub(super) fn unregister(&mut self, who: Who) {
        let id = self.clients[who.0].registration.expect("registered");
        self.command(who, |agent, now| agent.unregister(now, id)).expect("taken");
    }

    pub(super) fn call(&mut self, who: Who, number: &str) -> CallKey {
        self.call_with(who, number, |_| {})
    }

    pub(super) fn call_with(&mut self, who: Who, number: &str, change: impl FnOnce(&mut Invite)) -> CallKey {
        let own = self.clients[who.0].number.clone();
        let mut invite = Invite {
            target: Uri::sip(number, "localhost").expect("a number"),
            from: self.address(&own),
            to: self.address(number),
            contact: self.contact(who),
            call_id: None,
            route: Vec::new(),
            headers: Vec::new(),
            offer: Some(SDP.to_owned()),
            credentials: Some(Credentials::password(own.clone(), format!("secret-{own}"))),
            no_answer_ms: None,
        };
        change(&mut invite);
        self.command(who, |agent, now| agent.invite(now, LINK, invite)).expect("taken")
    }

    pub(super) fn ring(&mut self, who: Who, call: CallKey, sdp: Option<&str>) {
        let (status, sdp) = (if sdp.is_some() { 183 } else { 180 }, sdp.map(str::to_owned));
        let ring = Ring { status, sdp, ..Ring::default() };
        self.command(who, |agent, now| agent.ring(now, call, ring)).expect("rings");
    }

    pub(super) fn answer(&mut self, who: Who, call: CallKey) {
        self.answer_with(who, call, Vec::new());
    }

    pub(super) fn answer_with(&mut self, who: Who, call: CallKey, headers: Vec<HeaderField>) {
        let accept = Accept { sdp: SDP.to_owned(), contact: self.contact(who), headers, credentials: None };
        self.command(who, |agent, now| agent.accept(now, call, accept)).expect("answers");
    }

    /// Does something with a client's agent.
    pub(super) fn command<R>(&mut self, who: Who, act: impl FnOnce(&mut Agent, Millis) -> R) -> R {
        let now = self.now;
        let mut outputs = Vec::new();
        let result = self.clients[who.0].agent.turn(|agent| act(agent, now), |output| outputs.push(output));
        self.client_outputs(who, outputs);
        self.settle();
        result
    }

    /// Sends something on a client's connection that its agent knows nothing of.
    pub(super) fn forge(&mut self, who: Who, message: String) {
        let connection = self.clients[who.0].connection.expect("connected");
        self.arrive(connection, message);
    }

    /// Something arrives on a connection.
    pub(super) fn arrive(&mut self, connection: ConnectionId, message: String) {
        self.pbx_input(Input::Received { connection, data: message.into_bytes().into() });
        self.settle();
    }

    // --- what happened ---

    /// The next event of a client.
    pub(super) fn next(&mut self, who: Who) -> Event {
        let client = &mut self.clients[who.0];
        client.events.pop_front().unwrap_or_else(|| panic!("nothing happened at {}", client.number))
    }

    /// All that happened at a client since.
    pub(super) fn events(&mut self, who: Who) -> Vec<Event> {
        self.clients[who.0].events.drain(..).collect()
    }

    /// The call that comes in at a client.
    pub(super) fn incoming(&mut self, who: Who) -> CallKey {
        match self.next(who) {
            Event::Incoming { call, .. } => call,
            other => panic!("no call, but {other:?}"),
        }
    }

    /// How a client's call ended; what happened before is skipped.
    pub(super) fn ended(&mut self, who: Who) -> Termination {
        let events = self.events(who);
        let end = events.iter().find_map(|event| match event {
            Event::Terminated { termination, .. } => Some(termination.clone()),
            _ => None,
        });
        end.unwrap_or_else(|| panic!("not ended: {events:?}"))
    }

    /// The status with which a client's call was refused.
    pub(super) fn refusal(&mut self, who: Who) -> u16 {
        self.ended(who).status.expect("a status")
    }

    /// A call from one phone to another, answered. Gives both sides' keys; what happened is forgotten.
    pub(super) fn established(&mut self, a: Who, b: Who) -> (CallKey, CallKey) {
        let number = self.clients[b.0].number.clone();
        let ours = self.call(a, &number);
        let theirs = self.incoming(b);
        self.ring(b, theirs, None);
        self.answer(b, theirs);
        let confirmed = |events: &[Event]| events.iter().any(|event| matches!(event, Event::Confirmed { .. }));
        assert!(confirmed(&self.events(a)) && confirmed(&self.events(b)), "not answered");
        (ours, theirs)
    }

    /// Nothing is left when all clients are gone, and the media of calls that are still up is missed.
    pub(super) fn assert_nothing_left(&mut self) {
        for client in 0..self.clients.len() {
            self.disconnect(Who(client));
        }
        for leg in self.open.clone() {
            self.media_event(MediaEvent::Silent { leg });
        }
        assert_eq!(self.agent.view().load(), offhook_sip::Load::default());
        assert_eq!((self.switch.calls(), self.switch.registrations()), (0, 0));
        assert!(self.switch.legs.is_empty() && self.switch.keys.is_empty() && self.switch.passed_on.is_empty());
        assert!(self.switch.notifies.is_empty(), "{:?}", self.switch.notifies);
        assert!(self.switch.deadlines.is_empty(), "{:?}", self.switch.deadlines);
        assert!(self.open.is_empty(), "{:?}", self.open);
        assert!(self.recordings.is_empty(), "{:?}", self.recordings);
        assert!(self.switch.leg_deadlines.is_empty(), "{:?}", self.switch.leg_deadlines);
        assert!(self.switch.taking.is_empty() && self.messages.is_empty(), "{:?}", self.messages);
        assert!(self.switch.rooms.iter().all(|room| room.members.is_empty() && room.recording.is_none()));
        let started = self.told.iter().filter(|event| matches!(event, PbxEvent::CallStarted { .. })).count();
        let ended = self.told.iter().filter(|event| matches!(event, PbxEvent::CallEnded { .. })).count();
        assert_eq!(started, ended, "{:?}", self.told);
        // Each that ended has one record.
        for event in &self.told {
            let PbxEvent::CallEnded { call, .. } = event else { continue };
            let records = self.records.iter().filter(|record| record.call == *call).count();
            assert_eq!(records, 1, "{call:?} in {:?}", self.records);
        }
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, ms: Millis) {
        let until = self.now + ms;
        for _ in 0..MOST_STEPS {
            let due = self
                .clients
                .iter()
                .map(|client| client.timeout)
                .chain([self.agent_timeout, self.switch.next_timeout()]);
            let next = due.flatten().min().filter(|&at| at <= until);
            self.now = next.unwrap_or(until).max(self.now);
            for client in 0..self.clients.len() {
                if self.clients[client].timeout.is_some_and(|at| at <= self.now) {
                    self.client_input(Who(client), Input::Timeout);
                }
            }
            self.pbx_input(Input::Timeout);
            self.decide(Switch::on_time);
            self.settle();
            if next.is_none() {
                return;
            }
        }
        panic!("time does not pass");
    }

    /// Plays something that the media tells by itself.
    pub(super) fn media_event(&mut self, event: MediaEvent) {
        self.decide(|switch, turn| switch.on_media(turn, event));
        self.settle();
    }

    /// A leg has heard what it was told to the end.
    pub(super) fn prompted(&mut self, leg: LegId) -> Vec<Piece> {
        let (prompt, pieces) = self.prompts.remove(&leg).expect("something is told");
        self.media_event(MediaEvent::Prompted { leg, prompt });
        pieces
    }

    /// A phone dials digits that arrive as telephone-events on this leg.
    pub(super) fn dial(&mut self, leg: LegId, digits: &str) {
        for digit in digits.chars() {
            self.media_event(MediaEvent::Digit { leg, digit });
        }
    }

    /// From now on the media takes its time.
    pub(super) fn slow_down(&mut self) {
        self.slow = Some(VecDeque::new());
    }

    /// The slow media tells all that it has to tell.
    pub(super) fn deliver_all(&mut self) {
        while self.deliver() {}
    }

    /// The slow media tells the next thing; says whether there was one.
    pub(super) fn deliver(&mut self) -> bool {
        let event = self.slow.as_mut().and_then(VecDeque::pop_front);
        let is_some = event.is_some();
        if let Some(event) = event {
            self.media_event(event);
        }
        is_some
    }

    pub(super) fn is_connected(&self, who: Who) -> bool {
        self.clients[who.0].connection.is_some()
    }

    /// The PBX is told to stop.
    pub(super) fn stop(&mut self) {
        self.decide(Switch::stop);
        self.settle();
    }

    /// There is no place for another connection.
    pub(super) fn fill_up(&mut self) {
        self.switch.make_room(self.now);
        self.settle();
    }

    /// Extensions or settings change.
    pub(super) fn change(&mut self, change: SwitchChange) {
        self.decide(|switch, turn| switch.on_change(turn, change));
        self.settle();
    }

    // --- the machinery ---

    fn pbx_input(&mut self, input: Input) {
        let now = self.now;
        let mut outputs = Vec::new();
        self.agent_timeout = None;
        self.agent.turn(|agent| agent.handle_input(now, input), |output| outputs.push(output));
        self.pbx_outputs(outputs);
    }

    fn decide(&mut self, decision: impl FnOnce(&mut Switch, &mut Turn<'_>)) {
        let now = self.now;
        let mut outputs = Vec::new();
        let switch = &mut self.switch;
        self.agent.turn(|agent| decision(switch, &mut Turn { now, agent }), |output| outputs.push(output));
        self.pbx_outputs(outputs);
    }

    fn pbx_outputs(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Transmit { connection, data } => {
                    let to = self.clients.iter().position(|client| client.connection == Some(connection));
                    if let Some(to) = to {
                        self.client_input(Who(to), Input::Received { connection: LINK, data });
                    }
                }
                Output::Event(event) => self.decide(|switch, turn| switch.on_event(turn, event)),
                Output::Timeout(at) => self.agent_timeout = Some(at),
                Output::Disconnect { reason, .. } => panic!("dropped: {reason:?}"),
            }
        }
    }

    fn client_input(&mut self, who: Who, input: Input) {
        let now = self.now;
        let mut outputs = Vec::new();
        let client = &mut self.clients[who.0];
        client.timeout = None;
        client.agent.turn(|agent| agent.handle_input(now, input), |output| outputs.push(output));
        self.client_outputs(who, outputs);
    }

    fn client_outputs(&mut self, who: Who, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Transmit { data, .. } => {
                    if let Some(connection) = self.clients[who.0].connection {
                        self.pbx_input(Input::Received { connection, data });
                    }
                }
                Output::Event(event) => self.clients[who.0].events.push_back(event),
                Output::Timeout(at) => self.clients[who.0].timeout = Some(at),
                Output::Disconnect { reason, .. } => panic!("dropped: {reason:?}"),
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..MOST_STEPS {
            match self.switch.poll_action() {
                None => return,
                Some(Action::Tell(event)) => self.told.push(event),
                Some(Action::Notice(notice)) => self.notices.push(notice),
                Some(Action::Cdr(record)) => self.records.push(*record),
                Some(Action::Media(action)) => self.play(action),
                Some(Action::Disconnect(connection)) => {
                    let who = self.clients.iter().position(|client| client.connection == Some(connection));
                    self.disconnect(Who(who.expect("connected")));
                }
            }
        }
        panic!("the switch does not come to rest");
    }

    /// Media that agrees with everything at once.
    fn play(&mut self, action: MediaAction) {
        self.media.push(action.clone());
        match action {
            MediaAction::CreateOffer { leg, .. } => assert!(self.offering.insert(leg), "two offers at once: {leg:?}"),
            MediaAction::AcceptOffer { leg, .. }
            | MediaAction::AcceptAnswer { leg, .. }
            | MediaAction::Rollback { leg }
            | MediaAction::Close { leg } => drop(self.offering.remove(&leg)),
            _ => {}
        }
        let refused = |sdp: &str| self.refused_sdp.is_some_and(|bad| sdp.contains(bad));
        let failed = |leg, step| {
            let error = offhook_media::MediaError::Sdp(offhook_media::SdpRefusal::NoAudio);
            MediaEvent::Failed { leg, step, error }
        };
        let event = match action {
            MediaAction::Open { leg, .. } => {
                assert!(!self.open.contains(&leg), "opened twice");
                self.open.push(leg);
                return;
            }
            MediaAction::Close { leg } => {
                assert!(self.open.contains(&leg), "closed twice");
                self.open.retain(|&open| open != leg);
                self.prompts.remove(&leg);
                return;
            }
            MediaAction::CreateOffer { leg, purpose, video, .. } => MediaEvent::Offer { leg, purpose, sdp: sdp(video) },
            MediaAction::AcceptOffer { leg, purpose, sdp, .. } if refused(&sdp) => {
                failed(leg, crate::media::Step::Answer(purpose))
            }
            MediaAction::AcceptOffer { leg, purpose, video, .. } => {
                MediaEvent::Answer { leg, purpose, sdp: sdp(video) }
            }
            MediaAction::AcceptAnswer { leg, purpose, sdp } if refused(&sdp) => {
                failed(leg, crate::media::Step::Applied(purpose))
            }
            MediaAction::AcceptAnswer { leg, purpose, .. } => MediaEvent::Applied { leg, purpose },
            MediaAction::Play { leg, .. } | MediaAction::Bridge { a: leg, .. } => {
                self.prompts.remove(&leg);
                return;
            }
            MediaAction::Prompt { leg, prompt, pieces } => {
                self.prompts.insert(leg, (prompt, pieces));
                return;
            }
            MediaAction::TakeMessage { leg, message, mailbox } => {
                assert!(self.open.contains(&leg), "nothing to record");
                if !self.disk_full {
                    self.messages.insert(message, mailbox);
                    return;
                }
                MediaEvent::MessageLost { message, mailbox, reason: "disk full".to_owned() }
            }
            MediaAction::EndMessage { message } => {
                // One that could not be written is over already.
                let Some(mailbox) = self.messages.remove(&message) else { return };
                let kept = Message { at: message.0, file: PathBuf::from(format!("{}.wav", message.0)) };
                MediaEvent::MessageKept { message, mailbox, kept }
            }
            MediaAction::DeleteMessage { file } => {
                assert!(!self.deleted.contains(&file), "deleted twice");
                self.deleted.push(file);
                return;
            }
            MediaAction::StartRecording { call, recording, of } => {
                let is_there = match of {
                    Taped::Callee(leg) | Taped::Caller(leg) => self.open.contains(&leg),
                    Taped::Room(room) => !self.switch.rooms[room.0].members.is_empty(),
                };
                assert!(is_there, "nothing to record");
                self.recordings.push(recording);
                if self.disk_full {
                    MediaEvent::RecordingFailed { call, recording, reason: "disk full".to_owned() }
                } else {
                    MediaEvent::RecordingStarted { call, recording, file: format!("{}.wav", call.0) }
                }
            }
            MediaAction::PauseRecording { recording, .. } => {
                assert!(self.recordings.contains(&recording), "nothing to pause");
                return;
            }
            MediaAction::StopRecording { recording } => {
                assert!(self.recordings.contains(&recording), "stopped twice");
                self.recordings.retain(|&running| running != recording);
                return;
            }
            _ => return,
        };
        match &mut self.slow {
            Some(waiting) => waiting.push_back(event),
            None => self.decide(|switch, turn| switch.on_media(turn, event)),
        }
    }

    fn address(&self, number: &str) -> NameAddr {
        NameAddr::new(Uri::sip(number, "localhost").expect("a number"))
    }

    pub(super) fn contact(&self, who: Who) -> NameAddr {
        NameAddr::new(uri(&format!("sip:device-{}@client.invalid;transport=ws", who.0)))
    }
}

/// A re-INVITE with this offer.
pub(super) fn reinvite(offer: &str) -> Modify {
    Modify { method: ModifyMethod::Invite, offer: Some(offer.to_owned()), headers: Vec::new() }
}

/// An UPDATE that changes nothing: a session refresh.
pub(super) fn refresh() -> Modify {
    Modify { method: ModifyMethod::Update, offer: None, headers: Vec::new() }
}

/// What the media makes, with video or without.
fn sdp(video: Option<Direction>) -> String {
    if video.is_some() { VIDEO } else { SDP }.to_owned()
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a URI")
}

/// The value of a header of an INVITE that came in.
pub(super) fn header(event: &Event, name: &str) -> Option<String> {
    match event {
        Event::Incoming { request, .. } => request.headers.text(name),
        Event::Provisional { response, .. } | Event::Accepted { response, .. } => response.headers.text(name),
        other => panic!("no message: {other:?}"),
    }
}
