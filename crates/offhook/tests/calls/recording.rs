//! Recording a call into a file.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use offhook::{
    CallOptions, DtmfMode, MediaError, PhoneError, PhoneEvent, RecordMethod, RecordPermissions, RecordStatus, Session,
    SessionEvent,
};
use offhook_pbx::{Pbx, PbxEvent, PbxEvents};

use crate::support::{Talk, at, ear, hears, pbx, soon, talk, tone, until};

/// A directory of a test's own.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("offhook-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(&self.0).expect("a directory").map(|entry| entry.expect("a file").path()).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The two sides of a stereo WAV of 16 bits, and its rate.
fn sides(path: &Path) -> (Vec<i16>, Vec<i16>, u32) {
    let bytes = std::fs::read(path).expect("the file");
    assert_eq!((&bytes[..4], &bytes[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
    assert_eq!(bytes[22], 2, "stereo");
    let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    assert_eq!(number(40) as usize, bytes.len() - 44, "the header counts what is there");
    let sample = |pair: &[u8], at: usize| i16::from_le_bytes([pair[at], pair[at + 1]]);
    let pairs = bytes[44..].chunks_exact(4);
    (pairs.clone().map(|p| sample(p, 0)).collect(), pairs.map(|p| sample(p, 2)).collect(), number(24))
}

/// Whether there are 200 ms in which one side says this and nothing else, and the other that. When a side's sound came late, or a side
/// is gone already in the call's last moments, is no matter of the recording.
fn says(left: &[i16], right: &[i16], rate: u32, hz: [f64; 2]) -> bool {
    let (block, step) = (rate as usize / 5, rate as usize / 50);
    (0..).map(|n| n * step).take_while(|from| from + block <= left.len()).any(|from| {
        let at = from..from + block;
        share(&left[at.clone()], rate, hz[0]) > 0.95 && share(&right[at], rate, hz[1]) > 0.9
    })
}

/// Which share of the power is at this frequency.
fn share(samples: &[i16], rate: u32, hz: f64) -> f64 {
    let (mut real, mut imaginary, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), TAU * hz * n as f64 / f64::from(rate));
        real += sample * angle.cos();
        imaginary += sample * angle.sin();
        power += sample * sample;
    }
    2.0 * (real * real + imaginary * imaginary) / samples.len() as f64 / f64::max(power, 1.0)
}

async fn recording(call: &Session) {
    let mut events = call.events();
    if call.status().record_status != RecordStatus::Recording {
        let recording = |event: &SessionEvent| matches!(event, SessionEvent::StatusChange { new_status, .. } if new_status.record_status == RecordStatus::Recording);
        until(&mut events, recording).await;
    }
}

#[tokio::test]
async fn a_recording_has_us_left_and_the_far_end_right_and_leaves_out_its_pauses() {
    let directory = Directory::new("local");
    let pbx = pbx().await;
    let method = RecordMethod::Local { directory: directory.0.clone() };
    let alice = soon(at(&pbx, "1000").record_method(method).connect()).await.expect("registers");
    let call = soon(alice.call("600", CallOptions::default())).await.expect("calls");
    drop(call.play(tone(440.0)));
    assert!(matches!(soon(call.recorded()).await, Err(MediaError::Closed)), "there is none yet");
    soon(call.confirmed()).await.expect("is answered");
    hears(&mut ear(&call), 440.0).await;
    soon(call.start_record()).await.expect("records");
    assert_eq!(call.status().record_status, RecordStatus::Recording);
    // An ear of its own each time: an older one has yet to hear what came before.
    let mut now = ear(&call);
    for _ in 0..3 {
        hears(&mut now, 440.0).await;
    }
    soon(call.pause_record()).await.expect("pauses");
    assert_eq!(call.status().record_status, RecordStatus::Pause);
    drop(call.play(tone(1_500.0)));
    for _ in 0..3 {
        hears(&mut now, 1_500.0).await;
    }
    drop(call.play(tone(800.0)));
    for _ in 0..2 {
        hears(&mut now, 800.0).await;
    }
    soon(call.start_record()).await.expect("goes on");
    let mut now = ear(&call);
    for _ in 0..3 {
        hears(&mut now, 800.0).await;
    }
    let done = call.recorded();
    soon(call.hangup()).await.expect("hangs up");
    let summary = soon(done).await.expect("is complete");
    assert_eq!(directory.files(), std::slice::from_ref(&summary.path), "one file");
    let (left, right, rate) = sides(&summary.path);
    assert_eq!((left.len() as u64, right.len() as u64, summary.dropped), (summary.frames, summary.frames, 0));
    assert!(says(&left, &right, rate, [800.0, 800.0]), "what was said after the pause");
    let start = &left[..rate as usize / 5];
    assert!(share(start, rate, 440.0) > 0.95, "what was said first is at the beginning");
    let paused = left.chunks(rate as usize / 5).filter(|block| share(block, rate, 1_500.0) > 0.5).count();
    assert_eq!(paused, 0, "what was said in the pause is left out");
}

#[tokio::test]
async fn the_sides_of_a_recording_are_not_mixed_and_record_to_begins_with_the_answer() {
    let directory = Directory::new("record-to");
    let Talk { a: first, pbx, alice, b: _b, bob } = talk().await;
    soon(first.hangup()).await.expect("hangs up");
    let path = directory.0.join("mine.wav");
    let mut incoming = bob.incoming();
    let options = CallOptions { record_to: Some(path.clone()), ..CallOptions::default() };
    let call = loop {
        // Calls are made a second apart.
        match soon(alice.call("1001", options.clone())).await {
            Err(PhoneError::CallTooSoon | PhoneError::CallNotConnected | PhoneError::TooManyCalls) => {
                tokio::task::yield_now().await
            }
            other => break other.expect("calls"),
        }
    };
    let callee = until(&mut incoming, |call| !call.status().number.is_empty() && call.status().is_ring).await;
    assert!(!path.exists(), "it only rings");
    soon(callee.answer(CallOptions::default())).await.expect("answers");
    drop(call.play(tone(440.0)));
    drop(callee.play(tone(1_000.0)));
    recording(&call).await;
    let mut ear = ear(&call);
    for _ in 0..3 {
        hears(&mut ear, 1_000.0).await;
    }
    soon(callee.hangup()).await.expect("hangs up");
    soon(call.ended()).await;
    let summary = soon(call.recorded()).await.expect("is complete");
    assert_eq!(summary.path, path);
    let (left, right, rate) = sides(&path);
    assert!(says(&left, &right, rate, [440.0, 1_000.0]), "left is what we say, right what they say");
    drop(pbx);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_and_the_call_goes_on() {
    let pbx = pbx().await;
    let method = RecordMethod::Local { directory: PathBuf::from("/nowhere/at/all") };
    let alice = soon(at(&pbx, "1000").record_method(method).connect()).await.expect("registers");
    let call = soon(alice.call("600", CallOptions::default())).await.expect("calls");
    drop(call.play(tone(440.0)));
    soon(call.confirmed()).await.expect("is answered");
    let error = soon(call.start_record()).await.expect_err("no such directory");
    assert!(matches!(&error, PhoneError::Recording { path, .. } if path.starts_with("/nowhere/at/all/")), "{error}");
    assert_eq!(call.status().record_status, RecordStatus::Stop);
    let mut ear = ear(&call);
    hears(&mut ear, 440.0).await;
}

#[tokio::test]
async fn what_the_user_may_not_record_is_refused() {
    let pbx = pbx().await;
    let builder = at(&pbx, "1000").record_permissions(RecordPermissions::None);
    let alice = soon(builder.connect()).await.expect("registers");
    let mut events = alice.events();
    let call = soon(alice.call("600", CallOptions::default())).await.expect("calls");
    soon(call.confirmed()).await.expect("is answered");
    assert!(matches!(soon(call.start_record()).await, Err(PhoneError::NotPermitted { .. })));
    soon(alice.set_record_permissions(RecordPermissions::PauseResume)).await.expect("sets");
    until(&mut events, |event| matches!(event, PhoneEvent::RecordPermissionsChange { .. })).await;
    assert_eq!(alice.record_permissions(), RecordPermissions::PauseResume);
    assert!(matches!(soon(call.start_record()).await, Err(PhoneError::NotPermitted { .. })), "nothing to resume");
}

/// The next of a PBX's events that is wanted.
async fn told(events: &mut PbxEvents, wanted: impl Fn(&PbxEvent) -> bool) -> PbxEvent {
    soon(async {
        loop {
            let event = events.next().await.expect("the PBX runs");
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
}

/// 1000 and 1001, who both record by feature code, in a call of a PBX that records here.
async fn at_the_pbx(directory: &Path) -> Talk {
    let pbx = Pbx::builder().recordings(directory).start().await.expect("starts");
    let by_code = |user: &str| at(&pbx, user).record_method(RecordMethod::FeatureCode("*1".to_owned()));
    let alice = soon(by_code("1000").connect()).await.expect("registers");
    let bob = soon(by_code("1001").dtmf_mode(DtmfMode::Info).connect()).await.expect("registers");
    let mut incoming = bob.incoming();
    let a = soon(alice.call("1001", CallOptions::default())).await.expect("calls");
    let b = soon(incoming.next()).await.expect("rings");
    soon(b.answer(CallOptions::default())).await.expect("answers");
    soon(a.confirmed()).await.expect("is confirmed");
    Talk { pbx, alice, bob, a, b }
}

#[tokio::test]
async fn the_embedded_pbx_records_by_feature_code_from_either_side_and_tells_both() {
    let directory = Directory::new("pbx");
    let Talk { pbx, alice: _alice, bob: _bob, a, b } = at_the_pbx(&directory.0).await;
    let mut events = pbx.events();
    drop(a.play(tone(440.0)));
    drop(b.play(tone(1_000.0)));
    hears(&mut ear(&a), 1_000.0).await;
    soon(a.start_record()).await.expect("records, by telephone-events");
    assert_eq!(a.status().record_status, RecordStatus::Recording);
    recording(&b).await;
    // An ear of its own each time: an older one has yet to hear what came before.
    let mut now = ear(&a);
    for _ in 0..2 {
        hears(&mut now, 1_000.0).await;
    }
    soon(b.pause_record()).await.expect("pauses, by INFO");
    assert_eq!(b.status().record_status, RecordStatus::Pause);
    soon(b.start_record()).await.expect("goes on");
    recording(&a).await;
    let mut now = ear(&a);
    for _ in 0..6 {
        hears(&mut now, 1_000.0).await;
    }
    soon(a.hangup()).await.expect("hangs up");
    let complete = told(&mut events, |event| matches!(event, PbxEvent::RecordingComplete { .. })).await;
    let PbxEvent::RecordingComplete { file, .. } = complete else { panic!("not complete") };
    assert_eq!(directory.files(), [PathBuf::from(&file)], "one file");
    let (left, right, rate) = sides(Path::new(&file));
    assert!(left.len() > rate as usize, "1.6 s were said: {}", left.len());
    assert!(says(&left, &right, rate, [440.0, 1_000.0]), "left is who dialled, right the other");
}

#[tokio::test]
async fn a_file_that_the_embedded_pbx_cannot_write_is_told_and_the_call_goes_on() {
    let directory = Directory::new("pbx-unwritable");
    let calls = directory.0.join("calls");
    let Talk { pbx, alice: _alice, bob: _bob, a, b } = at_the_pbx(&calls).await;
    // At the start it could be written.
    std::fs::remove_dir(&calls).expect("made at the start, and empty");
    std::fs::write(&calls, "no directory").expect("a file");
    let mut events = pbx.events();
    let mut infos = a.events();
    soon(b.dtmf("*1")).await.expect("sent");
    let failed = told(&mut events, |event| matches!(event, PbxEvent::RecordingFailed { .. })).await;
    assert!(matches!(&failed, PbxEvent::RecordingFailed { reason, .. } if reason.contains("calls")), "{failed:?}");
    // The digits, and the PBX's word.
    for _ in 0..3 {
        until(&mut infos, |event| matches!(event, SessionEvent::NewInfo { .. })).await;
    }
    assert_eq!(a.status().record_status, RecordStatus::Stop);
    drop(b.play(tone(1_000.0)));
    hears(&mut ear(&a), 1_000.0).await;
}
