//! What is heard.

use futures_util::StreamExt;
use offhook::{AudioSource, CallOptions, Phone, PhoneEvent, SessionEvent, WavSource};
use tokio::sync::oneshot;

use crate::support::{Talk, ear, hears, hears_nothing, hears_other_than, pbx, phone, soon, talk, tone, until};

#[tokio::test]
async fn both_sides_hear_each_other_and_nothing_else() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    let (mut at_a, mut at_b) = (ear(&a), ear(&b));
    drop(a.play(tone(440.0)));
    drop(b.play(tone(1000.0)));
    hears(&mut at_a, 1000.0).await;
    hears(&mut at_b, 440.0).await;
    // Another source takes the place.
    drop(a.play(tone(700.0)));
    hears(&mut at_b, 700.0).await;
}

#[tokio::test]
async fn the_echo_service_sends_back_what_it_hears() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    let call = soon(phone.call("600", CallOptions::default())).await.expect("calls");
    let mut ear = ear(&call);
    drop(call.play(tone(600.0)));
    soon(call.confirmed()).await.expect("is answered");
    hears(&mut ear, 600.0).await;
    soon(call.mute()).await.expect("mutes");
    assert!(call.status().is_mute);
    hears_nothing(&mut ear).await;
    soon(call.unmute()).await.expect("unmutes");
    hears(&mut ear, 600.0).await;
}

#[tokio::test]
async fn samples_of_a_bot_go_out_at_its_own_rate() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    let call = soon(phone.call("600", CallOptions::default())).await.expect("calls");
    let mut input = call.audio_input(24_000).expect("a rate");
    let mut ear = ear(&call);
    let speaking = tokio::spawn(async move {
        let mut n = 0_u32;
        loop {
            let block: Vec<i16> = (0..480)
                .map(|i| (8_000.0 * (std::f64::consts::TAU * 500.0 * f64::from(n + i) / 24_000.0).sin()) as i16)
                .collect();
            n += 480;
            if input.write(&block).await.is_err() {
                return;
            }
        }
    });
    hears(&mut ear, 500.0).await;
    soon(call.hangup()).await.expect("hangs up");
    soon(speaking).await.expect("the input ends with the call");
    assert!(call.audio_input(1).is_err() && call.audio_output(1_000_000).is_err());
}

#[tokio::test]
async fn a_wav_file_that_ends_is_told() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    let samples: Vec<i16> = (0..2_400).map(|n| if n % 20 < 10 { 9_000 } else { -9_000 }).collect();
    let wav = || AudioSource::Wav(WavSource::from_samples(8_000, samples.clone()).expect("a rate"));
    assert!(soon(a.play(wav())).await, "it came to its end");
    let replaced = a.play(tone(300.0));
    drop(a.play(tone(440.0)));
    assert!(!soon(replaced).await);
    let mut ear = ear(&b);
    hears(&mut ear, 440.0).await;
    let until_over = a.play(tone(500.0));
    soon(a.hangup()).await.expect("hangs up");
    assert!(!soon(until_over).await);
}

#[tokio::test]
async fn holding_gives_the_other_music_and_takes_their_voice_away() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    let (mut at_a, mut at_b) = (ear(&a), ear(&b));
    drop(a.play(tone(440.0)));
    drop(b.play(tone(1000.0)));
    hears(&mut at_b, 440.0).await;
    soon(a.hold()).await.expect("holds");
    assert!(a.status().is_hold && !b.status().is_hold);
    hears_other_than(&mut at_b, 440.0).await;
    hears_nothing(&mut at_a).await;
    soon(a.unhold()).await.expect("resumes");
    assert!(!a.status().is_hold);
    hears(&mut at_a, 1000.0).await;
    hears(&mut at_b, 440.0).await;
}

#[tokio::test]
async fn the_far_end_can_hold_what_we_hold() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    let (mut at_a, mut at_b) = (ear(&a), ear(&b));
    drop(a.play(tone(440.0)));
    drop(b.play(tone(1000.0)));
    // At once: they may cross.
    let (one, other) = (a.hold(), b.hold());
    soon(one).await.expect("holds");
    soon(other).await.expect("holds");
    assert!(a.status().is_hold && b.status().is_hold);
    let (one, other) = (a.unhold(), b.unhold());
    soon(one).await.expect("resumes");
    soon(other).await.expect("resumes");
    hears(&mut at_a, 1000.0).await;
    hears(&mut at_b, 440.0).await;
}

#[tokio::test]
async fn early_media_is_heard_before_the_call_is_refused() {
    let pbx = pbx().await;
    let phone = phone(&pbx, "1000").await;
    let call = soon(phone.call("607", CallOptions::default())).await.expect("calls");
    let (mut ear, mut events) = (ear(&call), call.events());
    until(&mut events, |event| matches!(event, SessionEvent::Progress { status_code: 183, .. })).await;
    let mut samples = [0_i16; 1_600];
    let heard = async {
        while ear.read(&mut samples).await > 0 {
            if samples.iter().any(|sample| sample.unsigned_abs() > 500) {
                return true;
            }
        }
        false
    };
    assert!(soon(heard).await);
    let end = soon(call.ended()).await;
    assert_eq!((end.cause, end.code, end.was_established), (offhook::Cause::Rejected, Some(603), false));
}

#[tokio::test]
async fn a_recording_has_both_sides() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob: _bob } = talk().await;
    let directory = std::env::temp_dir().join(format!("offhook-record-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let path = directory.join("call.wav");
    let recording = a.record(&path).expect("a file");
    drop(b.play(tone(1000.0)));
    let mut ear = ear(&a);
    hears(&mut ear, 1000.0).await;
    soon(a.hangup()).await.expect("hangs up");
    let summary = soon(recording.finished()).await.expect("is written");
    assert!(summary.frames > 1_600, "{summary:?}");
    assert!(std::fs::metadata(&path).expect("the file").len() > 6_400);
    std::fs::remove_dir_all(&directory).expect("cleans up");
}

#[tokio::test]
async fn what_was_given_to_a_call_that_is_never_answered_ends_with_it() {
    let pbx = pbx().await;
    let (alice, bob) = (phone(&pbx, "1000").await, phone(&pbx, "1001").await);
    let call = soon(alice.call("1001", CallOptions::default())).await.expect("calls");
    let ringing = soon(bob.incoming().next()).await.expect("rings");
    let directory = std::env::temp_dir().join(format!("offhook-unanswered-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let (mut heard, mut seen) = (ear(&ringing), ringing.video_output());
    let playing = ringing.play(tone(440.0));
    let recording = ringing.record(directory.join("call.wav")).expect("a file");
    soon(call.hangup()).await.expect("cancels");
    assert_eq!(soon(heard.read(&mut [0; 160])).await, 0, "nothing more is heard");
    assert_eq!(soon(seen.recv()).await, None);
    assert!(!soon(playing).await);
    assert_eq!(soon(recording.finished()).await.expect("is written").frames, 0);
    std::fs::remove_dir_all(&directory).expect("cleans up");
}

/// Looks at its phone's calls when it is dropped.
struct Curious(Phone, Option<oneshot::Sender<usize>>);

impl offhook::AudioSink for Curious {
    fn write(&mut self, _sample_rate: u32, _samples: &[i16]) {}
}

impl Drop for Curious {
    fn drop(&mut self) {
        let sender = self.1.take().expect("dropped once");
        let _ = sender.send(self.0.sessions().len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dropped_with_the_last_handle_of_a_call_may_look_at_the_calls() {
    let pbx = pbx().await;
    let (alice, bob) = (phone(&pbx, "1000").await, phone(&pbx, "1001").await);
    let call = soon(alice.call("1001", CallOptions::default())).await.expect("calls");
    let ringing = soon(bob.incoming().next()).await.expect("rings");
    let (sender, seen) = oneshot::channel();
    ringing.set_sink(Some(Box::new(Curious(bob.clone(), Some(sender)))));
    drop(ringing);
    soon(call.hangup()).await.expect("cancels");
    assert_eq!(soon(seen).await, Ok(0), "the call is over");
}

/// A sink whose end is its program's fault.
struct Faulty;

impl offhook::AudioSink for Faulty {
    fn write(&mut self, _sample_rate: u32, _samples: &[i16]) {}
}

impl Drop for Faulty {
    fn drop(&mut self) {
        // As a panic, but without the report, whose backtrace takes a processor from everybody's media for a second.
        std::panic::resume_unwind(Box::new("the program's own fault"));
    }
}

#[tokio::test]
async fn what_panics_as_it_is_dropped_with_a_call_ends_no_other() {
    let Talk { a, b, pbx: _pbx, alice: _alice, bob } = talk().await;
    let third = phone(&_pbx, "1002").await;
    let mut incoming = bob.incoming();
    let call = soon(third.call("1001", CallOptions::default())).await.expect("calls");
    let ringing = until(&mut incoming, |ringing| ringing.status().is_ring).await;
    ringing.set_sink(Some(Box::new(Faulty)));
    soon(call.hangup()).await.expect("cancels");
    soon(ringing.ended()).await;
    drop(ringing);
    drop(b.play(tone(440.0)));
    hears(&mut ear(&a), 440.0).await;
    soon(b.hangup()).await.expect("the phone is there");
}

#[tokio::test]
async fn reports_say_how_it_sounds() {
    let Talk { a, pbx: _pbx, alice, b, bob: _bob } = talk().await;
    drop(b.play(tone(440.0)));
    let mut events = alice.events();
    let reported = until(&mut events, |event| match event {
        PhoneEvent::Session(SessionEvent::CallReport { call_report, .. }) => {
            // What a busy machine does to a report is in the one report.
            call_report.stats.packets_received > 50 && call_report.stats.mos.is_some_and(|mos| mos > 4.0)
        }
        _ => false,
    })
    .await;
    let PhoneEvent::Session(SessionEvent::CallReport { call_report, .. }) = reported else { panic!("a report") };
    assert_eq!((call_report.lks_audio_codec.as_str(), call_report.ice_result.as_str()), ("opus", "local"));
    assert_eq!(a.call_report().expect("there").lks_device_type, "desktop");
    assert!(soon(a.stats()).await.expect("open").inbound.packets_received > 50);
}
