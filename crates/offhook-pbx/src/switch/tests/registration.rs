//! Registering.

use std::net::Ipv4Addr;

use offhook_sip::{Event, RegistrationFailure};

use super::network::{Network, Who};
use crate::events::PbxEvent;

#[test]
fn a_phone_registers_refreshes_and_unregisters() {
    let mut net = Network::new();
    let phone = net.phone("1000");
    assert_eq!(net.told, [PbxEvent::Registered { extension: "1000".to_owned(), bindings: 1 }]);
    net.advance(600_000);
    assert!(net.events(phone).iter().any(|event| matches!(event, Event::Registered { expires_s: 600, .. })));
    assert_eq!(net.switch.registrations(), 1, "refreshed before it ran out");
    net.unregister(phone);
    assert!(matches!(net.next(phone), Event::Unregistered { .. }));
    assert_eq!(net.told.last(), Some(&PbxEvent::Unregistered { extension: "1000".to_owned(), bindings: 0 }));
    assert_eq!(net.told.len(), 2);
    net.assert_nothing_left();
}

#[test]
fn a_wrong_password_is_refused() {
    let mut net = Network::new();
    let phone = net.connect("1000");
    net.register(phone, 600, "wrong");
    let Event::RegistrationFailed { failure, .. } = net.next(phone) else { panic!("not refused") };
    assert!(matches!(failure, RegistrationFailure::Refused { status: 401, .. }), "{failure:?}");
    assert_eq!(net.switch.registrations(), 0);
}

#[test]
fn an_unknown_extension_is_refused_like_a_wrong_password() {
    let mut net = Network::new();
    let phone = net.connect("2222");
    net.register(phone, 600, "secret-2222");
    let Event::RegistrationFailed { failure, .. } = net.next(phone) else { panic!("not refused") };
    assert!(matches!(failure, RegistrationFailure::Refused { status: 401, .. }), "{failure:?}");
}

#[test]
fn an_extension_of_which_only_a_hash_is_known_registers_with_its_password() {
    let mut config = crate::config::PbxConfig::default();
    let hash = offhook_sip::ha1(offhook_sip::DigestAlgorithm::Md5, "2000", config.realm(), &"correct horse".into());
    config.extensions = vec![crate::extension::Extension::with_ha1("2000", "Zoë", hash)];
    let mut net = Network::with(config);
    let phone = net.connect("2000");
    net.register(phone, 600, "correct horse");
    let registered = net.next(phone);
    assert!(matches!(registered, Event::Registered { .. }), "{registered:?}");
}

#[test]
fn nobody_registers_for_another() {
    let mut net = Network::new();
    let phone = net.connect("1000");
    net.register_as(phone, "1001", 600, "secret-1000");
    let Event::RegistrationFailed { failure, .. } = net.next(phone) else { panic!("registered") };
    assert!(matches!(failure, RegistrationFailure::Refused { status: 403, .. }), "{failure:?}");
    assert_eq!(net.switch.registrations(), 0);
}

#[test]
fn too_many_devices_are_refused() {
    let mut config = crate::config::PbxConfig::default();
    config.limits.bindings = 1;
    let mut net = Network::with(config);
    net.phone("1000");
    let second = net.connect("1000");
    net.register(second, 600, "secret-1000");
    let Event::RegistrationFailed { failure, .. } = net.next(second) else { panic!("registered") };
    let RegistrationFailure::Refused { status, retry_after_s, .. } = failure else { panic!("{failure:?}") };
    assert_eq!((status, retry_after_s), (503, Some(60)));
}

#[test]
fn too_brief_a_time_is_raised_to_the_minimum() {
    let mut net = Network::new();
    let phone = net.connect("1000");
    net.register(phone, 5, "secret-1000");
    let Event::Registered { expires_s, .. } = net.next(phone) else { panic!("refused") };
    assert_eq!(expires_s, 60);
    net.assert_nothing_left();
}

#[test]
fn a_binding_goes_with_its_connection() {
    let mut net = Network::new();
    let phone = net.phone("1000");
    net.disconnect(phone);
    assert_eq!(net.told.last(), Some(&PbxEvent::Unregistered { extension: "1000".to_owned(), bindings: 0 }));
    net.assert_nothing_left();
}

#[test]
fn somebody_who_guesses_passwords_is_not_asked_for_ever() {
    let mut net = Network::new();
    let phone = net.connect("1000");
    for guess in 0..20 {
        assert_eq!(register(&mut net, phone, &format!("guess-{guess}")), 401, "{guess}");
        // One more try, whatever was before.
        net.advance(30_000);
    }
    assert_eq!(register(&mut net, phone, "the last guess"), 403);
    assert!(!net.is_connected(phone), "it may go on");
    net.assert_nothing_left();
}

/// Limits of one connection do not hold up who makes many.
/// Where guesses come from.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);

#[test]
fn guesses_of_a_user_are_counted_over_all_connections() {
    let mut net = Network::new();
    let owner = net.phone("1000");
    for guess in 0..10 {
        let phone = net.connect_from("1000", ELSEWHERE);
        assert_eq!(register(&mut net, phone, &format!("guess-{guess}")), 401, "{guess}");
    }
    let phone = net.connect_from("1000", ELSEWHERE);
    assert_eq!(register(&mut net, phone, "the eleventh"), 503);
    assert_eq!(register(&mut net, phone, "secret-1000"), 503, "a right one is told");
    let other = net.connect_from("1001", ELSEWHERE);
    assert_eq!(register(&mut net, other, "secret-1001"), 200, "others are held up");
    // Who is there already neither calls nor refreshes less.
    assert_eq!(register(&mut net, owner, "secret-1000"), 200);
    net.call(owner, "600");
    assert!(net.events(owner).iter().any(|event| matches!(event, Event::Accepted { .. })));
    // Nor does it come back less, where it was and elsewhere.
    net.reconnect(owner);
    assert_eq!(register(&mut net, owner, "secret-1000"), 200);
    let moved = net.connect_from("1000", Ipv4Addr::new(198, 51, 100, 7));
    assert_eq!(register(&mut net, moved, "secret-1000"), 200);
    net.advance(30_000);
    assert_eq!(register(&mut net, phone, "secret-1000"), 200, "for ever");
}

#[test]
fn guesses_of_one_address_are_counted_over_all_users() {
    let mut net = Network::new();
    let neighbour = net.phone("1002");
    for guess in 0..20 {
        let phone = net.connect(&format!("20{guess:02}"));
        assert_eq!(register(&mut net, phone, "secret"), 401, "{guess}");
    }
    let phone = net.connect("1001");
    assert_eq!(register(&mut net, phone, "wrong"), 503);
    // Who was there before is not held up by its neighbour.
    net.reconnect(neighbour);
    assert_eq!(register(&mut net, neighbour, "secret-1002"), 200);
    net.advance(6_000);
    assert_eq!(register(&mut net, phone, "secret-1001"), 200, "for ever");
}

#[test]
fn who_proves_nothing_gives_its_place_to_others() {
    let mut net = Network::new();
    let (owner, monitor) = (net.phone("1000"), net.connect("1001"));
    net.advance(120_000);
    assert!(net.is_connected(monitor), "nobody wanted its place");
    let late = net.connect("1002");
    net.advance(29_999);
    net.fill_up();
    assert!(net.is_connected(owner) && net.is_connected(late) && !net.is_connected(monitor));
    net.advance(1);
    assert_eq!(register(&mut net, late, "secret-1002"), 200);
    net.fill_up();
    assert!(net.is_connected(owner) && net.is_connected(late));
    net.assert_nothing_left();
}

/// The status of a phone's registration with this password.
fn register(net: &mut Network, phone: Who, password: &str) -> u16 {
    net.events(phone);
    net.register(phone, 600, password);
    match net.next(phone) {
        Event::Registered { .. } => 200,
        Event::RegistrationFailed { failure: RegistrationFailure::Refused { status, .. }, .. } => status,
        other => panic!("{other:?}"),
    }
}
