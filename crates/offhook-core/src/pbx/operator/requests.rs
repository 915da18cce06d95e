//! What the operator asks of the PBX, and what it makes of the answers.

use offhook_sip::Millis;

use super::{Effect, InFlight, Parked, PbxOperator, What};
use crate::io::{CommandId, Now, Output};
use crate::pbx::api;
use crate::pbx::cdr::{CdrPage, CdrQuery};
use crate::pbx::contacts::{Ask, Contact};
use crate::pbx::error::PbxError;
use crate::pbx::http::{HttpFailure, HttpId, HttpRequest, HttpResponse};
use crate::pbx::json::{self, Value};
use crate::pbx::settings::RegisterInfo;
use crate::pbx::uploads::Uploads;
use crate::pbx::url::encoded;
use crate::report::Report;
use crate::session::Outbox;

/// Queries of the list of calls that may wait at once.
const MOST_QUERIES: usize = 16;

impl PbxOperator {
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
    pub(super) fn ask(&mut self, now: Millis, what: What, until: Millis, out: &mut Outbox) {
        let waits = self.renewal.is_some() && !matches!(what, What::Renew | What::Logout);
        if waits {
            self.parked.push(Parked { what, until });
            return;
        }
        let token = &self.logged_in.token;
        let request = match &what {
            What::Renew => api::login(&self.logged_in.params),
            What::TryToken => api::personal(token),
            What::RegisterInfo => api::register_info(token),
            What::Setting { setting, .. } => setting.request(token),
            What::Contact(number, Ask::Name) => api::contact(token, number),
            What::Contact(number, Ask::Photo) => api::photo(token, number),
            What::Cdr(_, query) => api::cdr(token, query),
            What::Logout => api::logout(token),
            What::Upload => return,
        };
        self.send(now, what, HttpRequest { deadline_ms: until.saturating_sub(now).max(1), ..request }, out);
    }

    pub(super) fn send(&mut self, now: Millis, what: What, request: HttpRequest, out: &mut Outbox) {
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
            What::TryToken => "getpersonal",
            What::RegisterInfo => "getregisterinfo",
            What::Setting { setting, .. } => setting.name(),
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
            // An upload has tries of its own, what was to be found out is, and with the next subscription settings are read anyway.
            if !matches!(what, What::Upload | What::TryToken | What::Setting { .. }) {
                self.ask(now, what, until, out);
                return;
            }
        } else if answer.as_ref().err().is_some_and(api::is_token_lost) && matches!(what, What::Upload) {
            // The PBX has ended our session before we could: nothing more is taken, so nothing is waited for.
            self.uploads = Uploads::default();
        }
        if let What::Setting { setting, overtaken: true } = what
            && answer.is_ok()
        {
            self.read_setting(now, setting, out);
            return;
        }
        self.answered(now, what, answer);
    }

    pub(super) fn answered(&mut self, now: Millis, what: What, answer: Result<Value, PbxError>) {
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
            What::Setting { setting, .. } => self.on_setting(now, setting, answer),
            What::Upload => self.uploads.sent(now, answer.is_ok()),
            What::Renew | What::TryToken | What::Logout => {}
        }
    }
}
