//! The admin API: `/admin/v1`, with `Authorization: Bearer TOKEN`.

mod contacts;
mod extensions;
mod photos;
mod secrets;
mod settings;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, patch, post, put};
use tokio::time::Instant;

use super::Api;
use super::answer::{Done, Errcode, Fault};
use super::request::From;
use crate::directory::DirectoryError;
use crate::limit::place;
use crate::store::StoreError;

/// What a handler gives: the same JSON as the other APIs', with the status that HTTP has for it.
type Answer = Result<Done, Rest>;

/// A refusal with its HTTP status.
pub(crate) struct Rest(Fault);

impl std::convert::From<Fault> for Rest {
    fn from(fault: Fault) -> Self {
        Self(fault.rest())
    }
}

impl axum::response::IntoResponse for Rest {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl std::convert::From<DirectoryError> for Rest {
    fn from(error: DirectoryError) -> Self {
        let code = match &error {
            DirectoryError::Unknown(_) => Errcode::NotFound,
            DirectoryError::Exists(_) => Errcode::Duplicate,
            DirectoryError::Invalid(_) | DirectoryError::WeakPassword(_) => Errcode::Parameter,
            DirectoryError::TooMany(_) => Errcode::TooMany,
            DirectoryError::Store(_) | DirectoryError::Stopped => return Fault::internal(&error).into(),
        };
        Fault::new(code, error.to_string()).into()
    }
}

impl std::convert::From<StoreError> for Rest {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(text) => Fault::parameter(text).into(),
            error => Fault::internal(&error).into(),
        }
    }
}

/// Its paths.
pub(super) fn router(api: &Arc<Api>) -> Router<Arc<Api>> {
    Router::new()
        .route("/extensions", get(extensions::list).post(extensions::add))
        .route("/extensions/{number}", get(extensions::show).patch(extensions::change).delete(extensions::delete))
        .route("/extensions/{number}/reset", post(extensions::reset))
        .route("/extensions/{number}/logout", post(extensions::log_out))
        .route("/extensions/{number}/photo", put(photos::set).delete(photos::delete))
        .route("/extensions/{number}/cdrs", get(state::cdrs))
        .route("/extensions/{number}/cdrs/{id}", get(state::cdr))
        .route("/extensions/{number}/reports", get(state::reports))
        .route("/extensions/{number}/log", get(state::log))
        .route("/contacts", get(contacts::list).post(contacts::add))
        .route("/contacts/{id}", patch(contacts::change).get(contacts::show).delete(contacts::delete))
        .route("/settings", get(settings::show).patch(settings::change))
        .route("/settings/reset", post(settings::reset))
        .route("/secrets/{name}", post(secrets::set))
        .route("/cdrs", get(state::all_cdrs))
        .route("/hot_standby", post(settings::hot_standby))
        .route("/load", get(state::load))
        .route("/calls", get(state::calls))
        .layer(from_fn_with_state(Arc::clone(api), admit))
}

/// Lets administrators in, and nobody else.
async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let place = match From::from_request_parts(&mut parts, &()).await {
        Ok(From(link)) => place(link.peer().ip()),
        Err(fault) => return fault.into_response(),
    };
    let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given =
        given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    // Who shows nothing guesses nothing.
    let Some((_, given)) = given else { return not_admitted() };
    if let Err(seconds) = api.guesses.begin_secret(Instant::now(), &place) {
        return Rest::from(Fault::blocked(seconds)).into_response();
    }
    let is_admin = match api.admin_token.is(api.directory.store(), given.trim()).await {
        Ok(is_admin) => is_admin,
        Err(error) => return Fault::internal(&error).into_response(),
    };
    if !is_admin {
        tracing::warn!(%place, "wrong admin token");
        return not_admitted();
    }
    api.guesses.right_secret(&place);
    next.run(Request::from_parts(parts, body)).await
}

fn not_admitted() -> Response {
    let fault = Fault::new(Errcode::WrongLogin, "send Authorization: Bearer and the admin token");
    let mut response = (StatusCode::UNAUTHORIZED, fault.rest()).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
