//! Setting a PBX up.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{PbxConfig, PbxLimits};
use crate::error::PbxError;
use crate::extension::Extension;
use crate::features::{Conference, RingGroup};
use crate::pbx::Pbx;
use crate::pseries::PSeries;
use crate::site::Site;

/// Sets a PBX up: [`Pbx::builder`].
///
/// Later calls win over earlier ones, so give a configuration first and its exceptions after it.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct PbxBuilder {
    config: PbxConfig,
    site: Site,
    error: Option<PbxError>,
}

impl PbxBuilder {
    /// Takes a whole configuration.
    pub fn config(mut self, config: PbxConfig) -> Self {
        self.config = config;
        self
    }

    /// Reads a configuration file; what is wrong with it is told by [`start`](Self::start).
    pub fn config_file(mut self, path: impl AsRef<Path>) -> Self {
        match PbxConfig::read(path) {
            Ok(config) => self.config = config,
            Err(error) => self.error = self.error.or(Some(error.into())),
        }
        self
    }

    /// Address to listen on; default 127.0.0.1. Beyond loopback, built-in passwords are refused.
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.config.bind = address;
        self
    }

    /// Port for ws: 0 takes a free one (default), `None` switches it off.
    pub fn ws_port(mut self, port: impl Into<Option<u16>>) -> Self {
        self.config.ws_port = port.into();
        self
    }

    /// Port for wss: 0 takes a free one (default), `None` switches it off.
    pub fn wss_port(mut self, port: impl Into<Option<u16>>) -> Self {
        self.config.wss_port = port.into();
        self
    }

    /// Adds a conference room. With the first one the built-in rooms are gone.
    pub fn conference(mut self, room: Conference) -> Self {
        self.config.conferences.push(room);
        self
    }

    /// Adds a ring group.
    pub fn ring_group(mut self, group: RingGroup) -> Self {
        self.config.ring_groups.push(group);
        self
    }

    /// Adds an extension. With the first one the built-in extensions are gone.
    pub fn extension(mut self, extension: Extension) -> Self {
        self.config.extensions.push(extension);
        self
    }

    /// Where the certificate, call records and changes at run time are kept; default nowhere.
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.data_dir = Some(path.into());
        self
    }

    /// The host of addresses that the PBX writes; default `localhost`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.config.domain = domain.into();
        self
    }

    /// How long a call rings before the caller gets 480; default 60 s.
    pub fn no_answer(mut self, time: Duration) -> Self {
        self.config.no_answer = time;
        self
    }

    /// Where the calls are recorded that are switched on by the feature code; default nowhere, and none.
    pub fn recordings(mut self, directory: impl Into<PathBuf>) -> Self {
        self.config.recordings = Some(directory.into());
        self
    }

    /// The digits that switch recording on and off: 1 to 8 of `0-9 * # A-D`; default `*1`.
    pub fn record_feature_code(mut self, code: impl Into<String>) -> Self {
        self.config.record_feature_code = code.into();
        self
    }

    /// The P-Series API.
    pub fn pseries(mut self, pseries: PSeries) -> Self {
        self.config.pseries = pseries;
        self
    }

    /// What browsers are shown; default nothing. A later site replaces an earlier one.
    pub fn site(mut self, site: Site) -> Self {
        self.site = site;
        self
    }

    /// Bounds.
    pub fn limits(mut self, limits: PbxLimits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Starts it in the present tokio runtime.
    ///
    /// # Errors
    /// Every [`PbxError`]: each says what to do.
    pub async fn start(self) -> Result<Pbx, PbxError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        Pbx::start(self.config.finish()?, self.site).await
    }
}
