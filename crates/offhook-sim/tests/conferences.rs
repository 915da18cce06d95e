//! Conferences over a network: members that are replaced, and members that lose their connection.

use offhook_core::{CallId, PhoneError};
use offhook_sim::{PhoneId, World};

/// One calls another, who answers; the call at both.
fn talk(world: &mut World, from: PhoneId, to: PhoneId) -> CallId {
    world.run(1_500);
    let number = world.name(to).to_owned();
    let call = world.call(from, &number).expect("may call");
    world.run(500);
    let theirs = world.ringing(to).expect("rings");
    world.answer(to, &theirs).expect("rings");
    world.run(2_000);
    assert!(world.is_talking(from, &call) && world.is_talking(to, &theirs));
    call
}

fn members(world: &World, phone: PhoneId) -> Vec<CallId> {
    world.view(phone).conference_calls().cloned().collect()
}

#[test]
fn the_call_that_replaces_a_member_takes_its_place_in_the_conference() {
    let mut world = World::new(5);
    let [ann, bob, cy, dan] = ["ann", "bob", "cy", "dan"].map(|name| world.phone(name));
    // Ann talks to Bob and asks Cy, who confers with Dan and her.
    let parent = talk(&mut world, ann, bob);
    let with_dan = talk(&mut world, cy, dan);
    let consultation = world.consult(ann, &parent, "cy").expect("talking");
    world.run(500);
    let at_cy = world.ringing(cy).expect("rings");
    world.answer(cy, &at_cy).expect("rings");
    world.run(2_000);
    world.command(cy, |phone, now| phone.conference(now, &[with_dan.clone(), at_cy.clone()])).expect("both are up");
    world.run(2_000);
    assert_eq!(members(&world, cy), [with_dan.clone(), at_cy]);
    // Ann connects Bob and Cy: Bob calls with Replaces.
    world.command(ann, |phone, now| phone.attended_transfer(now, &consultation)).expect("both are up");
    world.run(5_000);
    assert!(world.calls(ann).is_empty(), "Ann is out of it");
    let bobs = world.calls(bob);
    assert_eq!(bobs.len(), 1);
    let now = members(&world, cy);
    assert_eq!(now, [with_dan, bobs[0].clone()]);
    for call in &now {
        let status = world.view(cy).session(call).expect("there").status();
        assert!(status.is_conference && !status.is_hold, "{status:?}");
    }
}

#[test]
fn a_conference_survives_a_lost_connection_and_one_made_without_any_is_settled() {
    let mut world = World::new(6);
    let [ann, bob, cy] = ["ann", "bob", "cy"].map(|name| world.phone(name));
    let calls = [talk(&mut world, ann, bob), talk(&mut world, ann, cy)];
    world.cut(ann, 10_000);
    world.run(100);
    // The first is held: to unhold it takes a connection.
    world.command(ann, |phone, now| phone.conference(now, &calls)).expect("both are up");
    world.run(1_000);
    assert_eq!((members(&world, ann), world.ledger(ann).pending()), (vec![], 1));
    world.run(60_000);
    assert_eq!((members(&world, ann), world.ledger(ann).pending()), (calls.to_vec(), 0));
    world.cut(ann, 5_000);
    world.run(60_000);
    assert_eq!(members(&world, ann), calls);
    for call in &calls {
        world.hangup(ann, call).expect("talking");
    }
    world.run(5_000);
    let none = world.command(ann, |phone, now| phone.hold_conference(now));
    assert!(matches!(none, Err(PhoneError::WrongState { .. })));
}
