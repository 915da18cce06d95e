//! Microphone and loudspeakers (feature `devices`).
//!
//! ```no_run
//! use offhook::devices::{AudioDevices, DeviceEvent, ProcessingConfig, Role};
//! use offhook::{CallOptions, Phone};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let devices = AudioDevices::open(ProcessingConfig::default())?;
//! devices.choose(Role::Ringer, Some("USB speaker")).await?;
//! let mut events = devices.events();
//! let phone = Phone::builder().server("ws://127.0.0.1:8088/ws").user("1000").password("secret-1000").devices(devices).connect().await?;
//! let call = phone.call("600", CallOptions::default()).await?;
//! while let Some(event) = events.recv().await {
//!     if let DeviceEvent::Lost { device, fallback, .. } = event {
//!         println!("{} is gone; the call goes on with {fallback:?}", device.name);
//!     }
//! }
//! # drop(call);
//! # Ok(())
//! # }
//! ```

mod feedback;

pub use offhook_media::devices::{
    Alarm, AudioDevices, Backend, CallAudio, DeviceError, DeviceEvent, DeviceEvents, DeviceInfo, DeviceKind, InputPort,
    OutputPort, ProcessingConfig, Role, Sound, Stream, SystemBackend, VirtualBackend, VirtualDevice,
};

use offhook_core::PhoneError;

use crate::command::{Pending, Reply};
use crate::in_call::{NO_DEVICES, Way};
use crate::session::Session;

pub(crate) use feedback::Feedback;

impl Session {
    /// Sends the microphone and plays on the loudspeaker again, instead of what was [played](Session::play) and
    /// [set](Session::set_sink).
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] without devices.
    pub fn use_devices(&self) -> Result<(), PhoneError> {
        if self.call.devices().is_none() {
            return Err(PhoneError::Unsupported { what: NO_DEVICES });
        }
        self.call.audio().give_up();
        self.call.plug_in(None);
        Ok(())
    }

    pub(crate) fn set_device(&self, way: Way, device: &str) -> Pending {
        let Some(devices) = self.call.devices() else {
            return Pending::refused(PhoneError::Unsupported { what: NO_DEVICES });
        };
        let role = match way {
            Way::In => Role::Microphone,
            Way::Out => Role::Speaker,
        };
        let (reply, pending) = Reply::pair();
        devices.choose_then(role, Some(device), move |chosen| {
            reply.send(chosen.map_err(|error| PhoneError::InvalidArgument { detail: error.to_string() }));
        });
        pending
    }
}
