//! Digits that are dialled in a call, and what they are for.

use offhook_sip::Millis;

use super::call::Hosted;
use super::{Switch, Turn};
use crate::events::CallId;
use crate::media::{LegId, Piece, Sound};

/// The longest pause between two digits of a feature code.
const DIGIT_MS: Millis = 4_000;

/// A number is complete so long after its last digit …
const NUMBER_MS: Millis = 3_000;

/// … and none is wanted when its first digit does not come in this time.
const FIRST_MS: Millis = 8_000;

/// More digits are no number.
const LONGEST_NUMBER: usize = 32;

/// More digits are no feature code.
const LONGEST_CODE: usize = 8;

/// The last digits that a leg sent.
#[derive(Debug, Default)]
pub(super) struct Digits {
    text: String,
    at: Millis,
}

impl Digits {
    fn push(&mut self, now: Millis, digit: char) {
        if now.saturating_sub(self.at) > DIGIT_MS {
            self.text.clear();
        }
        self.at = now;
        self.text.push(digit);
        // All are ASCII.
        let surplus = self.text.len().saturating_sub(LONGEST_CODE);
        self.text.drain(..surplus);
    }

    /// Whether a code is complete with the last digit; it is then used up.
    fn complete(&mut self, code: &str) -> bool {
        let is_complete = self.text.ends_with(code);
        if is_complete {
            self.text.clear();
        }
        is_complete
    }
}

/// A number that a side of a call dials after a feature code.
#[derive(Debug)]
pub(super) struct Entry {
    wanted: Wanted,
    number: String,
}

/// What the number is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    BlindTransfer,
    AttendedTransfer,
}

impl Switch {
    /// A leg's device sent a digit, in whichever way.
    pub(super) fn digit(&mut self, turn: &mut Turn<'_>, leg: LegId, digit: char) {
        let Some((id, call)) = self.call_of(leg).filter(|(_, call)| !call.over) else { return };
        let (hosted, is_answered) = (call.hosted, call.answered.is_some());
        let asks = call.consult.is_some() && call.caller == Some(leg);
        let Some(known) = self.legs.get_mut(&leg).filter(|_| digit.is_ascii()) else { return };
        known.digits.push(turn.now, digit);
        if asks && known.digits.complete(&self.codes.take_back) {
            return self.take_back(turn, id);
        }
        if !is_answered {
            return;
        }
        match hosted {
            None => self.call_digit(turn, id, leg, digit),
            Some(Hosted::Room(room)) => self.room_digit(turn, id, leg, room, digit),
            Some(Hosted::Deposit) => self.deposit_digit(turn, id, leg, digit),
            Some(Hosted::Mailbox) => self.mailbox_digit(turn, id, leg, digit),
            Some(Hosted::Service(_)) if self.dialled_record_code(leg) => self.toggle_recording(turn, leg),
            Some(Hosted::Service(_)) => {}
        }
    }

    /// Whether a leg has just dialled the code that records.
    pub(super) fn dialled_record_code(&mut self, leg: LegId) -> bool {
        let Some((code, known)) = self.record_code.as_ref().zip(self.legs.get_mut(&leg)) else { return false };
        known.digits.complete(code)
    }

    fn call_digit(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId, digit: char) {
        if self.legs.get(&leg).is_some_and(|leg| leg.entry.is_some()) {
            return self.entry_digit(turn, leg, digit);
        }
        if self.dialled_record_code(leg) {
            return self.toggle_recording(turn, leg);
        }
        let Some(across) = self.calls.get(&id).filter(|call| call.is_free()).and_then(|call| call.across(leg)) else {
            return;
        };
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let wanted = if known.digits.complete(&self.codes.blind_transfer) {
            Wanted::BlindTransfer
        } else if known.digits.complete(&self.codes.attended_transfer) {
            Wanted::AttendedTransfer
        } else {
            return;
        };
        known.entry = Some(Entry { wanted, number: String::new() });
        self.set_leg_deadline(leg, Some(turn.now + FIRST_MS));
        self.play(across, Sound::Music);
    }

    fn entry_digit(&mut self, turn: &mut Turn<'_>, leg: LegId, digit: char) {
        let Some(entry) = self.legs.get_mut(&leg).and_then(|leg| leg.entry.as_mut()) else { return };
        if digit == '#' || entry.number.len() >= LONGEST_NUMBER {
            return self.entry_complete(turn, leg);
        }
        entry.number.push(digit);
        self.set_leg_deadline(leg, Some(turn.now + NUMBER_MS));
    }

    /// The number is dialled, or nothing more will come of it.
    pub(super) fn entry_complete(&mut self, turn: &mut Turn<'_>, leg: LegId) {
        self.set_leg_deadline(leg, None);
        let Some(Entry { wanted, number }) = self.legs.get_mut(&leg).and_then(|leg| leg.entry.take()) else { return };
        let Some((id, call)) = self.call_of(leg) else { return };
        // Meanwhile the other side may have been faster, or has gone.
        let Some(across) = call.across(leg).filter(|_| call.is_free()) else { return };
        if number.is_empty() {
            return self.restore(id);
        }
        // Who is sent away cannot send away.
        self.set_leg_deadline(across, None);
        if let Some(across) = self.legs.get_mut(&across) {
            across.entry = None;
        }
        match wanted {
            Wanted::BlindTransfer => self.transfer_blind(turn, id, leg, across, &number),
            Wanted::AttendedTransfer => self.consult(turn, id, leg, across, &number),
        }
    }

    /// What was wanted with a feature code has failed: both sides talk again, after a tone.
    pub(super) fn code_failed(&mut self, id: CallId, leg: LegId) {
        self.restore(id);
        self.prompt(leg, vec![Piece::Failed]);
    }
}
