//! INVITE with Replaces (RFC 3891): a device takes over a call of its own extension from another device, or from itself.

use offhook_sip::{Accept, Replaces};

use super::call::Hosted;
use super::{Switch, Turn, crossing, headers};
use crate::events::CallId;
use crate::media::{AnswerFor, LegId};

/// Told to the device that had the call.
const REPLACED: (u16, &str) = (200, "Replaced");

/// §3: one answer for whatever cannot be taken over, so that nobody learns of others' calls.
pub(super) const NOT_THERE: u16 = 481;

impl Switch {
    /// A new call takes the place of another one, which its Replaces names.
    pub(super) fn replace(&mut self, turn: &mut Turn<'_>, id: CallId, replaces: &[String]) {
        let Some(owner) = self.calls.get(&id).map(|call| call.from.clone()) else { return };
        // §3: no more than one.
        let replaces = if let [replaces] = replaces { Replaces::parse(replaces) } else { None };
        let Some(replaces) = replaces else { return self.refuse(turn, id, 400, Vec::new()) };
        let mine = match self.own_leg_of(turn, &replaces, &owner) {
            Ok((_, mine)) => mine,
            Err(status) => return self.refuse(turn, id, status, Vec::new()),
        };
        if let Some(call) = self.calls.get_mut(&id) {
            call.replacing = Some(mine);
        }
        self.answer_caller(id, AnswerFor::Answer, offhook_media::PeerConfig::default().codecs, None);
    }

    /// The description for the new device is made: it has the call.
    pub(super) fn take_over(&mut self, turn: &mut Turn<'_>, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some((caller, mine)) = call.caller.zip(call.replacing) else { return };
        let Some((key, sdp)) = self.legs.get(&caller).and_then(|leg| leg.key.zip(leg.answer.clone())) else { return };
        let across = self.call_of(mine).filter(|(_, call)| call.is_free());
        let across = across.map(|(original, call)| (original, call.across(mine), call.hosted, call.to.clone()));
        let Some((original, across, hosted, to)) = across.filter(|(_, across, hosted, _)| {
            across.is_some() || matches!(hosted, Some(Hosted::Service(_) | Hosted::Room(_)))
        }) else {
            // It ended meanwhile, or somebody else has it.
            return self.refuse(turn, id, NOT_THERE, Vec::new());
        };
        let Some(contact) = self.calls.get(&id).and_then(|call| self.contact(&call.to)) else { return };
        let number = across.and_then(|across| self.legs.get(&across)).map_or(to, |leg| leg.extension.clone());
        let headers = self.address_of(&number).and_then(|address| headers::identity(&address)).into_iter().collect();
        if crossing("accept", turn.agent.accept(turn.now, key, Accept { sdp, contact, headers, credentials: None }))
            .is_none()
        {
            return self.end(turn, id, 500, "Not answered");
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.replacing = None;
        }
        self.establish(caller);
        self.leave_room(mine);
        match (across, hosted) {
            (Some(across), _) => {
                self.pair(turn, id, caller, across);
                self.tell_identity(turn, across, caller);
            }
            (None, Some(hosted)) => self.pair_with_hosted(turn, id, caller, hosted),
            (None, None) => {}
        }
        self.conclude(turn.now, original, 200);
        self.hangup(turn, mine, Some(REPLACED));
    }

    /// The leg of this extension in the call that a Replaces names, if the call is its to move; or the status that says why
    /// not.
    pub(super) fn own_leg_of(&self, turn: &Turn<'_>, replaces: &Replaces, owner: &str) -> Result<(CallId, LegId), u16> {
        let (id, mine) = self.named_leg(turn, replaces, owner).ok_or(NOT_THERE)?;
        let call = self.calls.get(&id).ok_or(NOT_THERE)?;
        let is_confirmed = !call.over && self.legs.get(&mine).is_some_and(|leg| leg.established);
        match replaces.early_only {
            // §3: it was to be taken over only as long as it rang.
            true if is_confirmed => Err(486),
            false if call.is_free() => Ok((id, mine)),
            _ => Err(NOT_THERE),
        }
    }

    fn named_leg(&self, turn: &Turn<'_>, replaces: &Replaces, owner: &str) -> Option<(CallId, LegId)> {
        let Replaces { call_id, to_tag, from_tag, .. } = replaces;
        let find = |local: &str, remote: &str| turn.agent.find_dialog(call_id, local, remote);
        // Some clients (JsSIP) name the tags of a call that they were called in the wrong way round.
        let key = find(to_tag, from_tag).or_else(|| find(from_tag, to_tag))?;
        let named = self.leg_of(key)?;
        let (id, call) = self.call_of(named)?;
        let is_own = |leg: &LegId| self.legs.get(leg).is_some_and(|leg| leg.extension == owner);
        let mine = Some(named).filter(is_own).or_else(|| call.across(named).filter(is_own))?;
        Some((id, mine))
    }
}
