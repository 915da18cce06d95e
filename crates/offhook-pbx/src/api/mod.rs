//! The API that clients of a P-Series PBX speak, the open API for their back ends, and the admin API.
//!
//! # Statuses
//!
//! `/api` and `/openapi` answer 200 with an `errcode`, as their clients expect; [`answer::Errcode`] has the numbers. Another HTTP
//! status stands for what no such client does: 404 for a request that does not exist, 408 and 413 for a body that
//! is too slow or too large, 401 for a subscription socket without a token. `/admin` answers the same JSON with the
//! status that HTTP has for it.
//!
//! # Who sees what
//!
//! A token is of one extension and one kind of client, and every request is carried out for the extension of its token: none
//! takes another's number to read with, but for names and photos, which all extensions of a PBX may know of each other.

mod admin;
mod answer;
mod cdr;
mod guard;
mod keys;
mod login;
mod notification;
mod openapi;
mod personal;
mod reports;
mod request;
mod secrets;
mod session;
mod signature;
mod subscribe;
mod time;
mod token;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use offhook_sip::Secret;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use answer::{Errcode, Fault};
use guard::Origins;
pub(crate) use keys::Kept;
use keys::Key;
use openapi::OpenTokens;
use reports::Reports;
pub(crate) use secrets::Secrets;
use session::Sessions;
use signature::Signer;

use crate::config::PbxConfig;
use crate::core::ToCore;
use crate::directory::{Change, Directory, DirectoryError};
use crate::events::Load;
use crate::guesses::Guesses;
use crate::pseries::PSeries;
use crate::status::Status;

/// How old may be what clients are told of each other's state.
const LATELY: Duration = Duration::from_secs(1);

/// How long an answer waits for what the core knows.
const CORE_TIME: Duration = Duration::from_secs(2);

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Api {
    pseries: PSeries,
    directory: Directory,
    secrets: Secrets,
    client_secret: Key,
    admin_token: Key,
    signer: Signer,
    sessions: Sessions,
    open_tokens: Mutex<OpenTokens>,
    guesses: Guesses,
    reports: Reports,
    origins: Origins,
    body_time: Duration,
    core: mpsc::Sender<ToCore>,
    load: watch::Receiver<Load>,
    lately: tokio::sync::Mutex<Option<(Instant, Arc<Status>)>>,
    stopping: watch::Sender<bool>,
}

/// The API of a running PBX: it stops with this.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Arc<Api>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stopping.send_replace(true);
    }
}

impl Api {
    pub(crate) fn new(
        config: &PbxConfig,
        secrets: Secrets,
        kept: Kept,
        directory: Directory,
        core: mpsc::Sender<ToCore>,
        load: watch::Receiver<Load>,
        guesses: Guesses,
    ) -> Arc<Self> {
        let pseries = config.pseries.clone();
        let (life, idle) = (Duration::from_secs(pseries.token_life_s), Duration::from_secs(pseries.token_idle_s));
        Arc::new(Self {
            directory,
            client_secret: Key::client_secret(secrets.client_secret.clone(), kept.client_secret),
            admin_token: Key::admin_token(secrets.admin_token.clone(), kept.admin_token),
            signer: Signer::new(&secrets.signing_key),
            secrets,
            sessions: Sessions::new(life, idle),
            open_tokens: Mutex::default(),
            guesses,
            reports: Reports::default(),
            origins: Origins::new(pseries.allowed_origins.as_deref(), config.bind, &config.domain),
            body_time: Duration::from_millis(config.limits.handshake_ms),
            core,
            load,
            lately: tokio::sync::Mutex::default(),
            stopping: watch::channel(false).0,
            pseries,
        })
    }

    /// The secrets in force.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// A login signature of an extension, good for an hour; `None` when there is no such extension.
    pub(crate) fn login_signature(&self, number: &str) -> Option<Secret> {
        self.sign(number, signature::seconds(SystemTime::now()) + 3600).ok()
    }

    /// Makes a change, and does what follows it. Also when its client goes meanwhile: that drops the future of a handler,
    /// and would leave the disk, the directory and the switch of different minds.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: Change,
        then: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, DirectoryError> {
        self.change_untold(change, |_| (), then).await
    }

    /// The same; `untold` is done before and after all who ask find the change made, and before clients are told of it.
    async fn change_untold<T: Send + 'static>(
        self: &Arc<Self>,
        change: Change,
        untold: impl Fn(&Self) + Send + Sync + 'static,
        then: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let api = Arc::clone(self);
        let made = async move { api.directory.change(change, || untold(&api)).await.map(|()| then(&api)) };
        let task = tokio::spawn(made);
        // Only a runtime that ends leaves it undone.
        task.await.unwrap_or(Err(DirectoryError::Stopped))
    }

    /// What [`status`](Self::status) said a moment ago: so that clients do not keep the core busy.
    async fn status_lately(&self) -> Arc<Status> {
        let mut lately = self.lately.lock().await;
        if let Some((at, status)) = &*lately
            && at.elapsed() < LATELY
        {
            return Arc::clone(status);
        }
        let status = Arc::new(self.status().await);
        *lately = Some((Instant::now(), Arc::clone(&status)));
        status
    }

    /// What registers and calls at this moment; nothing when the core has no time to say it.
    async fn status(&self) -> Status {
        let (reply, status) = oneshot::channel();
        let asked = async {
            self.core.send(ToCore::Status { reply }).await.ok()?;
            status.await.ok()
        };
        tokio::time::timeout(CORE_TIME, asked).await.ok().flatten().unwrap_or_default()
    }
}

/// All paths.
pub(crate) fn router(api: &Arc<Api>) -> Router {
    let client = Router::new()
        .route("/pbx/getproduct", get(login::product))
        .route("/login", post(login::login))
        .route("/logout", get(login::logout))
        .route("/extension/getpersonalglobal", get(personal::global))
        .route("/extension/getpersonal", get(personal::personal))
        .route("/extension/getregisterinfo", get(personal::register_info))
        .route("/extension/getphoto", get(personal::photo_name))
        .route("/licenseservice/get", get(personal::licences))
        .route("/contacts/matchall", get(personal::match_contact))
        .route("/cdr/searchpersonal", get(cdr::search))
        .route("/dct/init", post(reports::init))
        .route("/rascallreport/web", post(reports::report))
        .route("/systemlog/webclientlog", post(reports::log))
        .route("/subscribe", get(subscribe::subscribe));
    let open = Router::new()
        .route("/get_token", post(openapi::get_token))
        .route("/refresh_token", post(openapi::refresh_token))
        .route("/sign/create", post(openapi::sign));
    Router::new()
        .nest("/api/v1.0", client)
        .route("/api/photo/{name}", get(personal::photo))
        .nest("/openapi/v1.0", open)
        .nest("/admin/v1", admin::router(api))
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .layer(from_fn_with_state(Arc::clone(api), guard::guard))
        .with_state(Arc::clone(api))
}

async fn nothing() -> Fault {
    Fault::new(Errcode::NoInterface, "there is no such request")
}
