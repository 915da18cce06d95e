//! What the API tells of the PBX as a whole, and the feature codes.

use std::collections::BTreeMap;

use crate::config::PbxConfig;

/// Settings; each can be changed at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The digits that switch recording on and off.
    pub(crate) record_feature_code: String,
    /// Clients outside reach the PBX under a name.
    pub(crate) enable_nat_fqdn: bool,
    /// That name.
    pub(crate) fqdn_domain: String,
    /// Where STUN is, next to it.
    pub(crate) turn_port: u16,
    /// Plan mode `cn`: whether clients may log in at all.
    pub(crate) internal_client: bool,
    /// Whether the plan has this.
    pub(crate) fqdn_service: bool,
    pub(crate) video_service: bool,
    /// Whether clients of the SDK may log in.
    pub(crate) sdk: bool,
}

impl Settings {
    /// As they are without any change.
    pub(crate) fn new(config: &PbxConfig) -> Self {
        let pseries = &config.pseries;
        Self {
            record_feature_code: config.record_feature_code.clone(),
            enable_nat_fqdn: pseries.nat_fqdn,
            fqdn_domain: pseries.fqdn_domain.clone(),
            turn_port: pseries.turn_port,
            internal_client: pseries.internal_client,
            fqdn_service: pseries.fqdn_licence,
            video_service: pseries.video_licence,
            sdk: pseries.sdk_plan,
        }
    }

    /// With the changes that were kept.
    pub(super) fn with_kept(mut self, kept: &BTreeMap<String, String>) -> Self {
        let text = |name: &str, value: &mut String| {
            if let Some(kept) = kept.get(name) {
                value.clone_from(kept);
            }
        };
        text(RECORD_FEATURE_CODE, &mut self.record_feature_code);
        text(FQDN_DOMAIN, &mut self.fqdn_domain);
        let flag = |name: &str, value: &mut bool| {
            if let Some(kept) = kept.get(name) {
                *value = kept == "1";
            }
        };
        flag(ENABLE_NAT_FQDN, &mut self.enable_nat_fqdn);
        flag(INTERNAL_CLIENT, &mut self.internal_client);
        flag(FQDN_SERVICE, &mut self.fqdn_service);
        flag(VIDEO_SERVICE, &mut self.video_service);
        flag(SDK, &mut self.sdk);
        if let Some(port) = kept.get(TURN_PORT_NAME).and_then(|port| port.parse().ok()) {
            self.turn_port = port;
        }
        self
    }

    /// What is to be kept of a change: what is not changed stays the configuration's.
    pub(super) fn changed_from(&self, old: &Self) -> Vec<(&'static str, Option<String>)> {
        let values = self.values().into_iter().zip(old.values());
        values.filter(|(new, old)| new != old).map(|((name, value), _)| (name, Some(value))).collect()
    }

    /// For the store to forget all that was changed.
    pub(super) fn forgotten() -> Vec<(&'static str, Option<String>)> {
        Self::new(&PbxConfig::default()).values().into_iter().map(|(name, _)| (name, None)).collect()
    }

    fn values(&self) -> [(&'static str, String); 8] {
        let flag = |on: bool| u8::from(on).to_string();
        [
            (RECORD_FEATURE_CODE, self.record_feature_code.clone()),
            (ENABLE_NAT_FQDN, flag(self.enable_nat_fqdn)),
            (FQDN_DOMAIN, self.fqdn_domain.clone()),
            (TURN_PORT_NAME, self.turn_port.to_string()),
            (INTERNAL_CLIENT, flag(self.internal_client)),
            (FQDN_SERVICE, flag(self.fqdn_service)),
            (VIDEO_SERVICE, flag(self.video_service)),
            (SDK, flag(self.sdk)),
        ]
    }
}

/// Their names in the store.
const RECORD_FEATURE_CODE: &str = "record_feature_code";
const ENABLE_NAT_FQDN: &str = "enable_nat_fqdn";
const FQDN_DOMAIN: &str = "fqdn_domain";
const TURN_PORT_NAME: &str = "turn_port";
const INTERNAL_CLIENT: &str = "internal_client";
const FQDN_SERVICE: &str = "fqdn_service";
const VIDEO_SERVICE: &str = "video_service";
const SDK: &str = "sdk";
