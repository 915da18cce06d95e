//! The phone's task: owns the core, carries out what it says, and decides nothing itself.

mod audio;
mod call;
mod commands;
mod media;
mod pbx;
mod recording;
mod shared;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use offhook_core::pbx::{CdrPage, HttpFailure, HttpId, HttpResponse, PbxError, PbxEvent};
use offhook_core::{
    CallId, CloseReason, CommandId, Driven, Input, MediaEvent, Now, Output, Phone as Core, PhoneError, PhoneEvent,
    SdpFilterId, SessionEvent, TransportError,
};
use offhook_media::{ADDRESS_POLL, Addresses, Codec, Mixer, local_addresses};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub(crate) use call::{Call, Stage};
pub(crate) use media::check_servers;
pub(crate) use pbx::{PbxLink, PbxShared};
pub(crate) use recording::Recorder;
pub(crate) use shared::Shared;

#[cfg(feature = "devices")]
use offhook_core::CommunicationType;

use crate::command::{Command, Pending, Reply};
use crate::filter::{SdpFilter, SdpStep};
use crate::in_call::NO_DEVICES;
use crate::session::Session;
use crate::transport::{Line, Target, Transport};

/// How long a listener may take over the reason of the end before the end comes.
const HEARD: Duration = Duration::from_millis(200);

/// What connections tell, and may wait: a server that sends faster than the task takes it is held back.
const TOLD: usize = 256;

/// What a connection tells, and which.
pub(crate) type Told = (Line, FromTransport);

/// What reaches the task, besides what connections tell.
#[derive(Debug)]
pub(crate) enum Message {
    Command(Command),
    /// A connection that could not even be begun, or was given up.
    Transport(Line, FromTransport),
    Media(CallId, MediaEvent),
    /// From the PBX's API.
    Http(HttpId, Result<HttpResponse, HttpFailure>),
    /// A description as the program's filter wants it.
    Filtered(CallId, SdpFilterId, String),
}

/// What a connection tells.
#[derive(Debug)]
pub(crate) enum FromTransport {
    Connected {
        secure: bool,
        /// The address of this machine that it comes from.
        local: Option<IpAddr>,
    },
    Received(Bytes),
    Closed {
        /// Of an HTTP answer that was no handshake.
        status: Option<u16>,
        reason: CloseReason,
    },
}

/// How media is set up.
#[derive(Debug, Clone)]
pub(crate) struct MediaConfig {
    pub(crate) addresses: Addresses,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) dtx: bool,
    /// Where the calls of a conference meet.
    pub(crate) mixer: Mixer,
    #[cfg(feature = "devices")]
    pub(crate) devices: Option<offhook_media::devices::AudioDevices>,
}

impl MediaConfig {
    #[cfg(feature = "devices")]
    fn check_microphone(&self, wanted: &str) -> Result<(), PhoneError> {
        let Some(devices) = &self.devices else { return Err(PhoneError::Unsupported { what: NO_DEVICES }) };
        match devices.find(offhook_media::devices::DeviceKind::Input, wanted) {
            Ok(_) => Ok(()),
            Err(error) => Err(PhoneError::InvalidArgument { detail: error.to_string() }),
        }
    }

    #[cfg(not(feature = "devices"))]
    fn check_microphone(&self, _wanted: &str) -> Result<(), PhoneError> {
        Err(PhoneError::Unsupported { what: NO_DEVICES })
    }
}

/// What an actor is made with, besides its core.
pub(crate) struct Setup {
    pub(crate) target: Target,
    pub(crate) media: MediaConfig,
    pub(crate) filter: Option<SdpFilter>,
    pub(crate) pbx: Option<PbxLink>,
    /// The zero of the clock that the core knows.
    pub(crate) epoch: Instant,
}

/// Who waits for a command.
enum Waiter {
    Reply(Reply),
    Call(Reply<Session>, CallId),
    Cdr(Reply<CdrPage, PbxError>),
    Logout(Reply<(), PbxError>),
}

pub(crate) struct Actor {
    core: Driven<Core>,
    shared: Arc<Shared>,
    target: Arc<Target>,
    media: MediaConfig,
    filter: Option<SdpFilter>,
    pbx: Option<PbxLink>,
    messages: mpsc::UnboundedReceiver<Message>,
    /// Handed to calls and their media.
    sender: mpsc::UnboundedSender<Message>,
    told: mpsc::Receiver<Told>,
    /// Handed to connections.
    teller: mpsc::Sender<Told>,
    transport: Option<Transport>,
    connections: u64,
    /// The address that the connection comes from, and all of this machine, as seen last.
    local: Option<IpAddr>,
    addresses: Arc<[IpAddr]>,
    waiters: HashMap<CommandId, Waiter>,
    epoch: Instant,
    deadline: Option<Instant>,
    /// What is still to be carried out.
    outputs: VecDeque<Output>,
    /// Nothing is, until the listeners have taken what they were told last.
    telling: bool,
    /// The PBX's operator has ended: nothing more comes.
    over: bool,
    /// Which tones are due.
    #[cfg(feature = "devices")]
    feedback: crate::devices::Feedback,
}

impl Actor {
    pub(crate) fn new(core: Core, setup: Setup, shared: Arc<Shared>) -> (Self, mpsc::UnboundedSender<Message>) {
        let (sender, messages) = mpsc::unbounded_channel();
        let (teller, told) = mpsc::channel(TOLD);
        let actor = Self {
            core: Driven::new(core),
            shared,
            target: Arc::new(setup.target),
            media: setup.media,
            filter: setup.filter,
            pbx: setup.pbx,
            messages,
            sender: sender.clone(),
            told,
            teller,
            transport: None,
            connections: 0,
            local: None,
            addresses: local_addresses(),
            waiters: HashMap::new(),
            epoch: setup.epoch,
            deadline: None,
            outputs: VecDeque::new(),
            telling: false,
            over: false,
            #[cfg(feature = "devices")]
            feedback: crate::devices::Feedback::default(),
        };
        (actor, sender)
    }

    /// Runs until the last handle is gone and everything is closed, or until the PBX's operator has ended.
    pub(crate) async fn run(mut self, mut alive: oneshot::Receiver<()>) {
        let mut closing: Option<Pending> = None;
        let mut destroyed = Vec::new();
        let mut look = tokio::time::interval(ADDRESS_POLL);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let elsewhere = !self.target.is_loopback();
        // What the core wants from the beginning.
        self.turn(|_| ());
        while !self.over {
            if self.telling {
                self.be_heard().await;
                continue;
            }
            let deadline = self.deadline;
            let timer = async move {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                // The last handle is gone: nobody can want anything any more.
                _ = &mut alive, if closing.is_none() => closing = Some(self.close()),
                _ = async { match closing.as_mut() { Some(closing) => closing.await, None => std::future::pending().await } } => break,
                Some(message) = self.messages.recv() => match message {
                    Message::Command(Command::Destroy(reply)) => {
                        self.shared.silence();
                        destroyed.push(reply);
                        if closing.is_none() {
                            closing = Some(self.close());
                        }
                    }
                    message => self.message(message),
                },
                // Before what the server says: one that never stops does not keep the time from passing.
                () = timer => {
                    // A turn that changes nothing says no new one, so it stays until it is reached.
                    self.deadline = None;
                    self.input(Input::Timeout);
                }
                _ = look.tick(), if elsewhere => self.look_at_network(),
                Some((line, event)) = self.told.recv() => self.told(line, event),
            }
        }
        // Whoever was waiting finds the task gone.
        drop(self);
        for reply in destroyed {
            reply.send(Ok(()));
        }
    }

    /// Ends everything, the PBX's part too.
    fn close(&mut self) -> Pending {
        let (reply, pending) = Reply::pair();
        let now = self.now();
        self.settle_later(reply, |core| Ok(if core.pbx().is_some() { core.logout(now) } else { core.disconnect(now) }));
        pending
    }

    fn now(&self) -> Now {
        now(self.epoch)
    }

    // --- in ---

    fn message(&mut self, message: Message) {
        match message {
            Message::Command(command) => self.command(command),
            Message::Media(call_id, event) => self.input(Input::Media { call_id, event }),
            Message::Filtered(call_id, filter, sdp) => {
                let now = self.now();
                self.turn(|core| core.sdp_filtered(now, &call_id, filter, sdp));
            }
            Message::Http(id, result) => self.input(Input::Http { id, result }),
            Message::Transport(line, event) => self.told(line, event),
        }
    }

    fn told(&mut self, line: Line, event: FromTransport) {
        match line {
            Line::Subscription(number) => {
                if let Some(input) = self.pbx.as_mut().and_then(|pbx| pbx.heard(number, event)) {
                    self.input(Input::Subscription(input));
                }
            }
            Line::Sip(number) if number == self.connections => match event {
                FromTransport::Connected { secure, local } => {
                    self.local = local;
                    self.input(Input::TransportConnected { secure });
                }
                FromTransport::Received(data) => self.input(Input::TransportReceived(data)),
                FromTransport::Closed { reason, .. } => self.closed(reason),
            },
            Line::Sip(_) => {}
        }
    }

    fn closed(&mut self, reason: CloseReason) {
        self.transport = None;
        self.local = None;
        // What it still tells is nobody's.
        self.connections += 1;
        self.input(Input::TransportClosed { reason });
    }

    /// A TCP connection from an address that is gone would break only minutes later.
    fn look_at_network(&mut self) {
        let addresses = local_addresses();
        if std::mem::replace(&mut self.addresses, Arc::clone(&addresses)) == addresses {
            return;
        }
        // One that is being made comes from who knows where.
        let cut = self.transport.is_some() && self.local.is_none_or(|local| !addresses.contains(&local));
        if cut {
            let detail = "the address that it came from is gone".to_owned();
            self.closed(CloseReason::Failed(TransportError::Lost { detail }));
        }
        self.input(Input::NetworkChanged);
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        self.turn(|core| core.handle_input(now, input));
    }

    // --- out ---

    fn turn(&mut self, act: impl FnOnce(&mut Core)) {
        self.turn_with(act, |_, ()| ());
    }

    /// Does something to the core; `then` sees the result before the outputs are carried out.
    fn turn_with<R>(&mut self, act: impl FnOnce(&mut Core) -> R, then: impl FnOnce(&mut Self, R)) {
        let mut outputs = Vec::new();
        // A call that ends now keeps the durations of this moment.
        self.refresh();
        let result = self.core.turn(act, |output| outputs.push(output));
        then(self, result);
        self.refresh();
        self.outputs.extend(outputs);
        self.carry_on();
    }

    fn carry_on(&mut self) {
        while !self.telling {
            let Some(output) = self.outputs.pop_front() else { return };
            self.carry_out(output);
        }
    }

    /// Gives the listeners the time to take what they were told, and goes on.
    async fn be_heard(&mut self) {
        if let Some(pbx) = &self.shared.pbx {
            // One that does not listen is told no less.
            let _ = tokio::time::timeout(HEARD, pbx.events.taken()).await;
        }
        self.telling = false;
        self.carry_on();
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect => {
                self.connections += 1;
                let line = Line::Sip(self.connections);
                self.transport =
                    Some(Transport::open(Arc::clone(&self.target), line, self.teller.clone(), self.sender.clone()));
            }
            Output::Disconnect => {
                if let Some(transport) = &mut self.transport {
                    transport.close();
                }
            }
            Output::Transmit(data) => {
                if let Some(transport) = &mut self.transport {
                    transport.send(data);
                }
            }
            Output::Media { call_id, command } => {
                if let Some(call) = self.shared.call(&call_id) {
                    media::carry_out(&call, &self.media, command);
                }
            }
            Output::Event(event) => self.tell(event),
            Output::FilterSdp { call_id, filter, originator, kind, sdp } => {
                let step = SdpStep { call_id: &call_id, originator, kind, sdp: &sdp };
                let changed = self.filter.as_ref().and_then(|filter| filter.apply(&step));
                let sdp = changed.unwrap_or(sdp);
                // Its own turn, after what else this one gave out.
                let _ = self.sender.send(Message::Filtered(call_id, filter, sdp));
            }
            Output::Settled { command, result } => match self.waiters.remove(&command) {
                Some(Waiter::Reply(reply)) => reply.send(result),
                Some(Waiter::Call(reply, call_id)) => {
                    let call = result.and_then(|()| self.shared.call(&call_id).ok_or(PhoneError::UnknownCall));
                    reply.send(call.map(Session::new));
                }
                Some(Waiter::Logout(reply)) => reply.send(result.map_err(|_| PbxError::Destroyed)),
                Some(Waiter::Cdr(_)) | None => {}
            },
            Output::Http { id, request } => {
                if let Some(pbx) = &mut self.pbx {
                    pbx.ask(id, request, &self.sender);
                }
            }
            Output::Subscription(output) => {
                if let Some(pbx) = &mut self.pbx {
                    pbx.subscribe(output, &self.teller, &self.sender);
                }
            }
            Output::Pbx(event) => {
                self.over |= event == PbxEvent::Destroyed;
                // The program is to know why before it sees what follows.
                self.telling = matches!(event, PbxEvent::RuntimeError { .. });
                if let Some(pbx) = &self.shared.pbx {
                    pbx.events.publish(&event);
                }
            }
            Output::Cdr { command, result } => {
                if let Some(Waiter::Cdr(reply)) = self.waiters.remove(&command) {
                    reply.send(result);
                }
            }
            Output::Timeout(at) => self.deadline = Some(self.epoch + Duration::from_millis(at)),
            _ => {}
        }
    }

    fn tell(&mut self, event: PhoneEvent) {
        #[cfg(feature = "devices")]
        self.sound(&event);
        self.shared.note(&event);
        match &event {
            PhoneEvent::NewRtcSession { call_id } => {
                if let Some(session) = self.core.view().session(call_id) {
                    let call = Call::new(session, self.sender.clone());
                    #[cfg(feature = "devices")]
                    let call = call.with_devices(self.media.devices.clone());
                    self.shared.add_call(Arc::new(call));
                }
            }
            PhoneEvent::Incoming { call_id } => {
                if let Some(call) = self.shared.call(call_id) {
                    self.shared.incoming.publish(&Session::new(call));
                }
            }
            PhoneEvent::DeleteSession { call_id, .. } => {
                // That of a call that was never answered has no peer connection to be closed with.
                if let Some(call) = self.shared.take_call(call_id) {
                    call.close();
                }
                self.shared.incoming.forget(|session| session.call_id() == call_id);
            }
            PhoneEvent::Session(event) => {
                if let Some(call) = self.shared.call(event.call_id()) {
                    call.tell(event);
                    if let SessionEvent::VideoRequested { name, .. } = event {
                        call.ask_about_video(name.clone());
                    }
                }
            }
            _ => {}
        }
        self.shared.events.publish(&event);
    }

    /// Plays the tones that are due now.
    #[cfg(feature = "devices")]
    fn sound(&mut self, event: &PhoneEvent) {
        if let Some(devices) = &self.media.devices {
            let inbound = |call_id: &CallId| {
                let session = self.core.view().session(call_id);
                session.is_some_and(|session| session.status().communication_type == CommunicationType::Inbound)
            };
            for cue in self.feedback.see(event, inbound) {
                cue.play(devices);
            }
        }
    }

    /// Brings the snapshots up to date, so that a listener sees what its event says.
    fn refresh(&self) {
        let now = self.now();
        self.shared.refresh(self.core.view());
        if let (Some(shared), Some(operator)) = (&self.shared.pbx, self.core.view().pbx()) {
            shared.refresh(operator);
        }
        for session in self.core.view().sessions() {
            if let Some(call) = self.shared.call(session.call_id()) {
                call.refresh(session, now);
            }
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        #[cfg(feature = "devices")]
        if let Some(devices) = &self.media.devices {
            self.feedback.stop().into_iter().for_each(|cue| cue.play(devices));
        }
        // Also when the runtime goes down under it: nobody waits for what will not come.
        for call in self.shared.take_calls() {
            call.abandon();
        }
        self.shared.finish();
    }
}

/// What the core is told the time is.
pub(crate) fn now(epoch: Instant) -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { mono: millis(epoch.elapsed()), wall: millis(wall) }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
