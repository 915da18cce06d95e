//! What the PBX says of itself and of our extension.

use offhook_sip::{Credentials, Secret};

use super::json::{self, Value};
use super::url::is_host;
use crate::config::IceServer;
use crate::recording::RecordPermissions;

/// Realm of a PBX that names none.
const DEFAULT_REALM: &str = "YSAsterisk";
/// Port of its STUN server, where it names none.
const DEFAULT_TURN_PORT: u16 = 11_009;
/// Toggles recording, where it names none.
const DEFAULT_RECORD_CODE: &str = "*1";

/// `getpersonalglobal`, and what 20008, 20065 and 20082 change of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Global {
    pub(crate) nat_fqdn: bool,
    pub(crate) fqdn_domain: Option<String>,
    pub(crate) cloud_domain: Option<String>,
    pub(crate) turn_port: u16,
    pub(crate) record_code: String,
    /// Mode `cn`: whether the client is enabled.
    pub(crate) internal_client: bool,
}

impl Global {
    pub(crate) fn read(answer: &Value) -> Self {
        let all = json::holder(answer, &["record_feature_code", "enb_internal_client", "enable_nat_fqdn"]);
        let mut global = Self {
            nat_fqdn: false,
            fqdn_domain: None,
            cloud_domain: json::filled(all, "cloud_domain").filter(|host| is_host(host)),
            turn_port: DEFAULT_TURN_PORT,
            record_code: json::filled(all, "record_feature_code").unwrap_or_else(|| DEFAULT_RECORD_CODE.to_owned()),
            internal_client: json::flag(all, "enb_internal_client").unwrap_or(false),
        };
        global.update_stun(all);
        global
    }

    /// Takes what 20065 may change.
    pub(crate) fn update_stun(&mut self, object: &Value) {
        if let Some(on) = json::flag(object, "enable_nat_fqdn") {
            self.nat_fqdn = on;
        }
        if object.get("fqdn_domain").is_some() {
            self.fqdn_domain = json::filled(object, "fqdn_domain").filter(|host| is_host(host));
        }
        let port = json::unsigned(object, "turn_port").and_then(|port| u16::try_from(port).ok());
        if let Some(port) = port.filter(|port| *port != 0) {
            self.turn_port = port;
        }
    }

    /// The STUN server for calls, if there is one.
    pub(crate) fn stun(&self, cloud: bool) -> Vec<IceServer> {
        let domain = if cloud { &self.cloud_domain } else { &self.fqdn_domain };
        let domain = domain.as_ref().filter(|_| cloud || self.nat_fqdn);
        let server = |domain: &String| IceServer {
            urls: vec![format!("stun:{domain}:{}", self.turn_port)],
            username: None,
            credential: None,
        };
        domain.map(server).into_iter().collect()
    }
}

/// `licenseservice/get` and 20053: which services are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Services {
    pub(crate) fqdn: bool,
    pub(crate) video: bool,
}

impl Services {
    pub(crate) fn read(answer: &Value) -> Option<Self> {
        let plans = json::holder(answer, &["subscribe_plan_list"]).get("subscribe_plan_list")?.as_array()?;
        let services = plans.iter().filter_map(|plan| plan.get("service_list")?.as_array()).flatten();
        let mut read = Self::default();
        for service in services {
            let on = is_connected(service);
            match json::text(service, "service_name").as_deref() {
                Some("fqdn") => read.fqdn |= on,
                Some("video") => read.video |= on,
                _ => {}
            }
        }
        Some(read)
    }
}

/// Firmwares write a service's state as a number or in words.
fn is_connected(service: &Value) -> bool {
    let status = json::text(service, "status").unwrap_or_default().to_ascii_lowercase();
    matches!(status.as_str(), "1" | "connected" | "connect" | "enable" | "enabled" | "active" | "on" | "true")
}

/// `getpersonal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Personal {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) name: String,
    pub(crate) call_waiting: bool,
    pub(crate) record: RecordPermissions,
    pub(crate) web_client: bool,
    pub(crate) desktop_client: bool,
}

impl Personal {
    pub(crate) fn read(answer: &Value) -> Option<Self> {
        let extension = answer.get("extension").filter(|extension| extension.is_object())?;
        Some(Self {
            id: json::text(extension, "id").unwrap_or_default(),
            number: json::filled(extension, "number")?,
            name: json::text(extension, "caller_id_name").unwrap_or_default(),
            call_waiting: json::flag(extension, "enb_web_client_call_waiting").unwrap_or(true),
            record: record_permissions(extension).unwrap_or(RecordPermissions::None),
            web_client: json::flag(extension, "enb_web_client").unwrap_or(false),
            desktop_client: json::flag(extension, "enb_desktop_client").unwrap_or(false),
        })
    }
}

/// `enb_ctl_record`: 0, 1 or 2.
pub(crate) fn record_permissions(object: &Value) -> Option<RecordPermissions> {
    let number = json::number(object, "enb_ctl_record")?;
    RecordPermissions::from_number(u8::try_from(number).ok()?)
}

/// `getregisterinfo` and 20066.
#[derive(Debug, Clone)]
pub(crate) struct RegisterInfo {
    name: String,
    ha1: Secret,
    realm: String,
}

impl RegisterInfo {
    /// `names`: those of the user name and of the HA1.
    pub(crate) fn read(answer: &Value, names: [&str; 2]) -> Option<Self> {
        let all = json::holder(answer, &names);
        Some(Self {
            name: json::filled(all, names[0])?,
            ha1: Secret::new(json::filled(all, names[1])?),
            realm: json::filled(all, "realm").unwrap_or_else(|| DEFAULT_REALM.to_owned()),
        })
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::ha1(self.name.clone(), Some(self.realm.clone()), self.ha1.clone())
    }
}
