//! A conference at a phone: several connections of one side, each to a far end of its own.

mod common;

use std::f64::consts::TAU;
use std::time::Duration;

use common::*;
use offhook_media::*;
use tokio::time::timeout;

const LISTEN: u32 = 8_000;

/// One call of a phone.
struct Call {
    here: End,
    there: End,
    heard_there: Heard,
    heard_here: Heard,
}

async fn call(codec: Codec, ours: f64, theirs: f64) -> Call {
    let (mut here, mut there) = (End::new(&[codec]), End::new(&[codec]));
    connect(&mut here, &mut there).await;
    let quiet = |hz| AudioSource::Tone(ToneSpec::new(hz).level(-24.0));
    here.peer.set_source(quiet(ours));
    there.peer.set_source(quiet(theirs));
    let (heard_there, heard_here) = (Heard::listen(&there), Heard::listen(&here));
    Call { here, there, heard_there, heard_here }
}

/// Amplitudes of frequencies in the last 400 ms.
fn spectrum(heard: &Heard, frequencies: &[f64]) -> Vec<f64> {
    let samples = heard.at(LISTEN);
    let last = &samples[samples.len().saturating_sub(LISTEN as usize * 2 / 5)..];
    let amplitude = |hz: f64| {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (n, sample) in last.iter().enumerate() {
            let angle = TAU * hz * n as f64 / f64::from(LISTEN);
            real += f64::from(*sample) * angle.cos();
            imaginary += f64::from(*sample) * angle.sin();
        }
        2.0 * (real * real + imaginary * imaginary).sqrt() / last.len().max(1) as f64
    };
    frequencies.iter().map(|hz| amplitude(*hz)).collect()
}

/// Waits until of these frequencies exactly the wanted ones are heard.
async fn hears(heard: &Heard, frequencies: &[f64], wanted: &[bool]) {
    let mut last = Vec::new();
    let right = async {
        loop {
            last = spectrum(heard, frequencies);
            // A tone at −24 dBFS has a peak of 2,900.
            if last.iter().zip(wanted).all(|(level, wanted)| if *wanted { *level > 1_500.0 } else { *level < 150.0 }) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    };
    if timeout(LIMIT, right).await.is_err() {
        panic!("heard {last:?} of {frequencies:?}, wanted {wanted:?}");
    }
}

#[tokio::test]
async fn every_member_hears_all_others_and_us_across_codecs_until_it_leaves() {
    // Ours, then theirs: whole periods in 20 ms are not needed, only that they are apart.
    let calls = [
        call(Codec::Opus, 400.0, 700.0).await,
        call(Codec::Pcmu, 500.0, 1_000.0).await,
        call(Codec::Pcma, 600.0, 1_300.0).await,
    ];
    let all = [400.0, 500.0, 600.0, 700.0, 1_000.0, 1_300.0];
    let mixer = Mixer::new();
    for call in &calls {
        call.here.peer.join(&mixer);
    }
    hears(&calls[0].heard_there, &all, &[true, false, false, false, true, true]).await;
    hears(&calls[1].heard_there, &all, &[false, true, false, true, false, true]).await;
    hears(&calls[2].heard_there, &all, &[false, false, true, true, true, false]).await;
    // Here, each connection still brings its own far end.
    hears(&calls[0].heard_here, &all, &[false, false, false, true, false, false]).await;

    calls[0].here.peer.set_muted(true);
    hears(&calls[0].heard_there, &all, &[false, false, false, false, true, true]).await;

    calls[1].here.peer.leave();
    hears(&calls[0].heard_there, &all, &[false, false, false, false, false, true]).await;
    hears(&calls[1].heard_there, &all, &[false, true, false, false, false, false]).await;

    let [first, _, third] = calls;
    let Call { there, heard_there, .. } = third;
    drop(there);
    hears(&first.heard_there, &all, &[false; 6]).await;
    drop(heard_there);
}
