//! The phone that is transferred: what the new call has of the one before, and which the user looks at.
#![allow(missing_docs)]

mod common;

use common::{A, B, World};
use offhook_core::media::MediaCommand;
use offhook_core::{CallId, CallOptions, IceServer, IceTransportPolicy};
use serde_json::json;

/// The third phone, 1002.
const C: usize = 2;

fn three() -> World {
    let mut world = World::unregistered(3, |_| {});
    for who in [A, B, C] {
        world.act(who, |phone, now| phone.start(now)).expect("starts");
    }
    world.run(3_000);
    world
}

/// A calls another phone, which answers: the call at A and there.
fn talk(world: &mut World, to: usize, options: CallOptions) -> (CallId, CallId) {
    let number = (1000 + to).to_string();
    let (_, call) = world.act(A, |phone, now| phone.call(now, &number, options)).expect("calls");
    world.run(500);
    let theirs = world.call_of(to);
    world.act(to, |phone, now| phone.answer(now, &theirs, Default::default())).expect("answers");
    world.run(2_000);
    (call, theirs)
}

fn opened(world: &mut World) -> Vec<CallOptions> {
    let asked = std::mem::take(&mut world.media(A).asked);
    asked
        .into_iter()
        .filter_map(|command| if let MediaCommand::Open { options } = command { Some(options) } else { None })
        .collect()
}

#[test]
fn the_new_call_has_the_servers_of_the_one_before_and_leaves_the_microphone() {
    let server = IceServer { urls: vec!["stun:mine".to_owned()], username: None, credential: None };
    let options = CallOptions {
        input_device: Some("headset".to_owned()),
        ice_servers: vec![server.clone()],
        ice_transport_policy: IceTransportPolicy::Relay,
        ..CallOptions::default()
    };
    let mut world = three();
    let (_, theirs) = talk(&mut world, B, options);
    assert_eq!(opened(&mut world)[0].input_device.as_deref(), Some("headset"));
    world.act(B, |phone, now| phone.blind_transfer(now, &theirs, "1002")).expect("transfers");
    world.run(1_000);
    let opened = opened(&mut world);
    assert_eq!(opened.len(), 1);
    // It is the whole phone's natively: who has chosen another one since would lose it.
    assert_eq!(opened[0].input_device, None);
    assert_eq!(opened[0].ice_servers, [server]);
    assert_eq!(opened[0].ice_transport_policy, IceTransportPolicy::Relay);
}

#[test]
fn the_phones_servers_are_those_of_the_moment_and_not_of_the_call_before() {
    let mut world = World::with_pbx(|_| {});
    let (_, b) = world.talk();
    let urls = |options: &CallOptions| options.ice_servers.iter().flat_map(|s| s.urls.clone()).collect::<Vec<_>>();
    assert_eq!(urls(&opened(&mut world)[0]), ["stun:office.example:11009"]);
    world.notify(20065, json!({"enable_nat_fqdn": 1, "fqdn_domain": "new.example", "turn_port": 3478}));
    world.act(B, |phone, now| phone.blind_transfer(now, &b, "606")).expect("transfers");
    world.run(1_000);
    assert_eq!(urls(&opened(&mut world)[0]), ["stun:new.example:3478"]);
}

#[test]
fn who_is_transferred_in_vain_looks_at_the_call_that_was_to_be_transferred() {
    let mut world = three();
    let (older, theirs) = talk(&mut world, B, CallOptions::default());
    let (newer, _) = talk(&mut world, C, CallOptions::default());
    world.act(A, |phone, now| phone.unhold(now, &older)).expect("resumes");
    world.run(1_000);
    assert!(world.phone(A).session(&newer).is_some_and(|call| call.status().is_hold));
    world.act(B, |phone, now| phone.blind_transfer(now, &theirs, "606")).expect("transfers");
    world.run(1_000);
    let current = world.phone(A).current_session_id().cloned();
    assert!(current.as_ref().is_some_and(|id| *id != older && *id != newer), "the new call rings: {current:?}");
    world.act(A, |phone, now| phone.hangup(now, &current.expect("rings"))).expect("rings");
    world.run(1_000);
    assert_eq!(world.phone(A).current_session_id(), Some(&older), "and not the newest, which is held");
    // One that is refused does the same.
    world.act(B, |phone, now| phone.blind_transfer(now, &theirs, "486")).expect("transfers");
    world.run(1_000);
    assert_eq!(world.phone(A).sessions().count(), 2);
    assert_eq!(world.phone(A).current_session_id(), Some(&older));
}
