//! What subscribers are told of a change.

use offhook_sip::DigestAlgorithm;

use super::Settings;
use crate::extension::Extension;
use crate::notice::{Audience, Fact, Notice};

/// Of one extension. One that is switched off is as one that is not there.
pub(super) fn of_extension(realm: &str, old: Option<&Extension>, new: Option<&Extension>) -> Vec<Notice> {
    let on = |extension: Option<&Extension>| extension.filter(|extension| extension.is_enabled()).cloned();
    let (Some(old), new) = (on(old), on(new)) else { return Vec::new() };
    let to = || Audience::Extension(old.number().to_owned());
    let Some(new) = new else { return vec![Notice { to: to(), fact: Fact::ExtensionDeleted }] };
    let mut facts = Vec::new();
    if is_other_password(realm, &old, &new) {
        facts.push(Fact::Registration);
    }
    if old.record_permissions() != new.record_permissions() {
        facts.push(Fact::RecordPermissions(new.record_permissions()));
    }
    if old.has_call_waiting() != new.has_call_waiting() {
        facts.push(Fact::CallWaiting(new.has_call_waiting()));
    }
    if old.has_web_client() != new.has_web_client() {
        facts.push(Fact::WebClient(new.has_web_client()));
    }
    if old.has_desktop_client() != new.has_desktop_client() {
        facts.push(Fact::DesktopClient(new.has_desktop_client()));
    }
    facts.into_iter().map(|fact| Notice { to: to(), fact }).collect()
}

/// Of the settings.
pub(super) fn of_settings(old: &Settings, new: &Settings) -> Vec<Notice> {
    let mut facts = Vec::new();
    if old.record_feature_code != new.record_feature_code {
        facts.push(Fact::RecordFeatureCode(new.record_feature_code.clone()));
    }
    let network = |settings: &Settings| {
        let Settings { enable_nat_fqdn, fqdn_domain, turn_port, .. } = settings;
        Fact::Network { enable_nat_fqdn: *enable_nat_fqdn, fqdn_domain: fqdn_domain.clone(), turn_port: *turn_port }
    };
    if network(old) != network(new) {
        facts.push(network(new));
    }
    let services = |settings: &Settings| Fact::Services { fqdn: settings.fqdn_service, video: settings.video_service };
    if services(old) != services(new) {
        facts.push(services(new));
    }
    if old.internal_client != new.internal_client {
        facts.push(Fact::InternalClient(new.internal_client));
    }
    if old.sdk != new.sdk {
        facts.push(Fact::Sdk(new.sdk));
    }
    facts.into_iter().map(|fact| Notice { to: Audience::All, fact }).collect()
}

/// Whether a phone must register anew.
pub(super) fn is_other_password(realm: &str, old: &Extension, new: &Extension) -> bool {
    [DigestAlgorithm::Md5, DigestAlgorithm::Sha256].into_iter().any(|algorithm| {
        match (old.ha1(algorithm, realm), new.ha1(algorithm, realm)) {
            (Some(old), Some(new)) => !old.is(&new),
            (old, new) => old.is_some() != new.is_some(),
        }
    })
}
