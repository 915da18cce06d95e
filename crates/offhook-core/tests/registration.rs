//! Connecting and registering, and doing it again.

mod common;

use common::{A, B, World, response};
use offhook_core::{Cause, Credentials, PhoneError, PhoneEvent, ReconnectPolicy};

fn start(world: &mut World) -> offhook_core::CommandId {
    world.act(A, |phone, now| phone.start(now)).expect("starts")
}

#[test]
fn starting_connects_and_registers() {
    let mut world = World::unregistered(1, |_| {});
    let command = start(&mut world);
    assert_eq!(world.outcome(A, command), None);
    world.run(1_000);
    assert_eq!(world.log(A), ["connected", "registered", "isRegisteredChange true"]);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert!(world.act(A, |phone, now| phone.start(now)).is_err(), "twice");
}

#[test]
fn a_wrong_password_is_told_and_not_tried_again() {
    let wrong = Credentials::password("1000", "wrong");
    let mut world = World::unregistered(1, |config| config.credentials = Some(wrong.clone()));
    let command = start(&mut world);
    world.run(60_000);
    assert_eq!(world.log(A), ["connected", "registrationFailed Authentication Error -201"]);
    let outcome = world.outcome(A, command).expect("settled").expect_err("refused");
    assert!(matches!(&outcome, PhoneError::Registration { cause: Cause::AuthenticationError, status: Some(401), .. }));
    assert!(outcome.to_string().contains("password"), "{outcome}");
    let registers = world.sent(A).iter().filter(|sent| *sent == "REGISTER").count();
    assert!(registers <= 2, "{registers}");
    // The right one helps.
    let right = Credentials::password("1000", "secret");
    let command = world.act(A, |phone, now| phone.reregister(now, Some(right))).expect("registers");
    world.run(1_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert!(world.phone(A).is_registered());
}

#[test]
fn an_unreachable_server_is_told_and_tried_again_ever_more_slowly() {
    let mut world = World::unregistered(1, |_| {});
    world.server_up = false;
    let command = start(&mut world);
    world.run(200_000);
    assert!(matches!(world.outcome(A, command), Some(Err(PhoneError::Transport(_)))));
    let delays: Vec<u64> = world
        .events(A)
        .iter()
        .filter_map(|event| match event {
            PhoneEvent::Reconnecting { delay_ms, .. } => Some(*delay_ms),
            _ => None,
        })
        .collect();
    for (delay, wanted) in delays.iter().zip([2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]) {
        assert!(delay.abs_diff(wanted) <= wanted / 5, "{delays:?}");
    }
    assert!(delays.len() >= 6 && delays[..5].iter().any(|delay| delay % 1_000 != 0), "{delays:?}");
    world.server_up = true;
    world.run(60_000);
    assert!(world.phone(A).is_registered());
    assert_eq!(world.log(A), ["connected", "registered", "isRegisteredChange true"]);
}

#[test]
fn the_allowed_attempts_are_used_and_no_more() {
    let policy = ReconnectPolicy { max_attempts: Some(2), ..ReconnectPolicy::default() };
    let mut world = World::unregistered(1, |config| config.reconnect = policy);
    world.server_up = false;
    start(&mut world);
    world.run(100_000);
    assert_eq!(
        world.log(A),
        [
            "disconnected",
            "reconnecting 1",
            "disconnected",
            "reconnecting 2",
            "disconnected",
            "registrationFailed Connection Error -204",
        ]
    );
    // It can be started again.
    world.server_up = true;
    start(&mut world);
    world.run(1_000);
    assert!(world.phone(A).is_registered());
}

#[test]
fn a_server_that_does_not_answer_is_asked_again() {
    let mut world = World::unregistered(1, |_| {});
    world.lose = Box::new(|_, to_server, text| to_server && text.starts_with("REGISTER"));
    let command = start(&mut world);
    world.run(33_000);
    let failed =
        Some(Err(PhoneError::Registration { cause: Cause::RequestTimeout, status: None, reason: String::new() }));
    assert_eq!(world.outcome(A, command), failed);
    // The connection may be dead without anybody knowing.
    let told = world.log(A);
    assert_eq!(told[..2], ["connected", "registrationFailed Request Timeout -201"]);
    assert!(told[2].starts_with("disconnected") && told[3..] == ["reconnecting 1"], "{told:?}");
    world.lose = Box::new(|_, _, _| false);
    world.run(5_000);
    assert_eq!(world.log(A), ["connected", "registered", "isRegisteredChange true"]);
}

#[test]
fn a_registrar_that_rejects_is_asked_again() {
    for status in [403, 603] {
        let mut world = World::unregistered(1, |_| {});
        let asked = std::rc::Rc::new(std::cell::RefCell::new(None));
        let seen = std::rc::Rc::clone(&asked);
        world.lose = Box::new(move |_, to_server, text| {
            let register = to_server && text.starts_with("REGISTER");
            if register {
                *seen.borrow_mut() = Some(text.to_owned());
            }
            register
        });
        start(&mut world);
        world.run(100);
        let register = asked.borrow_mut().take().expect("it was sent");
        world.inject(A, response(&register, status, Some("r"), ""));
        assert_eq!(world.log(A), ["connected", "registrationFailed Rejected -201", "reconnecting 1"]);
        world.lose = Box::new(|_, _, _| false);
        world.run(5_000);
        assert_eq!(world.log(A), ["registered", "isRegisteredChange true"]);
    }
}

#[test]
fn attempts_that_a_silent_server_used_up_can_be_begun_again() {
    let policy = ReconnectPolicy { max_attempts: Some(1), ..ReconnectPolicy::default() };
    let mut world = World::unregistered(1, |config| config.reconnect = policy);
    world.lose = Box::new(|_, to_server, text| to_server && text.starts_with("REGISTER"));
    start(&mut world);
    world.run(100_000);
    assert_eq!(world.log(A).last().map(String::as_str), Some("registrationFailed Request Timeout -204"));
    world.lose = Box::new(|_, _, _| false);
    world.run(100_000);
    assert!(!world.phone(A).is_registered());
    start(&mut world);
    world.run(1_000);
    assert!(world.phone(A).is_registered());
}

#[test]
fn a_registration_is_kept_fresh() {
    let mut world = World::new();
    world.run(700_000);
    assert!(world.phone(A).is_registered());
    assert!(world.sent(A).contains(&"REGISTER".to_owned()), "refreshed in 600 s");
    assert!(world.log(A).iter().all(|event| event == "registered"));
}

#[test]
fn a_lost_connection_comes_back_by_itself() {
    let mut world = World::new();
    world.kill_server();
    assert_eq!(world.log(A), ["disconnected", "isRegisteredChange false", "reconnecting 1"]);
    world.server_up = true;
    world.run(5_000);
    assert_eq!(world.log(A), ["connected", "registered", "isRegisteredChange true"]);
}

#[test]
fn an_established_call_survives_a_lost_connection() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.kill_server();
    assert!(world.log(A).contains(&"reconnecting".to_owned()));
    world.server_up = true;
    world.media(A).asked.clear();
    world.run(30_000);
    let log = world.log(A);
    assert!(log.contains(&"reconnected".to_owned()), "{log:?}");
    assert!(world.phone(A).session(&a).is_some() && world.phone(B).sessions().count() == 1);
    let restarted = |command: &offhook_core::MediaCommand| {
        matches!(command, offhook_core::MediaCommand::CreateOffer { ice_restart: true, .. })
    };
    assert!(world.media(A).asked.iter().any(restarted) || world.media(B).asked.iter().any(restarted));
    // It is a call as any other.
    let command = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(5_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    world.assert_clean();
}

#[test]
fn hanging_up_without_a_connection_ends_the_call_at_once() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.kill_server();
    world.clear(A);
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    assert_eq!(world.log(A).last().map(String::as_str), Some("deleteSession Terminated"));
}

#[test]
fn stopping_hangs_up_unregisters_and_closes() {
    let mut world = World::new();
    world.talk();
    let command = world.act(A, |phone, now| phone.disconnect(now));
    world.run(1_000);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(world.sent(A)[..2], ["BYE", "REGISTER"]);
    let log = world.log(A);
    assert_eq!(log[log.len() - 2..], ["isRegisteredChange false", "disconnected"]);
    assert!(!world.phone(A).is_connected());
    world.run(100_000);
    assert!(!world.phone(A).is_connected(), "it stays away");
    assert_eq!(world.phone(B).sessions().count(), 0);
    start(&mut world);
    world.run(1_000);
    assert!(world.phone(A).is_registered());
}

#[test]
fn stopping_has_a_bound_when_the_server_is_silent() {
    let mut world = World::new();
    world.ring();
    world.lose = Box::new(|_, _, _| true);
    let command = world.act(A, |phone, now| phone.disconnect(now));
    world.run(5_100);
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    assert_eq!(world.phone(A).sessions().count(), 0, "the lost connection ended what was not established");
}

#[test]
fn a_start_after_one_that_was_stopped_before_the_registrar_answered_is_settled() {
    let mut world = World::unregistered(1, |_| {});
    world.lose = Box::new(|_, to_server, text| to_server && text.starts_with("REGISTER"));
    let first = start(&mut world);
    world.run(1_000);
    let stop = world.act(A, |phone, now| phone.disconnect(now));
    world.run(6_000);
    assert_eq!((world.outcome(A, first), world.outcome(A, stop)), (Some(Err(PhoneError::Stopped)), Some(Ok(()))));
    world.server_up = false;
    let second = start(&mut world);
    world.run(1_000);
    assert!(matches!(world.outcome(A, second), Some(Err(PhoneError::Transport(_)))), "{:?}", world.outcome(A, second));
}

#[test]
fn the_same_seed_and_inputs_give_the_same_bytes() {
    let play = || {
        let mut world = World::new();
        let bytes = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
        let wire = bytes.clone();
        world.lose = Box::new(move |_, _, text| {
            wire.borrow_mut().push_str(text);
            false
        });
        let (a, _) = world.talk();
        world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
        world.run(5_000);
        drop(world);
        std::rc::Rc::try_unwrap(bytes).expect("alone").into_inner()
    };
    let (one, other) = (play(), play());
    assert!(one.len() > 1_000);
    assert_eq!(one, other);
}
