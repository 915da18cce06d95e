//! Anything a server may send to a phone over its WebSocket: registered or not, calling, called, on hold, reconnecting.
//!
//! Beyond "no panic" it holds what the phone promises: no input makes it talk for ever; every session has exactly one end
//! (ended, failed or clientError), which is its last event, and then deleteSession; every call's media is opened first and closed last;
//! every accepted command is settled exactly once; and nothing is left when it is stopped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use offhook_core::media::{MediaError, MediaRequest};
use offhook_core::{
    CallId, CallOptions, CloseReason, CommandId, Credentials, Driven, Input, Load, MediaCommand, MediaEvent, Now,
    Output, Phone, PhoneConfig, PhoneError, PhoneEvent, SessionEvent, StatsSample,
};

use crate::script::{Step, fill_in, steps};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 127.0.0.1\r\na=sendrecv\r\n";
/// More outputs than any one input can need.
const MAX_OUTPUTS: usize = 5_000;
/// Longer than every timer of a stopped phone.
const REST_MS: u64 = 600_000;

/// Runs one script; gives the number of calls that were established.
pub(crate) fn run(data: &[u8]) -> usize {
    let mut host = Host::new();
    for step in steps(data) {
        host.step(step);
    }
    host.finish()
}

struct Host {
    phone: Driven<Phone>,
    now: Now,
    outputs: VecDeque<Output>,
    deadline: Option<u64>,
    last_sent: String,
    connected: bool,
    calls: BTreeMap<CallId, Call>,
    pending: BTreeSet<CommandId>,
    established: usize,
}

#[derive(Default)]
struct Call {
    media_open: bool,
    media_closed: bool,
    over: bool,
}

impl Host {
    fn new() -> Self {
        let mut config = PhoneConfig::new("ws://pbx.test/ws", "1000", None, [9; 32]).expect("a constant");
        config.credentials = Some(Credentials::password("1000", "secret-1000"));
        let mut host = Self {
            phone: Driven::new(Phone::new(config)),
            now: Now { mono: 1_000, wall: 1_700_000_000_000 },
            outputs: VecDeque::new(),
            deadline: None,
            last_sent: String::new(),
            connected: false,
            calls: BTreeMap::new(),
            pending: BTreeSet::new(),
            established: 0,
        };
        host.command(|phone, now| phone.start(now));
        host.settle();
        host
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Message(data) => {
                let data = Bytes::from(fill_in(&data, &self.last_sent));
                self.input(Input::TransportReceived(data));
            }
            Step::Wait(ms) => self.wait(ms),
            Step::Reconnect => self.close(CloseReason::Remote { code: None }),
            Step::Command(number) => self.user(number),
        }
        self.settle();
    }

    /// The phone is stopped, and the server says nothing more.
    fn finish(mut self) -> usize {
        self.command(|phone, now| Ok(phone.disconnect(now)));
        self.settle();
        self.wait(REST_MS);
        assert!(self.pending.is_empty(), "never settled: {:?}", self.pending);
        assert_eq!(self.phone.view().sessions().count(), 0, "a session outlived the phone");
        assert!(self.calls.is_empty(), "never deleted: {:?}", self.calls.keys());
        let load = self.phone.view().load();
        assert_eq!(load, Load::default(), "something leaked");
        self.established
    }

    /// What a user may do, with the latest call.
    fn user(&mut self, number: u8) {
        let call_id = self.calls.iter().rev().find(|(_, call)| !call.over).map(|(call_id, _)| call_id.clone());
        if number == 5 {
            self.command(|phone, now| phone.call(now, "1001", CallOptions::default()).map(|(command, _)| command));
        }
        let Some(call_id) = call_id else { return };
        match number {
            0 => self.command(|phone, now| phone.hangup(now, &call_id)),
            1 => self.command(|phone, now| phone.answer(now, &call_id, CallOptions::default())),
            2 => self.command(|phone, now| phone.hold(now, &call_id)),
            3 => self.command(|phone, now| phone.unhold(now, &call_id)),
            4 => self.command(|phone, now| phone.dtmf(now, &call_id, "12")),
            6 => self.command(|phone, now| phone.reject(now, &call_id)),
            7 => self.command(|phone, now| phone.renegotiate(now, &call_id, None)),
            8 => self.command(|phone, now| phone.mute(now, &call_id)),
            _ => {}
        }
    }

    fn command(&mut self, act: impl FnOnce(&mut Phone, Now) -> Result<CommandId, PhoneError>) {
        let now = self.now;
        // A refused command has done nothing.
        if let Ok(command) = self.turn(|phone| act(phone, now)) {
            assert!(self.pending.insert(command), "a command's name is used twice");
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.now;
        self.turn(|phone| phone.handle_input(now, input));
    }

    fn close(&mut self, reason: CloseReason) {
        if std::mem::take(&mut self.connected) {
            self.input(Input::TransportClosed { reason });
        }
    }

    /// Lets time pass from deadline to deadline.
    fn wait(&mut self, ms: u64) {
        let until = self.now.mono + ms;
        let mut fired = 0;
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= until) {
            self.pass(deadline.max(self.now.mono));
            self.input(Input::Timeout);
            self.settle();
            fired += 1;
            assert!(fired < 200_000, "timers without end");
        }
        self.pass(until);
    }

    fn pass(&mut self, to: u64) {
        self.now.wall += to - self.now.mono;
        self.now.mono = to;
    }

    /// Does something to the phone. What it puts out waits for its turn.
    fn turn<R>(&mut self, act: impl FnOnce(&mut Phone) -> R) -> R {
        let Self { phone, outputs, deadline, .. } = self;
        *deadline = None;
        phone.turn(act, |output| match output {
            Output::Timeout(at) => *deadline = Some(at),
            other => outputs.push_back(other),
        })
    }

    /// Carries outputs out, and what comes of them, until there are none.
    fn settle(&mut self) {
        let mut taken = 0;
        while let Some(output) = self.outputs.pop_front() {
            self.take(output);
            taken += 1;
            assert!(taken < MAX_OUTPUTS, "outputs without end");
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Connect => {
                assert!(!self.connected, "connects twice");
                self.connected = true;
                self.input(Input::TransportConnected { secure: false });
            }
            Output::Disconnect => self.close(CloseReason::Local),
            Output::Transmit(data) => {
                let text = std::str::from_utf8(&data).expect("what is sent is UTF-8");
                if !text.trim().is_empty() {
                    assert!(text.contains("SIP/2.0") && text.contains("\r\n\r\n"), "not SIP: {text}");
                    text.clone_into(&mut self.last_sent);
                }
            }
            Output::Media { call_id, command } => self.media(call_id, command),
            Output::Settled { command, .. } => assert!(self.pending.remove(&command), "settled twice, or never made"),
            Output::Event(event) => self.event(event),
            _ => {}
        }
    }

    fn event(&mut self, event: PhoneEvent) {
        match event {
            PhoneEvent::NewRtcSession { call_id } => {
                assert!(self.calls.insert(call_id, Call::default()).is_none(), "announced twice");
            }
            PhoneEvent::DeleteSession { call_id, .. } => {
                let call = self.calls.remove(&call_id).expect("deleted without having been");
                assert!(call.over, "deleted without an end");
                assert!(call.media_closed || !call.media_open, "its media is still open");
                assert!(self.phone.view().session(&call_id).is_none(), "deleted, but held");
            }
            PhoneEvent::Session(event) => {
                let call = self.calls.get_mut(event.call_id()).expect("an event of a call that is not there");
                self.established += usize::from(matches!(event, SessionEvent::Confirmed { .. }));
                assert!(!call.over, "an event after the last one: {event:?}");
                call.over = matches!(
                    event,
                    SessionEvent::Ended(_) | SessionEvent::Failed(_) | SessionEvent::ClientError { .. }
                );
            }
            _ => {}
        }
    }

    /// A peer connection that does at once what it is told, except with descriptions that offer video only.
    fn media(&mut self, call_id: CallId, command: MediaCommand) {
        let call = self.calls.entry(call_id.clone()).or_default();
        assert!(!call.media_closed, "a command after the last one: {command:?}");
        match &command {
            MediaCommand::Open { .. } => assert!(!std::mem::replace(&mut call.media_open, true), "opened twice"),
            _ => assert!(call.media_open, "a command before the first one: {command:?}"),
        }
        call.media_closed = command == MediaCommand::Close;
        let event = match command {
            MediaCommand::CreateOffer { request, .. } => local(request),
            MediaCommand::AcceptOffer { request, sdp, .. } if usable(&sdp) => local(request),
            MediaCommand::AcceptAnswer { request, sdp, .. } if usable(&sdp) => MediaEvent::Applied { request },
            MediaCommand::AcceptOffer { request, .. } | MediaCommand::AcceptAnswer { request, .. } => {
                MediaEvent::Failed { request: Some(request), error: MediaError::BadDescription("no audio".to_owned()) }
            }
            MediaCommand::SendDtmf { request, .. } => MediaEvent::DtmfSent { request },
            MediaCommand::TakeStats { request } => {
                MediaEvent::Stats { request, sample: Box::new(StatsSample::default()) }
            }
            _ => return,
        };
        self.input(Input::Media { call_id, event });
    }
}

fn local(request: MediaRequest) -> MediaEvent {
    MediaEvent::LocalDescription { request, sdp: SDP.to_owned() }
}

fn usable(sdp: &str) -> bool {
    sdp.contains("m=audio")
}
