//! Checks what a phone told of a call against the contract of `Session` (spec/session.md): the
//! order of events, the status, the timers, the reports, the tones.

mod order;
mod report;
mod status;

use offhook::events::SessionEvent;
use offhook::{CommunicationType, PhoneEvent};

use super::outcome::Check;

/// An event and when it was received.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// When, ms from the start.
    pub at_ms: u64,
    /// What.
    pub event: PhoneEvent,
}

/// What must be true of the call of one phone.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The phone.
    pub phone: String,
    /// The number at the far end.
    pub peer: String,
    /// Which side made the call.
    pub side: CommunicationType,
    /// What this phone must tell of the hold.
    pub hold: Hold,
    /// How long the call was on hold, ms.
    pub hold_ms: u64,
    /// The tones it must have received, in order.
    pub tones: String,
}

/// What a phone tells of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It holds the call: isHold, holdDuration.
    Local,
    /// The far end holds it: isRemoteHold.
    Remote,
    /// The far end holds it, but a PBX between them answers for it: nothing.
    Unseen,
}

/// Checks all that one phone told.
pub fn check(expected: &Expected, log: &[Recorded]) -> Vec<Check> {
    vec![
        named(expected, "events come in the order of the contract", order::check(expected, log)),
        named(expected, "the status is right at every step", status::check(expected, log)),
        named(expected, "the timers agree with the clock", report::timers(expected, log)),
        named(expected, "a quality report every 3 s, all figures true", report::reports(expected, log)),
        named(expected, "every tone arrived, and no other", tones(expected, log)),
    ]
}

/// The result of a check: what was seen, or what is wrong.
type Finding = Result<String, String>;

fn named(expected: &Expected, name: &str, finding: Finding) -> Check {
    let ok = finding.is_ok();
    let detail = finding.unwrap_or_else(|wrong| wrong);
    Check { name: format!("{}: {name}", expected.phone), ok, detail }
}

fn tones(expected: &Expected, log: &[Recorded]) -> Finding {
    let mut heard = String::new();
    for recorded in log {
        if let PhoneEvent::Session(SessionEvent::Dtmf { tone, duration, .. }) = &recorded.event {
            heard.push(*tone);
            if !(60..=250).contains(duration) {
                return Err(format!("{tone} lasted {duration} ms instead of 100 ms"));
            }
        }
    }
    if heard == expected.tones {
        Ok(format!("{heard} received, 100 ms each"))
    } else {
        Err(format!("{} sent {:?}, {heard:?} arrived", expected.peer, expected.tones))
    }
}

/// When the first event that `wanted` accepts was received.
fn at(log: &[Recorded], wanted: impl Fn(&SessionEvent) -> bool) -> Option<u64> {
    log.iter().find_map(|recorded| match &recorded.event {
        PhoneEvent::Session(event) if wanted(event) => Some(recorded.at_ms),
        _ => None,
    })
}

/// When the call was answered and when it ended.
fn talked(log: &[Recorded]) -> Option<(u64, u64)> {
    let from = at(log, |e| matches!(e, SessionEvent::Accepted { .. }))?;
    let to = at(log, SessionEvent::is_final)?;
    Some((from, to.max(from)))
}

#[cfg(test)]
mod tests;
