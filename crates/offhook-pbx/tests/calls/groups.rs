//! Ring groups with sound, and an extension that takes one call.

use std::time::Duration;

use offhook_pbx::{Extension, Pbx, RingGroup, RingStrategy};

use crate::extensions::assert_both_hear;
use crate::support::{Phone, assert_nothing_left};

async fn pbx(strategy: RingStrategy) -> Pbx {
    let extension = |number: &str| Extension::new(number, number, format!("secret-{number}"));
    let group = RingGroup::new("6200", "Sales", ["1001", "1002"]).strategy(strategy).ring(Duration::from_secs(3));
    let pbx = Pbx::builder().extension(extension("1000")).extension(extension("1001").call_waiting(false));
    pbx.extension(extension("1002")).ring_group(group).start().await.expect("the PBX starts")
}

#[tokio::test]
async fn whoever_of_a_group_answers_talks_with_the_caller() {
    let pbx = pbx(RingStrategy::All).await;
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let mut cleo = Phone::new(&pbx, "1002").await;
    let mut ours = ada.dial("6200").await;
    ben.incoming().await;
    let mut theirs = cleo.pick_up().await;
    ada.answered(&ours).await;
    ben.ended().await;
    assert_both_hear(&mut ours, &mut theirs).await;
    ada.hang_up(&ours).await;
    drop((ada, ben, cleo));
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn the_turn_goes_to_the_next_and_a_busy_member_has_none() {
    let pbx = pbx(RingStrategy::InTurn).await;
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let mut cleo = Phone::new(&pbx, "1002").await;
    let mut ours = ada.dial("6200").await;
    ben.incoming().await;
    ben.ended().await;
    let mut theirs = cleo.pick_up().await;
    ada.answered(&ours).await;
    assert_both_hear(&mut ours, &mut theirs).await;
    ada.hang_up(&ours).await;
    cleo.ended().await;
    // It is in a call, and takes no second one.
    let echo = ben.call("600").await;
    let ours = ada.dial("6200").await;
    let theirs = cleo.pick_up().await;
    ada.answered(&ours).await;
    cleo.hang_up(&theirs).await;
    ada.ended().await;
    let _busy = ada.dial("1001").await;
    assert_eq!(ada.ended().await.status, Some(486));
    ben.hang_up(&echo).await;
    drop((ada, ben, cleo));
    assert_nothing_left(&pbx).await;
}
