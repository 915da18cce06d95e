//! The phone's task: owns the core, carries out what it says, and decides nothing itself.

mod call;
mod media;
mod recording;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use offhook_core::{
    CallId, CloseReason, CommandId, Driven, Input, MediaEvent, Now, Output, Phone as Core, PhoneError, PhoneEvent,
    RecordPermissions, SdpFilterId, SessionEvent,
};
use offhook_media::{Addresses, Codec, Mixer};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub(crate) use call::{Call, Stage};
pub(crate) use recording::Recorder;

use crate::command::{Act, Command, Reply};
use crate::filter::{SdpFilter, SdpStep};
use crate::hub::Hub;
use crate::session::Session;
use crate::transport::{Target, Transport};

/// What reaches the task.
#[derive(Debug)]
pub(crate) enum Message {
    Command(Command),
    /// From connection number `.0`.
    Transport(u64, FromTransport),
    Media(CallId, MediaEvent),
    /// A description as the program's filter wants it.
    Filtered(CallId, SdpFilterId, String),
}

/// What a connection tells.
#[derive(Debug)]
pub(crate) enum FromTransport {
    Connected { secure: bool },
    Received(Bytes),
    Closed(CloseReason),
}

/// How media is set up.
#[derive(Debug, Clone)]
pub(crate) struct MediaConfig {
    pub(crate) addresses: Addresses,
    pub(crate) codecs: Vec<Codec>,
    /// Where the calls of a conference meet.
    pub(crate) mixer: Mixer,
}

/// What handles read without asking the task.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) events: Hub<PhoneEvent>,
    pub(crate) incoming: Hub<Session>,
    registered: AtomicBool,
    record_permissions: AtomicU8,
    calls: Mutex<Vec<Arc<Call>>>,
    current: Mutex<Option<CallId>>,
}

impl Shared {
    pub(crate) fn new(record_permissions: RecordPermissions) -> Arc<Self> {
        Arc::new(Self {
            events: Hub::new(),
            incoming: Hub::new(),
            registered: AtomicBool::new(false),
            record_permissions: AtomicU8::new(record_permissions as u8),
            calls: Mutex::default(),
            current: Mutex::default(),
        })
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Acquire)
    }

    pub(crate) fn record_permissions(&self) -> RecordPermissions {
        RecordPermissions::from_number(self.record_permissions.load(Ordering::Acquire)).unwrap_or_default()
    }

    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.calls().iter().map(|call| Session::new(Arc::clone(call))).collect()
    }

    pub(crate) fn current(&self) -> Option<CallId> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn call(&self, call_id: &CallId) -> Option<Arc<Call>> {
        self.calls().iter().find(|call| call.id() == call_id).cloned()
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Arc<Call>>> {
        // Only pushes, searches and removals happen under the lock.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits for a command.
enum Waiter {
    Reply(Reply),
    Call(Reply<Session>, CallId),
}

pub(crate) struct Actor {
    core: Driven<Core>,
    shared: Arc<Shared>,
    target: Arc<Target>,
    media: MediaConfig,
    filter: Option<SdpFilter>,
    messages: mpsc::UnboundedReceiver<Message>,
    /// Handed to connections, calls and their media.
    sender: mpsc::UnboundedSender<Message>,
    transport: Option<Transport>,
    connections: u64,
    waiters: HashMap<CommandId, Waiter>,
    epoch: Instant,
    deadline: Option<Instant>,
}

impl Actor {
    pub(crate) fn new(
        core: Core,
        target: Target,
        media: MediaConfig,
        filter: Option<SdpFilter>,
        shared: Arc<Shared>,
    ) -> (Self, mpsc::UnboundedSender<Message>) {
        let (sender, messages) = mpsc::unbounded_channel();
        let actor = Self {
            core: Driven::new(core),
            shared,
            target: Arc::new(target),
            media,
            filter,
            messages,
            sender: sender.clone(),
            transport: None,
            connections: 0,
            waiters: HashMap::new(),
            epoch: Instant::now(),
            deadline: None,
        };
        (actor, sender)
    }

    /// Runs until the last handle is gone and everything is closed.
    pub(crate) async fn run(mut self, mut alive: oneshot::Receiver<()>) {
        let mut closing: Option<crate::command::Pending> = None;
        let mut destroyed = Vec::new();
        loop {
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
                _ = &mut alive, if closing.is_none() => {
                    let (reply, pending) = Reply::pair();
                    closing = Some(pending);
                    self.command(Command::Disconnect(reply));
                }
                _ = async { match closing.as_mut() { Some(closing) => closing.await, None => std::future::pending().await } } => break,
                Some(message) = self.messages.recv() => match message {
                    Message::Command(Command::Destroy(reply)) => {
                        self.silence();
                        destroyed.push(reply);
                        if closing.is_none() {
                            let (reply, pending) = Reply::pair();
                            closing = Some(pending);
                            self.command(Command::Disconnect(reply));
                        }
                    }
                    message => self.message(message),
                },
                () = timer => {
                    // A turn that changes nothing says no new one, so it stays until it is reached.
                    self.deadline = None;
                    self.input(Input::Timeout);
                }
            }
        }
        self.shared.events.finish();
        self.shared.incoming.finish();
        for reply in destroyed {
            reply.send(Ok(()));
        }
    }

    /// Nobody hears anything any more.
    fn silence(&self) {
        self.shared.events.silence();
        self.shared.incoming.silence();
        for call in self.shared.calls().iter() {
            call.events().silence();
        }
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: millis(self.epoch.elapsed()), wall: millis(wall) }
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
            Message::Transport(number, event) if number == self.connections => match event {
                FromTransport::Connected { secure } => self.input(Input::TransportConnected { secure }),
                FromTransport::Received(data) => self.input(Input::TransportReceived(data)),
                FromTransport::Closed(reason) => {
                    self.transport = None;
                    self.input(Input::TransportClosed { reason });
                }
            },
            Message::Transport(..) => {}
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        self.turn(|core| core.handle_input(now, input));
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Start(reply) => self.settle_later(reply, |core| core.start(now)),
            Command::Disconnect(reply) => self.settle_later(reply, |core| Ok(core.disconnect(now))),
            Command::Call { parent, number, options, reply } => {
                if let Err(error) = media::check(&options) {
                    return reply.send(Err(error));
                }
                self.turn_with(
                    |core| match parent {
                        Some(parent) => core.consult(now, &parent, &number, options),
                        None => core.call(now, &number, options),
                    },
                    |this, result| match result {
                        Ok((command, call_id)) => drop(this.waiters.insert(command, Waiter::Call(reply, call_id))),
                        Err(error) => reply.send(Err(error)),
                    },
                );
            }
            Command::Reregister(credentials, reply) => {
                self.settle_later(reply, |core| core.reregister(now, credentials));
            }
            Command::SetCurrent(call_id, reply) => {
                self.settle_now(reply, |core| core.set_current_session(call_id.as_ref()));
            }
            Command::RtcSession(call_id, reply) => {
                reply.send(self.core.view().rtc_session(&call_id).ok_or(PhoneError::UnknownCall));
            }
            // The task's loop does it.
            Command::Destroy(reply) => reply.send(Err(PhoneError::Stopped)),
            Command::Conference(call_ids, reply) => self.settle_later(reply, |core| core.conference(now, &call_ids)),
            Command::HoldConference(true, reply) => self.settle_later(reply, |core| core.hold_conference(now)),
            Command::HoldConference(false, reply) => self.settle_later(reply, |core| core.unhold_conference(now)),
            Command::SetRecordPermissions(permissions, reply) => {
                self.settle_now(reply, |core| {
                    core.set_record_permissions(now, permissions);
                    Ok(())
                });
            }
            Command::OfCall { call_id, act, reply } => self.act(now, call_id, act, reply),
        }
    }

    fn act(&mut self, now: Now, id: CallId, act: Act, reply: Reply) {
        match act {
            Act::Answer(options) => match media::check(&options) {
                Ok(()) => self.settle_later(reply, |core| core.answer(now, &id, options)),
                Err(error) => reply.send(Err(error)),
            },
            Act::Reject => self.settle_later(reply, |core| core.reject(now, &id)),
            Act::Terminate(kind) => self.settle_later(reply, |core| core.terminate(now, &id, kind)),
            Act::Hold(true) => self.settle_later(reply, |core| core.hold(now, &id)),
            Act::Hold(false) => self.settle_later(reply, |core| core.unhold(now, &id)),
            Act::Mute(true) => self.settle_later(reply, |core| core.mute(now, &id)),
            Act::Mute(false) => self.settle_later(reply, |core| core.unmute(now, &id)),
            Act::Dtmf(tones) => self.settle_later(reply, |core| core.dtmf(now, &id, &tones)),
            Act::SendInfo { content_type, body } => {
                self.settle_later(reply, |core| core.send_info(now, &id, &content_type, &body));
            }
            Act::BlindTransfer(number) => self.settle_later(reply, |core| core.blind_transfer(now, &id, &number)),
            Act::AttendedTransfer => self.settle_later(reply, |core| core.attended_transfer(now, &id)),
            Act::Renegotiate(video) => self.settle_later(reply, |core| core.renegotiate(now, &id, video)),
            Act::RestartIce => self.settle_later(reply, |core| core.restart_ice(now, &id)),
            Act::Video(true) => self.settle_later(reply, |core| core.audio_to_video(now, &id)),
            Act::Video(false) => self.settle_later(reply, |core| core.video_to_audio(now, &id)),
            Act::AskForVideo(ask) => self.settle_now(reply, |core| core.ask_for_video(now, &id, ask)),
            Act::AgreeVideo(agree) => self.settle_now(reply, |core| core.agree_video(now, &id, agree)),
            Act::SendMessage { content_type, body } => {
                self.settle_later(reply, |core| core.send_message(now, &id, &content_type, &body));
            }
            Act::SetVolume(volume) => self.settle_later(reply, |core| core.set_volume(now, &id, volume)),
            Act::Destroy => {
                if let Some(call) = self.shared.call(&id) {
                    call.events().silence();
                }
                self.settle_later(reply, |core| core.destroy_session(now, &id));
            }
            Act::Record(true) => self.settle_later(reply, |core| core.start_record(now, &id)),
            Act::Record(false) => self.settle_later(reply, |core| core.pause_record(now, &id)),
            Act::StopTimer => self.settle_now(reply, |core| core.stop_timer(now, &id)),
            Act::SetStatus(patch) => self.settle_now(reply, |core| core.set_status(now, &id, patch)),
            Act::SetStaticStatus(patch, manual) => {
                self.settle_now(reply, |core| core.set_static_status(now, &id, patch, manual));
            }
        }
    }

    fn settle_later(&mut self, reply: Reply, act: impl FnOnce(&mut Core) -> Result<CommandId, PhoneError>) {
        self.turn_with(act, |this, result| match result {
            Ok(command) => drop(this.waiters.insert(command, Waiter::Reply(reply))),
            Err(error) => reply.send(Err(error)),
        });
    }

    fn settle_now(&mut self, reply: Reply, act: impl FnOnce(&mut Core) -> Result<(), PhoneError>) {
        self.turn_with(act, |_, result| reply.send(result));
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
        for output in outputs {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect => {
                self.connections += 1;
                self.transport = Some(Transport::open(Arc::clone(&self.target), self.connections, self.sender.clone()));
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
                None => {}
            },
            Output::Timeout(at) => self.deadline = Some(self.epoch + Duration::from_millis(at)),
            _ => {}
        }
    }

    fn tell(&mut self, event: PhoneEvent) {
        match &event {
            PhoneEvent::IsRegisteredChange { is_registered } => {
                self.shared.registered.store(*is_registered, Ordering::Release);
            }
            PhoneEvent::RecordPermissionsChange { record_permissions } => {
                self.shared.record_permissions.store(*record_permissions as u8, Ordering::Release);
            }
            PhoneEvent::NewRtcSession { call_id } => {
                if let Some(session) = self.core.view().session(call_id) {
                    let call = Call::new(session, self.sender.clone());
                    self.shared.calls().push(Arc::new(call));
                }
            }
            PhoneEvent::Incoming { call_id } => {
                if let Some(call) = self.shared.call(call_id) {
                    self.shared.incoming.publish(&Session::new(call));
                }
            }
            PhoneEvent::DeleteSession { call_id, .. } => {
                self.shared.calls().retain(|call| call.id() != call_id);
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

    /// Brings the snapshots up to date, so that a listener sees what its event says.
    fn refresh(&self) {
        let now = self.now();
        let current = self.core.view().current_session_id();
        let mut known = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() != current {
            *known = current.cloned();
        }
        drop(known);
        for session in self.core.view().sessions() {
            if let Some(call) = self.shared.call(session.call_id()) {
                call.refresh(session, now);
            }
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Also when the runtime goes down under it: nobody waits for what will not come.
        for call in self.shared.calls().drain(..) {
            call.abandon();
        }
        self.shared.events.finish();
        self.shared.incoming.finish();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
