//! The PBX's side of a phone: its requests, its token, its subscription.

mod leaving;
mod notified;
mod requests;
mod settings;
mod token;

use std::collections::VecDeque;

use offhook_sip::{Credentials, Millis, Secret};

use self::leaving::Leaving;
use self::settings::Setting;
use self::token::Renewal;
use super::cdr::{CdrPage, CdrQuery};
use super::contacts::{Ask, Contact, Contacts};
use super::error::PbxError;
use super::http::{HttpFailure, HttpId};
use super::login::LoggedIn;
use super::notice::{self, CallStatus};
use super::subscription::Subscription;
use super::uploads::Uploads;
use super::url::encoded;
use crate::config::IceServer;
use crate::io::CommandId;
use crate::random::Random;
use crate::recording::RecordPermissions;
use crate::session::Outbox;

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
    /// Settings that could not be read are read again then.
    reread: Option<Millis>,
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
    TryToken,
    RegisterInfo,
    /// `overtaken`: what the answer says may be old.
    Setting {
        setting: Setting,
        overtaken: bool,
    },
    Contact(String, Ask),
    Cdr(CommandId, CdrQuery),
    Upload,
    Logout,
}

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
            reread: None,
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
        self.renew_on_time(now, out);
        if self.subscription.on_time(now, &mut self.random, out) || self.reread.is_some_and(|at| at <= now) {
            self.read_settings(now, out);
        }
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
        self.leaving.as_ref().is_none_or(Leaving::has_token) && self.renewal.is_none()
    }

    pub(crate) fn timeout(&self) -> Option<Millis> {
        let flights = self.in_flight.iter().map(|flight| flight.until).min();
        let parked = self.parked.iter().map(|parked| parked.until).min();
        let renewal = self.renewal.as_ref().and_then(|renewal| renewal.retry);
        let uploads = self.uploads.timeout().filter(|_| self.may_upload());
        let leaving = self.leaving.as_ref().and_then(Leaving::timeout);
        let subscription = self.subscription.timeout();
        [flights, parked, renewal, uploads, leaving, subscription, self.reread].into_iter().flatten().min()
    }
}
