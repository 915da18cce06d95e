//! What is recorded of a call that is over.
//!
//! One record for each call, which is: for each pair of sides. A call that is transferred is over at that moment for the
//! transferor, and so are both of an attended transfer; the joined one is another, from the transferee to the target, answered when
//! they are connected. What a blind transfer rang in vain is one too. Calls to services are recorded as any other, and so are
//! those that were refused before anything rang.

use offhook_sip::Millis;

use super::{Action, Switch};
use crate::events::CallId;
use crate::media::LegId;
use crate::store::{CdrStatus, Disposition};

/// Of a number or a Call-ID in a record, characters.
const MOST_CHARS: usize = 256;

/// A call that is over; times are those of the switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Concluded {
    pub(crate) call: CallId,
    pub(crate) started: Millis,
    pub(crate) answered: Option<Millis>,
    pub(crate) ended: Millis,
    pub(crate) caller: String,
    pub(crate) caller_name: String,
    pub(crate) callee: String,
    pub(crate) callee_name: String,
    pub(crate) disposition: Disposition,
    /// Of the caller's dialog; empty without one.
    pub(crate) sip_call_id: String,
    /// Of the dialog with the device that answered; empty when none did.
    pub(crate) callee_sip_call_id: String,
    /// Who has a row of it.
    pub(crate) seen_by: Vec<(String, CdrStatus)>,
}

/// What parts of the switch know of a call for its record, beside what the call says.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What became of it, when that is not what its answer and its end say.
    pub(super) disposition: Option<Disposition>,
    /// Extensions that were called beside the one whose number was (a ring group's members). Who of them answered is
    /// [`answered_by`](Self::answered_by).
    pub(super) called: Vec<String>,
    /// The extension that answered, when it is not the called number.
    pub(super) answered_by: Option<String>,
    /// SIP Call-ID of the leg of the device that answered: it may be gone when the record is written.
    pub(super) callee_sip_call_id: String,
}

impl Switch {
    /// Has a call's record written, with the status that says how it ended.
    pub(super) fn record_call(&mut self, now: Millis, id: CallId, status: u16) {
        let Some(call) = self.calls.get(&id) else { return };
        let by_status = if call.answered.is_some() { Disposition::Answered } else { of_status(status) };
        let disposition = call.notes.disposition.unwrap_or(by_status);
        let caller = call.caller.and_then(|caller| self.legs.get(&caller));
        let sip_call_id = caller.map(|leg| leg.sip_call_id.clone()).unwrap_or_default();
        let answered_by = call.notes.answered_by.as_ref().unwrap_or(&call.to);
        let mut seen_by = vec![(call.from.clone(), CdrStatus::Outbound)];
        for number in std::iter::once(&call.to).chain(&call.notes.called) {
            let took = disposition == Disposition::Answered && number == answered_by;
            let row = (number.clone(), if took { CdrStatus::Inbound } else { CdrStatus::Missed });
            if !seen_by.contains(&row) {
                seen_by.push(row);
            }
        }
        self.concluded(Concluded {
            call: id,
            started: call.started,
            answered: call.answered,
            ended: now,
            caller: call.from.clone(),
            caller_name: String::new(),
            callee: call.to.clone(),
            callee_name: String::new(),
            disposition,
            sip_call_id,
            callee_sip_call_id: call.notes.callee_sip_call_id.clone(),
            seen_by,
        });
    }

    /// Has a call recorded that was refused before there was one.
    pub(super) fn record_refused(&mut self, now: Millis, from: &str, to: &str, sip_call_id: String, status: u16) {
        let call = CallId(self.new_id());
        self.concluded(Concluded {
            call,
            started: now,
            answered: None,
            ended: now,
            caller: from.to_owned(),
            caller_name: String::new(),
            callee: to.to_owned(),
            callee_name: String::new(),
            disposition: of_status(status),
            sip_call_id,
            callee_sip_call_id: String::new(),
            seen_by: vec![(from.to_owned(), CdrStatus::Outbound), (to.to_owned(), CdrStatus::Missed)],
        });
    }

    /// A callee is the one that its call is with from now on.
    pub(super) fn set_winner(&mut self, id: CallId, leg: LegId) {
        let sip_call_id = self.legs.get(&leg).map(|leg| leg.sip_call_id.clone());
        if let Some(call) = self.calls.get_mut(&id) {
            call.winner = Some(leg);
            call.notes.callee_sip_call_id = sip_call_id.unwrap_or_default();
        }
    }

    /// Only extensions have rows.
    fn concluded(&mut self, mut concluded: Concluded) {
        let name = |number: &str| self.auth.extension(number).map_or("", |extension| extension.name()).to_owned();
        concluded.caller_name = name(&concluded.caller);
        concluded.callee_name = name(&concluded.callee);
        // What came over the network is as long as its sender likes.
        for text in [&mut concluded.callee, &mut concluded.sip_call_id, &mut concluded.callee_sip_call_id] {
            *text = text.chars().take(MOST_CHARS).collect();
        }
        concluded.seen_by.retain(|(number, _)| self.auth.extension(number).is_some());
        self.actions.push_back(Action::Cdr(Box::new(concluded)));
    }
}

/// What became of a call that was not answered.
fn of_status(status: u16) -> Disposition {
    match status {
        // What a user did: is talking, or does not want to.
        486 | 600 | 603 => Disposition::Busy,
        // Nobody there, nobody in time, or the caller gave up.
        408 | 480 | 487 => Disposition::NoAnswer,
        _ => Disposition::Failed,
    }
}
