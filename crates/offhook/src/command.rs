//! Commands on their way to the phone's task, and their outcomes on the way back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use offhook_core::pbx::{CdrPage, CdrQuery, PbxError};
use offhook_core::{
    CallId, CallOptions, Credentials, Devices, PhoneError, RecordPermissions, RtcSession, StaticPatch, StatusPatch,
    TerminateType, Volume,
};
use tokio::sync::oneshot;

use crate::session::Session;

/// The outcome of a command that was sent already. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "the command is sent, but its outcome is not looked at: await it, or drop it with `let _ =`"]
pub struct Pending<T = (), E = PhoneError> {
    outcome: Option<oneshot::Receiver<Result<T, E>>>,
    /// If no outcome comes: why it was not even sent, or that the phone's task is gone.
    otherwise: E,
}

impl<T, E> Pending<T, E> {
    pub(crate) fn refused(error: E) -> Self {
        Self { outcome: None, otherwise: error }
    }
}

impl<T, E: Clone> Future for Pending<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let told = match &mut self.outcome {
            Some(receiver) => match Pin::new(receiver).poll(context) {
                Poll::Ready(told) => told.ok(),
                Poll::Pending => return Poll::Pending,
            },
            None => None,
        };
        self.outcome = None;
        Poll::Ready(told.unwrap_or_else(|| Err(self.otherwise.clone())))
    }
}

// Nothing in it is ever pinned in place.
impl<T, E> Unpin for Pending<T, E> {}

/// Where an outcome goes.
#[derive(Debug)]
pub(crate) struct Reply<T = (), E = PhoneError>(oneshot::Sender<Result<T, E>>);

impl<T> Reply<T> {
    pub(crate) fn pair() -> (Self, Pending<T>) {
        Self::pair_or(PhoneError::Stopped)
    }
}

impl<T, E> Reply<T, E> {
    /// `gone`: the outcome when the phone's task ends before there is one.
    pub(crate) fn pair_or(gone: E) -> (Self, Pending<T, E>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), Pending { outcome: Some(receiver), otherwise: gone })
    }

    pub(crate) fn send(self, outcome: Result<T, E>) {
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
    SetCallWaiting(bool, Reply),
    SetDevices(Devices, Reply),
    Disconnect(Reply),
    /// With other credentials, if given.
    Reregister(Option<Credentials>, Reply),
    SetCurrent(Option<CallId>, Reply),
    RtcSession(CallId, Reply<RtcSession>),
    /// Ends everything, and nobody is told of anything any more.
    Destroy(Reply),
    /// The same, but the PBX's operator goes on.
    DestroyPhone(Reply),
    Cdr(CdrQuery, Reply<CdrPage, PbxError>),
    Logout(Reply<(), PbxError>),
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
