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
//! * A duration never runs backwards while it runs, and never faster than the clock.
//! * Every accepted command is settled exactly once, within [`SETTLE_MS`].

use std::collections::BTreeMap;

use offhook_core::{CallId, CallState, CallStatus, CommandId, PhoneEvent, SessionEvent, TimerType};

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
    timer: Option<(u64, TimerType)>,
}

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
                assert!(self.calls.insert(call_id.clone(), Call::default()).is_none(), "{call_id} is announced twice");
            }
            PhoneEvent::DeleteSession { call_id, .. } => {
                let call = self.calls.remove(call_id).expect("a session is deleted that never was");
                assert!(call.over, "{call_id} is deleted without a final event");
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
                self.status = Some((**new_status).clone());
            }
            SessionEvent::Accepted { .. } => {
                assert!(!std::mem::replace(&mut self.accepted, true), "accepted twice");
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
            SessionEvent::UpdateTimer { timer, .. } => {
                if let Some((then, last)) = self.timer.replace((now, *timer)) {
                    // One second of tolerance: whole seconds are told.
                    let most = (now - then) / 1_000 + 1;
                    let steps = [
                        (last.ring_duration, timer.ring_duration),
                        (last.calling_duration, timer.calling_duration),
                        (last.call_duration, timer.call_duration),
                    ];
                    for (before, after) in steps {
                        assert!(after >= before && after - before <= most, "{last:?} then {timer:?} in {most} s");
                    }
                }
            }
            _ => {}
        }
    }
}
