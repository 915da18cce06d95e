//! Conferences of three to five parties: this phone and two to four calls, mixed here.
//!
//! A call is a **member** from the moment its unhold is agreed (at once, if it is not held) until it ends. While there are
//! two members or more, `isConference` is set in each. A member's audio is **mixed** while neither side holds it: the hold
//! music of a far end is not played to the others.
//!
//! | happens | then |
//! | --- | --- |
//! | an unhold fails | that call is left out, the others go on; the command says so |
//! | a member ends | the others go on; one alone is a call as any other |
//! | a call outside is made, answered or unheld | all members are held, and stay members |
//! | a member is unheld | the other members are not held |
//! | a member is held, by either side | its audio is out of the mix until it is not held any more |
//! | a member is replaced (RFC 3891) | the new call takes its place |

use super::Phone;
use crate::call_id::CallId;
use crate::error::PhoneError;
use crate::io::{CommandId, Now};
use crate::session::Session;

/// Calls in a conference.
const LEAST: usize = 2;
const MOST: usize = 4;

/// The conference of a phone.
#[derive(Debug, Default)]
pub(super) struct Conference {
    parties: Vec<Party>,
    jobs: Vec<Job>,
}

/// A member, or a call that is to be one.
#[derive(Debug)]
struct Party {
    call_id: CallId,
    /// It was unheld for the conference.
    joined: bool,
}

/// A command that waits for several calls.
#[derive(Debug)]
struct Job {
    command: CommandId,
    waiting: Vec<(CommandId, CallId)>,
    failed: Vec<(CallId, PhoneError)>,
}

impl Phone {
    /// Makes a conference of these calls, or brings them into the one there is: held ones are unheld, and every far end
    /// hears all others and us. With no calls, those of a conference that is held are unheld. A consultation call becomes
    /// a call as any other. Settled when every call has agreed.
    ///
    /// What we say to a far end is what its call's source gives; each call's sink hears its own far end.
    ///
    /// # Errors
    /// With nothing done: [`PhoneError::UnknownCall`], [`PhoneError::WrongState`] for a call that is not confirmed or is being
    /// transferred, [`PhoneError::ConferenceSize`] for fewer than two calls or more than four, those that
    /// are in the conference counted. Later: [`PhoneError::Conference`] names the calls that were left out and why.
    pub fn conference(&mut self, now: Now, call_ids: &[CallId]) -> Result<CommandId, PhoneError> {
        for call_id in call_ids {
            let session = self.answered(call_id, "conference")?;
            let state = if !session.is_confirmed() {
                "the call is not confirmed yet"
            } else if session.is_transferring() {
                "the call is being transferred"
            } else {
                continue;
            };
            return Err(PhoneError::WrongState { command: "conference", state });
        }
        let mut calls: Vec<CallId> = self.conference.parties.iter().map(|party| party.call_id.clone()).collect();
        for call_id in call_ids {
            if !calls.contains(call_id) {
                calls.push(call_id.clone());
            }
        }
        if !(LEAST..=MOST).contains(&calls.len()) {
            return Err(PhoneError::ConferenceSize { calls: calls.len() });
        }
        for call_id in &calls {
            if !self.conference.has(call_id) {
                let party = Party { call_id: call_id.clone(), joined: false };
                self.conference.parties.push(party);
            }
        }
        if let Some(first) = calls.first() {
            self.hold_others(now, first);
        }
        Ok(self.hold_each(now, calls, false))
    }

    /// Holds every call of the conference; they stay its members. Settled when every call has agreed.
    ///
    /// # Errors
    /// [`PhoneError::WrongState`] without a conference. Later: [`PhoneError::Conference`] names the calls that are not held.
    pub fn hold_conference(&mut self, now: Now) -> Result<CommandId, PhoneError> {
        let calls = self.members("holdConference")?;
        Ok(self.hold_each(now, calls, true))
    }

    /// Unholds every call of the conference; other talking calls are held. Settled when every call has agreed.
    ///
    /// # Errors
    /// As [`hold_conference`](Self::hold_conference).
    pub fn unhold_conference(&mut self, now: Now) -> Result<CommandId, PhoneError> {
        let calls = self.members("unholdConference")?;
        if let Some(first) = calls.first() {
            self.hold_others(now, first);
        }
        Ok(self.hold_each(now, calls, false))
    }

    /// The calls of the conference, in the order in which they came; empty when there is none.
    pub fn conference_calls(&self) -> impl Iterator<Item = &CallId> {
        let calls = self.conference.parties.iter().map(|party| &party.call_id);
        calls.filter(|call_id| self.session(call_id).is_some_and(Session::is_conferring))
    }

    // --- for the rest of the phone ---

    /// Whether unholding the one does not hold the other.
    pub(super) fn confer(&self, one: &CallId, other: &CallId) -> bool {
        self.conference.has(one) && self.conference.has(other)
    }

    /// A call takes another's place.
    pub(super) fn replace_in_conference(&mut self, replaced: &CallId, by: &CallId) {
        if let Some(party) = self.conference.parties.iter_mut().find(|party| party.call_id == *replaced) {
            party.call_id = by.clone();
        }
    }

    /// A call has agreed to a command of the conference, or not.
    pub(super) fn on_conference_result(&mut self, command: CommandId, result: Result<(), PhoneError>) {
        let Conference { parties, jobs } = &mut self.conference;
        for job in jobs {
            let Some(at) = job.waiting.iter().position(|(waiting, _)| *waiting == command) else { continue };
            let (_, call_id) = job.waiting.remove(at);
            let party = parties.iter_mut().find(|party| party.call_id == call_id);
            match (result, party) {
                (Ok(()), Some(party)) => party.joined = true,
                (Ok(()), None) => {}
                (Err(error), party) => {
                    if party.is_some_and(|party| !party.joined) {
                        parties.retain(|party| party.call_id != call_id);
                    }
                    job.failed.push((call_id, error));
                }
            }
            return;
        }
    }

    /// Brings `isConference` and the mix in line with what the calls do. Ends every step.
    pub(super) fn update_conference(&mut self, now: Now) {
        let Conference { mut parties, jobs } = std::mem::take(&mut self.conference);
        parties.retain(|party| self.live(&party.call_id).is_ok());
        let (done, jobs): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.waiting.is_empty());
        let on = parties.iter().filter(|party| party.joined).count() >= LEAST;
        if !on && jobs.is_empty() {
            parties.clear();
        }
        let mut changes = Vec::new();
        for session in self.sessions.iter().filter(|session| !session.is_ending()) {
            let member = on && parties.iter().any(|party| party.joined && party.call_id == *session.call_id());
            if member || session.is_conferring() {
                let status = session.status();
                let mixed = member && !status.is_hold && !status.is_remote_hold;
                changes.push((session.call_id().clone(), member, mixed));
            }
        }
        for (call_id, member, mixed) in changes {
            self.with_session(now, &call_id, |session, ctx| session.set_membership(ctx.out, member, mixed));
        }
        self.conference = Conference { parties, jobs };
        for Job { command, failed, .. } in done {
            let result = if failed.is_empty() { Ok(()) } else { Err(PhoneError::Conference { failed }) };
            self.out.settle(command, result);
        }
    }

    // --- inside ---

    fn members(&self, command: &'static str) -> Result<Vec<CallId>, PhoneError> {
        let calls: Vec<CallId> = self.conference_calls().cloned().collect();
        if calls.is_empty() {
            return Err(PhoneError::WrongState { command, state: "there is no conference" });
        }
        Ok(calls)
    }

    fn hold_each(&mut self, now: Now, calls: Vec<CallId>, held: bool) -> CommandId {
        let command = self.command();
        let is_free = |call_id: &CallId| self.session(call_id).is_some_and(|session| !session.is_transferring());
        let calls: Vec<CallId> = calls.into_iter().filter(is_free).collect();
        let waiting: Vec<_> = calls.into_iter().map(|call_id| (self.out.own_command(), call_id)).collect();
        self.conference.jobs.push(Job { command, waiting: waiting.clone(), failed: Vec::new() });
        for (own, call_id) in waiting {
            self.with_session(now, &call_id, |session, ctx| session.hold(ctx, Some(own), held));
        }
        self.settle_down(now);
        command
    }
}

impl Conference {
    fn has(&self, call_id: &CallId) -> bool {
        self.parties.iter().any(|party| party.call_id == *call_id)
    }
}
