//! Recording by the PBX: a feature code in a call switches it on and off, and both phones are told.
//!
//! One file for each call, from the first time on to its end; pauses are left out. It ends with the call, and a transfer
//! that succeeds ends the call: the joined one is another.

use offhook_sip::message::{HeadersExt as _, Request};
use offhook_sip::{HeaderField, Millis};

use super::{Switch, Turn, crossing};
use crate::events::{CallId, PbxEvent};
use crate::extension::RecordPermissions;
use crate::media::{LegId, MediaAction, RecordingId};

/// The longest pause between two digits of the feature code.
const DIGIT_MS: Millis = 4_000;

/// A call's file.
#[derive(Debug)]
pub(super) struct Recording {
    id: RecordingId,
    /// The file, once it is open.
    file: Option<String>,
    /// What was asked for last.
    on: bool,
    /// Who asked.
    by: String,
}

/// The last digits that a leg sent.
#[derive(Debug, Default)]
pub(super) struct Digits {
    text: String,
    at: Millis,
}

impl Digits {
    /// Takes the next one; says whether the code is complete.
    fn completes(&mut self, now: Millis, digit: char, code: &str) -> bool {
        if now.saturating_sub(self.at) > DIGIT_MS {
            self.text.clear();
        }
        self.at = now;
        self.text.push(digit);
        // All are ASCII.
        let surplus = self.text.len().saturating_sub(code.len());
        self.text.drain(..surplus);
        let is_complete = self.text == code;
        if is_complete {
            self.text.clear();
        }
        is_complete
    }
}

impl Switch {
    /// A leg's device sent a digit, in whichever way.
    pub(super) fn digit(&mut self, turn: &mut Turn<'_>, leg: LegId, digit: char) {
        let Some(code) = &self.record_code else { return };
        let Some(known) = self.legs.get_mut(&leg).filter(|_| digit.is_ascii()) else { return };
        if known.digits.completes(turn.now, digit, code) {
            self.toggle_recording(turn, leg);
        }
    }

    /// The file is open: what is said from now on is in it.
    pub(super) fn recording_started(&mut self, turn: &mut Turn<'_>, id: CallId, recording: RecordingId, file: String) {
        let Some(known) = self.recording(id, recording) else { return };
        known.file = Some(file);
        let stays = known.on;
        self.recorded(turn, id, true);
        if !stays {
            // Asked for while the file was opened.
            self.pause_recording(turn, id, false);
        }
    }

    /// The file cannot be written, or not any more. The call goes on.
    pub(super) fn recording_failed(&mut self, turn: &mut Turn<'_>, id: CallId, recording: RecordingId, reason: String) {
        if self.recording(id, recording).is_some() {
            self.end_recording(turn, id);
        }
        self.tell(PbxEvent::RecordingFailed { call: id, reason });
    }

    /// The call goes on in another, or one side of it alone: its recording ends, and the phones are told.
    pub(super) fn end_recording(&mut self, turn: &mut Turn<'_>, id: CallId) {
        if self.stop_recording(id) {
            self.tell_recorded(turn, id, false);
        }
    }

    /// The call is over; says whether it was recorded.
    pub(super) fn stop_recording(&mut self, id: CallId) -> bool {
        let Some(recording) = self.calls.get_mut(&id).and_then(|call| call.recording.take()) else { return false };
        self.media(MediaAction::StopRecording { recording: recording.id });
        true
    }

    fn recording(&mut self, id: CallId, recording: RecordingId) -> Option<&mut Recording> {
        self.calls.get_mut(&id)?.recording.as_mut().filter(|known| known.id == recording)
    }

    fn toggle_recording(&mut self, turn: &mut Turn<'_>, leg: LegId) {
        let Some((id, call)) = self.call_of(leg) else { return };
        // Of two sides only: a service has nothing to say.
        let (Some(_), Some(callee), false) = (call.across(leg), call.winner, call.over) else { return };
        let Some(by) = self.legs.get(&leg).map(|leg| leg.extension.clone()) else { return };
        let is_recorded = call.recording.as_ref().is_some_and(|recording| recording.on);
        let may = match self.auth.extension(&by).map(|extension| extension.record_permissions()) {
            Some(RecordPermissions::All) => true,
            Some(RecordPermissions::PauseResume) => call.recording.is_some(),
            Some(RecordPermissions::None) | None => false,
        };
        if !may {
            tracing::info!(extension = %by, "may not record");
            return self.tell_leg(turn, leg, is_recorded);
        }
        let Some(known) = self.calls.get_mut(&id).and_then(|call| call.recording.as_mut()) else {
            let recording = RecordingId(self.new_id());
            if let Some(call) = self.calls.get_mut(&id) {
                call.recording = Some(Recording { id: recording, file: None, on: true, by });
            }
            // What the callee hears is what the caller says: left.
            return self.media(MediaAction::StartRecording { recording, call: id, leg: callee });
        };
        known.on = !known.on;
        known.by = by;
        // Until it is open, there is nothing to pause.
        if known.file.is_some() {
            let on = known.on;
            self.pause_recording(turn, id, on);
        }
    }

    fn pause_recording(&mut self, turn: &mut Turn<'_>, id: CallId, on: bool) {
        let Some(recording) = self.calls.get(&id).and_then(|call| call.recording.as_ref()).map(|known| known.id) else {
            return;
        };
        self.media(MediaAction::PauseRecording { recording, paused: !on });
        self.recorded(turn, id, on);
    }

    /// It is recorded now, or not: all who care are told.
    fn recorded(&mut self, turn: &mut Turn<'_>, id: CallId, on: bool) {
        let Some(known) = self.calls.get(&id).and_then(|call| call.recording.as_ref()) else { return };
        let (by, file) = (known.by.clone(), known.file.clone().unwrap_or_default());
        self.tell(PbxEvent::Recording { call: id, on, by, file });
        self.tell_recorded(turn, id, on);
    }

    fn tell_recorded(&self, turn: &mut Turn<'_>, id: CallId, on: bool) {
        let Some(call) = self.calls.get(&id) else { return };
        for leg in [call.caller, call.winner].into_iter().flatten() {
            self.tell_leg(turn, leg, on);
        }
    }

    fn tell_leg(&self, turn: &mut Turn<'_>, leg: LegId, on: bool) {
        let Some(key) = self.legs.get(&leg).and_then(|leg| leg.key) else { return };
        let headers = HeaderField::new("Record", if on { "on" } else { "off" }).into_iter().collect();
        crossing("info", turn.agent.request(turn.now, key, "INFO", headers, None));
    }
}

/// The digit in an INFO of `application/dtmf-relay` (`Signal=5`).
pub(super) fn digit_of(request: &Request) -> Option<char> {
    let kind = request.headers.text("Content-Type")?;
    if !kind.split(';').next()?.trim().eq_ignore_ascii_case("application/dtmf-relay") {
        return None;
    }
    let body = std::str::from_utf8(request.body()).ok()?;
    let signal = body.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
    })?;
    match signal {
        // Some send event codes for the two signs (RFC 4733 §3.2).
        "10" => Some('*'),
        "11" => Some('#'),
        _ => signal.chars().next().filter(|_| signal.len() == 1).map(|digit| digit.to_ascii_uppercase()),
    }
}
