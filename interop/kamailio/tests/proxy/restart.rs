//! Kamailio restarted in the middle of a call: it remembers neither the dialog nor who was registered.

use offhook::{Cause, PhoneEvent, SessionEvent};
use offhook_interop_kamailio::Scene;

use crate::support::{Over, all_gone, at, ear, hear_each_other, hears, no_call_is_left, soon, talk, tone, until};

/// How Kamailio goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    Orderly,
    Crashing,
}

#[tokio::test]
async fn a_call_survives_an_orderly_restart_and_is_ended_over_the_new_one() {
    restarted(Goes::Orderly).await;
}

#[tokio::test]
async fn a_call_survives_a_crash_and_is_ended_over_the_new_one() {
    restarted(Goes::Crashing).await;
}

async fn restarted(goes: Goes) {
    let mut scene = Scene::start();
    let (alice, mut bob) = (at(&scene, "1000", Over::Ws).await, at(&scene, "1001", Over::Wss).await);
    let (a, b) = talk(&alice, &mut bob, "1001").await;
    hear_each_other(&scene, &a, &b).await;
    let (mut alices, mut bobs) = (a.events(), b.events());
    match goes {
        Goes::Orderly => scene.stop_kamailio(),
        Goes::Crashing => scene.crash_kamailio(),
    }
    for events in [&mut alices, &mut bobs] {
        until(events, |event| matches!(event, SessionEvent::Reconnecting { .. })).await;
    }
    assert!(!alice.phone.is_registered() && !bob.phone.is_registered());
    // Media goes on without.
    let (mut at_a, mut at_b) = (ear(&a), ear(&b));
    drop(a.play(tone(600.0)));
    drop(b.play(tone(800.0)));
    hears(&mut at_a, 800.0).await;
    hears(&mut at_b, 600.0).await;
    scene.start_kamailio();
    for events in [&mut alices, &mut bobs] {
        until(events, |event| matches!(event, SessionEvent::Reconnected { .. })).await;
    }
    assert!(alice.phone.is_registered() && bob.phone.is_registered());
    assert_eq!(scene.registered().len(), 2);
    hear_each_other(&scene, &a, &b).await;
    // The dialog is under control, from both ends.
    for session in [&a, &b] {
        soon(session.hold()).await.expect("holds");
        soon(session.unhold()).await.expect("resumes");
    }
    hear_each_other(&scene, &a, &b).await;
    soon(b.hangup()).await.expect("hangs up");
    assert_eq!(soon(a.ended()).await.cause, Cause::Terminated);
    all_gone(&scene, [alice, bob]).await;
}

#[tokio::test]
async fn the_next_call_goes_over_the_new_one() {
    let mut scene = Scene::start();
    let (alice, mut bob) = (at(&scene, "1000", Over::Ws).await, at(&scene, "1001", Over::Wss).await);
    let (mut alices, mut bobs) = (alice.phone.events(), bob.phone.events());
    scene.stop_kamailio();
    scene.start_kamailio();
    for events in [&mut alices, &mut bobs] {
        until(events, |event| matches!(event, PhoneEvent::IsRegisteredChange { is_registered: false })).await;
        until(events, |event| matches!(event, PhoneEvent::IsRegisteredChange { is_registered: true })).await;
    }
    let (a, b) = talk(&alice, &mut bob, "1001").await;
    hear_each_other(&scene, &a, &b).await;
    soon(a.hangup()).await.expect("hangs up");
    soon(b.ended()).await;
    no_call_is_left(&scene).await;
    all_gone(&scene, [alice, bob]).await;
}
