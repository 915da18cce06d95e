//! New secrets of programs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use offhook_sip::Secret;
use serde::Deserialize;
use serde_json::json;

use super::super::answer::{Done, Errcode, Fault};
use super::super::session::locked;
use super::super::{Api, request, secrets, token};
use super::Answer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    secret: Option<String>,
}

/// POST `secrets/client_secret` and `secrets/admin_token`: sets it; without one a random one is made and told, this once.
pub(super) async fn set(State(api): State<Arc<Api>>, Path(name): Path<String>, body: Body) -> Answer {
    let fields: Fields = request::json(&api, body).await?;
    let key = match name.as_str() {
        "client_secret" => &api.client_secret,
        "admin_token" => &api.admin_token,
        _ => return Err(Fault::new(Errcode::NotFound, "there is client_secret and admin_token").into()),
    };
    if let Some(given) = &fields.secret
        && secrets::is_weak(given)
    {
        return Err(
            Fault::parameter("a secret has 16 to 256 visible ASCII characters, and is none that is known").into()
        );
    }
    let (secret, told) = match fields.secret {
        Some(given) => (Secret::from(given), None),
        None => {
            let made = token::random().map_err(|e| Fault::internal(&e))?;
            (made.clone(), Some(made))
        }
    };
    key.set(api.directory.store(), secret).await?;
    if name == "client_secret" {
        // Those of the old secret.
        locked(&api.open_tokens).clear();
    }
    tracing::warn!(secret = ?name, "a new secret was set");
    Ok(match told {
        Some(made) => Done::with(json!({ "secret": made.expose() })),
        None => Done::empty(),
    })
}
