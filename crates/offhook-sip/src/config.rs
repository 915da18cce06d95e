//! What an [`Agent`](crate::Agent) is made with.

use crate::{Millis, Seed};

/// What an [`Agent`](crate::Agent) is made with.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Seed of every random choice (tags, branches, Call-IDs, cnonces, 491 back-off). It must be secret and never used
    /// twice outside tests: who knows it can forge requests in our dialogs.
    pub seed: Seed,
    /// `User-Agent` in requests, `Server` in responses.
    pub user_agent: String,
    /// Host in Via and made-up Call-IDs. RFC 7118 §5: a client has no address of its own, so a random name in `.invalid`
    /// (made from the seed) when `None`.
    pub via_host: Option<String>,
    /// Extensions that the transaction user takes care of, besides `timer`: they go into Supported, and a request may
    /// Require them. `replaces` (RFC 3891), for whoever looks at that header of an [`Event::Incoming`](crate::Event::Incoming).
    pub extensions: Vec<&'static str>,
    /// Who has learnt a dialog's tags can send requests in it on any connection. With this, one that does not come on the
    /// call's own connection is the transaction user's to judge ([`Event::Elsewhere`](crate::Event::Elsewhere)) before it has any
    /// effect: for servers. Default off.
    pub guard_dialogs: bool,
    /// Session timers (RFC 4028).
    pub session_timer: SessionTimer,
    /// Keep-alives on connections that we opened.
    pub keep_alive: KeepAlive,
    /// Bounds.
    pub limits: Limits,
    /// T1, T2, T4 of RFC 3261 §17.
    pub timers: TransactionTimers,
}

impl AgentConfig {
    /// The defaults with this seed.
    #[must_use]
    pub fn new(seed: impl Into<Seed>) -> Self {
        Self {
            seed: seed.into(),
            user_agent: concat!("offhook/", env!("CARGO_PKG_VERSION")).to_owned(),
            via_host: None,
            extensions: Vec::new(),
            guard_dialogs: false,
            session_timer: SessionTimer::default(),
            keep_alive: KeepAlive::default(),
            limits: Limits::default(),
            timers: TransactionTimers::default(),
        }
    }

    /// Every extension that we take part in (Supported, RFC 3261 §20.37).
    pub(crate) fn supported(&self) -> Vec<&'static str> {
        let timer = self.session_timer.enabled.then_some("timer");
        timer.into_iter().chain(self.extensions.iter().copied()).collect()
    }
}

/// Session timers (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimer {
    /// Whether we ask for one and take part (`Supported: timer`).
    pub enabled: bool,
    /// `Session-Expires` that we ask for, seconds. At least [`min_se_s`](Self::min_se_s).
    pub expires_s: u32,
    /// `Min-SE` that we insist on, seconds. At least 90 (§4).
    pub min_se_s: u32,
}

impl Default for SessionTimer {
    fn default() -> Self {
        Self { enabled: true, expires_s: 1800, min_se_s: 90 }
    }
}

/// How a client connection is kept open and its loss noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// Not at all.
    Off,
    /// CRLF CRLF, answered with CRLF (RFC 5626 §4.4.1, RFC 7118 §6). A server that never answered one may simply not
    /// know it: the connection is given up only if it answered before.
    Crlf {
        /// Between two, milliseconds.
        interval_ms: Millis,
        /// For the answer, milliseconds.
        timeout_ms: Millis,
    },
    /// The text `heartbeat`, as P-Series PBXs have it. The answer is not waited for.
    Heartbeat {
        /// Between two, milliseconds.
        interval_ms: Millis,
    },
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::Crlf { interval_ms: 30_000, timeout_ms: 10_000 }
    }
}

/// Bounds on what others can make us hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest WebSocket message taken, bytes. A larger request is answered 513, and the connection is dropped.
    pub max_message_bytes: usize,
    /// Messages in a row that are no SIP after which a connection is dropped.
    pub max_bad_messages: u32,
    /// Calls at once; an INVITE above is answered 503 with Retry-After.
    pub max_calls: usize,
    /// Transactions at once, of others' making; above, requests are answered 503. One connection has no more than are left
    /// for all the others, so half of them at most: whatever some take, there is room for who needs little. An INVITE's lives
    /// on for 32 s after its 2xx (RFC 6026 §7.1); with the default of 20,000, 300 calls a second can come on one connection.
    pub max_server_transactions: usize,
    /// Early dialogs per outbound call; further ones are ignored.
    pub max_early_dialogs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 64 * 1024,
            max_bad_messages: 8,
            max_calls: 10_000,
            max_server_transactions: 20_000,
            max_early_dialogs: 12,
        }
    }
}

/// RFC 3261 §17 timer constants, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionTimers {
    /// Round-trip estimate; requests are given up after 64 of it.
    pub t1_ms: Millis,
    /// Cap of retransmission intervals.
    pub t2_ms: Millis,
    /// Longest life of a message in the network.
    pub t4_ms: Millis,
}

impl Default for TransactionTimers {
    fn default() -> Self {
        Self { t1_ms: 500, t2_ms: 4_000, t4_ms: 5_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_not_shown() {
        let shown = format!("{:?}", AgentConfig::new([211; 32]));
        assert!(!shown.contains("211") && shown.contains("user_agent"), "{shown}");
    }
}
