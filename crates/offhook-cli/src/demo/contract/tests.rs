use offhook::StreamId;
use offhook::events::{Ended, SdpType, Side};
use offhook::{CallId, CallState, CallStatus, Cause, RecordStatus, Report, ReportStats, TimerType};

use super::*;

const HOLD_MS: u64 = 3_000;

fn id() -> CallId {
    CallId::new("call-1")
}

fn status(side: CommunicationType) -> CallStatus {
    let outbound = side == CommunicationType::Outbound;
    CallStatus {
        name: "Ada".to_owned(),
        avatar: String::new(),
        company: String::new(),
        number: if outbound { "1001" } else { "1000" }.to_owned(),
        call_id: id(),
        communication_type: side,
        is_video: false,
        is_ring: !outbound,
        is_hold: false,
        is_mute: false,
        call_status: if outbound { CallState::Calling } else { CallState::Connecting },
        call_start_time: 1,
        record_status: RecordStatus::Stop,
        is_transfer: false,
        transfer_parent: None,
        is_conference: false,
        is_remote_hold: false,
    }
}

/// Writes a log; keeps the status, so that each change has the right old one.
struct Log {
    list: Vec<Recorded>,
    status: CallStatus,
}

impl Log {
    fn phone(&mut self, at_ms: u64, event: PhoneEvent) {
        self.list.push(Recorded { at_ms, event });
    }

    fn session(&mut self, at_ms: u64, event: SessionEvent) {
        self.phone(at_ms, PhoneEvent::Session(event));
    }

    fn change(&mut self, at_ms: u64, change: impl FnOnce(&mut CallStatus)) {
        let old_status = Box::new(self.status.clone());
        change(&mut self.status);
        let new_status = Box::new(self.status.clone());
        self.session(at_ms, SessionEvent::StatusChange { call_id: id(), new_status, old_status });
    }

    fn sdp(&mut self, at_ms: u64, originator: Side, kind: SdpType) {
        self.session(at_ms, SessionEvent::Sdp { call_id: id(), originator, kind, sdp: String::new() });
    }

    fn streams(&mut self, at_ms: u64, side: CommunicationType) {
        let stream = StreamId(1);
        self.session(at_ms, SessionEvent::UpdateRemoteStream { call_id: id(), remote_stream: Some(stream) });
        self.session(at_ms, SessionEvent::StreamAdded { call_id: id(), communication_type: side, stream });
    }
}

fn report(seconds: u64, phone: &str) -> Box<Report> {
    let zero = || "0".to_owned();
    let packets = seconds * 50;
    Box::new(Report {
        lks_timestamp: "1700000000000".to_owned(),
        lks_date: "2026-11-22 16:00:00".to_owned(),
        call_id: id(),
        extension: phone.to_owned(),
        ice_result: "local".to_owned(),
        lks_network_type: zero(),
        lks_device_type: "desktop".to_owned(),
        lks_duration: seconds.to_string(),
        lks_audio_codec: "opus".to_owned(),
        lks_audio_rx: packets.to_string(),
        lks_audio_rx_lost: "0.000000".to_owned(),
        lks_audio_rx_maxjitter: zero(),
        lks_audio_rx_avgjitter: zero(),
        lks_audio_tx: packets.to_string(),
        lks_audio_tx_lost: zero(),
        lks_audio_tx_maxjitter: zero(),
        lks_audio_tx_avgjitter: zero(),
        lks_video_codec: zero(),
        lks_video_rx: zero(),
        lks_video_rx_lost: zero(),
        lks_video_rx_maxjitter: zero(),
        lks_video_rx_avgjitter: zero(),
        lks_video_tx: zero(),
        lks_video_tx_lost: zero(),
        lks_video_tx_maxjitter: zero(),
        lks_video_tx_avgjitter: zero(),
        stats: ReportStats {
            codec: "opus".to_owned(),
            packets_received: packets,
            packets_sent: packets,
            mos: Some(4.4),
            ..ReportStats::default()
        },
    })
}

/// A call as the contract has it: rings 1 s, is answered at 2 s, held from 8 s to 11 s, ended at 20 s.
fn good(side: CommunicationType) -> (Expected, Vec<Recorded>) {
    let outbound = side == CommunicationType::Outbound;
    let phone = if outbound { "1000" } else { "1001" };
    let mut log = Log { list: Vec::new(), status: status(side) };
    log.phone(1_000, PhoneEvent::NewRtcSession { call_id: id() });
    if outbound {
        log.phone(1_000, PhoneEvent::StartSession { call_id: id() });
        log.session(1_001, SessionEvent::Peerconnection { call_id: id() });
        log.sdp(1_002, Side::Local, SdpType::Offer);
        log.change(1_100, |s| s.call_status = CallState::Ringing);
        log.session(1_100, SessionEvent::Progress { call_id: id(), status_code: 180 });
        log.sdp(2_000, Side::Remote, SdpType::Answer);
    } else {
        log.phone(1_000, PhoneEvent::Incoming { call_id: id() });
        log.change(1_900, |s| s.is_ring = false);
        log.session(1_901, SessionEvent::Peerconnection { call_id: id() });
        log.phone(1_901, PhoneEvent::StartSession { call_id: id() });
        log.sdp(1_902, Side::Remote, SdpType::Offer);
    }
    log.streams(2_000, side);
    log.session(2_000, SessionEvent::Accepted { call_id: id() });
    log.session(2_000, SessionEvent::CallReport { call_id: id(), call_report: report(0, phone) });
    log.change(2_001, |s| s.call_status = CallState::Talking);
    log.session(2_002, SessionEvent::Confirmed { call_id: id() });
    for second in 2..20 {
        let now = second * 1_000;
        if second == 8 {
            log.change(now, |s| if outbound { s.is_hold = true } else { s.is_remote_hold = true });
        }
        if second == 11 {
            log.change(now, |s| if outbound { s.is_hold = false } else { s.is_remote_hold = false });
        }
        if second > 2 && (second - 2) % 3 == 0 {
            let call_report = report(second - 2, phone);
            log.session(now, SessionEvent::CallReport { call_id: id(), call_report });
        }
        if second == 14 {
            for tone in "12#".chars() {
                log.session(now, SessionEvent::Dtmf { call_id: id(), tone, duration: 100 });
            }
        }
        let held = outbound && (8..11).contains(&second);
        let timer = TimerType {
            ring_duration: 1,
            calling_duration: u64::from(outbound),
            call_duration: second - 2,
            hold_duration: if held { second - 8 } else { 0 },
        };
        log.session(now + 5, SessionEvent::UpdateTimer { call_id: id(), timer });
    }
    log.session(20_000, SessionEvent::UpdateLocalStream { call_id: id(), local_stream: None });
    log.session(20_000, SessionEvent::UpdateRemoteStream { call_id: id(), remote_stream: None });
    let cause = Cause::Terminated;
    log.session(20_001, SessionEvent::Ended(Ended { call_id: id(), cause, kind: None }));
    log.phone(20_001, PhoneEvent::DeleteSession { call_id: id(), cause });
    let expected = Expected {
        phone: phone.to_owned(),
        peer: if outbound { "1001" } else { "1000" }.to_owned(),
        side,
        hold: if outbound { Hold::Local } else { Hold::Remote },
        hold_ms: HOLD_MS,
        tones: "12#".to_owned(),
    };
    (expected, log.list)
}

const SIDES: [CommunicationType; 2] = [CommunicationType::Outbound, CommunicationType::Inbound];

/// What is wrong with the call after `change`; nothing if all passes.
fn wrong(side: CommunicationType, change: impl FnOnce(&mut Vec<Recorded>)) -> String {
    let (expected, mut log) = good(side);
    change(&mut log);
    let failed: Vec<String> = check(&expected, &log).into_iter().filter(|c| !c.ok).map(|c| c.detail).collect();
    failed.join("\n")
}

fn position(log: &[Recorded], name: &str) -> usize {
    log.iter().position(|r| r.event.name() == name).expect(name)
}

#[test]
fn a_right_call_passes_on_both_sides() {
    for side in SIDES {
        assert_eq!(wrong(side, |_| ()), "", "{side:?}");
    }
}

#[test]
fn every_event_that_is_missing_is_missed() {
    for side in SIDES {
        for name in [
            "newRTCSession",
            "startSession",
            "peerconnection",
            "sdp",
            "updateRemoteStream",
            "streamAdded",
            "accepted",
            "confirmed",
            "updateLocalStream",
            "ended",
            "deleteSession",
            "dtmf",
            "updateTimer",
        ] {
            assert_ne!(wrong(side, |log| log.retain(|r| r.event.name() != name)), "", "{side:?} {name}");
        }
    }
}

#[test]
fn events_that_change_places_are_seen() {
    let text = wrong(CommunicationType::Outbound, |log| {
        let (a, b) = (position(log, "accepted"), position(log, "confirmed"));
        log.swap(a, b);
    });
    assert!(text.contains("too early") || text.contains("missing"), "{text}");
}

#[test]
fn an_event_told_twice_or_after_the_end_is_seen() {
    let twice = wrong(CommunicationType::Inbound, |log| {
        let again = log[position(log, "accepted")].clone();
        log.insert(position(log, "confirmed"), again);
    });
    assert!(twice.contains("accepted was told 2 times"), "{twice}");
    let late = wrong(CommunicationType::Inbound, |log| {
        let again = log[position(log, "updateTimer")].clone();
        log.push(again);
    });
    assert!(late.contains("after the call had ended"), "{late}");
}

#[test]
fn another_end_than_bye_is_seen() {
    let text = wrong(CommunicationType::Outbound, |log| {
        let at = position(log, "ended");
        let ended = Ended { call_id: id(), cause: Cause::RtpTimeout, kind: None };
        log[at].event = PhoneEvent::Session(SessionEvent::Ended(ended));
    });
    assert!(text.contains("RTP Timeout"), "{text}");
}

#[test]
fn a_hold_that_the_status_does_not_show_is_seen() {
    for side in SIDES {
        let text = wrong(side, |log| {
            for recorded in log {
                if let PhoneEvent::Session(SessionEvent::StatusChange { new_status, old_status, .. }) =
                    &mut recorded.event
                {
                    for status in [new_status, old_status] {
                        status.is_hold = false;
                        status.is_remote_hold = false;
                    }
                }
            }
        });
        assert!(text.contains("although nothing changed"), "{text}");
    }
}

#[test]
fn a_live_handle_instead_of_a_snapshot_is_seen() {
    let text = wrong(CommunicationType::Outbound, |log| {
        for recorded in log {
            if let PhoneEvent::Session(SessionEvent::StatusChange { new_status, old_status, .. }) = &mut recorded.event
            {
                old_status.clone_from(new_status);
            }
        }
    });
    assert!(text.contains("nothing changed"), "{text}");
}

#[test]
fn a_timer_that_stands_still_is_seen() {
    let text = wrong(CommunicationType::Outbound, |log| {
        for recorded in log {
            if let PhoneEvent::Session(SessionEvent::UpdateTimer { timer, .. }) = &mut recorded.event {
                timer.call_duration = 3;
            }
        }
    });
    assert!(text.contains("callDuration says 3 s"), "{text}");
}

#[test]
fn lost_and_wrong_tones_are_seen() {
    let lost = wrong(CommunicationType::Inbound, |log| {
        log.remove(position(log, "dtmf"));
    });
    assert_eq!(lost, "1000 sent \"12#\", \"2#\" arrived");
}

#[test]
fn reports_that_are_too_few_or_cannot_be_true_are_seen() {
    let few = wrong(CommunicationType::Inbound, |log| {
        let mut count = 0;
        log.retain(|r| {
            r.event.name() != "callReport" || {
                count += 1;
                count < 4
            }
        });
    });
    assert!(few.contains("3 reports in 18.0 s, 7 wanted"), "{few}");
    let change = |change: fn(&mut Report)| {
        wrong(CommunicationType::Outbound, |log| {
            for recorded in log {
                if let PhoneEvent::Session(SessionEvent::CallReport { call_report, .. }) = &mut recorded.event {
                    change(call_report);
                }
            }
        })
    };
    assert!(change(|r| r.ice_result = "0".to_owned()).contains("iceResult"));
    assert!(change(|r| r.extension.clear()).contains("extension"));
    assert!(change(|r| r.lks_audio_rx = "7".to_owned()).contains("lksAudioRx"));
    assert!(change(|r| r.lks_date = "today".to_owned()).contains("lksDate"));
}

#[test]
fn a_hold_behind_a_pbx_must_not_show() {
    let (mut expected, log) = good(CommunicationType::Inbound);
    expected.hold = Hold::Unseen;
    let failed: Vec<Check> = check(&expected, &log).into_iter().filter(|c| !c.ok).collect();
    assert!(matches!(&failed[..], [one] if one.detail.contains("isRemoteHold")), "{failed:?}");
}
