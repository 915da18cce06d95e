//! Logging in: product, token, settings, and the configuration of the phone that follows from them.

use std::collections::VecDeque;

use offhook_sip::{KeepAlive, Machine, Millis, Secret, SessionTimer, Uri, UriError};

use super::api;
use super::error::PbxError;
use super::http::{HttpFailure, HttpId, HttpRequest, HttpResponse};
use super::json::Value;
use super::params::{ClientKind, InitParams};
use super::product::{PlanMode, Product};
use super::settings::{Global, Personal, RegisterInfo, Services};
use super::url::{BaseUrl, encoded};
use crate::config::{PhoneConfig, ReconnectPolicy};
use crate::io::Now;
use crate::recording::RecordMethod;

/// Logging in to a PBX. Sans-IO as [`Phone`](crate::Phone) is: after each `handle_*` and after making it, take every
/// output; [`Driven`](crate::Driven) sees to that.
///
/// A failure after the token was given gives it back with a logout first.
#[derive(Debug)]
pub struct Login {
    params: InitParams,
    base: BaseUrl,
    stage: Stage,
    requests: u64,
    waiting: Vec<Waiting>,
    product: Option<Product>,
    token: Option<Secret>,
    answers: Answers,
    out: VecDeque<LoginOutput>,
    stirred: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Stage {
    Asking,
    /// The token is being given back, because of this.
    LeavingWith(PbxError),
    Done,
}

#[derive(Debug)]
struct Waiting {
    id: HttpId,
    what: What,
    until: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Product,
    Token,
    Global,
    Licence,
    Personal,
    RegisterInfo,
    CallInit,
    Logout,
}

#[derive(Debug, Default)]
struct Answers {
    global: Option<Value>,
    licence: Option<Value>,
    personal: Option<Value>,
    register_info: Option<Value>,
}

/// What a driver of [`Login`] does.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoginOutput {
    /// Send this below [`Login::base`], and hand back what comes with [`Login::handle_http`].
    Http {
        /// To answer with.
        id: HttpId,
        /// The request.
        request: HttpRequest,
    },
    /// The last output.
    Done(Result<Box<LoggedIn>, PbxError>),
    /// Call [`Login::handle_timeout`] no later than at this time ([`Now::mono`]).
    Timeout(Millis),
}

/// A PBX that took us in: what [`Phone::with_pbx`](crate::Phone::with_pbx) is made of.
#[derive(Debug)]
pub struct LoggedIn {
    pub(crate) params: InitParams,
    pub(crate) base: BaseUrl,
    pub(crate) token: Secret,
    pub(crate) product: Product,
    pub(crate) global: Global,
    pub(crate) services: Services,
    pub(crate) personal: Personal,
    pub(crate) at: Now,
    config: PhoneConfig,
}

impl Login {
    /// Checks the parameters and begins.
    ///
    /// # Errors
    /// [`PbxError::InvalidUrl`], [`PbxError::NotHttps`].
    pub fn new(now: Now, params: InitParams) -> Result<Self, PbxError> {
        let base = BaseUrl::parse(&params.pbx_url)?;
        let mut login = Self {
            params,
            base,
            stage: Stage::Asking,
            requests: 0,
            waiting: Vec::new(),
            product: None,
            token: None,
            answers: Answers::default(),
            out: VecDeque::new(),
            stirred: true,
        };
        let request = api::product(&login.base.authority());
        login.ask(now, What::Product, request);
        Ok(login)
    }

    /// What the paths of requests follow: `https://HOST[:PORT]/api`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("{}/api", self.base.http())
    }

    /// Takes an answer, or that there is none. Late ones are ignored.
    pub fn handle_http(&mut self, now: Now, id: HttpId, result: Result<HttpResponse, HttpFailure>) {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.id == id) {
            let what = self.waiting.swap_remove(at).what;
            self.answered(now, what, result);
        }
        self.stirred = true;
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(at) = self.waiting.iter().position(|waiting| waiting.until <= now.mono) {
            let what = self.waiting.swap_remove(at).what;
            self.answered(now, what, Err(HttpFailure::Timeout));
        }
        self.stirred = true;
    }

    /// Gives up: what was given is given back, and [`LoginOutput::Done`] follows with [`PbxError::Destroyed`].
    pub fn cancel(&mut self, now: Now) {
        if self.stage == Stage::Asking {
            self.fail(now, PbxError::Destroyed);
        }
        self.stirred = true;
    }

    // --- inside ---

    fn ask(&mut self, now: Now, what: What, request: HttpRequest) {
        self.requests += 1;
        let id = HttpId(self.requests);
        self.waiting.push(Waiting { id, what, until: now.mono.saturating_add(request.deadline_ms) });
        self.out.push_back(LoginOutput::Http { id, request });
    }

    fn answered(&mut self, now: Now, what: What, result: Result<HttpResponse, HttpFailure>) {
        match (&self.stage, what) {
            (Stage::Done, _) => {}
            (Stage::LeavingWith(error), what) => {
                let error = error.clone();
                if what == What::Token {
                    self.token = api::read_login(result).ok();
                }
                self.leave(now, error);
            }
            (Stage::Asking, _) => {
                if let Err(error) = self.take(now, what, result) {
                    self.fail(now, error);
                }
            }
        }
    }

    fn take(&mut self, now: Now, what: What, result: Result<HttpResponse, HttpFailure>) -> Result<(), PbxError> {
        match what {
            What::Product => {
                let answer = api::read("getproduct", result).map_err(|error| {
                    let detail = error.to_string();
                    let failure = if let PbxError::Network { failure, .. } = error { Some(failure) } else { None };
                    PbxError::GetProduct { detail, failure }
                })?;
                let unknown = |why: &str| PbxError::GetProduct { detail: why.to_owned(), failure: None };
                self.product = Some(Product::read(&answer).map_err(unknown)?);
                let request = api::login(&self.params);
                self.ask(now, What::Token, request);
            }
            What::Token => {
                let token = api::read_login(result)?;
                self.token = Some(token.clone());
                // None of these needs another.
                self.ask(now, What::Global, api::global(&token));
                self.ask(now, What::Licence, api::licence(&token));
                self.ask(now, What::Personal, api::personal(&token));
                self.ask(now, What::RegisterInfo, api::register_info(&token));
                self.ask(now, What::CallInit, api::call_init(&token));
            }
            What::Global => self.answers.global = Some(api::read("getpersonalglobal", result)?),
            What::Licence => self.answers.licence = Some(api::read("licenseservice", result)?),
            What::Personal => self.answers.personal = Some(api::read("getpersonal", result)?),
            What::RegisterInfo => self.answers.register_info = Some(api::read("getregisterinfo", result)?),
            What::CallInit => {
                // Nothing of its answer is used, and some firmwares do not know it.
                if let Err(error) = api::read("dct", result) {
                    tracing::info!(%error, "the PBX does not take dct/init");
                }
            }
            What::Logout => {}
        }
        if self.token.is_some() && self.waiting.is_empty() {
            let logged_in = self.conclude(now)?;
            self.done(Ok(Box::new(logged_in)));
        }
        Ok(())
    }

    fn conclude(&mut self, now: Now) -> Result<LoggedIn, PbxError> {
        let missing = |what: &str| PbxError::Registry { detail: format!("{what} is missing") };
        let product = self.product.clone().ok_or_else(|| missing("the product"))?;
        let token = self.token.clone().ok_or_else(|| missing("the token"))?;
        let Answers { global, licence, personal, register_info } = std::mem::take(&mut self.answers);
        let personal = personal.as_ref().and_then(Personal::read).ok_or(PbxError::PersonalNotFound)?;
        if !is_number(&personal.number) {
            return Err(PbxError::Registry { detail: "the extension's number is none".to_owned() });
        }
        let global = Global::read(&global.unwrap_or_default());
        let client = self.params.user_agent;
        let enabled = match (product.mode, client) {
            (PlanMode::Cn, _) => global.internal_client,
            (PlanMode::En, ClientKind::WebClient) => personal.web_client,
            (PlanMode::En, ClientKind::WebPc) => personal.desktop_client,
        };
        if !enabled {
            return Err(PbxError::ClientDisabled { client });
        }
        let register =
            register_info.and_then(|answer| RegisterInfo::read(&answer, ["registername", "registerpassword"]));
        let register = register.ok_or_else(|| missing("registername or registerpassword"))?;
        let mut logged_in = LoggedIn {
            config: PhoneConfig::new(&self.base.ws(), "x", None, self.params.seed.clone()).map_err(unfit)?,
            params: self.params.clone(),
            base: self.base.clone(),
            token,
            services: licence.as_ref().and_then(Services::read).unwrap_or_default(),
            product,
            global,
            personal,
            at: now,
        };
        logged_in.configure(&register).map_err(unfit)?;
        Ok(logged_in)
    }

    fn fail(&mut self, now: Now, error: PbxError) {
        // The answer to the login may still bring a token.
        self.waiting.retain(|waiting| waiting.what == What::Token);
        self.leave(now, error);
    }

    /// Gives back what was given, and ends when nothing is waited for.
    fn leave(&mut self, now: Now, error: PbxError) {
        self.stage = Stage::LeavingWith(error.clone());
        if let Some(token) = self.token.take() {
            self.ask(now, What::Logout, api::logout(&token));
        } else if self.waiting.is_empty() {
            self.done(Err(error));
        }
    }

    fn done(&mut self, result: Result<Box<LoggedIn>, PbxError>) {
        self.stage = Stage::Done;
        self.waiting.clear();
        self.out.push_back(LoginOutput::Done(result));
    }
}

impl Machine for Login {
    type Output = LoginOutput;

    fn poll_output(&mut self) -> Option<LoginOutput> {
        if let Some(output) = self.out.pop_front() {
            return Some(output);
        }
        if std::mem::take(&mut self.stirred) {
            return self.waiting.iter().map(|waiting| waiting.until).min().map(LoginOutput::Timeout);
        }
        None
    }
}

impl LoggedIn {
    /// What the paths of requests follow: `https://HOST[:PORT]/api`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("{}/api", self.base.http())
    }

    /// Where the phone connects to: `wss://HOST[:PORT]/ws?exten=NUMBER`, subprotocol `sip`.
    #[must_use]
    pub fn sip_url(&self) -> String {
        format!("{}/ws?exten={}", self.base.ws(), encoded(&self.personal.number))
    }

    /// The phone's configuration, as the PBX's settings make it.
    #[must_use]
    pub fn config(&self) -> &PhoneConfig {
        &self.config
    }

    /// The same, for what only a driver knows: the clock's offset from UTC, the device type.
    pub fn config_mut(&mut self) -> &mut PhoneConfig {
        &mut self.config
    }

    fn configure(&mut self, register: &RegisterInfo) -> Result<(), UriError> {
        let (number, host) = (&self.personal.number, self.base.host());
        let mut contact = Uri::sip(number, host)?;
        if self.product.is_behind_nat() {
            contact = contact.with_param("nat", None)?;
        }
        let access = self.product.access_type.as_ref().map(|kind| format!("User-Agent-Access-Type: {kind}"));
        let new = PhoneConfig::new(&self.base.ws(), number, Some(host), self.params.seed.clone())?;
        self.config = PhoneConfig {
            contact: Some(contact.with_param("webclient", None)?),
            credentials: Some(register.credentials()),
            register_expires_s: 1_800,
            register_headers: access.into_iter().collect(),
            keep_alive: KeepAlive::Heartbeat { interval_ms: 30_000 },
            session_timer: SessionTimer { enabled: true, expires_s: 1_800, ..SessionTimer::default() },
            reconnect: ReconnectPolicy {
                max_attempts: self.params.re_registry_phone_times,
                ..ReconnectPolicy::default()
            },
            call_waiting: !self.params.disable_call_waiting,
            record: RecordMethod::FeatureCode(self.global.record_code.clone()),
            record_permissions: self.personal.record,
            no_answer_ms: 300_000,
            ice_servers: self.global.stun(self.product.cloud),
            ..new
        };
        Ok(())
    }
}

fn unfit(error: UriError) -> PbxError {
    PbxError::Registry { detail: error.to_string() }
}

/// It goes into addresses, headers and URLs.
fn is_number(number: &str) -> bool {
    number.len() <= 64 && number.bytes().all(|b| b.is_ascii_alphanumeric() || b"+*#-._".contains(&b))
}
