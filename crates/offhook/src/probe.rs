//! Looking at the way to a server one step at a time, for diagnosis.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_core::{PhoneError, Secret, TransportError};
use offhook_media::{IceServer, MediaError, TurnError};
use tokio::net::TcpStream;

use crate::transport::{self, Stream, Target};

/// The way to a SIP server, taken in the steps that a phone takes at once, with what each found; see
/// [`PhoneBuilder::probe`](crate::PhoneBuilder::probe).
///
/// Call [`resolve`](Self::resolve), [`connect`](Self::connect), [`secure`](Self::secure) where
/// [`is_secure`](Self::is_secure), and [`upgrade`](Self::upgrade), in this order. Each takes no longer than the builder's
/// connect timeout.
pub struct Probe {
    target: Target,
    addresses: Vec<SocketAddr>,
    tcp: Option<TcpStream>,
    stream: Option<Stream>,
}

impl Probe {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, addresses: Vec::new(), tcp: None, stream: None }
    }

    /// Whether the server is spoken to over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.target.is_secure()
    }

    /// Whether the server is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.target.is_loopback()
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.target.address()
    }

    /// Looks the server's name up.
    ///
    /// # Errors
    /// [`TransportError::UnknownHost`], [`TransportError::Timeout`].
    pub async fn resolve(&mut self) -> Result<&[SocketAddr], TransportError> {
        self.addresses = self.bounded(self.target.resolve()).await?;
        Ok(&self.addresses)
    }

    /// Connects to one of the addresses found, and gives it.
    ///
    /// # Errors
    /// [`TransportError::Unreachable`], [`TransportError::Timeout`].
    pub async fn connect(&mut self) -> Result<SocketAddr, TransportError> {
        let tcp = self.bounded(self.target.connect_tcp(&self.addresses)).await?;
        let peer = tcp.peer_addr();
        self.tcp = Some(tcp);
        peer.map_err(|error| TransportError::Lost { detail: error.to_string() })
    }

    /// Makes TLS of the connection, with the certificate verified as the phone does it.
    ///
    /// # Errors
    /// [`TransportError::Certificate`] says what is wrong with it; [`TransportError::Tls`], [`TransportError::Timeout`];
    /// [`TransportError::Lost`] without a connection.
    pub async fn secure(&mut self) -> Result<Certificate, TransportError> {
        let tcp = self.tcp.take().ok_or_else(not_connected)?;
        let (stream, certificate) = self.bounded(transport::secure(&self.target, tcp)).await?;
        self.stream = Some(stream);
        Ok(Certificate { not_after: certificate.as_deref().and_then(transport::not_after) })
    }

    /// Makes a SIP WebSocket of the connection (RFC 7118 §4.1), and closes it.
    ///
    /// # Errors
    /// [`TransportError::Handshake`] says what the server answered, also if it does not choose the subprotocol `sip`;
    /// [`TransportError::Timeout`]; [`TransportError::Lost`] without a connection.
    pub async fn upgrade(&mut self) -> Result<(), TransportError> {
        let plain = self.tcp.take().map(|tcp| Box::new(tcp) as Stream);
        let stream = self.stream.take().or(plain).ok_or_else(not_connected)?;
        self.bounded(transport::upgrade(&self.target, stream)).await
    }

    async fn bounded<T>(&self, step: impl Future<Output = Result<T, TransportError>>) -> Result<T, TransportError> {
        let limit = self.target.timeout();
        let after_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let late = || TransportError::Timeout { address: self.target.address(), after_ms };
        tokio::time::timeout(limit, step).await.unwrap_or_else(|_| Err(late()))
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Probe").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// What is known of a server's certificate, which was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// When it expires, seconds since 1970-01-01 UTC; `None` if that cannot be read.
    pub not_after: Option<u64>,
}

/// Asks a STUN or TURN server (`stun:`, `turn:`, `turns:`): the address under which it sees this machine, or that it gives to
/// relay from.
///
/// # Errors
/// [`IceProbeError::Url`] if it cannot be used as written, [`IceProbeError::Server`] if it is of no use; no answer within
/// `limit` is [`TurnError::Silent`].
///
/// # Panics
/// Outside a tokio runtime.
pub async fn probe_ice_server(
    url: &str,
    username: Option<&str>,
    credential: Option<&Secret>,
    limit: Duration,
) -> Result<SocketAddr, IceProbeError> {
    let server = IceServer::parse(url, username, credential.map(Secret::expose)).map_err(IceProbeError::Url)?;
    server.probe(limit).await.map_err(IceProbeError::Server)
}

/// Why a STUN or TURN server is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IceProbeError {
    /// The URL or the credentials cannot be used.
    #[error(transparent)]
    Url(MediaError),
    /// What the server or the network did.
    #[error(transparent)]
    Server(TurnError),
}

fn not_connected() -> TransportError {
    TransportError::Lost { detail: "there is no connection: take the step before".to_owned() }
}

impl crate::PhoneBuilder {
    /// Looks at the way to the server one step at a time, for diagnosis; only the server, whom to trust and the connect timeout
    /// count.
    ///
    /// # Errors
    /// [`PhoneError::InvalidArgument`] says what cannot be used and how to write it.
    pub fn probe(&self) -> Result<Probe, PhoneError> {
        Ok(Probe::new(self.target()?))
    }
}
