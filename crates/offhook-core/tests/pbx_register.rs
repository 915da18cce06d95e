//! Registering at a P-Series PBX: the register info is fetched again when it is refused.

mod common;

use common::pbx::{Answer, register_info};
use common::{A, World};
use offhook_core::pbx::HttpFailure;
use offhook_core::{Cause, PhoneError};

fn registers(world: &World) -> usize {
    world.sent(A).iter().filter(|sent| *sent == "REGISTER").count()
}

#[test]
fn an_outdated_password_is_fetched_again_and_used_once_more() {
    let mut world = World::with_pbx_unregistered(|api| api.set("extension/getregisterinfo", register_info("old")));
    world.api.set("extension/getregisterinfo", register_info("secret"));
    world.api.clear();
    let command = world.act(A, |phone, now| phone.start(now)).expect("starts");
    world.run(1_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    // The settings are read with the first subscription.
    let settings = ["licenseservice/get", "extension/getpersonalglobal", "extension/getpersonal"];
    assert_eq!(world.api.asked(), [&settings[..], &["extension/getregisterinfo"]].concat());
    assert_eq!(
        world.log(A),
        ["connected", "registrationFailed Authentication Error -201", "registered", "isRegisteredChange true"]
    );
}

#[test]
fn a_password_that_stays_wrong_is_told_and_not_tried_again() {
    let mut world = World::with_pbx_unregistered(|api| api.set("extension/getregisterinfo", register_info("old")));
    world.api.clear();
    let command = world.act(A, |phone, now| phone.start(now)).expect("starts");
    world.run(120_000);
    let outcome = world.outcome(A, command);
    let refused = |cause: Cause| cause == Cause::AuthenticationError;
    assert!(matches!(outcome, Some(Err(PhoneError::Registration { cause, .. })) if refused(cause)));
    assert_eq!(world.api.count("extension/getregisterinfo"), 1);
    let failed = world.log(A).iter().filter(|event| event.starts_with("registrationFailed")).count();
    assert_eq!(failed, 2);
    assert!(registers(&world) <= 4, "{}", registers(&world));
    // A new order is a new beginning.
    world.api.set("extension/getregisterinfo", register_info("secret"));
    let command = world.act(A, |phone, now| phone.reregister(now, None)).expect("registers");
    world.run(1_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
}

#[test]
fn register_info_that_cannot_be_had_is_asked_for_later() {
    let mut world = World::with_pbx_unregistered(|api| api.set("extension/getregisterinfo", register_info("old")));
    world.api.fail("extension/getregisterinfo", HttpFailure::Timeout);
    let command = world.act(A, |phone, now| phone.start(now)).expect("starts");
    world.run(1_000);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Registration { .. }))));
    world.api.set("extension/getregisterinfo", register_info("secret"));
    world.run(10_000);
    assert!(world.phone(A).is_registered());
}

#[test]
fn the_attempts_that_were_allowed_count_here_too() {
    let mut world = World::with_pbx_unregistered(|api| {
        api.set("extension/getregisterinfo", register_info("old"));
        api.params.re_registry_phone_times = Some(2);
    });
    world.api.answers.insert("extension/getregisterinfo".to_owned(), Answer::Never);
    world.act(A, |phone, now| phone.start(now)).expect("starts");
    world.run(300_000);
    let last = world.log(A).into_iter().rfind(|event| event.starts_with("registrationFailed"));
    assert!(last.is_some_and(|last| last.ends_with("-204")));
}

#[test]
fn the_register_request_says_how_the_pbx_is_reached() {
    let mut world = World::with_pbx_unregistered(|_| {});
    let seen = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    let wire = std::rc::Rc::clone(&seen);
    world.lose = Box::new(move |who, to_server, text| {
        if who == A && to_server && text.starts_with("REGISTER") {
            *wire.borrow_mut() = text.to_owned();
        }
        false
    });
    world.act(A, |phone, now| phone.start(now)).expect("starts");
    world.run(1_000);
    let register = seen.borrow();
    assert!(register.contains("\r\nUser-Agent-Access-Type: external_ip\r\n"), "{register}");
    assert!(register.contains("<sip:1000@pbx.example;nat;webclient>"), "{register}");
    assert!(register.contains("1800"), "{register}");
}

#[test]
fn the_sip_socket_is_kept_alive_with_heartbeats() {
    let mut world = World::with_pbx(|_| {});
    let beats = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = std::rc::Rc::clone(&beats);
    world.lose = Box::new(move |who, to_server, text| {
        if who == A && to_server && text == "heartbeat" {
            seen.set(seen.get() + 1);
        }
        false
    });
    world.run(95_000);
    assert_eq!(beats.get(), 3);
}
