//! Legs whose dialogs are agreed, brought together: two of them, or one and what of the PBX answers.

use offhook_sip::{Modify, ModifyMethod};

use super::call::{Call, Hosted, Side};
use super::{Switch, Turn, crossing, headers};
use crate::events::{CallId, PbxEvent};
use crate::media::{LegId, MediaAction, Sound};

impl Switch {
    /// A call of this leg's with a number.
    pub(super) fn new_joint_call(&mut self, turn: &Turn<'_>, caller: LegId, to: &str) -> CallId {
        let from = self.legs.get(&caller).map(|leg| leg.extension.clone()).unwrap_or_default();
        self.new_call_without_caller(turn, &from, to)
    }

    pub(super) fn new_call_without_caller(&mut self, turn: &Turn<'_>, from: &str, to: &str) -> CallId {
        let id = CallId(self.new_id());
        self.tell(PbxEvent::CallStarted { call: id, from: from.to_owned(), to: to.to_owned() });
        self.calls.insert(id, Call::without_caller(from, to, turn.now));
        id
    }

    /// Makes two legs one call, whichever they were in.
    pub(super) fn pair(&mut self, turn: &mut Turn<'_>, id: CallId, caller: LegId, target: LegId) {
        self.move_leg(turn, caller, id, Side::Caller);
        self.move_leg(turn, target, id, Side::Callee);
        if let Some(call) = self.calls.get_mut(&id) {
            call.caller = Some(caller);
            call.callees = vec![target];
        }
        self.set_winner(id, target);
        self.set_deadline(id, None);
        self.answered(turn, id);
        self.connect_established(caller, target);
        self.tell_identity(turn, caller, target);
        self.tell_status(id);
    }

    /// Lets two legs hear each other, or music where the other holds.
    pub(super) fn connect_established(&mut self, a: LegId, b: LegId) {
        self.connect(a, b);
        self.match_video(a, b);
        for (leg, across) in [(a, b), (b, a)] {
            let holds = self.legs.get(&leg).is_some_and(|leg| leg.hold);
            self.media(MediaAction::Watch { leg, on: !holds });
            if holds {
                self.play(across, Sound::Music);
            }
        }
    }

    /// Makes a call of one leg and what of the PBX answers.
    pub(super) fn pair_with_hosted(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId, hosted: Hosted) {
        self.move_leg(turn, leg, id, Side::Caller);
        if let Some(call) = self.calls.get_mut(&id) {
            call.caller = Some(leg);
            call.hosted = Some(hosted);
        }
        self.set_deadline(id, None);
        self.answered(turn, id);
        self.media(MediaAction::Unbridge { leg });
        let holds = self.legs.get(&leg).is_some_and(|leg| leg.hold);
        self.media(MediaAction::Watch { leg, on: !holds });
        self.begin_hosted(turn, id, leg);
        if self.room_of(leg).is_none() {
            // A room tells it when the leg is in.
            self.tell_status(id);
        }
    }

    /// Takes a leg out of its call into another, as it is.
    pub(super) fn move_leg(&mut self, turn: &mut Turn<'_>, leg: LegId, id: CallId, side: Side) {
        if let Some((from, _)) = self.call_of(leg).filter(|(from, _)| *from != id) {
            self.end_recording(turn, from);
            self.leave_room(leg);
        }
        self.asked(leg, None);
        self.stop_asking(leg);
        self.set_leg_deadline(leg, None);
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let from = std::mem::replace(&mut known.call, id);
        known.side = side;
        known.entry = None;
        known.untold = None;
        if let Some(call) = self.calls.get_mut(&from) {
            call.callees.retain(|&callee| callee != leg);
            for role in [&mut call.caller, &mut call.early, &mut call.winner] {
                if *role == Some(leg) {
                    *role = None;
                }
            }
        }
        if from != id {
            self.drop_if_empty(from);
        }
    }

    /// Both sides of a call hear each other again, but for whom the other holds.
    pub(super) fn restore(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id).filter(|call| call.is_free()) else { return };
        let Some((caller, winner)) = call.caller.zip(call.winner) else { return };
        for (leg, across) in [(caller, winner), (winner, caller)] {
            let waits = self.legs.get(&across).is_some_and(|across| across.hold || across.entry.is_some());
            self.play(leg, if waits { Sound::Music } else { Sound::Relay });
        }
    }

    /// A leg has been told what there was to tell.
    pub(super) fn prompted(&mut self, turn: &mut Turn<'_>, leg: LegId, prompt: crate::media::PromptId) {
        use super::call::Doing;
        let Some(known) = self.legs.get_mut(&leg).filter(|leg| leg.prompt == Some(prompt)) else { return };
        known.prompt = None;
        let Some((id, call)) = self.call_of(leg).filter(|(_, call)| !call.over) else { return };
        match (&call.doing, call.hosted) {
            (Doing::Greeting, _) => self.take_message(turn, id, leg),
            (Doing::Goodbye, _) => self.hangup(turn, leg, None),
            (Doing::Reading(_), _) => self.message_heard(turn, id),
            (_, Some(Hosted::Room(room))) if self.room_of(leg).is_some() => self.settle_member(leg, room),
            (_, None) => self.restore(id),
            _ => {}
        }
    }

    /// Tells a device whom it is connected with now (RFC 3311, RFC 5876); when an exchange is under way, after it.
    pub(super) fn tell_identity(&mut self, turn: &mut Turn<'_>, leg: LegId, with: LegId) {
        let Some(address) = self.legs.get(&with).and_then(|with| self.address_of(&with.extension)) else { return };
        let Some(known) = self.legs.get_mut(&leg) else { return };
        known.untold = Some(with);
        let Some(key) = known.key else { return };
        let headers = headers::identity(&address).into_iter().collect();
        let update = Modify { method: ModifyMethod::Update, offer: None, headers };
        crossing("update", turn.agent.modify(turn.now, key, update));
    }

    pub(super) fn drop_if_empty(&mut self, id: CallId) {
        let is_empty = self
            .calls
            .get(&id)
            .is_some_and(|call| call.caller.is_none() && call.callees.is_empty() && call.refer.is_none());
        if is_empty {
            self.set_deadline(id, None);
            self.calls.remove(&id);
        }
    }
}
