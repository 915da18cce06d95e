//! The subscription socket: opened, kept alive, opened again.

use std::fmt;

use offhook_sip::Secret;

use crate::io::CloseReason;

/// Largest message taken, bytes; a larger one is ignored.
pub const MAX_SUBSCRIPTION_BYTES: usize = 64 * 1024;

/// What the driver tells of the subscription socket.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SubscriptionInput {
    /// The socket that [`SubscriptionOutput::Open`] asked for is open.
    Connected,
    /// One whole text message came.
    Text(String),
    /// The socket is gone, or could not be opened. Follows every [`SubscriptionOutput::Open`] sooner or later, once.
    Closed {
        /// HTTP status of a handshake that was refused: 401 and 403 mean that the token is lost.
        status: Option<u16>,
        /// Why.
        reason: CloseReason,
    },
}

/// What the driver does with the subscription socket.
#[derive(Clone)]
#[non_exhaustive]
pub enum SubscriptionOutput {
    /// Open a WebSocket. There is at most one: the one before was closed, and its
    /// [`Closed`](SubscriptionInput::Closed) came.
    Open {
        /// `wss://…`, with the token in it.
        url: Secret,
    },
    /// Send this text.
    Send(String),
    /// Close it, or stop opening it.
    Close,
}

impl fmt::Debug for SubscriptionOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { .. } => f.write_str("Open { url: [redacted] }"),
            Self::Send(text) => f.debug_tuple("Send").field(text).finish(),
            Self::Close => f.write_str("Close"),
        }
    }
}
