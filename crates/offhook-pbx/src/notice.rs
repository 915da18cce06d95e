//! What subscribers of the P-Series API are told: facts; the API puts them into its own words.

use tokio::sync::broadcast;

/// Something that one extension's clients, or all clients, are to know.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    /// Who is told.
    pub(crate) to: Audience,
    /// What.
    pub(crate) fact: Fact,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The clients of this extension.
    Extension(String),
    /// Everybody.
    All,
}

/// What is told; the number is the notification's type.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub(crate) enum Fact {
    /// 20048: what a call is doing.
    CallStatus(CallStatus),
    /// 20049: a call's record was written.
    CdrChanged(CdrChange),
}

/// Of a call between two legs: those whose SIP Call-ID it is know that it is theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallStatus {
    /// In a conference room.
    pub(crate) is_conference: bool,
    /// The caller's number.
    pub(crate) caller: String,
    /// SIP Call-ID of the leg with the caller.
    pub(crate) caller_sip_call_id: String,
    /// The called number.
    pub(crate) callee: String,
    /// SIP Call-ID of the leg with the callee; empty when there is none.
    pub(crate) callee_sip_call_id: String,
    /// What its recording is doing.
    pub(crate) record: RecordState,
}

/// What a call's recording is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordState {
    /// There is none.
    Stop,
    /// It goes on.
    Recording,
    /// What is said is left out.
    Pause,
}

/// What is told of a new record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CdrChange {
    /// Its row, in the view of the extension that is told.
    pub(crate) row: i64,
}

/// Hands notices to the subscription sockets. One that is too slow misses some.
#[derive(Debug, Clone)]
pub(crate) struct Notices(broadcast::Sender<Notice>);

/// Notices that may wait for a slow subscriber.
const WAITING: usize = 1024;

impl Notices {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(WAITING).0)
    }

    /// Tells it to whoever listens now.
    pub(crate) fn tell(&self, notice: Notice) {
        // Nobody may be listening.
        let _ = self.0.send(notice);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.subscribe()
    }
}
