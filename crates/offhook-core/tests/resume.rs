//! A page that is reloaded: its calls go on in the next one, or are ended.

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::{A, B, World};
use offhook_core::{
    CallId, CallOptions, Driven, Phone, PhoneConfig, RESUME_MS, RecordMethod, RecordStatus, StatusPatch,
};

/// The program of a phone is started anew: gives the snapshot, with the new phone not started yet.
fn reload(world: &mut World, who: usize) -> Option<String> {
    let config = PhoneConfig { seed: [77; 32].into(), ..world.phone(who).config().clone() };
    let text = world.act(who, |phone, now| phone.suspend(now));
    world.act(who, |phone, now| phone.disconnect(now));
    world.run(200);
    world.replace(who, Phone::new(config));
    text
}

fn resume(world: &mut World, who: usize, text: &str) -> Vec<String> {
    world.act(who, |phone, now| phone.resume(now, text, false));
    world.act(who, |phone, now| phone.start(now)).expect("starts");
    world.run(1_000);
    world.log(who)
}

/// B takes its second call.
fn pick_up(world: &mut World) {
    world.run(200);
    let second = world.phone(B).incoming_list().next().expect("rings").call_id().clone();
    world.act(B, |phone, now| phone.answer(now, &second, CallOptions::default())).expect("answers");
    world.run(1_000);
}

fn only_call(world: &World, who: usize) -> CallId {
    world.call_of(who)
}

#[test]
fn a_call_goes_on_with_a_new_peer_connection_and_everything_it_was() {
    for who in [A, B] {
        let mut world = World::new();
        let (a, b) = world.talk();
        let call = if who == A { a } else { b };
        world.run(5_000);
        world.act(who, |phone, now| phone.mute(now, &call)).expect("mutes");
        let text = reload(&mut world, who).expect("there is a call");
        let heard = world.log(1 - who).into_iter().filter(|event| event != "callReport").collect::<Vec<_>>();
        assert!(heard.is_empty(), "the far end hears nothing of it: {heard:?}");
        let now = world.wall();
        let known = Phone::resumable(now, &text);
        assert_eq!(known.iter().map(|call| (&call.call_id, call.video)).collect::<Vec<_>>(), [(&call, false)]);
        assert_eq!(
            resume(&mut world, who, &text),
            [
                "newRTCSession",
                "startSession",
                "peerconnection",
                "reconnecting",
                "callReport",
                "connected",
                "registered",
                "isRegisteredChange true",
                "sdp local offer",
                "sdp remote answer",
                "updateRemoteStream stream",
                "streamAdded",
                "reconnected",
            ]
            .map(str::to_owned),
        );
        assert_eq!(only_call(&world, who), call);
        assert_eq!(world.media(who).open(), 1);
        let session = world.phone(who).current_session().expect("it is the current one");
        let status = session.status();
        assert_eq!((status.is_mute, status.is_hold, status.number.as_str()), (true, false, ["1001", "1000"][who]));
        assert_eq!(session.timer(world.wall()).call_duration, 6, "it goes on counting");

        // Both ends command it.
        let far = only_call(&world, 1 - who);
        world.act(who, |phone, now| phone.hold(now, &call)).expect("holds");
        world.run(500);
        assert!(world.phone(who).session(&call).expect("there").status().is_hold);
        world.act(1 - who, |phone, now| phone.hangup(now, &far)).expect("hangs up");
        world.run(500);
        world.assert_clean();
    }
}

#[test]
fn a_held_call_stays_held_and_can_be_resumed() {
    let mut world = World::new();
    let (call, _) = world.talk();
    world.act(A, |phone, now| phone.hold(now, &call)).expect("holds");
    world.run(500);
    let text = reload(&mut world, A).expect("there is a call");
    resume(&mut world, A, &text);
    assert!(world.phone(A).session(&call).expect("there").status().is_hold);
    world.act(A, |phone, now| phone.unhold(now, &call)).expect("resumes");
    world.run(500);
    assert!(!world.phone(A).session(&call).expect("there").status().is_hold);
    world.act(A, |phone, now| phone.hangup(now, &call)).expect("hangs up");
    world.run(500);
    world.assert_clean();
}

#[test]
fn of_two_calls_the_one_that_was_looked_at_still_is() {
    let mut world = World::new();
    let (first, _) = world.talk();
    world.act(A, |phone, now| phone.call(now, "1001", CallOptions::default())).expect("calls");
    pick_up(&mut world);
    world.act(A, |phone, now| phone.unhold(now, &first)).expect("resumes");
    world.run(500);
    assert_eq!(world.phone(A).current_session_id(), Some(&first));
    let text = reload(&mut world, A).expect("there are calls");
    resume(&mut world, A, &text);
    assert_eq!(world.phone(A).sessions().count(), 2);
    assert_eq!(world.phone(A).current_session_id(), Some(&first));
}

#[test]
fn a_consultation_is_completed_after_a_reload() {
    let mut world = World::new();
    let (parent, _) = world.talk();
    let (_, second) =
        world.act(A, |phone, now| phone.consult(now, &parent, "1001", CallOptions::default())).expect("consults");
    pick_up(&mut world);
    let text = reload(&mut world, A).expect("there are calls");
    resume(&mut world, A, &text);
    let sent = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&sent);
    world.lose = Box::new(move |who, from, text| {
        if who == A && from && text.starts_with("REFER") {
            seen.borrow_mut().extend(text.lines().filter(|line| line.starts_with("Refer-To:")).map(str::to_owned));
        }
        false
    });
    world.act(A, |phone, now| phone.attended_transfer(now, &second)).expect("both are up");
    world.run(500);
    let sent = sent.borrow();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].contains("sip:1001@") && sent[0].contains(&format!("Replaces={second}")), "{sent:?}");
}

#[test]
fn what_is_known_of_a_call_is_known_after_a_reload() {
    let mut world = World::new();
    let (call, far) = world.talk();
    let began = |world: &World| {
        let report = world.phone(A).session(&call).expect("there").call_report().expect("answered").clone();
        (report.lks_timestamp, report.lks_date)
    };
    world.run(4_000);
    let before = began(&world);
    let text = reload(&mut world, A).expect("there is a call");
    resume(&mut world, A, &text);
    world.run(4_000);
    assert_eq!(began(&world), before);
    world.act(B, |phone, now| phone.hangup(now, &far)).expect("hangs up");
    world.run(500);
    world.assert_clean();
}

#[test]
fn a_recording_goes_on_where_it_is_made() {
    // A file of ours was complete when the program ended.
    let mut world = World::with(|config| config.record = RecordMethod::Local { directory: "/calls".into() });
    let (call, _) = world.talk();
    world.act(A, |phone, now| phone.start_record(now, &call)).expect("records");
    world.run(500);
    let status = |world: &World| world.phone(A).session(&call).expect("there").status().record_status;
    assert_eq!(status(&world), RecordStatus::Recording);
    let text = reload(&mut world, A).expect("there is a call");
    resume(&mut world, A, &text);
    assert_eq!(status(&world), RecordStatus::Stop);
    assert!(world.act(A, |phone, now| phone.pause_record(now, &call)).is_err(), "there is nothing to pause");
    world.act(A, |phone, now| phone.start_record(now, &call)).expect("records");
    world.run(500);
    assert_eq!(status(&world), RecordStatus::Recording);

    // What the server records goes on, or is paused, as it was.
    for expected in [RecordStatus::Recording, RecordStatus::Pause] {
        let mut world = World::with(|config| config.record = RecordMethod::FeatureCode("*1".to_owned()));
        let (call, _) = world.talk();
        let patch = StatusPatch { record_status: Some(expected), ..StatusPatch::default() };
        world.act(A, |phone, now| phone.set_status(now, &call, patch)).expect("there");
        let text = reload(&mut world, A).expect("there is a call");
        resume(&mut world, A, &text);
        assert_eq!(world.phone(A).session(&call).expect("there").status().record_status, expected);
    }
}

#[test]
fn a_call_that_comes_back_too_late_is_ended() {
    let mut world = World::new();
    world.talk();
    let text = reload(&mut world, A).expect("there is a call");
    world.run(RESUME_MS);
    assert!(Phone::resumable(world.wall(), &text).is_empty());
    assert_eq!(
        resume(&mut world, A, &text),
        ["connected", "registered", "isRegisteredChange true"].map(str::to_owned),
        "nobody is told of a call"
    );
    assert!(world.log(B).contains(&"ended Terminated".to_owned()));
    world.assert_clean();
}

#[test]
fn a_program_that_has_no_microphone_any_more_ends_it() {
    let mut world = World::new();
    world.talk();
    let text = reload(&mut world, A).expect("there is a call");
    world.act(A, |phone, now| phone.resume(now, &text, true));
    world.act(A, |phone, now| phone.start(now)).expect("starts");
    world.run(1_000);
    assert!(world.log(B).contains(&"ended Terminated".to_owned()));
    world.assert_clean();
}

#[test]
fn a_call_that_its_far_end_has_left_meanwhile_is_over() {
    let mut world = World::new();
    let (call, _) = world.talk();
    let text = reload(&mut world, A).expect("there is a call");
    let far = only_call(&world, B);
    world.act(B, |phone, now| phone.hangup(now, &far)).expect("hangs up");
    world.run(500);
    let log = resume(&mut world, A, &text);
    assert!(log.iter().any(|event| event.starts_with("ended ")), "{log:?}");
    assert!(world.phone(A).session(&call).is_none());
    world.assert_clean();
}

#[test]
fn a_call_that_rings_is_not_taken_along() {
    let mut world = World::new();
    world.ring();
    assert_eq!(reload(&mut world, A), None);
    assert!(world.log(B).contains(&"failed Canceled".to_owned()));
    world.assert_clean();
}

#[test]
fn a_snapshot_holds_no_secret_and_whatever_is_damaged_is_nothing() {
    let mut world = World::new();
    world.talk();
    let text = reload(&mut world, A).expect("there is a call");
    assert!(!text.contains("secret") && text.len() < 2_000, "{text}");
    let now = world.wall();
    let phone = || Driven::new(Phone::new(world.phone(A).config().clone()));
    let sessions = |text: &str| {
        let mut phone = phone();
        phone.turn(|phone| phone.resume(now, text, false), |_| ());
        phone.view().sessions().count()
    };
    assert_eq!(sessions(&text), 1);
    assert_eq!(sessions(&format!("{text}\u{1e}x")), 0, "all or nothing");
    assert_eq!(sessions(&text.replacen("calls 3", "calls 2", 1)), 0, "of another version");
    let shortened = (0..text.len()).filter(|&length| text.is_char_boundary(length));
    // Cut inside its last value it may still be read: never as more than it was.
    assert!(shortened.map(|length| sessions(&text[..length])).all(|count| count <= 1));
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii()) {
        for other in [b'\r', b'\n', b'0', 0x1d, 0x1e, byte.wrapping_add(1) & 0x7f] {
            let mut damaged = text.clone().into_bytes();
            damaged[at] = other;
            if let Ok(damaged) = String::from_utf8(damaged) {
                assert!(sessions(&damaged) <= 1);
            }
        }
    }
    // Nor does a second copy of a dialog.
    let (head, call) = text.split_once('\u{1e}').expect("a call");
    assert_eq!(sessions(&format!("{head}\u{1e}{call}\u{1e}{call}")), 1);
}
