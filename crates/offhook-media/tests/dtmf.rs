//! DTMF as telephone-events, both ways.

mod common;

use std::time::Duration;

use common::*;
use offhook_media::*;
use tokio::time::timeout;

async fn tones(codecs: &[Codec]) {
    let (mut a, mut b) = (End::new(codecs), End::new(codecs));
    connect(&mut a, &mut b).await;
    let sent = a.peer.send_dtmf("159#d", 100, 60).expect("tones");
    let other = b.peer.send_dtmf("*0", 60, 40).expect("tones");
    for tone in ['1', '5', '9', '#', 'D'] {
        assert_eq!(b.dtmf().await, (tone, 100));
    }
    for tone in ['*', '0'] {
        assert_eq!(a.dtmf().await, (tone, 60));
    }
    timeout(LIMIT, sent).await.expect("in time").expect("sent");
    timeout(LIMIT, other).await.expect("in time").expect("sent");
    let stats = b.peer.stats().await.expect("open");
    assert_eq!(stats.inbound.packets_lost, 0, "events share the sequence of the audio");
}

#[tokio::test]
async fn tones_arrive_in_order_with_opus_and_events_at_48_khz() {
    tones(&[Codec::Opus]).await;
}

#[tokio::test]
async fn tones_arrive_in_order_with_g711_and_events_at_8_khz() {
    tones(&[Codec::Pcma]).await;
}

#[tokio::test]
async fn what_is_no_tone_is_refused_and_nothing_is_sent() {
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    connect(&mut a, &mut b).await;
    assert_eq!(a.peer.send_dtmf("12x", 100, 100).err(), Some(MediaError::InvalidTone('x')));
    assert!(matches!(a.peer.send_dtmf("", 100, 100).err(), Some(MediaError::DtmfRange(_))));
    assert!(matches!(a.peer.send_dtmf("1", 10, 100).err(), Some(MediaError::DtmfRange(_))));
    let sent = a.peer.send_dtmf("7", 100, 100).expect("a tone");
    assert_eq!(b.dtmf().await.0, '7', "the first tone heard is the first that was valid");
    timeout(LIMIT, sent).await.expect("in time").expect("sent");
}

#[tokio::test]
async fn a_peer_without_telephone_event_is_told_of() {
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    let offer = a.peer.create_offer(Direction::SendRecv).await.expect("offer");
    let answer = b.peer.accept_offer(offer, Direction::SendRecv).await.expect("answer");
    let without: String = answer
        .lines()
        .filter(|line| !line.contains("telephone-event") && !line.contains("fmtp:101"))
        .map(|line| format!("{}\r\n", line.strip_suffix(" 101").unwrap_or(line)))
        .collect();
    a.peer.accept_answer(without).await.expect("answer");
    a.connected().await;
    b.connected().await;
    let result = timeout(LIMIT, a.peer.send_dtmf("1", 100, 100).expect("a tone")).await.expect("in time");
    assert_eq!(result, Err(MediaError::DtmfNotNegotiated));
}

/// The tones in what was heard: where a frequency of each of Q.23's groups holds nearly all of the power for 40 ms, and
/// 20 ms of nothing of the kind between two. In front of each, what else was heard: `v` for voice.
fn detect(samples: &[i16], rate: u32) -> String {
    const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
    const HIGH: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
    const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
    let power = |block: &[i16], hz: f64| {
        // Goertzel's algorithm, as receivers do it.
        let coefficient = 2.0 * (std::f64::consts::TAU * hz / f64::from(rate)).cos();
        let (mut one, mut two) = (0.0, 0.0);
        for sample in block {
            (one, two) = (f64::from(*sample) + coefficient * one - two, one);
        }
        2.0 * (one * one + two * two - coefficient * one * two) / (block.len() as f64).powi(2)
    };
    let mut found = String::new();
    let (mut last, mut run) = (None, 0);
    for block in samples.chunks_exact(rate as usize / 50) {
        let total = block.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / block.len() as f64;
        let best = |group: [f64; 4]| {
            let powers = group.map(|hz| power(block, hz));
            let index = (0..4).max_by(|a, b| powers[*a].total_cmp(&powers[*b])).unwrap_or(0);
            (index, powers[index])
        };
        let ((row, low), (column, high)) = (best(LOW), best(HIGH));
        // Q.24: the levels differ by no more than 4 to 8 dB.
        let key = (total > 1e4 && low + high > 0.7 * total && low < 8.0 * high && high < 8.0 * low)
            .then(|| KEYS[row].as_bytes()[column] as char);
        let key = key.or((total > 1e4).then_some('v'));
        run = if key == last { run + 1 } else { 1 };
        last = key;
        if run == 2 {
            found.extend(key.filter(|key| *key != 'v' || !found.ends_with('v')));
        }
    }
    found
}

#[tokio::test]
async fn tones_in_the_audio_are_detected_at_the_far_end_through_both_codecs() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let (mut a, mut b) = (End::new(&[codec]), End::new(&[codec]));
        connect(&mut a, &mut b).await;
        let heard = Heard::listen(&b);
        // A voice that is in nobody's way.
        a.peer.set_source(AudioSource::Tone(ToneSpec::new(300.0)));
        heard.seconds(0.5).await;
        let sent = a.peer.send_dtmf_in_band("159#d*0ab", 100, 100).expect("tones");
        timeout(LIMIT, sent).await.expect("in time").expect("sent");
        let so_far = heard.at(8_000).len() as f64 / 8_000.0;
        heard.seconds(so_far + 0.7).await;
        assert_eq!(detect(&heard.at(8_000), 8_000), "v159#D*0ABv", "{codec}: and the voice is silent meanwhile");
        let nothing = timeout(Duration::from_millis(100), b.events.recv());
        assert!(!matches!(nothing.await, Ok(Some(PeerEvent::Dtmf { .. }))), "no telephone-event was sent");
    }
}

#[tokio::test]
async fn tones_in_the_audio_need_no_telephone_event_and_are_refused_while_nothing_is_sent() {
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    connect(&mut a, &mut b).await;
    assert_eq!(a.peer.send_dtmf_in_band("12x", 100, 100).err(), Some(MediaError::InvalidTone('x')));
    negotiate(&b, &a, Direction::SendOnly, Direction::SendRecv).await;
    let held = timeout(LIMIT, a.peer.send_dtmf_in_band("1", 100, 100).expect("a tone")).await.expect("in time");
    assert!(matches!(held, Err(MediaError::WrongState(_))), "{held:?}");
}
