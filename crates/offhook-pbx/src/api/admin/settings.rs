//! Settings of the whole PBX, and what all clients are told at once.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use super::super::answer::Done;
use super::super::session::End;
use super::super::{Api, request};
use super::Answer;
use crate::directory::{Change, Settings, SettingsChange};
use crate::notice::{Audience, Fact, Notice};
use crate::pseries::PlanMode;

/// GET `settings`.
pub(super) async fn show(State(api): State<Arc<Api>>) -> Done {
    shown(api.directory.now().settings())
}

/// What can be changed; what is left out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    record_feature_code: Option<String>,
    nat_fqdn: Option<bool>,
    fqdn_domain: Option<String>,
    turn_port: Option<u16>,
    fqdn_licence: Option<bool>,
    video_licence: Option<bool>,
    internal_client: Option<bool>,
    sdk_plan: Option<bool>,
}

/// PATCH `settings`.
pub(super) async fn change(State(api): State<Arc<Api>>, body: Body) -> Answer {
    let fields: Fields = request::json(&api, body).await?;
    let change = SettingsChange {
        record_feature_code: fields.record_feature_code,
        enable_nat_fqdn: fields.nat_fqdn,
        fqdn_domain: fields.fqdn_domain,
        turn_port: fields.turn_port,
        internal_client: fields.internal_client,
        fqdn_service: fields.fqdn_licence,
        video_service: fields.video_licence,
        sdk: fields.sdk_plan,
    };
    Ok(api.change(Change::Settings(change), changed).await?)
}

/// POST `settings/reset`: what was changed is forgotten, the configuration counts again.
pub(super) async fn reset(State(api): State<Arc<Api>>) -> Answer {
    Ok(api.change(Change::ResetSettings, changed).await?)
}

fn changed(api: &Api) -> Done {
    let directory = api.directory.now();
    let settings = directory.settings();
    // They have been told why before.
    if !settings.sdk || (api.pseries.plan == PlanMode::Cn && !settings.internal_client) {
        api.sessions.close_all(&End(None));
    }
    shown(settings)
}

/// POST `hot_standby`: tells all clients to subscribe again, as when another machine has taken over.
pub(super) async fn hot_standby(State(api): State<Arc<Api>>) -> Done {
    api.directory.notices().tell(Notice { to: Audience::All, fact: Fact::HotStandby });
    Done::empty()
}

fn shown(settings: &Settings) -> Done {
    Done::with(json!({
        "settings": {
            "record_feature_code": settings.record_feature_code,
            "nat_fqdn": settings.enable_nat_fqdn,
            "fqdn_domain": settings.fqdn_domain,
            "turn_port": settings.turn_port,
            "fqdn_licence": settings.fqdn_service,
            "video_licence": settings.video_service,
            "internal_client": settings.internal_client,
            "sdk_plan": settings.sdk,
        },
    }))
}
