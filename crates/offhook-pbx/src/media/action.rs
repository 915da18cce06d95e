//! What the switch wants of the media, and what it is told.

use std::path::PathBuf;

use offhook_media::{Codec, Direction, MediaError};

use super::message::Message;
use super::prompt::Piece;
use crate::events::CallId;

/// One leg of a call. Never used twice by one PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LegId(pub(crate) u64);

/// One recording of a call. Never used twice by one PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RecordingId(pub(crate) u64);

/// One conference room, by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RoomId(pub(crate) usize);

/// Something that ends. Never used twice by one PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PromptId(pub(crate) u64);

/// A message that is being recorded. Never used twice by one PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MessageId(pub(crate) u64);

/// What the switch wants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MediaAction {
    /// Make a connection, with these codecs in order of preference.
    Open { leg: LegId, codecs: Vec<Codec> },
    /// An offer of ours: [`MediaEvent::Offer`] or [`MediaEvent::Failed`] follows.
    CreateOffer { leg: LegId, purpose: OfferFor, direction: Direction, video: Option<Direction> },
    /// The answer to theirs, with at most this video: [`MediaEvent::Answer`] or [`MediaEvent::Failed`] follows.
    AcceptOffer { leg: LegId, purpose: AnswerFor, sdp: String, video: Option<Direction> },
    /// Their answer: [`MediaEvent::Applied`] or [`MediaEvent::Failed`] follows.
    AcceptAnswer { leg: LegId, purpose: AppliedFor, sdp: String },
    /// The leg's call is answered: what was agreed early comes up now, if it did not before.
    Answered { leg: LegId },
    /// Our offer was refused.
    Rollback { leg: LegId },
    /// What the leg hears from now on.
    Play { leg: LegId, sound: Sound },
    /// Each hears the other.
    Bridge { a: LegId, b: LegId },
    /// It hears nobody, and nobody hears it.
    Unbridge { leg: LegId },
    /// Whether [`MediaEvent::Silent`] is wanted.
    Watch { leg: LegId, on: bool },
    /// Let it hear something that ends: [`MediaEvent::Prompted`] follows, unless it is made to hear something else before.
    Prompt { leg: LegId, prompt: PromptId, pieces: Vec<Piece> },
    /// Bring it into a conference room: it is sent what the others there say besides what it is played.
    Join { leg: LegId, room: RoomId },
    /// Take it out of its room.
    Leave { leg: LegId },
    /// Record a message into a mailbox: [`MediaEvent::MessageKept`] or [`MediaEvent::MessageLost`] follows at its end, and
    /// [`MediaEvent::MessageOver`] says when there is nothing more to record.
    TakeMessage { leg: LegId, message: MessageId, mailbox: String },
    /// The message is over.
    EndMessage { message: MessageId },
    /// Delete a message.
    DeleteMessage { file: PathBuf },
    /// Record: [`MediaEvent::RecordingStarted`] or [`MediaEvent::RecordingFailed`] follows. `call` names the file.
    StartRecording { recording: RecordingId, call: CallId, of: Taped },
    /// Leave out what is said, or do not any more.
    PauseRecording { recording: RecordingId, paused: bool },
    /// Complete the file.
    StopRecording { recording: RecordingId },
    /// Close the connection.
    Close { leg: LegId },
}

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taped {
    /// What a callee's leg hears (left) and says (right).
    Callee(LegId),
    /// What a caller's leg says (left) and hears (right).
    Caller(LegId),
    /// All that is said in a room.
    Room(RoomId),
}

/// What a leg can be made to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sound {
    /// 440 Hz.
    Tone,
    /// The ringing tone.
    Ringback,
    /// Nothing but its room.
    Silence,
    Music,
    Echo,
    /// The leg that it is bridged with.
    Relay,
}

/// What an offer of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfferFor {
    /// The INVITE of an outbound leg.
    Invite,
    /// The 200 to an INVITE without an offer.
    Answer,
    /// The 200 to a re-INVITE without an offer.
    Reinvite,
    /// A session refresh.
    Refresh,
    /// The other device adds video.
    Video,
    /// It has taken it away.
    NoVideo,
}

/// What an answer of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerFor {
    /// A 183.
    Early,
    /// The 200.
    Answer,
    /// A re-INVITE or UPDATE; whether it puts us on hold, and the video that there was before.
    Reinvite { hold: bool, had: Option<Direction> },
}

/// What an answer of theirs was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppliedFor {
    /// In a 18x to our INVITE.
    Early,
    /// In the 200 to our INVITE.
    Answer,
    /// In an ACK: the answer to the offer in our 200. Whether it puts us on hold.
    Ack { hold: bool },
    /// To another offer of ours.
    Refresh,
}

/// What a command was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Open,
    Offer(OfferFor),
    Answer(AnswerFor),
    Applied(AppliedFor),
}

/// How it went, and what happens by itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MediaEvent {
    Offer {
        leg: LegId,
        purpose: OfferFor,
        sdp: String,
    },
    Answer {
        leg: LegId,
        purpose: AnswerFor,
        sdp: String,
    },
    Applied {
        leg: LegId,
        purpose: AppliedFor,
    },
    /// A command failed; the connection may go on.
    Failed {
        leg: LegId,
        step: Step,
        error: MediaError,
    },
    /// Encrypted audio can flow.
    Connected {
        leg: LegId,
    },
    /// The connection is unusable.
    Broken {
        leg: LegId,
        error: MediaError,
    },
    /// Nothing came in for the media timeout.
    Silent {
        leg: LegId,
    },
    /// A DTMF digit came as telephone-event.
    Digit {
        leg: LegId,
        digit: char,
    },
    /// What it was made to hear has ended.
    Prompted {
        leg: LegId,
        prompt: PromptId,
    },
    /// Nothing was said for long, or as much as a message may hold.
    MessageOver {
        message: MessageId,
    },
    /// A message is in its mailbox.
    MessageKept {
        message: MessageId,
        mailbox: String,
        kept: Message,
    },
    /// There is none: nothing was said, or it cannot be written.
    MessageLost {
        message: MessageId,
        mailbox: String,
        reason: String,
    },
    /// The file is open.
    RecordingStarted {
        call: CallId,
        recording: RecordingId,
        file: String,
    },
    /// The file cannot be written, or not any more.
    RecordingFailed {
        call: CallId,
        recording: RecordingId,
        reason: String,
    },
    /// The file is complete.
    RecordingComplete {
        call: CallId,
        recording: RecordingId,
        file: String,
    },
}
