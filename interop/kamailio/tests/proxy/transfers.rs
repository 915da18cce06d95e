//! Transfers: Kamailio knows nothing of them, and carries REFER, NOTIFY and INVITE with Replaces from end to end.

use offhook::{CallOptions, Cause, EventStream, PhoneError, PhoneEvent, Session, SessionEvent};
use offhook_interop_kamailio::Scene;

use crate::support::{At, Over, all_gone, at, eventually, hear_each_other, soon, talk, until};

struct Three {
    scene: Scene,
    alice: At,
    bob: At,
    carol: At,
    /// Alice's call to Bob, at both.
    a: Session,
    b: Session,
    /// Of Alice, since before the transfer.
    events: EventStream<PhoneEvent>,
}

/// Alice talks to Bob; Carol is there.
async fn three() -> Three {
    let scene = Scene::start();
    let alice = at(&scene, "1000", Over::Ws).await;
    let mut bob = at(&scene, "1001", Over::Wss).await;
    let carol = at(&scene, "1002", Over::Ws).await;
    let (a, b) = talk(&alice, &mut bob, "1001").await;
    hear_each_other(&scene, &a, &b).await;
    let events = alice.phone.events();
    Three { scene, alice, bob, carol, a, b, events }
}

impl Three {
    /// The call that Alice makes because she was told to.
    async fn new_call(&mut self) -> Session {
        let first = self.a.call_id();
        let is_new = |event: &PhoneEvent| matches!(event, PhoneEvent::NewRtcSession { call_id } if call_id != first);
        let made = until(&mut self.events, is_new).await;
        self.alice.phone.session(made.call_id().expect("of a call")).expect("there")
    }

    async fn gone(self) {
        all_gone(&self.scene, [self.alice, self.bob, self.carol]).await;
    }
}

/// The call that took the place of another at a phone. (The first stream of events has those from before, too.)
async fn replacing(at: &At, first: &Session) -> Session {
    let mut events = at.phone.events();
    let is_new =
        |event: &PhoneEvent| matches!(event, PhoneEvent::NewRtcSession { call_id } if call_id != first.call_id());
    let made = until(&mut events, is_new).await;
    at.phone.session(made.call_id().expect("of a call")).expect("there")
}

#[tokio::test]
async fn a_blind_transfer_connects_the_far_end_with_the_new_one() {
    let mut t = three().await;
    let mut told = t.b.events();
    let transfer = t.b.blind_transfer("1002");
    let at_carol = t.carol.rings().await;
    assert_eq!(at_carol.status().number, "1000", "it is Alice who calls");
    let at_alice = t.new_call().await;
    // As long as Carol rings, nobody has hung up.
    until(&mut told, |event| matches!(event, SessionEvent::TransferProgress { status_code: 180, .. })).await;
    assert!(t.b.status().is_hold && t.alice.phone.sessions().len() == 2);
    soon(at_carol.answer(CallOptions::default())).await.expect("answers");
    soon(transfer).await.expect("succeeds");
    assert_eq!(soon(t.a.ended()).await.cause, Cause::Terminated);
    assert_eq!(soon(t.b.ended()).await.cause, Cause::Terminated);
    soon(at_alice.confirmed()).await.expect("is confirmed");
    hear_each_other(&t.scene, &at_alice, &at_carol).await;
    soon(at_carol.hangup()).await.expect("hangs up");
    assert_eq!(soon(at_alice.ended()).await.cause, Cause::Terminated);
    t.gone().await;
}

#[tokio::test]
async fn a_blind_transfer_that_is_refused_gives_the_call_back() {
    let mut t = three().await;
    let mut told = t.b.events();
    let transfer = t.b.blind_transfer("1002");
    soon(t.carol.rings().await.reject()).await.expect("refuses");
    assert!(matches!(soon(transfer).await, Err(PhoneError::Refused { status: 486, .. })));
    until(&mut told, |event| matches!(event, SessionEvent::TransferFailed { status_code: 486, .. })).await;
    until(&mut told, |event| matches!(event, SessionEvent::StatusChange { new_status, .. } if !new_status.is_hold))
        .await;
    hear_each_other(&t.scene, &t.a, &t.b).await;
    soon(t.a.hangup()).await.expect("hangs up");
    soon(t.b.ended()).await;
    t.gone().await;
}

#[tokio::test]
async fn an_attended_transfer_connects_the_two_far_ends() {
    let mut t = three().await;
    let consultation = soon(t.b.consult("1002", CallOptions::default())).await.expect("calls");
    let at_carol = t.carol.answers().await;
    soon(consultation.confirmed()).await.expect("is confirmed");
    hear_each_other(&t.scene, &consultation, &at_carol).await;
    eventually("Alice is held", || t.b.status().is_hold).await;
    assert!(t.b.status().is_hold && !t.a.status().is_hold);
    let transfer = consultation.attended_transfer();
    // Carol's phone takes Alice's call in the place of Bob's, by itself: it does not ring.
    let replacing = replacing(&t.carol, &at_carol).await;
    let at_alice = t.new_call().await;
    soon(transfer).await.expect("succeeds");
    for over in [&t.a, &t.b, &consultation, &at_carol] {
        assert_eq!(soon(over.ended()).await.cause, Cause::Terminated);
    }
    soon(at_alice.confirmed()).await.expect("is confirmed");
    soon(replacing.confirmed()).await.expect("is confirmed");
    hear_each_other(&t.scene, &at_alice, &replacing).await;
    soon(at_alice.hangup()).await.expect("hangs up");
    assert_eq!(soon(replacing.ended()).await.cause, Cause::Terminated);
    t.gone().await;
}

#[tokio::test]
async fn the_caller_can_transfer_too() {
    let mut t = three().await;
    let mut events = t.bob.phone.events();
    let consultation = soon(async {
        // The phone takes one call a second.
        loop {
            match t.a.consult("1002", CallOptions::default()).await {
                Err(PhoneError::CallTooSoon) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                other => return other.expect("calls"),
            }
        }
    })
    .await;
    let at_carol = t.carol.answers().await;
    soon(consultation.confirmed()).await.expect("is confirmed");
    let transfer = consultation.attended_transfer();
    let replacing = replacing(&t.carol, &at_carol).await;
    let first = t.b.call_id();
    let is_new = |event: &PhoneEvent| matches!(event, PhoneEvent::NewRtcSession { call_id } if call_id != first);
    let made = until(&mut events, is_new).await;
    let at_bob = t.bob.phone.session(made.call_id().expect("of a call")).expect("there");
    soon(transfer).await.expect("succeeds");
    for over in [&t.a, &t.b, &consultation, &at_carol] {
        soon(over.ended()).await;
    }
    soon(at_bob.confirmed()).await.expect("is confirmed");
    soon(replacing.confirmed()).await.expect("is confirmed");
    hear_each_other(&t.scene, &at_bob, &replacing).await;
    soon(replacing.hangup()).await.expect("hangs up");
    soon(at_bob.ended()).await;
    t.gone().await;
}
