//! What a phone promises, checked at every step.
//!
//! * Every session is announced once (`newRTCSession`), has exactly one final event (`ended`, `failed` or `clientError`), which
//!   is its last, and then `deleteSession`; then the phone does not hold it any more.
//! * `ended` comes exactly when `accepted` came before.
//! * A status change changes something, begins where the last one ended, and moves `callStatus` only along the table:
//!
//!   | from | to |
//!   | --- | --- |
//!   | calling | ringing, talking |
//!   | ringing | talking |
//!   | connecting | talking |
//! * `confirmed` comes at most once, after `accepted`, with `callStatus` talking.
//! * `updateTimer` comes every 1,000 ms to the millisecond from the call's beginning to its end, unless it was stopped, and its
//!   durations are those that an observer with a clock counts from the events: `ringDuration` from the first 18x or the arrival, `callingDuration`
//!   from `newRTCSession`, both to `accepted`; `callDuration` from `accepted`; `holdDuration` from the `statusChange` to held.
//! * `callReport` comes with `accepted`, and then every 3 s while the call goes on.
//! * The calls that were announced and not deleted are those that the phone holds.
//! * Every accepted command is settled exactly once, within [`SETTLE_MS`].

use std::collections::BTreeMap;

use offhook_core::{CallId, CallState, CallStatus, CommandId, CommunicationType, PhoneEvent, SessionEvent, TimerType};

/// The longest that any command may take: the no-answer time (300 s) of a transfer's new call, and the transactions
/// before and after it.
pub const SETTLE_MS: u64 = 500_000;

/// What is known of one phone.
#[derive(Debug, Default)]
pub struct Ledger {
    calls: BTreeMap<CallId, Call>,
    pending: BTreeMap<CommandId, u64>,
    /// Calls that are over and deleted.
    pub ended: u64,
    /// Of those, the ones that were answered.
    pub established: u64,
}

#[derive(Debug, Default)]
struct Call {
    status: Option<CallStatus>,
    accepted: bool,
    confirmed: bool,
    over: bool,
    began: u64,
    inbound: bool,
    rang: Option<u64>,
    answered: Option<u64>,
    held: Option<u64>,
    ticked: u64,
    /// The program stopped its timer.
    stopped: bool,
    reported: Option<u64>,
}

/// Statistics take a moment.
const REPORT_MS: std::ops::RangeInclusive<u64> = 2_900..=3_100;

impl Ledger {
    /// A command was accepted.
    ///
    /// # Panics
    /// It was there before.
    pub fn accepted(&mut self, now: u64, command: CommandId) {
        assert!(self.pending.insert(command, now).is_none(), "{command:?} is given out twice");
    }

    /// A command was settled.
    ///
    /// # Panics
    /// It was not waiting.
    pub fn settled(&mut self, command: CommandId) {
        assert!(self.pending.remove(&command).is_some(), "{command:?} is settled twice, or was never given out");
    }

    /// An event came.
    ///
    /// # Panics
    /// It breaks a promise.
    pub fn event(&mut self, now: u64, event: &PhoneEvent) {
        match event {
            PhoneEvent::NewRtcSession { call_id } => {
                let call = Call { began: now, ticked: now, ..Call::default() };
                assert!(self.calls.insert(call_id.clone(), call).is_none(), "{call_id} is announced twice");
            }
            PhoneEvent::Incoming { call_id } => {
                let call = self.calls.get_mut(call_id).expect("a call comes in that is no session");
                (call.inbound, call.rang) = (true, Some(now));
            }
            PhoneEvent::DeleteSession { call_id, .. } => {
                let call = self.calls.remove(call_id).expect("a session is deleted that never was");
                assert!(call.over, "{call_id} is deleted without a final event");
                assert!(call.stopped || now - call.ticked <= 1_000, "the timer of {call_id} had stopped by itself");
                self.ended += 1;
                self.established += u64::from(call.accepted);
            }
            PhoneEvent::Session(event) => {
                let id = event.call_id();
                let call = self.calls.get_mut(id).unwrap_or_else(|| panic!("{event:?} of no session"));
                call.event(now, event);
            }
            _ => {}
        }
    }

    /// The timer of a call was stopped by its user.
    pub fn timer_stopped(&mut self, call: &CallId) {
        if let Some(call) = self.calls.get_mut(call) {
            call.stopped = true;
        }
    }

    /// Whether a call was announced and not deleted.
    #[must_use]
    pub fn knows(&self, call: &CallId) -> bool {
        self.calls.contains_key(call)
    }

    /// Nothing waits too long.
    ///
    /// # Panics
    /// A command was not settled in time.
    pub fn check(&self, now: u64) {
        if let Some((command, since)) = self.pending.iter().find(|(_, since)| now - **since > SETTLE_MS) {
            panic!("{command:?} is not settled {} s after it was accepted", (now - since) / 1_000);
        }
    }

    /// Sessions announced and not deleted, in order.
    pub fn calls(&self) -> impl Iterator<Item = &CallId> {
        self.calls.keys()
    }

    /// Whether a call that is not over was answered.
    #[must_use]
    pub fn is_accepted(&self, call: &CallId) -> bool {
        self.calls.get(call).is_some_and(|call| call.accepted && !call.over)
    }

    /// Commands not settled.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }
}

impl Call {
    fn event(&mut self, now: u64, event: &SessionEvent) {
        assert!(!self.over, "{event:?} after the final event");
        match event {
            SessionEvent::StatusChange { new_status, old_status, .. } => {
                assert_ne!(new_status, old_status, "a status change that changes nothing");
                if let Some(known) = &self.status {
                    assert_eq!(known, &**old_status, "a status change was not told");
                }
                let step = (old_status.call_status, new_status.call_status);
                let allowed = step.0 == step.1
                    || matches!(
                        step,
                        (CallState::Calling, CallState::Ringing | CallState::Talking)
                            | (CallState::Ringing | CallState::Connecting, CallState::Talking)
                    );
                assert!(allowed, "callStatus goes from {:?} to {:?}", step.0, step.1);
                if new_status.communication_type == CommunicationType::Inbound {
                    // One that replaces another is not told as incoming.
                    self.inbound = true;
                    self.rang.get_or_insert(self.began);
                } else if step.0 != step.1 && step.1 == CallState::Ringing {
                    self.rang = Some(now);
                }
                if new_status.is_hold != old_status.is_hold {
                    self.held = new_status.is_hold.then_some(now);
                }
                self.status = Some((**new_status).clone());
            }
            SessionEvent::Accepted { .. } => {
                assert!(!std::mem::replace(&mut self.accepted, true), "accepted twice");
                self.answered = Some(now);
            }
            SessionEvent::Confirmed { .. } => {
                assert!(self.accepted, "confirmed before accepted");
                assert!(!std::mem::replace(&mut self.confirmed, true), "confirmed twice");
                let state = self.status.as_ref().map(|status| status.call_status);
                assert_eq!(state, Some(CallState::Talking), "confirmed, but not talking");
            }
            SessionEvent::Ended(_) => {
                assert!(self.accepted, "ended without having been accepted");
                self.over = true;
            }
            SessionEvent::Failed(_) | SessionEvent::ClientError { .. } => {
                assert!(!self.accepted, "failed after having been accepted");
                self.over = true;
            }
            SessionEvent::CallReport { .. } => {
                assert!(self.accepted, "a report before the answer");
                let after = self.reported.replace(now).map(|last| now - last);
                assert!(after.is_none_or(|after| REPORT_MS.contains(&after)), "a report {after:?} ms after the last");
            }
            SessionEvent::UpdateTimer { timer, .. } => {
                assert!(!self.stopped, "a timer that was stopped goes on");
                assert_eq!(now - self.ticked, 1_000, "the timer is not told every second");
                self.ticked = now;
                assert_eq!(*timer, self.durations(now), "the durations are not those of the clock");
            }
            _ => {}
        }
    }

    /// What somebody with a clock counts.
    fn durations(&self, now: u64) -> TimerType {
        let seconds = |from: Option<u64>, to: u64| from.map_or(0, |from| (to - from) / 1_000);
        let answered = self.answered.unwrap_or(now);
        TimerType {
            ring_duration: seconds(self.rang, answered),
            calling_duration: seconds(Some(self.began).filter(|_| !self.inbound), answered),
            call_duration: seconds(self.answered, now),
            hold_duration: seconds(self.held, now),
        }
    }
}
