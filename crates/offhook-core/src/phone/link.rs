//! The connection to the server and the registration on it: made, kept, and made again.

use offhook_sip::{
    ConnectionId, ConnectionKind, Credentials, Farewell, HeaderField, Input as SipInput, Millis, NameAddr, Register,
    RegistrationFailure, RegistrationId,
};

use super::Phone;
use crate::cause::Cause;
use crate::error::PhoneError;
use crate::events::PhoneEvent;
use crate::io::{CloseReason, CommandId, Now, Output};
use crate::pbx::PbxError;
use crate::status::TerminateType;

/// How long hanging up and unregistering may take when the phone is stopped, milliseconds.
const STOP_MS: Millis = 3_000;
/// A BYE is worth delivering for so long: the usual interval after which the far end notices by itself (RFC 4028 §4.2), milliseconds.
const FAREWELL_MS: Millis = 1_800_000;
/// And so many are kept.
const MOST_FAREWELLS: usize = 64;
/// How long closing the connection may take after that.
const CLOSE_MS: Millis = 2_000;

/// The connection and the registration.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// The phone was started and not stopped.
    wanted: bool,
    transport: Transport,
    connections: u64,
    registration: Option<RegistrationId>,
    registered: bool,
    /// A REGISTER waits for its answer.
    registering: bool,
    /// The register info was fetched again since it was last registered.
    refetched: bool,
    /// Since it was last registered.
    attempts: u32,
    /// When to connect or register again.
    retry: Option<Millis>,
    /// Wait for the registration.
    starting: Vec<CommandId>,
    stopping: Option<Stopping>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Transport {
    #[default]
    Closed,
    Connecting,
    Open,
    Closing,
}

#[derive(Debug)]
struct Stopping {
    commands: Vec<CommandId>,
    /// The server is being told that we are gone.
    unregistering: bool,
    deadline: Millis,
}

impl Link {
    pub(super) fn is_registered(&self) -> bool {
        self.registered
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    pub(super) fn timeout(&self) -> Option<Millis> {
        let stopping = self.stopping.as_ref().map(|stopping| stopping.deadline);
        [self.retry, stopping].into_iter().flatten().min()
    }
}

impl Phone {
    /// Connects and registers, and stays so until [`disconnect`](Self::disconnect): what is lost is made again. Settled with
    /// the first registration, or with the first failure (the attempts go on all the same).
    ///
    /// # Errors
    /// [`PhoneError::WrongState`] when it is started already, or still stopping; [`PhoneError::Stopped`] when its PBX is
    /// destroyed. Later: [`PhoneError::Transport`],
    /// [`PhoneError::Registration`].
    pub fn start(&mut self, now: Now) -> Result<CommandId, PhoneError> {
        if self.pbx.as_ref().is_some_and(|pbx| pbx.is_destroyed()) {
            return Err(PhoneError::Stopped);
        }
        if self.link.wanted || self.link.stopping.is_some() {
            return Err(PhoneError::WrongState { command: "start", state: "the phone is started, or stopping" });
        }
        let command = self.command();
        self.link.wanted = true;
        self.link.refetched = false;
        self.link.attempts = 0;
        self.link.starting.push(command);
        self.begin(now);
        self.settle_down(now);
        Ok(command)
    }

    /// Registers again at once, with other credentials if given. Settled as [`start`](Self::start) is.
    ///
    /// # Errors
    /// [`PhoneError::WrongState`] when it is not started.
    pub fn reregister(&mut self, now: Now, credentials: Option<Credentials>) -> Result<CommandId, PhoneError> {
        if !self.link.wanted {
            return Err(PhoneError::WrongState { command: "reregister", state: "the phone is not started" });
        }
        if let Some(credentials) = credentials {
            self.config.credentials = Some(credentials);
        }
        self.link.refetched = false;
        let command = self.command();
        self.link.attempts = 0;
        self.link.starting.push(command);
        self.link.retry = None;
        self.begin(now);
        self.settle_down(now);
        Ok(command)
    }

    /// Hangs up every call, unregisters and closes the connection, in at most 5 s. Settled when it is closed.
    pub fn disconnect(&mut self, now: Now) -> CommandId {
        let command = self.command();
        self.stop(now, command);
        self.settle_down(now);
        self.stop_if_idle(now);
        if !self.out.own_results.is_empty() {
            self.settle_down(now);
        }
        command
    }

    pub(super) fn stop(&mut self, now: Now, command: CommandId) {
        self.link.wanted = false;
        self.link.retry = None;
        // The agent tells no more of a REGISTER under way than that it is unregistered.
        self.link.registering = false;
        for start in std::mem::take(&mut self.link.starting) {
            self.out.settle(start, Err(PhoneError::Stopped));
        }
        for call_id in self.call_ids(|session| !session.is_ending()) {
            let hangup = |session: &mut crate::Session, ctx: &mut crate::session::Ctx<'_>| {
                session.end(ctx, crate::session::Ending::by_user(TerminateType::Terminate), None);
            };
            self.with_session(now, &call_id, hangup);
        }
        if let Some(stopping) = &mut self.link.stopping {
            stopping.commands.push(command);
        } else {
            let open = self.link.transport == Transport::Open;
            // One that failed, or whose connection is gone, is forgotten at once.
            let registration = self.link.registration.take();
            let asked = registration
                .is_some_and(|registration| self.sip.run(|agent| agent.unregister(now.mono, registration)).is_ok());
            let unregistering = asked && open;
            let deadline = now.mono + STOP_MS;
            self.link.stopping = Some(Stopping { commands: vec![command], unregistering, deadline });
        }
    }

    // --- the connection ---

    pub(super) fn transport_connected(&mut self, now: Now, secure: bool) {
        if self.link.transport != Transport::Connecting {
            return;
        }
        self.link.transport = Transport::Open;
        self.link.connections += 1;
        let connection = ConnectionId(self.link.connections);
        self.sip.connection = Some(connection);
        self.sip.input(now, SipInput::Connected { connection, kind: ConnectionKind::Client { secure } });
        self.event(PhoneEvent::Connected);
        if self.link.wanted {
            self.register(now);
        }
    }

    pub(super) fn transport_closed(&mut self, now: Now, reason: &CloseReason) {
        if self.link.transport == Transport::Closed {
            return;
        }
        self.link.transport = Transport::Closed;
        if let Some(connection) = self.sip.connection.take() {
            self.sip.input(now, SipInput::Disconnected { connection });
        }
        self.event(PhoneEvent::Disconnected { reason: reason.to_string() });
        self.set_registered(false);
        for call_id in self.call_ids(|_| true) {
            self.with_session(now, &call_id, |session, ctx| session.on_signalling_lost(ctx));
        }
        if self.link.wanted {
            let error = match reason {
                CloseReason::Failed(error) => PhoneError::Transport(error.clone()),
                _ => PhoneError::NotConnected,
            };
            // A REGISTER on its way fails with the connection: the agent tells, and it is told as such.
            if !self.link.registering {
                self.settle_starting(&Err(error));
            }
            self.schedule_retry(now);
        }
        self.finish_stopping();
    }

    /// Waiting was for a network that was there no more.
    pub(super) fn network_changed(&mut self, now: Now) {
        if self.link.transport == Transport::Closed && self.link.retry.take().is_some() {
            self.connect();
        } else if self.link.retry.is_some() {
            self.link.retry = Some(now.mono);
        }
    }

    /// Closes the connection from this side.
    pub(super) fn drop_link(&mut self) {
        if matches!(self.link.transport, Transport::Open | Transport::Connecting) {
            self.link.transport = Transport::Closing;
            self.out.push(Output::Disconnect);
        }
    }

    /// Goes on from where the connection is.
    fn begin(&mut self, now: Now) {
        match self.link.transport {
            Transport::Open => self.register(now),
            Transport::Closed => self.connect(),
            Transport::Connecting | Transport::Closing => {}
        }
    }

    fn connect(&mut self) {
        if self.link.transport == Transport::Closed {
            self.link.transport = Transport::Connecting;
            self.out.push(Output::Connect);
        }
    }

    // --- the registration ---

    fn register(&mut self, now: Now) {
        let Some(connection) = self.sip.connection else { return };
        self.link.retry = None;
        let credentials = self.config.credentials.clone();
        let known = self.link.registration;
        let again = known.map(|registration| {
            self.sip.run(|agent| agent.reregister(now.mono, registration, connection, credentials.clone()))
        });
        let result = match again {
            Some(Ok(())) => Ok(()),
            _ => {
                let register = self.registration();
                self.sip
                    .run(|agent| agent.register(now.mono, connection, register))
                    .map(|registration| self.link.registration = Some(registration))
            }
        };
        match result {
            Ok(()) => self.link.registering = true,
            Err(error) => {
                tracing::error!(%error, "the SIP agent refused to register");
                self.settle_starting(&Err(error.into()));
            }
        }
    }

    fn registration(&self) -> Register {
        let config = &self.config;
        let mut contact = self.sip.contact.clone();
        if let Some(instance) = &config.instance {
            // RFC 5626 §4.2. A value that cannot be put there is left out: the registration works without.
            let with_instance = contact
                .clone()
                .with_param("+sip.instance", Some(&format!("\"<{instance}>\"")))
                .and_then(|contact| contact.with_param("reg-id", Some("1")));
            contact = with_instance.unwrap_or(contact);
        }
        let mut aor = NameAddr::new(config.aor.uri().clone());
        if let Some(name) = config.aor.display() {
            aor = aor.with_display(name);
        }
        let headers = config.register_headers.iter().filter_map(|line| {
            HeaderField::parse(line).inspect_err(|error| tracing::error!(%error, "a header for REGISTER")).ok()
        });
        Register {
            registrar: config.registrar.clone(),
            aor,
            contact,
            expires_s: config.register_expires_s,
            credentials: config.credentials.clone(),
            headers: headers.collect(),
        }
    }

    pub(super) fn on_registered(&mut self, now: Now) {
        if !self.link.wanted {
            return;
        }
        self.link.registering = false;
        self.link.refetched = false;
        self.link.attempts = 0;
        self.event(PhoneEvent::Registered);
        self.set_registered(true);
        self.settle_starting(&Ok(()));
        self.say_farewells(now);
        for call_id in self.call_ids(|_| true) {
            self.with_session(now, &call_id, |session, ctx| session.on_signalling_back(ctx));
        }
    }

    /// A call ended while there was no connection, or as it was lost: its far end is told on the next one.
    pub(super) fn keep_farewell(&mut self, now: Now, bye: Box<Farewell>) {
        if self.undelivered.len() == MOST_FAREWELLS {
            self.undelivered.pop_front();
        }
        self.undelivered.push_back((now.mono + FAREWELL_MS, bye));
        // The call may have been on an older connection than the present one.
        if self.link.registered {
            self.say_farewells(now);
        }
    }

    fn say_farewells(&mut self, now: Now) {
        let Some(connection) = self.sip.connection else { return };
        for (until, bye) in std::mem::take(&mut self.undelivered) {
            if until > now.mono {
                // There is no error: the connection is open.
                let _ = self.sip.run(|agent| agent.deliver(now.mono, connection, bye));
            }
        }
    }

    pub(super) fn on_registration_failed(&mut self, now: Now, failure: RegistrationFailure) {
        let was_registering = std::mem::take(&mut self.link.registering);
        if !self.link.wanted {
            return;
        }
        let (cause, status, reason, after_s) = match failure {
            RegistrationFailure::Refused { status, reason, retry_after_s } => {
                (Cause::from_status(status), Some(status), reason, retry_after_s)
            }
            RegistrationFailure::Timeout => (Cause::RequestTimeout, None, String::new(), None),
            _ => (Cause::ConnectionError, None, String::new(), None),
        };
        self.set_registered(false);
        if cause == Cause::ConnectionError {
            // The connection's own loss arranges for the next attempt.
            if was_registering {
                self.event(PhoneEvent::RegistrationFailed { cause, status_code: None, code: -201 });
                self.settle_starting(&Err(PhoneError::Registration { cause, status, reason }));
            }
            return;
        }
        // The PBX may have another password for us. What waits for the registration goes on waiting.
        if cause == Cause::AuthenticationError
            && !self.link.refetched
            && let Some(pbx) = &mut self.pbx
        {
            self.link.refetched = true;
            pbx.fetch_register_info(now.mono, &mut self.out);
            self.event(PhoneEvent::RegistrationFailed { cause, status_code: status, code: -201 });
            return;
        }
        let temporary =
            matches!(cause, Cause::RequestTimeout | Cause::Rejected) || matches!(status, Some(408 | 480 | 500..=599));
        let used_up = temporary && !self.may_retry();
        let code = if used_up { -204 } else { -201 };
        self.link.wanted &= !used_up;
        self.event(PhoneEvent::RegistrationFailed { cause, status_code: status, code });
        self.settle_starting(&Err(PhoneError::Registration { cause, status, reason }));
        if used_up || !temporary {
            return;
        }
        if cause == Cause::RequestTimeout && status.is_none() {
            // Nobody may be there any more, and the system not know it yet: a failed flow is replaced by another
            // (RFC 5626 §4.5). Its end arranges for the next attempt.
            self.drop_link();
        } else {
            let delay_ms = self.next_delay().max(u64::from(after_s.unwrap_or(0).min(3_600)) * 1_000);
            self.retry_in(now, delay_ms);
        }
    }

    /// The PBX has other credentials for us.
    pub(super) fn on_new_credentials(&mut self, now: Now, credentials: Credentials) {
        self.config.credentials = Some(credentials);
        if self.link.wanted {
            self.link.attempts = 0;
            self.link.refetched = false;
            self.link.retry = None;
            self.begin(now);
        }
    }

    /// The register info was fetched because the registration was refused.
    pub(super) fn register_once_more(&mut self, now: Now, credentials: Credentials) {
        self.config.credentials = Some(credentials);
        if self.link.wanted && !self.link.registering {
            self.begin(now);
        }
    }

    /// The register info cannot be had: it is tried again as a whole, as after a lost connection.
    pub(super) fn register_info_failed(&mut self, now: Now, error: &PbxError) {
        if !self.link.wanted || self.link.registering {
            return;
        }
        self.link.refetched = false;
        let (cause, reason) = (Cause::AuthenticationError, error.to_string());
        self.settle_starting(&Err(PhoneError::Registration { cause, status: None, reason }));
        self.schedule_retry(now);
    }

    pub(super) fn on_unregistered(&mut self, now: Now) {
        if let Some(stopping) = &mut self.link.stopping {
            stopping.unregistering = false;
        }
        self.set_registered(false);
        self.stop_if_idle(now);
    }

    fn set_registered(&mut self, registered: bool) {
        if std::mem::replace(&mut self.link.registered, registered) != registered {
            self.event(PhoneEvent::IsRegisteredChange { is_registered: registered });
        }
    }

    fn settle_starting(&mut self, result: &Result<(), PhoneError>) {
        for command in std::mem::take(&mut self.link.starting) {
            self.out.settle(command, result.clone());
        }
    }

    // --- again ---

    fn may_retry(&self) -> bool {
        self.config.reconnect.max_attempts.is_none_or(|max| self.link.attempts < max)
    }

    /// After the connection was lost.
    fn schedule_retry(&mut self, now: Now) {
        if self.may_retry() {
            let delay_ms = self.next_delay();
            self.retry_in(now, delay_ms);
        } else {
            self.link.wanted = false;
            let (cause, status_code) = (Cause::ConnectionError, None);
            self.event(PhoneEvent::RegistrationFailed { cause, status_code, code: -204 });
            let attempts = self.link.attempts;
            self.settle_starting(&Err(PhoneError::AttemptsUsedUp { attempts }));
        }
    }

    fn next_delay(&mut self) -> Millis {
        let policy = self.config.reconnect;
        let doubled = policy.first_ms.saturating_mul(1_u64.checked_shl(self.link.attempts).unwrap_or(u64::MAX));
        self.random.jitter(doubled.min(policy.max_ms))
    }

    fn retry_in(&mut self, now: Now, delay_ms: Millis) {
        self.link.attempts = self.link.attempts.saturating_add(1).min(1_000_000);
        self.link.retry = Some(now.mono + delay_ms);
        let attempt = self.link.attempts;
        self.event(PhoneEvent::Reconnecting { attempt, delay_ms });
    }

    pub(super) fn link_on_time(&mut self, now: Now) {
        if self.link.retry.is_some_and(|at| at <= now.mono) {
            self.link.retry = None;
            self.begin(now);
        }
        let Some(stopping) = &mut self.link.stopping else { return };
        if stopping.deadline > now.mono {
            return;
        }
        if self.link.transport == Transport::Closing {
            // The driver owes us the close; nobody waits for it any longer.
            self.finish_stopping();
        } else {
            stopping.unregistering = false;
            self.close_for_good(now);
        }
    }

    // --- stopping ---

    pub(super) fn calls_ended(&mut self, now: Now) {
        self.stop_if_idle(now);
    }

    /// Closes the connection as soon as nothing needs it any more.
    pub(super) fn stop_if_idle(&mut self, now: Now) {
        let idle = self.sessions.is_empty();
        if self.link.stopping.as_ref().is_some_and(|stopping| !stopping.unregistering && idle) {
            self.close_for_good(now);
        }
    }

    fn close_for_good(&mut self, now: Now) {
        if self.link.transport == Transport::Closed {
            self.finish_stopping();
            return;
        }
        if let (Some(stopping), Transport::Open | Transport::Connecting) =
            (&mut self.link.stopping, self.link.transport)
        {
            stopping.deadline = now.mono + CLOSE_MS;
        }
        self.drop_link();
    }

    fn finish_stopping(&mut self) {
        let Some(stopping) = self.link.stopping.take() else { return };
        for command in stopping.commands {
            self.out.settle(command, Ok(()));
        }
    }
}
