//! What a phone has of the machine that it runs on, however it came by its account.

use std::time::Duration;

use offhook_core::{Phone as Core, PhoneError};
use offhook_media::{Addresses, Codec, Mixer};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::actor::{Actor, MediaConfig, PbxLink, Setup, Shared};
use crate::filter::SdpFilter;
use crate::phone::Phone;
use crate::transport::{Target, Trust};

/// Whom to trust, how long to wait, and how media is made.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) ca_certificate: Option<Vec<u8>>,
    pub(crate) pin: Option<String>,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) dtx: bool,
    pub(crate) addresses: Option<Addresses>,
    pub(crate) connect_timeout: Duration,
    pub(crate) sdp_filter: Option<SdpFilter>,
    #[cfg(feature = "devices")]
    pub(crate) devices: Option<offhook_media::devices::AudioDevices>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            ca_certificate: None,
            pin: None,
            codecs: Vec::new(),
            dtx: false,
            addresses: None,
            connect_timeout: Duration::from_secs(10),
            sdp_filter: None,
            #[cfg(feature = "devices")]
            devices: None,
        }
    }
}

impl Host {
    pub(crate) fn trust(&self) -> Result<Trust, PhoneError> {
        match (&self.pin, &self.ca_certificate) {
            (Some(_), Some(_)) => {
                let detail = "give a CA certificate or a pinned certificate, not both".to_owned();
                Err(PhoneError::InvalidArgument { detail })
            }
            (Some(pin), None) => Trust::pinned(pin),
            (None, Some(pem)) => Trust::authorities(pem),
            (None, None) => Ok(Trust::system()),
        }
    }

    /// Sets the core going in a task of its own. `epoch` is the zero of the clock that the core knows.
    pub(crate) fn spawn(self, core: Core, target: Target, epoch: Instant, pbx: Option<PbxLink>) -> Phone {
        let loopback = if target.is_loopback() { Addresses::Loopback } else { Addresses::Host };
        let media = MediaConfig {
            addresses: self.addresses.unwrap_or(loopback),
            codecs: self.codecs,
            dtx: self.dtx,
            mixer: Mixer::new(),
            #[cfg(feature = "devices")]
            devices: self.devices.clone(),
        };
        let shared = Shared::new(&core);
        let setup = Setup { target, media, filter: self.sdp_filter, pbx, epoch };
        let (actor, messages) = Actor::new(core, setup, shared.clone());
        let (alive, gone) = oneshot::channel();
        tokio::spawn(actor.run(gone));
        let phone = Phone::new(messages, shared, alive);
        #[cfg(feature = "devices")]
        let phone = phone.with_devices(self.devices);
        phone
    }
}

/// The seed of a phone's random choices.
pub(crate) fn seed() -> Result<[u8; 32], String> {
    let mut seed = [0; 32];
    match getrandom::fill(&mut seed) {
        Ok(()) => Ok(seed),
        Err(error) => Err(format!("the system gives no random numbers: {error}")),
    }
}
