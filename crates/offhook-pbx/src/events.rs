//! What the PBX tells about itself.

use futures_util::Stream;
use serde::Serialize;
use tokio::sync::broadcast;

/// One call through the PBX. Never used twice by one PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CallId(pub u64);

/// Something happened in the PBX. As JSON, an object whose `event` is the variant in snake case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PbxEvent {
    /// An extension has a binding that it had not before (not sent for refreshes).
    Registered {
        /// Its number.
        extension: String,
        /// How many bindings it has now.
        bindings: usize,
    },
    /// A binding was taken away, ran out, or its connection was lost.
    Unregistered {
        /// The extension's number.
        extension: String,
        /// How many bindings are left.
        bindings: usize,
    },
    /// An authenticated INVITE to a number that exists.
    CallStarted {
        /// The call.
        call: CallId,
        /// Who calls.
        from: String,
        /// The number called.
        to: String,
    },
    /// The call is answered: 200 was sent to the caller.
    CallAnswered {
        /// The call.
        call: CallId,
        /// Who calls.
        from: String,
        /// The number called.
        to: String,
    },
    /// The call is over. Exactly one for each `CallStarted`.
    CallEnded {
        /// The call.
        call: CallId,
        /// Who calls.
        from: String,
        /// The number called.
        to: String,
        /// Whether it had been answered.
        answered: bool,
        /// The SIP status that says why: of the refusal, or 200 for an ordinary hang-up.
        status: u16,
        /// Milliseconds from the answer (or, unanswered, from the start) to the end.
        duration_ms: u64,
    },
    /// The recording of a call was begun or resumed, or paused.
    Recording {
        /// The call.
        call: CallId,
        /// Whether it is recorded now.
        on: bool,
        /// The extension that wanted it.
        by: String,
        /// The file.
        file: String,
    },
    /// The recording of a call is over, and its file complete. It may come after the call's end.
    RecordingComplete {
        /// The call.
        call: CallId,
        /// The file.
        file: String,
    },
    /// A call cannot be recorded, or not any more. It goes on; the feature code tries again, with a new file.
    RecordingFailed {
        /// The call.
        call: CallId,
        /// Why.
        reason: String,
    },
    /// A call's record could not be written, or not in time; the call is ended all the same. See to the disk of the data directory.
    CdrFailed {
        /// The call.
        call: CallId,
        /// Why.
        reason: String,
    },
    /// This receiver was too slow; so many events are lost to it.
    Missed {
        /// How many.
        events: u64,
    },
}

/// The events of a PBX, from the moment at which this was made.
#[derive(Debug)]
pub struct PbxEvents(broadcast::Receiver<PbxEvent>);

impl PbxEvents {
    pub(crate) fn new(receiver: broadcast::Receiver<PbxEvent>) -> Self {
        Self(receiver)
    }

    /// The next one; `None` when the PBX is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<PbxEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(events)) => Some(PbxEvent::Missed { events }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The same as a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = PbxEvent> + Send + Unpin {
        Box::pin(futures_util::stream::unfold(self, |mut events| async move {
            let event = events.next().await?;
            Some((event, events))
        }))
    }
}

/// How much the PBX holds: all zero when the last call is over and the last client is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Load {
    /// Open WebSocket connections.
    pub connections: usize,
    /// Bindings of extensions.
    pub registrations: usize,
    /// Calls, each counted once.
    pub calls: usize,
    /// SIP call legs.
    pub legs: usize,
    /// Media peer connections.
    pub media_peers: usize,
    /// SIP transactions.
    pub transactions: usize,
}

impl Load {
    /// Whether nothing is held.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}
