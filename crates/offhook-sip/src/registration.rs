//! Registrations (RFC 3261 §10): one binding each, made, kept fresh, moved to a new connection and taken away.

use std::sync::Arc;

use crate::Millis;
use crate::agent::{Agent, Fault, Owner, TimerKey};
use crate::auth::Credentials;
use crate::command::Register;
use crate::compose::{self, RequestParts};
use crate::error::CommandError;
use crate::event::{ConnectionId, Event, RegistrationFailure, RegistrationId};
use crate::header::HeaderField;
use crate::message::{HeadersExt as _, Method, Response};

/// A registrar's minimum above this is refused: a week.
const MAX_EXPIRES_S: u32 = 7 * 24 * 3600;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RegistrationTimer {
    Refresh,
}

#[derive(Debug)]
pub(crate) struct RegistrationState {
    register: Register,
    credentials: Option<Arc<Credentials>>,
    connection: ConnectionId,
    call_id: String,
    tag: String,
    cseq: u32,
    expires_s: u32,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A REGISTER is under way.
    Registering,
    Registered,
    /// As Registering; take the binding away as soon as it is answered.
    RegisteringThenUnregister,
    Unregistering,
    /// Failed; waits for a reregister.
    Failed,
}

impl RegistrationState {
    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.cseq += 1;
        self.cseq
    }
}

impl Agent {
    /// Registers, and keeps the registration fresh, until [`unregister`](Self::unregister) or a failure.
    ///
    /// # Errors
    /// [`CommandError::UnknownConnection`].
    pub fn register(
        &mut self,
        now: Millis,
        connection: ConnectionId,
        register: Register,
    ) -> Result<RegistrationId, CommandError> {
        self.begin(now);
        if !self.is_up(connection) {
            return Err(CommandError::UnknownConnection);
        }
        let id = RegistrationId(self.new_id());
        let state = RegistrationState {
            credentials: register.credentials.clone().map(Arc::new),
            connection,
            call_id: self.rng.token(22),
            tag: self.rng.token(12),
            cseq: 0,
            expires_s: register.expires_s,
            stage: Stage::Registering,
            register,
        };
        self.registrations.insert(id, state);
        self.send_register(id);
        self.fire_due();
        Ok(id)
    }

    /// Registers the same binding again: on another connection, with other credentials (`None`: those it had), or after
    /// a failure.
    ///
    /// # Errors
    /// [`CommandError::UnknownRegistration`], [`CommandError::UnknownConnection`];
    /// [`CommandError::WrongState`] while it is being taken away.
    pub fn reregister(
        &mut self,
        now: Millis,
        registration: RegistrationId,
        connection: ConnectionId,
        credentials: Option<Credentials>,
    ) -> Result<(), CommandError> {
        self.begin(now);
        if !self.is_up(connection) {
            return Err(CommandError::UnknownConnection);
        }
        let state = self.registrations.get_mut(&registration).ok_or(CommandError::UnknownRegistration)?;
        if matches!(state.stage, Stage::Unregistering | Stage::RegisteringThenUnregister) {
            return Err(CommandError::WrongState { command: "reregister", state: "being unregistered" });
        }
        if let Some(credentials) = credentials {
            state.credentials = Some(Arc::new(credentials));
        }
        state.connection = connection;
        state.stage = Stage::Registering;
        self.timers.clear(TimerKey::Registration(registration, RegistrationTimer::Refresh));
        self.disown_registers(registration);
        self.send_register(registration);
        self.fire_due();
        Ok(())
    }

    /// Takes the binding away (REGISTER with Expires 0) and forgets it:
    /// [`Event::Unregistered`](crate::Event::Unregistered) follows always.
    ///
    /// # Errors
    /// [`CommandError::UnknownRegistration`].
    pub fn unregister(&mut self, now: Millis, registration: RegistrationId) -> Result<(), CommandError> {
        self.begin(now);
        let state = self.registrations.get_mut(&registration).ok_or(CommandError::UnknownRegistration)?;
        match state.stage {
            Stage::Registering => state.stage = Stage::RegisteringThenUnregister,
            Stage::Unregistering | Stage::RegisteringThenUnregister => {}
            Stage::Failed => self.unregistered(registration),
            Stage::Registered => self.send_unregister(registration),
        }
        self.fire_due();
        Ok(())
    }

    pub(crate) fn registration_response(&mut self, id: RegistrationId, response: Response) {
        let Some(state) = self.registrations.get_mut(&id) else { return };
        if response.status.is_provisional() {
            return;
        }
        let status = response.status.code();
        match (state.stage, status) {
            (Stage::Unregistering, _) => self.unregistered(id),
            (Stage::RegisteringThenUnregister, 200..=299) => self.send_unregister(id),
            (Stage::RegisteringThenUnregister, _) => self.unregistered(id),
            (_, 200..=299) => self.registered(id, response),
            (_, 423) => {
                let minimum = response.headers.number("Min-Expires").unwrap_or(0);
                if minimum > state.expires_s && minimum <= MAX_EXPIRES_S {
                    state.expires_s = minimum;
                    self.send_register(id);
                } else {
                    self.registration_refused(id, &response);
                }
            }
            _ => self.registration_refused(id, &response),
        }
    }

    pub(crate) fn registration_fault(&mut self, id: RegistrationId, fault: Fault) {
        let Some(state) = self.registrations.get(&id) else { return };
        match state.stage {
            Stage::Unregistering | Stage::RegisteringThenUnregister => self.unregistered(id),
            _ => self.registration_failed(
                id,
                match fault {
                    Fault::Timeout => RegistrationFailure::Timeout,
                    Fault::ConnectionLost => RegistrationFailure::ConnectionLost,
                },
            ),
        }
    }

    /// A connection is gone: a binding that was fresh on it is of no use any more. (Those with a REGISTER under way
    /// were told by their transaction.)
    pub(crate) fn registrations_lost(&mut self, connection: ConnectionId) {
        let lost: Vec<RegistrationId> = self
            .registrations
            .iter()
            .filter(|(_, state)| state.connection == connection && state.stage == Stage::Registered)
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.registration_failed(id, RegistrationFailure::ConnectionLost);
        }
    }

    pub(crate) fn registration_timer(&mut self, id: RegistrationId, timer: RegistrationTimer) {
        match timer {
            RegistrationTimer::Refresh => {
                // §10.2: no second REGISTER before the first is answered, and none against what was decided meanwhile.
                if let Some(state) = self.registrations.get_mut(&id).filter(|state| state.stage == Stage::Registered) {
                    state.stage = Stage::Registering;
                    self.send_register(id);
                }
            }
        }
    }

    fn registered(&mut self, id: RegistrationId, response: Response) {
        let jitter = self.rng.below(100);
        let Some(state) = self.registrations.get_mut(&id) else { return };
        state.stage = Stage::Registered;
        // §10.2.4: the registrar may have shortened it, in our Contact's parameter or in Expires.
        let ours = state.register.contact.uri();
        let granted = response
            .headers
            .addresses("Contact")
            .iter()
            .find(|contact| contact.uri().same_place(ours))
            .and_then(|contact| contact.param("expires")?.parse().ok())
            .or_else(|| response.headers.number("Expires"))
            .unwrap_or(state.expires_s)
            .min(MAX_EXPIRES_S);
        // Refreshed after 80 to 90 % of the time, so that a thousand phones that came back together do not stay together,
        // and no sooner than a second from now, whatever the registrar says.
        let after = (u64::from(granted) * (800 + jitter)).max(1_000);
        self.timers.set(TimerKey::Registration(id, RegistrationTimer::Refresh), self.now + after);
        self.event(Event::Registered { registration: id, expires_s: granted, response: Box::new(response) });
    }

    fn registration_refused(&mut self, id: RegistrationId, response: &Response) {
        let failure = RegistrationFailure::Refused {
            status: response.status.code(),
            reason: String::from_utf8_lossy(&response.reason).into_owned(),
            retry_after_s: response.headers.number("Retry-After"),
        };
        self.registration_failed(id, failure);
    }

    fn registration_failed(&mut self, id: RegistrationId, failure: RegistrationFailure) {
        if let Some(state) = self.registrations.get_mut(&id) {
            state.stage = Stage::Failed;
            self.timers.clear(TimerKey::Registration(id, RegistrationTimer::Refresh));
            self.event(Event::RegistrationFailed { registration: id, failure });
        }
    }

    fn unregistered(&mut self, id: RegistrationId) {
        self.registrations.remove(&id);
        self.timers.clear(TimerKey::Registration(id, RegistrationTimer::Refresh));
        self.disown_registers(id);
        self.event(Event::Unregistered { registration: id });
    }

    fn send_unregister(&mut self, id: RegistrationId) {
        if let Some(state) = self.registrations.get_mut(&id) {
            state.stage = Stage::Unregistering;
            state.expires_s = 0;
            self.timers.clear(TimerKey::Registration(id, RegistrationTimer::Refresh));
            self.send_register(id);
        }
    }

    fn send_register(&mut self, id: RegistrationId) {
        let Some(state) = self.registrations.get_mut(&id) else { return };
        let cseq = state.next_cseq();
        let parts = RequestParts {
            method: Method::Register,
            uri: &state.register.registrar,
            from: state.register.aor.clone().with_tag(&state.tag).to_string(),
            to: state.register.aor.to_string(),
            call_id: &state.call_id,
            cseq,
            contact: Some(format!("{};expires={}", state.register.contact, state.expires_s)),
            route: &[],
        };
        let mut fields = state.register.headers.clone();
        fields.extend(HeaderField::new("Expires", &state.expires_s.to_string()));
        fields.extend(HeaderField::new("Allow", compose::ALLOW));
        // Without it a registrar refuses what an edge proxy has put its Path on (RFC 3327 §5.3).
        fields.extend(HeaderField::new("Supported", "path"));
        let request = compose::request(parts, &self.config.user_agent, &fields, None);
        let (connection, credentials) = (state.connection, state.credentials.clone());
        if self.send_request(connection, request, Owner::Registration(id), credentials).is_none() {
            self.registration_fault(id, Fault::ConnectionLost);
        }
    }

    /// A REGISTER that is overtaken by a newer one must not decide anything any more.
    fn disown_registers(&mut self, id: RegistrationId) {
        for client in self.clients.values_mut().filter(|client| client.owner == Owner::Registration(id)) {
            client.owner = Owner::Nobody;
        }
    }
}
