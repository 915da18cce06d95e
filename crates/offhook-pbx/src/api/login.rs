//! `getproduct`, `login` and `logout`.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use offhook_sip::{DigestAlgorithm, Secret, ha1};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Api;
use super::answer::{Answer, Done, Errcode, Fault};
use super::request::{self, Caller, From};
use super::session::{ClientKind, End};
use super::signature::Subject;
use crate::extension::Extension;
use crate::limit::place;
use crate::pseries::PlanMode;

/// The longest user name and the longest password that are looked at, bytes.
const MOST_USERNAME: usize = 64;
const MOST_PASSWORD: usize = 512;

/// GET `pbx/getproduct`, which needs no log-in.
pub(super) async fn product(State(api): State<Arc<Api>>) -> Done {
    let pseries = &api.pseries;
    let base_oem_id = match pseries.plan {
        PlanMode::Cn => 1,
        PlanMode::En => 2,
    };
    Done::with(json!({
        "access_type": pseries.access_type,
        "product": {
            "company_name": pseries.company,
            "disp_dev_name": pseries.device_name,
            "oem_id": pseries.oem_id,
            "base_oem_id": base_oem_id,
            "platform_name": pseries.platform_name(),
            "product_name": pseries.product_name,
            "product_type": pseries.product_type,
            "version": pseries.version,
        },
    }))
}

#[derive(Deserialize)]
pub(super) struct Login {
    username: String,
    password: String,
    #[serde(default)]
    login_source: Value,
    #[serde(default)]
    login_jump: Value,
}

/// POST `login`.
pub(super) async fn login(State(api): State<Arc<Api>>, From(link): From, body: Body) -> Answer {
    let login: Login = request::json(&api, body).await?;
    let kind = match &login.login_source {
        Value::Null => ClientKind::Web,
        Value::String(source) if source == "webpc" => ClientKind::Desktop,
        _ => return Err(Fault::parameter("login_source must be null or webpc")),
    };
    if !matches!(&login.login_jump, Value::Null) && login.login_jump != "sdk" {
        return Err(Fault::parameter("login_jump must be sdk"));
    }
    if login.username.len() > MOST_USERNAME || login.password.len() > MOST_PASSWORD {
        return Err(Fault::parameter("username or password is too long"));
    }
    let now = Instant::now();
    let place = place(link.peer().ip());
    let extension = match api.signed(&login) {
        // It goes on with SIP.
        Some(extension) => {
            api.guesses.proven(&place, extension.number());
            extension
        }
        None => api.proven(now, &place, &login)?,
    };
    if !api.directory.now().settings().sdk {
        return Err(Fault::new(Errcode::SdkPlan, "the administrator has switched the SDK off"));
    }
    let access_token = api.admit(now, &extension, kind)?;
    tracing::info!(extension = extension.number(), kind = kind.name(), "logged in");
    Ok(Done::with(json!({
        "access_token": access_token.expose(),
        "access_token_expire_time": api.pseries.token_life_s,
        "username": extension.number(),
    })))
}

/// GET `logout`.
pub(super) async fn logout(State(api): State<Arc<Api>>, caller: Caller) -> Done {
    api.sessions.close(&caller.session, End(None));
    Done::empty()
}

impl Api {
    /// A session for an extension that has proven itself. Its password may have been changed since, and its sessions ended:
    /// then there is none.
    fn admit(&self, now: Instant, proven: &Extension, kind: ClientKind) -> Result<Secret, Fault> {
        let access_token = self.sessions.open(now, proven.number(), kind).map_err(|e| Fault::internal(&e))?;
        let is_still = |known: Extension| self.proof(&known).is(&self.proof(proven));
        if self.directory.extension(proven.number()).is_some_and(is_still) {
            return Ok(access_token);
        }
        if let Some(session) = self.sessions.find(now, access_token.expose()) {
            self.sessions.close(&session, End(None));
        }
        Err(wrong_login())
    }

    /// The extension that proved itself by a signature. Nobody can guess one, so tries are not counted: whoever guesses passwords
    /// locks no app out, also where all clients come from the address of a proxy.
    fn signed(&self, login: &Login) -> Option<Extension> {
        let extension = self.directory.extension(&login.username)?;
        self.is_signature(&extension, &login.password).then_some(extension)
    }

    /// The extension that proved itself by its password, for which there are few tries.
    fn proven(&self, now: Instant, place: &str, login: &Login) -> Result<Extension, Fault> {
        let guess = self.guesses.begin(now, place, &login.username).map_err(Fault::blocked)?;
        let known = self.directory.extension(&login.username);
        // One that nobody has is looked at for as long.
        let asked = known.clone().unwrap_or_else(|| Extension::new(login.username.clone(), "", "nobody's password"));
        let is_right = self.is_password(&asked, &login.password);
        let Some(extension) = known.filter(|_| is_right) else {
            tracing::info!(username = ?login.username, place, "log-in refused");
            return Err(wrong_login());
        };
        self.guesses.right(guess);
        Ok(extension)
    }

    fn is_signature(&self, extension: &Extension, signature: &str) -> bool {
        let proof = self.proof(extension);
        let subject = Subject { number: extension.number(), proof: proof.expose() };
        self.signer.is_good(subject, signature, SystemTime::now())
    }

    /// What changes with an extension's password.
    pub(super) fn proof(&self, extension: &Extension) -> Secret {
        let hash = |algorithm| extension.ha1(algorithm, self.directory.realm());
        hash(DigestAlgorithm::Md5).or_else(|| hash(DigestAlgorithm::Sha256)).unwrap_or_else(|| Secret::from(""))
    }

    fn is_password(&self, extension: &Extension, password: &str) -> bool {
        let (realm, password) = (self.directory.realm(), Secret::from(password));
        let algorithms = [DigestAlgorithm::Sha256, DigestAlgorithm::Md5];
        let kept = algorithms.into_iter().find_map(|algorithm| Some((algorithm, extension.ha1(algorithm, realm)?)));
        kept.is_some_and(|(algorithm, kept)| {
            let given = ha1(algorithm, extension.number(), realm, &password);
            given.is(&kept)
        })
    }
}

fn wrong_login() -> Fault {
    Fault::new(Errcode::WrongLogin, "wrong user name, password or login signature")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Change, ExtensionChange};
    use crate::pbx::Pbx;

    #[tokio::test]
    async fn who_has_proven_an_old_password_as_it_is_changed_is_not_let_in() {
        let pbx = Pbx::builder().wss_port(None).start().await.expect("started");
        let (api, now) = (pbx.api(), Instant::now());
        let old = api.directory.extension("1000").expect("there");
        let password = Some(Secret::from("another horse"));
        let change = Change::Update("1000".to_owned(), ExtensionChange { password, ..ExtensionChange::default() });
        // Sessions are ended in it, and then that of the old password would be opened.
        api.directory.change(change, || ()).await.expect("changed");
        assert!(api.admit(now, &old, ClientKind::Web).is_err());
        assert!(api.sessions.kinds_of(now, "1000").is_empty());
        let new = api.directory.extension("1000").expect("there");
        assert!(api.admit(now, &new, ClientKind::Web).is_ok());
        api.directory.change(Change::Delete("1000".to_owned()), || ()).await.expect("deleted");
        assert!(api.admit(now, &new, ClientKind::Desktop).is_err());
        pbx.shutdown().await;
    }
}
