//! Recording: by a feature code, by INFO and locally, and who may.

mod common;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use common::{A, B, World};
use offhook_core::events::SessionEvent;
use offhook_core::media::MediaError;
use offhook_core::{
    CallId, CallOptions, CommandId, Input, MediaCommand, MediaEvent, PhoneError, PhoneEvent, RecordMethod,
    RecordPermissions, RecordStatus, StatusPatch,
};
use offhook_sip::HeaderField;

fn start(world: &mut World, call: &CallId) -> Result<CommandId, PhoneError> {
    world.act(A, |phone, now| phone.start_record(now, call))
}

fn pause(world: &mut World, call: &CallId) -> Result<CommandId, PhoneError> {
    world.act(A, |phone, now| phone.pause_record(now, call))
}

fn status(world: &World, call: &CallId) -> RecordStatus {
    world.phone(A).session(call).expect("there").status().record_status
}

/// What the recorder was asked.
fn recorder(world: &mut World) -> Vec<MediaCommand> {
    let of_recorder = |command: &MediaCommand| {
        matches!(command, MediaCommand::StartRecording { .. } | MediaCommand::PauseRecording(_))
    };
    std::mem::take(&mut world.media(A).asked).into_iter().filter(of_recorder).collect()
}

/// The DTMF that was sent.
fn tones(world: &mut World) -> Vec<String> {
    std::mem::take(&mut world.media(A).asked)
        .into_iter()
        .filter_map(|command| if let MediaCommand::SendDtmf { tones, .. } = command { Some(tones) } else { None })
        .collect()
}

/// The server says whether it records the call of A.
fn notice(world: &mut World, value: &str) {
    world.serve(|server, now| {
        let leg = server.leg_of(A);
        let header = HeaderField::new("Record", value).expect("a header");
        server.act(now, |agent| agent.request(now, leg, "INFO", vec![header], None)).expect("sends");
    });
    world.run(100);
}

fn by_code() -> World {
    World::with(|config| config.record = RecordMethod::FeatureCode("*1".to_owned()))
}

fn in_directory() -> World {
    World::with(|config| config.record = RecordMethod::Local { directory: PathBuf::from("/calls") })
}

fn path_of(commands: &[MediaCommand]) -> PathBuf {
    match commands {
        [MediaCommand::StartRecording { path, .. }] => path.clone(),
        other => panic!("one start, not {other:?}"),
    }
}

#[test]
fn a_local_recording_starts_pauses_and_goes_on_in_one_file() {
    let mut world = in_directory();
    let (a, _) = world.talk();
    let command = start(&mut world, &a).expect("starts");
    world.run(10);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(world.log(A), ["statusChange recordStatus=recording"]);
    let path = path_of(&recorder(&mut world));
    assert_eq!(path.parent(), Some(Path::new("/calls")));
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.contains("-1001-") && name.ends_with(".wav"), "{name}");
    assert_eq!(world.phone(A).session(&a).expect("there").recording_path(), Some(&*path));

    let command = pause(&mut world, &a).expect("pauses");
    assert_eq!((world.outcome(A, command), status(&world, &a)), (Some(Ok(())), RecordStatus::Pause));
    let again = pause(&mut world, &a).expect("is paused");
    assert_eq!(world.outcome(A, again), Some(Ok(())));
    let command = start(&mut world, &a).expect("goes on");
    assert_eq!((world.outcome(A, command), status(&world, &a)), (Some(Ok(())), RecordStatus::Recording));
    let again = start(&mut world, &a).expect("is recorded");
    assert_eq!(world.outcome(A, again), Some(Ok(())));
    assert_eq!(recorder(&mut world), [MediaCommand::PauseRecording(true), MediaCommand::PauseRecording(false)]);
    assert_eq!(world.log(A), ["statusChange recordStatus=pause", "statusChange recordStatus=recording"]);
    assert_eq!(world.sent(A), common::NOTHING, "the far end is not asked");
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    world.assert_clean();
}

#[test]
fn a_file_that_cannot_be_written_is_a_typed_error_and_the_call_goes_on() {
    let mut world = in_directory();
    let (a, _) = world.talk();
    world.media(A).fail = Some(("record", MediaError::Other("read-only file system".to_owned())));
    let command = start(&mut world, &a).expect("tries");
    world.run(100);
    let Some(Err(PhoneError::Recording { path, detail })) = world.outcome(A, command) else { panic!("a typed error") };
    assert!(path.starts_with("/calls/") && detail == "read-only file system", "{path}: {detail}");
    assert_eq!((status(&world, &a), world.log(A)), (RecordStatus::Stop, vec![]));
    assert!(world.phone(A).session(&a).expect("goes on").recording_path().is_none());
    // The disk is there again.
    recorder(&mut world);
    start(&mut world, &a).expect("starts");
    world.run(100);
    assert_eq!(status(&world, &a), RecordStatus::Recording);
    assert_eq!(path_of(&recorder(&mut world)), Path::new(&path));
}

#[test]
fn a_recorder_that_says_nothing_has_a_deadline() {
    let mut world = in_directory();
    let (a, _) = world.talk();
    world.media(A).hang = Some("record");
    let command = start(&mut world, &a).expect("tries");
    world.run(11_000);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Recording { .. }))));
}

#[test]
fn a_recording_that_breaks_off_is_told_and_what_was_written_is_kept() {
    let mut world = in_directory();
    let (a, _) = world.talk();
    start(&mut world, &a).expect("starts");
    world.run(100);
    let first = path_of(&recorder(&mut world));
    world.clear(A);
    let event = MediaEvent::RecordingFailed { error: MediaError::Other("disk full".to_owned()) };
    let input = Input::Media { call_id: a.clone(), event };
    world.act(A, |phone, now| phone.handle_input(now, input.clone()));
    world.act(A, |phone, now| phone.handle_input(now, input));
    assert_eq!(world.log(A), ["statusChange recordStatus=stop", "warningMessage recording-failed"], "once");
    start(&mut world, &a).expect("starts again");
    world.run(100);
    let second = path_of(&recorder(&mut world));
    assert_eq!(
        second.file_stem().expect("a name").to_str(),
        first.file_stem().and_then(|s| s.to_str()).map(|s| format!("{s}-2")).as_deref()
    );
}

#[test]
fn permissions_refuse_and_their_change_is_told_once() {
    let mut world = in_directory();
    let (a, _) = world.talk();
    let permit = |world: &mut World, permissions| {
        world.act(A, |phone, now| phone.set_record_permissions(now, permissions));
    };
    let refused = |result: Result<CommandId, PhoneError>| matches!(result, Err(PhoneError::NotPermitted { .. }));
    assert_eq!(world.phone(A).record_permissions(), RecordPermissions::All);
    permit(&mut world, RecordPermissions::None);
    permit(&mut world, RecordPermissions::None);
    let told = world.events(A);
    assert_eq!(told, [PhoneEvent::RecordPermissionsChange { record_permissions: RecordPermissions::None }]);
    assert_eq!(serde_json::to_value(&told[0]).expect("serialises")["recordPermissions"], 0);
    assert!(refused(start(&mut world, &a)) && refused(pause(&mut world, &a)));
    let options = CallOptions { record_to: Some("/x.wav".into()), ..CallOptions::default() };
    world.run(1_000);
    assert!(refused(world.act(A, |phone, now| phone.call(now, "1001", options).map(|(command, _)| command))));

    permit(&mut world, RecordPermissions::PauseResume);
    assert!(refused(start(&mut world, &a)), "nothing to resume");
    permit(&mut world, RecordPermissions::All);
    start(&mut world, &a).expect("starts");
    world.run(100);
    permit(&mut world, RecordPermissions::PauseResume);
    pause(&mut world, &a).expect("pauses");
    start(&mut world, &a).expect("resumes");
    assert_eq!(status(&world, &a), RecordStatus::Recording);
    permit(&mut world, RecordPermissions::None);
    assert!(refused(start(&mut world, &a)) && refused(pause(&mut world, &a)));
    assert_eq!(status(&world, &a), RecordStatus::Recording, "what is recorded goes on");
}

#[test]
fn what_cannot_be_recorded_is_refused() {
    let mut world = in_directory();
    let (a, b) = world.ring();
    for call in [&a, &b] {
        let refused = world.act(if *call == a { A } else { B }, |phone, now| phone.start_record(now, call));
        assert!(matches!(refused, Err(PhoneError::WrongState { .. })));
    }
    let unknown = CallId::new("nobody");
    assert_eq!(start(&mut world, &unknown), Err(PhoneError::UnknownCall));
    let mut world = in_directory();
    let (a, _) = world.talk();
    assert!(matches!(pause(&mut world, &a), Err(PhoneError::WrongState { .. })), "it is not recorded");
}

#[test]
fn a_feature_code_is_sent_as_dtmf_and_the_status_follows_the_servers_word() {
    let mut world = by_code();
    let (a, _) = world.talk();
    let command = start(&mut world, &a).expect("asks");
    world.run(600);
    assert_eq!(tones(&mut world), ["*1"]);
    assert_eq!((status(&world, &a), world.outcome(A, command)), (RecordStatus::Stop, None), "nobody said it yet");
    notice(&mut world, "on");
    assert_eq!((status(&world, &a), world.outcome(A, command)), (RecordStatus::Recording, Some(Ok(()))));
    // Once more would turn it off.
    let again = start(&mut world, &a).expect("is recorded");
    assert_eq!((world.outcome(A, again), tones(&mut world)), (Some(Ok(())), vec![]));
    let command = pause(&mut world, &a).expect("asks");
    // The server may be faster than the last gap.
    world.run(150);
    notice(&mut world, " OFF ");
    assert_eq!(status(&world, &a), RecordStatus::Pause);
    world.run(600);
    assert_eq!((world.outcome(A, command), tones(&mut world)), (Some(Ok(())), vec!["*1".to_owned()]));
    // And it may begin by itself.
    notice(&mut world, "on");
    assert_eq!(status(&world, &a), RecordStatus::Recording);
    notice(&mut world, "perhaps");
    assert_eq!(status(&world, &a), RecordStatus::Recording);
}

#[test]
fn start_and_pause_at_once_send_the_code_one_after_the_other() {
    let mut world = by_code();
    let (a, _) = world.talk();
    let first = start(&mut world, &a).expect("asks");
    let second = pause(&mut world, &a).expect("waits");
    world.run(600);
    assert_eq!(tones(&mut world), ["*1"], "the second has to wait");
    notice(&mut world, "on");
    world.run(600);
    assert_eq!((world.outcome(A, first), world.outcome(A, second)), (Some(Ok(())), None));
    assert_eq!(tones(&mut world), ["*1"]);
    notice(&mut world, "off");
    assert_eq!((world.outcome(A, second), status(&world, &a)), (Some(Ok(())), RecordStatus::Pause));
}

#[test]
fn in_a_conference_call_the_status_changes_at_once() {
    let mut world = by_code();
    let (a, _) = world.talk();
    let patch = StatusPatch { is_conference: Some(true), ..StatusPatch::default() };
    world.act(A, |phone, now| phone.set_status(now, &a, patch)).expect("sets");
    let command = start(&mut world, &a).expect("asks");
    assert_eq!(status(&world, &a), RecordStatus::Recording);
    world.run(600);
    assert_eq!((world.outcome(A, command), tones(&mut world)), (Some(Ok(())), vec!["*1".to_owned()]));
    // Tones that cannot be sent change nothing.
    world.media(A).fail = Some(("dtmf", MediaError::Other("no telephone-event".to_owned())));
    let command = pause(&mut world, &a).expect("asks");
    assert_eq!(status(&world, &a), RecordStatus::Pause);
    world.run(600);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::LocalStream { .. }))));
    assert_eq!(status(&world, &a), RecordStatus::Recording);
}

#[test]
fn a_server_that_does_not_know_the_feature_code_times_out_and_a_code_that_is_no_dtmf_is_told() {
    let mut world = by_code();
    let (a, _) = world.talk();
    let command = start(&mut world, &a).expect("asks");
    world.run(9_000);
    assert_eq!(world.outcome(A, command), None);
    world.run(3_000);
    assert_eq!((world.outcome(A, command), status(&world, &a)), (Some(Err(PhoneError::Timeout)), RecordStatus::Stop));
    let mut world = World::with(|config| config.record = RecordMethod::FeatureCode("record".to_owned()));
    let (a, _) = world.talk();
    let command = start(&mut world, &a).expect("is looked at");
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::InvalidArgument { .. }))));
}

#[test]
fn by_info_the_header_is_sent_and_the_answer_counts() {
    let mut world = World::with(|config| config.record = RecordMethod::Info);
    let (a, _) = world.talk();
    let sent = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&sent);
    world.lose = Box::new(move |who, from, text| {
        if who == A && from && text.starts_with("INFO") {
            seen.borrow_mut().extend(text.lines().filter(|line| line.starts_with("Record:")).map(str::to_owned));
        }
        false
    });
    let first = start(&mut world, &a).expect("asks");
    let second = pause(&mut world, &a).expect("waits");
    assert_eq!(status(&world, &a), RecordStatus::Stop, "nobody agreed yet");
    world.run(200);
    assert_eq!((world.outcome(A, first), world.outcome(A, second)), (Some(Ok(())), Some(Ok(()))));
    assert_eq!(*sent.borrow(), ["Record: on", "Record: off"]);
    assert_eq!(world.log(A), ["statusChange recordStatus=recording", "statusChange recordStatus=pause"]);
}

#[test]
fn a_server_that_refuses_the_info_changes_nothing() {
    let mut world = World::with(|config| config.record = RecordMethod::Info);
    let (_, call) = world.act(A, |phone, now| phone.call(now, "607", CallOptions::default())).expect("calls");
    world.run(500);
    let command = start(&mut world, &call).expect("asks");
    world.run(200);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Refused { status: 405, .. }))));
    assert_eq!(status(&world, &call), RecordStatus::Stop);
}

#[test]
fn a_call_can_be_recorded_from_its_answer_on_whatever_the_phones_method() {
    let mut world = by_code();
    let options = CallOptions { record_to: Some("/mine.wav".into()), ..CallOptions::default() };
    let (_, a) = world.act(A, |phone, now| phone.call(now, "1001", options)).expect("calls");
    world.run(500);
    assert_eq!((status(&world, &a), recorder(&mut world)), (RecordStatus::Stop, vec![]), "it only rings");
    let b = world.call_of(B);
    world.act(B, |phone, now| phone.answer(now, &b, CallOptions::default())).expect("answers");
    world.run(500);
    assert_eq!(status(&world, &a), RecordStatus::Recording);
    assert_eq!(path_of(&recorder(&mut world)), Path::new("/mine.wav"));
    pause(&mut world, &a).expect("pauses");
    assert_eq!(
        (status(&world, &a), recorder(&mut world)),
        (RecordStatus::Pause, vec![MediaCommand::PauseRecording(true)])
    );
    // The server's recording is not this one.
    notice(&mut world, "on");
    assert_eq!(status(&world, &a), RecordStatus::Pause);
}

#[test]
fn a_recording_wanted_from_the_answer_on_that_cannot_be_is_a_warning() {
    let mut world = World::new();
    let (_, b) = world.ring();
    world.media(B).fail = Some(("record", MediaError::Other("no such directory".to_owned())));
    let options = CallOptions { record_to: Some("/nowhere/x.wav".into()), ..CallOptions::default() };
    let answer = world.act(B, |phone, now| phone.answer(now, &b, options)).expect("answers");
    world.run(500);
    assert_eq!(world.outcome(B, answer), Some(Ok(())));
    let warnings: Vec<_> = world
        .events(B)
        .into_iter()
        .filter_map(|event| match event {
            PhoneEvent::Session(SessionEvent::WarningMessage { code, message, .. }) => Some((code, message)),
            _ => None,
        })
        .collect();
    assert_eq!(warnings, [("recording-failed", "no such directory".to_owned())]);
    assert_eq!(world.phone(B).session(&b).expect("goes on").status().record_status, RecordStatus::Stop);
}

#[test]
fn recording_commands_whose_call_ends_are_settled() {
    for configure in [RecordMethod::FeatureCode("*1".to_owned()), RecordMethod::Info, RecordMethod::default()] {
        let mut world = World::with(|config| config.record = configure.clone());
        let (a, b) = world.talk();
        world.media(A).hang = Some("record");
        let commands = [start(&mut world, &a).expect("asks"), pause(&mut world, &a).expect("waits")];
        world.act(B, |phone, now| phone.hangup(now, &b)).expect("hangs up");
        world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
        world.run(1_000);
        for command in commands {
            assert!(world.outcome(A, command).is_some(), "{configure:?}");
        }
        world.media(A).hang = None;
        world.assert_clean();
    }
}

/// Every command on its way is over within this of the server's refusal, ms.
const PROMPTLY: u64 = 150;

fn is_refused(world: &World, command: CommandId) -> bool {
    matches!(world.outcome(A, command), Some(Err(PhoneError::Refused { status: 403, .. })))
}

#[test]
fn a_server_that_refuses_a_feature_code_is_heard_at_once() {
    let mut world = by_code();
    let (a, _) = world.talk();
    let command = start(&mut world, &a).expect("starts");
    world.run(600);
    assert_eq!(world.outcome(A, command), None);
    notice(&mut world, "off");
    assert!(is_refused(&world, command), "{:?}", world.outcome(A, command));
    assert_eq!(status(&world, &a), RecordStatus::Stop);
    // The other way round, and then it works.
    let command = start(&mut world, &a).expect("starts");
    world.run(600);
    notice(&mut world, "on");
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    let command = pause(&mut world, &a).expect("pauses");
    world.run(600);
    notice(&mut world, "on");
    assert!(is_refused(&world, command));
    assert_eq!(status(&world, &a), RecordStatus::Recording);
}

#[test]
fn a_refusal_counts_while_the_last_gap_is_still_sent() {
    let mut world = by_code();
    let (a, _) = world.talk();
    world.media(A).hang = Some("dtmf");
    let command = start(&mut world, &a).expect("starts");
    world.run(210);
    notice(&mut world, "off");
    assert!(is_refused(&world, command), "{:?}", world.outcome(A, command));
}

#[test]
fn what_the_server_says_again_before_it_can_have_heard_the_code_is_no_refusal() {
    let mut world = by_code();
    let (a, _) = world.talk();
    let first = start(&mut world, &a).expect("starts");
    world.run(600);
    notice(&mut world, "on");
    assert_eq!(world.outcome(A, first), Some(Ok(())));
    world.media(A).hang = Some("dtmf");
    let second = pause(&mut world, &a).expect("pauses");
    let third = start(&mut world, &a).expect("goes on, after that");
    notice(&mut world, "on");
    assert_eq!((world.outcome(A, second), world.outcome(A, third)), (None, None));
    world.run(PROMPTLY);
    notice(&mut world, "on");
    assert!(is_refused(&world, second));
    assert_eq!(world.outcome(A, third), Some(Ok(())), "it is recorded already");
}
