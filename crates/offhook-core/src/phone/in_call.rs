//! More commands of calls: renegotiation, video, messages, volume, and what is under a call.

use super::Phone;
use crate::call_id::CallId;
use crate::error::PhoneError;
use crate::io::{CommandId, Now, SdpFilterId};
use crate::media::Volume;
use crate::session::RtcSession;

impl Phone {
    /// Sends a re-INVITE in which nothing changes, except the receiving of video if `receive_video` says so. Settled when
    /// the far end agreed.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn renegotiate(
        &mut self,
        now: Now,
        call_id: &CallId,
        receive_video: Option<bool>,
    ) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "renegotiate")?;
        Ok(self.act(now, call_id, |session, ctx, command| session.renegotiate(ctx, command, receive_video)))
    }

    /// Sends a re-INVITE with new ICE credentials and candidates (RFC 8839 §4.4.1.1). Settled when the far end agreed. The
    /// phone does it by itself when signalling comes back after the network changed.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn restart_ice(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "restartIce")?;
        Ok(self.act(now, call_id, |session, ctx, command| session.refresh(ctx, command, true)))
    }

    /// Adds the camera to a call. Settled when the far end agreed: [`PhoneError::Refused`] if it wants no video, and the call
    /// goes on without.
    ///
    /// # Errors
    /// As [`hold`](Self::hold), and [`PhoneError::NoCamera`].
    pub fn audio_to_video(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "audioToVideo")?;
        if self.is_none_camera() {
            return Err(PhoneError::NoCamera);
        }
        self.share_screen(now, call_id)
    }

    /// As [`audio_to_video`](Self::audio_to_video), for video that needs no camera: a screen.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn share_screen(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "shareScreen")?;
        Ok(self.act(now, call_id, |session, ctx, command| session.send_video(ctx, command, true)))
    }

    /// Takes the video out of a call, both ways. Settled when the far end agreed.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn video_to_audio(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "videoToAudio")?;
        Ok(self.act(now, call_id, |session, ctx, command| session.send_video(ctx, command, false)))
    }

    /// Whether somebody is asked ([`VideoRequested`](crate::SessionEvent::VideoRequested)) when the far end of a call wants
    /// to add video. Without, and at first, it is refused, and the audio goes on.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn ask_for_video(&mut self, now: Now, call_id: &CallId, ask: bool) -> Result<(), PhoneError> {
        self.with_session(now, call_id, |session, _| session.set_ask_for_video(ask)).ok_or(PhoneError::UnknownCall)?;
        self.settle_down(now);
        Ok(())
    }

    /// Answers [`VideoRequested`](crate::SessionEvent::VideoRequested). After 30 s without an answer the video is refused.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`]; [`PhoneError::WrongState`] when nothing is asked (any more).
    pub fn agree_video(&mut self, now: Now, call_id: &CallId, agree: bool) -> Result<(), PhoneError> {
        self.live(call_id)?;
        let camera = !self.is_none_camera();
        let agreed = self.with_session(now, call_id, |session, ctx| session.agree_video(ctx, agree, camera));
        self.settle_down(now);
        agreed.ok_or(PhoneError::UnknownCall)?
    }

    /// Sends a MESSAGE in the call (RFC 3428). Settled with its answer.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`], [`PhoneError::WrongState`] before the answer, [`PhoneError::InvalidArgument`] for a
    /// content type that is none. Later: [`PhoneError::Refused`], [`PhoneError::Timeout`].
    pub fn send_message(
        &mut self,
        now: Now,
        call_id: &CallId,
        content_type: &str,
        body: &str,
    ) -> Result<CommandId, PhoneError> {
        self.answered(call_id, "sendMessage")?;
        self.try_act(now, call_id, |session, ctx, command| session.send_message(ctx, command, content_type, body))
    }

    /// How loud the far end is played. Settled at once.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn set_volume(&mut self, now: Now, call_id: &CallId, volume: Volume) -> Result<CommandId, PhoneError> {
        self.live(call_id)?;
        Ok(self.act(now, call_id, |session, ctx, command| {
            session.set_volume(ctx, volume);
            ctx.out.settle(command, Ok(()));
        }))
    }

    /// Ends a call on the wire, as [`hangup`](Self::hangup) does, and forgets it in the same moment. Settled at once.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn destroy_session(&mut self, now: Now, call_id: &CallId) -> Result<CommandId, PhoneError> {
        self.session(call_id).ok_or(PhoneError::UnknownCall)?;
        Ok(self.act(now, call_id, |session, ctx, command| {
            session.destroy(ctx);
            ctx.out.settle(command, Ok(()));
        }))
    }

    /// Gives back the description of an [`Output::FilterSdp`](crate::Output::FilterSdp), changed or not. Late ones, of an
    /// exchange that is over, are ignored. One that is never given back counts as a peer connection that does not answer.
    pub fn sdp_filtered(&mut self, now: Now, call_id: &CallId, filter: SdpFilterId, sdp: String) {
        self.with_session(now, call_id, |session, ctx| session.on_filtered(ctx, filter, sdp));
        self.settle_down(now);
    }

    /// What is under a call that is not over.
    #[must_use]
    pub fn rtc_session(&self, call_id: &CallId) -> Option<RtcSession> {
        let session = self.session(call_id)?;
        let dialog = session.key().and_then(|key| self.sip.call(key));
        Some(session.rtc(dialog.as_ref()))
    }
}
