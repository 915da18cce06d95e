//! Recording by the PBX: a feature code in a call switches it on and off, and both phones are told.
//!
//! One file for each call, from the first time on to its end; pauses are left out. It ends with the call, and a transfer
//! that succeeds ends the call: the joined one is another. A conference room has one of its own, until the last has left.

use offhook_sip::message::{HeadersExt as _, Request};
use offhook_sip::{HeaderField, InfoTone};

use super::call::Hosted;
use super::{Switch, Turn, crossing};
use crate::events::{CallId, PbxEvent};
use crate::extension::RecordPermissions;
use crate::media::{LegId, MediaAction, RecordingId, RoomId, Taped};
use crate::notice::RecordState;

/// The file of a call, or of a room.
#[derive(Debug)]
pub(super) struct Recording {
    id: RecordingId,
    /// The call that it is told of: for a room, that in which it was begun.
    call: CallId,
    /// The file, once it is open.
    file: Option<String>,
    /// What was asked for last.
    on: bool,
    /// Who asked.
    by: String,
}

impl Recording {
    /// Whether what is said is in the file.
    pub(super) fn is_on(&self) -> bool {
        self.on && self.file.is_some()
    }

    pub(super) fn state(&self) -> RecordState {
        match (&self.file, self.on) {
            (None, _) => RecordState::Stop,
            (Some(_), true) => RecordState::Recording,
            (Some(_), false) => RecordState::Pause,
        }
    }
}

/// What has a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recorded {
    Call(CallId),
    Room(RoomId),
}

impl Switch {
    /// The file is open: what is said from now on is in it.
    pub(super) fn recording_started(&mut self, turn: &mut Turn<'_>, id: CallId, recording: RecordingId, file: String) {
        let Some(at) = self.find_recording(id, recording) else { return };
        let Some(known) = self.recording_mut(at) else { return };
        known.file = Some(file);
        let stays = known.on;
        self.recorded(turn, at, true);
        if !stays {
            // Asked for while the file was opened.
            self.pause_recording(turn, at, false);
        }
    }

    /// The file cannot be written, or not any more. The call goes on.
    pub(super) fn recording_failed(&mut self, turn: &mut Turn<'_>, id: CallId, recording: RecordingId, reason: String) {
        self.recording_is_over(turn, id, recording);
        self.tell(PbxEvent::RecordingFailed { call: id, reason });
    }

    /// The file is complete. If nobody has ended the recording, the media connection that it heard has failed.
    pub(super) fn recording_complete(&mut self, turn: &mut Turn<'_>, id: CallId, recording: RecordingId, file: String) {
        self.recording_is_over(turn, id, recording);
        self.tell(PbxEvent::RecordingComplete { call: id, file });
    }

    fn recording_is_over(&mut self, turn: &mut Turn<'_>, id: CallId, recording: RecordingId) {
        match self.find_recording(id, recording) {
            Some(Recorded::Call(id)) => self.end_recording(turn, id),
            Some(Recorded::Room(room)) => {
                self.stop_room_recording(room);
                self.tell_recorded(turn, Recorded::Room(room), false);
            }
            None => {}
        }
    }

    /// The call goes on in another, or one side of it alone: its recording ends, and the phones are told.
    pub(super) fn end_recording(&mut self, turn: &mut Turn<'_>, id: CallId) {
        if self.stop_recording(id) {
            self.tell_recorded(turn, Recorded::Call(id), false);
        }
    }

    /// The call is over; says whether it was recorded.
    pub(super) fn stop_recording(&mut self, id: CallId) -> bool {
        let Some(recording) = self.calls.get_mut(&id).and_then(|call| call.recording.take()) else { return false };
        self.media(MediaAction::StopRecording { recording: recording.id });
        true
    }

    /// Nobody is in the room any more.
    pub(super) fn stop_room_recording(&mut self, room: RoomId) {
        if let Some(recording) = self.rooms.get_mut(room.0).and_then(|room| room.recording.take()) {
            self.media(MediaAction::StopRecording { recording: recording.id });
        }
    }

    fn find_recording(&self, id: CallId, recording: RecordingId) -> Option<Recorded> {
        let is_it = |known: &Option<Recording>| known.as_ref().is_some_and(|known| known.id == recording);
        if self.calls.get(&id).is_some_and(|call| is_it(&call.recording)) {
            return Some(Recorded::Call(id));
        }
        let room = self.rooms.iter().position(|room| is_it(&room.recording))?;
        Some(Recorded::Room(RoomId(room)))
    }

    fn recording_slot(&mut self, at: Recorded) -> Option<&mut Option<Recording>> {
        match at {
            Recorded::Call(id) => self.calls.get_mut(&id).map(|call| &mut call.recording),
            Recorded::Room(room) => self.rooms.get_mut(room.0).map(|room| &mut room.recording),
        }
    }

    fn recording_mut(&mut self, at: Recorded) -> Option<&mut Recording> {
        self.recording_slot(at)?.as_mut()
    }

    /// Who hears that it is recorded.
    fn recorded_legs(&self, at: Recorded) -> Vec<LegId> {
        match at {
            Recorded::Call(id) => {
                self.calls.get(&id).into_iter().flat_map(|call| [call.caller, call.winner]).flatten().collect()
            }
            Recorded::Room(room) => self.rooms.get(room.0).map(|room| room.members.clone()).unwrap_or_default(),
        }
    }

    pub(super) fn toggle_recording(&mut self, turn: &mut Turn<'_>, leg: LegId) {
        let Some((id, call)) = self.call_of(leg).filter(|(_, call)| !call.over) else { return };
        let is_service = matches!(call.hosted, Some(Hosted::Service(_))) && call.caller == Some(leg);
        let (at, of) = match (self.room_of(leg), call.across(leg), call.winner) {
            (Some(room), ..) => (Recorded::Room(room), Taped::Room(room)),
            (None, Some(_), Some(callee)) => (Recorded::Call(id), Taped::Callee(callee)),
            _ if is_service => (Recorded::Call(id), Taped::Caller(leg)),
            // Messages are recordings already.
            _ => return,
        };
        let Some(by) = self.legs.get(&leg).map(|leg| leg.extension.clone()) else { return };
        let known = self.recording_mut(at);
        let (is_there, is_recorded) = (known.is_some(), known.is_some_and(|recording| recording.on));
        let may = match self.auth.extension(&by).map(|extension| extension.record_permissions()) {
            Some(RecordPermissions::All) => true,
            Some(RecordPermissions::PauseResume) => is_there,
            Some(RecordPermissions::None) | None => false,
        };
        if !may {
            tracing::info!(extension = %by, "may not record");
            return self.tell_leg(turn, leg, is_recorded);
        }
        let Some(known) = self.recording_mut(at) else {
            let recording = RecordingId(self.new_id());
            if let Some(slot) = self.recording_slot(at) {
                *slot = Some(Recording { id: recording, call: id, file: None, on: true, by });
            }
            return self.media(MediaAction::StartRecording { recording, call: id, of });
        };
        known.on = !known.on;
        known.by = by;
        // Until it is open, there is nothing to pause.
        if known.file.is_some() {
            let on = known.on;
            self.pause_recording(turn, at, on);
        }
    }

    fn pause_recording(&mut self, turn: &mut Turn<'_>, at: Recorded, on: bool) {
        let Some(recording) = self.recording_mut(at).map(|known| known.id) else { return };
        self.media(MediaAction::PauseRecording { recording, paused: !on });
        self.recorded(turn, at, on);
    }

    /// It is recorded now, or not: all who care are told.
    fn recorded(&mut self, turn: &mut Turn<'_>, at: Recorded, on: bool) {
        let Some(known) = self.recording_mut(at) else { return };
        let (call, by, file) = (known.call, known.by.clone(), known.file.clone().unwrap_or_default());
        self.tell(PbxEvent::Recording { call, on, by, file });
        self.tell_recorded(turn, at, on);
    }

    fn tell_recorded(&mut self, turn: &mut Turn<'_>, at: Recorded, on: bool) {
        let legs = self.recorded_legs(at);
        for &leg in &legs {
            self.tell_leg(turn, leg, on);
        }
        match at {
            Recorded::Call(id) => self.tell_status(id),
            Recorded::Room(_) => {
                for leg in legs {
                    if let Some((id, _)) = self.call_of(leg) {
                        self.tell_status(id);
                    }
                }
            }
        }
    }

    pub(super) fn tell_leg(&self, turn: &mut Turn<'_>, leg: LegId, on: bool) {
        let Some(key) = self.legs.get(&leg).and_then(|leg| leg.key) else { return };
        let headers = HeaderField::new("Record", if on { "on" } else { "off" }).into_iter().collect();
        crossing("info", turn.agent.request(turn.now, key, "INFO", headers, None));
    }
}

/// The digit in an INFO.
pub(super) fn digit_of(request: &Request) -> Option<char> {
    let body = std::str::from_utf8(request.body()).ok()?;
    InfoTone::parse(&request.headers.text("Content-Type")?, body).map(|info| info.tone)
}
