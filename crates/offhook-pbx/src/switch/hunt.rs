//! Ring groups: a number at which the devices of several extensions ring.

use super::call::Due;
use super::status::Failure;
use super::{Switch, Turn};
use crate::events::CallId;
use crate::features::RingStrategy;

/// So many devices ring at once at most, those of a group's first members first: each is a leg with its media.
pub(crate) const MOST_RINGING: usize = 20;

/// So often a call is sent on, at most: groups can name each other.
const MOST_HOPS: u8 = 5;

/// A ring group is being called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hunt {
    group: usize,
    /// The member whose turn is next.
    next: usize,
}

impl Switch {
    /// Rings the members of a group.
    pub(super) fn hunt(&mut self, turn: &mut Turn<'_>, id: CallId, group: usize) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.hunt = Some(Hunt { group, next: 0 });
        call.failures.clear();
        match self.groups.get(group).map(|group| (group.strategy, group.ring_s, group.members.clone())) {
            Some((RingStrategy::InTurn, ..)) => self.next_member(turn, id),
            Some((RingStrategy::All, ring_s, members)) => {
                let mut targets = Vec::new();
                for member in members {
                    targets.extend(self.member_devices(turn, id, &member));
                }
                targets.truncate(MOST_RINGING);
                if targets.is_empty() {
                    return self.hunted_in_vain(turn, id);
                }
                self.ring(turn, id, targets);
                self.set_deadline(id, Some((turn.now.saturating_add(ring_s * 1_000), Due::NoAnswer)));
            }
            None => self.refuse(turn, id, 404, Vec::new()),
        }
    }

    /// The member whose turn it is has not answered.
    pub(super) fn turn_is_over(&mut self, turn: &mut Turn<'_>, id: CallId) {
        let Some(call) = self.calls.get(&id).filter(|call| !call.is_settled()) else { return };
        for callee in call.callees.clone() {
            self.hangup(turn, callee, Some((480, "No answer")));
        }
        self.next_member(turn, id);
    }

    /// Nobody who rings is left.
    pub(super) fn hunt_failed(&mut self, turn: &mut Turn<'_>, id: CallId, hunt: Hunt) {
        match self.groups.get(hunt.group).map(|group| group.strategy) {
            Some(RingStrategy::InTurn) => self.next_member(turn, id),
            _ => self.hunted_in_vain(turn, id),
        }
    }

    fn next_member(&mut self, turn: &mut Turn<'_>, id: CallId) {
        loop {
            let Some(hunt) = self.calls.get_mut(&id).and_then(|call| call.hunt.as_mut()) else { return };
            let Some(group) = self.groups.get(hunt.group) else { return };
            let Some(member) = group.members.get(hunt.next).cloned() else { return self.hunted_in_vain(turn, id) };
            let ring_s = group.ring_s;
            hunt.next += 1;
            let mut targets = self.member_devices(turn, id, &member);
            targets.truncate(MOST_RINGING);
            if targets.is_empty() {
                continue;
            }
            if let Some(call) = self.calls.get_mut(&id) {
                call.failures.clear();
            }
            self.ring(turn, id, targets);
            return self.set_deadline(id, Some((turn.now.saturating_add(ring_s * 1_000), Due::NextMember)));
        }
    }

    /// The devices of a member that is not busy, and does not call itself.
    fn member_devices(&self, turn: &Turn<'_>, id: CallId, member: &str) -> Vec<super::bridge::Target> {
        let is_caller = self.calls.get(&id).is_some_and(|call| call.from == member);
        if is_caller || self.is_busy(member, id) { Vec::new() } else { self.devices(turn, id, member) }
    }

    /// Nobody answers: the call goes where the group sends it.
    fn hunted_in_vain(&mut self, turn: &mut Turn<'_>, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(hunt) = call.hunt.take() else { return };
        call.failures.clear();
        let then = self.groups.get(hunt.group).and_then(|group| group.then.clone());
        let route = then.and_then(|number| Some((self.route(&number)?, number)));
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.hops < MOST_HOPS) else {
            return self.refuse(turn, id, 480, Vec::new());
        };
        match route {
            Some((route, number)) => {
                call.hops += 1;
                call.target = number;
                self.lead(turn, id, route);
            }
            None => self.refuse(turn, id, 480, Vec::new()),
        }
    }

    /// Nobody that a call led to can be reached: another member of the group, voicemail, or the end.
    pub(super) fn unreached(&mut self, turn: &mut Turn<'_>, id: CallId, failure: Failure) {
        let hunt = self.calls.get(&id).and_then(|call| call.hunt);
        if let Some(hunt) = hunt {
            return self.hunt_failed(turn, id, hunt);
        }
        if matches!(failure.status, 480 | 486) && self.deposit(turn, id) {
            return;
        }
        self.refuse(turn, id, failure.status, failure.headers);
    }
}
