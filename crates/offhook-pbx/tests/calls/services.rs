//! The services, as they sound. (Their statuses are tested in virtual time, with the switch.)

use offhook_media::Direction;
use offhook_sip::{Event, TerminationKind};

use crate::sound::chirp;
use crate::support::{Phone, assert_nothing_left, pbx};

#[tokio::test]
async fn the_echo_says_what_it_hears() {
    let pbx = pbx().await;
    let mut phone = Phone::new(&pbx, "1000").await;
    let mut call = phone.call("600").await;
    call.peer.set_source(chirp());
    call.ear.hears_echo().await;
    // So it does to a page that is reloaded.
    phone.begin_anew(&mut call, Direction::SendRecv).await;
    call.peer.set_source(chirp());
    call.ear.hears_echo().await;
    phone.hang_up(&call).await;
    drop(phone);
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn the_tone_is_heard_and_ends_the_call() {
    let pbx = pbx().await;
    let mut phone = Phone::new(&pbx, "1000").await;
    let mut call = phone.call("601").await;
    call.ear.hears_tone(440.0).await;
    let end = phone.ended().await;
    assert_eq!(end.kind, TerminationKind::Bye);
    drop(phone);
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn music_is_heard() {
    let pbx = pbx().await;
    let mut phone = Phone::new(&pbx, "1000").await;
    let mut call = phone.call("603").await;
    call.ear.hears_music_not_tone(440.0).await;
    phone.hang_up(&call).await;
    drop(phone);
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn early_media_is_heard_before_the_refusal() {
    let pbx = pbx().await;
    let mut phone = Phone::new(&pbx, "1000").await;
    let mut call = phone.dial("607").await;
    let Event::Provisional { status: 183, answer: Some(sdp), .. } = phone.next().await else { panic!("no 183") };
    call.peer.accept_answer(sdp).await.expect("an answer");
    call.ear.hears_music_not_tone(440.0).await;
    assert_eq!(phone.ended().await.status, Some(603));
    drop(phone);
    assert_nothing_left(&pbx).await;
}
