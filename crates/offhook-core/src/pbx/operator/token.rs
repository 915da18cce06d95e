//! A token that is lost, and the login that replaces it.

use offhook_sip::{Millis, Secret};

use super::{Effect, Parked, PbxOperator, What};
use crate::pbx::api;
use crate::pbx::error::PbxError;
use crate::session::Outbox;

/// A new token that is lost within this is not replaced again, milliseconds.
const TOKEN_HOLDS_MS: Millis = 5_000;
/// Before a login that failed on the network is tried again; doubled up to the cap.
const RENEW_MS: Millis = 2_000;
const MAX_RENEW_MS: Millis = 30_000;
/// How often a PBX may say that there were too many logins.
const MOST_RENEWALS: u32 = 10;

/// The token is lost, and we log in again.
#[derive(Debug)]
pub(super) struct Renewal {
    failures: u32,
    /// When to try again; `None`: a login is on its way.
    pub(super) retry: Option<Millis>,
}

impl PbxOperator {
    pub(super) fn token_lost(&mut self, now: Millis, out: &mut Outbox) {
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

    /// Asks for something with it, to hear whether it is still good.
    pub(super) fn try_token(&mut self, now: Millis, out: &mut Outbox) {
        let tried = self.in_flight.iter().any(|flight| matches!(flight.what, What::TryToken));
        if !tried && self.renewal.is_none() && !self.is_destroyed() {
            self.ask(now, What::TryToken, now + api::ANSWER_MS, out);
        }
    }

    pub(super) fn on_renewed(&mut self, now: Millis, result: Result<Secret, PbxError>, out: &mut Outbox) {
        let Some(renewal) = &mut self.renewal else {
            // We leave: the token is there to be given back.
            if let Ok(token) = result {
                self.logged_in.token = token;
            }
            return;
        };
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

    /// Tries the login again, if it is time.
    pub(super) fn renew_on_time(&mut self, now: Millis, out: &mut Outbox) {
        if let Some(renewal) = self.renewal.as_mut().filter(|renewal| renewal.retry.is_some_and(|at| at <= now)) {
            renewal.retry = None;
            self.ask(now, What::Renew, now + api::ANSWER_MS, out);
        }
    }

    pub(super) fn fatal(&mut self, error: PbxError) {
        self.effects.push_back(Effect::Fatal(error));
    }
}
