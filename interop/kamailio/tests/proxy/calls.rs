//! Calls between two phones.

use offhook::{CallOptions, Cause, SessionEvent};
use offhook_interop_kamailio::Scene;

use crate::support::{
    At, Over, all_gone, at, ear, eventually, hear_each_other, hears, hears_nothing, no_call_is_left, soon, talk, tone,
    until,
};

async fn two(scene: &Scene) -> (At, At) {
    (at(scene, "1000", Over::Ws).await, at(scene, "1001", Over::Wss).await)
}

#[tokio::test]
async fn calls_both_ways_are_heard_both_ways_through_rtpengine() {
    let scene = Scene::start();
    let (mut alice, mut bob) = two(&scene).await;
    let (a, b) = talk(&alice, &mut bob, "1001").await;
    assert_eq!((b.status().number.as_str(), a.call_id()), ("1000", b.call_id()), "it is one dialog, end to end");
    hear_each_other(&scene, &a, &b).await;
    soon(a.hangup()).await.expect("hangs up");
    assert_eq!(soon(b.ended()).await.cause, Cause::Terminated);
    no_call_is_left(&scene).await;
    let (b, a) = talk(&bob, &mut alice, "1000").await;
    hear_each_other(&scene, &a, &b).await;
    // The called one hangs up.
    soon(a.hangup()).await.expect("hangs up");
    assert_eq!(soon(b.ended()).await.cause, Cause::Terminated);
    all_gone(&scene, [alice, bob]).await;
}

#[tokio::test]
async fn a_call_between_two_phones_at_the_same_port_is_heard_too() {
    for over in [Over::Ws, Over::Wss] {
        let scene = Scene::start();
        let (alice, mut bob) = (at(&scene, "1000", over).await, at(&scene, "1001", over).await);
        let (a, b) = talk(&alice, &mut bob, "1001").await;
        hear_each_other(&scene, &a, &b).await;
        soon(b.hangup()).await.expect("hangs up");
        soon(a.ended()).await;
        all_gone(&scene, [alice, bob]).await;
    }
}

#[tokio::test]
async fn either_side_can_hold_and_resume() {
    let scene = Scene::start();
    let (alice, mut bob) = two(&scene).await;
    let (a, b) = talk(&alice, &mut bob, "1001").await;
    hear_each_other(&scene, &a, &b).await;
    for (holder, held) in [(&a, &b), (&b, &a)] {
        let (mut at_holder, mut at_held) = (ear(holder), ear(held));
        soon(holder.hold()).await.expect("holds");
        assert!(holder.status().is_hold && !held.status().is_hold);
        assert!(held.status().is_remote_hold);
        hears_nothing(&mut at_holder).await;
        hears_nothing(&mut at_held).await;
        soon(holder.unhold()).await.expect("resumes");
        assert!(!holder.status().is_hold && !held.status().is_remote_hold);
        hear_each_other(&scene, &a, &b).await;
    }
    // Both at once.
    let (one, other) = (a.hold(), b.hold());
    soon(one).await.expect("holds");
    soon(other).await.expect("holds");
    let (one, other) = (a.unhold(), b.unhold());
    soon(one).await.expect("resumes");
    soon(other).await.expect("resumes");
    hear_each_other(&scene, &a, &b).await;
    soon(a.hangup()).await.expect("hangs up");
    soon(b.ended()).await;
    all_gone(&scene, [alice, bob]).await;
}

#[tokio::test]
async fn tones_arrive_at_the_other_side() {
    let scene = Scene::start();
    let (alice, mut bob) = two(&scene).await;
    let (a, b) = talk(&alice, &mut bob, "1001").await;
    hear_each_other(&scene, &a, &b).await;
    for (from, to, tones) in [(&a, &b, "159*#"), (&b, &a, "D0")] {
        let mut events = to.events();
        soon(from.dtmf(tones)).await.expect("sends");
        for expected in tones.chars() {
            let event = until(&mut events, |event| matches!(event, SessionEvent::Dtmf { .. })).await;
            let SessionEvent::Dtmf { tone, .. } = event else { panic!("{event:?}") };
            assert_eq!(tone, expected);
        }
    }
    // And by INFO, which Kamailio carries.
    let mut events = b.events();
    soon(a.send_info("application/dtmf-relay", "Signal=5\r\nDuration=100\r\n")).await.expect("is taken");
    until(&mut events, |event| matches!(event, SessionEvent::NewInfo { body, .. } if body.contains("Signal=5"))).await;
    soon(a.hangup()).await.expect("hangs up");
    soon(b.ended()).await;
    all_gone(&scene, [alice, bob]).await;
}

#[tokio::test]
async fn a_call_that_comes_to_nothing_leaves_nothing() {
    let scene = Scene::start();
    let (alice, mut bob) = two(&scene).await;
    // Refused.
    let a = soon(alice.phone.call("1001", CallOptions::default())).await.expect("calls");
    soon(bob.rings().await.reject()).await.expect("refuses");
    let end = soon(a.ended()).await;
    assert_eq!((end.cause, end.code, end.was_established), (Cause::Busy, Some(486), false));
    // Cancelled.
    let b = soon(bob.phone.call("1000", CallOptions::default())).await.expect("calls");
    let mut alice = alice;
    let a = alice.rings().await;
    soon(b.hangup()).await.expect("cancels");
    assert_eq!(soon(a.ended()).await.cause, Cause::Canceled);
    assert_eq!(soon(b.ended()).await.cause, Cause::Canceled);
    no_call_is_left(&scene).await;
    // Nobody there, and no such number.
    for number in ["1003", "4711"] {
        // Two calls within a second are refused by the phone itself.
        let phone = at(&scene, "1002", Over::Ws).await;
        let call = soon(phone.phone.call(number, CallOptions::default())).await.expect("calls");
        let end = soon(call.ended()).await;
        assert_eq!((end.cause, end.code), (Cause::Unavailable, Some(480)));
        soon(phone.phone.shutdown()).await;
    }
    all_gone(&scene, [alice, bob]).await;
}

#[tokio::test]
async fn a_second_call_waits_while_the_first_is_held() {
    let scene = Scene::start();
    let (alice, mut bob) = two(&scene).await;
    let carol = at(&scene, "1002", Over::Ws).await;
    let (a, b) = talk(&alice, &mut bob, "1001").await;
    hear_each_other(&scene, &a, &b).await;
    // Bob answers Carol: Alice is held.
    let (c, second) = talk(&carol, &mut bob, "1001").await;
    hear_each_other(&scene, &c, &second).await;
    eventually("Alice is held", || b.status().is_hold).await;
    assert!(b.status().is_hold && !second.status().is_hold);
    soon(c.hangup()).await.expect("hangs up");
    soon(second.ended()).await;
    soon(b.unhold()).await.expect("resumes");
    hear_each_other(&scene, &a, &b).await;
    let mut at_b = ear(&b);
    drop(a.play(tone(700.0)));
    hears(&mut at_b, 700.0).await;
    soon(b.hangup()).await.expect("hangs up");
    soon(a.ended()).await;
    all_gone(&scene, [alice, bob, carol]).await;
}
