//! Recording, as the phone's user commands it.

use super::Phone;
use crate::call_id::CallId;
use crate::config::CallOptions;
use crate::error::PhoneError;
use crate::events::PhoneEvent;
use crate::io::{CommandId, Now};
use crate::recording::RecordPermissions;

impl Phone {
    /// Begins to record a call, or goes on after a pause, in the way of [`PhoneConfig::record`](crate::PhoneConfig::record).
    /// Settled when it is recorded: when the file is open, or the server said so. At once if it is recorded already.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`], [`PhoneError::WrongState`] before the answer, [`PhoneError::NotPermitted`] as
    /// [`record_permissions`](Self::record_permissions) say. Later: [`PhoneError::Recording`] for a file that cannot be
    /// written, [`PhoneError::InvalidArgument`] for a feature code that is no DTMF, [`PhoneError::Refused`] by the server,
    /// [`PhoneError::Timeout`] if it says nothing for 10 s. The call goes on.
    pub fn start_record(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "startRecord")?;
        self.try_act(now, call_id, |session, ctx, command| session.record(ctx, command, true))
    }

    /// Pauses the recording of a call; [`start_record`](Self::start_record) goes on with it, into the same file. Settled
    /// as that is.
    ///
    /// # Errors
    /// As [`start_record`](Self::start_record), and [`PhoneError::WrongState`] if the call is not recorded.
    pub fn pause_record(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "pauseRecord")?;
        self.try_act(now, call_id, |session, ctx, command| session.record(ctx, command, false))
    }

    /// What its user may do about recording.
    #[must_use]
    pub fn record_permissions(&self) -> RecordPermissions {
        self.config.record_permissions
    }

    /// Changes what its user may do about recording; emits `recordPermissionsChange` if that is another. What is being
    /// recorded goes on.
    pub fn set_record_permissions(&mut self, now: Now, permissions: RecordPermissions) {
        self.change_record_permissions(permissions);
        self.settle_down(now);
    }

    pub(super) fn change_record_permissions(&mut self, permissions: RecordPermissions) {
        if std::mem::replace(&mut self.config.record_permissions, permissions) != permissions {
            self.event(PhoneEvent::RecordPermissionsChange { record_permissions: permissions });
        }
    }

    /// Refuses options that want a recording which is not permitted.
    pub(super) fn check_recording(&self, options: &CallOptions) -> Result<(), PhoneError> {
        if options.record_to.is_some() && self.config.record_permissions < RecordPermissions::All {
            return Err(PhoneError::NotPermitted { command: "recordTo" });
        }
        Ok(())
    }
}
