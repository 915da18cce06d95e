//! Names and pictures of far ends: looked up, shown, and never waited for longer than 300 ms.

mod common;

use common::pbx::{Answer, query_of};
use common::{A, B, World, response};
use offhook_core::pbx::HttpFailure;
use offhook_core::{CallId, PhoneEvent, StaticCallStatus, StaticPatch, events::SessionEvent};
use offhook_sip::HeaderField;
use serde_json::json;

/// A world where 1001 is Bob, with a picture, and the PBX takes this long to say so.
fn world(latency: u64) -> World {
    let mut world = World::with_pbx(|_| {});
    know(&mut world);
    for path in ["contacts/matchall", "extension/getphoto"] {
        world.api.latency.insert(path.to_owned(), latency);
    }
    world
}

fn know(world: &mut World) {
    world.api.set("contacts/matchall", json!({"errcode": 0, "name": "Bob Contact"}));
    world.api.set("extension/getphoto", json!({"errcode": 0, "photo": "b 1.png"}));
}

const PHOTO: &str = "https://pbx.example/api/photo/b%201.png";

fn call(world: &mut World) -> CallId {
    world.act(A, |phone, now| phone.call(now, "1001", Default::default())).expect("calls").1
}

/// B calls A.
fn called(world: &mut World) {
    world.act(B, |phone, now| phone.call(now, "1000", Default::default())).expect("calls");
}

fn shown(world: &World, call: &CallId) -> (String, String) {
    let status = world.phone(A).session(call).expect("there").status();
    (status.name.clone(), status.avatar.clone())
}

fn bob() -> (String, String) {
    ("Bob Contact".to_owned(), PHOTO.to_owned())
}

/// How long after `call` the INVITE went out.
fn invite_after(world: &mut World) -> u64 {
    let from = world.now;
    call(world);
    for _ in 0..1_000 {
        if world.sent(A).iter().any(|sent| sent == "INVITE") {
            return world.now - from;
        }
        world.run(1);
    }
    panic!("no INVITE");
}

#[test]
fn an_outbound_call_is_shown_with_name_and_picture() {
    let mut world = world(50);
    let call = call(&mut world);
    assert_eq!(query_of(world.api.last("contacts/matchall")), "number=1001");
    assert_eq!(query_of(world.api.last("extension/getphoto")), "ext_num=1001");
    assert_eq!(shown(&world, &call), ("1001".to_owned(), String::new()));
    world.run(500);
    assert_eq!(shown(&world, &call), bob());
    assert!(world.sent(A).iter().any(|sent| sent == "INVITE"));
}

#[test]
fn an_invite_waits_for_the_answer_and_at_most_300_ms() {
    assert!((50..60).contains(&invite_after(&mut world(50))));
    assert_eq!(invite_after(&mut world(250)), 250);
    assert_eq!(invite_after(&mut world(301)), 300);
    assert_eq!(invite_after(&mut world(5_000)), 300);
    let mut silent = world(0);
    silent.api.answers.insert("extension/getphoto".to_owned(), Answer::Never);
    assert_eq!(invite_after(&mut silent), 300, "half an answer is none");
    let mut broken = world(20);
    for path in ["contacts/matchall", "extension/getphoto"] {
        broken.api.fail(path, HttpFailure::Timeout);
    }
    assert!(invite_after(&mut broken) <= 25, "failures are not waited for");
}

#[test]
fn without_a_pbx_nothing_waits() {
    let mut world = World::new();
    assert!(invite_after(&mut world) <= 6);
}

#[test]
fn a_late_answer_is_told_as_a_static_status_change() {
    let mut world = world(2_000);
    let call = call(&mut world);
    world.run(1_900);
    assert_eq!(shown(&world, &call).1, "");
    world.clear(A);
    world.run(200);
    assert_eq!(shown(&world, &call), bob());
    let told: Vec<StaticCallStatus> = world
        .events(A)
        .into_iter()
        .filter_map(|event| match event {
            PhoneEvent::Session(SessionEvent::StaticStatusChange { new_status, .. }) => Some(new_status),
            _ => None,
        })
        .collect();
    assert_eq!(told.last().map(|status| (status.name.clone(), status.avatar.clone())), Some(bob()));
}

#[test]
fn what_is_known_is_there_from_the_first_event_on() {
    let mut world = world(50);
    let first = call(&mut world);
    world.run(500);
    world.act(A, |phone, now| phone.hangup(now, &first)).expect("hangs up");
    world.run(2_000);
    world.clear(A);
    world.api.clear();
    let second = call(&mut world);
    assert_eq!(shown(&world, &second), bob());
    assert_eq!(world.api.count("contacts/matchall"), 0, "it is kept");
    world.run(10);
    assert!(world.sent(A).iter().any(|sent| sent == "INVITE"));
    assert_eq!(world.log(A)[..3], ["newRTCSession", "startSession", "peerconnection"]);
}

#[test]
fn the_events_of_an_outbound_call_keep_their_order() {
    let mut world = world(50);
    call(&mut world);
    world.run(500);
    assert_eq!(
        world.log(A),
        [
            "newRTCSession",
            "startSession",
            "peerconnection",
            "sdp local offer",
            &format!("statusChange avatar={PHOTO} name=Bob Contact"),
            "staticStatusChange",
            "statusChange callStatus=ringing",
            "progress 180",
        ]
    );
}

#[test]
fn an_inbound_call_rings_at_once_and_is_told_with_its_name() {
    let mut world = world(100);
    called(&mut world);
    world.run(30);
    assert!(world.sent(A).iter().any(|sent| sent == "180 INVITE"), "the caller hears ringing");
    assert_eq!(world.log(A), common::NOTHING);
    world.run(100);
    assert_eq!(world.log(A), ["newRTCSession", "incoming"]);
    let call = world.call_of(A);
    assert_eq!(shown(&world, &call), bob());
}

#[test]
fn an_inbound_call_is_told_after_300_ms_whatever_comes() {
    let mut world = world(2_000);
    called(&mut world);
    world.run(319);
    assert_eq!(world.log(A), common::NOTHING);
    world.run(15);
    assert_eq!(world.log(A), ["newRTCSession", "incoming"]);
    let call = world.call_of(A);
    assert_eq!(shown(&world, &call).0, "1001");
    world.run(2_000);
    assert_eq!(world.log(A)[1], "staticStatusChange");
    assert_eq!(shown(&world, &call), bob());
}

#[test]
fn a_caller_who_gives_up_before_it_was_told_is_told_all_the_same() {
    let mut world = world(5_000);
    called(&mut world);
    world.run(50);
    let b = world.call_of(B);
    world.act(B, |phone, now| phone.hangup(now, &b)).expect("hangs up");
    world.run(100);
    let log = world.log(A);
    assert_eq!(log[..2], ["newRTCSession", "incoming"]);
    assert!(log[2].starts_with("failed Canceled") && log[3] == "deleteSession Canceled", "{log:?}");
}

#[test]
fn answering_before_it_was_told_tells_first() {
    let mut world = world(5_000);
    called(&mut world);
    world.run(50);
    let a = world.call_of(A);
    let command = world.act(A, |phone, now| phone.answer(now, &a, Default::default())).expect("answers");
    world.run(200);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(world.log(A)[..3], ["newRTCSession", "incoming", "statusChange isRing=false"]);
}

#[test]
fn hanging_up_before_the_invite_sends_none() {
    let mut world = world(5_000);
    let call = call(&mut world);
    world.run(50);
    let command = world.act(A, |phone, now| phone.hangup(now, &call)).expect("hangs up");
    world.run(5_100);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(world.sent(A), common::NOTHING);
    assert_eq!(world.log(A).last().map(String::as_str), Some("deleteSession Canceled"));
}

#[test]
fn a_connection_lost_while_the_invite_waits_fails_the_call() {
    let mut world = world(5_000);
    call(&mut world);
    world.run(50);
    world.kill_server();
    world.run(1_000);
    assert!(world.log(A).contains(&"deleteSession Connection Error".to_owned()));
}

/// A is told that the far end is 2002 now, by a response to its INVITE.
fn identify_as_2002(world: &mut World, name: &str) -> CallId {
    let invite = world.capture_invite();
    let ringing = response(&invite, 180, Some("far"), "");
    let header = format!("P-Asserted-Identity: {name}<sip:2002@pbx.example>\r\nContent-Length");
    world.api.clear();
    world.inject(A, ringing.replacen("Content-Length", &header, 1));
    world.call_of(A)
}

#[test]
fn a_number_that_changes_is_looked_up_anew() {
    let mut world = world(10);
    let call = identify_as_2002(&mut world, "\"Carl\" ");
    assert_eq!(shown(&world, &call), ("Carl".to_owned(), String::new()));
    assert_eq!(query_of(world.api.last("contacts/matchall")), "number=2002");
    world.run(100);
    assert_eq!(shown(&world, &call), bob(), "the address book's name counts");
}

#[test]
fn a_name_given_by_hand_is_not_changed() {
    let mut world = world(90);
    let invite = world.capture_invite();
    let call = world.call_of(A);
    let patch = StaticPatch { name: Some("Mine".to_owned()), ..StaticPatch::default() };
    world.act(A, |phone, now| phone.set_static_status(now, &call, patch, Some(true))).expect("sets");
    world.run(2_000);
    assert_eq!(shown(&world, &call).0, "Mine");
    world.api.clear();
    let ringing = response(&invite, 180, Some("far"), "");
    let header = "P-Asserted-Identity: <sip:2002@pbx.example>\r\nContent-Length";
    world.inject(A, ringing.replacen("Content-Length", header, 1));
    world.run(2_000);
    assert_eq!((shown(&world, &call).0.as_str(), world.api.count("contacts/matchall")), ("Mine", 0));
}

#[test]
fn a_late_answer_does_not_change_a_name_given_by_hand() {
    let mut world = world(2_000);
    let call = call(&mut world);
    world.run(500);
    let patch = StaticPatch { name: Some("Mine".to_owned()), ..StaticPatch::default() };
    world.act(A, |phone, now| phone.set_static_status(now, &call, patch, Some(true))).expect("sets");
    world.run(3_000);
    assert_eq!(shown(&world, &call), ("Mine".to_owned(), String::new()));
}

#[test]
fn the_address_books_name_outlasts_a_display_name() {
    let mut world = world(10);
    world.serve(|server, _| {
        let identity = HeaderField::new("P-Asserted-Identity", "\"Phone 2\" <sip:1001@pbx.example>");
        server.headers = vec![identity.expect("a header")];
    });
    let call = call(&mut world);
    world.run(1_000);
    assert_eq!(shown(&world, &call).0, "Bob Contact");
}

#[test]
fn a_lost_token_does_not_hold_a_call_up() {
    let mut world = world(10);
    world.api.token = "another".to_owned();
    world.api.latency.insert("login".to_owned(), 5_000);
    assert_eq!(invite_after(&mut world), 300);
    world.run(6_000);
    let call = world.call_of(A);
    assert_eq!(shown(&world, &call), bob(), "it is told late");
}
