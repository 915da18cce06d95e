//! Attended transfer by feature code: one side of a call has the other wait, and asks somebody else.
//!
//! Who asks is moved out of the original call into one with the target; who waits stays in the original, with music.
//!
//! | while | comes | then |
//! | --- | --- | --- |
//! | the target rings or talks | `*0` | the target is hung up, both talk again |
//! | the target rings | a refusal, or nothing | both talk again, after a tone |
//! | the target rings | who asks hangs up | as a blind transfer, in another call: who waits gets the target, or is hung up |
//! | the target talks | who asks hangs up | who waits and the target are bridged |
//! | the target talks | it hangs up | both talk again, after a tone |
//! | the target rings or talks | who waits hangs up | the new call goes on by itself |

use offhook_sip::Termination;

use super::call::{Call, Hosted, Side};
use super::transfer::Refer;
use super::{Switch, Turn, status};
use crate::events::{CallId, PbxEvent};
use crate::media::{LegId, MediaAction, Piece, Sound};

/// Who waits while the caller of a call asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Consult {
    /// The call in which it waits.
    original: CallId,
    held: LegId,
    /// The asker's side of that.
    side: Side,
}

impl Switch {
    /// Calls the target; `held` waits.
    pub(super) fn consult(&mut self, turn: &mut Turn<'_>, original: CallId, leg: LegId, held: LegId, number: &str) {
        let Some((extension, side)) = self.legs.get(&leg).map(|leg| (leg.extension.clone(), leg.side)) else { return };
        let route = self.route(number).filter(|route| !route.is_mailbox());
        let Some(route) = route.filter(|_| self.has_room_for_a_call(&extension)) else {
            return self.code_failed(original, leg);
        };
        let id = CallId(self.new_id());
        self.tell(PbxEvent::CallStarted { call: id, from: extension.clone(), to: number.to_owned() });
        let mut call = Call::without_caller(&extension, number, turn.now);
        call.consult = Some(Consult { original, held, side });
        self.calls.insert(id, call);
        self.play(held, Sound::Music);
        self.media(MediaAction::Unbridge { leg });
        self.move_leg(turn, leg, id, Side::Caller);
        if let Some(call) = self.calls.get_mut(&id) {
            call.caller = Some(leg);
        }
        if let Some(call) = self.calls.get_mut(&original) {
            call.consulting = Some(id);
        }
        self.play(leg, Sound::Silence);
        self.lead(turn, id, route);
    }

    /// Who asks wants the other back.
    pub(super) fn take_back(&mut self, turn: &mut Turn<'_>, id: CallId) {
        self.back_to_held(turn, id, 487, false);
    }

    /// A caller whose dialog is agreed already cannot be refused: it goes back to who waits, or is hung up.
    pub(super) fn give_up(&mut self, turn: &mut Turn<'_>, id: CallId, status: u16) {
        let Some(call) = self.calls.get(&id).filter(|call| !call.over) else { return };
        if call.consult.is_some() {
            return self.back_to_held(turn, id, status, true);
        }
        if let Some(caller) = call.caller {
            self.hangup(turn, caller, Some((status, "Not reached")));
        }
    }

    /// The target that was asked is gone; says whether this call was for asking.
    pub(super) fn asked_is_gone(&mut self, turn: &mut Turn<'_>, id: CallId) -> bool {
        let is_consult = self.calls.get(&id).is_some_and(|call| call.consult.is_some());
        if is_consult {
            self.back_to_held(turn, id, 200, true);
        }
        is_consult
    }

    /// A leg is over while one side asks. Says whether that is all there is to do.
    pub(super) fn gone_while_consulting(&mut self, turn: &mut Turn<'_>, leg: LegId, termination: &Termination) -> bool {
        let Some((id, call)) = self.call_of(leg) else { return false };
        if let Some(asking) = call.consulting {
            // Who waited is gone.
            if let Some(asking) = self.calls.get_mut(&asking) {
                asking.consult = None;
            }
            if let Some(call) = self.calls.get_mut(&id) {
                call.consulting = None;
            }
            self.conclude(turn.now, id, status::outcome(termination));
            self.forget_leg(leg);
            return true;
        }
        if call.caller != Some(leg) || self.stopping {
            return false;
        }
        let Some(consult) = self.calls.get_mut(&id).and_then(|call| call.consult.take()) else { return false };
        self.asker_is_gone(turn, id, leg, consult);
        true
    }

    /// Who asked has hung up: who waits gets the target.
    fn asker_is_gone(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId, consult: Consult) {
        let Consult { original, held, .. } = consult;
        if let Some(call) = self.calls.get_mut(&original) {
            call.consulting = None;
        }
        let Some(call) = self.calls.get(&id) else { return };
        let (is_answered, winner, hosted, to) = (call.answered.is_some(), call.winner, call.hosted, call.to.clone());
        self.conclude(turn.now, original, 200);
        match (winner, hosted) {
            (Some(target), None) if is_answered => {
                self.conclude(turn.now, id, 200);
                self.forget_leg(leg);
                let joint = self.new_joint_call(turn, held, &to);
                self.pair(turn, joint, held, target);
                self.tell_identity(turn, target, held);
            }
            (_, Some(hosted)) if is_answered => {
                self.conclude(turn.now, id, 200);
                self.forget_leg(leg);
                let joint = self.new_joint_call(turn, held, &to);
                self.pair_with_hosted(turn, joint, held, hosted);
            }
            (_, Some(_)) => {
                self.conclude(turn.now, id, 487);
                self.forget_leg(leg);
                self.hangup(turn, held, Some((480, "Not transferred")));
            }
            (_, None) => {
                // It still rings: a transfer as if it had been blind.
                self.ring_for(turn, id, held, Refer::by_code(original, leg, held));
                self.forget_leg(leg);
            }
        }
    }

    /// The devices that ring for who asked ring for who waits: this call is over, theirs is another.
    fn ring_for(&mut self, turn: &mut Turn<'_>, id: CallId, held: LegId, refer: Refer) {
        let Some(deadline) = self.calls.get(&id).map(|call| call.deadline) else { return };
        self.conclude(turn.now, id, 487);
        let Some(asked) = self.calls.remove(&id) else { return };
        let joint = self.new_joint_call(turn, held, &asked.to);
        if let Some(call) = self.calls.get_mut(&refer.original()) {
            call.referring = Some(joint);
        }
        let callees = asked.callees.clone();
        let Some(call) = self.calls.remove(&joint) else { return };
        let (from, started) = (call.from, call.started);
        let call = Call { from, started, over: false, caller: None, refer: Some(refer), ..asked };
        self.calls.insert(joint, call);
        self.set_deadline(joint, deadline);
        for callee in callees {
            let Some(known) = self.legs.get_mut(&callee) else { continue };
            known.call = joint;
            if known.established {
                self.tell_identity(turn, callee, held);
            } else if known.key.is_some() {
                // Its INVITE named who asked. An UPDATE has to wait for its answer.
                known.untold = Some(held);
            }
        }
    }

    /// Ends the asking: both sides of the original call talk again.
    fn back_to_held(&mut self, turn: &mut Turn<'_>, id: CallId, status: u16, has_failed: bool) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some((consult, leg)) = call.consult.take().zip(call.caller) else { return };
        let Consult { original, held, side } = consult;
        for callee in call.callees.clone() {
            self.hangup(turn, callee, Some((487, "Taken back")));
        }
        self.conclude(turn.now, id, status);
        self.media(MediaAction::Unbridge { leg });
        self.move_leg(turn, leg, original, side);
        if let Some(call) = self.calls.get_mut(&original) {
            call.consulting = None;
            match side {
                Side::Caller => call.caller = Some(leg),
                Side::Callee => call.callees.push(leg),
            }
        }
        if side == Side::Callee {
            self.set_winner(original, leg);
        }
        self.connect_established(leg, held);
        self.tell_identity(turn, leg, held);
        self.tell_status(original);
        if has_failed {
            self.prompt(leg, vec![Piece::Failed]);
        }
    }

    /// Whether this leg's end is its own matter: the others of its call have somebody else to talk to.
    pub(super) fn ends_alone(&self, leg: LegId) -> bool {
        self.is_transferring(leg) || self.call_of(leg).is_some_and(|(_, call)| call.consult.is_some())
    }
}

/// What answers instead of an extension.
impl super::admit::Route {
    /// Nobody is sent to hear messages.
    fn is_mailbox(&self) -> bool {
        matches!(self, Self::Hosted(Hosted::Mailbox | Hosted::Deposit))
    }
}
