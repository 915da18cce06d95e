//! A recording that was cut off is a readable WAV.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use offhook::{AudioSource, CallOptions, DtmfMode, ToneSpec};

use crate::support::{PATIENCE, Site, Watched, soon};

/// What is recorded at.
const RATE: u64 = 16_000;

/// So much is recorded before the power goes, bytes: stereo of 16 bits.
const ENOUGH: u64 = 3 * RATE * 4;

/// What a cut may lose: a second between two updates of the header, and what waits in blocks and buffers.
const MOST_LOST: u64 = 2 * RATE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_that_is_cut_off_is_readable_and_lacks_two_seconds_at_most() {
    let site = Site::new();
    let mut pbx = site.start();
    let caller = Watched::connect(site.phone("1000").dtmf_mode(DtmfMode::Info)).await;
    let callee = Watched::connect(site.phone("1001")).await;
    let mut incoming = callee.phone.incoming();
    let call = soon(caller.phone.call("1001", CallOptions::default())).await.expect("calls");
    let ringing = soon(incoming.next()).await.expect("rings");
    soon(ringing.answer(CallOptions::default())).await.expect("answers");
    soon(call.confirmed()).await.expect("is answered");
    drop(call.play(AudioSource::Tone(ToneSpec::new(440.0))));
    drop(ringing.play(AudioSource::Tone(ToneSpec::new(1_000.0))));
    soon(call.dtmf("*1")).await.expect("dialled");
    let recording = pbx.event("recording");
    let path = PathBuf::from(recording["file"].as_str().expect("a file"));

    let size = || std::fs::metadata(&path).expect("the file").len();
    let until = Instant::now() + PATIENCE;
    while size() < ENOUGH {
        assert!(Instant::now() < until, "nothing is recorded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    pbx.signal("KILL");
    pbx.finish();

    let reader = hound::WavReader::open(&path).expect("a WAV");
    let spec = reader.spec();
    assert_eq!((spec.channels, u64::from(spec.sample_rate), spec.bits_per_sample), (2, RATE, 16));
    let counted = u64::from(reader.duration());
    assert!(44 + counted * 4 <= size(), "the header counts more than there is");
    assert!(counted + MOST_LOST >= ENOUGH / 4, "{counted} frames of {} or more", ENOUGH / 4);
    let samples = reader.into_samples::<i16>().collect::<Result<Vec<_>, _>>().expect("all of them are readable");
    assert_eq!(samples.len() as u64, counted * 2);
    let loud = |side: usize| samples.iter().skip(side).step_by(2).any(|sample| sample.unsigned_abs() > 1_000);
    assert!(loud(0) && loud(1), "both sides are in it");
}
