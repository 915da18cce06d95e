//! What comes over the subscription, and what it does.

use offhook_sip::Millis;

use super::{Effect, PbxOperator};
use crate::io::{Now, Output};
use crate::pbx::error::PbxError;
use crate::pbx::event::PbxEvent;
use crate::pbx::json;
use crate::pbx::notice::Notice;
use crate::pbx::params::ClientKind;
use crate::pbx::product::PlanMode;
use crate::pbx::subscription::{Happened, SubscriptionInput};
use crate::session::Outbox;

impl PbxOperator {
    pub(crate) fn on_subscription(&mut self, now: Now, input: SubscriptionInput, out: &mut Outbox) {
        match self.subscription.input(now.mono, input, &mut self.random, out) {
            Happened::Nothing => {}
            Happened::TokenLost => self.token_lost(now.mono, out),
            Happened::TokenDoubted => self.try_token(now.mono, out),
            Happened::Subscribed => self.read_settings(now.mono, out),
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
        self.overtaken_by(&notice);
        match notice {
            Notice::SubscribeAgain => {
                if self.subscription.subscribe_again(now, out) {
                    self.read_settings(now, out);
                }
            }
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
            Notice::WebClient(enabled) => self.on_client(PlanMode::En, Some(ClientKind::WebClient), enabled),
            Notice::DesktopClient(enabled) => self.on_client(PlanMode::En, Some(ClientKind::WebPc), enabled),
            Notice::InternalClient(enabled) => self.on_client(PlanMode::Cn, None, enabled),
            Notice::SdkPlan(enabled) => {
                if !enabled {
                    self.fatal(PbxError::SdkPlanDisabled);
                }
            }
            Notice::RecordCode(code) => self.on_record_code(code),
            Notice::RecordPermissions(permissions) => self.on_record_permissions(permissions),
            Notice::CallStatus(status) => self.effects.push_back(Effect::CallStatus(status)),
            Notice::CdrChange(change) => {
                if change.ext_num.is_empty() || change.ext_num == self.extension_number() {
                    out.push(Output::Pbx(PbxEvent::CdrChange(change)));
                }
            }
            Notice::Services(services) => self.on_services(services),
            Notice::Stun(stun) => {
                self.logged_in.global.update_stun(&stun);
                self.tell_stun();
            }
            Notice::RegisterInfo(info) => self.effects.push_back(Effect::Register(info.credentials())),
            Notice::CallWaiting(offered) => self.on_call_waiting(offered),
        }
    }
}
