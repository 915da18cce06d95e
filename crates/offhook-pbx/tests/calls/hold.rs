//! Hold, as it sounds.

use offhook_media::Direction;

use crate::extensions::assert_both_hear;
use crate::support::{Phone, assert_nothing_left, pbx};

#[tokio::test]
async fn who_is_held_hears_music_and_then_the_other_again() {
    let pbx = pbx().await;
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let mut ours = ada.dial("1001").await;
    let mut theirs = ben.pick_up().await;
    ada.answered(&ours).await;
    assert_both_hear(&mut ours, &mut theirs).await;

    ada.change(&ours, Direction::SendOnly).await;
    theirs.ear.hears_music_not_tone(500.0).await;
    ada.change(&ours, Direction::SendRecv).await;
    assert_both_hear(&mut ours, &mut theirs).await;

    // Both hold, and the one who held first comes back first.
    ada.change(&ours, Direction::SendOnly).await;
    ben.change(&theirs, Direction::SendOnly).await;
    ada.change(&ours, Direction::SendRecv).await;
    ours.ear.hears_music_not_tone(900.0).await;
    ben.change(&theirs, Direction::SendRecv).await;
    assert_both_hear(&mut ours, &mut theirs).await;

    ada.hang_up(&ours).await;
    drop((ada, ben));
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn who_is_held_by_a_page_that_is_reloaded_hears_music_all_the_time() {
    let pbx = pbx().await;
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let mut ours = ada.dial("1001").await;
    let mut theirs = ben.pick_up().await;
    ada.answered(&ours).await;
    assert_both_hear(&mut ours, &mut theirs).await;

    ada.change(&ours, Direction::SendOnly).await;
    ada.begin_anew(&mut ours, Direction::SendOnly).await;
    theirs.ear.forget();
    theirs.ear.hears_music_not_tone(500.0).await;
    ada.change(&ours, Direction::SendRecv).await;
    assert_both_hear(&mut ours, &mut theirs).await;

    // Who is held is reloaded too.
    ada.change(&ours, Direction::SendOnly).await;
    ben.begin_anew(&mut theirs, Direction::SendRecv).await;
    theirs.ear.hears_music_not_tone(500.0).await;
    ada.change(&ours, Direction::SendRecv).await;
    assert_both_hear(&mut ours, &mut theirs).await;

    ada.hang_up(&ours).await;
    drop((ada, ben));
    assert_nothing_left(&pbx).await;
}
