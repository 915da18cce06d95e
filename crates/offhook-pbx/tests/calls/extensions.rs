//! Calls from phone to phone.

use offhook_media::{Codec, PeerConfig, PeerEvent};
use offhook_pbx::PbxEvent;

use crate::sound::tone;
use crate::support::{Call, Phone, SOON, assert_nothing_left, pbx};

/// Each side says a tone and hears the other's. They change tones once: what was said before this moment proves nothing.
pub(crate) async fn assert_both_hear(a: &mut Call, b: &mut Call) {
    for (says, other) in [(900.0, 500.0), (500.0, 900.0)] {
        a.ear.forget();
        b.ear.forget();
        a.peer.set_source(tone(says));
        b.peer.set_source(tone(other));
        a.ear.hears_tone(other).await;
        b.ear.hears_tone(says).await;
    }
}

#[tokio::test]
async fn both_sides_hear_each_other() {
    let pbx = pbx().await;
    let mut events = pbx.events();
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let mut ours = ada.dial("1001").await;
    let mut theirs = ben.pick_up().await;
    ada.answered(&ours).await;
    assert_both_hear(&mut ours, &mut theirs).await;
    assert_eq!((pbx.load().calls, pbx.load().legs, pbx.load().media_peers), (1, 2, 2));

    ben.hang_up(&theirs).await;
    assert!(ada.ended().await.established);
    drop((ada, ben));
    assert_nothing_left(&pbx).await;
    let mut told = Vec::new();
    while !matches!(told.last(), Some(PbxEvent::CallEnded { .. })) {
        let event = tokio::time::timeout(SOON, events.next()).await.expect("an event").expect("the PBX runs");
        told.push(event);
    }
    let number = |n: &str| n.to_owned();
    assert_eq!(told[0], PbxEvent::Registered { extension: number("1000"), bindings: 1 });
    assert!(
        matches!(&told[2], PbxEvent::CallStarted { from, to, .. } if (from, to) == (&number("1000"), &number("1001")))
    );
    assert!(matches!(told[3], PbxEvent::CallAnswered { .. }));
    assert!(matches!(told[4], PbxEvent::CallEnded { answered: true, status: 200, .. }), "{told:?}");
}

#[tokio::test]
async fn phones_without_a_codec_in_common_hear_each_other() {
    let pbx = pbx().await;
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let mut ours = ada.dial_with("1001", PeerConfig::new("opus").codecs([Codec::Opus])).await;
    let mut theirs = ben.pick_up_with(PeerConfig::new("alaw").codecs([Codec::Pcma])).await;
    ada.answered(&ours).await;
    assert_both_hear(&mut ours, &mut theirs).await;
    drop((ada, ben));
}

#[tokio::test]
async fn dialled_tones_reach_the_other_side() {
    let pbx = pbx().await;
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let mut ours = ada.dial("1001").await;
    let mut theirs = ben.pick_up().await;
    ada.answered(&ours).await;
    assert_both_hear(&mut ours, &mut theirs).await;
    let sent = ours.peer.send_dtmf("12#", 100, 100).expect("tones");
    let mut heard = String::new();
    while heard.len() < 3 {
        let event = tokio::time::timeout(SOON, theirs.events.recv()).await;
        match event.unwrap_or_else(|_| panic!("only {heard:?} came")) {
            Some(PeerEvent::Dtmf { tone, .. }) => heard.push(tone),
            Some(_) => {}
            None => panic!("closed"),
        }
    }
    assert_eq!(heard, "12#");
    sent.await.expect("sent");
}

#[tokio::test]
async fn the_device_that_answers_first_has_the_call() {
    let pbx = pbx().await;
    let mut ada = Phone::new(&pbx, "1000").await;
    let (mut desk, mut mobile) = (Phone::new_device(&pbx, "1001", "desk").await, Phone::new(&pbx, "1001").await);
    let mut ours = ada.dial("1001").await;
    desk.incoming().await;
    let mut theirs = mobile.pick_up().await;
    ada.answered(&ours).await;
    let lost = desk.ended().await;
    assert_eq!((lost.status, lost.reason.as_deref()), (Some(200), Some("Call completed elsewhere")));
    assert_both_hear(&mut ours, &mut theirs).await;
    ada.hang_up(&ours).await;
    drop((ada, desk, mobile));
    assert_nothing_left(&pbx).await;
}
