//! Requests of ours: sending, authenticating, and giving the outcome to whoever wants it.

use std::sync::Arc;

use sipx_sip::transaction::Output as TxOutput;
use sipx_sip::{Reliability, Timer, TuEvent};

use super::{Agent, ClientTx, Owner, TimerKey, TxId, timer_index};
use crate::auth::{Credentials, authorize};
use crate::compose;
use crate::dialog::cseq;
use crate::event::{ConnectionId, Event, Farewell, RequestOutcome};
use crate::message::{Method, Request, Response};

/// Times that one request is sent again with credentials: a proxy's and a registrar's challenge, and a stale nonce of each.
const MAX_AUTH_ROUNDS: u8 = 4;

/// Why a request has no final response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Timeout,
    ConnectionLost,
}

impl Agent {
    /// Sends a request in a new transaction. `None` when the connection is gone.
    pub(crate) fn send_request(
        &mut self,
        connection: ConnectionId,
        request: Request,
        owner: Owner,
        credentials: Option<Arc<Credentials>>,
    ) -> Option<TxId> {
        self.send_round(connection, request, owner, credentials, 0)
    }

    fn send_round(
        &mut self,
        id: ConnectionId,
        mut request: Request,
        owner: Owner,
        credentials: Option<Arc<Credentials>>,
        auth_rounds: u8,
    ) -> Option<TxId> {
        if !self.is_up(id) {
            return None;
        }
        let branch = self.rng.token(16);
        let kind = self.connections.get(&id)?.kind;
        compose::stamp_via(&mut request, kind.via_transport(), &self.via_host, &branch);
        self.send_stamped(id, request, owner, credentials, auth_rounds)
    }

    /// Sends a request that has its Via already (a CANCEL has its INVITE's).
    pub(crate) fn send_stamped(
        &mut self,
        id: ConnectionId,
        request: Request,
        owner: Owner,
        credentials: Option<Arc<Credentials>>,
        auth_rounds: u8,
    ) -> Option<TxId> {
        let tx = self.new_id();
        let connection = self.connections.get_mut(&id)?;
        let (key, outputs) = connection.layer.send_request(request.clone(), Reliability::Reliable)?;
        connection.ids.insert(key.clone(), tx);
        self.clients.insert(tx, ClientTx { connection: id, key, owner, request, credentials, auth_rounds });
        self.run(id, tx, outputs);
        Some(tx)
    }

    /// Sends a request outside any transaction: the ACK of a 2xx.
    pub(crate) fn send_ack(&mut self, id: ConnectionId, mut ack: Request) -> bytes::Bytes {
        let branch = self.rng.token(16);
        let transport = self.connections.get(&id).map_or("WSS", |c| c.kind.via_transport());
        compose::stamp_via(&mut ack, transport, &self.via_host, &branch);
        let bytes = crate::message::Message::Request(ack).to_bytes();
        self.transmit(id, bytes.clone());
        bytes
    }

    /// Does what a transaction wants done; what concerns its user comes last, when its timers are set.
    pub(super) fn run(&mut self, id: ConnectionId, tx: TxId, outputs: Vec<TxOutput>) {
        let mut for_user = Vec::new();
        let mut over = false;
        for output in outputs {
            match output {
                TxOutput::Send(message) => self.transmit(id, message.to_bytes()),
                TxOutput::SetTimer { timer, after } => {
                    let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                    let at = self.now.saturating_add(after);
                    self.timers.set(TimerKey::Transaction(tx, timer_index(timer)), at);
                }
                TxOutput::ClearTimer(timer) => self.timers.clear(TimerKey::Transaction(tx, timer_index(timer))),
                TxOutput::ToTu(event) => for_user.push(event),
                TxOutput::Terminated(_) => over = true,
                _ => {}
            }
        }
        for event in for_user {
            self.for_user(id, tx, *event);
        }
        if over {
            self.forget_client(tx);
            self.forget_server(tx);
        }
    }

    fn for_user(&mut self, id: ConnectionId, tx: TxId, event: TuEvent) {
        match event {
            TuEvent::Request(request) => self.request_received(id, tx, *request),
            TuEvent::Ack(ack) => self.ack_received(&ack),
            TuEvent::Response(response) => self.response_received(tx, *response),
            TuEvent::Timeout | TuEvent::TransportError => {
                if let Some(client) = self.forget_client(tx) {
                    self.client_failed(tx, &client, Fault::Timeout);
                }
            }
            _ => {}
        }
    }

    fn response_received(&mut self, tx: TxId, response: Response) {
        let Some(client) = self.clients.get(&tx) else { return };
        let (owner, shared) = (client.owner, shares_fate(&client.request));
        if matches!(response.status.code(), 401 | 407) && self.send_authorized(tx, &response) {
            return;
        }
        match owner {
            Owner::Registration(registration) => self.registration_response(registration, response),
            Owner::Invite(call) => self.invite_response(call, tx, response),
            Owner::Modify(call) => self.modify_response(call, tx, response),
            Owner::Refresh(call) => self.refresh_response(call, response),
            Owner::Request(request, call) => {
                if response.status.is_final() {
                    let status = response.status.code();
                    let outcome = RequestOutcome::Answered(Box::new(response));
                    self.event(Event::Response { request, call, outcome });
                    if let Some(call) = call.filter(|_| shared)
                        && matches!(status, 408 | 481)
                    {
                        self.dialog_gone(call, status);
                    }
                }
            }
            Owner::Bye | Owner::Nobody => {}
        }
    }

    /// Sends the request again with an answer to the challenge; `false` when there is none to give.
    fn send_authorized(&mut self, tx: TxId, refusal: &Response) -> bool {
        let Some(client) = self.clients.get(&tx) else { return false };
        let Some(credentials) = client.credentials.clone() else { return false };
        if client.auth_rounds >= MAX_AUTH_ROUNDS || self.is_canceling(client.owner) {
            return false;
        }
        let (id, owner, rounds) = (client.connection, client.owner, client.auth_rounds + 1);
        let mut request = client.request.clone();
        if !authorize(&mut request, refusal, &credentials, &mut self.rng) {
            return false;
        }
        let next = self.next_cseq(owner, cseq(&request.headers).unwrap_or(0));
        compose::set_cseq(&mut request, next);
        let Some(again) = self.send_round(id, request, owner, Some(credentials), rounds) else { return false };
        self.resent(owner, again);
        // The refused transaction lives on only to take retransmissions: its outcome concerns nobody.
        if let Some(client) = self.clients.get_mut(&tx) {
            client.owner = Owner::Nobody;
            client.credentials = None;
        }
        true
    }

    /// The sequence number for sending a request again: its dialog's next, or one more where it has none.
    fn next_cseq(&mut self, owner: Owner, used: u32) -> u32 {
        let call = match owner {
            Owner::Invite(call) | Owner::Modify(call) | Owner::Refresh(call) | Owner::Request(_, Some(call)) => call,
            Owner::Registration(registration) => {
                return self.registrations.get_mut(&registration).map_or(used + 1, |r| r.next_cseq());
            }
            Owner::Request(_, None) | Owner::Bye | Owner::Nobody => return used.wrapping_add(1),
        };
        self.calls.get_mut(&call).map_or(used + 1, |call| call.dialog.next_cseq())
    }

    pub(super) fn client_failed(&mut self, tx: TxId, client: &ClientTx, fault: Fault) {
        // The far end has taken the call elsewhere: what says nothing is the connection, and not the far end.
        let fault = if self.has_moved(client) { Fault::ConnectionLost } else { fault };
        match client.owner {
            Owner::Registration(registration) => self.registration_fault(registration, fault),
            Owner::Invite(call) => self.invite_fault(call, fault),
            Owner::Modify(call) => self.modify_fault(call, tx, fault),
            Owner::Refresh(call) => self.refresh_fault(call, fault),
            Owner::Request(request, call) => {
                let outcome = match fault {
                    Fault::Timeout => RequestOutcome::Timeout,
                    Fault::ConnectionLost => RequestOutcome::ConnectionLost,
                };
                self.event(Event::Response { request, call, outcome });
                if let Some(call) = call.filter(|_| shares_fate(&client.request))
                    && fault == Fault::Timeout
                {
                    self.dialog_gone(call, 408);
                }
            }
            Owner::Bye if fault == Fault::ConnectionLost => {
                let bye = Farewell { request: client.request.clone(), credentials: client.credentials.clone() };
                self.event(Event::Undelivered { bye: Box::new(bye) });
            }
            Owner::Bye | Owner::Nobody => {}
        }
    }

    /// Whether the call of a request goes on over another connection than the request went out on.
    fn has_moved(&self, client: &ClientTx) -> bool {
        let call = match client.owner {
            Owner::Modify(call) | Owner::Refresh(call) | Owner::Request(_, Some(call)) => self.calls.get(&call),
            _ => None,
        };
        call.is_some_and(|call| call.connection != client.connection)
    }

    pub(super) fn transaction_timer(&mut self, tx: TxId, index: u8) {
        let Some(timer) = Timer::ALL.get(usize::from(index)).copied() else { return };
        let found = match (self.clients.get(&tx), self.servers.get(&tx)) {
            (Some(client), _) => (client.connection, client.key.clone()),
            (None, Some(server)) => (server.connection, server.key.clone()),
            (None, None) => return,
        };
        let (id, key) = found;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let outputs = connection.layer.on_timer(&key, timer);
        self.run(id, tx, outputs);
    }

    /// Drops a client transaction; what still comes for it is nobody's.
    pub(crate) fn forget_client(&mut self, tx: TxId) -> Option<ClientTx> {
        let client = self.clients.remove(&tx)?;
        self.timers.clear(TimerKey::Abandoned(tx));
        self.forget_key(client.connection, tx, &client.key.clone());
        Some(client)
    }

    pub(super) fn forget_key(&mut self, id: ConnectionId, tx: TxId, key: &sipx_sip::TransactionKey) {
        for timer in Timer::ALL {
            self.timers.clear(TimerKey::Transaction(tx, timer_index(timer)));
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.ids.remove(key);
            // The layer drops what terminated by itself; this is for those given up from outside. It has no way to
            // abandon a client transaction but to fail it.
            if connection.layer.client_state(key).is_some() {
                connection.layer.on_transport_error(key);
            } else {
                connection.layer.abandon(key);
            }
        }
    }
}

/// Whether a request that the far end does not know ends the whole dialog. A NOTIFY is of a subscription that shares the
/// dialog with the call: if that is over, the call goes on (RFC 5057 §5.1).
fn shares_fate(request: &Request) -> bool {
    request.method != Method::Notify
}
