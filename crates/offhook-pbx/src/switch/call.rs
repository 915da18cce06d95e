//! What the switch knows of calls.

use offhook_media::Direction;
use offhook_sip::{CallKey, ConnectionId, HeaderField, Millis, Uri};

use crate::events::CallId;
use crate::media::{LegId, MessageId, PromptId, RoomId, Sound};
use crate::service::Service;
use crate::switch::admit::MOST_FORWARDS;
use crate::switch::cdr::Notes;
use crate::switch::codes::{Digits, Entry};
use crate::switch::consult::Consult;
use crate::switch::hunt::Hunt;
use crate::switch::offer::Offers;
use crate::switch::record::Recording;
use crate::switch::status::Failure;
use crate::switch::transfer::Refer;

/// A call: the leg of the caller, and those of the devices that ring (of which one remains), or what of the PBX answers it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) from: String,
    /// The number called.
    pub(super) to: String,
    /// Where it leads now: the number called, unless a ring group has sent it on.
    pub(super) target: String,
    /// How often it was sent on.
    pub(super) hops: u8,
    /// So many hops its INVITEs may still take.
    pub(super) max_forwards: u8,
    /// The caller takes the place of this leg of its own.
    pub(super) replacing: Option<LegId>,
    pub(super) hosted: Option<Hosted>,
    /// What goes on between that and the caller.
    pub(super) doing: Doing,
    /// A ring group's members are being called.
    pub(super) hunt: Option<Hunt>,
    pub(super) started: Millis,
    pub(super) answered: Option<Millis>,
    /// `None` when it is over.
    pub(super) caller: Option<LegId>,
    /// Not over yet.
    pub(super) callees: Vec<LegId>,
    /// The callee that answered.
    pub(super) winner: Option<LegId>,
    /// The callee whose early media the caller is given.
    pub(super) early: Option<LegId>,
    /// Why callees failed.
    pub(super) failures: Vec<Failure>,
    /// The last provisional status sent to the caller.
    pub(super) relayed: u16,
    /// The end was told.
    pub(super) over: bool,
    /// A REFER had it made: the transferee is not in it yet.
    pub(super) refer: Option<Refer>,
    /// The call that is made because of a REFER in this one.
    pub(super) referring: Option<CallId>,
    /// The caller has somebody on hold in another call, and asks the callee about it.
    pub(super) consult: Option<Consult>,
    /// The call in which one side of this one asks somebody else; the other waits in this.
    pub(super) consulting: Option<CallId>,
    pub(super) deadline: Option<(Millis, Due)>,
    pub(super) recording: Option<Recording>,
    /// For its record.
    pub(super) notes: Notes,
}

/// What of the PBX answers a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hosted {
    Service(Service),
    Room(RoomId),
    /// Takes a message for the extension that did not answer.
    Deposit,
    /// Plays the caller's messages.
    Mailbox,
}

/// What goes on in a call that the PBX answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Doing {
    /// What it always does.
    #[default]
    Nothing,
    /// A room's PIN is asked for.
    Pin { digits: String, wrong: u8 },
    /// Voicemail says its greeting.
    Greeting,
    /// A message is recorded.
    Taking(MessageId),
    /// This message of the mailbox was the last that was played.
    Reading(u64),
    /// Something is said, then it hangs up.
    Goodbye,
}

/// What happens when a call's time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nobody answered.
    NoAnswer,
    /// A service refuses.
    Refuse(u16),
    /// A service hangs up.
    Hangup,
    /// The transferor did not hang up by itself.
    Leave,
    /// The member of a ring group whose turn it is does not answer.
    NextMember,
}

/// Which side of a call a leg is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Callee,
}

/// One SIP dialog with one device, and its media connection.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) call: CallId,
    pub(super) side: Side,
    /// Whose device it is.
    pub(super) extension: String,
    /// The dialog is agreed: it can be moved to another call, and needs no answer there.
    pub(super) established: bool,
    /// `None`: the INVITE is not sent yet.
    pub(super) key: Option<CallKey>,
    /// Call-ID of its dialog; empty as long as there is none.
    pub(super) sip_call_id: String,
    /// Where a callee is reached.
    pub(super) target: Option<(Uri, ConnectionId)>,
    /// Headers to carry over to the other side: of the INVITE (caller), of the last response (callee).
    pub(super) carried: Vec<HeaderField>,
    /// Caller: the offer in its INVITE.
    pub(super) offer: Option<String>,
    /// Caller: our answer to that, or our offer when it made none.
    pub(super) answer: Option<String>,
    /// Caller: that answer is being made.
    pub(super) answering: bool,
    /// Callee: its answer was applied.
    pub(super) ready: bool,
    /// The media connection is there.
    pub(super) open: bool,
    /// The device has put us on hold.
    pub(super) hold: bool,
    /// Video, as we send and receive it when nobody holds.
    pub(super) video: Option<Direction>,
    /// It is asked for video of this direction: by whom.
    pub(super) asked: Option<(LegId, Direction)>,
    /// An offer of it that is answered when the other device has said what it does.
    pub(super) waiting: Option<String>,
    /// Our offers to it.
    pub(super) offers: Offers,
    /// Whom it is across from now, which it may not have been told yet.
    pub(super) untold: Option<LegId>,
    /// The CSeq of the last REFER taken: what its NOTIFYs are known by (RFC 3515 §2.4.6).
    pub(super) refer_id: Option<u32>,
    /// The last status of a transfer that could not be told.
    pub(super) owed: Option<u16>,
    /// The CSeq of the request with which its owner took it to the connection that it is on, if that is not its first.
    pub(super) moved_by: Option<u32>,
    /// What it dialled in the call, as far as that may be a feature code.
    pub(super) digits: Digits,
    /// The number that it dials for a feature code.
    pub(super) entry: Option<Entry>,
    /// When that is complete.
    pub(super) deadline: Option<Millis>,
    /// What the device hears …
    pub(super) sound: Option<Sound>,
    /// … or is told.
    pub(super) prompt: Option<PromptId>,
}

impl Call {
    pub(super) fn new(from: &str, to: &str, started: Millis, caller: LegId) -> Self {
        Self { caller: Some(caller), ..Self::without_caller(from, to, started) }
    }

    /// One that the PBX makes for somebody.
    pub(super) fn without_caller(from: &str, to: &str, started: Millis) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            target: to.to_owned(),
            hops: 0,
            max_forwards: MOST_FORWARDS,
            replacing: None,
            hosted: None,
            doing: Doing::Nothing,
            hunt: None,
            started,
            answered: None,
            caller: None,
            callees: Vec::new(),
            winner: None,
            early: None,
            failures: Vec::new(),
            relayed: 0,
            over: false,
            refer: None,
            referring: None,
            consult: None,
            consulting: None,
            deadline: None,
            recording: None,
            notes: Notes::default(),
        }
    }

    /// Both sides are taken: an answer comes too late, and so does any ringing.
    pub(super) fn is_settled(&self) -> bool {
        self.over || self.winner.is_some() || self.hosted.is_some()
    }

    /// Nothing is being done in it that moves its sides elsewhere.
    pub(super) fn is_free(&self) -> bool {
        let is_moving = self.referring.is_some() || self.consult.is_some() || self.consulting.is_some();
        self.answered.is_some() && !self.over && !is_moving
    }

    /// The leg across from this one, when the call is answered.
    pub(super) fn across(&self, leg: LegId) -> Option<LegId> {
        self.answered?;
        if self.caller == Some(leg) { self.winner } else { self.caller.filter(|_| self.winner == Some(leg)) }
    }
}

impl Leg {
    pub(super) fn new(call: CallId, side: Side, extension: &str) -> Self {
        Self {
            call,
            side,
            extension: extension.to_owned(),
            established: false,
            key: None,
            sip_call_id: String::new(),
            target: None,
            carried: Vec::new(),
            offer: None,
            answer: None,
            answering: false,
            ready: false,
            open: false,
            hold: false,
            video: None,
            asked: None,
            waiting: None,
            offers: Offers::default(),
            untold: None,
            digits: Digits::default(),
            entry: None,
            deadline: None,
            sound: None,
            prompt: None,
            refer_id: None,
            owed: None,
            moved_by: None,
        }
    }
}
