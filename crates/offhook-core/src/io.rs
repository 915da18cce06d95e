//! What goes into a [`Phone`](crate::Phone) and what comes out.

use bytes::Bytes;
use offhook_sip::Millis;
use thiserror::Error;

use crate::call_id::CallId;
use crate::error::PhoneError;
use crate::events::{PhoneEvent, SdpType, Side};
use crate::media::{MediaCommand, MediaEvent};
use crate::pbx::{
    CdrPage, HttpFailure, HttpId, HttpRequest, HttpResponse, PbxError, PbxEvent, SubscriptionInput, SubscriptionOutput,
};

/// What time it is, on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds of a clock that never goes backwards (any epoch).
    pub mono: Millis,
    /// Milliseconds since 1970-01-01 UTC. Only shown, never calculated with.
    pub wall: u64,
}

/// What comes from outside.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// The connection that [`Output::Connect`] asked for is open, with subprotocol `sip`.
    TransportConnected {
        /// Over TLS.
        secure: bool,
    },
    /// One whole WebSocket message arrived.
    TransportReceived(Bytes),
    /// The connection is gone, or could not be made. Follows every [`Output::Connect`] and every
    /// [`Output::Disconnect`] of an open connection sooner or later, exactly once per connection.
    TransportClosed {
        /// Why.
        reason: CloseReason,
    },
    /// From a call's peer connection.
    Media {
        /// Which call.
        call_id: CallId,
        /// What happened.
        event: MediaEvent,
    },
    /// A request of [`Output::Http`] was answered, or failed. Late ones are ignored.
    Http {
        /// Which.
        id: HttpId,
        /// How.
        result: Result<HttpResponse, HttpFailure>,
    },
    /// From the PBX's subscription socket.
    Subscription(SubscriptionInput),
    /// The machine's network is another one now, or there is one again: what waits to be tried again is tried at once. A
    /// connection that is gone by it is told of before, as closed.
    NetworkChanged,
    /// Time passed.
    Timeout,
}

/// What must be done, in this order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Output {
    /// Open a WebSocket to the server of the configuration.
    Connect,
    /// Close the connection, or stop making it.
    Disconnect,
    /// Send this as one WebSocket text message. Valid UTF-8.
    Transmit(Bytes),
    /// For a call's peer connection. The first of a call is [`MediaCommand::Open`], the last [`MediaCommand::Close`].
    Media {
        /// Which call.
        call_id: CallId,
        /// What to do.
        command: MediaCommand,
    },
    /// Something the listeners want to know.
    Event(PhoneEvent),
    /// A description is about to be applied or sent; nothing more happens in its exchange until the driver gives back what is
    /// to be used instead, with [`Phone::sdp_filtered`](crate::Phone::sdp_filtered). Only with
    /// [`PhoneConfig::filter_sdp`](crate::PhoneConfig::filter_sdp).
    FilterSdp {
        /// Which call.
        call_id: CallId,
        /// To answer with.
        filter: SdpFilterId,
        /// Whose it is.
        originator: Side,
        /// Offer or answer.
        kind: SdpType,
        /// As it was made, or as it came.
        sdp: String,
    },
    /// A command is over.
    Settled {
        /// Which.
        command: CommandId,
        /// How.
        result: Result<(), PhoneError>,
    },
    /// Send this request to the PBX's API and give back what comes as [`Input::Http`]. Only of a phone that was made with
    /// [`Phone::with_pbx`](crate::Phone::with_pbx), as the three below.
    Http {
        /// To answer with.
        id: HttpId,
        /// The request, below [`Phone::pbx`](crate::Phone::pbx)'s base.
        request: HttpRequest,
    },
    /// For the PBX's subscription socket.
    Subscription(SubscriptionOutput),
    /// Something the listeners of the PBX's operator want to know.
    Pbx(PbxEvent),
    /// A query of [`Phone::cdr_query`](crate::Phone::cdr_query) is over. No [`Settled`](Self::Settled) comes for it.
    Cdr {
        /// Which.
        command: CommandId,
        /// The page.
        result: Result<CdrPage, PbxError>,
    },
    /// Input [`Input::Timeout`] no later than at this time ([`Now::mono`]). It stays in force until it is reached or the next
    /// one replaces it: a turn that changes nothing gives none.
    Timeout(Millis),
}

/// Which description [`Phone::sdp_filtered`](crate::Phone::sdp_filtered) gives back. Never used twice by one phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SdpFilterId(pub u64);

/// The name of an accepted command. Never used twice by one phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// Why a connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// We closed it.
    #[error("closed by this side")]
    Local,
    /// The server closed it, with the status code of the WebSocket close frame if it sent one (RFC 6455 §7.4).
    #[error("closed by the server{}", .code.map(|c| format!(" (code {c})")).unwrap_or_default())]
    Remote {
        /// Status code.
        code: Option<u16>,
    },
    /// It broke, or was never made.
    #[error(transparent)]
    Failed(#[from] TransportError),
}

/// Why a connection could not be made, or broke. The message names what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The host name has no address.
    #[error("the host {host} is not known: check the server's name and your DNS ({detail})")]
    UnknownHost {
        /// Host.
        host: String,
        /// The system's words.
        detail: String,
    },
    /// No TCP connection.
    #[error("cannot reach {address}: is the server running, and the port right? ({detail})")]
    Unreachable {
        /// Host and port.
        address: String,
        /// The system's words.
        detail: String,
    },
    /// The server's certificate is not acceptable.
    #[error("the certificate of {host} is not trusted: {detail}. Give the CA that signed it, or pin the certificate")]
    Certificate {
        /// Host.
        host: String,
        /// What is wrong with it.
        detail: String,
    },
    /// TLS failed otherwise.
    #[error("no TLS connection to {host}: {detail}. Is it a wss:// server?")]
    Tls {
        /// Host.
        host: String,
        /// What went wrong.
        detail: String,
    },
    /// The server does not speak WebSocket with subprotocol `sip` at this URL.
    #[error("{address} is no SIP WebSocket server: {detail}. Check the URL")]
    Handshake {
        /// Host and port.
        address: String,
        /// What it answered.
        detail: String,
    },
    /// Not open within the time for it.
    #[error("{address} did not answer within {after_ms} ms: check the address, and the firewalls on the way")]
    Timeout {
        /// Host and port.
        address: String,
        /// How long we waited.
        after_ms: u64,
    },
    /// An open connection broke.
    #[error("the connection to the server was lost: {detail}")]
    Lost {
        /// The system's words.
        detail: String,
    },
}
