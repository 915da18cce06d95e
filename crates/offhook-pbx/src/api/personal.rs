//! What a client is told of the PBX, of its own extension, and of those it talks to.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use offhook_sip::{DigestAlgorithm, Secret};
use serde_json::{Value, json};

use super::Api;
use super::answer::{Answer, Done, Errcode, Fault};
use super::notification::flag;
use super::request::{Caller, Params};
use crate::directory::Settings;
use crate::extension::{Extension, RecordPermissions};

/// The longest number that is looked up, bytes.
const MOST_NUMBER: usize = 64;

/// GET `extension/getpersonalglobal`.
pub(super) async fn global(State(api): State<Arc<Api>>, _caller: Caller) -> Done {
    let directory = api.directory.now();
    let settings = directory.settings();
    let mut fields = network(settings);
    let more = [
        ("cloud_domain", json!(api.pseries.cloud_domain)),
        ("record_feature_code", json!(settings.record_feature_code)),
        ("enb_internal_client", json!(flag(settings.internal_client))),
    ];
    if let Value::Object(fields) = &mut fields {
        fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    Done::with(fields)
}

/// GET `licenseservice/get`.
pub(super) async fn licences(State(api): State<Arc<Api>>, _caller: Caller) -> Done {
    let directory = api.directory.now();
    let settings = directory.settings();
    Done::with(services(settings.fqdn_service, settings.video_service))
}

/// GET `extension/getpersonal`.
pub(super) async fn personal(State(api): State<Arc<Api>>, caller: Caller) -> Done {
    let extension = &caller.extension;
    let directory = api.directory.now();
    Done::with(json!({
        "extension": {
            "id": directory.id(extension.number()),
            "number": extension.number(),
            "caller_id_name": extension.name(),
            "photo": directory.photo(extension.number()).unwrap_or_default(),
            "enb_web_client_call_waiting": flag(extension.has_call_waiting()),
            "enb_ctl_record": record_number(extension.record_permissions()),
            "enb_web_client": flag(extension.has_web_client()),
            "enb_desktop_client": flag(extension.has_desktop_client()),
            "enb_vm": flag(extension.has_voicemail()),
        },
    }))
}

/// GET `extension/getregisterinfo`. A client that may not be used is told so by `getpersonal`, and gets nothing here.
pub(super) async fn register_info(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    let extension = &caller.extension;
    let realm = api.directory.realm();
    if !api.may_be_used(extension, caller.session.kind) {
        return Ok(Done::with(json!({ "registername": "", "registerpassword": "", "realm": realm })));
    }
    let ha1 = ha1(extension, realm)?;
    Ok(Done::with(json!({ "registername": extension.number(), "registerpassword": ha1.expose(), "realm": realm })))
}

/// GET `extension/getphoto`.
pub(super) async fn photo_name(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Answer {
    caller.permitted(&api)?;
    let number = params.required("ext_num")?;
    if api.directory.extension(number).is_none() {
        return Err(Fault::new(Errcode::NotFound, "there is no such extension"));
    }
    Ok(Done::with(json!({ "photo": api.directory.now().photo(number).unwrap_or_default() })))
}

/// GET `contacts/matchall`: the name of who has a number, of contacts first and of extensions then; empty when nobody has.
pub(super) async fn match_contact(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Answer {
    let caller = caller.permitted(&api)?;
    let number = params.required("number")?;
    if number.is_empty() || number.len() > MOST_NUMBER {
        return Err(Fault::parameter(format!("number must have 1 to {MOST_NUMBER} characters")));
    }
    let contact = api.directory.store().match_contact(caller.extension.number(), number).await;
    let contact = contact.map_err(|e| Fault::internal(&e))?;
    let extension = || api.directory.extension(number);
    let (name, company) = match contact {
        Some((_, contact)) => (contact.name, contact.company),
        None => (extension().map_or_else(String::new, |extension| extension.name().to_owned()), String::new()),
    };
    Ok(Done::with(json!({ "name": name, "company": company, "number": number })))
}

/// GET `/api/photo/NAME`, where NAME is the hash of the photo: who knows it has seen the photo. So that pages can show it in an
/// `<img>`, it needs no log-in.
pub(super) async fn photo(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Response {
    let none = || Fault::new(Errcode::NoInterface, "there is no such photo").into_response();
    let is_name = name.split_once('.').is_some_and(|(hash, suffix)| {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        hash.len() == 64 && hash.bytes().all(is_hex) && (1..=4).contains(&suffix.len())
    });
    let directory = api.directory.now();
    if !is_name || !directory.extensions().any(|extension| directory.photo(extension.number()) == Some(&name)) {
        return none();
    }
    match api.directory.store().photo(&name).await {
        Ok(Some(photo)) => {
            let headers = [
                (header::CONTENT_TYPE.as_str(), photo.kind.media_type()),
                // What has this name never changes.
                (header::CACHE_CONTROL.as_str(), "private, max-age=31536000, immutable"),
                (header::CONTENT_DISPOSITION.as_str(), "inline"),
                ("cross-origin-resource-policy", "cross-origin"),
            ];
            (headers, photo.data).into_response()
        }
        Ok(None) => none(),
        Err(error) => Fault::internal(&error).into_response(),
    }
}

/// As in `getpersonalglobal` and 20065.
pub(super) fn network(settings: &Settings) -> Value {
    json!({
        "enable_nat_fqdn": flag(settings.enable_nat_fqdn),
        "fqdn_domain": settings.fqdn_domain,
        "turn_port": settings.turn_port,
    })
}

/// As in `licenseservice/get` and 20053.
pub(super) fn services(fqdn: bool, video: bool) -> Value {
    let service =
        |name: &str, on: bool| json!({ "service_name": name, "status": if on { "connected" } else { "disconnected" } });
    json!({ "subscribe_plan_list": [{ "service_list": [service("fqdn", fqdn), service("video", video)] }] })
}

/// `enb_ctl_record`.
pub(super) fn record_number(permissions: RecordPermissions) -> u8 {
    match permissions {
        RecordPermissions::None => 0,
        RecordPermissions::PauseResume => 1,
        RecordPermissions::All => 2,
    }
}

/// What a phone of this extension registers with.
pub(super) fn ha1(extension: &Extension, realm: &str) -> Result<Secret, Fault> {
    let none = || Fault::new(Errcode::NotFound, "the extension has no ha1 (MD5): give it a password");
    extension.ha1(DigestAlgorithm::Md5, realm).ok_or_else(none)
}

/// 20066.
pub(super) fn registration(extension: &Extension, realm: &str) -> Option<Value> {
    let ha1 = extension.ha1(DigestAlgorithm::Md5, realm)?;
    Some(json!({ "reg_name": extension.number(), "reg_password": ha1.expose(), "realm": realm }))
}
