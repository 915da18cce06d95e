//! Transfers by feature codes, as they sound.

use offhook_media::Direction;
use offhook_pbx::Pbx;

use crate::sound::tone;
use crate::support::{Call, Phone, assert_nothing_left, pbx};

/// 1000, 1001 and 1002.
async fn three(pbx: &Pbx) -> (Phone, Phone, Phone) {
    (Phone::new(pbx, "1000").await, Phone::new(pbx, "1001").await, Phone::new(pbx, "1002").await)
}

/// 1000 has called 1001, and both say their tones.
async fn talk(ada: &mut Phone, ben: &mut Phone) -> (Call, Call) {
    let (ours, theirs) = (ada.dial("1001").await, ben.pick_up().await);
    ada.answered(&ours).await;
    ours.peer.set_source(tone(500.0));
    theirs.peer.set_source(tone(800.0));
    (ours, theirs)
}

async fn dial(call: &Call, tones: &str) {
    call.peer.send_dtmf(tones, 80, 60).expect("tones").await.expect("sent");
}

#[tokio::test]
async fn an_attended_transfer_sounds_as_it_should_to_all_three() {
    let pbx = pbx().await;
    let (mut ada, mut ben, mut cleo) = three(&pbx).await;
    let (mut ours, mut theirs) = talk(&mut ada, &mut ben).await;
    theirs.ear.hears_tone(500.0).await;
    dial(&ours, "*31002#").await;
    theirs.ear.hears_music_not_tone(500.0).await;
    let mut hers = cleo.pick_up().await;
    hers.peer.set_source(tone(1_300.0));
    ours.ear.hears_tone(1_300.0).await;
    hers.ear.hears_tone(500.0).await;
    ada.hang_up(&ours).await;
    theirs.ear.hears_tone(1_300.0).await;
    hers.ear.hears_tone(800.0).await;
    cleo.hang_up(&hers).await;
    ben.ended().await;
    drop((ada, ben, cleo));
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn who_asks_takes_the_other_back() {
    let pbx = pbx().await;
    let (mut ada, mut ben, mut cleo) = three(&pbx).await;
    let (mut ours, mut theirs) = talk(&mut ada, &mut ben).await;
    theirs.ear.hears_tone(500.0).await;
    dial(&theirs, "*31002#").await;
    ours.ear.hears_music_not_tone(800.0).await;
    let mut hers = cleo.pick_up().await;
    hers.peer.set_source(tone(1_300.0));
    theirs.ear.hears_tone(1_300.0).await;
    // Who waits and whose page is reloaded hears music again, and not the two.
    ada.begin_anew(&mut ours, Direction::SendRecv).await;
    ours.peer.set_source(tone(500.0));
    ours.ear.hears_music_not_tone(800.0).await;
    for ear in [&mut theirs.ear, &mut hers.ear] {
        ear.forget();
    }
    theirs.ear.hears_tone(1_300.0).await;
    hers.ear.hears_tone(800.0).await;
    dial(&theirs, "*0").await;
    cleo.ended().await;
    theirs.ear.hears_tone(500.0).await;
    ours.ear.hears_tone(800.0).await;
    ada.hang_up(&ours).await;
    drop((ada, ben, cleo));
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn a_blind_transfer_connects_the_other_side_and_one_that_fails_gives_it_back() {
    let pbx = pbx().await;
    let (mut ada, mut ben, mut cleo) = three(&pbx).await;
    let (mut ours, mut theirs) = talk(&mut ada, &mut ben).await;
    dial(&ours, "*03604#").await;
    ours.ear.hears_tone(425.0).await;
    theirs.ear.forget();
    theirs.ear.hears_tone(500.0).await;
    ours.ear.hears_tone(800.0).await;
    dial(&ours, "*031002#").await;
    let mut hers = cleo.pick_up().await;
    hers.peer.set_source(tone(1_300.0));
    ada.ended().await;
    theirs.ear.hears_tone(1_300.0).await;
    hers.ear.hears_tone(800.0).await;
    cleo.hang_up(&hers).await;
    ben.ended().await;
    drop((ada, ben, cleo));
    assert_nothing_left(&pbx).await;
}
