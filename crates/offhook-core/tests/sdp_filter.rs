//! Descriptions that a driver changes before they are applied or sent.

mod common;

use common::{A, B, World};
use offhook_core::events::{SdpType, Side};
use offhook_core::{CallOptions, MediaCommand};

fn filtered() -> World {
    World::with(|config| config.filter_sdp = true)
}

fn marked(world: &mut World) {
    world.filter = Box::new(|who, side, kind, sdp| Some(format!("{sdp}a=x-{who}-{side:?}-{kind:?}\r\n")));
}

#[test]
fn what_the_filter_gives_back_is_sent_and_applied_and_the_event_has_the_original() {
    let mut world = filtered();
    marked(&mut world);
    let (a, b) = world.talk();
    let sdp = |world: &World, who, call| {
        let session = world.phone(who).session(call).expect("there");
        (session.local_sdp().expect("made").to_owned(), session.remote_sdp().expect("came").to_owned())
    };
    let (offer, answer) = sdp(&world, A, &a);
    assert!(offer.ends_with("a=x-0-Local-Offer\r\n"), "{offer}");
    assert!(answer.ends_with("a=x-1-Local-Answer\r\na=x-0-Remote-Answer\r\n"), "{answer}");
    let (_, offered) = sdp(&world, B, &b);
    assert!(offered.ends_with("a=x-0-Local-Offer\r\na=x-1-Remote-Offer\r\n"), "{offered}");
    let applied = world.media(B).asked.iter().any(
        |command| matches!(command, MediaCommand::AcceptOffer { sdp, .. } if sdp.ends_with("a=x-1-Remote-Offer\r\n")),
    );
    assert!(applied, "the peer connection has the changed one");
}

#[test]
fn the_order_of_the_events_is_the_same_with_a_filter() {
    let order = |mut world: World| {
        let (a, b) = world.ring();
        world.act(B, |phone, now| phone.answer(now, &b, CallOptions::default())).expect("answers");
        world.run(500);
        world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
        world.run(500);
        (world.log(A), world.log(B))
    };
    assert_eq!(order(World::new()), order(filtered()));
}

#[test]
fn early_media_passes_the_filter_too() {
    let mut world = filtered();
    marked(&mut world);
    world.act(A, |phone, now| phone.call(now, "607", CallOptions::default())).expect("calls");
    world.run(500);
    let early = world.media(A).asked.iter().any(|command| {
        matches!(command, MediaCommand::AcceptAnswer { sdp, early: Some(_), .. } if sdp.ends_with("a=x-0-Remote-Answer\r\n"))
    });
    assert!(early);
    assert!(world.log(A).contains(&"confirmed".to_owned()));
}

#[test]
fn a_filter_that_never_answers_has_a_deadline() {
    let mut world = filtered();
    world.filter = Box::new(|who, side, _, sdp| (who != A || side != Side::Local).then(|| sdp.to_owned()));
    world.act(A, |phone, now| phone.call(now, "1001", CallOptions::default())).expect("calls");
    world.run(70_000);
    assert_eq!(world.log(A).last().map(String::as_str), Some("deleteSession WebRTC Error"));
    world.assert_clean();
}

#[test]
fn a_description_given_back_after_its_exchange_is_over_is_forgotten() {
    let mut world = filtered();
    let (a, b) = world.talk();
    // B's answers to re-INVITEs stay at its driver.
    world.filter = Box::new(|who, _, kind, sdp| (who != B || kind != SdpType::Answer).then(|| sdp.to_owned()));
    let hold = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(16_000);
    assert!(matches!(world.outcome(A, hold), Some(Err(_))), "refused by B, whose media did not answer");
    world.filter = Box::new(|_, _, _, sdp| Some(sdp.to_owned()));
    let again = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(1_000);
    assert_eq!(world.outcome(A, again), Some(Ok(())));
    world.act(B, |phone, now| phone.sdp_filtered(now, &b, offhook_core::SdpFilterId(1), "late".to_owned()));
    assert_eq!(world.phone(B).sessions().count(), 1);
}

#[test]
fn without_the_configuration_no_description_waits_for_a_driver() {
    let mut world = World::new();
    world.filter = Box::new(|_, _, _, _| panic!("nothing is filtered"));
    world.talk();
}
