//! Who the far end is in the PBX's address books: looked up without making the call wait for more than a moment.

use offhook_sip::Millis;

use super::{Ctx, Session};
use crate::events::PhoneEvent;
use crate::pbx::Contact;

/// An INVITE, and the telling of one, wait no longer for the look-up, milliseconds.
pub(crate) const LOOK_UP_MS: Millis = 300;

/// The look-up of a call's far end.
#[derive(Debug, Default)]
pub(super) struct LookUp {
    /// What waits for it waits until then.
    until: Option<Millis>,
    /// Our INVITE's offer, which waits.
    offer: Option<String>,
    /// An inbound call that nobody was told of yet.
    unannounced: bool,
    /// Half an answer, while something waits for the whole.
    half: Option<(Contact, Option<String>)>,
    /// The name is that of the address book.
    pub(super) named: bool,
    /// The number is another, and to be looked up.
    wanted: bool,
}

impl LookUp {
    pub(super) fn is_unannounced(&self) -> bool {
        self.unannounced
    }

    pub(super) fn timeout(&self) -> Option<Millis> {
        self.until
    }

    /// The number is another.
    pub(super) fn renew(&mut self, wanted: bool) {
        self.half = None;
        self.named = false;
        self.wanted = wanted;
    }
}

impl Session {
    /// Wants its number looked up; it waits for nothing.
    pub(crate) fn want_look_up(&mut self) {
        self.look_up.wanted = true;
    }

    /// Whether its number is to be looked up, once.
    pub(crate) fn take_wanted_look_up(&mut self) -> bool {
        std::mem::take(&mut self.look_up.wanted)
    }

    /// What is known of the far end before anybody is told of the call.
    pub(crate) fn know(&mut self, contact: &Contact, avatar: Option<String>) {
        if let Some(name) = &contact.name {
            self.status.name.clone_from(name);
            self.look_up.named = true;
        }
        self.status.avatar = avatar.unwrap_or_default();
    }

    /// The INVITE waits for the look-up; if the call is inbound, the telling of it.
    pub(crate) fn await_look_up(&mut self, until: Millis, unannounced: bool) {
        self.look_up.until = Some(until);
        self.look_up.unannounced = unannounced;
    }

    /// More is known of the far end.
    pub(crate) fn on_contact(&mut self, ctx: &mut Ctx<'_>, contact: &Contact, avatar: Option<String>) {
        if self.look_up.until.is_some() && !contact.complete {
            self.look_up.half = Some((contact.clone(), avatar));
            return;
        }
        self.look_up.half = None;
        self.take_contact(ctx, contact, avatar);
        if contact.complete {
            self.go_on(ctx);
        }
    }

    fn take_contact(&mut self, ctx: &mut Ctx<'_>, contact: &Contact, avatar: Option<String>) {
        if !self.manual {
            self.look_up.named |= contact.name.is_some();
            self.change(ctx.out, |status| {
                if let Some(name) = &contact.name {
                    status.name.clone_from(name);
                }
                if let Some(avatar) = avatar {
                    status.avatar = avatar;
                }
            });
        }
    }

    /// Nothing waits for the look-up any longer.
    pub(super) fn look_up_on_time(&mut self, ctx: &mut Ctx<'_>) {
        if self.look_up.until.is_some_and(|at| at <= ctx.now.mono) {
            self.go_on(ctx);
        }
    }

    /// An INVITE that waits for the look-up is kept; `None`: it is.
    pub(super) fn hold_back(&mut self, offer: String) -> Option<String> {
        if self.look_up.until.is_none() {
            return Some(offer);
        }
        self.look_up.offer = Some(offer);
        None
    }

    /// Tells of an inbound call that nobody was told of yet.
    pub(super) fn announce(&mut self, ctx: &mut Ctx<'_>) {
        if std::mem::take(&mut self.look_up.unannounced) {
            ctx.out.event(PhoneEvent::NewRtcSession { call_id: self.call_id.clone() });
            ctx.out.event(PhoneEvent::Incoming { call_id: self.call_id.clone() });
        }
    }

    fn go_on(&mut self, ctx: &mut Ctx<'_>) {
        self.look_up.until = None;
        if let Some((contact, avatar)) = self.look_up.half.take() {
            self.take_contact(ctx, &contact, avatar);
        }
        self.announce(ctx);
        if let Some(offer) = self.look_up.offer.take() {
            self.send_invite(ctx, offer);
        }
    }
}
