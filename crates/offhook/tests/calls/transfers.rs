//! Transfers through the embedded PBX, and what is heard after them.

use futures_util::StreamExt as _;
use offhook::{CallOptions, PhoneError, SessionEvent};

use crate::support::{Talk, ear, hears, pbx, phone, soon, talk, tone, until};

#[tokio::test]
async fn after_a_blind_transfer_transferee_and_target_hear_each_other() {
    let Talk { a, b, pbx, alice: _alice, bob: _bob } = talk().await;
    let carol = phone(&pbx, "1002").await;
    let (mut incoming, mut events) = (carol.incoming(), b.events());
    let transfer = a.blind_transfer("1002");
    let c = soon(incoming.next()).await.expect("rings");
    assert_eq!(c.status().number, "1001", "the target sees the transferee");
    soon(c.answer(CallOptions::default())).await.expect("answers");
    soon(transfer).await.expect("is transferred");
    let (mut at_b, mut at_c) = (ear(&b), ear(&c));
    drop(b.play(tone(440.0)));
    drop(c.play(tone(1000.0)));
    hears(&mut at_b, 1000.0).await;
    hears(&mut at_c, 440.0).await;
    let is_told = |event: &SessionEvent| matches!(event, SessionEvent::StatusChange { new_status, .. } if new_status.number == "1002");
    until(&mut events, is_told).await;
    assert_eq!(b.status().number, "1002", "the transferee sees the target");
}

#[tokio::test]
async fn after_an_attended_transfer_the_two_far_ends_hear_each_other() {
    let Talk { a, b, pbx, alice: _alice, bob: _bob } = talk().await;
    let carol = phone(&pbx, "1002").await;
    let mut incoming = carol.incoming();
    let consultation = soon(b.consult("1002", CallOptions::default())).await.expect("calls");
    let c = soon(incoming.next()).await.expect("rings");
    soon(c.answer(CallOptions::default())).await.expect("answers");
    soon(consultation.confirmed()).await.expect("is confirmed");
    soon(consultation.attended_transfer()).await.expect("is transferred");
    let (mut at_a, mut at_c) = (ear(&a), ear(&c));
    drop(a.play(tone(440.0)));
    drop(c.play(tone(1000.0)));
    hears(&mut at_a, 1000.0).await;
    hears(&mut at_c, 440.0).await;
}

#[tokio::test]
async fn a_transfer_that_nobody_could_hear_says_why_it_is_refused() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    let call = soon(phone.call("600", CallOptions::default())).await.expect("calls");
    soon(call.confirmed()).await.expect("is confirmed");
    let refused = soon(call.blind_transfer("603")).await;
    let Err(PhoneError::Refused { status: 488, reason }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("Two services cannot be joined"), "{reason}");
}
