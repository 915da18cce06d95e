//! Phones and a small server on a virtual network, in virtual time, with peer connections that only pretend.
#![allow(dead_code, missing_docs, unreachable_pub)]

mod media;
pub mod pbx;
mod server;

use std::collections::BTreeMap;

use bytes::Bytes;
use offhook_core::events::{SdpType, SessionEvent, Side};
use offhook_core::pbx::{
    CdrPage, HttpFailure, HttpId, HttpResponse, PbxError, PbxEvent, SubscriptionInput, SubscriptionOutput,
};
use offhook_core::{
    CallId, CallStatus, CloseReason, CommandId, Credentials, Driven, Input, KeepAlive, MediaEvent, Now, Output, Phone,
    PhoneConfig, PhoneError, PhoneEvent, SdpFilterId,
};

pub use media::{FakeMedia, sdp_with};
pub use server::Server;

/// The phones of most tests.
pub const A: usize = 0;
pub const B: usize = 1;
/// 2023-11-14 22:13:20 UTC.
pub const WALL: u64 = 1_700_000_000_000;
/// No events, nothing sent.
pub const NOTHING: [&str; 0] = [];
/// A refusal of the subscription of which the driver cannot say more.
pub const UNTOLD: u16 = u16::MAX;
const LATENCY: u64 = 10;

/// Says of a message from (`true`) or to a phone whether it is lost.
pub type Lose = Box<dyn FnMut(usize, bool, &str) -> bool>;
/// What a phone's driver makes of a description; `None`: it never answers.
pub type Filter = Box<dyn FnMut(usize, Side, SdpType, &str) -> Option<String>>;

/// What is on its way.
enum Flight {
    ToServer(usize, Bytes),
    ToPhone(usize, Bytes),
    Media(usize, CallId, MediaEvent),
    Filtered(usize, CallId, SdpFilterId, String),
    Opened(usize),
    Closed(usize, CloseReason),
    Http(usize, HttpId, Result<HttpResponse, HttpFailure>),
    Subscription(usize, SubscriptionInput),
}

pub struct World {
    pub now: u64,
    phones: Vec<Tested>,
    server: Server,
    server_due: Option<u64>,
    flights: BTreeMap<(u64, u64), Flight>,
    next: u64,
    pub lose: Lose,
    pub filter: Filter,
    captured: std::rc::Rc<std::cell::RefCell<Option<String>>>,
    /// Whether the server takes connections.
    pub server_up: bool,
    /// The PBX's API, for phones that have one.
    pub api: pbx::Api,
    /// What becomes of a subscription socket: `None`: it opens; `Some`: it is refused with this HTTP status (0: none;
    /// [`UNTOLD`]: the driver cannot tell).
    pub subscription_refused: Option<u16>,
    /// Subscription sockets neither open nor fail.
    pub subscription_hangs: bool,
    /// Whether the PBX answers heartbeats.
    pub heartbeats_answered: bool,
}

struct Tested {
    phone: Driven<Phone>,
    due: Option<u64>,
    media: FakeMedia,
    open: bool,
    log: Vec<PhoneEvent>,
    settled: Vec<(CommandId, Result<(), PhoneError>)>,
    /// First lines of what it sent.
    sent: Vec<String>,
    pbx: OfPbx,
}

/// What a phone gave out for its PBX.
#[derive(Default)]
pub struct OfPbx {
    pub events: Vec<PbxEvent>,
    pub cdrs: Vec<(CommandId, Result<CdrPage, PbxError>)>,
    /// `open URL`, `close`, or what was sent, with the time.
    pub subscription: Vec<(u64, String)>,
    /// One is open.
    pub subscribed: bool,
    /// Everything it gave out, in short.
    pub order: Vec<String>,
}

impl World {
    /// Two phones, 1000 and 1001, registered.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(configure: impl Fn(&mut PhoneConfig)) -> Self {
        let mut world = Self::unregistered(2, configure);
        world.register_both();
        world
    }

    fn register_both(&mut self) {
        for who in [A, B] {
            self.act(who, |phone, now| phone.start(now)).expect("starts");
        }
        self.run(1_000);
        for who in [A, B] {
            assert!(self.phone(who).is_registered());
            self.clear(who);
        }
    }

    pub fn unregistered(count: usize, configure: impl Fn(&mut PhoneConfig)) -> Self {
        let phones = (0..count).map(|n| {
            let user = (1000 + n).to_string();
            let seed = [n as u8 + 1; 32];
            let mut config = PhoneConfig::new("wss://pbx.example/ws", &user, None, seed).expect("a configuration");
            config.credentials = Some(Credentials::password(user, "secret"));
            config.keep_alive = KeepAlive::Off;
            configure(&mut config);
            Tested {
                phone: Driven::new(Phone::new(config)),
                due: None,
                media: FakeMedia::new(n),
                open: false,
                log: Vec::new(),
                settled: Vec::new(),
                sent: Vec::new(),
                pbx: OfPbx::default(),
            }
        });
        Self {
            now: 10_000,
            phones: phones.collect(),
            server: Server::new(),
            server_due: None,
            flights: BTreeMap::new(),
            next: 0,
            lose: Box::new(|_, _, _| false),
            filter: Box::new(|_, _, _, sdp| Some(sdp.to_owned())),
            captured: Default::default(),
            server_up: true,
            api: pbx::Api::new(),
            subscription_refused: None,
            subscription_hangs: false,
            heartbeats_answered: true,
        }
    }

    /// Phone A has a PBX and is registered, as is B, which has none.
    pub fn with_pbx(script: impl FnOnce(&mut pbx::Api)) -> Self {
        let mut world = Self::with_pbx_unregistered(script);
        world.register_both();
        world.api.clear();
        world
    }

    /// The same, not started.
    pub fn with_pbx_unregistered(script: impl FnOnce(&mut pbx::Api)) -> Self {
        let mut world = Self::unregistered(2, |_| {});
        script(&mut world.api);
        let mut logged_in = world.api.log_in().expect("logs in");
        (world.api.configure)(logged_in.config_mut());
        world.phones[A].phone = Driven::new(Phone::with_pbx(logged_in));
        world.act(A, |_, _| ());
        world
    }

    /// Another phone in its place: a program that was started anew.
    pub fn replace(&mut self, who: usize, phone: Phone) {
        let tested = &mut self.phones[who];
        assert!(!tested.open, "the old one is still connected");
        tested.phone = Driven::new(phone);
        tested.media = FakeMedia::new(who);
        tested.due = None;
        tested.log.clear();
        tested.settled.clear();
    }

    pub fn phone(&self, who: usize) -> &Phone {
        self.phones[who].phone.view()
    }

    /// The tones that the peer connection was asked to send first, since last asked.
    pub fn tones(&mut self, who: usize) -> Option<String> {
        std::mem::take(&mut self.media(who).asked).into_iter().find_map(|command| match command {
            offhook_core::MediaCommand::SendDtmf { tones, .. } => Some(tones),
            _ => None,
        })
    }

    pub fn media(&mut self, who: usize) -> &mut FakeMedia {
        &mut self.phones[who].media
    }

    pub fn wall(&self) -> Now {
        Now { mono: self.now, wall: WALL + self.now }
    }

    /// A command, with everything that comes of it at once.
    pub fn act<R>(&mut self, who: usize, act: impl FnOnce(&mut Phone, Now) -> R) -> R {
        let now = self.wall();
        let mut outputs = Vec::new();
        let tested = &mut self.phones[who];
        let result = tested.phone.turn(|phone| act(phone, now), |output| outputs.push(output));
        let last = outputs.len();
        for (i, output) in outputs.into_iter().enumerate() {
            let tested = &mut self.phones[who];
            match output {
                Output::Connect => {
                    let up = self.server_up;
                    let refused = offhook_core::TransportError::Unreachable {
                        address: "pbx.example:443".to_owned(),
                        detail: "refused".to_owned(),
                    };
                    let flight =
                        if up { Flight::Opened(who) } else { Flight::Closed(who, CloseReason::Failed(refused)) };
                    self.fly(LATENCY, flight);
                }
                Output::Disconnect => {
                    tested.pbx.order.push("disconnect".to_owned());
                    self.fly(LATENCY, Flight::Closed(who, CloseReason::Local));
                }
                Output::Transmit(data) => {
                    let text = String::from_utf8(data.to_vec()).expect("UTF-8");
                    tested.sent.push(summary(&text));
                    tested.pbx.order.push(summary(&text));
                    if !(self.lose)(who, true, &text) {
                        self.fly(LATENCY, Flight::ToServer(who, data));
                    }
                }
                Output::Media { call_id, command } => {
                    for (after, event) in tested.media.take(&call_id, command) {
                        self.fly(after, Flight::Media(who, call_id.clone(), event));
                    }
                }
                Output::Event(event) => {
                    tested.pbx.order.push(short(&event));
                    tested.log.push(event);
                }
                Output::Settled { command, result } => {
                    assert!(tested.settled.iter().all(|(c, _)| *c != command), "{command:?} is settled twice");
                    tested.settled.push((command, result));
                }
                Output::FilterSdp { call_id, filter, originator, kind, sdp } => {
                    if let Some(sdp) = (self.filter)(who, originator, kind, &sdp) {
                        self.fly(1, Flight::Filtered(who, call_id, filter, sdp));
                    }
                }
                Output::Timeout(at) => {
                    assert_eq!(i + 1, last, "the timeout comes last");
                    tested.due = Some(at);
                }
                Output::Http { id, request } => {
                    tested.pbx.order.push(pbx::path_of(&request));
                    if let Some((latency, result)) = self.api.answer(&request) {
                        self.fly(latency, Flight::Http(who, id, result));
                    }
                }
                Output::Subscription(output) => self.subscription(who, output),
                Output::Pbx(event) => {
                    tested.pbx.order.push(event.name().to_owned());
                    tested.pbx.events.push(event);
                }
                Output::Cdr { command, result } => {
                    assert!(tested.pbx.cdrs.iter().all(|(c, _)| *c != command), "{command:?} is answered twice");
                    tested.pbx.cdrs.push((command, result));
                }
                other => panic!("unknown output {other:?}"),
            }
        }
        result
    }

    fn subscription(&mut self, who: usize, output: SubscriptionOutput) {
        let what = match output {
            SubscriptionOutput::Open { url } => {
                assert!(!self.phones[who].pbx.subscribed, "two subscription sockets");
                let failed = || {
                    let detail = "refused".to_owned();
                    CloseReason::Failed(offhook_core::TransportError::Lost { detail })
                };
                let input = match self.subscription_refused {
                    None => SubscriptionInput::Connected,
                    Some(status) => {
                        let status = Some(status).filter(|status| *status != 0);
                        let status = status.map(|status| if status == UNTOLD { 0 } else { status });
                        SubscriptionInput::Closed { status, reason: failed() }
                    }
                };
                if !self.subscription_hangs {
                    self.fly(LATENCY, Flight::Subscription(who, input));
                }
                format!("open {}", url.expose())
            }
            SubscriptionOutput::Close => {
                let reason = CloseReason::Local;
                self.fly(LATENCY, Flight::Subscription(who, SubscriptionInput::Closed { status: None, reason }));
                "close".to_owned()
            }
            SubscriptionOutput::Send(text) => {
                if text == "heartbeat" && self.heartbeats_answered {
                    let text = "heartbeat response".to_owned();
                    self.fly(LATENCY, Flight::Subscription(who, SubscriptionInput::Text(text)));
                }
                text
            }
            other => panic!("unknown output {other:?}"),
        };
        let now = self.now;
        let pbx = &mut self.phones[who].pbx;
        pbx.order.push(what.split(' ').next().unwrap_or_default().to_owned());
        pbx.subscription.push((now, what));
    }

    /// The PBX notifies phone A.
    pub fn notify(&mut self, kind: u32, msg: serde_json::Value) {
        self.notify_raw(serde_json::json!({"type": kind, "msg": msg.to_string()}).to_string());
    }

    /// The PBX sends this text on A's subscription.
    pub fn notify_raw(&mut self, text: String) {
        self.land(Flight::Subscription(A, SubscriptionInput::Text(text)));
    }

    /// A's subscription breaks.
    pub fn break_subscription(&mut self) {
        let reason = CloseReason::Remote { code: Some(1006) };
        if !self.phones[A].pbx.subscribed {
            return;
        }
        self.land(Flight::Subscription(A, SubscriptionInput::Closed { status: None, reason }));
    }

    /// What phone A gave out for its PBX.
    pub fn of_pbx(&mut self) -> &mut OfPbx {
        &mut self.phones[A].pbx
    }

    fn fly(&mut self, after: u64, flight: Flight) {
        self.next += 1;
        self.flights.insert((self.now + after, self.next), flight);
    }

    /// A message reaches a phone that its server never sent.
    pub fn inject(&mut self, who: usize, message: String) {
        let data = Bytes::from(message);
        self.act(who, |phone, now| phone.handle_input(now, Input::TransportReceived(data)));
    }

    /// Runs for this long.
    pub fn run(&mut self, for_ms: u64) {
        let end = self.now + for_ms;
        for _ in 0..200_000 {
            let flight = self.flights.keys().next().map(|(at, _)| *at);
            let phones = self.phones.iter().filter_map(|tested| tested.due).min();
            let next = [flight, phones, self.server_due].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if flight == Some(next) {
                let (_, flight) = self.flights.pop_first().expect("there is one");
                self.land(flight);
                continue;
            }
            for who in 0..self.phones.len() {
                if self.phones[who].due.is_some_and(|at| at <= self.now) {
                    self.phones[who].due = None;
                    self.act(who, |phone, now| phone.handle_input(now, Input::Timeout));
                }
            }
            if self.server_due.is_some_and(|at| at <= self.now) {
                self.serve(|server, now| server.timeout(now));
            }
        }
        panic!("a livelock: 200,000 steps in {for_ms} ms");
    }

    fn land(&mut self, flight: Flight) {
        match flight {
            Flight::ToServer(who, data) => {
                if self.phones[who].open {
                    self.serve(|server, now| server.received(now, who, data));
                }
            }
            Flight::ToPhone(who, data) => {
                if self.phones[who].open {
                    self.act(who, |phone, now| phone.handle_input(now, Input::TransportReceived(data)));
                }
            }
            Flight::Media(who, call_id, event) => {
                self.act(who, |phone, now| phone.handle_input(now, Input::Media { call_id, event }));
            }
            Flight::Filtered(who, call_id, filter, sdp) => {
                self.act(who, |phone, now| phone.sdp_filtered(now, &call_id, filter, sdp));
            }
            Flight::Opened(who) => {
                self.phones[who].open = true;
                self.serve(|server, now| server.connected(now, who));
                self.act(who, |phone, now| phone.handle_input(now, Input::TransportConnected { secure: true }));
            }
            Flight::Http(who, id, result) => {
                self.act(who, |phone, now| phone.handle_input(now, Input::Http { id, result }));
            }
            Flight::Subscription(who, input) => {
                match input {
                    SubscriptionInput::Connected => self.phones[who].pbx.subscribed = true,
                    SubscriptionInput::Closed { .. } => self.phones[who].pbx.subscribed = false,
                    // A socket that is closed says nothing.
                    _ if !self.phones[who].pbx.subscribed => return,
                    _ => {}
                }
                self.act(who, |phone, now| phone.handle_input(now, Input::Subscription(input)));
            }
            Flight::Closed(who, reason) => {
                if std::mem::take(&mut self.phones[who].open) {
                    self.serve(|server, now| server.disconnected(now, who));
                }
                self.act(who, |phone, now| phone.handle_input(now, Input::TransportClosed { reason }));
            }
        }
    }

    pub fn serve<R>(&mut self, act: impl FnOnce(&mut Server, u64) -> R) -> R {
        let result = act(&mut self.server, self.now);
        let (messages, due) = self.server.take();
        self.server_due = due;
        for (who, data) in messages {
            let text = String::from_utf8_lossy(&data).into_owned();
            if !(self.lose)(who, false, &text) {
                self.fly(LATENCY, Flight::ToPhone(who, data));
            }
        }
        result
    }

    /// The server's machine dies: connections break, and no new ones are taken.
    pub fn kill_server(&mut self) {
        self.server_up = false;
        let lost = offhook_core::TransportError::Lost { detail: "reset".to_owned() };
        for who in 0..self.phones.len() {
            if self.phones[who].open {
                self.fly(0, Flight::Closed(who, CloseReason::Failed(lost.clone())));
            }
        }
        self.run(1);
    }

    // --- what happened ---

    /// The events of a phone in short form, without timer ticks; later ones only next time.
    pub fn log(&mut self, who: usize) -> Vec<String> {
        std::mem::take(&mut self.phones[who].log)
            .iter()
            .filter(|event| event.name() != "updateTimer")
            .map(short)
            .collect()
    }

    /// The events themselves.
    pub fn events(&mut self, who: usize) -> Vec<PhoneEvent> {
        std::mem::take(&mut self.phones[who].log)
    }

    pub fn clear(&mut self, who: usize) {
        self.phones[who].log.clear();
        self.phones[who].sent.clear();
        self.phones[who].pbx = OfPbx { subscribed: self.phones[who].pbx.subscribed, ..OfPbx::default() };
    }

    pub fn outcome(&self, who: usize, command: CommandId) -> Option<Result<(), PhoneError>> {
        self.phones[who].settled.iter().find(|(c, _)| *c == command).map(|(_, result)| result.clone())
    }

    /// First lines of what a phone sent since last cleared, `METHOD` or `STATUS METHOD`.
    pub fn sent(&self, who: usize) -> Vec<String> {
        self.phones[who].sent.clone()
    }

    /// The only call of a phone.
    pub fn call_of(&self, who: usize) -> CallId {
        let ids: Vec<_> = self.phone(who).sessions().map(|session| session.call_id().clone()).collect();
        assert_eq!(ids.len(), 1, "one call");
        ids[0].clone()
    }

    // --- usual beginnings ---

    /// A calls a number whose INVITE (and everything after it) goes to nobody: the test answers itself. The INVITE.
    pub fn capture_invite(&mut self) -> String {
        let seen = std::rc::Rc::clone(&self.captured);
        self.lose = Box::new(move |who, to_server, text| {
            let ours = who == A && to_server;
            if ours && text.starts_with("INVITE") {
                *seen.borrow_mut() = Some(text.to_owned());
            }
            ours
        });
        self.act(A, |phone, now| phone.call(now, "1001", Default::default())).expect("calls");
        self.run(100);
        self.captured().expect("it was sent")
    }

    /// The latest INVITE since last asked.
    pub fn captured(&self) -> Option<String> {
        self.captured.borrow_mut().take()
    }

    /// A calls B; both ring.
    pub fn ring(&mut self) -> (CallId, CallId) {
        let (_, call) = self.act(A, |phone, now| phone.call(now, "1001", Default::default())).expect("calls");
        self.run(500);
        (call, self.call_of(B))
    }

    /// A calls B, B answers: both talk, and their logs are empty.
    pub fn talk(&mut self) -> (CallId, CallId) {
        let (a, b) = self.ring();
        let answer = self.act(B, |phone, now| phone.answer(now, &b, Default::default())).expect("answers");
        self.run(500);
        assert_eq!(self.outcome(B, answer), Some(Ok(())));
        for who in [A, B] {
            self.clear(who);
        }
        (a, b)
    }

    /// Neither phone nor the server holds anything of a call.
    pub fn assert_clean(&mut self) {
        self.run(120_000);
        for who in 0..self.phones.len() {
            assert_eq!(self.phone(who).sessions().count(), 0);
            let load = self.phone(who).load();
            assert_eq!((load.calls, load.client_transactions, load.server_transactions), (0, 0, 0), "phone {who}");
            assert_eq!(self.phones[who].media.open(), 0, "peer connections of phone {who}");
        }
        assert_eq!(self.server.calls(), 0, "calls at the server");
    }
}

/// A response to an INVITE, with this tag of the far end and this SDP (none if empty).
pub fn response(invite: &str, status: u16, tag: Option<&str>, sdp: &str) -> String {
    let header = |name: &str| {
        let prefix = format!("{name}: ");
        let line = invite.lines().find(|line| line.starts_with(&prefix)).expect("the header is there");
        line.to_owned()
    };
    let to = header("To") + &tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
    let mut lines =
        vec![format!("SIP/2.0 {status} X"), header("Via"), header("From"), to, header("Call-ID"), header("CSeq")];
    if (101..300).contains(&status) {
        lines.push("Contact: <sip:far@far.invalid;transport=ws>".to_owned());
    }
    if matches!(status, 401 | 407) {
        let name = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
        lines.push(format!("{name}: Digest realm=\"pbx.example\", nonce=\"n{status}\", algorithm=MD5"));
    }
    if !sdp.is_empty() {
        lines.push("Content-Type: application/sdp".to_owned());
    }
    lines.push(format!("Content-Length: {}", sdp.len()));
    lines.join("\r\n") + "\r\n\r\n" + sdp
}

/// An event's name, and of its payload what an order or a cause is about.
fn short(event: &PhoneEvent) -> String {
    let name = event.name();
    match event {
        PhoneEvent::IsRegisteredChange { is_registered } => format!("{name} {is_registered}"),
        PhoneEvent::RegistrationFailed { cause, code, .. } => format!("{name} {cause} {code}"),
        PhoneEvent::Reconnecting { attempt, .. } => format!("{name} {attempt}"),
        PhoneEvent::DeleteSession { cause, .. } => format!("{name} {cause}"),
        PhoneEvent::Session(event) => match event {
            SessionEvent::StatusChange { new_status, old_status, .. } => {
                format!("{name} {}", difference(new_status, old_status))
            }
            SessionEvent::Sdp { originator, kind, .. } => format!("{name} {originator:?} {kind:?}").to_lowercase(),
            SessionEvent::Progress { status_code, .. } => format!("{name} {status_code}"),
            SessionEvent::UpdateRemoteStream { remote_stream, .. } => {
                format!("{name} {}", if remote_stream.is_some() { "stream" } else { "null" })
            }
            SessionEvent::UpdateLocalStream { local_stream, .. } => {
                format!("{name} {}", if local_stream.is_some() { "stream" } else { "null" })
            }
            SessionEvent::Ended(ended) => format!("{name} {}", ended.cause),
            SessionEvent::Failed(failed) => match failed.code {
                Some(code) => format!("{name} {} {code}", failed.cause),
                None => format!("{name} {}", failed.cause),
            },
            SessionEvent::ClientError { cause, .. } => format!("{name} {cause}"),
            SessionEvent::Dtmf { tone, .. } => format!("{name} {tone}"),
            SessionEvent::NewInfo { originator, body, .. } | SessionEvent::NewMessage { originator, body, .. } => {
                format!("{name} {} {body}", side(*originator))
            }
            SessionEvent::Reinvite { is_invite_video: true, .. } => format!("{name} video"),
            SessionEvent::WarningMessage { code, .. } => format!("{name} {code}"),
            SessionEvent::VideoRequested { name: who, .. } => format!("{name} {who}"),
            _ => name.to_owned(),
        },
        _ => name.to_owned(),
    }
}

/// The changed fields as `field=value`, without the start time.
fn difference(new: &CallStatus, old: &CallStatus) -> String {
    let (new, old) = (serde_json::to_value(new).expect("serialises"), serde_json::to_value(old).expect("serialises"));
    let changed: Vec<String> = new
        .as_object()
        .expect("an object")
        .iter()
        .filter(|(key, value)| *key != "callStartTime" && old.get(key.as_str()) != Some(value))
        .map(|(key, value)| format!("{key}={}", value.to_string().trim_matches('"')))
        .collect();
    changed.join(" ")
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Local => "local",
        Side::Remote => "remote",
    }
}

fn summary(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    match first.strip_prefix("SIP/2.0 ") {
        Some(rest) => {
            let cseq = text.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or_default();
            let method = cseq.split(' ').nth(1).unwrap_or_default();
            format!("{} {method}", &rest[..3])
        }
        None => first.split(' ').next().unwrap_or_default().to_owned(),
    }
}
