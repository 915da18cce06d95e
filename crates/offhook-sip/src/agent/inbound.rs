//! Messages received: RFC 3261 §8.2 and §12.2.2, up to the point where a call, a registration or the transaction user
//! takes over.

use sipx_sip::transaction::Dispatch;
use sipx_sip::{HeaderName, Reliability, TransactionKey};

use super::{Agent, ServerTx, TimerKey, TxId, transaction_id};
use crate::compose::{self, ALLOW, Body};
use crate::error::CommandError;
use crate::event::{CallKey, ConnectionId, Event};
use crate::header::HeaderField;
use crate::message::{HeadersExt as _, Message, Method, Request, Response};
use crate::name_addr::NameAddr;

/// How long the transaction user may take to answer a request, ms.
const UNANSWERED_MS: u64 = 30_000;

impl Agent {
    pub(super) fn message(&mut self, id: ConnectionId, message: Message) {
        if let Message::Request(request) = &message
            && request.method != Method::Ack
            && self.has_its_share(id)
        {
            self.refuse_stateless(id, request, 503, None);
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.layer.receive(message, Reliability::Reliable) {
            Dispatch::Matched { key, outputs } => {
                if let Some(tx) = connection.ids.get(&key).copied() {
                    self.run(id, tx, outputs);
                }
            }
            Dispatch::Created { key, outputs } => {
                let tx = self.new_id();
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.ids.insert(key.clone(), tx);
                    connection.servers += 1;
                }
                self.servers.insert(tx, ServerTx { connection: id, key, asked: false, call: None });
                self.run(id, tx, outputs);
            }
            Dispatch::Unmatched(message) => match *message {
                Message::Request(request) if request.method == Method::Ack => self.ack_received(&request),
                Message::Request(_) => {}
                Message::Response(response) => self.stray_response(id, &response),
            },
        }
    }

    /// Whether a connection has as many server transactions as are left for all the others: whatever some take, there is
    /// room for who needs little.
    fn has_its_share(&self, id: ConnectionId) -> bool {
        let left = self.config.limits.max_server_transactions.saturating_sub(self.servers.len());
        self.connections.get(&id).is_some_and(|connection| connection.servers >= left)
    }

    pub(super) fn request_received(&mut self, id: ConnectionId, tx: TxId, request: Request) {
        if request.method == Method::Cancel {
            return self.cancel_received(id, tx, &request);
        }
        let supported = self.config.supported();
        let unsupported: Vec<String> = request
            .headers
            .texts("Require")
            .iter()
            .flat_map(|text| text.split(','))
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| !tag.is_empty() && !supported.iter().any(|ours| ours.eq_ignore_ascii_case(tag)))
            .collect();
        if !unsupported.is_empty() {
            let list = HeaderField::new("Unsupported", &unsupported.join(", "));
            self.answer(tx, 420, list.ok().as_slice(), None, None);
            return;
        }
        let to_tag = request.headers.address("To").and_then(|to| to.tag().map(str::to_owned));
        match to_tag {
            Some(tag) => match self.dialog_of(&request, &tag) {
                Some(call) if self.is_guarded(call, id) => self.ask_elsewhere(id, tx, call, request),
                Some(call) => self.in_dialog(id, tx, call, request),
                None if matches!(request.method, Method::Register | Method::Options) => {
                    self.outside_dialog(id, tx, request);
                }
                None => self.answer(tx, 481, &[], None, None),
            },
            None => self.outside_dialog(id, tx, request),
        }
    }

    /// The call in whose dialog (early ones included) a request came.
    fn dialog_of(&self, request: &Request, local_tag: &str) -> Option<CallKey> {
        let call_id = request.headers.text("Call-ID")?;
        let from = request.headers.address("From")?;
        let key = *self.dialogs.get(&(call_id, local_tag.to_owned()))?;
        let call = self.calls.get(&key)?;
        call.knows_remote_tag(from.tag().unwrap_or("")).then_some(key)
    }

    /// Whether a request in this call's dialog has no effect before somebody has judged it: before its number is
    /// remembered, too, which would be enough to disturb the call. One that is over for its user needs no guard.
    fn is_guarded(&self, key: CallKey, id: ConnectionId) -> bool {
        let call = self.calls.get(&key).and_then(|call| call.view(key));
        self.config.guard_dialogs && call.is_some_and(|view| view.connection != id)
    }

    /// The transaction user has judged it.
    pub(super) fn admit_elsewhere(&mut self, tx: TxId) -> Result<(), CommandError> {
        let server = self.servers.get_mut(&tx).filter(|server| server.asked);
        let id = server.as_ref().map(|server| server.connection).ok_or(CommandError::UnknownTransaction)?;
        let request = self.server_request(tx).cloned().ok_or(CommandError::UnknownTransaction)?;
        if let Some(server) = self.servers.get_mut(&tx) {
            server.asked = false;
        }
        self.timers.clear(TimerKey::Unanswered(tx));
        let tag = request.headers.address("To").and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        match self.dialog_of(&request, &tag) {
            Some(call) => {
                self.in_dialog(id, tx, call, request);
                Ok(())
            }
            None => {
                self.answer(tx, 481, &[], None, None);
                Err(CommandError::UnknownCall)
            }
        }
    }

    fn in_dialog(&mut self, id: ConnectionId, tx: TxId, key: CallKey, request: Request) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        // §12.2.2: out of order is 500; the number is remembered whatever the request comes to.
        let number = crate::dialog::cseq(&request.headers).unwrap_or(0);
        let from = request.headers.address("From");
        let last = call.remote_cseq_mut(from.as_ref().and_then(NameAddr::tag).unwrap_or(""));
        if last.is_some_and(|last| number <= last) {
            self.answer(tx, 500, &[], None, None);
            return;
        }
        *last = Some(number);
        if call.view(key).is_none() && request.method != Method::Bye {
            // Over for our user, who waits for nothing but the ACK.
            return self.answer(tx, 481, &[], None, None);
        }
        if request.headers.get(&HeaderName::Allow).is_some() {
            call.allows_update = request.headers.has_token("Allow", "UPDATE");
        }
        match request.method {
            Method::Bye => self.bye_received(key, tx, &request),
            Method::Invite => self.reinvite_received(key, id, tx, request),
            Method::Update => self.update_received(key, id, tx, request),
            Method::Options => self.answer_options(tx),
            Method::Info | Method::Message | Method::Refer | Method::Notify => {
                self.ask_user(id, tx, Some(key), request);
            }
            _ => self.answer_not_allowed(tx),
        }
    }

    fn outside_dialog(&mut self, id: ConnectionId, tx: TxId, request: Request) {
        if !request.uri.scheme().is_sip() && request.uri.tel_parts().is_none() {
            return self.answer(tx, 416, &[], None, None);
        }
        match request.method {
            Method::Invite => self.invite_received(id, tx, request),
            Method::Options => self.answer_options(tx),
            Method::Register
            | Method::Message
            | Method::Subscribe
            | Method::Refer
            | Method::Notify
            | Method::Publish => self.ask_user(id, tx, None, request),
            // In a dialog only.
            Method::Bye | Method::Info | Method::Update => self.answer(tx, 481, &[], None, None),
            _ => self.answer_not_allowed(tx),
        }
    }

    fn cancel_received(&mut self, id: ConnectionId, tx: TxId, cancel: &Request) {
        let invite = TransactionKey::for_cancelled_invite(cancel)
            .and_then(|key| self.connections.get(&id)?.ids.get(&key).copied())
            .filter(|invite| self.servers.contains_key(invite));
        match invite {
            None => self.answer(tx, 481, &[], None, None),
            Some(invite) => {
                self.answer(tx, 200, &[], None, None);
                self.invite_canceled(invite, cancel);
            }
        }
    }

    fn ask_user(&mut self, connection: ConnectionId, tx: TxId, call: Option<CallKey>, request: Request) {
        self.await_user(tx);
        let request = Box::new(request);
        self.event(Event::Request { transaction: transaction_id(tx), connection, call, request });
    }

    fn ask_elsewhere(&mut self, connection: ConnectionId, tx: TxId, call: CallKey, request: Request) {
        self.await_user(tx);
        let request = Box::new(request);
        self.event(Event::Elsewhere { transaction: transaction_id(tx), connection, call, request });
    }

    fn await_user(&mut self, tx: TxId) {
        if let Some(server) = self.servers.get_mut(&tx) {
            server.asked = true;
        }
        self.timers.set(TimerKey::Unanswered(tx), self.now + UNANSWERED_MS);
    }

    pub(super) fn unanswered(&mut self, tx: TxId) {
        self.answer(tx, 500, &[], None, None);
    }

    fn answer_options(&mut self, tx: TxId) {
        let mut fields = self.capabilities();
        fields.extend(HeaderField::new("Accept", "application/sdp"));
        self.answer(tx, 200, &fields, None, None);
    }

    fn answer_not_allowed(&mut self, tx: TxId) {
        let allow = HeaderField::new("Allow", ALLOW);
        self.answer(tx, 405, allow.ok().as_slice(), None, None);
    }

    // --- responses ---

    /// Sends a response; `tag` is our tag, made up when `None`.
    pub(crate) fn answer(&mut self, tx: TxId, status: u16, fields: &[HeaderField], body: Body, tag: Option<&str>) {
        let made_up;
        let tag = match tag {
            Some(tag) => tag,
            None => {
                made_up = self.rng.token(12);
                &made_up
            }
        };
        let Some(mut response) = self.build_response(tx, status, Some(tag), body) else { return };
        compose::put_fields(&mut response.headers, fields);
        if status == 503 && response.headers.get(&HeaderName::RetryAfter).is_none() {
            compose::put(&mut response.headers, HeaderName::RetryAfter, "5");
        }
        self.respond_with(tx, response);
    }

    pub(crate) fn build_response(&self, tx: TxId, status: u16, tag: Option<&str>, body: Body) -> Option<Response> {
        let request = self.server_request(tx)?;
        compose::response(request, status, None, tag, &self.config.user_agent, body)
    }

    pub(crate) fn respond_with(&mut self, tx: TxId, response: Response) {
        let Some(server) = self.servers.get_mut(&tx) else { return };
        if response.status.is_final() {
            server.asked = false;
            self.timers.clear(TimerKey::Unanswered(tx));
        }
        let Some(server) = self.servers.get(&tx) else { return };
        let (id, key) = (server.connection, server.key.clone());
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let outputs = connection.layer.send_response(&key, response);
        self.run(id, tx, outputs);
    }

    /// Answers a request for which no transaction is made.
    pub(super) fn refuse_stateless(&mut self, id: ConnectionId, request: &Request, status: u16, phrase: Option<&str>) {
        if request.method == Method::Ack {
            return;
        }
        let tag = self.rng.token(12);
        let response = compose::response(request, status, phrase, Some(&tag), &self.config.user_agent, None);
        if let Some(mut response) = response {
            if status == 503 {
                compose::put(&mut response.headers, HeaderName::RetryAfter, "5");
            }
            self.transmit(id, Message::Response(response).to_bytes());
        }
    }

    /// The transaction is of this call's making.
    pub(crate) fn own_server(&mut self, tx: TxId, call: CallKey) {
        if let Some(server) = self.servers.get_mut(&tx) {
            server.call = Some(call);
        }
    }

    pub(crate) fn owner_of_server(&self, tx: TxId) -> Option<CallKey> {
        self.servers.get(&tx)?.call
    }

    /// The request of a transaction that is not over.
    pub(crate) fn server_request(&self, tx: TxId) -> Option<&Request> {
        let server = self.servers.get(&tx)?;
        self.connections.get(&server.connection)?.layer.server_request(&server.key)
    }

    pub(super) fn forget_server(&mut self, tx: TxId) {
        self.timers.clear(TimerKey::Unanswered(tx));
        if let Some(server) = self.servers.remove(&tx) {
            if let Some(connection) = self.connections.get_mut(&server.connection) {
                connection.servers = connection.servers.saturating_sub(1);
            }
            self.forget_key(server.connection, tx, &server.key);
        }
    }
}
