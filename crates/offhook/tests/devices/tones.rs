//! The tones of a telephone.

use futures_util::StreamExt as _;
use offhook::CallOptions;
use offhook::devices::Role;

use crate::{Bench, falls_silent, plays, soon};

#[tokio::test]
async fn the_caller_hears_ringback_until_the_answer_and_the_called_phone_rings_on_its_bell() {
    let bench = Bench::new().await;
    let caller = bench.phone("1000").await;
    let called = Bench::new().await;
    let phone = soon(bench.builder("1001").devices(called.devices.clone()).connect()).await.expect("registers");
    soon(called.devices.choose(Role::Ringer, Some("bell"))).await.expect("there is one");
    let mut incoming = phone.incoming();
    let call = soon(caller.call("1001", CallOptions::default())).await.expect("calls");
    let other = soon(incoming.next()).await.expect("rings");
    plays(&bench.speaker, &[425.0]).await;
    plays(&called.bell, &[660.0, 880.0]).await;
    assert!(!called.speaker.is_open() && !called.microphone.is_open());
    soon(other.answer(CallOptions::default())).await.expect("answers");
    soon(call.confirmed()).await.expect("is answered");
    falls_silent(&called.bell).await;
    falls_silent(&bench.speaker).await;
    soon(call.hangup()).await.expect("hangs up");
}

#[tokio::test]
async fn the_far_ends_own_sound_takes_the_place_of_ringback() {
    let bench = Bench::new().await;
    let phone = bench.phone("1000").await;
    // It is heard, and then refuses.
    let call = soon(phone.call("607", CallOptions::default())).await.expect("calls");
    let ended = call.ended();
    let mut heard = Vec::new();
    soon(async {
        tokio::pin!(ended);
        loop {
            tokio::select! {
                end = &mut ended => return assert!(!end.was_established),
                piece = crate::piece(&bench.speaker, 2_400) => heard.extend(piece),
            }
        }
    })
    .await;
    let loud: Vec<_> = heard.chunks(2_400).filter(|piece| piece.iter().any(|sample| sample.abs() > 500)).collect();
    let own = loud.iter().filter(|piece| crate::share(piece, 425.0) > 0.8).count();
    assert!(loud.len() > 10, "it is heard: {}", loud.len());
    // Before its description is applied there may be a moment of ringback.
    assert!(own < loud.len() / 5, "ringback in {own} of {}", loud.len());
}

#[tokio::test]
async fn a_busy_far_end_is_heard_to_be_busy_and_not_for_ever() {
    let bench = Bench::new().await;
    let phone = bench.phone("1000").await;
    let call = soon(phone.call("604", CallOptions::default())).await.expect("calls");
    assert!(soon(call.confirmed()).await.is_err());
    plays(&bench.speaker, &[425.0]).await;
    soon(async {
        while bench.speaker.is_open() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn keys_are_heard() {
    let bench = Bench::new().await;
    let phone = bench.phone("1000").await;
    let call = soon(phone.call("603", CallOptions::default())).await.expect("calls");
    soon(call.confirmed()).await.expect("is answered");
    soon(call.set_volume(0.0)).await.expect("is silent");
    let _ = bench.speaker.played();
    let keys = call.dtmf("5555555555");
    soon(async {
        loop {
            let piece = crate::piece(&bench.speaker, 2_400).await;
            if crate::share(&piece, 770.0) + crate::share(&piece, 1_336.0) > 0.9 {
                return;
            }
        }
    })
    .await;
    soon(keys).await.expect("are sent");
    soon(call.hangup()).await.expect("hangs up");
}
