//! More of what a call can do: renegotiation, messages, volume, devices, and what is under it.

use offhook_core::{PhoneError, RtcSession, Volume};

use crate::command::{Act, Command, Pending};
use crate::session::Session;

/// Why no device can be chosen.
pub(crate) const NO_DEVICES: &str = "this phone has no audio devices: build with the feature `devices` and give some (PhoneBuilder::devices), \
     or play a source and set a sink (Session::play, Session::set_sink)";

/// Which device.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    In,
    Out,
}

impl Session {
    /// Sends a re-INVITE in which nothing changes, except the receiving of video if `receive_video` says so.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn renegotiate(&self, receive_video: Option<bool>) -> Pending {
        self.send(Act::Renegotiate(receive_video))
    }

    /// Sends a re-INVITE with new ICE credentials and with the addresses that this machine has now. It is done without
    /// asking when signalling comes back after the network changed.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn restart_ice(&self) -> Pending {
        self.send(Act::RestartIce)
    }

    /// Sends a MESSAGE in the call (RFC 3428). Its outcome is the far end's.
    ///
    /// # Errors
    /// [`PhoneError::Refused`], [`PhoneError::Timeout`], [`PhoneError::WrongState`] before the answer.
    pub fn send_message(&self, content_type: impl Into<String>, body: impl Into<String>) -> Pending {
        self.send(Act::SendMessage { content_type: content_type.into(), body: body.into() })
    }

    /// How loud the sink hears the far end: 0.0 (silence) to 1.0 (as it is). Taps and recordings hear it as it is.
    ///
    /// # Errors
    /// [`PhoneError::InvalidArgument`] for any other number, [`PhoneError::UnknownCall`].
    pub fn set_volume(&self, volume: f64) -> Pending {
        match Volume::new(volume) {
            Some(volume) => self.send(Act::SetVolume(volume)),
            None => {
                let detail = format!("the volume {volume} is not between 0.0 and 1.0");
                Pending::refused(PhoneError::InvalidArgument { detail })
            }
        }
    }

    /// Takes the sound from another microphone, by its name or identity, for all calls of the phone's devices.
    ///
    /// # Errors
    /// [`PhoneError::InvalidArgument`] says which there are; [`PhoneError::Unsupported`] without devices
    /// (`PhoneBuilder::devices`, of the feature `devices`).
    pub fn set_input_device(&self, device: &str) -> Pending {
        self.set_device(Way::In, device)
    }

    /// Plays the far end on another loudspeaker, by its name or identity, for all calls of the phone's devices.
    ///
    /// # Errors
    /// As [`set_input_device`](Self::set_input_device).
    pub fn set_output_device(&self, device: &str) -> Pending {
        self.set_device(Way::Out, device)
    }

    #[cfg(not(feature = "devices"))]
    fn set_device(&self, _way: Way, _device: &str) -> Pending {
        Pending::refused(PhoneError::Unsupported { what: NO_DEVICES })
    }

    /// What is under the call: dialog, descriptions, signalling state, as they are now.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`] when it is over.
    pub fn rtc_session(&self) -> Pending<RtcSession> {
        let call_id = self.call_id().clone();
        self.command(|reply| Command::RtcSession(call_id, reply))
    }

    /// Ends the call on the wire, forgets it at once, and ends every stream and listener of its events, without a last event.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`] if it is over already.
    pub fn destroy(&self) -> Pending {
        self.send(Act::Destroy)
    }
}
