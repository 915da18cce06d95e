//! The subscription socket: opened, kept alive, opened again.

use std::fmt;

use offhook_sip::{Millis, Secret};

use super::json::Value;
use crate::io::{CloseReason, Output};
use crate::random::Random;
use crate::session::Outbox;

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
        /// HTTP status of a handshake that was refused: 401 and 403 mean that the token is lost. 0: the driver cannot tell
        /// whether and why it was refused (a browser does not say), so a request finds out about the token.
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

/// Silence after which we ask whether the PBX is still there, milliseconds.
const SILENCE_MS: Millis = 30_000;
/// For its answer.
const HEARTBEAT_ANSWER_MS: Millis = 20_000;
/// Before the socket is opened again; doubled for each further failure.
const REOPEN_MS: Millis = 5_000;
/// Cap of that.
const MAX_REOPEN_MS: Millis = 60_000;
/// For the socket to be open.
const OPEN_MS: Millis = 15_000;
/// For the driver to say that it is closed.
const CLOSE_MS: Millis = 5_000;
/// Between two subscriptions on one socket.
const SUBSCRIBE_MS: Millis = 1_000;

/// The socket's states.
#[derive(Debug)]
pub(crate) struct Subscription {
    url: Secret,
    topics: String,
    state: State,
    /// Failures in a row.
    failures: u32,
    /// When anything came or was asked for last.
    heard: Millis,
    /// The heartbeat must be answered by then.
    answer_by: Option<Millis>,
    subscribed: Millis,
    /// Subscribe again then.
    resubscribe: Option<Millis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Waiting {
        until: Millis,
    },
    Opening {
        until: Millis,
    },
    Open,
    /// `reopen`: not before then; `None`: it stays closed.
    Closing {
        until: Millis,
        reopen: Option<Millis>,
    },
}

/// What became of the socket.
#[derive(Debug, PartialEq)]
pub(crate) enum Happened {
    Nothing,
    /// The PBX does not know our token.
    TokenLost,
    /// The socket could not be opened, perhaps for that.
    TokenDoubted,
    /// It is subscribed to (anew): what the PBX told since it was subscribed last, or since the log-in, may not have been
    /// heard.
    Subscribed,
    /// A message for us.
    Message(Value),
}

impl Subscription {
    pub(crate) fn new(url: Secret, topics: &[u32]) -> Self {
        Self {
            url,
            topics: Value::object([("topic_list", numbers(topics))]).write(),
            state: State::Idle,
            failures: 0,
            heard: 0,
            answer_by: None,
            subscribed: 0,
            resubscribe: None,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Opens it, with this URL from now on; one that is open is closed first.
    pub(crate) fn open(&mut self, now: Millis, url: Secret, out: &mut Outbox) {
        self.url = url;
        match self.state {
            State::Idle | State::Waiting { .. } => self.begin(now, out),
            State::Opening { .. } | State::Open => self.close_and_reopen(now, now, out),
            State::Closing { until, .. } => self.state = State::Closing { until, reopen: Some(now) },
        }
    }

    /// Closes it for now.
    pub(crate) fn close(&mut self, now: Millis, out: &mut Outbox) {
        match self.state {
            State::Idle | State::Waiting { .. } => self.state = State::Idle,
            State::Opening { .. } | State::Open => self.shut(now, None, out),
            State::Closing { until, .. } => self.state = State::Closing { until, reopen: None },
        }
    }

    /// Subscribes again on the open socket, not more than once a second. Returns whether it was now, as
    /// [`on_time`](Self::on_time) does.
    pub(crate) fn subscribe_again(&mut self, now: Millis, out: &mut Outbox) -> bool {
        if self.state == State::Open {
            self.resubscribe = Some(self.subscribed + SUBSCRIBE_MS);
        }
        self.resubscribe_on_time(now, out)
    }

    pub(crate) fn input(
        &mut self,
        now: Millis,
        input: SubscriptionInput,
        random: &mut Random,
        out: &mut Outbox,
    ) -> Happened {
        match input {
            SubscriptionInput::Connected => {
                if matches!(self.state, State::Opening { .. }) {
                    self.state = State::Open;
                    self.heard = now;
                    self.answer_by = None;
                    self.subscribe(now, out);
                    // The first time too: what the PBX told since the log-in read the settings, nobody has heard.
                    return Happened::Subscribed;
                }
                Happened::Nothing
            }
            SubscriptionInput::Text(text) => self.text(now, &text),
            SubscriptionInput::Closed { status, reason } => self.closed(now, status, &reason, random, out),
        }
    }

    pub(crate) fn on_time(&mut self, now: Millis, random: &mut Random, out: &mut Outbox) -> bool {
        match self.state {
            State::Idle => {}
            State::Waiting { until } if until <= now => self.begin(now, out),
            State::Opening { until } if until <= now => {
                let again = now + self.delay(random);
                self.close_and_reopen(now, again, out);
            }
            State::Closing { until, reopen } if until <= now => self.is_closed(now, reopen, out),
            State::Open => self.keep_alive(now, out),
            _ => {}
        }
        self.resubscribe_on_time(now, out)
    }

    pub(crate) fn timeout(&self) -> Option<Millis> {
        match self.state {
            State::Idle => None,
            State::Waiting { until } | State::Opening { until } | State::Closing { until, .. } => Some(until),
            State::Open => {
                let silence = self.answer_by.unwrap_or(self.heard + SILENCE_MS);
                Some(self.resubscribe.map_or(silence, |at| at.min(silence)))
            }
        }
    }

    // --- inside ---

    fn begin(&mut self, now: Millis, out: &mut Outbox) {
        self.state = State::Opening { until: now + OPEN_MS };
        out.push(Output::Subscription(SubscriptionOutput::Open { url: self.url.clone() }));
    }

    fn subscribe(&mut self, now: Millis, out: &mut Outbox) {
        self.subscribed = now;
        self.resubscribe = None;
        out.push(Output::Subscription(SubscriptionOutput::Send(self.topics.clone())));
    }

    fn text(&mut self, now: Millis, text: &str) -> Happened {
        // What a socket that we close still says is about an older token.
        if self.state != State::Open {
            return Happened::Nothing;
        }
        self.heard = now;
        self.answer_by = None;
        self.failures = 0;
        if text.len() > MAX_SUBSCRIPTION_BYTES {
            tracing::warn!(bytes = text.len(), "a notification is too large");
            return Happened::Nothing;
        }
        if text.trim() == "heartbeat response" {
            return Happened::Nothing;
        }
        match Value::parse(text) {
            Some(message) if message.is_object() => Happened::Message(message),
            _ => {
                tracing::warn!("a notification is no JSON object");
                Happened::Nothing
            }
        }
    }

    fn closed(
        &mut self,
        now: Millis,
        status: Option<u16>,
        reason: &CloseReason,
        random: &mut Random,
        out: &mut Outbox,
    ) -> Happened {
        match self.state {
            State::Idle | State::Waiting { .. } => {}
            State::Closing { reopen, .. } => self.is_closed(now, reopen, out),
            State::Opening { .. } if matches!(status, Some(401 | 403)) => {
                self.state = State::Idle;
                return Happened::TokenLost;
            }
            State::Opening { .. } | State::Open => {
                tracing::info!(%reason, "the subscription is lost");
                let refused = status == Some(0) && self.state != State::Open;
                self.state = State::Waiting { until: now + self.delay(random) };
                if refused {
                    return Happened::TokenDoubted;
                }
            }
        }
        Happened::Nothing
    }

    fn is_closed(&mut self, now: Millis, reopen: Option<Millis>, out: &mut Outbox) {
        match reopen {
            None => self.state = State::Idle,
            Some(at) if at <= now => self.begin(now, out),
            Some(at) => self.state = State::Waiting { until: at },
        }
    }

    fn resubscribe_on_time(&mut self, now: Millis, out: &mut Outbox) -> bool {
        let due = self.resubscribe.is_some_and(|at| at <= now);
        if due {
            self.subscribe(now, out);
        }
        due
    }

    fn keep_alive(&mut self, now: Millis, out: &mut Outbox) {
        match self.answer_by {
            Some(by) if by <= now => {
                self.failures += 1;
                self.close_and_reopen(now, now + REOPEN_MS, out);
            }
            None if self.heard + SILENCE_MS <= now => {
                self.answer_by = Some(now + HEARTBEAT_ANSWER_MS);
                out.push(Output::Subscription(SubscriptionOutput::Send("heartbeat".to_owned())));
            }
            _ => {}
        }
    }

    fn close_and_reopen(&mut self, now: Millis, again: Millis, out: &mut Outbox) {
        self.shut(now, Some(again), out);
    }

    fn shut(&mut self, now: Millis, reopen: Option<Millis>, out: &mut Outbox) {
        self.answer_by = None;
        self.resubscribe = None;
        self.state = State::Closing { until: now + CLOSE_MS, reopen };
        out.push(Output::Subscription(SubscriptionOutput::Close));
    }

    /// Longer after each failure, and never the same for the clients of an office.
    fn delay(&mut self, random: &mut Random) -> Millis {
        let doubled = REOPEN_MS.saturating_mul(1_u64.checked_shl(self.failures).unwrap_or(u64::MAX));
        self.failures = (self.failures + 1).min(32);
        random.jitter(doubled.min(MAX_REOPEN_MS))
    }
}

fn numbers(numbers: &[u32]) -> Value {
    Value::Array(numbers.iter().map(|number| Value::Number(number.to_string())).collect())
}
