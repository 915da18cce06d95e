//! DTMF as telephone-events, both ways.

mod common;
#[path = "common/detect.rs"]
mod detect;

use std::time::Duration;

use common::*;
use detect::detect;
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

#[tokio::test]
async fn tones_in_the_audio_are_detected_at_the_far_end_and_are_no_events() {
    // That each of them is, and nothing else with them, is claimed where time stands still while a machine is busy.
    for codec in [Codec::Pcmu, Codec::Opus] {
        let (mut a, mut b) = (End::new(&[codec]), End::new(&[codec]));
        connect(&mut a, &mut b).await;
        let heard = Heard::listen(&b);
        // A voice that is in nobody's way.
        a.peer.set_source(AudioSource::Tone(ToneSpec::new(300.0)));
        let sent = a.peer.send_dtmf_in_band("159#d*0ab", 100, 100).expect("tones");
        timeout(LIMIT, sent).await.expect("in time").expect("sent");
        let detected = timeout(LIMIT, async {
            while !detect(&heard.at(8_000), 8_000).contains(|tone| "159#D*0AB".contains(tone)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        detected.await.unwrap_or_else(|_| panic!("{codec}: no tone in {:?}", detect(&heard.at(8_000), 8_000)));
        while let Ok(Some(event)) = timeout(Duration::from_millis(100), b.events.recv()).await {
            assert!(!matches!(event, PeerEvent::Dtmf { .. }), "no telephone-event was sent");
        }
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
