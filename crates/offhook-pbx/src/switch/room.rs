//! Conference rooms: who calls one hears all others in it.

use std::collections::HashMap;

use offhook_sip::{Millis, Secret};

use super::call::{Doing, Due, Hosted};
use super::record::Recording;
use super::{Switch, Turn};
use crate::events::CallId;
use crate::features::Conference;
use crate::media::{LegId, MediaAction, Piece, RoomId, Sound};

/// For the next digit of a PIN.
const PIN_MS: Millis = 15_000;

/// So often a PIN may be wrong in one call …
const MOST_WRONG: u8 = 3;

/// … and so often by one extension, before it is asked no more for a while.
const MOST_GUESSES: u32 = 9;

/// That while.
const GUESSING_MS: Millis = 10 * 60 * 1_000;

/// A room and who is in it.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) number: String,
    pub(super) name: String,
    pin: Option<Secret>,
    /// In the order in which they came.
    pub(super) members: Vec<LegId>,
    pub(super) recording: Option<Recording>,
    /// How many wrong PINs an extension dialled, and when the last: only those that have to be remembered.
    guesses: HashMap<String, (u32, Millis)>,
}

impl Room {
    pub(super) fn new(room: Conference) -> Self {
        let name = if room.name.is_empty() { room.number.clone() } else { room.name };
        Self { number: room.number, name, pin: room.pin, members: Vec::new(), recording: None, guesses: HashMap::new() }
    }
}

impl Switch {
    /// Whether this extension has dialled too many wrong PINs.
    fn guesses(&mut self, now: Millis, leg: LegId, room: RoomId) -> bool {
        let Some((known, leg)) = self.rooms.get_mut(room.0).zip(self.legs.get(&leg)) else { return false };
        known.guesses.retain(|_, (_, last)| now.saturating_sub(*last) < GUESSING_MS);
        known.guesses.get(&leg.extension).is_some_and(|(count, _)| *count >= MOST_GUESSES)
    }

    fn note_guess(&mut self, now: Millis, leg: LegId, room: RoomId) {
        let Some((known, leg)) = self.rooms.get_mut(room.0).zip(self.legs.get(&leg)) else { return };
        let (count, last) = known.guesses.entry(leg.extension.clone()).or_default();
        (*count, *last) = (count.saturating_add(1), now);
    }

    /// Whether one more can come in.
    pub(super) fn has_seat(&self, room: RoomId) -> bool {
        self.rooms.get(room.0).is_some_and(|room| room.members.len() < self.max_members)
    }

    /// The room in which this leg is a member.
    pub(super) fn room_of(&self, leg: LegId) -> Option<RoomId> {
        let Some(Hosted::Room(room)) = self.call_of(leg)?.1.hosted else { return None };
        self.rooms.get(room.0).filter(|room| room.members.contains(&leg)).map(|_| room)
    }

    /// A leg whose media is up has called a room.
    pub(super) fn begin_room(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId, room: RoomId) {
        if self.rooms.get(room.0).is_none_or(|room| room.pin.is_none()) {
            return self.enter_room(turn, id, leg, room);
        }
        if self.guesses(turn.now, leg, room) {
            return self.say_goodbye(turn, id, leg, vec![Piece::Failed]);
        }
        self.do_next(id, Doing::Pin { digits: String::new(), wrong: 0 });
        self.set_deadline(id, Some((turn.now + PIN_MS, Due::Hangup)));
        self.prompt(leg, vec![Piece::Ask]);
    }

    /// A digit from somebody who is in a room, or wants to be.
    pub(super) fn room_digit(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId, room: RoomId, digit: char) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Doing::Pin { digits, wrong } = &mut call.doing else {
            if self.room_of(leg).is_some() && self.dialled_record_code(leg) {
                self.toggle_recording(turn, leg);
            }
            return;
        };
        let Some(pin) = self.rooms.get(room.0).and_then(|room| room.pin.as_ref()).map(Secret::expose) else { return };
        if digit != '#' {
            digits.push(digit);
        }
        if digit != '#' && digits.len() < pin.len() {
            return self.set_deadline(id, Some((turn.now + PIN_MS, Due::Hangup)));
        }
        let is_right = digits == pin;
        digits.clear();
        *wrong += 1;
        let is_last = *wrong >= MOST_WRONG;
        // Also here: an extension may be asked in many calls at once.
        if self.guesses(turn.now, leg, room) {
            return self.say_goodbye(turn, id, leg, vec![Piece::Failed]);
        }
        if is_right {
            return self.enter_room(turn, id, leg, room);
        }
        self.note_guess(turn.now, leg, room);
        if is_last {
            return self.say_goodbye(turn, id, leg, vec![Piece::Failed]);
        }
        self.set_deadline(id, Some((turn.now + PIN_MS, Due::Hangup)));
        self.prompt(leg, vec![Piece::Failed, Piece::Ask]);
    }

    fn enter_room(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId, room: RoomId) {
        self.do_next(id, Doing::Nothing);
        self.set_deadline(id, None);
        if !self.has_seat(room) {
            // The last seat was taken meanwhile.
            return self.say_goodbye(turn, id, leg, vec![Piece::Failed]);
        }
        let Some(known) = self.rooms.get_mut(room.0) else { return };
        known.members.push(leg);
        let is_recorded = known.recording.as_ref().is_some_and(Recording::is_on);
        if self.legs.get(&leg).is_some_and(|leg| !leg.hold) {
            self.media(MediaAction::Join { leg, room });
        }
        self.announce(room, Piece::Joined);
        if is_recorded {
            self.tell_leg(turn, leg, true);
        }
        self.tell_status(id);
    }

    /// A leg is not in its room any more, if it was in one.
    pub(super) fn leave_room(&mut self, leg: LegId) {
        let Some(room) = self.room_of(leg) else { return };
        self.media(MediaAction::Leave { leg });
        let Some(known) = self.rooms.get_mut(room.0) else { return };
        known.members.retain(|&member| member != leg);
        if known.members.is_empty() {
            return self.stop_room_recording(room);
        }
        self.announce(room, Piece::Left);
    }

    /// A member has put the room on hold, or is back: it must not hear the member's music.
    pub(super) fn hold_room(&mut self, leg: LegId, room: RoomId, hold: bool) {
        if hold {
            self.media(MediaAction::Leave { leg });
            // It hears nothing; what was being told is old when it is back.
            return self.play(leg, Sound::Silence);
        }
        self.media(MediaAction::Join { leg, room });
        self.settle_member(leg, room);
    }

    /// A member has been told what there was to tell.
    pub(super) fn settle_member(&mut self, leg: LegId, room: RoomId) {
        let is_alone = self.rooms.get(room.0).is_some_and(|room| room.members.len() == 1);
        self.play(leg, if is_alone { Sound::Music } else { Sound::Silence });
    }

    /// All members hear that somebody has come or gone.
    fn announce(&mut self, room: RoomId, piece: Piece) {
        let Some(members) = self.rooms.get(room.0).map(|room| room.members.clone()) else { return };
        let is_first = members.len() == 1 && piece == Piece::Joined;
        for member in members {
            if self.legs.get(&member).is_none_or(|leg| leg.hold) {
                continue;
            }
            if is_first {
                self.settle_member(member, room);
            } else {
                self.prompt(member, vec![piece.clone()]);
            }
        }
    }

    pub(super) fn do_next(&mut self, id: CallId, doing: Doing) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.doing = doing;
        }
    }
}
