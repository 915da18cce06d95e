//! What subscribers of the P-Series API are told: facts; the API puts them into its own words.

use tokio::sync::broadcast;

use crate::extension::RecordPermissions;
use crate::store::CdrRow;

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
    /// 20007: the extension is deleted, or switched off.
    ExtensionDeleted,
    /// 20008: the digits that switch recording on and off.
    RecordFeatureCode(String),
    /// 20013: whether desktop clients may be used.
    DesktopClient(bool),
    /// 20015: whether clients in a browser may be used.
    WebClient(bool),
    /// 20082: whether clients may be used at all, in plan mode `cn`.
    InternalClient(bool),
    /// 20047: what the extension may do about recording.
    RecordPermissions(RecordPermissions),
    /// 20053: what the plan has.
    Services {
        /// Reachable from outside under a name.
        fqdn: bool,
        /// Video calls.
        video: bool,
    },
    /// 20065: how the PBX is reached from outside.
    Network {
        /// Whether it is under a name.
        enable_nat_fqdn: bool,
        /// The name.
        fqdn_domain: String,
        /// Where STUN is.
        turn_port: u16,
    },
    /// 20066: the password is another. The hash to register with is the directory's to tell, and only to its owner.
    Registration,
    /// 20104: another machine has taken over; subscribe again.
    HotStandby,
    /// 20135: whether a second call is taken.
    CallWaiting(bool),
    /// 20153: whether the SDK may be used.
    Sdk(bool),
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
    pub(crate) row: Box<CdrRow>,
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
