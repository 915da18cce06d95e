//! What goes in and what comes out of an [`Agent`](crate::Agent).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::Millis;
use crate::auth::Credentials;
use crate::connection::ConnectionKind;
use crate::message::{HeadersExt as _, Request, Response};

/// One WebSocket connection. The driver chooses the numbers and never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One call (an INVITE and the dialog it makes). Never used twice by one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey(pub u64);

/// One early dialog of an outbound call: a forking proxy can make several (RFC 3261 §12.1).
/// Counted from 0 in the order in which they appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EarlyId(pub u32);

/// One registration binding kept alive by this agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationId(pub u64);

/// One request sent by [`Agent::request`](crate::Agent::request) or
/// [`Agent::request_outside`](crate::Agent::request_outside).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One received request that waits for [`Agent::respond`](crate::Agent::respond).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u64);

/// What comes from outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// A WebSocket connection is open (the handshake is done).
    Connected {
        /// The driver's name for it.
        connection: ConnectionId,
        /// Which side opened it, and how.
        kind: ConnectionKind,
    },
    /// One whole WebSocket message, text or binary, arrived (RFC 7118 §4.2: one SIP message each).
    Received {
        /// Where.
        connection: ConnectionId,
        /// The message.
        data: Bytes,
    },
    /// The connection is gone, whoever closed it.
    Disconnected {
        /// Which.
        connection: ConnectionId,
    },
    /// Time passed. Only needed when nothing else is input by the time of the last [`Output::Timeout`]; every other
    /// input and every command fires due timers as well.
    Timeout,
}

/// What must be done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send this as one WebSocket text message.
    Transmit {
        /// Where.
        connection: ConnectionId,
        /// One SIP message, or a keep-alive. Valid UTF-8.
        data: Bytes,
    },
    /// Close the connection: its peer broke the protocol or stopped answering keep-alives.
    /// The driver inputs [`Input::Disconnected`] when it is closed.
    Disconnect {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: DropReason,
    },
    /// Something happened that the transaction user wants to know.
    Event(Event),
    /// Call [`Agent::handle_input`](crate::Agent::handle_input) no later than at this time. Comes last, once per drain.
    Timeout(Millis),
}

/// Why the agent wants a connection closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// Too many messages that are no SIP (see [`Limits::max_bad_messages`](crate::Limits::max_bad_messages)).
    Garbage,
    /// A message above [`Limits::max_message_bytes`](crate::Limits::max_message_bytes).
    TooLarge,
    /// The keep-alive was not answered in time (RFC 5626 §4.4.1).
    KeepAliveTimeout,
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Originator {
    /// This side.
    Local,
    /// The far end (or the server between).
    Remote,
    /// Nobody: a timer, a lost connection.
    System,
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A BYE could not be delivered: there was no connection, or it was lost before the answer came. The call is over, and its far
    /// end may not know. [`Agent::deliver`](crate::Agent::deliver) sends it on another connection.
    Undelivered {
        /// What to deliver.
        bye: Box<Farewell>,
    },
    // --- registration (UAC) ---
    /// A REGISTER was answered 2xx. Also after each refresh.
    Registered {
        /// Which registration.
        registration: RegistrationId,
        /// Seconds for which the registrar granted it.
        expires_s: u32,
        /// The whole response (Service-Route, P-Associated-URI …).
        response: Box<Response>,
    },
    /// Registering, refreshing or re-registering failed. The registration is not refreshed any more until
    /// [`Agent::reregister`](crate::Agent::reregister).
    RegistrationFailed {
        /// Which registration.
        registration: RegistrationId,
        /// Why.
        failure: RegistrationFailure,
    },
    /// Our un-REGISTER was answered (or its time was up); the registration is forgotten.
    Unregistered {
        /// Which registration.
        registration: RegistrationId,
    },

    // --- calls: making and ending ---
    /// An INVITE outside a dialog came in; it is past all checks of RFC 3261 §8.2. Answer with
    /// [`Agent::ring`](crate::Agent::ring), [`Agent::accept`](crate::Agent::accept) or
    /// [`Agent::reject`](crate::Agent::reject). 100 Trying is sent by itself.
    Incoming {
        /// The new call.
        call: CallKey,
        /// Where it came from.
        connection: ConnectionId,
        /// The INVITE.
        request: Box<Request>,
        /// Its SDP offer; `None`: the offer is ours to make in the 2xx (late offer).
        offer: Option<String>,
    },
    /// A 1xx other than 100 came for our INVITE.
    Provisional {
        /// Which call.
        call: CallKey,
        /// Which early dialog; `None` when the response had no To tag.
        early: Option<EarlyId>,
        /// 101–199.
        status: u16,
        /// Its SDP, once per early dialog: early media. Repetitions of the same SDP are not reported.
        answer: Option<String>,
        /// The response.
        response: Box<Response>,
    },
    /// Our INVITE was answered 2xx. The ACK is sent by itself when the INVITE carried the offer; otherwise `sdp` is the
    /// far end's offer and [`Agent::ack`](crate::Agent::ack) must carry our answer.
    Accepted {
        /// Which call.
        call: CallKey,
        /// The early dialog that became the dialog, if there was one.
        early: Option<EarlyId>,
        /// The answer (or the offer, see above). `None` when it repeats what this early dialog's 1xx said already.
        sdp: Option<String>,
        /// The response.
        response: Box<Response>,
    },
    /// The ACK was sent (UAC) or received (UAS): the dialog is confirmed.
    Confirmed {
        /// Which call.
        call: CallKey,
        /// UAS with a late offer: the far end's answer, out of the ACK.
        answer: Option<String>,
    },
    /// The call is over. The last event of this call; the key is dead.
    Terminated {
        /// Which call.
        call: CallKey,
        /// How and why.
        termination: Termination,
    },

    // --- calls: renegotiation (re-INVITE, UPDATE) ---
    /// The far end sent a re-INVITE, or an UPDATE with an offer. Answer with
    /// [`Agent::answer_offer`](crate::Agent::answer_offer) or [`Agent::refuse_offer`](crate::Agent::refuse_offer).
    RemoteOffer {
        /// Which call.
        call: CallKey,
        /// The offer; `None`: a re-INVITE without one, so the answer is our offer, and theirs comes with the ACK in
        /// [`Event::RemoteAnswer`].
        offer: Option<String>,
        /// Where it came in, and where the response goes. When that is not the call's connection (the far end has
        /// reconnected), check who it is, then [`Agent::rebind`](crate::Agent::rebind) the call to it.
        connection: ConnectionId,
        /// The request (identity headers may have changed).
        request: Box<Request>,
    },
    /// The far end's answer to the offer we put into the 2xx of its re-INVITE; came with the ACK.
    RemoteAnswer {
        /// Which call.
        call: CallKey,
        /// The answer.
        answer: String,
    },
    /// The far end's re-INVITE or UPDATE came to nothing after we had been asked ([`Event::RemoteOffer`]): it was
    /// cancelled, its connection was lost, or the answer was never acknowledged with the SDP that it owes.
    RemoteOfferAbandoned {
        /// Which call.
        call: CallKey,
    },
    /// Our [`Agent::modify`](crate::Agent::modify) is over.
    Modified {
        /// Which call.
        call: CallKey,
        /// With what result.
        outcome: ModifyOutcome,
    },
    /// A request that was refused with 491, or not sent because another exchange was pending
    /// ([`CommandError::OfferPending`](crate::CommandError::OfferPending)), may be tried again: the waiting time of RFC 3261
    /// §14.1 is over and nothing else is pending. Make a fresh offer and call [`Agent::modify`](crate::Agent::modify).
    ModifyRetry {
        /// Which call.
        call: CallKey,
    },
    /// The session timer asks for a refresh by re-INVITE, because the far end does not take UPDATE (RFC 4028 §7.4):
    /// call [`Agent::modify`](crate::Agent::modify) with an offer that changes nothing.
    RefreshNeeded {
        /// Which call.
        call: CallKey,
    },
    /// The far end sent an UPDATE without SDP (session refresh, connected identity); answered 200 by itself.
    Updated {
        /// Which call.
        call: CallKey,
        /// The request.
        request: Box<Request>,
    },

    // --- other requests ---
    /// A request that is the transaction user's to answer with [`Agent::respond`](crate::Agent::respond), at the latest
    /// after 30 s (then the agent answers 500). In a dialog: INFO, MESSAGE, REFER, NOTIFY. Outside: REGISTER,
    /// MESSAGE, SUBSCRIBE, REFER, NOTIFY, PUBLISH. (OPTIONS is answered by the agent.)
    Request {
        /// To respond with.
        transaction: TransactionId,
        /// Where it came from.
        connection: ConnectionId,
        /// The call in whose dialog it came.
        call: Option<CallKey>,
        /// The request.
        request: Box<Request>,
    },
    /// A request in a dialog came on another connection than that of its call, which is guarded
    /// ([`AgentConfig::guard_dialogs`](crate::AgentConfig::guard_dialogs)). [`Agent::admit`](crate::Agent::admit) lets it have its
    /// effect, [`Agent::respond`](crate::Agent::respond) refuses it (or asks who sent it) as if it had never come; at the latest after
    /// 30 s, then the agent answers 500.
    Elsewhere {
        /// To admit or respond with.
        transaction: TransactionId,
        /// Where it came from.
        connection: ConnectionId,
        /// The call in whose dialog it came.
        call: CallKey,
        /// The request; any method but ACK and CANCEL.
        request: Box<Request>,
    },
    /// A request of ours ([`Agent::request`](crate::Agent::request),
    /// [`Agent::request_outside`](crate::Agent::request_outside)) is answered or given up.
    Response {
        /// Which.
        request: RequestId,
        /// The call in whose dialog it was sent.
        call: Option<CallKey>,
        /// With what result.
        outcome: RequestOutcome,
    },

    // --- connections ---
    /// A keep-alive of ours was answered; with the round trip in ms.
    KeepAliveAnswered {
        /// Where.
        connection: ConnectionId,
        /// Milliseconds from ping to pong.
        rtt_ms: u64,
    },
}

/// Why a registration failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationFailure {
    /// The registrar said no, for good: its status and reason phrase. 401/407 here mean that the credentials are wrong
    /// or missing (challenges that can be answered are answered by themselves).
    Refused {
        /// 300–699.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// Seconds of a Retry-After header.
        retry_after_s: Option<u32>,
    },
    /// No final response in 32 s (RFC 3261 timer F).
    Timeout,
    /// The connection was lost before the answer.
    ConnectionLost,
}

/// How [`Agent::modify`](crate::Agent::modify) ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModifyOutcome {
    /// Answered 2xx.
    Accepted {
        /// The answer to our offer. (`None` for an UPDATE without SDP.)
        sdp: Option<String>,
    },
    /// 491, or our own request crossed one of the far end's: roll the offer back now. [`Event::ModifyRetry`] follows
    /// when it may be tried again.
    Glare,
    /// Refused; the session goes on as it was (RFC 3261 §14.1, RFC 6141): roll the offer back.
    Refused {
        /// 300–699.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
    /// No final response. The dialog is ended by the agent where RFC 3261 §12.2.1.2 wants it (408, 481); then
    /// [`Event::Terminated`] follows.
    Timeout,
    /// The connection was lost before the answer: roll back, and modify again on the new connection.
    ConnectionLost,
}

/// A BYE that was not delivered.
#[derive(Clone)]
pub struct Farewell {
    pub(crate) request: Request,
    pub(crate) credentials: Option<Arc<Credentials>>,
}

impl fmt::Debug for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Farewell").field(&self.request.headers.text("Call-ID")).finish()
    }
}

/// How a request of ours ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// A final response.
    Answered(Box<Response>),
    /// None in 32 s.
    Timeout,
    /// The connection was lost, or there was none.
    ConnectionLost,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct Termination {
    /// Whether a 2xx had been sent or received before (then it is an *ended* call, else a *failed* one).
    pub established: bool,
    /// Who ended it.
    pub originator: Originator,
    /// How.
    pub kind: TerminationKind,
    /// SIP status where there was one: of the response that refused our INVITE, that we refused theirs with, or out of
    /// a Reason header (RFC 3326, protocol SIP).
    pub status: Option<u16>,
    /// Reason phrase, or the text of a Reason header.
    pub reason: Option<String>,
    /// The response that refused our INVITE.
    pub response: Option<Box<Response>>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminationKind {
    /// BYE, sent or received.
    Bye,
    /// CANCEL, sent or received, before the call was answered.
    Canceled,
    /// A final response of 300–699, sent or received.
    Rejected,
    /// The far end wanted credentials we do not have, or refused ours (401/407).
    AuthenticationFailed,
    /// Our INVITE got no response at all in 32 s (timer B).
    RequestTimeout,
    /// Our INVITE rang, but was not answered in [`Invite::no_answer_ms`](crate::Invite::no_answer_ms).
    NoAnswer,
    /// We answered, and the ACK never came (RFC 3261 §13.3.1.4). A BYE was sent.
    NoAck,
    /// The connection was lost before the call was established.
    ConnectionLost,
    /// Not refreshed in time (RFC 4028 §10). A BYE was sent.
    SessionExpired,
    /// The far end does not know the dialog any more (481), or a request in it was never answered (408).
    DialogError,
    /// An inbound INVITE's own Expires ran out (RFC 3261 §13.3.1).
    Expired,
}
