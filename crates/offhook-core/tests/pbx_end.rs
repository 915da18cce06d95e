//! Losing the token, errors that end everything, and logging out.

mod common;

use common::pbx::{Answer, SIGNATURE, header};
use common::{A, B, World};
use offhook_core::pbx::{CdrQuery, HttpFailure, PbxError, PbxEvent};
use offhook_core::{Cause, PhoneError};
use serde_json::json;

fn query(world: &mut World) -> offhook_core::CommandId {
    world.act(A, |phone, now| phone.cdr_query(now, CdrQuery::new(1, 20))).expect("asks")
}

fn codes(world: &mut World) -> Vec<i32> {
    let code = |event: &PbxEvent| if let PbxEvent::RuntimeError { code, .. } = event { Some(*code) } else { None };
    world.of_pbx().events.iter().filter_map(code).collect()
}

/// The PBX does not know our token any more.
fn lose_token(world: &mut World) {
    world.api.token = "another".to_owned();
}

#[test]
fn a_runtime_error_is_told_before_anything_is_torn_down() {
    let mut world = World::with_pbx(|_| {});
    world.talk();
    world.notify(20007, json!({}));
    assert_eq!(world.of_pbx().order[0], "runtimeError");
    world.run(10_000);
    let order = world.of_pbx().order.clone();
    let at = |what: &str| order.iter().position(|o| o == what).unwrap_or_else(|| panic!("{what} in {order:?}"));
    assert!(at("runtimeError") < at("ended Terminated"), "{order:?}");
    assert!(at("BYE") < at("logout") && at("REGISTER") < at("logout"), "{order:?}");
    assert!(at("close") < at("destroyed") && at("disconnect") < at("destroyed"));
    assert_eq!(order.last().map(String::as_str), Some("destroyed"));
    assert_eq!(order.iter().filter(|o| *o == "logout").count(), 1);
    assert_eq!((world.phone(A).sessions().count(), world.phone(B).sessions().count()), (0, 0));
    assert!(!world.phone(A).is_connected());
    let log = world.log(A);
    assert!(log.contains(&"ended Terminated".to_owned()), "{log:?}");
}

#[test]
fn everything_that_waits_is_settled_by_a_runtime_error() {
    let mut world = World::with_pbx(|_| {});
    let (a, _) = world.talk();
    world.api.answers.insert("cdr/searchpersonal".to_owned(), Answer::Never);
    let cdr = query(&mut world);
    world.lose = Box::new(|who, _, _| who == A);
    let hold = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    let again = world.act(A, |phone, now| phone.reregister(now, None)).expect("registers");
    world.notify(20007, json!({}));
    assert_eq!(world.of_pbx().cdrs, [(cdr, Err(PbxError::Destroyed))]);
    assert_eq!(world.outcome(A, again), Some(Err(PhoneError::Stopped)));
    world.run(10_000);
    assert!(matches!(world.outcome(A, hold), Some(Err(PhoneError::Ended { .. }))), "{:?}", world.outcome(A, hold));
    assert_eq!(world.of_pbx().order.last().map(String::as_str), Some("destroyed"));
}

#[test]
fn the_end_comes_in_bounded_time_when_nobody_answers() {
    let mut world = World::with_pbx(|_| {});
    world.talk();
    world.run(1_000);
    world.act(A, |phone, now| phone.call(now, "606", Default::default())).expect("rings forever");
    world.run(500);
    world.lose = Box::new(|_, _, _| true);
    for path in ["logout", "rascallreport/web", "systemlog/webclientlog"] {
        world.api.answers.insert(path.to_owned(), Answer::Never);
    }
    world.notify(20007, json!({}));
    world.run(10_000);
    assert_eq!(world.of_pbx().order.last().map(String::as_str), Some("destroyed"));
    assert_eq!(world.phone(A).sessions().count(), 0);
    world.run(600_000);
    assert_eq!(world.of_pbx().order.last().map(String::as_str), Some("destroyed"), "nothing follows");
}

/// A PBX that ends our session itself takes no more of our log.
#[test]
fn the_end_comes_at_once_when_the_token_is_lost_already() {
    let mut world = World::with_pbx(|_| {});
    world.talk();
    lose_token(&mut world);
    world.notify(20007, json!({}));
    world.run(1_000);
    assert_eq!(world.api.count("systemlog/webclientlog"), 1);
    assert_eq!(world.of_pbx().order.last().map(String::as_str), Some("destroyed"));
}

#[test]
fn a_destroyed_phone_takes_no_more_orders() {
    let mut world = World::with_pbx(|_| {});
    world.notify(20007, json!({}));
    world.notify(10000, json!({"username": "ann"}));
    world.run(10_000);
    assert_eq!(codes(&mut world), [-108], "the first counts");
    assert_eq!(world.act(A, |phone, now| phone.start(now)), Err(PhoneError::Stopped));
    let refused = world.act(A, |phone, now| phone.cdr_query(now, CdrQuery::new(1, 20)));
    assert_eq!(refused, Err(PbxError::Destroyed));
    let call = world.act(A, |phone, now| phone.call(now, "1001", Default::default()));
    assert_eq!(call.map(|_| ()), Err(PhoneError::NotConnected));
    let command = world.act(A, |phone, now| phone.logout(now));
    assert_eq!(world.outcome(A, command), Some(Ok(())), "it is out");
    let command = world.act(A, |phone, now| phone.disconnect(now));
    world.run(10_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
}

#[test]
fn logging_out_is_quiet_and_settles_when_all_is_given_back() {
    let mut world = World::with_pbx(|_| {});
    world.talk();
    let first = world.act(A, |phone, now| phone.logout(now));
    let second = world.act(A, |phone, now| phone.logout(now));
    assert_eq!(world.outcome(A, first), None);
    world.run(5_000);
    assert_eq!((world.outcome(A, first), world.outcome(A, second)), (Some(Ok(())), Some(Ok(()))));
    assert_eq!(world.of_pbx().events, [PbxEvent::Destroyed]);
    assert_eq!(header(world.api.last("logout"), "Authorization"), Some("token/1"));
    assert_eq!(world.api.count("logout"), 1);
    assert!(world.phone(A).pbx().is_some_and(|pbx| pbx.is_destroyed()));
    assert_eq!(world.phone(B).sessions().count(), 0);
}

#[test]
fn a_token_that_is_on_its_way_when_we_leave_is_given_back() {
    let mut world = World::with_pbx(|_| {});
    world.run(1_000);
    world.api.latency.insert("login".to_owned(), 500);
    world.notify(20010, json!({}));
    world.run(100);
    assert_eq!(world.api.count("login"), 1, "it logs in again");
    let logout = world.act(A, |phone, now| phone.logout(now));
    world.run(2_000);
    assert_eq!(world.outcome(A, logout), Some(Ok(())));
    assert_eq!(header(world.api.last("logout"), "Authorization"), Some("token/2"));
    assert_eq!(world.api.count("logout"), 1);
    // A PBX that never answers is not waited for for ever.
    let mut world = World::with_pbx(|_| {});
    world.api.answers.insert("login".to_owned(), Answer::Never);
    world.notify(20010, json!({}));
    let logout = world.act(A, |phone, now| phone.logout(now));
    world.run(20_000);
    assert_eq!(world.outcome(A, logout), Some(Ok(())));
}

#[test]
fn logging_out_works_of_a_phone_that_was_never_started() {
    let mut world = World::with_pbx_unregistered(|_| {});
    world.run(100);
    let command = world.act(A, |phone, now| phone.logout(now));
    world.run(1_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(world.api.count("logout"), 1);
}

#[test]
fn a_phone_without_a_pbx_logs_out_by_disconnecting() {
    let mut world = World::new();
    let command = world.act(B, |phone, now| phone.logout(now));
    world.run(5_000);
    assert_eq!(world.outcome(B, command), Some(Ok(())));
    assert!(!world.phone(B).is_connected());
    let refused = world.act(B, |phone, now| phone.cdr_query(now, CdrQuery::new(1, 20)));
    assert_eq!(refused, Err(PbxError::Destroyed));
}

// --- the token ---

#[test]
fn a_request_that_finds_the_token_lost_is_made_again_with_the_new_one() {
    for refusal in [None, Some(Answer::Raw(401, vec![]))] {
        let mut world = World::with_pbx(|_| {});
        lose_token(&mut world);
        if let Some(answer) = refusal {
            world.api.answers.insert("cdr/searchpersonal".to_owned(), answer);
        }
        let command = query(&mut world);
        world.run(15);
        world.api.set("cdr/searchpersonal", json!({"errcode": 0, "total_number": 3}));
        world.run(1_000);
        assert_eq!(world.api.asked()[..3], ["cdr/searchpersonal", "login", "cdr/searchpersonal"]);
        assert_eq!(world.api.count("cdr/searchpersonal"), 2);
        let (answered, result) = world.of_pbx().cdrs.remove(0);
        assert_eq!((answered, result.map(|page| page.total_number)), (command, Ok(3)));
        assert!(codes(&mut world).is_empty());
    }
}

#[test]
fn two_requests_with_the_old_token_are_one_loss() {
    let mut world = World::with_pbx(|_| {});
    lose_token(&mut world);
    world.api.latency.insert("cdr/searchpersonal".to_owned(), 10);
    query(&mut world);
    world.api.latency.insert("cdr/searchpersonal".to_owned(), 500);
    query(&mut world);
    world.run(2_000);
    assert_eq!(world.api.count("login"), 1);
    assert!(codes(&mut world).is_empty());
    assert!(world.of_pbx().cdrs.iter().all(|(_, result)| result.is_ok()) && world.of_pbx().cdrs.len() == 2);
}

#[test]
fn a_second_loss_right_after_the_first_is_minus_109() {
    let mut world = World::with_pbx(|_| {});
    world.notify(20010, json!({}));
    world.run(1_000);
    world.notify(20010, json!({}));
    world.run(10_000);
    assert_eq!((codes(&mut world), world.api.count("login")), (vec![-109], 1));
}

#[test]
fn a_loss_much_later_is_another_loss() {
    let mut world = World::with_pbx(|_| {});
    for _ in 0..3 {
        world.notify(20010, json!({}));
        world.run(60_000);
    }
    assert_eq!((codes(&mut world), world.api.count("login")), (vec![], 3));
    assert!(world.phone(A).is_registered());
}

#[test]
fn a_refused_login_is_minus_109_or_minus_110() {
    for (errcode, code) in [(20004, -109), (70136, -110)] {
        let mut world = World::with_pbx(|_| {});
        world.api.set("login", json!({"errcode": errcode, "errmsg": "NO"}));
        world.notify(20154, json!({}));
        world.run(10_000);
        assert_eq!(codes(&mut world), [code]);
    }
}

#[test]
fn a_pbx_that_is_away_is_no_refusal() {
    let mut world = World::with_pbx(|_| {});
    world.api.fail("login", HttpFailure::Unreachable { detail: "refused".to_owned() });
    world.notify(20010, json!({}));
    let early = query(&mut world);
    world.run(120_000);
    let tries = world.api.count("login");
    assert!((4..=12).contains(&tries), "{tries} in two minutes");
    assert_eq!(world.of_pbx().cdrs.len(), 1);
    assert!(matches!(&world.of_pbx().cdrs[0], (c, Err(PbxError::Network { .. })) if *c == early));
    assert!(world.of_pbx().events.is_empty());
    world.api.answers.remove("login");
    world.run(40_000);
    query(&mut world);
    world.run(100);
    assert!(world.of_pbx().cdrs[1].1.is_ok());
}

#[test]
fn too_many_logins_at_once_is_a_reason_to_wait() {
    let mut world = World::with_pbx(|_| {});
    world.api.set("login", json!({"errcode": 70004, "errmsg": "BLOCKED"}));
    world.notify(20010, json!({}));
    world.run(20_000);
    assert!(codes(&mut world).is_empty());
    world.api.answers.remove("login");
    world.run(35_000);
    assert_eq!(world.phone(A).pbx().map(|pbx| pbx.token().expose()), Some("token/2"));
    // But not for ever.
    world.api.set("login", json!({"errcode": 70004, "errmsg": "BLOCKED"}));
    world.notify(20010, json!({}));
    world.run(600_000);
    assert_eq!(codes(&mut world), [-109]);
}

#[test]
fn the_login_of_a_renewal_is_the_same_signature() {
    let mut world = World::with_pbx(|_| {});
    world.notify(20010, json!({}));
    world.run(1_000);
    let body = common::pbx::body_of(world.api.last("login"));
    assert_eq!((&body["username"], &body["password"]), (&json!("ann"), &json!(SIGNATURE)));
    assert_eq!(header(world.api.last("login"), "Authorization"), None);
}

#[test]
fn what_the_old_socket_still_says_does_not_count() {
    let mut world = World::with_pbx(|_| {});
    world.notify(20010, json!({}));
    // Our own new login is news to the old session.
    world.notify(10000, json!({"username": "ann"}));
    world.notify(20010, json!({}));
    world.run(5_000);
    assert!(codes(&mut world).is_empty());
    assert!(world.phone(A).is_registered());
}

#[test]
fn a_talking_call_survives_a_renewal() {
    let mut world = World::with_pbx(|_| {});
    let (a, _) = world.talk();
    lose_token(&mut world);
    query(&mut world);
    world.run(2_000);
    assert_eq!(world.api.count("login"), 1);
    assert!(world.phone(A).session(&a).is_some_and(|session| session.is_accepted()));
    assert!(!world.log(A).iter().any(|event| event.contains(&Cause::Terminated.to_string())));
}
