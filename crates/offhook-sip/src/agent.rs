//! The user agent: routes inputs to transactions, calls and registrations, and collects what they want done.

use std::collections::VecDeque;

use crate::Millis;
use crate::auth::Credentials;
use crate::call::CallView;
use crate::command::{Accept, Invite, Modify, OutOfDialog, Register, Ring};
use crate::config::AgentConfig;
use crate::driven::Machine;
use crate::error::CommandError;
use crate::event::{CallKey, ConnectionId, Input, Output, RegistrationId, RequestId, TransactionId};
use crate::header::HeaderField;
use crate::name_addr::NameAddr;

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
    outputs: VecDeque<Output>,
}

#[allow(unused_variables, missing_docs)]
impl Agent {
    /// A new one, with no connection.
    #[must_use]
    pub fn new(config: AgentConfig) -> Self {
        unimplemented!()
    }

    // --- getters ---

    /// A look at a call; `None` when it is over.
    #[must_use]
    pub fn call(&self, call: CallKey) -> Option<CallView<'_>> {
        unimplemented!()
    }

    /// The calls that are not over, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = CallView<'_>> {
        std::iter::empty()
    }

    /// Finds a call by its dialog: Call-ID, our tag, their tag (for Replaces, RFC 3891).
    #[must_use]
    pub fn find_dialog(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<CallKey> {
        unimplemented!()
    }

    /// How much is held.
    #[must_use]
    pub fn load(&self) -> Load {
        unimplemented!()
    }

    // --- input ---

    /// Takes what came from outside.
    pub fn handle_input(&mut self, now: Millis, input: Input) {
        unimplemented!()
    }

    // --- registration ---

    /// Registers, and keeps the registration fresh, until [`unregister`](Self::unregister) or a failure.
    pub fn register(
        &mut self,
        now: Millis,
        connection: ConnectionId,
        register: Register,
    ) -> Result<RegistrationId, CommandError> {
        unimplemented!()
    }

    /// Registers the same binding again: on another connection, with other credentials (`None`: those it had), or after a failure.
    pub fn reregister(
        &mut self,
        now: Millis,
        registration: RegistrationId,
        connection: ConnectionId,
        credentials: Option<Credentials>,
    ) -> Result<(), CommandError> {
        unimplemented!()
    }

    /// Takes the binding away (REGISTER with Expires 0) and forgets it: [`Event::Unregistered`](crate::Event::Unregistered) follows always.
    pub fn unregister(&mut self, now: Millis, registration: RegistrationId) -> Result<(), CommandError> {
        unimplemented!()
    }

    // --- calls ---

    /// Sends an INVITE. Its end is [`Event::Terminated`](crate::Event::Terminated), whatever happens.
    pub fn invite(&mut self, now: Millis, connection: ConnectionId, invite: Invite) -> Result<CallKey, CommandError> {
        unimplemented!()
    }

    /// Inbound, before the answer: sends a provisional response.
    pub fn ring(&mut self, now: Millis, call: CallKey, ring: Ring) -> Result<(), CommandError> {
        unimplemented!()
    }

    /// Inbound: answers 200. [`Event::Confirmed`](crate::Event::Confirmed) follows with the ACK.
    pub fn accept(&mut self, now: Millis, call: CallKey, accept: Accept) -> Result<(), CommandError> {
        unimplemented!()
    }

    /// Inbound, before the answer: refuses with 300–699. [`Event::Terminated`](crate::Event::Terminated) follows at once.
    pub fn reject(
        &mut self,
        now: Millis,
        call: CallKey,
        status: u16,
        headers: Vec<HeaderField>,
    ) -> Result<(), CommandError> {
        unimplemented!()
    }

    /// Outbound with a late offer: sends the ACK with our answer to the offer in the 2xx.
    pub fn ack(&mut self, now: Millis, call: CallKey, answer: String) -> Result<(), CommandError> {
        unimplemented!()
    }

    /// Ends a call in whatever state it is: CANCEL before the answer, BYE after it, 486 (or `reason`'s status) when inbound and not
    /// answered. `reason` (a SIP status and a text) goes out as a Reason header (RFC 3326) in CANCEL and BYE.
    /// [`Event::Terminated`](crate::Event::Terminated) follows at once for BYE and 486, and for CANCEL when the INVITE is answered or given up.
    /// Hanging up twice is harmless.
    pub fn hangup(&mut self, now: Millis, call: CallKey, reason: Option<(u16, &str)>) -> Result<(), CommandError> {
        unimplemented!()
    }

    /// Changes an established session by re-INVITE or UPDATE. [`Event::Modified`](crate::Event::Modified) follows always, unless the
    /// call ends before.
    pub fn modify(&mut self, now: Millis, call: CallKey, modify: Modify) -> Result<(), CommandError> {
        unimplemented!()
    }

    /// Accepts [`Event::RemoteOffer`](crate::Event::RemoteOffer) with this answer (or with our offer, when it had none).
    pub fn answer_offer(&mut self, now: Millis, call: CallKey, sdp: String) -> Result<(), CommandError> {
        unimplemented!()
    }

    /// Refuses [`Event::RemoteOffer`](crate::Event::RemoteOffer) with 300–699, usually 488; the session stays as it was.
    pub fn refuse_offer(&mut self, now: Millis, call: CallKey, status: u16) -> Result<(), CommandError> {
        unimplemented!()
    }

    /// Sends a request in the call's dialog (INFO, REFER, NOTIFY, MESSAGE …). [`Event::Response`](crate::Event::Response) follows always.
    pub fn request(
        &mut self,
        now: Millis,
        call: CallKey,
        method: &str,
        headers: Vec<HeaderField>,
        body: Option<(String, Vec<u8>)>,
    ) -> Result<RequestId, CommandError> {
        unimplemented!()
    }

    /// Moves a call's dialog to another connection, with a new Contact: the next request in it tells the far end. (After a lost
    /// connection; follow with [`modify`](Self::modify).)
    pub fn rebind(
        &mut self,
        now: Millis,
        call: CallKey,
        connection: ConnectionId,
        contact: NameAddr,
    ) -> Result<(), CommandError> {
        unimplemented!()
    }

    // --- other requests ---

    /// Sends a request outside any dialog. [`Event::Response`](crate::Event::Response) follows always.
    pub fn request_outside(
        &mut self,
        now: Millis,
        connection: ConnectionId,
        request: OutOfDialog,
    ) -> Result<RequestId, CommandError> {
        unimplemented!()
    }

    /// Answers [`Event::Request`](crate::Event::Request). `status` 100–699.
    pub fn respond(
        &mut self,
        now: Millis,
        transaction: TransactionId,
        status: u16,
        headers: Vec<HeaderField>,
        body: Option<(String, Vec<u8>)>,
    ) -> Result<(), CommandError> {
        unimplemented!()
    }
}

impl Machine for Agent {
    type Output = Output;

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}
