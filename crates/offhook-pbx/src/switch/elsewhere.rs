//! Requests in a call's dialog that come on another connection than the call's: its owner has reconnected, or somebody has
//! learnt the dialog's tags.

use offhook_sip::message::{Method, Request};
use offhook_sip::{CallKey, ConnectionId, TransactionId};

use super::auth::Challenge;
use super::call::Side;
use super::transfer::cseq;
use super::{Switch, Turn, crossing};
use crate::media::LegId;

impl Switch {
    /// Lets the owner's have its effect, and takes the call along; refuses others'.
    pub(super) fn elsewhere(
        &mut self,
        turn: &mut Turn<'_>,
        transaction: TransactionId,
        connection: ConnectionId,
        key: CallKey,
        request: &Request,
    ) {
        let owned = self.leg_of(key).and_then(|leg| Some((leg, self.legs.get(&leg)?.extension.clone())));
        let refusal = match &owned {
            Some((_, owner)) if self.auth.is_on(connection, owner) => None,
            // A hang-up may be the first thing on a new connection: it is asked who it is.
            Some((_, owner)) if request.method == Method::Bye => {
                match self.authenticate(turn.now, connection, request, Challenge::Proxy, owner) {
                    Ok(user) if user == *owner => None,
                    Ok(_) => Some((403, Vec::new())),
                    Err(denied) => Some((denied.status, denied.headers)),
                }
            }
            Some(_) => Some((403, Vec::new())),
            None => Some((481, Vec::new())),
        };
        if let Some((status, headers)) = refusal {
            crossing("respond", turn.agent.respond(turn.now, transaction, status, headers, None));
            return;
        }
        let Some((leg, _)) = owned else { return };
        // What hangs up needs the call nowhere.
        let is_back = request.method != Method::Bye && self.take_along(turn, leg, connection, request);
        crossing("admit", turn.agent.admit(turn.now, transaction));
        if is_back {
            // After its request: an exchange of ours would be in the way of the one that it begins.
            self.catch_up(turn, leg, request);
        }
    }

    /// Moves an agreed dialog to the connection that its owner is on now. Says whether it did.
    fn take_along(&mut self, turn: &mut Turn<'_>, leg: LegId, connection: ConnectionId, request: &Request) -> bool {
        let Some((_, call)) = self.call_of(leg) else { return false };
        let Some((known, number)) = self.legs.get(&leg).zip(cseq(request)) else { return false };
        // One that comes late on the connection before, sent before the one that moved the call, does not take it back
        // (RFC 3261 §12.2.2: the agent refuses it).
        if !known.established || known.moved_by.is_some_and(|moved_by| number <= moved_by) {
            return false;
        }
        let across = if known.side == Side::Caller { &call.to } else { &call.from };
        let Some((key, contact)) = known.key.zip(self.contact(across)) else { return false };
        let moved = crossing("rebind", turn.agent.rebind(turn.now, key, connection, contact)).is_some();
        if let Some(known) = self.legs.get_mut(&leg).filter(|_| moved) {
            known.moved_by = Some(number);
        }
        moved
    }

    /// Tells a device that is back what it could not be told.
    fn catch_up(&mut self, turn: &mut Turn<'_>, leg: LegId, request: &Request) {
        self.notify_owed(turn, leg);
        if let Some(with) = self.legs.get(&leg).and_then(|leg| leg.untold) {
            self.tell_identity(turn, leg, with);
        }
        // With an exchange of its own, after that.
        if request.method != Method::Invite {
            self.offer_if_due(leg);
        }
    }
}
