//! The phone: a registration and a set of calls.

mod calls;
mod checks;
mod conference;
mod current;
mod in_call;
mod link;
mod pbx;
mod recording;
mod resume;
mod signalling;
mod transfers;

pub use resume::{RESUME_MS, Resumed};

use std::collections::VecDeque;

use offhook_sip::{Agent, AgentConfig, CallKey, Farewell, Limits, Load, Machine, Millis, NameAddr, Uri};

use self::conference::Conference;
use self::link::Link;
use crate::call_id::CallId;
use crate::config::{Devices, PhoneConfig};
use crate::error::PhoneError;
use crate::events::PhoneEvent;
use crate::io::{CommandId, Input, Now, Output};
use crate::pbx::PbxOperator;
use crate::random::Random;
use crate::session::{Ctx, Outbox, Session, Sip};
use crate::status::TerminateType;

/// A phone. See the [crate's page](crate) for how to drive it.
#[derive(Debug)]
pub struct Phone {
    config: PhoneConfig,
    devices: Devices,
    random: Random,
    sip: Sip,
    out: Outbox,
    link: Link,
    sessions: Vec<Session>,
    /// The call that the user looks at.
    current: Option<CallId>,
    /// The server lets a second call come in.
    waiting_offered: bool,
    /// When the last call was made.
    called: Option<Millis>,
    commands: u64,
    requests: u64,
    /// BYEs that were not delivered, and until when each is worth it.
    undelivered: VecDeque<(Millis, Box<Farewell>)>,
    /// Calls that a REFER asked for, to be begun after its answer.
    referred: Vec<CallId>,
    conference: Conference,
    /// What it has of its PBX, if it was made with one.
    pbx: Option<Box<PbxOperator>>,
    /// A new [`Output::Timeout`] is due.
    stirred: bool,
}

impl Phone {
    /// A new one, not started.
    #[must_use]
    pub fn new(config: PhoneConfig) -> Self {
        let mut random = Random::new(config.seed.expose());
        let agent = Agent::new(AgentConfig {
            user_agent: config.user_agent.clone(),
            session_timer: config.session_timer,
            keep_alive: config.keep_alive,
            limits: Limits { max_calls: 64, ..Limits::default() },
            extensions: vec!["replaces"],
            ..AgentConfig::new(random.seed())
        });
        let contact = match &config.contact {
            Some(contact) => contact.clone(),
            // RFC 7118 §5: a WebSocket client has no address; nobody can connect to it anyway.
            None => random_contact(&mut random).unwrap_or_else(|| config.aor.uri().clone()),
        };
        Self {
            config,
            devices: Devices::default(),
            random,
            sip: Sip::new(agent, NameAddr::new(contact)),
            out: Outbox::default(),
            link: Link::default(),
            sessions: Vec::new(),
            current: None,
            waiting_offered: true,
            called: None,
            commands: 0,
            requests: 0,
            undelivered: VecDeque::new(),
            referred: Vec::new(),
            conference: Conference::default(),
            pbx: None,
            stirred: false,
        }
    }

    // --- getters ---

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &PhoneConfig {
        &self.config
    }

    /// A call that is not over.
    #[must_use]
    pub fn session(&self, call_id: &CallId) -> Option<&Session> {
        self.sessions.iter().find(|session| session.call_id() == call_id)
    }

    /// The calls that are not over, oldest first.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter()
    }

    /// The calls that ring inbound.
    pub fn incoming_list(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(|session| session.status().is_ring)
    }

    /// Whether the server has us registered.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.link.is_registered()
    }

    /// Whether the connection to the server is open.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.sip.connection.is_some()
    }

    /// Whether there are as many calls as the phone allows: two, or one without call waiting. Calls that ring inbound count,
    /// consultation calls do not.
    #[must_use]
    pub fn is_max_call(&self) -> bool {
        let limit = if self.config.call_waiting && self.waiting_offered { 2 } else { 1 };
        self.sessions.iter().filter(|session| !session.status().is_transfer).count() >= limit
    }

    /// Whether there is no camera.
    #[must_use]
    pub fn is_none_camera(&self) -> bool {
        self.devices.inputs.is_some_and(|(_, cameras)| cameras == 0)
    }

    /// How much the SIP agent under the phone holds: for tests that nothing leaks.
    #[must_use]
    pub fn load(&self) -> Load {
        self.sip.load()
    }

    // --- input ---

    /// Takes what came from outside.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        match input {
            Input::TransportConnected { secure } => self.transport_connected(now, secure),
            Input::TransportReceived(data) => {
                if let Some(connection) = self.sip.connection {
                    self.sip.input(now, offhook_sip::Input::Received { connection, data });
                }
            }
            Input::TransportClosed { reason } => self.transport_closed(now, &reason),
            Input::Media { call_id, event } => {
                self.with_session(now, &call_id, |session, ctx| session.on_media(ctx, event));
            }
            Input::Http { .. } | Input::Subscription(_) => self.on_pbx_input(now, input),
            Input::NetworkChanged => self.network_changed(now),
            Input::Timeout => {}
        }
        self.settle_down(now);
    }

    /// Says what devices there are; until then, they are taken to be there.
    pub fn set_devices(&mut self, devices: Devices) {
        self.devices = devices;
    }

    // --- inside ---

    /// Runs what became due and works off what the SIP agent gave out. Ends every mutation.
    fn settle_down(&mut self, now: Now) {
        self.run_timers(now);
        loop {
            self.work_off(now);
            self.update_conference(now);
            if !self.settle_pbx(now) {
                break;
            }
        }
        self.stirred = true;
    }

    fn work_off(&mut self, now: Now) {
        loop {
            if let Some(output) = self.sip.next_output() {
                self.on_sip_output(now, output);
                self.sweep(now);
            } else if let Some((command, result)) = self.out.own_results.pop_front() {
                self.on_own_result(now, command, result);
            } else if !self.next_effect(now) {
                self.sweep(now);
                self.look_up_new_numbers(now);
                if self.sip.is_worked_off() && self.out.own_results.is_empty() {
                    break;
                }
            }
        }
    }

    fn run_timers(&mut self, now: Now) {
        if self.sip.timeout().is_some_and(|at| at <= now.mono) {
            self.sip.input(now, offhook_sip::Input::Timeout);
        }
        self.link_on_time(now);
        if let Some(pbx) = &mut self.pbx {
            pbx.on_time(now.mono, &mut self.out);
        }
        let due: Vec<CallId> = self
            .sessions
            .iter()
            .filter(|session| session.next_timeout().is_some_and(|at| at <= now.mono))
            .map(|session| session.call_id().clone())
            .collect();
        for call_id in due {
            self.with_session(now, &call_id, |session, ctx| session.on_time(ctx));
        }
    }

    /// Forgets the calls that are over.
    fn sweep(&mut self, now: Now) {
        let replaced = |session: &mut Session| Some((session.take_replaced()?, session.call_id().clone()));
        for (replaced, by) in self.sessions.iter_mut().filter_map(replaced).collect::<Vec<_>>() {
            self.replace_in_conference(&replaced, &by);
            self.with_session(now, &replaced, |session, ctx| session.hang_up(ctx, TerminateType::Terminate));
        }
        self.take_back(now);
        // Ending one can end another: a consultation call goes with its parent.
        while let Some(at) = self.sessions.iter().position(Session::is_finished) {
            let gone = self.sessions.remove(at);
            self.leave_current(gone.call_id(), gone.takes_back_to());
            self.after_the_end(now, gone.call_id(), gone.is_transferred());
            self.calls_ended(now);
        }
    }

    /// A command that the phone gave itself is over.
    fn on_own_result(&mut self, now: Now, command: CommandId, result: Result<(), PhoneError>) {
        for call_id in self.call_ids(|session| session.sends_feature_code(command)) {
            self.with_session(now, &call_id, |session, ctx| session.on_feature_code_sent(ctx, &result));
        }
        if let Some(pbx) = &mut self.pbx {
            pbx.on_own_result(command);
        }
        self.on_conference_result(command, result);
    }

    fn next_timeout(&self) -> Option<Millis> {
        let sessions = self.sessions.iter().filter_map(Session::next_timeout).min();
        let pbx = self.pbx.as_ref().and_then(|pbx| pbx.timeout());
        [self.sip.timeout(), self.link.timeout(), sessions, pbx].into_iter().flatten().min()
    }

    fn command(&mut self) -> CommandId {
        self.commands += 1;
        CommandId(self.commands)
    }

    fn event(&mut self, event: PhoneEvent) {
        self.out.event(event);
    }

    /// Lends a call what it needs to act.
    fn with_session<R>(
        &mut self,
        now: Now,
        call_id: &CallId,
        act: impl FnOnce(&mut Session, &mut Ctx<'_>) -> R,
    ) -> Option<R> {
        let Self { config, sip, out, requests, sessions, .. } = self;
        let session = sessions.iter_mut().find(|session| session.call_id() == call_id && !session.is_finished())?;
        Some(act(session, &mut Ctx { now, config, sip, out, requests }))
    }

    fn with_call<R>(&mut self, now: Now, key: CallKey, act: impl FnOnce(&mut Session, &mut Ctx<'_>) -> R) -> Option<R> {
        let call_id = self.sessions.iter().find(|session| session.key() == Some(key))?.call_id().clone();
        self.with_session(now, &call_id, act)
    }

    fn call_ids(&self, of: impl Fn(&Session) -> bool) -> Vec<CallId> {
        self.sessions.iter().filter(|session| of(session)).map(|session| session.call_id().clone()).collect()
    }
}

impl Machine for Phone {
    type Output = Output;

    fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.out.queue.pop_front() {
            return Some(output);
        }
        if std::mem::take(&mut self.stirred) {
            return self.next_timeout().map(Output::Timeout);
        }
        None
    }
}

fn random_contact(random: &mut Random) -> Option<Uri> {
    let uri = Uri::sip(&random.token(8), &format!("{}.invalid", random.token(12))).ok()?;
    uri.with_param("transport", Some("ws")).ok()
}
