//! Video: with the call, added to it, taken away, refused; and who is asked.

mod common;

use common::{A, B, World};
use offhook_core::media::Direction::{RecvOnly, SendOnly, SendRecv};
use offhook_core::{CallId, CallOptions, CommandId, MediaCommand, PhoneError, media::MediaError};

fn video() -> CallOptions {
    CallOptions { video: true, ..CallOptions::default() }
}

fn is_video(world: &World) -> (bool, bool) {
    let of = |who| world.phone(who).sessions().next().expect("a call").status().is_video;
    (of(A), of(B))
}

/// A calls with these options, B answers with those.
fn talk_with(world: &mut World, made: CallOptions, answered: CallOptions) -> (CallId, CallId) {
    let (_, a) = world.act(A, |phone, now| phone.call(now, "1001", made)).expect("calls");
    world.run(500);
    let b = world.call_of(B);
    world.act(B, |phone, now| phone.answer(now, &b, answered)).expect("answers");
    world.run(500);
    (a, b)
}

fn audio_to_video(world: &mut World, who: usize, call: &CallId) -> CommandId {
    world.act(who, |phone, now| phone.audio_to_video(now, call)).expect("begins")
}

fn video_to_audio(world: &mut World, who: usize, call: &CallId) -> CommandId {
    world.act(who, |phone, now| phone.video_to_audio(now, call)).expect("begins")
}

fn ask(world: &mut World, who: usize, call: &CallId) {
    world.act(who, |phone, now| phone.ask_for_video(now, call, true)).expect("asks");
}

fn agree(world: &mut World, who: usize, call: &CallId) {
    world.act(who, |phone, now| phone.agree_video(now, call, true)).expect("agrees");
}

/// Runs until the peer connection of this phone makes an answer.
fn until_it_answers(world: &mut World, who: usize) {
    world.clear(who);
    let answers = |world: &mut World| world.log(who).iter().any(|event| event == "sdp remote offer");
    assert!((0..100).any(|_| {
        world.run(1);
        answers(world)
    }));
}

/// How many offers a phone sent since last cleared.
fn offers(world: &World, who: usize) -> usize {
    world.sent(who).iter().filter(|sent| *sent == "INVITE").count()
}

/// How often a phone was told to let go of its camera.
fn ends(world: &mut World, who: usize) -> usize {
    world.media(who).asked.iter().filter(|command| **command == MediaCommand::EndVideo).count()
}

#[test]
fn the_camera_is_let_go_when_no_video_comes_about_and_not_while_it_still_may() {
    // Refused as a whole, as a part, by an answer to the call.
    let mut world = World::new();
    let (a, _) = world.talk();
    world.media(B).fail = Some(("answer", MediaError::BadDescription("no codec".to_owned())));
    audio_to_video(&mut world, A, &a);
    world.run(2_000);
    assert_eq!((is_video(&world), ends(&mut world, A)), ((false, false), 1));
    audio_to_video(&mut world, A, &a);
    world.run(2_000);
    assert_eq!((is_video(&world), ends(&mut world, A)), ((false, false), 2));
    world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(500);
    assert_eq!(ends(&mut world, A), 2, "there is none");
    let mut world = World::new();
    talk_with(&mut world, video(), CallOptions::default());
    assert_eq!((ends(&mut world, A), ends(&mut world, B)), (1, 0));

    // It meets another exchange, and is wanted still; a hold keeps it; then it is not wanted any more.
    let mut world = World::new();
    let (a, b) = world.talk();
    world.serve(|server, _| server.refuse_changes = Some(491));
    audio_to_video(&mut world, A, &a);
    world.run(1_000);
    assert_eq!(ends(&mut world, A), 0);
    world.serve(|server, _| server.refuse_changes = None);
    ask(&mut world, B, &b);
    world.run(5_000);
    agree(&mut world, B, &b);
    world.run(2_000);
    for who in [A, B] {
        let call = world.call_of(who);
        world.act(who, |phone, now| phone.hold(now, &call)).expect("holds");
    }
    world.run(2_000);
    assert_eq!((is_video(&world), ends(&mut world, A), ends(&mut world, B)), ((true, true), 0, 0));
    for who in [A, B] {
        let call = world.call_of(who);
        world.act(who, |phone, now| phone.unhold(now, &call)).expect("resumes");
    }
    world.run(2_000);
    video_to_audio(&mut world, B, &b);
    world.run(2_000);
    assert_eq!((is_video(&world), ends(&mut world, A), ends(&mut world, B)), ((false, false), 1, 1));
}

#[test]
fn who_agrees_to_video_without_a_camera_sees_and_is_not_seen() {
    let mut world = World::new();
    let (a, b) = world.talk();
    let none = offhook_core::Devices { inputs: Some((1, 0)), permission: offhook_core::Permission::Granted };
    world.act(B, |phone, _| phone.set_devices(none));
    ask(&mut world, B, &b);
    let command = audio_to_video(&mut world, A, &a);
    world.run(500);
    agree(&mut world, B, &b);
    world.run(2_000);
    assert_eq!((world.outcome(A, command), is_video(&world)), (Some(Ok(())), (true, true)));
    assert_eq!(world.media(B).videos(), [None, Some(RecvOnly)]);
}

#[test]
fn a_camera_that_does_not_open_refuses_the_video_and_nothing_else() {
    let mut world = World::new();
    let (a, b) = world.talk();
    ask(&mut world, B, &b);
    let command = audio_to_video(&mut world, A, &a);
    world.run(500);
    world.clear(B);
    world.media(B).fail = Some(("answer", MediaError::Device("in use".to_owned())));
    agree(&mut world, B, &b);
    world.run(5_000);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Refused { .. }))));
    assert_eq!((is_video(&world), offers(&world, B)), ((false, false), 0), "nor does an offer of B's follow");
}

#[test]
fn a_user_may_take_half_a_minute_to_allow_the_camera_and_no_longer() {
    for (seconds, taken) in [(29, true), (31, false)] {
        let mut world = World::new();
        let (a, b) = world.talk();
        ask(&mut world, B, &b);
        world.media(A).hang = Some("offer");
        let command = audio_to_video(&mut world, A, &a);
        world.run(seconds * 1_000);
        assert_eq!(world.outcome(A, command).is_none(), taken, "after {seconds} s");
    }
}

#[test]
fn a_call_made_and_answered_with_video_has_it() {
    let mut world = World::new();
    let (_, a) = world.act(A, |phone, now| phone.call(now, "1001", video())).expect("calls");
    world.run(500);
    assert_eq!(is_video(&world), (true, true), "it rings as a video call");
    let b = world.call_of(B);
    world.act(B, |phone, now| phone.answer(now, &b, video())).expect("answers");
    world.run(500);
    assert_eq!(is_video(&world), (true, true));
    assert_eq!((world.media(A).videos(), world.media(B).videos()), (vec![Some(SendRecv)], vec![Some(SendRecv)]));
    assert!(world.phone(A).session(&a).expect("there").remote_sdp().expect("answered").contains("m=video 9 "));
}

#[test]
fn a_video_call_answered_without_video_is_an_audio_call() {
    let mut world = World::new();
    let (a, _) = talk_with(&mut world, video(), CallOptions::default());
    assert_eq!(is_video(&world), (false, false));
    assert!(world.phone(A).session(&a).expect("there").remote_sdp().expect("answered").contains("m=video 0 "));
    assert!(world.log(A).iter().any(|event| event == "statusChange callStatus=talking isVideo=false"));
    world.run(5_000);
    assert_eq!(world.media(A).videos().len(), 1, "and it is not asked for again");
}

#[test]
fn an_audio_call_answered_with_video_is_an_audio_call() {
    let mut world = World::new();
    let (a, b) = talk_with(&mut world, CallOptions::default(), video());
    assert_eq!(is_video(&world), (false, false));
    let opened = |command: &MediaCommand| matches!(command, MediaCommand::Open { options } if options.video);
    assert!(!world.media(B).asked.iter().any(opened), "its camera stays off");
    world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.act(B, |phone, now| phone.renegotiate(now, &b, None)).expect("talking");
    world.run(2_000);
    assert!(world.media(B).videos().iter().all(Option::is_none), "and no exchange brings it");
}

#[test]
fn video_may_be_received_without_sending_any() {
    let mut world = World::new();
    let receive = CallOptions { offer_to_receive_video: true, ..CallOptions::default() };
    talk_with(&mut world, receive, video());
    assert_eq!(is_video(&world), (true, true));
    assert_eq!((world.media(A).videos(), world.media(B).videos()), (vec![Some(RecvOnly)], vec![Some(SendOnly)]));
}

#[test]
fn without_a_codec_in_common_the_video_is_refused_and_the_audio_goes_on() {
    let mut world = World::new();
    world.media(B).no_video = true;
    talk_with(&mut world, video(), video());
    assert_eq!(is_video(&world), (false, false));
}

#[test]
fn video_of_the_far_end_is_refused_when_nobody_is_to_be_asked() {
    let mut world = World::new();
    let (a, b) = world.talk();
    let command = audio_to_video(&mut world, A, &a);
    world.run(500);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Refused { status: 488, .. }))));
    assert_eq!(is_video(&world), (false, false));
    assert_eq!(world.log(B), ["reinvite video", "sdp remote offer", "sdp local answer"]);
    assert!(world.phone(B).session(&b).expect("there").local_sdp().expect("answered").contains("m=video 0 "));
    assert_eq!(world.log(A), ["sdp local offer", "sdp remote answer"], "the call goes on as it was");
}

#[test]
fn video_that_is_agreed_to_is_added_and_taken_away_by_either_side() {
    let mut world = World::new();
    let (a, b) = world.talk();
    ask(&mut world, B, &b);
    let command = audio_to_video(&mut world, A, &a);
    world.run(500);
    assert_eq!(world.log(B), ["reinvite video", "videoRequested 1000"]);
    assert_eq!(world.outcome(A, command), None, "the far end thinks about it");
    world.act(B, |phone, now| phone.agree_video(now, &b, true)).expect("agrees");
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(is_video(&world), (true, true));
    assert_eq!(world.log(B), ["sdp remote offer", "sdp local answer", "statusChange isVideo=true"]);
    let away = world.act(B, |phone, now| phone.video_to_audio(now, &b)).expect("begins");
    world.run(500);
    assert_eq!(world.outcome(B, away), Some(Ok(())));
    assert_eq!(is_video(&world), (false, false));
    // Again, the other way round; what is there already succeeds and says nothing.
    ask(&mut world, A, &a);
    let again = audio_to_video(&mut world, B, &b);
    world.run(500);
    world.act(A, |phone, now| phone.agree_video(now, &a, true)).expect("agrees");
    world.run(500);
    assert_eq!((world.outcome(B, again), is_video(&world)), (Some(Ok(())), (true, true)));
    world.clear(B);
    let known = audio_to_video(&mut world, B, &b);
    assert_eq!((world.outcome(B, known), world.log(B)), (Some(Ok(())), Vec::new()));
}

#[test]
fn video_that_nobody_decides_about_is_refused_after_half_a_minute() {
    let mut world = World::new();
    let (a, b) = world.talk();
    ask(&mut world, B, &b);
    let command = audio_to_video(&mut world, A, &a);
    world.run(29_000);
    assert_eq!(world.outcome(A, command), None);
    world.run(2_000);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Refused { .. }))));
    let late = world.act(B, |phone, now| phone.agree_video(now, &b, true));
    assert!(matches!(late, Err(PhoneError::WrongState { .. })));
    assert_eq!(is_video(&world), (false, false));
}

#[test]
fn a_hold_asked_for_meanwhile_waits_for_the_decision() {
    let mut world = World::new();
    let (a, b) = world.talk();
    ask(&mut world, B, &b);
    audio_to_video(&mut world, A, &a);
    world.run(500);
    let hold = world.act(B, |phone, now| phone.hold(now, &b)).expect("begins");
    world.run(500);
    assert_eq!(world.outcome(B, hold), None);
    world.act(B, |phone, now| phone.agree_video(now, &b, false)).expect("refuses");
    world.run(3_000);
    assert_eq!(world.outcome(B, hold), Some(Ok(())));
    assert_eq!(is_video(&world), (false, false));
}

#[test]
fn a_call_that_ends_while_somebody_is_asked_leaves_nothing() {
    let mut world = World::new();
    let (a, b) = world.talk();
    ask(&mut world, B, &b);
    let command = audio_to_video(&mut world, A, &a);
    world.run(500);
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    world.run(500);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Ended { .. }))));
    let late = world.act(B, |phone, now| phone.agree_video(now, &b, true));
    assert_eq!(late, Err(PhoneError::UnknownCall));
    world.assert_clean();
}

#[test]
fn a_hold_holds_the_video_too_and_keeps_it() {
    let mut world = World::new();
    let (a, _) = talk_with(&mut world, video(), video());
    world.media(A).videos();
    world.media(B).videos();
    world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(500);
    assert_eq!((world.media(A).videos(), world.media(B).videos()), (vec![Some(SendOnly)], vec![Some(RecvOnly)]));
    assert_eq!(is_video(&world), (true, true));
    world.act(A, |phone, now| phone.unhold(now, &a)).expect("resumes");
    world.run(500);
    assert_eq!((world.media(A).videos(), world.media(B).videos()), (vec![Some(SendRecv)], vec![Some(SendRecv)]));
}

#[test]
fn a_renegotiation_may_begin_and_end_the_receiving_of_video() {
    let mut world = World::new();
    let (a, b) = world.talk();
    ask(&mut world, B, &b);
    let receive = |world: &mut World, on| {
        let command = world.act(A, |phone, now| phone.renegotiate(now, &a, Some(on))).expect("begins");
        world.run(500);
        command
    };
    let command = receive(&mut world, true);
    world.act(B, |phone, now| phone.agree_video(now, &b, true)).expect("agrees");
    world.run(500);
    assert_eq!((world.outcome(A, command), is_video(&world)), (Some(Ok(())), (true, true)));
    assert_eq!(world.media(A).videos().last(), Some(&Some(RecvOnly)));
    let command = receive(&mut world, false);
    assert_eq!((world.outcome(A, command), is_video(&world)), (Some(Ok(())), (false, false)));
    assert_eq!(world.media(A).videos().last(), Some(&None));
}

#[test]
fn a_camera_is_needed_to_add_video() {
    let mut world = World::new();
    let (a, _) = world.talk();
    let none = offhook_core::Devices { inputs: Some((1, 0)), permission: offhook_core::Permission::Granted };
    world.act(A, |phone, _| phone.set_devices(none));
    assert_eq!(world.act(A, |phone, now| phone.audio_to_video(now, &a)), Err(PhoneError::NoCamera));
    assert_eq!(world.sent(A), common::NOTHING);

    world.act(A, |phone, now| phone.share_screen(now, &a)).expect("a screen needs none");
    world.run(500);
    assert_eq!(offers(&world, A), 1);
}

#[test]
fn before_the_answer_no_video_can_be_added() {
    let mut world = World::new();
    let (a, _) = world.ring();
    let refused = world.act(A, |phone, now| phone.audio_to_video(now, &a));
    assert!(matches!(refused, Err(PhoneError::WrongState { .. })));
}

#[test]
fn video_wished_while_the_far_end_takes_it_away_is_offered_anew() {
    for made in [video(), CallOptions { offer_to_receive_video: true, ..CallOptions::default() }] {
        let mut world = World::new();
        let (a, b) = talk_with(&mut world, video(), made);
        ask(&mut world, A, &a);
        let away = video_to_audio(&mut world, A, &a);
        until_it_answers(&mut world, B);
        world.clear(B);
        let again = audio_to_video(&mut world, B, &b);
        assert_eq!(world.outcome(B, again), None, "what is there is being taken away");
        world.run(2_000);
        assert_eq!((world.outcome(A, away), world.outcome(B, again)), (Some(Ok(())), None));
        agree(&mut world, A, &a);
        world.run(2_000);
        assert_eq!((world.outcome(B, again), is_video(&world)), (Some(Ok(())), (true, true)));
        assert_eq!(offers(&world, B), 1);
    }
}

#[test]
fn video_wished_while_that_of_the_far_end_is_refused_is_offered_anew() {
    let mut world = World::new();
    let (a, b) = world.talk();
    let refused = audio_to_video(&mut world, A, &a);
    until_it_answers(&mut world, B);
    let command = audio_to_video(&mut world, B, &b);
    ask(&mut world, A, &a);
    world.run(2_000);
    assert!(matches!(world.outcome(A, refused), Some(Err(PhoneError::Refused { status: 488, .. }))));
    agree(&mut world, A, &a);
    world.run(2_000);
    assert_eq!((world.outcome(B, command), is_video(&world)), (Some(Ok(())), (true, true)));
    assert_eq!(offers(&world, B), 1);
}

#[test]
fn video_taken_away_while_that_of_the_far_end_is_accepted_follows_it() {
    let mut world = World::new();
    let (a, b) = world.talk();
    world.media(B).videos();
    ask(&mut world, B, &b);
    let added = audio_to_video(&mut world, A, &a);
    world.run(2_000);
    agree(&mut world, B, &b);
    world.clear(B);
    let away = video_to_audio(&mut world, B, &b);
    assert_eq!(world.outcome(B, away), None, "it is being added");
    world.run(2_000);
    assert_eq!((world.outcome(A, added), world.outcome(B, away)), (Some(Ok(())), Some(Ok(()))));
    assert_eq!((is_video(&world), offers(&world, B)), ((false, false), 1));
    let mut described = world.media(B).videos();
    described.dedup();
    assert_eq!(described, [Some(SendRecv), None]);
}

#[test]
fn video_taken_away_while_a_hold_is_answered_follows_it() {
    let mut world = World::new();
    let (a, b) = talk_with(&mut world, video(), video());
    world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    until_it_answers(&mut world, B);
    world.clear(B);
    world.media(A).videos();
    let away = video_to_audio(&mut world, B, &b);
    world.run(2_000);
    assert_eq!((world.outcome(B, away), is_video(&world)), (Some(Ok(())), (false, false)));
    assert_eq!((offers(&world, B), world.media(A).videos()), (1, vec![None]), "the far end was told");
}

#[test]
fn a_renegotiation_does_not_bring_back_what_the_far_end_takes_away() {
    let mut world = World::new();
    let (a, b) = talk_with(&mut world, video(), video());
    video_to_audio(&mut world, A, &a);
    until_it_answers(&mut world, B);
    world.media(B).videos();
    let command = world.act(B, |phone, now| phone.renegotiate(now, &b, Some(false))).expect("begins");
    world.run(2_000);
    assert_eq!((world.outcome(B, command), is_video(&world)), (Some(Ok(())), (false, false)));
    assert!(world.media(B).videos().iter().all(Option::is_none));
}

#[test]
fn wishes_while_an_offer_of_ours_is_under_way_follow_it() {
    let mut world = World::new();
    let (a, b) = world.talk();
    let under_way = |world: &mut World| {
        world.clear(A);
        world.run(20);
        assert_eq!(offers(world, A), 1);
    };
    // Added, and taken away before the answer.
    ask(&mut world, B, &b);
    let on = audio_to_video(&mut world, A, &a);
    under_way(&mut world);
    let off = video_to_audio(&mut world, A, &a);
    world.run(100);
    agree(&mut world, B, &b);
    world.run(2_000);
    assert_eq!((world.outcome(A, on), world.outcome(A, off)), (Some(Ok(())), Some(Ok(()))));
    assert_eq!((is_video(&world), offers(&world, A)), ((false, false), 2));
    // The last wish is what is on its way already.
    let on = audio_to_video(&mut world, A, &a);
    under_way(&mut world);
    let off = video_to_audio(&mut world, A, &a);
    let again = audio_to_video(&mut world, A, &a);
    assert_eq!(world.outcome(A, off), Some(Err(PhoneError::Superseded)));
    world.run(100);
    agree(&mut world, B, &b);
    world.run(2_000);
    assert_eq!((world.outcome(A, on), world.outcome(A, again)), (Some(Ok(())), Some(Ok(()))));
    assert_eq!((is_video(&world), offers(&world, A)), ((true, true), 1));
    // Taken away, and added before the answer.
    let off = video_to_audio(&mut world, A, &a);
    under_way(&mut world);
    let on = audio_to_video(&mut world, A, &a);
    world.run(100);
    assert_eq!((world.outcome(A, off), world.outcome(A, on)), (Some(Ok(())), None));
    agree(&mut world, B, &b);
    world.run(2_000);
    assert_eq!(world.outcome(A, on), Some(Ok(())));
    assert_eq!((is_video(&world), offers(&world, A)), ((true, true), 2));
}

#[test]
fn wishes_that_cancel_out_under_an_offer_that_met_another_wait_for_nothing() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.serve(|server, _| server.refuse_changes = Some(491));
    let on = audio_to_video(&mut world, A, &a);
    world.run(10);
    let off = video_to_audio(&mut world, A, &a);
    assert_eq!((world.outcome(A, on), world.outcome(A, off)), (None, None));
    world.run(100);
    assert_eq!((world.outcome(A, on), world.outcome(A, off)), (Some(Err(PhoneError::Superseded)), Some(Ok(()))));
    world.run(5_000);
    assert_eq!((is_video(&world), offers(&world, A)), ((false, false), 1));
    // Those to hold as well.
    let hold = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(10);
    let resume = world.act(A, |phone, now| phone.unhold(now, &a)).expect("resumes");
    world.run(100);
    assert_eq!((world.outcome(A, hold), world.outcome(A, resume)), (Some(Err(PhoneError::Superseded)), Some(Ok(()))));
}

#[test]
fn a_wish_made_under_an_offer_that_is_refused_is_offered_after_it() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.clear(A);
    world.media(B).fail = Some(("answer", MediaError::BadDescription("no codec".to_owned())));
    let on = audio_to_video(&mut world, A, &a);
    world.run(20);
    assert_eq!(offers(&world, A), 1);
    let hold = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(2_000);
    assert!(matches!(world.outcome(A, on), Some(Err(PhoneError::Refused { status: 488, .. }))));
    assert_eq!((world.outcome(A, hold), offers(&world, A)), (Some(Ok(())), 2));
    assert!(world.phone(A).session(&a).expect("there").status().is_hold);
    assert_eq!(is_video(&world), (false, false));
}

#[test]
fn a_wish_that_waited_too_long_takes_no_other_with_it() {
    let mut world = World::new();
    let (a, b) = world.talk();
    world.serve(|server, _| server.refuse_changes = Some(491));
    let hold = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(30_000);
    let on = audio_to_video(&mut world, A, &a);
    world.run(31_000);
    assert_eq!((world.outcome(A, hold), world.outcome(A, on)), (Some(Err(PhoneError::Timeout)), None));
    world.serve(|server, _| server.refuse_changes = None);
    ask(&mut world, B, &b);
    world.run(5_000);
    agree(&mut world, B, &b);
    world.run(2_000);
    assert_eq!((world.outcome(A, on), is_video(&world)), (Some(Ok(())), (true, true)));
    assert!(!world.phone(A).session(&a).expect("there").status().is_hold, "nobody waits for that any more");
}

/// What the microphone of a phone was told, since last asked.
fn muted(world: &mut World, who: usize) -> Vec<bool> {
    let asked = std::mem::take(&mut world.media(who).asked).into_iter();
    asked.filter_map(|command| if let MediaCommand::SetMuted(muted) = command { Some(muted) } else { None }).collect()
}

#[test]
fn who_is_held_while_the_browser_asks_for_the_camera_hears_the_microphone_no_more() {
    let mut world = World::new();
    let (a, _) = world.talk();
    muted(&mut world, A);
    world.media(A).hang = Some("offer");
    audio_to_video(&mut world, A, &a);
    world.run(1_000);
    let hold = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    assert_eq!((muted(&mut world, A), world.outcome(A, hold)), (vec![true], None), "at once");
    // Resumed before it was told to the far end.
    world.act(A, |phone, now| phone.unhold(now, &a)).expect("resumes");
    assert_eq!(muted(&mut world, A), [false]);
    world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.media(A).hang = None;
    world.run(35_000);
    assert!(world.phone(A).session(&a).is_some_and(|call| call.status().is_hold));
    assert_eq!(muted(&mut world, A), [true], "once");
}

#[test]
fn a_hold_that_is_refused_or_given_up_leaves_nobody_silent() {
    for (status, until) in [(488, 2_000), (491, 62_000)] {
        let mut world = World::new();
        let (a, _) = world.talk();
        muted(&mut world, A);
        world.serve(|server, _| server.refuse_changes = Some(status));
        let hold = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
        assert_eq!(muted(&mut world, A), [true]);
        world.run(until);
        assert!(matches!(world.outcome(A, hold), Some(Err(_))));
        assert_eq!(muted(&mut world, A), [false], "{status}");
    }
}

/// The server offers B video by UPDATE.
fn update_with_video(world: &mut World) {
    world.serve(|server, now| {
        let offer = common::sdp_with(50, 2, SendRecv) + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendrecv\r\n";
        let modify =
            offhook_sip::Modify { method: offhook_sip::ModifyMethod::Update, offer: Some(offer), headers: Vec::new() };
        let leg = server.leg_of(B);
        server.act(now, |agent| agent.modify(now, leg, modify)).expect("updates");
    });
}

#[test]
fn nobody_is_asked_about_video_in_an_update() {
    let mut world = World::new();
    let (_, b) = world.talk();
    ask(&mut world, B, &b);
    world.clear(B);
    update_with_video(&mut world);
    world.run(500);
    // Whoever sent it waits no longer than 32 s, and a user may.
    assert_eq!(world.sent(B), ["200 UPDATE"]);
    assert_eq!(world.log(B), ["sdp remote offer", "sdp local answer"]);
    assert!(!is_video(&world).1);
}

#[test]
fn an_update_does_not_wait_for_the_camera_as_long_as_a_reinvite() {
    let mut world = World::new();
    let (_, b) = world.talk();
    world.media(B).hang = Some("offer");
    audio_to_video(&mut world, B, &b);
    world.media(B).hang = Some("answer");
    world.clear(B);
    update_with_video(&mut world);
    world.run(16_000);
    assert_eq!(world.sent(B)[0], "500 UPDATE");
}
