//! What subscribers of the API are told of calls: 20048.

use super::Switch;
use super::call::Call;
use super::record::Recording;
use crate::events::CallId;
use crate::media::LegId;
use crate::notice::{Audience, CallStatus, Fact, Notice, RecordState};

impl Switch {
    /// Tells the extensions in a call what it is doing: each knows it by the SIP Call-ID of its own leg.
    pub(super) fn tell_status(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let status = self.status_of(call);
        let mut told = [call.caller, call.winner].into_iter().flatten().filter_map(|leg| self.extension_of(leg));
        let (first, second) = (told.next(), told.next());
        for extension in first.clone().into_iter().chain(second.filter(|second| Some(second) != first.as_ref())) {
            let notice = Notice { to: Audience::Extension(extension), fact: Fact::CallStatus(status.clone()) };
            self.notice(notice);
        }
    }

    fn status_of(&self, call: &Call) -> CallStatus {
        let sip_call_id = |leg: Option<LegId>| {
            leg.and_then(|leg| self.legs.get(&leg)).map_or_else(String::new, |leg| leg.sip_call_id.clone())
        };
        let number = |leg: Option<LegId>, number: &str| {
            leg.and_then(|leg| self.extension_of(leg)).unwrap_or_else(|| number.to_owned())
        };
        // Who is asked for a PIN is not in it yet.
        let room = call.caller.and_then(|leg| self.room_of(leg)).and_then(|room| self.rooms.get(room.0));
        let recording = room.map_or(&call.recording, |room| &room.recording);
        CallStatus {
            is_conference: room.is_some(),
            caller: number(call.caller, &call.from),
            caller_sip_call_id: sip_call_id(call.caller),
            callee: number(call.winner, &call.to),
            callee_sip_call_id: sip_call_id(call.winner),
            record: recording.as_ref().map_or(RecordState::Stop, Recording::state),
        }
    }

    fn extension_of(&self, leg: LegId) -> Option<String> {
        self.legs.get(&leg).map(|leg| leg.extension.clone())
    }
}
