//! What can be done in a call: DTMF, INFO, mute, status; and what happens by itself: timer, reports, identity.

mod common;

use common::{A, B, WALL, World};
use offhook_core::events::SessionEvent;
use offhook_core::{
    CallId, CallState, CommandId, DtmfMode, MediaCommand, PhoneError, PhoneEvent, StaticPatch, StatusPatch,
    TerminateType,
};
use offhook_sip::HeaderField;

fn dtmf(world: &mut World, call: &CallId, tones: &str) -> Result<CommandId, PhoneError> {
    world.act(A, |phone, now| phone.dtmf(now, call, tones))
}

#[test]
fn dtmf_goes_to_the_peer_connection_and_is_settled_after_the_last_tone() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let command = dtmf(&mut world, &a, "12#d").expect("sends");
    world.run(700);
    assert_eq!(world.outcome(A, command), None);
    world.run(200);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    let sent = world.media(A).asked.iter().any(|command| {
        matches!(command, MediaCommand::SendDtmf { tones, duration_ms: 100, gap_ms: 100, in_band: false, .. } if tones == "12#D")
    });
    assert!(sent);
    for bad in ["", "1x", "1 2"] {
        assert!(matches!(dtmf(&mut world, &a, bad), Err(PhoneError::InvalidArgument { .. })), "{bad:?}");
    }
}

#[test]
fn dtmf_that_the_peer_connection_forgets_has_a_deadline() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.media(A).hang = Some("dtmf");
    let command = dtmf(&mut world, &a, "1").expect("sends");
    world.run(12_000);
    assert_eq!(world.outcome(A, command), Some(Err(PhoneError::Timeout)));
}

#[test]
fn dtmf_as_info_is_sent_one_tone_after_the_other() {
    let mut world = World::with(|config| config.dtmf = DtmfMode::Info);
    let (a, _) = world.talk();
    let command = dtmf(&mut world, &a, "1,2").expect("sends");
    world.run(1_000);
    assert_eq!(world.log(B), ["newInfo remote Signal=1\r\nDuration=100\r\n", "dtmf 1"]);
    assert_eq!(world.outcome(A, command), None, "the pause");
    world.run(2_000);
    assert_eq!(world.log(B)[..2], ["newInfo remote Signal=2\r\nDuration=100\r\n", "dtmf 2"]);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
}

#[test]
fn info_is_answered_told_on_both_sides_and_settled() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let command = world.act(A, |phone, now| phone.send_info(now, &a, "text/plain", "hello")).expect("sends");
    assert_eq!(world.log(A), ["newInfo local hello"]);
    world.run(200);
    assert_eq!(world.log(B), ["newInfo remote hello"]);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    let refused = world.act(A, |phone, now| phone.send_info(now, &a, "text/plain\r\nX: y", "hello"));
    assert!(refused.is_err());
}

#[test]
fn muting_is_local_and_tells_once() {
    let mut world = World::new();
    let (a, _) = world.talk();
    for _ in 0..2 {
        let command = world.act(A, |phone, now| phone.mute(now, &a)).expect("mutes");
        assert_eq!(world.outcome(A, command), Some(Ok(())));
    }
    assert_eq!(world.log(A), ["statusChange isMute=true"]);
    world.act(A, |phone, now| phone.unmute(now, &a)).expect("unmutes");
    assert_eq!(world.log(A), ["statusChange isMute=false"]);
    let muted: Vec<bool> = world
        .media(A)
        .asked
        .iter()
        .filter_map(|command| if let MediaCommand::SetMuted(muted) = command { Some(*muted) } else { None })
        .collect();
    assert_eq!(muted, [true, false]);
    assert_eq!(world.sent(A), common::NOTHING);
}

#[test]
fn a_call_muted_while_it_rings_is_muted_when_it_is_answered() {
    let mut world = World::new();
    let (_, b) = world.ring();
    world.act(B, |phone, now| phone.mute(now, &b)).expect("mutes");
    world.act(B, |phone, now| phone.answer(now, &b, Default::default())).expect("answers");
    world.run(500);
    assert!(world.media(B).asked.contains(&MediaCommand::SetMuted(true)));
}

#[test]
fn the_status_is_changed_and_told_only_if_something_changes() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let patch = || StatusPatch { avatar: Some("a.png".to_owned()), ..StatusPatch::default() };
    world.act(A, |phone, now| phone.set_status(now, &a, patch())).expect("sets");
    assert_eq!(world.log(A), ["statusChange avatar=a.png", "staticStatusChange"]);
    world.act(A, |phone, now| phone.set_status(now, &a, patch())).expect("sets");
    world.act(A, |phone, now| phone.set_status(now, &a, StatusPatch::default())).expect("sets");
    assert_eq!(world.log(A), common::NOTHING);
}

#[test]
fn a_status_is_a_snapshot_that_later_changes_do_not_touch() {
    let mut world = World::new();
    let (a, b) = world.ring();
    let ringing = world.phone(A).session(&a).expect("rings").status().clone();
    let told = world.events(A);
    world.act(B, |phone, now| phone.answer(now, &b, Default::default())).expect("answers");
    world.run(500);
    world.act(A, |phone, now| phone.mute(now, &a)).expect("mutes");
    world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(500);
    let changes = |events: Vec<PhoneEvent>| {
        events.into_iter().filter_map(|event| match event {
            PhoneEvent::Session(SessionEvent::StatusChange { new_status, old_status, .. }) => {
                Some((*old_status, *new_status))
            }
            _ => None,
        })
    };
    // What was handed over before the changes is compared after them.
    let all: Vec<_> = changes(told).chain(changes(world.events(A))).collect();
    assert!(all.len() >= 4, "ringing, talking, muted and held: {all:?}");
    assert_eq!(all[0].1, ringing);
    for ((_, new), (old, _)) in all.iter().zip(&all[1..]) {
        assert_eq!(new, old, "each change begins where the one before it ended");
    }
    let now = world.phone(A).session(&a).expect("held").status().clone();
    assert_eq!(all.last().map(|(_, new)| new), Some(&now));
    assert!(now.is_hold && now.is_mute && !ringing.is_hold && !ringing.is_mute);
    assert_eq!((ringing.call_status, now.call_status), (CallState::Ringing, CallState::Talking));
}

#[test]
fn identity_follows_a_reinvite_unless_the_program_took_it_over() {
    for manual in [false, true] {
        let mut world = World::new();
        let (a, _) = world.talk();
        let patch = StaticPatch { name: Some("Mine".to_owned()), ..StaticPatch::default() };
        world.act(A, |phone, now| phone.set_static_status(now, &a, patch, Some(manual))).expect("sets");
        world.serve(|server, now| {
            let leg = server.leg_of(A);
            let identity = HeaderField::new("Remote-Party-ID", "\"Bob\" <sip:1002@pbx.example>").expect("a header");
            let modify =
                offhook_sip::Modify { method: offhook_sip::ModifyMethod::Update, offer: None, headers: vec![identity] };
            server.act(now, |agent| agent.modify(now, leg, modify)).expect("updates");
        });
        world.run(500);
        let status = world.phone(A).session(&a).expect("there").status().clone();
        assert_eq!((status.name.as_str(), status.number.as_str()), (if manual { "Mine" } else { "Bob" }, "1002"));
    }
}

#[test]
fn the_timer_ticks_once_a_second_and_can_be_stopped() {
    let mut world = World::new();
    let (a, b) = world.ring();
    world.run(2_500);
    world.act(B, |phone, now| phone.answer(now, &b, Default::default())).expect("answers");
    world.run(10_000);
    let ticks: Vec<[u64; 4]> = world
        .events(A)
        .iter()
        .filter_map(|event| match event {
            PhoneEvent::Session(SessionEvent::UpdateTimer { timer, .. }) => {
                Some([timer.ring_duration, timer.calling_duration, timer.call_duration, timer.hold_duration])
            }
            _ => None,
        })
        .collect();
    assert_eq!(ticks.len(), 13, "{ticks:?}");
    assert_eq!((ticks[0], ticks[2], ticks[12]), ([0, 1, 0, 0], [2, 3, 0, 0], [2, 3, 9, 0]));
    let now = world.wall();
    assert_eq!(world.phone(B).session(&b).expect("there").timer(now).calling_duration, 0, "inbound");
    world.act(A, |phone, now| phone.stop_timer(now, &a)).expect("stops");
    world.run(5_000);
    assert!(world.events(A).iter().all(|event| event.name() != "updateTimer"));
    let later = world.wall();
    assert_eq!(world.phone(A).session(&a).expect("there").timer(later).call_duration, 9);
}

#[test]
fn after_a_sleep_the_timer_is_right_and_does_not_catch_up_tick_by_tick() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.events(A);
    world.now += 600_000;
    world.act(A, |phone, now| phone.handle_input(now, offhook_core::Input::Timeout));
    let ticks = world.events(A).iter().filter(|event| event.name() == "updateTimer").count();
    assert_eq!(ticks, 1);
    let now = world.wall();
    assert!(world.phone(A).session(&a).expect("there").timer(now).call_duration >= 600);
}

#[test]
fn a_report_comes_at_the_answer_and_every_three_seconds() {
    let mut world = World::new();
    let (a, b) = world.ring();
    world.act(B, |phone, now| phone.answer(now, &b, Default::default())).expect("answers");
    world.run(10_000);
    let reports: Vec<_> = world
        .events(A)
        .into_iter()
        .filter_map(|event| match event {
            PhoneEvent::Session(SessionEvent::CallReport { call_report, .. }) => Some(*call_report),
            _ => None,
        })
        .collect();
    assert_eq!(reports.len(), 4);
    assert_eq!((reports[0].lks_audio_rx.as_str(), reports[1].lks_audio_rx.as_str()), ("0", "150"));
    assert_eq!((reports[1].ice_result.as_str(), reports[1].extension.as_str()), ("local", "1000"));
    assert_eq!(reports[1].lks_timestamp, (WALL + 11_000).to_string(), "when the call was made");
    assert!(reports[1].stats.mos.expect("heard") > 4.0);
    assert_eq!(world.phone(A).session(&a).expect("there").call_report(), reports.last());
}

#[test]
fn reports_go_on_when_statistics_fail() {
    let mut world = World::new();
    let (_, b) = world.ring();
    world.media(A).hang = Some("stats");
    world.act(B, |phone, now| phone.answer(now, &b, Default::default())).expect("answers");
    world.run(10_000);
    assert_eq!(world.log(A).iter().filter(|event| *event == "callReport").count(), 3);
}

#[test]
fn how_a_call_was_ended_is_in_its_last_event() {
    let mut world = World::new();
    let (a, b) = world.talk();
    world.act(A, |phone, now| phone.terminate(now, &a, TerminateType::Terminate)).expect("ends");
    world.run(500);
    let kind = |world: &mut World, who: usize| {
        world.events(who).iter().find_map(|event| match event {
            PhoneEvent::Session(SessionEvent::Ended(ended)) => Some(ended.kind),
            _ => None,
        })
    };
    assert_eq!((kind(&mut world, A), kind(&mut world, B)), (Some(Some(TerminateType::Terminate)), Some(None)));
    assert_eq!(world.act(B, |phone, now| phone.hangup(now, &b)).map_err(|e| e.code()), Err(-211));
}

#[test]
fn renegotiation_changes_nothing_and_is_settled() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let command = world.act(A, |phone, now| phone.renegotiate(now, &a, None)).expect("renegotiates");
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(world.log(A), ["sdp local offer", "sdp remote answer"]);
}

#[test]
fn events_are_objects_with_the_contracts_names() {
    let mut world = World::new();
    let (a, _) = world.ring();
    let events = world.events(A);
    let json = |event: &PhoneEvent| serde_json::to_value(event).expect("serialises");
    assert_eq!(json(&events[0]), serde_json::json!({ "event": "newRTCSession", "callId": a.as_str() }));
    let progress = events.iter().find(|event| event.name() == "progress").expect("rings");
    assert_eq!(json(progress), serde_json::json!({ "event": "progress", "callId": a.as_str(), "statusCode": 180 }));
    let change = events.iter().find(|event| event.name() == "statusChange").expect("changes");
    assert_eq!(json(change)["newStatus"]["callStatus"], "ringing");
    assert_eq!(json(change)["oldStatus"]["callStatus"], "calling");
    let status = json(change)["newStatus"].as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    for field in [
        "name",
        "avatar",
        "company",
        "number",
        "callId",
        "communicationType",
        "isVideo",
        "isRing",
        "isHold",
        "isMute",
        "callStatus",
        "callStartTime",
        "recordStatus",
        "isTransfer",
        "isConference",
        "isRemoteHold",
    ] {
        assert!(status.iter().any(|name| name == field), "{field}");
    }
    for event in &events {
        assert_eq!(json(event)["event"], event.name());
    }
}

#[test]
fn a_slow_path_is_warned_of_once_and_cleared_once() {
    let mut world = World::new();
    world.talk();
    world.media(A).rtt_ms = 600.0;
    world.run(30_000);
    world.media(A).rtt_ms = 20.0;
    world.run(30_000);
    let warnings: Vec<String> = world.log(A).into_iter().filter(|event| event.starts_with("warningMessage")).collect();
    assert_eq!(warnings, ["warningMessage high-rtt", "warningMessage high-rtt-cleared"]);
    assert!(world.log(B).iter().all(|event| !event.starts_with("warningMessage")));
}

#[test]
fn a_call_that_is_held_sends_no_microphone_also_when_it_is_unmuted_meanwhile() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let hold = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(1_000);
    assert_eq!(world.outcome(A, hold), Some(Ok(())));
    world.act(A, |phone, now| phone.mute(now, &a)).expect("mutes");
    world.act(A, |phone, now| phone.unmute(now, &a)).expect("unmutes");
    let unhold = world.act(A, |phone, now| phone.unhold(now, &a)).expect("resumes");
    world.run(1_000);
    assert_eq!(world.outcome(A, unhold), Some(Ok(())));
    let muted: Vec<bool> = world
        .media(A)
        .asked
        .iter()
        .filter_map(|command| if let MediaCommand::SetMuted(muted) = command { Some(*muted) } else { None })
        .collect();
    assert_eq!(muted, [true, true, true, false]);
}
