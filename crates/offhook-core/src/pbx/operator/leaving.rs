//! The end: the token is given back, the subscription closed, and everybody who waits is told.

use offhook_sip::Millis;

use super::{PbxOperator, What};
use crate::io::CommandId;
use crate::pbx::api;
use crate::pbx::error::PbxError;
use crate::session::Outbox;

/// For the last uploads and the calls' ends, before the token is given back.
const LEAVE_MS: Millis = 3_000;

/// The operator is ending.
#[derive(Debug)]
pub(super) struct Leaving {
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

impl Leaving {
    /// The token is not given back yet.
    pub(super) fn has_token(&self) -> bool {
        self.logout == Logout::NotYet
    }

    pub(super) fn timeout(&self) -> Option<Millis> {
        self.has_token().then_some(self.until)
    }
}

impl PbxOperator {
    /// Begins to end; the phone is disconnected by its own command.
    pub(crate) fn leave(&mut self, now: Millis, disconnect: CommandId) {
        self.uploads.flush(now);
        self.renewal = None;
        // A token that is on its way is to be given back too.
        let of_flight = self.in_flight.extract_if(.., |flight| !matches!(flight.what, What::Upload | What::Renew));
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

    pub(super) fn on_logged_out(&mut self) {
        if let Some(leaving) = &mut self.leaving {
            leaving.logout = Logout::Done;
        }
    }

    /// Goes on with the end: when the calls are over, the token is given back and the subscription closed. The commands
    /// to settle when it is done, once.
    pub(crate) fn go_on_leaving(&mut self, now: Millis, calls: bool, out: &mut Outbox) -> Option<Vec<CommandId>> {
        let renewing = self.in_flight.iter().any(|flight| matches!(flight.what, What::Renew));
        let idle = !calls && !renewing && self.uploads.is_idle();
        let leaving = self.leaving.as_mut()?;
        if leaving.logout == Logout::NotYet && (idle || leaving.until <= now) {
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
