//! Connections as the agent sees them.

/// Which side opened a connection, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionKind {
    /// We connected to a server; `secure` for wss.
    Client {
        /// TLS.
        secure: bool,
    },
    /// A client connected to us; `secure` for wss.
    Server {
        /// TLS.
        secure: bool,
    },
}
