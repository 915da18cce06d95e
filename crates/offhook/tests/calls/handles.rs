//! Handles, futures and listeners as a Rust program wants them.

use futures_util::StreamExt;
use offhook::{AudioSource, CallOptions, Pending, Phone, PhoneError, Playback, Session, SessionEvent};

use crate::support::{Talk, pbx, phone, soon, talk};

#[test]
fn handles_and_futures_can_go_to_any_thread() {
    fn anywhere<T: Send + 'static>() {}
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Phone>();
    shared::<Session>();
    anywhere::<Pending>();
    anywhere::<Pending<Session>>();
    anywhere::<Playback>();
    anywhere::<offhook::EventStream<SessionEvent>>();
    anywhere::<offhook::Subscription>();
    fn future<F: Future + Send + 'static>(_: fn(Session) -> F) {}
    future(|session| session.confirmed());
    future(|session| session.ended());
    future(|session| session.stats());
    future(|session| session.hold());
    future(|session| async move { session.call_id().clone() });
}

#[tokio::test]
async fn a_command_acts_when_it_is_called_and_not_when_it_is_awaited() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    drop(a.hangup());
    soon(b.ended()).await;
}

#[tokio::test]
async fn a_listener_may_call_any_method_and_one_that_panics_harms_nobody() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    let _bad = a.on(|_| panic!("the listener's own fault"));
    let own = a.clone();
    let _good = a.on(move |event| {
        if let SessionEvent::StatusChange { new_status, .. } = event {
            assert_eq!(own.status().is_hold, new_status.is_hold);
            if new_status.is_hold {
                drop(own.hangup());
            }
        }
    });
    soon(a.hold()).await.expect("holds");
    soon(b.ended()).await;
}

#[tokio::test]
async fn an_early_listener_misses_nothing() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    let call = soon(phone.call("600", CallOptions::default())).await.expect("calls");
    soon(call.confirmed()).await.expect("is answered");
    soon(call.hangup()).await.expect("hangs up");
    let names: Vec<&str> = soon(
        call.events()
            .map(|event| event.name())
            .filter(|name| std::future::ready(*name != "updateTimer"))
            .collect::<Vec<_>>(),
    )
    .await;
    assert_eq!(names.first(), Some(&"peerconnection"));
    let position = |name: &str| names.iter().position(|n| *n == name).unwrap_or_else(|| panic!("{name} in {names:?}"));
    let order =
        ["peerconnection", "sdp", "updateRemoteStream", "streamAdded", "accepted", "callReport", "confirmed", "ended"];
    for pair in order.windows(2) {
        assert!(position(pair[0]) < position(pair[1]), "{names:?}");
    }
    assert_eq!(names.last(), Some(&"ended"));
}

#[tokio::test]
async fn a_handle_outlives_its_call_and_its_phone() {
    let Talk { a, b: _b, pbx: _pbx, alice, bob: _bob } = talk().await;
    soon(alice.shutdown()).await;
    drop(alice);
    soon(a.ended()).await;
    // The phone's task may be on its way out: both answers are right, and neither hangs.
    let outcome = soon(a.hold()).await;
    assert!(matches!(outcome, Err(PhoneError::UnknownCall | PhoneError::Stopped)), "{outcome:?}");
    assert!(!soon(a.play(AudioSource::Echo)).await);
    assert!(soon(a.stats()).await.is_err());
    assert_eq!(a.status().number, "1001");
}

/// Hangs up what it listens to when it is dropped.
struct Clingy(Session);

impl offhook::AudioSink for Clingy {
    fn write(&mut self, _sample_rate: u32, _samples: &[i16]) {}
}

impl Drop for Clingy {
    fn drop(&mut self) {
        drop(self.0.play(AudioSource::Silence));
        drop(self.0.hangup());
    }
}

#[tokio::test]
async fn what_is_dropped_with_a_call_may_call_any_method() {
    let pbx = pbx().await;
    let (alice, bob) = (phone(&pbx, "1000").await, phone(&pbx, "1001").await);
    let call = soon(alice.call("1001", CallOptions::default())).await.expect("calls");
    let ringing = soon(bob.incoming().next()).await.expect("rings");
    ringing.set_sink(Some(Box::new(Clingy(ringing.clone()))));
    ringing.set_sink(None);
    soon(ringing.ended()).await;
    soon(call.ended()).await;
}
