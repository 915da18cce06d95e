//! What refuses a command before anything is done.

use offhook_sip::{CommandError, Uri};

use super::Phone;
use crate::call_id::CallId;
use crate::config::{CallOptions, Permission};
use crate::error::PhoneError;
use crate::io::Now;
use crate::number;
use crate::session::{Session, extra_headers};

/// Between two calls made, ms.
const CALL_INTERVAL_MS: u64 = 1_000;

impl Phone {
    /// What [`call`](Self::call), or [`consult`](Self::consult) for `parent`, would refuse at this moment: for a driver that
    /// asks the user for the microphone before the call is there.
    ///
    /// # Errors
    /// As theirs.
    pub fn may_call(
        &self,
        now: Now,
        number: &str,
        options: &CallOptions,
        parent: Option<&CallId>,
    ) -> Result<(), PhoneError> {
        self.check_call(now, number, options, parent)?;
        extra_headers(&options.extra_headers).map(drop)
    }

    /// What [`answer`](Self::answer) would refuse at this moment.
    ///
    /// # Errors
    /// As its.
    pub fn may_answer(&self, call_id: &CallId, options: &CallOptions) -> Result<(), PhoneError> {
        self.ringing(call_id)?;
        if self.sessions.iter().any(|session| session.call_id() != call_id && session.is_connecting()) {
            return Err(PhoneError::CallNotConnected);
        }
        if options.video && self.is_none_camera() {
            return Err(PhoneError::NoCamera);
        }
        extra_headers(&options.extra_headers).map(drop)
    }

    /// The reasons to refuse [`Phone::call`] and [`Phone::consult`], in the contract's order; being disconnected, of which
    /// it says nothing, comes last.
    pub(super) fn check_call(
        &self,
        now: Now,
        number: &str,
        options: &CallOptions,
        parent: Option<&CallId>,
    ) -> Result<(Uri, String), PhoneError> {
        if self.sessions.iter().any(|session| session.is_connecting() || session.status().is_ring) {
            return Err(PhoneError::CallNotConnected);
        }
        let target = number::target(number, &self.config.aor.uri().host())?;
        if self.called.is_some_and(|at| now.mono.saturating_sub(at) < CALL_INTERVAL_MS) {
            return Err(PhoneError::CallTooSoon);
        }
        if parent.is_none() && self.is_max_call() {
            return Err(PhoneError::TooManyCalls);
        }
        let Some((microphones, cameras)) = self.devices.inputs else { return Err(PhoneError::DevicesUnreadable) };
        if microphones == 0 {
            return Err(PhoneError::NoMicrophone);
        }
        if options.video && cameras == 0 {
            return Err(PhoneError::NoCamera);
        }
        if self.devices.permission == Permission::Denied {
            return Err(PhoneError::PermissionDenied);
        }
        if parent.is_some_and(|parent| self.answered(parent, "consult").is_err()) {
            return Err(PhoneError::ParentNotFound);
        }
        // A phone that is being stopped has its connection only to say goodbye.
        if self.sip.connection.is_none() || self.link.is_stopping() {
            return Err(PhoneError::NotConnected);
        }
        Ok(target)
    }

    /// A call that is not over.
    pub(super) fn live(&self, call_id: &CallId) -> Result<&Session, PhoneError> {
        self.session(call_id).filter(|session| !session.is_ending()).ok_or(PhoneError::UnknownCall)
    }

    /// A call that is answered and not over.
    pub(super) fn answered(&self, call_id: &CallId, command: &'static str) -> Result<&Session, PhoneError> {
        let session = self.live(call_id)?;
        if session.is_accepted() {
            Ok(session)
        } else {
            Err(PhoneError::WrongState { command, state: "the call is not answered yet" })
        }
    }

    /// A call that rings inbound.
    pub(super) fn ringing(&self, call_id: &CallId) -> Result<&Session, PhoneError> {
        self.live(call_id).ok().filter(|session| session.status().is_ring).ok_or(PhoneError::UnknownCall)
    }
}

impl From<CommandError> for PhoneError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::UnknownConnection => Self::NotConnected,
            CommandError::UnknownCall => Self::UnknownCall,
            CommandError::WrongState { command, state } => Self::WrongState { command, state },
            other => Self::InvalidArgument { detail: other.to_string() },
        }
    }
}
