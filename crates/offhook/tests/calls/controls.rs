//! What can be done in a call.

use offhook::{CallOptions, DtmfMode, PhoneError, SessionEvent, StaticPatch};

use crate::support::{Talk, at, ear, hears, hears_both, pbx, phone, soon, talk, tone, until};

#[tokio::test]
async fn dtmf_arrives_tone_by_tone_both_ways() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    for (from, to, tones) in [(&a, &b, "12#"), (&b, &a, "*0")] {
        let mut events = to.events();
        let sent = from.dtmf(tones);
        for wanted in tones.chars() {
            until(&mut events, |event| match event {
                SessionEvent::Dtmf { tone, duration, .. } => {
                    assert!((60..=140).contains(duration), "{duration} ms");
                    assert_eq!(*tone, wanted);
                    true
                }
                _ => false,
            })
            .await;
        }
        soon(sent).await.expect("is sent");
    }
    assert!(matches!(soon(a.dtmf("1x")).await, Err(PhoneError::InvalidArgument { .. })));
}

#[tokio::test]
async fn dtmf_as_info_arrives_both_ways() {
    let pbx = pbx().await;
    let alice = soon(at(&pbx, "1000").dtmf_mode(DtmfMode::Info).connect()).await.expect("registers");
    let bob = soon(at(&pbx, "1001").dtmf_mode(DtmfMode::Info).connect()).await.expect("registers");
    let mut incoming = bob.incoming();
    let a = soon(alice.call("1001", CallOptions::default())).await.expect("calls");
    let b = until(&mut incoming, |_| true).await;
    soon(b.answer(CallOptions::default())).await.expect("answers");
    soon(a.confirmed()).await.expect("is confirmed");
    for (from, to, tones) in [(&a, &b, "5#"), (&b, &a, "D")] {
        let mut events = to.events();
        let sent = from.dtmf(tones);
        for wanted in tones.chars() {
            until(&mut events, |event| match event {
                SessionEvent::Dtmf { tone, duration, .. } => {
                    assert_eq!((*tone, *duration), (wanted, 100));
                    true
                }
                _ => false,
            })
            .await;
        }
        soon(sent).await.expect("is sent");
    }
}

#[tokio::test]
async fn dtmf_in_band_is_heard_as_its_two_tones_in_the_place_of_the_voice() {
    let pbx = pbx().await;
    let alice = soon(at(&pbx, "1000").dtmf_mode(DtmfMode::InBand).connect()).await.expect("registers");
    let call = soon(alice.call("600", CallOptions::default())).await.expect("calls");
    let mut ear = ear(&call);
    drop(call.play(tone(440.0)));
    soon(call.confirmed()).await.expect("is answered");
    hears(&mut ear, 440.0).await;
    // Many: on a busy machine one of them may have a gap.
    let mut sent = call.dtmf("5555555555");
    let heard = hears_both(&mut ear, 770.0, 1_336.0).await;
    assert!(heard, "the echo brings back what was sent");
    soon(&mut sent).await.expect("is sent");
    hears(&mut ear, 440.0).await;
}

#[tokio::test]
async fn the_status_says_who_and_what() {
    let Talk { a, b, pbx: _pbx, alice, bob: _bob } = talk().await;
    let status = a.status();
    assert_eq!((status.number.as_str(), status.call_status), ("1001", offhook::CallState::Talking));
    assert_eq!(b.status().number, "1000");
    assert_eq!(alice.sessions().len(), 1);
    assert_eq!(alice.session(a.call_id()).expect("there").call_id(), a.call_id());
    let patch = StaticPatch { company: Some("Bell".to_owned()), ..StaticPatch::default() };
    soon(a.set_static_status(patch, None)).await.expect("sets");
    assert_eq!(a.status().company, "Bell");
}

#[tokio::test]
async fn the_timer_counts_and_stops() {
    let Talk { a, pbx: _pbx, alice: _alice, b: _b, bob: _bob } = talk().await;
    let mut events = a.events();
    until(&mut events, |event| matches!(event, SessionEvent::UpdateTimer { timer, .. } if timer.call_duration >= 1))
        .await;
    assert!(a.timer().call_duration >= 1);
    soon(a.stop_timer()).await.expect("stops");
}

#[tokio::test]
async fn a_second_call_holds_the_first() {
    let Talk { a, b: _b, pbx, alice, bob: _bob } = talk().await;
    let third = phone(&pbx, "1002").await;
    let call = soon(third.call("1000", CallOptions::default())).await.expect("calls");
    let mut incoming = alice.incoming();
    let second = until(&mut incoming, |_| true).await;
    let mut events = a.events();
    soon(second.answer(CallOptions::default())).await.expect("answers");
    soon(call.confirmed()).await.expect("is confirmed");
    until(&mut events, |event| matches!(event, SessionEvent::StatusChange { new_status, .. } if new_status.is_hold))
        .await;
    assert!(!second.status().is_hold);
    soon(a.unhold()).await.expect("resumes");
    assert!(!a.status().is_hold);
}

#[tokio::test]
async fn a_call_offers_and_uses_only_the_codecs_that_it_was_asked_to_use() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    let codecs = vec!["PCMA".to_owned()];
    let call = soon(phone.call("600", CallOptions { codecs, ..CallOptions::default() })).await.expect("calls");
    let mut events = call.events();
    until(&mut events, |event| match event {
        SessionEvent::CallReport { call_report, .. } => call_report.lks_audio_codec == "PCMA",
        _ => false,
    })
    .await;
    assert!(
        call.rtc_session()
            .await
            .expect("talks")
            .local_sdp
            .is_some_and(|sdp| sdp.contains("PCMA/8000") && !sdp.contains("opus"))
    );
    soon(call.hangup()).await.expect("hangs up");
}

#[tokio::test]
async fn commands_that_cannot_be_are_refused() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    let refused = soon(phone.call("", CallOptions::default())).await.expect_err("no number");
    assert_eq!(refused.code(), -209);
    let codecs = CallOptions { codecs: vec!["nonsense".to_owned()], ..CallOptions::default() };
    assert!(matches!(soon(phone.call("600", codecs)).await, Err(PhoneError::InvalidArgument { .. })));
    let call = soon(phone.call("606", CallOptions::default())).await.expect("calls");
    assert!(matches!(soon(call.hold()).await, Err(PhoneError::WrongState { .. })));
    assert!(matches!(soon(call.answer(CallOptions::default())).await, Err(PhoneError::UnknownCall)));
    soon(call.hangup()).await.expect("hangs up");
    assert!(matches!(soon(call.hangup()).await, Err(PhoneError::UnknownCall)));
}

#[tokio::test]
async fn a_phone_that_is_shut_down_makes_no_calls_until_it_is_connected_again() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    soon(phone.shutdown()).await;
    assert_eq!(soon(phone.call("600", CallOptions::default())).await.expect_err("stopped"), PhoneError::NotConnected);
    soon(phone.connect()).await.expect("registers again");
    let call = soon(phone.call("600", CallOptions::default())).await.expect("calls");
    soon(call.confirmed()).await.expect("is answered");
}
