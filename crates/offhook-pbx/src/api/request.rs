//! What requests bring: who asks, parameters, bodies. All of it is bounded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Query};
use axum::http::header;
use axum::http::request::Parts;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::Api;
use super::answer::{Errcode, Fault};
use super::session::{ClientKind, Session};
use crate::extension::Extension;
use crate::server::Link;

/// The largest JSON body, bytes.
pub(crate) const MOST_JSON: usize = 64 * 1024;

/// The longest parameter, bytes.
const MOST_PARAMETER: usize = 256;

/// A client that is logged in, and its extension as it is now.
pub(crate) struct Caller {
    pub(crate) session: Arc<Session>,
    pub(crate) extension: Extension,
}

impl Caller {
    /// What only clients that may be used are given.
    pub(crate) fn permitted(self, api: &Api) -> Result<Self, Fault> {
        if api.may_be_used(&self.extension, self.session.kind) {
            return Ok(self);
        }
        Err(Fault::new(Errcode::Forbidden, "the administrator has switched this kind of client off"))
    }
}

impl Api {
    /// Whether this kind of client may be used by this extension.
    pub(crate) fn may_be_used(&self, extension: &Extension, kind: ClientKind) -> bool {
        use crate::pseries::PlanMode;
        match (self.pseries.plan, kind) {
            (PlanMode::Cn, _) => self.directory.now().settings().internal_client,
            (PlanMode::En, ClientKind::Web) => extension.has_web_client(),
            (PlanMode::En, ClientKind::Desktop) => extension.has_desktop_client(),
        }
    }

    /// Who has this token.
    pub(crate) fn caller(&self, token: &str) -> Result<Caller, Fault> {
        let session = self.sessions.find(Instant::now(), token).ok_or_else(Fault::token)?;
        // It may have been deleted a moment ago.
        let extension = self.directory.extension(&session.extension).ok_or_else(Fault::token)?;
        Ok(Caller { session, extension })
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Fault> {
        let token = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let caller = api.caller(token.ok_or_else(Fault::token)?)?;
        caller.session.request(Instant::now()).map_err(Fault::blocked)?;
        Ok(caller)
    }
}

/// The TCP connection.
pub(crate) struct From(pub(crate) Link);

impl<S: Sync> FromRequestParts<S> for From {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let link = parts.extensions.get::<Link>().cloned();
        link.map(Self).ok_or_else(|| Fault::internal(&"a request without a connection"))
    }
}

/// The parameters of the query.
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// One that may be missing.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// One that must be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, Fault> {
        self.optional(name).ok_or_else(|| Fault::parameter(format!("{name} is missing")))
    }

    /// A number in a range; `or` where it is missing.
    pub(crate) fn number(
        &self,
        name: &'static str,
        range: std::ops::RangeInclusive<u32>,
        or: u32,
    ) -> Result<u32, Fault> {
        let Some(text) = self.optional(name) else { return Ok(or) };
        let number =
            text.parse().ok().filter(|number| range.contains(number) && text.bytes().all(|b| b.is_ascii_digit()));
        number.ok_or_else(|| Fault::parameter(format!("{name} must be {} to {}", range.start(), range.end())))
    }

    /// One of some words; the first where it is missing.
    pub(crate) fn word<T: Copy>(&self, name: &'static str, words: &[(&str, T)]) -> Result<T, Fault> {
        let found = match self.optional(name) {
            None => words.first(),
            Some(text) => words.iter().find(|(word, _)| *word == text),
        };
        let list = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        found.map(|(_, value)| *value).ok_or_else(|| Fault::parameter(format!("{name} must be one of {}", list())))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let wrong = |_| Fault::new(Errcode::Syntax, "the query cannot be read");
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await.map_err(wrong)?.0;
        let mut params = BTreeMap::new();
        for (name, value) in pairs {
            // What is no UTF-8 has been replaced on the way.
            let is_odd = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
            if value.len() > MOST_PARAMETER || value.chars().any(is_odd) {
                return Err(Fault::parameter("a parameter is too long, no UTF-8, or has control characters"));
            }
            if params.insert(name, value).is_some() {
                return Err(Fault::parameter("a parameter is there twice"));
            }
        }
        Ok(Self(params))
    }
}

/// Reads a whole body, if it is not too large and comes in time.
pub(crate) async fn bytes(body: Body, most: usize, time: Duration) -> Result<Bytes, Fault> {
    let too_large = || Fault::new(Errcode::TooLarge, format!("a body has at most {most} bytes"));
    let read = async {
        let mut stream = body.into_data_stream();
        let mut whole = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Fault::new(Errcode::Syntax, "the body ended early"))?;
            if whole.len() + chunk.len() > most {
                return Err(too_large());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(whole))
    };
    let late = || Fault::new(Errcode::TooSlow, "the body did not come in time");
    tokio::time::timeout(time, read).await.unwrap_or_else(|_| Err(late()))
}

/// Reads a JSON body.
pub(crate) async fn json<T: DeserializeOwned>(api: &Api, body: Body) -> Result<T, Fault> {
    let bytes = bytes(body, MOST_JSON, api.body_time).await?;
    // Not at once: an array would be taken for an object with its fields in order.
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
        tracing::debug!(%error, "a body that is no JSON");
        Fault::new(Errcode::Syntax, "the body is no JSON")
    })?;
    if !value.is_object() {
        return Err(Fault::parameter("the body must be an object"));
    }
    T::deserialize(value).map_err(|error| {
        // Its words name the field, and values that may be secrets.
        tracing::debug!(%error, "a body that cannot be used");
        Fault::parameter("a field is missing, unknown or of the wrong type")
    })
}
