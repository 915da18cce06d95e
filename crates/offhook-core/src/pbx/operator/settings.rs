//! Settings that are read again: while there was no subscription, the PBX could not tell that they changed.

use offhook_sip::{Millis, Secret};

use super::{Effect, PbxOperator, What};
use crate::pbx::api;
use crate::pbx::error::PbxError;
use crate::pbx::http::HttpRequest;
use crate::pbx::json::Value;
use crate::pbx::notice::Notice;
use crate::pbx::params::ClientKind;
use crate::pbx::product::PlanMode;
use crate::pbx::settings::{Global, Personal, Services};
use crate::recording::RecordPermissions;
use crate::session::Outbox;

/// Before what could not be read on the network is read again.
const REREAD_MS: Millis = 30_000;

/// What a request reads of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Global,
    Licence,
    Personal,
}

impl Setting {
    /// In the order of what they do: the licence is told before a client that is off ends everything.
    const ALL: [Self; 3] = [Self::Licence, Self::Global, Self::Personal];

    pub(super) fn request(self, token: &Secret) -> HttpRequest {
        match self {
            Self::Global => api::global(token),
            Self::Licence => api::licence(token),
            Self::Personal => api::personal(token),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Global => "getpersonalglobal",
            Self::Licence => "licenseservice",
            Self::Personal => "getpersonal",
        }
    }

    /// What a notification changes, if it is one of these.
    fn of(notice: &Notice) -> Option<Self> {
        match notice {
            Notice::RecordCode(_) | Notice::Stun(_) | Notice::InternalClient(_) => Some(Self::Global),
            Notice::Services(_) => Some(Self::Licence),
            Notice::DesktopClient(_) | Notice::WebClient(_) | Notice::RecordPermissions(_) | Notice::CallWaiting(_) => {
                Some(Self::Personal)
            }
            _ => None,
        }
    }
}

impl PbxOperator {
    /// The subscription is there, for the first time or again, or what was to be read then was not.
    pub(super) fn read_settings(&mut self, now: Millis, out: &mut Outbox) {
        self.reread = None;
        if self.is_destroyed() {
            return;
        }
        for setting in Setting::ALL {
            if !self.overtake(setting) {
                self.read_setting(now, setting, out);
            }
        }
    }

    pub(super) fn read_setting(&mut self, now: Millis, setting: Setting, out: &mut Outbox) {
        self.ask(now, What::Setting { setting, overtaken: false }, now + api::ANSWER_MS, out);
    }

    /// A notification is newer than what is being read, or may be: that is read once more then.
    pub(super) fn overtaken_by(&mut self, notice: &Notice) {
        if let Some(setting) = Setting::of(notice) {
            self.overtake(setting);
        }
    }

    /// Whether it is being read.
    fn overtake(&mut self, wanted: Setting) -> bool {
        let mut found = false;
        for flight in &mut self.in_flight {
            if let What::Setting { setting, overtaken } = &mut flight.what
                && *setting == wanted
            {
                (*overtaken, found) = (true, true);
            }
        }
        found
    }

    /// Takes what was read as the log-in does, and does with it what the notifications do.
    pub(super) fn on_setting(&mut self, now: Millis, setting: Setting, answer: Result<Value, PbxError>) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::info!(%error, "settings that may have changed were not read");
                // What the PBX says no to, it says no to again; with a new token they are read anyway.
                if matches!(error, PbxError::Network { .. }) && self.renewal.is_none() {
                    self.reread.get_or_insert(now + self.random.jitter(REREAD_MS));
                }
                return;
            }
        };
        match setting {
            Setting::Global => self.on_global(Global::read(&answer)),
            Setting::Licence => {
                if let Some(services) = Services::read(&answer) {
                    self.on_services(services);
                }
            }
            Setting::Personal => {
                if let Some(personal) = Personal::read(&answer) {
                    self.on_personal(personal);
                }
            }
        }
    }

    pub(super) fn on_services(&mut self, services: Services) {
        let before = std::mem::replace(&mut self.logged_in.services, services);
        if before.video != services.video {
            self.effects.push_back(Effect::VideoPlan(services.video));
        }
    }

    pub(super) fn tell_stun(&mut self) {
        let servers = self.logged_in.global.stun(self.logged_in.product.cloud);
        self.effects.push_back(Effect::IceServers(servers));
    }

    /// A client that the PBX no longer lets in, in the mode in which its switch counts.
    pub(super) fn on_client(&mut self, mode: PlanMode, of: Option<ClientKind>, enabled: bool) {
        let client = self.logged_in.params.user_agent;
        if !enabled && self.logged_in.product.mode == mode && of.is_none_or(|of| of == client) {
            self.fatal(PbxError::ClientDisabled { client });
        }
    }

    pub(super) fn on_record_code(&mut self, code: String) {
        self.logged_in.global.record_code.clone_from(&code);
        self.effects.push_back(Effect::RecordCode(code));
    }

    pub(super) fn on_record_permissions(&mut self, permissions: RecordPermissions) {
        self.logged_in.personal.record = permissions;
        self.effects.push_back(Effect::RecordPermissions(permissions));
    }

    pub(super) fn on_call_waiting(&mut self, offered: bool) {
        self.logged_in.personal.call_waiting = offered;
        self.effects.push_back(Effect::CallWaiting(offered));
    }

    // What is read again and says the same changes nothing: the program may have changed it since.

    fn on_global(&mut self, global: Global) {
        if global.record_code != self.logged_in.global.record_code
            && let Ok(code) = crate::tones::parse(&global.record_code)
        {
            self.on_record_code(code);
        }
        let enabled = global.internal_client;
        self.logged_in.global = global;
        self.tell_stun();
        self.on_client(PlanMode::Cn, None, enabled);
    }

    fn on_personal(&mut self, personal: Personal) {
        if personal.record != self.logged_in.personal.record {
            self.on_record_permissions(personal.record);
        }
        if personal.call_waiting != self.logged_in.personal.call_waiting {
            self.on_call_waiting(personal.call_waiting);
        }
        self.on_client(PlanMode::En, Some(ClientKind::WebClient), personal.web_client);
        self.on_client(PlanMode::En, Some(ClientKind::WebPc), personal.desktop_client);
        // Its number stays: the phone is registered with it.
        let number = std::mem::take(&mut self.logged_in.personal.number);
        self.logged_in.personal = Personal { number, ..personal };
    }
}
