//! Commands on their way to the phone's task, and their outcomes on the way back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use offhook_core::{
    CallId, CallOptions, Credentials, PhoneError, RecordPermissions, RtcSession, StaticPatch, StatusPatch,
    TerminateType, Volume,
};
use tokio::sync::oneshot;

use crate::session::Session;

/// The outcome of a command that was sent already. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "the command is sent, but its outcome is not looked at: await it, or drop it with `let _ =`"]
pub struct Pending<T = ()>(State<T>);

#[derive(Debug)]
enum State<T> {
    Waiting(oneshot::Receiver<Result<T, PhoneError>>),
    Refused(Option<PhoneError>),
}

impl<T> Pending<T> {
    pub(crate) fn refused(error: PhoneError) -> Self {
        Self(State::Refused(Some(error)))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, PhoneError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Waiting(receiver) => {
                Pin::new(receiver).poll(context).map(|outcome| outcome.unwrap_or(Err(PhoneError::Stopped)))
            }
            State::Refused(error) => Poll::Ready(Err(error.take().unwrap_or(PhoneError::Stopped))),
        }
    }
}

// Nothing in it is ever pinned in place.
impl<T> Unpin for Pending<T> {}

/// Where an outcome goes.
#[derive(Debug)]
pub(crate) struct Reply<T = ()>(oneshot::Sender<Result<T, PhoneError>>);

impl<T> Reply<T> {
    pub(crate) fn pair() -> (Self, Pending<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), Pending(State::Waiting(receiver)))
    }

    pub(crate) fn send(self, outcome: Result<T, PhoneError>) {
        // Nobody may be waiting any more.
        let _ = self.0.send(outcome);
    }
}

/// What handles ask of the phone's task.
#[derive(Debug)]
pub(crate) enum Command {
    Start(Reply),
    /// With `parent`, a consultation call.
    Call {
        parent: Option<CallId>,
        number: String,
        options: CallOptions,
        reply: Reply<Session>,
    },
    OfCall {
        call_id: CallId,
        act: Act,
        reply: Reply,
    },
    /// Of these calls, or bringing them into the one there is.
    Conference(Vec<CallId>, Reply),
    HoldConference(bool, Reply),
    SetRecordPermissions(RecordPermissions, Reply),
    Disconnect(Reply),
    /// With other credentials, if given.
    Reregister(Option<Credentials>, Reply),
    SetCurrent(Option<CallId>, Reply),
    RtcSession(CallId, Reply<RtcSession>),
    /// Disconnects, and nobody is told of anything any more.
    Destroy(Reply),
}

/// What a call is asked to do.
#[derive(Debug)]
pub(crate) enum Act {
    Answer(CallOptions),
    Reject,
    Terminate(TerminateType),
    Hold(bool),
    Mute(bool),
    Dtmf(String),
    SendInfo {
        content_type: String,
        body: String,
    },
    BlindTransfer(String),
    AttendedTransfer,
    Renegotiate(Option<bool>),
    RestartIce,
    /// Adds video, or takes it away.
    Video(bool),
    AskForVideo(bool),
    AgreeVideo(bool),
    SendMessage {
        content_type: String,
        body: String,
    },
    SetVolume(Volume),
    Destroy,
    Record(bool),
    StopTimer,
    SetStatus(StatusPatch),
    SetStaticStatus(StaticPatch, Option<bool>),
}
