//! What the P-Series API says of this PBX, and who may use it.

use offhook_sip::Secret;
use serde::{Deserialize, Deserializer};

use crate::error::ConfigError;

/// The client id of the open API where none is configured.
pub(crate) const CLIENT_ID: &str = "offhook";

/// The P-Series API: what `getproduct` says, the settings clients are given, and the secrets of the open and the admin API.
///
/// In a file this is the table `[pseries]`; every key has a default:
///
/// ```toml
/// [pseries]
/// company = "offhook"
/// product_name = "offhook PBX"
/// plan = "en"                    # or "cn": the plan mode that clients follow
/// cloud = false                  # on a cloud plan clients take STUN from cloud_domain
/// access_type = "local"          # external_ip, external_host, ys_domain: clients write `nat;` into their Contact
/// nat_fqdn = false               # STUN from fqdn_domain
/// fqdn_domain = ""
/// cloud_domain = ""
/// turn_port = 11009
/// fqdn_licence = true
/// video_licence = true
/// sdk_plan = true                # false: log-ins are answered 70136
/// client_id = "offhook"          # of the open API
/// client_secret = "…"            # 16 characters or more beyond loopback
/// admin_token = "…"              # likewise
/// allowed_origins = ["https://app.example"]
/// token_life_s = 86400
/// token_idle_s = 7200
/// subscription_idle_s = 90
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PSeries {
    /// `product.company_name`. Default `offhook`.
    pub company: String,
    /// `product.product_name`. Default `offhook PBX`.
    pub product_name: String,
    /// `product.product_type`. Default `offhook`.
    pub product_type: String,
    /// `product.disp_dev_name`. Default `offhook PBX`.
    pub device_name: String,
    /// `product.version`, which clients take for the firmware. Default `37.18.0.25`: one with the topics 20153 and 20154.
    pub version: String,
    /// `product.oem_id`. Default 0.
    pub oem_id: u32,
    /// Which rules clients follow. Default [`PlanMode::En`].
    pub plan: PlanMode,
    /// Whether it says that it is a cloud PBX. Default no.
    pub cloud: bool,
    /// `access_type`: lower-case letters and `_`, up to 32. Default `local`.
    pub access_type: String,
    /// `enable_nat_fqdn`. Default off.
    pub nat_fqdn: bool,
    /// `fqdn_domain`: where STUN is, with `nat_fqdn`. Default empty.
    pub fqdn_domain: String,
    /// `cloud_domain`: where STUN is on a cloud plan. Default empty.
    pub cloud_domain: String,
    /// `turn_port`, 1 to 65535. Default 11009.
    pub turn_port: u16,
    /// Whether the service `fqdn` is licensed. Default yes.
    pub fqdn_licence: bool,
    /// Whether the service `video` is licensed. Default yes.
    pub video_licence: bool,
    /// Whether clients of the SDK may log in. Default yes.
    pub sdk_plan: bool,
    /// `enb_internal_client`, which clients look at in mode `cn`. Default yes.
    pub internal_client: bool,
    /// Client id of the open API. Default `offhook`.
    pub client_id: String,
    /// Client secret of the open API. Without one: on loopback `offhook-secret`; beyond it a random one, kept in the data directory.
    #[serde(deserialize_with = "secret")]
    pub client_secret: Option<Secret>,
    /// Token of the admin API. Without one: on loopback `offhook-admin`; beyond it a random one, kept in the data directory.
    #[serde(deserialize_with = "secret")]
    pub admin_token: Option<Secret>,
    /// Origins whose pages may use the API, as `https://app.example`, or `*` for all. `None`: on loopback the pages of loopback
    /// hosts and of the domain, beyond it those of no other origin.
    pub allowed_origins: Option<Vec<String>>,
    /// How long an access token is good at most, seconds. 60 to 31536000, default 86400.
    pub token_life_s: u64,
    /// How long an access token is good without being used, seconds. 60 to 31536000, default 7200. An open subscription socket
    /// uses it.
    pub token_idle_s: u64,
    /// How long a subscription socket may be silent, seconds. 1 to 3600, default 90.
    pub subscription_idle_s: u64,
}

/// Which rules the clients of a P-Series PBX follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanMode {
    /// `base_oem_id` 1: `enb_internal_client` must be 1.
    Cn,
    /// `base_oem_id` 2: the flag of the kind of client must be 1.
    #[default]
    En,
}

impl Default for PSeries {
    fn default() -> Self {
        Self {
            company: "offhook".to_owned(),
            product_name: "offhook PBX".to_owned(),
            product_type: "offhook".to_owned(),
            device_name: "offhook PBX".to_owned(),
            version: "37.18.0.25".to_owned(),
            oem_id: 0,
            plan: PlanMode::En,
            cloud: false,
            access_type: "local".to_owned(),
            nat_fqdn: false,
            fqdn_domain: String::new(),
            cloud_domain: String::new(),
            turn_port: 11009,
            fqdn_licence: true,
            video_licence: true,
            sdk_plan: true,
            internal_client: true,
            client_id: CLIENT_ID.to_owned(),
            client_secret: None,
            admin_token: None,
            allowed_origins: None,
            token_life_s: 86_400,
            token_idle_s: 7_200,
            subscription_idle_s: 90,
        }
    }
}

impl PSeries {
    /// `product.platform_name`.
    pub(crate) fn platform_name(&self) -> &'static str {
        if self.cloud { "p_cloudpbx" } else { "p_software" }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let shown = [
            ("company", &self.company),
            ("product_name", &self.product_name),
            ("product_type", &self.product_type),
            ("device_name", &self.device_name),
            ("version", &self.version),
            ("client_id", &self.client_id),
        ];
        for (key, text) in shown {
            if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
                return Err(wrong(key, text, "write 1 to 128 printable characters"));
            }
        }
        if self.access_type.len() > 32 || !self.access_type.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            return Err(wrong("access_type", &self.access_type, "write up to 32 of a-z and _, such as external_ip"));
        }
        for (key, domain) in [("fqdn_domain", &self.fqdn_domain), ("cloud_domain", &self.cloud_domain)] {
            check_domain(key, domain)?;
        }
        if self.turn_port == 0 {
            return Err(wrong("turn_port", "0", "choose 1 to 65535"));
        }
        for (key, secret) in [("client_secret", &self.client_secret), ("admin_token", &self.admin_token)] {
            let fits = |secret: &Secret| (8..=256).contains(&secret.expose().len()) && is_graphic(secret.expose());
            if !secret.as_ref().is_none_or(fits) {
                let fix = "write 8 to 256 visible ASCII characters";
                return Err(ConfigError::new(format!("pseries.{key} is no secret"), fix));
            }
        }
        for origin in self.allowed_origins.iter().flatten() {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let is_origin = host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@']));
            if origin != "*" && !(is_origin && is_graphic(origin) && origin.len() <= 300) {
                return Err(wrong("allowed_origins", origin, "write https://host[:port] without a path, or *"));
            }
        }
        let times = [
            ("token_life_s", self.token_life_s, 60, 31_536_000),
            ("token_idle_s", self.token_idle_s, 60, 31_536_000),
            ("subscription_idle_s", self.subscription_idle_s, 1, 3600),
        ];
        for (key, value, lowest, highest) in times {
            if !(lowest..=highest).contains(&value) {
                return Err(wrong(key, &value.to_string(), &format!("choose {lowest} to {highest}")));
            }
        }
        Ok(())
    }
}

/// Empty, or the name or address of a host.
pub(crate) fn check_domain(key: &str, domain: &str) -> Result<(), ConfigError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if domain.len() > 253 || !domain.chars().all(fits) {
        return Err(wrong(key, domain, "write a host name such as pbx.example, or nothing"));
    }
    Ok(())
}

fn wrong(key: &str, value: &str, fix: &str) -> ConfigError {
    ConfigError::new(format!("pseries.{key} = {value:?} cannot be used"), fix)
}

fn is_graphic(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic())
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Some(Secret::new(String::deserialize(deserializer)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(change: impl FnOnce(&mut PSeries)) -> String {
        let mut pseries = PSeries::default();
        change(&mut pseries);
        pseries.check().expect_err("wrong").to_string()
    }

    #[test]
    fn what_cannot_be_used_is_named_with_the_fix() {
        assert!(PSeries::default().check().is_ok());
        assert!(error(|p| p.turn_port = 0).contains("1 to 65535"));
        assert!(error(|p| p.company.clear()).contains("pseries.company"));
        assert!(error(|p| p.access_type = "EXTERNAL".into()).contains("external_ip"));
        assert!(error(|p| p.fqdn_domain = "a b".into()).contains("pseries.fqdn_domain"));
        assert!(error(|p| p.allowed_origins = Some(vec!["app.example".into()])).contains("without a path"));
        assert!(error(|p| p.allowed_origins = Some(vec!["https://a/b".into()])).contains("without a path"));
        assert!(error(|p| p.token_idle_s = 1).contains("60 to 31536000"));
        let secret = error(|p| p.admin_token = Some("secret\nsecret".into()));
        assert!(secret.contains("pseries.admin_token") && !secret.contains("secret\n"), "{secret}");
    }
}
