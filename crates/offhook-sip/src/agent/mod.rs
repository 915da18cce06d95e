//! The user agent: routes inputs to transactions, calls and registrations, and collects what they want done.

mod command;
mod inbound;
mod outbound;

pub(crate) use outbound::Fault;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sipx_sip::{Timer, Timers, TransactionKey, TransactionLayer};

use crate::Millis;
use crate::auth::Credentials;
use crate::call::{Call, CallTimer, CallView};
use crate::config::{AgentConfig, KeepAlive};
use crate::connection::{Connection, ConnectionKind, Frame, classify};
use crate::driven::Machine;
use crate::event::{CallKey, ConnectionId, DropReason, Event, Input, Output, RegistrationId, RequestId, TransactionId};
use crate::message::Request;
use crate::registration::{RegistrationState, RegistrationTimer};
use crate::rng::Rng;
use crate::sorted::SortedMap;
use crate::timer::TimerQueue;

/// How much an agent holds: for tests that nothing leaks, and for a server's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Open connections.
    pub connections: usize,
    /// Calls not over.
    pub calls: usize,
    /// Registrations kept.
    pub registrations: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Server transactions.
    pub server_transactions: usize,
    /// Timers set.
    pub timers: usize,
}

/// A SIP user agent. See the [crate's page](crate) for how to drive it.
#[derive(Debug)]
pub struct Agent {
    pub(crate) config: AgentConfig,
    pub(crate) via_host: String,
    pub(crate) rng: Rng,
    pub(crate) now: Millis,
    outputs: VecDeque<Output>,
    /// Whether [`Output::Timeout`] is still owed in this drain.
    timeout_due: bool,
    pub(crate) timers: TimerQueue<TimerKey>,
    pub(crate) connections: SortedMap<ConnectionId, Connection>,
    pub(crate) clients: SortedMap<TxId, ClientTx>,
    pub(crate) servers: SortedMap<TxId, ServerTx>,
    pub(crate) calls: SortedMap<CallKey, Call>,
    /// By Call-ID and our tag.
    pub(crate) dialogs: SortedMap<(String, String), CallKey>,
    /// Inbound calls by Call-ID and their tag: an INVITE that comes on two paths is one call (RFC 3261 §8.2.2.2).
    pub(crate) inbound: SortedMap<(String, String), CallKey>,
    pub(crate) registrations: SortedMap<RegistrationId, RegistrationState>,
    next_id: u64,
}

/// A transaction's number within this agent.
pub(crate) type TxId = u64;

/// A request of ours under way.
#[derive(Debug)]
pub(crate) struct ClientTx {
    pub(crate) connection: ConnectionId,
    key: TransactionKey,
    pub(crate) owner: Owner,
    pub(crate) request: Request,
    credentials: Option<Arc<Credentials>>,
    /// How often it was sent again with credentials.
    auth_rounds: u8,
}

/// A request of theirs under way.
#[derive(Debug)]
pub(crate) struct ServerTx {
    pub(crate) connection: ConnectionId,
    key: TransactionKey,
    /// It was handed to the transaction user, who owes a response.
    pub(crate) asked: bool,
    /// The call whose (re-)INVITE or UPDATE it is.
    call: Option<CallKey>,
}

/// Who wants the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Registration(RegistrationId),
    /// The INVITE that makes the call.
    Invite(CallKey),
    /// re-INVITE or UPDATE with an offer of the transaction user's.
    Modify(CallKey),
    /// A session refresh by UPDATE.
    Refresh(CallKey),
    Request(RequestId, Option<CallKey>),
    /// Nobody, but it must not get lost: BYE.
    Bye,
    /// Nobody: CANCEL.
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// The transaction and the position of its timer in [`Timer::ALL`].
    Transaction(TxId, u8),
    /// A request that the transaction user never answered.
    Unanswered(TxId),
    /// A request of ours that nobody waits for any more.
    Abandoned(TxId),
    Call(CallKey, CallTimer),
    Registration(RegistrationId, RegistrationTimer),
    KeepAlive(ConnectionId),
    Pong(ConnectionId),
}

impl Agent {
    /// A new one, with no connection.
    #[must_use]
    pub fn new(config: AgentConfig) -> Self {
        let mut rng = Rng::new(config.seed.expose());
        let via_host = config.via_host.clone().unwrap_or_else(|| format!("{}.invalid", rng.token(12)));
        Self {
            config,
            via_host,
            rng,
            now: 0,
            outputs: VecDeque::new(),
            timeout_due: false,
            timers: TimerQueue::new(),
            connections: SortedMap::new(),
            clients: SortedMap::new(),
            servers: SortedMap::new(),
            calls: SortedMap::new(),
            dialogs: SortedMap::new(),
            inbound: SortedMap::new(),
            registrations: SortedMap::new(),
            next_id: 0,
        }
    }

    // --- getters ---

    /// A look at a call; `None` when it is over.
    #[must_use]
    pub fn call(&self, call: CallKey) -> Option<CallView<'_>> {
        self.calls.get(&call)?.view(call)
    }

    /// The calls that are not over, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = CallView<'_>> {
        self.calls.iter().filter_map(|(key, call)| call.view(*key))
    }

    /// Finds a call by its dialog: Call-ID, our tag, their tag (for Replaces, RFC 3891).
    #[must_use]
    pub fn find_dialog(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<CallKey> {
        let key = *self.dialogs.get(&(call_id.to_owned(), local_tag.to_owned()))?;
        let call = self.call(key)?;
        (call.remote_tag == Some(remote_tag)).then_some(key)
    }

    /// How much is held.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            connections: self.connections.len(),
            calls: self.calls.len(),
            registrations: self.registrations.len(),
            client_transactions: self.clients.len(),
            server_transactions: self.servers.len(),
            timers: self.timers.len(),
        }
    }

    // --- input ---

    /// Takes what came from outside.
    pub fn handle_input(&mut self, now: Millis, input: Input) {
        self.begin(now);
        match input {
            Input::Connected { connection, kind } => self.connected(connection, kind),
            Input::Received { connection, data } => self.received(connection, data),
            Input::Disconnected { connection } => self.disconnected(connection),
            Input::Timeout => {}
        }
        self.fire_due();
    }

    /// Every mutation begins with this: what was due before it happens before it.
    pub(crate) fn begin(&mut self, now: Millis) {
        self.now = self.now.max(now);
        self.timeout_due = true;
        self.fire_due();
    }

    fn connected(&mut self, id: ConnectionId, kind: ConnectionKind) {
        if self.connections.contains_key(&id) {
            return;
        }
        let t = self.config.timers;
        let timers = Timers {
            t1: Duration::from_millis(t.t1_ms),
            t2: Duration::from_millis(t.t2_ms),
            t4: Duration::from_millis(t.t4_ms),
        };
        let connection = Connection {
            kind,
            layer: TransactionLayer::new(timers),
            ids: HashMap::new(),
            servers: 0,
            bad_messages: 0,
            pinged_at: None,
            answers_pings: false,
            condemned: false,
        };
        self.connections.insert(id, connection);
        if kind.is_client() {
            self.plan_keep_alive(id);
        }
    }

    fn received(&mut self, id: ConnectionId, data: Bytes) {
        let Some(connection) = self.connections.get_mut(&id).filter(|c| !c.condemned) else { return };
        let frame = classify(data, &self.config.limits);
        if !matches!(frame, Frame::Bad { .. }) {
            connection.bad_messages = 0;
        }
        match frame {
            Frame::Message(message) => self.message(id, *message),
            Frame::Ping => self.transmit(id, Bytes::from_static(b"\r\n")),
            Frame::Pong => {
                if let Some(at) = connection.pinged_at.take() {
                    connection.answers_pings = true;
                    self.timers.clear(TimerKey::Pong(id));
                    let rtt_ms = self.now - at;
                    self.event(Event::KeepAliveAnswered { connection: id, rtt_ms });
                }
            }
            Frame::Ignored => {}
            Frame::Bad { answer, drop } => {
                connection.bad_messages += 1;
                let garbage = connection.bad_messages > self.config.limits.max_bad_messages;
                if let Some((request, status, phrase)) = answer {
                    self.refuse_stateless(id, &request, status, Some(&phrase));
                }
                if let Some(reason) = drop.or(garbage.then_some(DropReason::Garbage)) {
                    self.condemn(id, reason);
                }
            }
        }
    }

    fn disconnected(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        drop(connection);
        self.timers.clear(TimerKey::KeepAlive(id));
        self.timers.clear(TimerKey::Pong(id));
        let servers: Vec<TxId> = self.servers.iter().filter(|(_, tx)| tx.connection == id).map(|(tx, _)| *tx).collect();
        for tx in servers {
            let owner = self.owner_of_server(tx);
            self.forget_server(tx);
            self.server_transaction_lost(tx, owner);
        }
        let clients: Vec<TxId> = self.clients.iter().filter(|(_, tx)| tx.connection == id).map(|(tx, _)| *tx).collect();
        for tx in clients {
            if let Some(client) = self.forget_client(tx) {
                self.client_failed(tx, &client, Fault::ConnectionLost);
            }
        }
        self.registrations_lost(id);
        self.forget_told(id);
    }

    // --- time ---

    pub(crate) fn fire_due(&mut self) {
        while let Some(key) = self.timers.pop_due(self.now) {
            match key {
                TimerKey::Transaction(tx, index) => self.transaction_timer(tx, index),
                TimerKey::Unanswered(tx) => self.unanswered(tx),
                TimerKey::Abandoned(tx) => drop(self.forget_client(tx)),
                TimerKey::Call(call, timer) => self.call_timer(call, timer),
                TimerKey::Registration(registration, timer) => self.registration_timer(registration, timer),
                TimerKey::KeepAlive(id) => self.keep_alive(id),
                TimerKey::Pong(id) => {
                    // A server that never answered one may not know CRLF keep-alives: only silence after an answer tells.
                    if self.connections.get(&id).is_some_and(|c| c.answers_pings && c.pinged_at.is_some()) {
                        self.condemn(id, DropReason::KeepAliveTimeout);
                    }
                }
            }
        }
    }

    fn plan_keep_alive(&mut self, id: ConnectionId) {
        let interval = match self.config.keep_alive {
            KeepAlive::Off => return,
            KeepAlive::Crlf { interval_ms, .. } | KeepAlive::Heartbeat { interval_ms } => interval_ms.max(1_000),
        };
        self.timers.set(TimerKey::KeepAlive(id), self.now + interval);
    }

    fn keep_alive(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id).filter(|c| !c.condemned) else { return };
        match self.config.keep_alive {
            KeepAlive::Off => return,
            KeepAlive::Heartbeat { .. } => self.transmit(id, Bytes::from_static(b"heartbeat")),
            KeepAlive::Crlf { timeout_ms, .. } => {
                if connection.pinged_at.is_none() || !connection.answers_pings {
                    connection.pinged_at = Some(now);
                    self.timers.set(TimerKey::Pong(id), now + timeout_ms);
                }
                self.transmit(id, Bytes::from_static(b"\r\n\r\n"));
            }
        }
        self.plan_keep_alive(id);
    }

    // --- output ---

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn transmit(&mut self, connection: ConnectionId, data: Bytes) {
        if self.connections.contains_key(&connection) {
            self.outputs.push_back(Output::Transmit { connection, data });
        }
    }

    fn condemn(&mut self, id: ConnectionId, reason: DropReason) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.condemned = true;
            self.outputs.push_back(Output::Disconnect { connection: id, reason });
        }
    }

    pub(crate) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A connection that can be sent on.
    pub(crate) fn is_up(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|c| !c.condemned)
    }
}

impl Machine for Agent {
    type Output = Output;

    /// The next thing to do; [`Output::Timeout`] is the last before `None`.
    fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if !std::mem::take(&mut self.timeout_due) {
            return None;
        }
        self.timers.next_deadline().map(Output::Timeout)
    }
}

/// The position of a timer in [`Timer::ALL`].
pub(crate) fn timer_index(timer: Timer) -> u8 {
    Timer::ALL.iter().position(|t| *t == timer).and_then(|i| u8::try_from(i).ok()).unwrap_or(u8::MAX)
}

/// The public number of a server transaction.
pub(crate) fn transaction_id(tx: TxId) -> TransactionId {
    TransactionId(tx)
}
