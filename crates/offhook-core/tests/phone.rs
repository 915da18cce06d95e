//! The phone and its set of calls: what refuses a call, how many there may be, which one the user looks at.

mod common;

use common::{A, B, World};
use offhook_core::{CallId, CallOptions, Devices, Permission, PhoneError};
use offhook_sip::HeaderField;

fn refused(world: &mut World, number: &str, options: CallOptions) -> Result<(), i32> {
    world.act(A, |phone, now| phone.call(now, number, options)).map(drop).map_err(|error| error.code())
}

fn current(world: &World) -> Option<String> {
    world.phone(A).current_session().map(|session| session.status().number.clone())
}

#[test]
fn each_refusal_of_a_call_comes_before_the_next_one_of_the_contract() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.run(2_000);
    // Everything is wrong; then one thing after the other is put right.
    let video = || CallOptions { video: true, ..CallOptions::default() };
    let devices = |inputs, permission| Devices { inputs, permission };
    world.act(A, |phone, _| phone.set_devices(devices(Some((1, 1)), Permission::Granted)));
    world.act(A, |phone, now| phone.call(now, "606", video())).expect("calls");
    world.act(A, |phone, _| phone.set_devices(devices(None, Permission::Denied)));
    world.run(100);
    assert_eq!(refused(&mut world, "", video()), Err(-210), "a call that still rings");
    let ringing = world.phone(A).current_session_id().expect("the new call").clone();
    world.act(A, |phone, now| phone.hangup(now, &ringing)).expect("hangs up");
    world.run(100);
    assert_eq!(refused(&mut world, "", video()), Err(-209), "no number");
    assert_eq!(refused(&mut world, "607", video()), Err(-208), "within a second");
    world.run(1_000);
    world.serve(|server, now| server.call_without_offer(now, A));
    world.run(100);
    assert_eq!(refused(&mut world, "607", video()), Err(-210), "an inbound call rings");
    let inbound = world.phone(A).incoming_list().next().expect("rings").call_id().clone();
    world.act(A, |phone, now| phone.answer(now, &inbound, CallOptions::default())).expect("answers");
    world.run(500);
    assert_eq!(refused(&mut world, "607", video()), Err(-205), "two calls");
    let consult = |world: &mut World, parent: &CallId| {
        world.act(A, |phone, now| phone.consult(now, parent, "607", video())).map(drop).map_err(|error| error.code())
    };
    let unknown = CallId::from("nonsense");
    assert_eq!(consult(&mut world, &unknown), Err(-206), "a consultation does not count");
    world.act(A, |phone, _| phone.set_devices(devices(Some((0, 0)), Permission::Denied)));
    assert_eq!(consult(&mut world, &unknown), Err(-290));
    world.act(A, |phone, _| phone.set_devices(devices(Some((1, 0)), Permission::Denied)));
    assert_eq!(consult(&mut world, &unknown), Err(-291));
    world.act(A, |phone, _| phone.set_devices(devices(Some((1, 1)), Permission::Denied)));
    assert_eq!(consult(&mut world, &unknown), Err(-202));
    world.act(A, |phone, _| phone.set_devices(Devices::default()));
    assert_eq!(consult(&mut world, &unknown), Err(-207));
    world.kill_server();
    assert_eq!(consult(&mut world, &a), Err(-200), "not connected");
}

#[test]
fn a_ringing_consultation_call_refuses_the_next_call() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.run(1_000);
    world.act(A, |phone, now| phone.consult(now, &a, "606", CallOptions::default())).expect("consults");
    world.run(2_000);
    assert!(!world.phone(A).is_max_call(), "a consultation call does not count");
    assert_eq!(refused(&mut world, "607", CallOptions::default()), Err(-210));
}

#[test]
fn answering_refuses_an_unknown_call_before_one_that_is_not_connected() {
    let mut world = World::new();
    world.serve(|server, now| server.call_without_offer(now, A));
    world.serve(|server, now| server.call_without_offer(now, A));
    world.run(100);
    let ringing: Vec<CallId> = world.phone(A).incoming_list().map(|session| session.call_id().clone()).collect();
    world.media(A).hang = Some("offer");
    world.act(A, |phone, now| phone.answer(now, &ringing[0], CallOptions::default())).expect("answers");
    let answer = |world: &mut World, call: &CallId| {
        world.act(A, |phone, now| phone.answer(now, call, CallOptions::default())).map_err(|error| error.code())
    };
    assert_eq!(answer(&mut world, &CallId::from("nonsense")), Err(-211));
    assert_eq!(answer(&mut world, &ringing[0]), Err(-211), "it does not ring any more");
    assert_eq!(answer(&mut world, &ringing[1]), Err(-210));
}

#[test]
fn answering_with_video_needs_a_camera() {
    let mut world = World::new();
    let (_, b) = world.ring();
    world.act(B, |phone, _| phone.set_devices(Devices { inputs: Some((1, 0)), permission: Permission::Granted }));
    assert!(world.phone(B).is_none_camera());
    let video = CallOptions { video: true, ..CallOptions::default() };
    assert_eq!(world.act(B, |phone, now| phone.answer(now, &b, video)), Err(PhoneError::NoCamera));
    assert!(world.phone(B).session(&b).expect("there").status().is_ring, "it rings on");
}

#[test]
fn the_limit_counts_what_rings_and_what_talks_and_the_server_may_lower_it() {
    let mut world = World::new();
    assert!(!world.phone(A).is_max_call());
    world.act(A, |phone, _| phone.set_call_waiting(false));
    assert!(!world.phone(A).is_max_call());
    world.serve(|server, now| server.call_without_offer(now, A));
    world.run(100);
    assert!(world.phone(A).is_max_call());
    world.act(A, |phone, _| phone.set_call_waiting(true));
    assert!(!world.phone(A).is_max_call());
    world.serve(|server, now| server.call_without_offer(now, A));
    world.run(100);
    assert!(world.phone(A).is_max_call());
    assert_eq!(world.phone(A).incoming_list().count(), 2);
}

#[test]
fn a_phone_made_without_call_waiting_stays_without() {
    let mut world = World::with(|config| config.call_waiting = false);
    world.act(A, |phone, _| phone.set_call_waiting(true));
    world.talk();
    assert!(world.phone(A).is_max_call());
}

#[test]
fn the_current_call_is_the_one_last_made_answered_resumed_or_chosen() {
    let mut world = World::new();
    assert_eq!(current(&world), None);
    let (a, _) = world.talk();
    assert_eq!(world.phone(A).current_session_id(), Some(&a));
    world.serve(|server, now| server.call_without_offer(now, A));
    world.run(100);
    assert_eq!(current(&world).as_deref(), Some("1001"), "a call that only rings is not looked at");
    let second = world.phone(A).incoming_list().next().expect("rings").call_id().clone();
    world.act(A, |phone, now| phone.answer(now, &second, CallOptions::default())).expect("answers");
    world.run(500);
    assert_eq!(world.phone(A).current_session_id(), Some(&second));
    world.act(A, |phone, _| phone.set_current_session(Some(&a))).expect("chooses");
    assert_eq!(world.phone(A).current_session_id(), Some(&a));
    assert!(world.phone(A).session(&a).expect("there").status().is_hold, "choosing resumes nothing");
    world.act(A, |phone, _| phone.set_current_session(Some(&second))).expect("chooses");
    world.act(A, |phone, now| phone.hangup(now, &second)).expect("hangs up");
    world.run(500);
    assert_eq!(world.phone(A).current_session_id(), Some(&a), "the other takes its place");
    world.act(A, |phone, _| phone.set_current_session(None)).expect("none");
    assert_eq!(current(&world), None);
    world.act(A, |phone, now| phone.unhold(now, &a)).expect("resumes");
    assert_eq!(world.phone(A).current_session_id(), Some(&a));
    assert_eq!(world.act(A, |phone, _| phone.set_current_session(Some(&second))), Err(PhoneError::UnknownCall));
}

#[test]
fn a_call_that_is_hung_up_stays_until_it_has_ended() {
    let mut world = World::new();
    let (a, _) = world.ring();
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    assert!(world.phone(A).session(&a).is_some(), "the CANCEL is on its way");
    world.run(500);
    assert!(world.phone(A).session(&a).is_none());
    world.assert_clean();
}

#[test]
fn a_destroyed_call_is_gone_at_once_and_ended_on_the_wire() {
    let mut world = World::new();
    let (a, b) = world.ring();
    world.clear(A);
    let destroyed = world.act(A, |phone, now| phone.destroy_session(now, &a)).expect("destroys");
    assert_eq!(world.outcome(A, destroyed), Some(Ok(())));
    assert_eq!(world.phone(A).sessions().count(), 0);
    assert_eq!(world.log(A), ["failed Canceled", "deleteSession Canceled"]);
    world.run(500);
    assert_eq!(world.log(A), common::NOTHING, "nothing comes after its end");
    assert!(world.phone(B).session(&b).is_none(), "the CANCEL arrived");

    world.run(1_000);
    let (a, _) = world.talk();
    let hold = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.act(A, |phone, now| phone.destroy_session(now, &a)).expect("destroys");
    assert!(matches!(world.outcome(A, hold), Some(Err(PhoneError::Ended { .. }))), "every command is settled");
    assert_eq!(world.act(A, |phone, now| phone.destroy_session(now, &a)), Err(PhoneError::UnknownCall));
    world.run(500);
    assert_eq!(world.log(B).last().map(String::as_str), Some("deleteSession Terminated"));

    world.run(1_000);
    let (_, b) = world.ring();
    world.clear(A);
    world.act(B, |phone, now| phone.destroy_session(now, &b)).expect("destroys");
    world.run(500);
    assert_eq!(world.log(A), ["failed Busy 486", "deleteSession Busy"]);
    world.assert_clean();
}

#[test]
fn other_credentials_register_again_at_once() {
    let mut world = World::with(|_| {});
    let wrong = offhook_core::Credentials::ha1("1000", None, "00112233445566778899aabbccddeeff");
    let command = world.act(A, |phone, now| phone.reregister(now, Some(wrong))).expect("registers");
    world.run(500);
    assert_eq!(world.outcome(A, command).expect("settled").map_err(|error| error.code()), Err(-201));
    assert_eq!(
        world.log(A),
        ["isRegisteredChange false", "registrationFailed Authentication Error -201"].map(String::from).to_vec()
    );
    let ha1 =
        offhook_sip::ha1(offhook_sip::DigestAlgorithm::Md5, "1000", "pbx.example", &offhook_sip::Secret::new("secret"));
    let right = offhook_core::Credentials::ha1("1000", Some("pbx.example".to_owned()), ha1);
    let command = world.act(A, |phone, now| phone.reregister(now, Some(right))).expect("registers");
    world.run(500);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert!(world.phone(A).is_registered());
}

#[test]
fn the_company_comes_with_the_invite_and_nothing_else_changes_it() {
    let mut world = World::new();
    world.serve(|server, _| server.headers = vec![HeaderField::new("Contacts-Company", "\"Bell\"").expect("a header")]);
    let (a, b) = world.ring();
    let company = |world: &World, who, call| world.phone(who).session(call).expect("there").status().company.clone();
    assert_eq!((company(&world, A, &a).as_str(), company(&world, B, &b).as_str()), ("", "Bell"));
}
