//! The call that the user looks at, and how many there may be.

use super::Phone;
use crate::call_id::CallId;
use crate::error::PhoneError;
use crate::session::Session;

impl Phone {
    /// The call that the user looks at: the one made, answered or resumed last, or the one that was
    /// [chosen](Self::set_current_session) since. When it ends, another answered call takes its place, the newest first; that
    /// of the far end which asked for it by a transfer, if nothing has come of it.
    #[must_use]
    pub fn current_session_id(&self) -> Option<&CallId> {
        self.current.as_ref()
    }

    /// The same call.
    #[must_use]
    pub fn current_session(&self) -> Option<&Session> {
        self.session(self.current.as_ref()?)
    }

    /// Chooses the call that the user looks at; `None`: none. Nothing else changes: no call is held or resumed.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn set_current_session(&mut self, call_id: Option<&CallId>) -> Result<(), PhoneError> {
        if let Some(call_id) = call_id {
            self.session(call_id).ok_or(PhoneError::UnknownCall)?;
        }
        self.current = call_id.cloned();
        Ok(())
    }

    /// The server's word on call waiting (a P-Series PBX has a flag for it). A phone that was
    /// [made](crate::PhoneConfig::call_waiting) without call waiting stays without.
    pub fn set_call_waiting(&mut self, offered: bool) {
        self.waiting_offered = offered;
    }

    /// A call is over.
    pub(super) fn leave_current(&mut self, gone: &CallId, back_to: Option<&CallId>) {
        if self.current.as_ref() == Some(gone) {
            let there = |session: &&Session| session.is_accepted() && !session.is_ending();
            let before = self.sessions.iter().filter(there).find(|session| Some(session.call_id()) == back_to);
            let next = before.or_else(|| self.sessions.iter().rev().find(there));
            self.current = next.map(|session| session.call_id().clone());
        }
    }
}
