//! Every event of a call has exactly the contract's payload.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::report::{ReportHead, Reporter};
use crate::status::{CallState, RecordStatus};

/// Name and payload, as the contract lists them; what it does not list is an addition of ours. Of `session` and `peerconnection`, which
/// the contract hands over besides, the driver makes its own out of `callId`.
const PAYLOADS: [(&str, &[&str]); 26] = [
    ("callReport", &["callId", "callReport"]),
    ("streamAdded", &["callId", "communicationType", "stream"]),
    ("updateLocalStream", &["callId", "localStream"]),
    ("updateRemoteStream", &["callId", "remoteStream"]),
    ("peerconnection", &["callId"]),
    ("sdp", &["callId", "originator", "type", "sdp"]),
    ("icecandidate", &["callId", "candidate"]),
    ("progress", &["callId", "statusCode"]),
    ("accepted", &["callId"]),
    ("confirmed", &["callId"]),
    ("reinvite", &["callId", "isInviteVideo"]),
    ("newInfo", &["callId", "originator", "contentType", "body"]),
    ("newMessage", &["callId", "originator", "contentType", "body"]),
    ("videoRequested", &["callId", "name"]),
    ("ended", &["callId", "cause", "type"]),
    ("failed", &["callId", "cause", "code"]),
    ("clientError", &["callId", "cause"]),
    ("statusChange", &["callId", "newStatus", "oldStatus"]),
    ("staticStatusChange", &["callId", "newStatus", "oldStatus"]),
    ("updateTimer", &["callId", "timer"]),
    ("warningMessage", &["callId", "code", "message"]),
    ("reconnecting", &["callId"]),
    ("reconnected", &["callId"]),
    ("transferProgress", &["callId", "statusCode"]),
    ("transferFailed", &["callId", "statusCode"]),
    ("dtmf", &["callId", "tone", "duration"]),
];

#[test]
fn every_event_has_exactly_the_payload_of_the_contract() {
    let contract: BTreeMap<&str, BTreeSet<&str>> =
        PAYLOADS.iter().map(|(name, keys)| (*name, keys.iter().copied().collect())).collect();
    let events = all();
    assert_eq!(events.iter().map(SessionEvent::name).collect::<BTreeSet<_>>(), contract.keys().copied().collect());
    for event in events {
        let name = event.name();
        let json = serde_json::to_value(PhoneEvent::Session(event)).expect("serialises");
        let mut keys: BTreeSet<&str> = json.as_object().expect("an object").keys().map(String::as_str).collect();
        assert!(keys.remove("event") && json["event"] == name, "{json}");
        assert_eq!(keys, contract[name], "{name}");
        assert_eq!(json["callId"], "call", "{name}");
    }
}

#[test]
fn what_is_not_known_of_an_end_is_left_out() {
    let ended = SessionEvent::Ended(Ended { call_id: call_id(), cause: Cause::Terminated, kind: None });
    let failed = SessionEvent::Failed(Failed { call_id: call_id(), cause: Cause::NoAnswer, code: None });
    for (event, name, cause) in [(ended, "ended", "Terminated"), (failed, "failed", "No Answer")] {
        let json = serde_json::to_value(event).expect("serialises");
        assert_eq!(json, serde_json::json!({ "event": name, "callId": "call", "cause": cause }));
    }
}

#[test]
fn snapshots_timers_and_types_have_the_fields_of_the_contract() {
    let keys =
        |value: serde_json::Value| value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    let named = |names: &str| names.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    for event in all() {
        let json = serde_json::to_value(&event).expect("serialises");
        match event {
            SessionEvent::StatusChange { .. } => {
                let fields = named(
                    "name avatar company number callId communicationType isVideo isRing isHold isMute callStatus callStartTime \
                     recordStatus isTransfer transferParent isConference isRemoteHold",
                );
                let parent = named("callId avatar name number callDuration holdDuration");
                for which in ["newStatus", "oldStatus"] {
                    assert_eq!(keys(json[which].clone()), fields);
                    assert_eq!(keys(json[which]["transferParent"].clone()), parent);
                }
            }
            SessionEvent::StaticStatusChange { .. } => {
                for which in ["newStatus", "oldStatus"] {
                    assert_eq!(keys(json[which].clone()), named("name avatar company"));
                }
            }
            SessionEvent::UpdateTimer { .. } => {
                let fields = named("ringDuration callingDuration callDuration holdDuration");
                assert_eq!(keys(json["timer"].clone()), fields);
            }
            _ => {}
        }
    }
}

/// One of each, with everything in it that may be in it.
fn all() -> Vec<SessionEvent> {
    let mut events = vec![first()];
    while let Some(next) = events.last().and_then(after) {
        events.push(next);
    }
    events
}

fn call_id() -> CallId {
    CallId::from("call")
}

fn first() -> SessionEvent {
    let head = ReportHead {
        call_id: call_id(),
        started_wall: 0,
        extension: "1000".to_owned(),
        device_type: "desktop".to_owned(),
        utc_offset_min: 0,
    };
    SessionEvent::CallReport { call_id: call_id(), call_report: Box::new(Reporter::default().report(&head, None)) }
}

/// The sample after this one. No arm stands for any other variant: a new one does not compile before it is here.
fn after(event: &SessionEvent) -> Option<SessionEvent> {
    use SessionEvent as E;
    let call_id = call_id();
    let text = || "text".to_owned();
    Some(match event {
        E::CallReport { .. } => {
            let communication_type = CommunicationType::Outbound;
            E::StreamAdded { call_id, communication_type, stream: StreamId(1) }
        }
        E::StreamAdded { .. } => E::UpdateLocalStream { call_id, local_stream: None },
        E::UpdateLocalStream { .. } => E::UpdateRemoteStream { call_id, remote_stream: None },
        E::UpdateRemoteStream { .. } => E::Peerconnection { call_id },
        E::Peerconnection { .. } => E::Sdp { call_id, originator: Side::Local, kind: SdpType::Offer, sdp: text() },
        E::Sdp { .. } => E::Icecandidate { call_id, candidate: text() },
        E::Icecandidate { .. } => E::Progress { call_id, status_code: 180 },
        E::Progress { .. } => E::Accepted { call_id },
        E::Accepted { .. } => E::Confirmed { call_id },
        E::Confirmed { .. } => E::Reinvite { call_id, is_invite_video: true },
        E::Reinvite { .. } => E::NewInfo { call_id, originator: Side::Remote, content_type: text(), body: text() },
        E::NewInfo { .. } => E::NewMessage { call_id, originator: Side::Remote, content_type: text(), body: text() },
        E::NewMessage { .. } => E::VideoRequested { call_id, name: text() },
        E::VideoRequested { .. } => {
            E::Ended(Ended { call_id, cause: Cause::Terminated, kind: Some(TerminateType::Hangup) })
        }
        E::Ended(_) => E::Failed(Failed { call_id, cause: Cause::Busy, code: Some(486) }),
        E::Failed(_) => E::ClientError { call_id, cause: Cause::WebRtcError },
        E::ClientError { .. } => {
            E::StatusChange { call_id, new_status: Box::new(status()), old_status: Box::new(status()) }
        }
        E::StatusChange { .. } => {
            let status = StaticCallStatus::default;
            E::StaticStatusChange { call_id, new_status: status(), old_status: status() }
        }
        E::StaticStatusChange { .. } => E::UpdateTimer { call_id, timer: TimerType::default() },
        E::UpdateTimer { .. } => E::WarningMessage { call_id, code: "high-rtt", message: text() },
        E::WarningMessage { .. } => E::Reconnecting { call_id },
        E::Reconnecting { .. } => E::Reconnected { call_id },
        E::Reconnected { .. } => E::TransferProgress { call_id, status_code: 100 },
        E::TransferProgress { .. } => E::TransferFailed { call_id, status_code: 486 },
        E::TransferFailed { .. } => E::Dtmf { call_id, tone: '1', duration: 100 },
        E::Dtmf { .. } => return None,
    })
}

fn status() -> CallStatus {
    let parent = crate::status::TransferParent {
        call_id: call_id(),
        avatar: String::new(),
        name: String::new(),
        number: String::new(),
        call_duration: 1,
        hold_duration: 1,
    };
    CallStatus {
        name: String::new(),
        avatar: String::new(),
        company: String::new(),
        number: String::new(),
        call_id: call_id(),
        communication_type: CommunicationType::Inbound,
        is_video: false,
        is_ring: false,
        is_hold: false,
        is_mute: false,
        call_status: CallState::Talking,
        call_start_time: 0,
        record_status: RecordStatus::Stop,
        is_transfer: true,
        transfer_parent: Some(parent),
        is_conference: false,
        is_remote_hold: false,
    }
}
