//! The order of the events.

use offhook::events::{SdpType, SessionEvent, Side};
use offhook::{CallState, Cause, CommunicationType, PhoneEvent};

use super::{Expected, Finding, Recorded};

/// What an outbound call tells, in order; other events may come between.
const OUTBOUND: &[&str] = &[
    "newRTCSession",
    "startSession",
    "peerconnection",
    "sdp local offer",
    "progress",
    "sdp remote answer",
    "updateRemoteStream",
    "streamAdded",
    "accepted",
    "callReport",
    "statusChange talking",
    "confirmed",
    "updateLocalStream none",
    "updateRemoteStream none",
    "ended",
    "deleteSession",
];

/// What an inbound call tells, in order.
const INBOUND: &[&str] = &[
    "newRTCSession",
    "incoming",
    "statusChange answered",
    "peerconnection",
    "startSession",
    "sdp remote offer",
    "updateRemoteStream",
    "streamAdded",
    "accepted",
    "callReport",
    "statusChange talking",
    "confirmed",
    "updateLocalStream none",
    "updateRemoteStream none",
    "ended",
    "deleteSession",
];

/// Told exactly once in a call.
const ONCE: &[&str] = &[
    "newRTCSession",
    "incoming",
    "startSession",
    "peerconnection",
    "statusChange ringing",
    "statusChange answered",
    "statusChange talking",
    "accepted",
    "confirmed",
    "updateLocalStream none",
    "updateRemoteStream none",
    "ended",
    "deleteSession",
];

pub(super) fn check(expected: &Expected, log: &[Recorded]) -> Finding {
    let keys: Vec<String> = log.iter().filter_map(|r| key(&r.event)).collect();
    let outbound = expected.side == CommunicationType::Outbound;
    let wanted = if outbound { OUTBOUND } else { INBOUND };

    let mut rest = keys.iter();
    let mut before = "the beginning";
    for &step in wanted {
        if !rest.any(|key| key == step) {
            let late = if keys.iter().any(|key| key == step) { "too early" } else { "missing" };
            return Err(format!("{step} is {late}: it belongs after {before}"));
        }
        before = step;
    }
    if outbound && !keys.iter().any(|key| key == "statusChange ringing") {
        return Err("the status never became ringing".to_owned());
    }
    for &once in ONCE {
        let count = keys.iter().filter(|key| *key == once).count();
        if count > 1 {
            return Err(format!("{once} was told {count} times"));
        }
    }
    let finals = log.iter().filter_map(|r| match &r.event {
        PhoneEvent::Session(event) if event.is_final() => Some(event),
        _ => None,
    });
    for event in finals {
        match event {
            SessionEvent::Ended(ended) if ended.cause == Cause::Terminated => {}
            SessionEvent::Ended(ended) => return Err(format!("the call ended with {}", ended.cause.as_str())),
            other => return Err(format!("the call ended with the event {}", other.name())),
        }
    }
    nothing_after_the_end(log)?;
    Ok(format!("{} events in order, ended with Terminated", keys.len()))
}

/// `ended` is the session's last event, and only the phone's `deleteSession` follows it.
fn nothing_after_the_end(log: &[Recorded]) -> Result<(), String> {
    let mut over = false;
    for recorded in log {
        if let PhoneEvent::Session(event) = &recorded.event {
            if over {
                return Err(format!("{} came after the call had ended", event.name()));
            }
            over = event.is_final();
        }
    }
    Ok(())
}

/// The name of an event, with what matters for its place; none for those that may come at any time.
fn key(event: &PhoneEvent) -> Option<String> {
    let PhoneEvent::Session(event) = event else {
        return Some(event.name().to_owned());
    };
    let name = event.name();
    let key = match event {
        SessionEvent::UpdateTimer { .. }
        | SessionEvent::Icecandidate { .. }
        | SessionEvent::WarningMessage { .. }
        | SessionEvent::StaticStatusChange { .. } => return None,
        SessionEvent::Sdp { originator, kind, .. } => {
            let side = if *originator == Side::Local { "local" } else { "remote" };
            let kind = if *kind == SdpType::Offer { "offer" } else { "answer" };
            format!("{name} {side} {kind}")
        }
        SessionEvent::UpdateLocalStream { local_stream: None, .. }
        | SessionEvent::UpdateRemoteStream { remote_stream: None, .. } => format!("{name} none"),
        SessionEvent::StatusChange { new_status, old_status, .. } => {
            if new_status.call_status != old_status.call_status {
                match new_status.call_status {
                    CallState::Ringing => format!("{name} ringing"),
                    CallState::Talking => format!("{name} talking"),
                    _ => name.to_owned(),
                }
            } else if old_status.is_ring && !new_status.is_ring {
                format!("{name} answered")
            } else {
                name.to_owned()
            }
        }
        _ => name.to_owned(),
    };
    Some(key)
}
