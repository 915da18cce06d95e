//! The open API: what an app's back end needs to get login signatures for its users.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::State;
use offhook_sip::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Api;
use super::answer::{Answer, Done, Errcode, Fault};
use super::request::{self, From, Params};
use super::session::locked;
use super::signature::{Subject, seconds};
use super::token::{self, TokenHash};
use crate::error::PbxError;
use crate::limit::place;

/// How long tokens are good, seconds.
const ACCESS_S: u64 = 1_800;
const REFRESH_S: u64 = 86_400;

/// Tokens of a kind at once; of more, the one that would end first ends.
const TOKENS: usize = 1_024;

/// How long a signature is good where nothing is asked for, seconds.
const SIGNATURE_S: u64 = 30 * 86_400;

/// Tokens of the open API, by their hashes.
#[derive(Debug, Default)]
pub(crate) struct OpenTokens {
    access: HashMap<TokenHash, Instant>,
    refresh: HashMap<TokenHash, Instant>,
}

impl OpenTokens {
    fn issue(&mut self, now: Instant) -> Result<Value, PbxError> {
        let access = issue(&mut self.access, now, ACCESS_S)?;
        let refresh = issue(&mut self.refresh, now, REFRESH_S)?;
        Ok(json!({
            "access_token": access.expose(),
            "access_token_expire_time": ACCESS_S,
            "refresh_token": refresh.expose(),
            "refresh_token_expire_time": REFRESH_S,
        }))
    }

    /// They are good no more.
    pub(super) fn clear(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }

    fn is_good(&self, now: Instant, access: &str) -> bool {
        self.access.get(&TokenHash::of(access)).is_some_and(|until| now < *until)
    }

    /// Takes a refresh token, which is good once.
    fn take_refresh(&mut self, now: Instant, refresh: &str) -> bool {
        self.refresh.remove(&TokenHash::of(refresh)).is_some_and(|until| now < until)
    }
}

fn issue(tokens: &mut HashMap<TokenHash, Instant>, now: Instant, life_s: u64) -> Result<Secret, PbxError> {
    tokens.retain(|_, until| now < *until);
    while tokens.len() >= TOKENS {
        let Some(first) = tokens.iter().min_by_key(|(_, until)| **until).map(|(hash, _)| *hash) else { break };
        tokens.remove(&first);
    }
    let token = token::random()?;
    tokens.insert(TokenHash::of(token.expose()), now + Duration::from_secs(life_s));
    Ok(token)
}

#[derive(Deserialize)]
pub(super) struct GetToken {
    username: String,
    password: String,
}

/// POST `get_token`: `username` is the client id, `password` the client secret.
pub(super) async fn get_token(State(api): State<Arc<Api>>, From(link): From, body: Body) -> Answer {
    let asked: GetToken = request::json(&api, body).await?;
    let place = place(link.peer().ip());
    let now = Instant::now();
    api.guesses.begin_secret(now, &place).map_err(Fault::blocked)?;
    // Both, so that the time does not tell which of them is wrong.
    let is_client = token::same(&asked.username, &api.pseries.client_id);
    let is_secret = api.client_secret.is(api.directory.store(), &asked.password).await;
    let is_secret = is_secret.map_err(|e| Fault::internal(&e))?;
    if !(is_client & is_secret) {
        tracing::info!(%place, "wrong client id or secret");
        return Err(Fault::new(Errcode::WrongLogin, "wrong client id or client secret"));
    }
    api.guesses.right_secret(&place);
    let issued = locked(&api.open_tokens).issue(now).map_err(|e| Fault::internal(&e))?;
    Ok(Done::with(issued))
}

#[derive(Deserialize)]
pub(super) struct Refresh {
    refresh_token: String,
}

/// POST `refresh_token`: a new pair of tokens for a refresh token, which is good once.
pub(super) async fn refresh_token(State(api): State<Arc<Api>>, body: Body) -> Answer {
    let asked: Refresh = request::json(&api, body).await?;
    let now = Instant::now();
    let mut tokens = locked(&api.open_tokens);
    if !tokens.take_refresh(now, &asked.refresh_token) {
        return Err(Fault::new(Errcode::TokenExpired, "get a new token with the client secret"));
    }
    Ok(Done::with(tokens.issue(now).map_err(|e| Fault::internal(&e))?))
}

#[derive(Deserialize)]
pub(super) struct Sign {
    username: String,
    #[serde(default)]
    sign_type: Option<String>,
    #[serde(default)]
    expire_time: Option<u64>,
}

/// POST `sign/create?access_token=TOKEN`: a login signature of one extension. `expire_time` is in seconds since 1970, 0: never.
pub(super) async fn sign(State(api): State<Arc<Api>>, params: Params, body: Body) -> Answer {
    let now = Instant::now();
    let is_good = params.optional("access_token").is_some_and(|token| locked(&api.open_tokens).is_good(now, token));
    if !is_good {
        return Err(Fault::new(Errcode::TokenExpired, "get a new token with the client secret"));
    }
    let asked: Sign = request::json(&api, body).await?;
    if asked.sign_type.as_ref().is_some_and(|kind| kind != "sdk") {
        return Err(Fault::parameter("sign_type must be sdk"));
    }
    let today = seconds(SystemTime::now());
    let expires = asked.expire_time.unwrap_or(today + SIGNATURE_S);
    if expires != 0 && expires <= today {
        return Err(Fault::parameter("expire_time is over already: it is in seconds since 1970"));
    }
    let signature = api.sign(&asked.username, expires)?;
    Ok(Done::with(json!({ "data": { "sign": signature.expose(), "expire_time": expires } })))
}

impl Api {
    /// A login signature; `expires` in seconds since 1970, 0: never.
    pub(super) fn sign(&self, number: &str, expires: u64) -> Result<Secret, Fault> {
        let none = || Fault::new(Errcode::NotFound, "there is no such extension");
        let extension = self.directory.extension(number).ok_or_else(none)?;
        let proof = self.proof(&extension);
        let subject = Subject { number, proof: proof.expose() };
        self.signer.sign(subject, expires).map(Secret::from).map_err(|e| Fault::internal(&e))
    }
}
