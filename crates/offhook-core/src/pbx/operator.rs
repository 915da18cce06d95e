//! The PBX's side of a phone: its requests, its token, its subscription.

use std::collections::VecDeque;

use offhook_sip::{Credentials, Millis, Secret};
use serde_json::Value;

use super::api;
use super::cdr::{CdrPage, CdrQuery};
use super::contacts::{Ask, Contact, Contacts};
use super::error::PbxError;
use super::event::PbxEvent;
use super::http::{HttpFailure, HttpId, HttpRequest, HttpResponse};
use super::json;
use super::login::LoggedIn;
use super::notice::{self, CallStatus, Notice};
use super::params::ClientKind;
use super::product::PlanMode;
use super::settings::RegisterInfo;
use super::subscription::{Happened, Subscription, SubscriptionInput};
use super::uploads::Uploads;
use super::url::encoded;
use crate::config::IceServer;
use crate::io::{CommandId, Now, Output};
use crate::random::Random;
use crate::recording::RecordPermissions;
use crate::report::Report;
use crate::session::Outbox;

/// Queries of the list of calls that may wait at once.
const MOST_QUERIES: usize = 16;
/// A new token that is lost within this is not replaced again, milliseconds.
const TOKEN_HOLDS_MS: Millis = 5_000;
/// Before a login that failed on the network is tried again; doubled up to the cap.
const RENEW_MS: Millis = 2_000;
const MAX_RENEW_MS: Millis = 30_000;
/// How often a PBX may say that there were too many logins.
const MOST_RENEWALS: u32 = 10;

/// What a phone has of its PBX ([`Phone::pbx`](crate::Phone::pbx)): getters. It acts through the commands of the phone.
#[derive(Debug)]
pub struct PbxOperator {
    base: String,
    sip_url: String,
    pub(crate) logged_in: LoggedIn,
    random: Random,
    requests: u64,
    in_flight: Vec<InFlight>,
    /// Wait for a new token.
    parked: Vec<Parked>,
    renewal: Option<Renewal>,
    /// Counts the tokens.
    generation: u32,
    renewed: Option<Millis>,
    subscription: Subscription,
    contacts: Contacts,
    uploads: Uploads,
    /// What the phone is to do.
    pub(crate) effects: VecDeque<Effect>,
    leaving: Option<Leaving>,
}

/// What the phone is to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// It is over.
    Fatal(PbxError),
    RecordCode(String),
    IceServers(Vec<IceServer>),
    RecordPermissions(RecordPermissions),
    CallWaiting(bool),
    VideoPlan(bool),
    /// Register with these now.
    Register(Credentials),
    /// What came of [`PbxOperator::fetch_register_info`].
    Fetched(Result<Credentials, PbxError>),
    CallStatus(CallStatus),
    /// More is known of a number.
    Found {
        number: String,
        contact: Contact,
    },
    /// A query is over.
    Cdr {
        command: CommandId,
        result: Result<CdrPage, PbxError>,
    },
}

#[derive(Debug)]
struct InFlight {
    id: HttpId,
    what: What,
    until: Millis,
    generation: u32,
}

#[derive(Debug)]
struct Parked {
    what: What,
    until: Millis,
}

#[derive(Debug, Clone)]
enum What {
    Renew,
    RegisterInfo,
    Contact(String, Ask),
    Cdr(CommandId, CdrQuery),
    Upload,
    Logout,
}

/// The token is lost, and we log in again.
#[derive(Debug)]
struct Renewal {
    failures: u32,
    /// When to try again; `None`: a login is on its way.
    retry: Option<Millis>,
}

/// The operator is ending.
#[derive(Debug)]
struct Leaving {
    commands: Vec<CommandId>,
    /// The phone's command to disconnect.
    disconnect: CommandId,
    /// Calls and uploads may take so long.
    until: Millis,
    /// The phone is disconnected.
    phone_left: bool,
    logout: Logout,
    /// That it is over was told.
    told: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Logout {
    NotYet,
    Asked,
    Done,
}

/// For the last uploads and the calls' ends, before the token is given back.
const LEAVE_MS: Millis = 3_000;

impl PbxOperator {
    // --- getters ---

    /// What the paths of [`Output::Http`](crate::Output::Http) follow: `https://HOST[:PORT]/api`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where [`Output::Connect`](crate::Output::Connect) connects to, with subprotocol `sip`.
    #[must_use]
    pub fn sip_url(&self) -> &str {
        &self.sip_url
    }

    /// The PBX's URL, as it was given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.logged_in.params.pbx_url
    }

    /// User name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.logged_in.params.username
    }

    /// The login signature.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.logged_in.params.secret
    }

    /// The present token.
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.logged_in.token
    }

    /// Number of the extension.
    #[must_use]
    pub fn extension_number(&self) -> &str {
        &self.logged_in.personal.number
    }

    /// Identity of the extension.
    #[must_use]
    pub fn extension_id(&self) -> &str {
        &self.logged_in.personal.id
    }

    /// Name of the extension.
    #[must_use]
    pub fn extension_name(&self) -> &str {
        &self.logged_in.personal.name
    }

    /// Whether it is ending, or over: nothing can be asked of it any more.
    #[must_use]
    pub fn is_destroyed(&self) -> bool {
        self.leaving.is_some()
    }

    // --- inside: beginning ---

    pub(crate) fn new(logged_in: LoggedIn, seed: [u8; 32], out: &mut Outbox) -> Self {
        let topics = notice::topics(&logged_in.product);
        let now = logged_in.at.mono;
        let mut operator = Self {
            base: logged_in.base(),
            sip_url: logged_in.sip_url(),
            subscription: Subscription::new(Secret::new(""), &topics),
            logged_in,
            random: Random::new(seed),
            requests: 0,
            in_flight: Vec::new(),
            parked: Vec::new(),
            renewal: None,
            generation: 0,
            renewed: None,
            contacts: Contacts::default(),
            uploads: Uploads::default(),
            effects: VecDeque::new(),
            leaving: None,
        };
        operator.open_subscription(now, out);
        operator
    }

    fn open_subscription(&mut self, now: Millis, out: &mut Outbox) {
        let token = encoded(self.logged_in.token.expose());
        let url = format!("{}/api/v1.0/subscribe?access_token={token}", self.logged_in.base.ws());
        self.subscription.open(now, Secret::new(url), out);
    }

    // --- inside: requests ---

    pub(crate) fn cdr_query(
        &mut self,
        now: Millis,
        command: CommandId,
        query: CdrQuery,
        out: &mut Outbox,
    ) -> Result<(), PbxError> {
        if self.is_destroyed() {
            return Err(PbxError::Destroyed);
        }
        let of_flight = self.in_flight.iter().map(|flight| &flight.what);
        let queries = of_flight.chain(self.parked.iter().map(|parked| &parked.what));
        if queries.filter(|what| matches!(what, What::Cdr(..))).count() >= MOST_QUERIES {
            return Err(PbxError::InvalidQuery { detail: format!("{MOST_QUERIES} queries wait already") });
        }
        self.ask(now, What::Cdr(command, query), now + api::ANSWER_MS, out);
        Ok(())
    }

    /// The registration is refused: the PBX may have given the extension another password.
    pub(crate) fn fetch_register_info(&mut self, now: Millis, out: &mut Outbox) {
        self.ask(now, What::RegisterInfo, now + api::ANSWER_MS, out);
    }

    /// Who a number is; what is not known is asked for, and told by [`Effect::Found`].
    pub(crate) fn look_up(&mut self, now: Millis, number: &str, out: &mut Outbox) -> Contact {
        if self.is_destroyed() || self.renewal.is_some() {
            return Contact { complete: true, ..Contact::default() };
        }
        let (contact, ask) = self.contacts.look_up(now, number);
        if ask {
            for part in [Ask::Name, Ask::Photo] {
                self.ask(now, What::Contact(number.to_owned(), part), now + api::ANSWER_MS, out);
            }
        }
        contact
    }

    /// The picture's address.
    pub(crate) fn photo_url(&self, photo: &str) -> String {
        format!("{}/photo/{}", self.base, encoded(photo))
    }

    /// A call that was talking is over.
    pub(crate) fn report(&mut self, report: &Report) {
        if !self.logged_in.product.cloud && self.logged_in.services.fqdn {
            self.uploads.report(report);
        }
    }

    /// A line of our own log.
    pub(crate) fn note(&mut self, now: Now, line: &str) {
        if self.logged_in.params.enable_log == Some(false) || self.is_destroyed() {
            return;
        }
        let mut line = line.to_owned();
        for secret in [&self.logged_in.token, &self.logged_in.params.secret] {
            // One so short is found in words too.
            if secret.expose().len() >= 4 {
                line = line.replace(secret.expose(), "[redacted]");
            }
        }
        self.uploads.line(now.mono, &format!("{} {line}", now.wall));
    }

    /// Sends it, or keeps it until there is a token.
    fn ask(&mut self, now: Millis, what: What, until: Millis, out: &mut Outbox) {
        let waits = self.renewal.is_some() && !matches!(what, What::Renew | What::Logout);
        if waits {
            self.parked.push(Parked { what, until });
            return;
        }
        let token = &self.logged_in.token;
        let request = match &what {
            What::Renew => api::login(&self.logged_in.params),
            What::RegisterInfo => api::register_info(token),
            What::Contact(number, Ask::Name) => api::contact(token, number),
            What::Contact(number, Ask::Photo) => api::photo(token, number),
            What::Cdr(_, query) => api::cdr(token, query),
            What::Logout => api::logout(token),
            What::Upload => return,
        };
        self.send(now, what, HttpRequest { deadline_ms: until.saturating_sub(now).max(1), ..request }, out);
    }

    fn send(&mut self, now: Millis, what: What, request: HttpRequest, out: &mut Outbox) {
        self.requests += 1;
        let id = HttpId(self.requests);
        let until = now.saturating_add(request.deadline_ms);
        self.in_flight.push(InFlight { id, what, until, generation: self.generation });
        out.push(Output::Http { id, request });
    }

    pub(crate) fn on_http(
        &mut self,
        now: Millis,
        id: HttpId,
        result: Result<HttpResponse, HttpFailure>,
        out: &mut Outbox,
    ) {
        let Some(at) = self.in_flight.iter().position(|flight| flight.id == id) else { return };
        let InFlight { what, until, generation, .. } = self.in_flight.swap_remove(at);
        let name = match &what {
            What::Renew => return self.on_renewed(now, api::read_login(result), out),
            What::Logout => return self.on_logged_out(),
            What::RegisterInfo => "getregisterinfo",
            What::Contact(_, Ask::Name) => "matchall",
            What::Contact(_, Ask::Photo) => "getphoto",
            What::Cdr(..) => "searchpersonal",
            What::Upload => "upload",
        };
        let answer = api::read(name, result);
        if answer.as_ref().err().is_some_and(api::is_token_lost) && !self.is_destroyed() {
            if generation == self.generation {
                self.token_lost(now, out);
            }
            // An upload has tries of its own.
            if !matches!(what, What::Upload) {
                self.ask(now, what, until, out);
                return;
            }
        } else if answer.as_ref().err().is_some_and(api::is_token_lost) && matches!(what, What::Upload) {
            // The PBX has ended our session before we could: nothing more is taken, so nothing is waited for.
            self.uploads = Uploads::default();
        }
        self.answered(now, what, answer);
    }

    fn answered(&mut self, now: Millis, what: What, answer: Result<Value, PbxError>) {
        match what {
            What::RegisterInfo => {
                let none = || PbxError::Registry { detail: "registername or registerpassword is missing".to_owned() };
                let read = |answer: Value| RegisterInfo::read(&answer, ["registername", "registerpassword"]);
                let fetched = answer.and_then(|answer| read(answer).ok_or_else(none));
                self.effects.push_back(Effect::Fetched(fetched.map(|info| info.credentials())));
            }
            What::Contact(number, ask) => {
                let name = if ask == Ask::Name { "name" } else { "photo" };
                let found = match answer {
                    Ok(answer) => Ok(json::filled(json::holder(&answer, &[name]), name)),
                    // The PBX's word that there is nobody.
                    Err(PbxError::Api { .. }) => Ok(None),
                    Err(_) => Err(()),
                };
                if let Some(contact) = self.contacts.answered(now, &number, ask, found) {
                    self.effects.push_back(Effect::Found { number, contact });
                }
            }
            What::Cdr(command, query) => {
                let result = answer.map(|answer| CdrPage::read(&answer, query.size));
                self.effects.push_back(Effect::Cdr { command, result });
            }
            What::Upload => self.uploads.sent(now, answer.is_ok()),
            What::Renew | What::Logout => {}
        }
    }

    // --- inside: the token ---

    fn token_lost(&mut self, now: Millis, out: &mut Outbox) {
        if self.renewal.is_some() || self.is_destroyed() {
            return;
        }
        self.subscription.close(now, out);
        if self.renewed.is_some_and(|at| now.saturating_sub(at) < TOKEN_HOLDS_MS) {
            self.fatal(PbxError::ReLogin { detail: "the new token was lost at once".to_owned() });
            return;
        }
        self.renewal = Some(Renewal { failures: 0, retry: None });
        self.ask(now, What::Renew, now + api::ANSWER_MS, out);
    }

    fn on_renewed(&mut self, now: Millis, result: Result<Secret, PbxError>, out: &mut Outbox) {
        let Some(renewal) = &mut self.renewal else { return };
        match result {
            Ok(token) => {
                self.renewal = None;
                self.renewed = Some(now);
                self.generation += 1;
                self.logged_in.token = token;
                for Parked { what, until } in std::mem::take(&mut self.parked) {
                    self.ask(now, what, until, out);
                }
                self.open_subscription(now, out);
            }
            // The PBX is not there, or has too many coming back at once: no word on us yet.
            Err(error)
                if matches!(error, PbxError::Network { .. })
                    || (api::is_too_many(&error) && renewal.failures < MOST_RENEWALS) =>
            {
                let doubled = RENEW_MS.saturating_mul(1 << renewal.failures.min(8));
                renewal.failures = renewal.failures.saturating_add(1);
                renewal.retry = Some(now + self.random.jitter(doubled.min(MAX_RENEW_MS)));
            }
            Err(PbxError::SdkPlanDisabled) => self.fatal(PbxError::SdkPlanDisabled),
            Err(error) => self.fatal(PbxError::ReLogin { detail: error.to_string() }),
        }
    }

    fn fatal(&mut self, error: PbxError) {
        self.effects.push_back(Effect::Fatal(error));
    }

    // --- inside: the subscription ---

    pub(crate) fn on_subscription(&mut self, now: Now, input: SubscriptionInput, out: &mut Outbox) {
        match self.subscription.input(now.mono, input, &mut self.random, out) {
            Happened::Nothing => {}
            Happened::TokenLost => self.token_lost(now.mono, out),
            Happened::Message(_) if self.is_destroyed() => {}
            Happened::Message(message) => match Notice::read(&message) {
                Ok(Some(notice)) => self.on_notice(now.mono, notice, out),
                Ok(None) => {}
                Err(why) => {
                    let kind = json::number(&message, "type");
                    tracing::warn!(?kind, "a notification is ignored: {why}");
                    self.note(now, &format!("notification {kind:?} ignored: {why}"));
                }
            },
        }
    }

    fn on_notice(&mut self, now: Millis, notice: Notice, out: &mut Outbox) {
        let client = self.logged_in.params.user_agent;
        let of_mode = |mode| self.logged_in.product.mode == mode;
        match notice {
            Notice::SubscribeAgain => self.subscription.subscribe_again(now, out),
            Notice::LoggedIn { username } => {
                if username == self.username() || username == self.extension_number() {
                    self.fatal(PbxError::LoggedInElsewhere);
                }
            }
            Notice::ExtensionDeleted { number } => {
                if number.is_none_or(|number| number == self.extension_number()) {
                    self.fatal(PbxError::ExtensionDeleted);
                }
            }
            Notice::LogInAgain => self.token_lost(now, out),
            Notice::WebClient(enabled) => {
                if !enabled && of_mode(PlanMode::En) && client == ClientKind::WebClient {
                    self.fatal(PbxError::ClientDisabled { client });
                }
            }
            Notice::DesktopClient(enabled) => {
                if !enabled && of_mode(PlanMode::En) && client == ClientKind::WebPc {
                    self.fatal(PbxError::ClientDisabled { client });
                }
            }
            Notice::InternalClient(enabled) => {
                if !enabled && of_mode(PlanMode::Cn) {
                    self.fatal(PbxError::ClientDisabled { client });
                }
            }
            Notice::SdkPlan(enabled) => {
                if !enabled {
                    self.fatal(PbxError::SdkPlanDisabled);
                }
            }
            Notice::RecordCode(code) => self.effects.push_back(Effect::RecordCode(code)),
            Notice::RecordPermissions(permissions) => {
                self.effects.push_back(Effect::RecordPermissions(permissions));
            }
            Notice::CallStatus(status) => self.effects.push_back(Effect::CallStatus(status)),
            Notice::CdrChange(change) => {
                if change.ext_num.is_empty() || change.ext_num == self.extension_number() {
                    out.push(Output::Pbx(PbxEvent::CdrChange(change)));
                }
            }
            Notice::Services(services) => {
                let before = std::mem::replace(&mut self.logged_in.services, services);
                if before.video != services.video {
                    self.effects.push_back(Effect::VideoPlan(services.video));
                }
            }
            Notice::Stun(stun) => {
                self.logged_in.global.update_stun(&stun);
                let servers = self.logged_in.global.stun(self.logged_in.product.cloud);
                self.effects.push_back(Effect::IceServers(servers));
            }
            Notice::RegisterInfo(info) => self.effects.push_back(Effect::Register(info.credentials())),
            Notice::CallWaiting(offered) => self.effects.push_back(Effect::CallWaiting(offered)),
        }
    }

    // --- inside: time ---

    pub(crate) fn on_time(&mut self, now: Millis, out: &mut Outbox) {
        while let Some(flight) = self.in_flight.iter().find(|flight| flight.until <= now) {
            self.on_http(now, flight.id, Err(HttpFailure::Timeout), out);
        }
        while let Some(at) = self.parked.iter().position(|parked| parked.until <= now) {
            let what = self.parked.swap_remove(at).what;
            let error = PbxError::Network { request: "login", failure: HttpFailure::Timeout };
            self.answered(now, what, Err(error));
        }
        if let Some(renewal) = self.renewal.as_mut().filter(|renewal| renewal.retry.is_some_and(|at| at <= now)) {
            renewal.retry = None;
            self.ask(now, What::Renew, now + api::ANSWER_MS, out);
        }
        self.subscription.on_time(now, &mut self.random, out);
    }

    /// Sends the next upload, if there is one. Ends every mutation.
    pub(crate) fn upload(&mut self, now: Millis, out: &mut Outbox) {
        if !self.may_upload() {
            return;
        }
        if let Some(request) = self.uploads.next(now, &self.logged_in.token) {
            self.send(now, What::Upload, request, out);
        }
    }

    fn may_upload(&self) -> bool {
        let out = self.leaving.as_ref().is_some_and(|leaving| leaving.logout != Logout::NotYet);
        !out && self.renewal.is_none()
    }

    pub(crate) fn timeout(&self) -> Option<Millis> {
        let flights = self.in_flight.iter().map(|flight| flight.until).min();
        let parked = self.parked.iter().map(|parked| parked.until).min();
        let renewal = self.renewal.as_ref().and_then(|renewal| renewal.retry);
        let uploads = self.uploads.timeout().filter(|_| self.may_upload());
        let leaving = self.leaving.as_ref().filter(|leaving| leaving.logout == Logout::NotYet).map(|l| l.until);
        [flights, parked, renewal, uploads, leaving, self.subscription.timeout()].into_iter().flatten().min()
    }

    // --- inside: the end ---

    /// Begins to end; the phone is disconnected by its own command.
    pub(crate) fn leave(&mut self, now: Millis, disconnect: CommandId) {
        self.uploads.flush(now);
        self.renewal = None;
        let of_flight = self.in_flight.extract_if(.., |flight| !matches!(flight.what, What::Upload));
        let gone: Vec<What> =
            of_flight.map(|flight| flight.what).chain(self.parked.drain(..).map(|p| p.what)).collect();
        for what in gone {
            self.answered(now, what, Err(PbxError::Destroyed));
        }
        self.leaving = Some(Leaving {
            commands: Vec::new(),
            disconnect,
            until: now + LEAVE_MS,
            phone_left: false,
            logout: Logout::NotYet,
            told: false,
        });
    }

    /// A command waits for the end; `false` when that was told already.
    pub(crate) fn wait_for_end(&mut self, command: CommandId) -> bool {
        let waits = self.leaving.as_mut().filter(|leaving| !leaving.told);
        let waits = waits.map(|leaving| leaving.commands.push(command));
        waits.is_some()
    }

    /// A command of the phone is over: perhaps its disconnecting.
    pub(crate) fn on_own_result(&mut self, command: CommandId) {
        if let Some(leaving) = self.leaving.as_mut().filter(|leaving| leaving.disconnect == command) {
            leaving.phone_left = true;
        }
    }

    fn on_logged_out(&mut self) {
        if let Some(leaving) = &mut self.leaving {
            leaving.logout = Logout::Done;
        }
    }

    /// Goes on with the end: when the calls are over, the token is given back and the subscription closed. The commands
    /// to settle when it is done, once.
    pub(crate) fn go_on_leaving(&mut self, now: Millis, calls: bool, out: &mut Outbox) -> Option<Vec<CommandId>> {
        let leaving = self.leaving.as_mut()?;
        if leaving.logout == Logout::NotYet && ((!calls && self.uploads.is_idle()) || leaving.until <= now) {
            leaving.logout = Logout::Asked;
            self.in_flight.clear();
            self.ask(now, What::Logout, now + api::LOGOUT_MS, out);
            self.subscription.close(now, out);
        }
        let leaving = self.leaving.as_mut()?;
        let done = leaving.logout == Logout::Done && leaving.phone_left && self.subscription.is_idle();
        // It stays, so that nothing is asked of it any more.
        (done && !std::mem::replace(&mut leaving.told, true)).then(|| std::mem::take(&mut leaving.commands))
    }
}
