//! Calls through the devices.

use futures_util::StreamExt as _;
use offhook::devices::{DeviceEvent, Role};
use offhook::{AudioSource, CallOptions, PhoneError, ToneSpec};

use crate::{Bench, plays, soon, tone};

#[tokio::test]
async fn a_call_uses_the_microphone_and_the_speaker_and_survives_their_loss() {
    let bench = Bench::new().await;
    let phone = bench.phone("1000").await;
    let devices = phone.devices().expect("it was given some");
    assert!(!bench.microphone.is_open(), "nobody listens without a call");
    bench.microphone.speak(&tone(600.0, 30));
    bench.other_microphone.speak(&tone(900.0, 30));
    let mut events = devices.events();
    // The echo.
    let call = soon(phone.call("600", CallOptions::default())).await.expect("calls");
    soon(call.confirmed()).await.expect("is answered");
    plays(&bench.speaker, &[600.0]).await;
    // On a busy machine the speaker may just have a gap.
    soon(async {
        while devices.level(Role::Microphone) <= -20.0 || devices.level(Role::Speaker) <= -20.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    bench.backend.unplug(&bench.microphone);
    soon(async {
        loop {
            if let Some(DeviceEvent::Lost { role: Role::Microphone, device, fallback, .. }) = events.recv().await {
                assert_eq!(device.name, "microphone");
                assert_eq!(fallback.map(|one| one.name).as_deref(), Some("other microphone"));
                return;
            }
        }
    })
    .await;
    plays(&bench.speaker, &[900.0]).await;
    bench.backend.unplug(&bench.speaker);
    plays(&bench.bell, &[900.0]).await;
    assert_eq!(phone.sessions().len(), 1, "the call goes on");
    soon(call.hangup()).await.expect("hangs up");
    soon(async {
        while bench.other_microphone.is_open() || bench.bell.is_open() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(phone);
}

#[tokio::test]
async fn devices_are_chosen_in_a_call_and_a_wrong_name_says_which_there_are() {
    let bench = Bench::new().await;
    let phone = bench.phone("1000").await;
    bench.microphone.speak(&tone(600.0, 30));
    bench.other_microphone.speak(&tone(900.0, 30));
    let options = CallOptions { input_device: Some("other microphone".to_owned()), ..CallOptions::default() };
    let call = soon(phone.call("600", options)).await.expect("calls");
    plays(&bench.speaker, &[900.0]).await;
    soon(call.set_input_device("microphone")).await.expect("there is one");
    plays(&bench.speaker, &[600.0]).await;
    soon(call.set_output_device("virtual:bell")).await.expect("there is one");
    plays(&bench.bell, &[600.0]).await;
    says_which_there_are(soon(call.set_input_device("x")).await);
    soon(call.hangup()).await.expect("hangs up");
}

#[tokio::test]
async fn a_wrong_microphone_refuses_the_call_and_the_answer_and_both_may_be_tried_again() {
    let bench = Bench::new().await;
    let (caller, called) = (bench.phone("1000").await, bench.phone("1001").await);
    let wrong = || CallOptions { input_device: Some("x".to_owned()), ..CallOptions::default() };
    says_which_there_are(soon(caller.call("1001", wrong())).await);
    assert!(caller.sessions().is_empty());
    let mut incoming = called.incoming();
    let call = soon(caller.call("1001", CallOptions::default())).await.expect("calls");
    let rings = soon(incoming.next()).await.expect("rings");
    says_which_there_are(soon(rings.answer(wrong())).await);
    let right = CallOptions { input_device: Some("virtual:other microphone".to_owned()), ..CallOptions::default() };
    soon(rings.answer(right)).await.expect("answers");
    soon(call.confirmed()).await.expect("is answered");
    soon(call.hangup()).await.expect("hangs up");
}

fn says_which_there_are<T: std::fmt::Debug>(refused: Result<T, PhoneError>) {
    match refused {
        Err(PhoneError::InvalidArgument { detail }) => {
            assert!(detail.contains("microphone, other microphone"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_program_plays_goes_before_the_microphone_and_muting_silences_it() {
    let bench = Bench::new().await;
    let phone = bench.phone("1000").await;
    bench.microphone.speak(&tone(600.0, 50));
    let call = soon(phone.call("600", CallOptions::default())).await.expect("calls");
    plays(&bench.speaker, &[600.0]).await;
    drop(call.play(AudioSource::Tone(ToneSpec::new(1_000.0))));
    plays(&bench.speaker, &[1_000.0]).await;
    soon(async {
        while bench.microphone.is_open() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    call.use_devices().expect("there are some");
    plays(&bench.speaker, &[600.0]).await;
    soon(call.mute()).await.expect("mutes");
    crate::falls_silent(&bench.speaker).await;
    soon(call.hangup()).await.expect("hangs up");
}
