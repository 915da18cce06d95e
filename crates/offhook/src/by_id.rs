//! What a phone does with a call by its name, the call that the user looks at, and other credentials.

use offhook_core::{CallId, CallOptions, Credentials, Secret, StaticPatch, TerminateType};

use crate::command::{Act, Command, Pending};
use crate::phone::Phone;
use crate::session::Session;

impl Phone {
    /// Registers again at once with another login and `md5(user:realm:password)` in hexadecimal. The outcome is that of the
    /// attempt.
    ///
    /// # Errors
    /// [`PhoneError::Registration`](crate::PhoneError::Registration); [`PhoneError::WrongState`](crate::PhoneError::WrongState) when the phone is not connected.
    pub fn reregister(&self, authorization_user: impl Into<String>, ha1: impl Into<Secret>) -> Pending {
        let credentials = Credentials::ha1(authorization_user.into(), None, ha1.into());
        self.send(|reply| Command::Reregister(Some(credentials), reply))
    }

    /// The call that the user looks at: the one made, answered or resumed last, or the one chosen since.
    #[must_use]
    pub fn current_session(&self) -> Option<Session> {
        self.session(&self.inner.shared.current()?)
    }

    /// Its name.
    #[must_use]
    pub fn current_session_id(&self) -> Option<CallId> {
        self.inner.shared.current()
    }

    /// Chooses the call that the user looks at; `None`: none.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`](crate::PhoneError::UnknownCall).
    pub fn set_current_session(&self, call_id: Option<&CallId>) -> Pending {
        let call_id = call_id.cloned();
        self.send(|reply| Command::SetCurrent(call_id, reply))
    }

    /// The calls that ring inbound.
    #[must_use]
    pub fn incoming_list(&self) -> Vec<Session> {
        self.sessions().into_iter().filter(|session| session.status().is_ring).collect()
    }

    /// Hangs up every call, unregisters, closes the connection, and ends every stream and listener at once. The phone cannot be
    /// used after that. The operator of its PBX, if it came with one, goes on.
    pub async fn destroy(&self) {
        let with_pbx = self.inner.shared.pbx.is_some();
        // A phone whose task is gone is destroyed.
        let _ = self.send(if with_pbx { Command::DestroyPhone } else { Command::Destroy }).await;
    }

    // --- calls by name ---

    /// As [`Session::answer`].
    ///
    /// # Errors
    /// As there.
    pub fn answer(&self, call_id: &CallId, options: CallOptions) -> Pending {
        self.of_call(call_id, Act::Answer(options))
    }

    /// As [`Session::reject`].
    ///
    /// # Errors
    /// As there.
    pub fn reject(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::Reject)
    }

    /// As [`Session::hangup`].
    ///
    /// # Errors
    /// As there.
    pub fn hangup(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::Terminate(TerminateType::Hangup))
    }

    /// As [`Session::terminate`].
    ///
    /// # Errors
    /// As there.
    pub fn terminate(&self, call_id: &CallId, kind: TerminateType) -> Pending {
        self.of_call(call_id, Act::Terminate(kind))
    }

    /// As [`Session::blind_transfer`].
    ///
    /// # Errors
    /// As there.
    pub fn blind_transfer(&self, call_id: &CallId, number: impl Into<String>) -> Pending {
        self.of_call(call_id, Act::BlindTransfer(number.into()))
    }

    /// As [`Session::attended_transfer`].
    ///
    /// # Errors
    /// As there.
    pub fn attended_transfer(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::AttendedTransfer)
    }

    /// As [`Session::hold`].
    ///
    /// # Errors
    /// As there.
    pub fn hold(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::Hold(true))
    }

    /// As [`Session::unhold`].
    ///
    /// # Errors
    /// As there.
    pub fn unhold(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::Hold(false))
    }

    /// As [`Session::dtmf`].
    ///
    /// # Errors
    /// As there.
    pub fn dtmf(&self, call_id: &CallId, tones: impl Into<String>) -> Pending {
        self.of_call(call_id, Act::Dtmf(tones.into()))
    }

    /// As [`Session::mute`].
    ///
    /// # Errors
    /// As there.
    pub fn mute(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::Mute(true))
    }

    /// As [`Session::unmute`].
    ///
    /// # Errors
    /// As there.
    pub fn unmute(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::Mute(false))
    }

    /// As [`Session::start_record`].
    ///
    /// # Errors
    /// As there.
    pub fn start_record(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::Record(true))
    }

    /// As [`Session::pause_record`].
    ///
    /// # Errors
    /// As there.
    pub fn pause_record(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::Record(false))
    }

    /// As [`Session::renegotiate`].
    ///
    /// # Errors
    /// As there.
    pub fn renegotiate(&self, call_id: &CallId, receive_video: Option<bool>) -> Pending {
        self.of_call(call_id, Act::Renegotiate(receive_video))
    }

    /// As [`Session::audio_to_video`].
    ///
    /// # Errors
    /// As there.
    pub fn audio_to_video(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::Video(true))
    }

    /// As [`Session::video_to_audio`].
    ///
    /// # Errors
    /// As there.
    pub fn video_to_audio(&self, call_id: &CallId) -> Pending {
        self.of_call(call_id, Act::Video(false))
    }

    /// As [`Session::set_static_status`].
    ///
    /// # Errors
    /// As there.
    pub fn set_session_static_status(&self, call_id: &CallId, patch: StaticPatch, manual: Option<bool>) -> Pending {
        self.of_call(call_id, Act::SetStaticStatus(patch, manual))
    }

    fn of_call(&self, call_id: &CallId, act: Act) -> Pending {
        let call_id = call_id.clone();
        self.send(|reply| Command::OfCall { call_id, act, reply })
    }
}
