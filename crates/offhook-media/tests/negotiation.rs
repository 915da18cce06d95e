//! Renegotiation between two running peers: hold, resume, rollback, refused and repeated descriptions.

mod common;

use std::time::Duration;

use common::*;
use offhook_media::*;

async fn direction(end: &End) -> Option<Direction> {
    end.peer.stats().await.expect("open").direction
}

async fn received(end: &End) -> u64 {
    end.peer.stats().await.expect("open").inbound.packets_received
}

/// Both hear on: ten more packets come.
async fn hear(ends: &[&End]) {
    for end in ends {
        packets(end, received(end).await + 10).await;
    }
}

/// Packets that come in 300 ms from one that sends no more, after all it has sent.
async fn stray(from: &End, to: &End) -> u64 {
    packets(to, from.peer.stats().await.expect("open").outbound.packets_sent).await;
    let before = received(to).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    received(to).await - before
}

#[tokio::test]
async fn hold_stops_the_audio_one_way_inactive_both_and_resume_brings_it_back() {
    let (mut a, mut b) = (End::new(&[Codec::Opus]), End::new(&[Codec::Opus]));
    connect(&mut a, &mut b).await;
    let heard = Heard::listen(&a);
    let (offer, answer) = negotiate(&a, &b, Direction::SendOnly, Direction::SendRecv).await;
    assert!(offer.contains("a=sendonly") && answer.contains("a=recvonly"));
    assert_eq!(direction(&a).await, Some(Direction::SendOnly));
    assert_eq!(direction(&b).await, Some(Direction::RecvOnly));
    assert_eq!(stray(&b, &a).await, 0);
    hear(&[&b]).await;

    // b holds too: its own offer is sendonly, a still wants sendonly.
    let (_, answer) = negotiate(&b, &a, Direction::SendOnly, Direction::SendOnly).await;
    assert!(answer.contains("a=inactive"), "who holds stays on hold when the other side offers");
    assert_eq!((stray(&b, &a).await, stray(&a, &b).await), (0, 0));

    negotiate(&a, &b, Direction::SendRecv, Direction::SendRecv).await;
    b.peer.set_source(AudioSource::Tone(ToneSpec::new(500.0)));
    let before = heard.at(RATE).len();
    hear(&[&a, &b]).await;
    let loud = async {
        while heard.at(RATE)[before..].iter().map(|s| s.unsigned_abs()).max() <= Some(4_000) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, loud).await.expect("the tone is heard again");
}

#[tokio::test]
async fn a_refused_offer_changes_nothing() {
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    connect(&mut a, &mut b).await;
    a.peer.create_offer(Direction::Inactive).await.expect("offer");
    // An offer alone has no effect.
    hear(&[&b]).await;
    a.peer.rollback().await.expect("open");
    assert_eq!(direction(&a).await, Some(Direction::SendRecv));
    hear(&[&a, &b]).await;
    // The next offer works as if the refused one had never been.
    negotiate(&a, &b, Direction::SendOnly, Direction::SendRecv).await;
    assert_eq!(direction(&b).await, Some(Direction::RecvOnly));
    negotiate(&b, &a, Direction::SendRecv, Direction::SendRecv).await;
    assert_eq!(direction(&a).await, Some(Direction::SendRecv));
}

#[tokio::test]
async fn offers_that_cross_are_settled_by_the_one_that_is_answered() {
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    connect(&mut a, &mut b).await;
    a.peer.create_offer(Direction::SendOnly).await.expect("offer");
    negotiate(&b, &a, Direction::SendRecv, Direction::SendRecv).await;
    assert_eq!((direction(&a).await, direction(&b).await), (Some(Direction::SendRecv), Some(Direction::SendRecv)));
    hear(&[&a, &b]).await;
}

#[tokio::test]
async fn answers_without_an_offer_are_refused_and_repeated_ones_ignored() {
    let (mut a, mut b) = (End::new(&[Codec::Opus]), End::new(&[Codec::Opus]));
    let offer = a.peer.create_offer(Direction::SendRecv).await.expect("offer");
    let early = a.peer.accept_answer("v=0\r\n".to_owned()).await;
    assert!(matches!(early, Err(MediaError::Sdp(_))), "{early:?}");
    let answer = b.peer.accept_offer(offer, Direction::SendRecv).await.expect("answer");
    assert!(matches!(b.peer.accept_answer(answer.clone()).await, Err(MediaError::WrongState(_))));
    a.peer.accept_answer(answer.clone()).await.expect("183");
    a.peer.accept_answer(answer).await.expect("the 200 with the same answer");
    a.connected().await;
    b.connected().await;
    hear(&[&a]).await;
}

#[tokio::test]
async fn a_bad_offer_in_a_call_is_refused_and_the_call_goes_on() {
    let (mut a, mut b) = (End::new(&[Codec::Opus]), End::new(&[Codec::Opus]));
    connect(&mut a, &mut b).await;
    let refused = b.peer.accept_offer("v=0\r\nm=audio 9 RTP/AVP 0\r\n".to_owned(), Direction::SendRecv).await;
    assert!(matches!(refused, Err(MediaError::Sdp(SdpRefusal::NotDtls { .. }))), "{refused:?}");
    let huge = format!("v=0\r\n{}", "a=x\r\n".repeat(20_000));
    let refused = b.peer.accept_offer(huge, Direction::SendRecv).await;
    assert!(matches!(refused, Err(MediaError::Sdp(SdpRefusal::TooLarge { .. }))), "{refused:?}");
    hear(&[&a, &b]).await;
}

#[tokio::test]
async fn mute_is_silence_and_not_a_new_description() {
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    a.peer.set_source(AudioSource::Tone(ToneSpec::new(700.0)));
    connect(&mut a, &mut b).await;
    let heard = Heard::listen(&b);
    heard.seconds(0.5).await;
    level(&b, |heard| heard > -30.0).await;
    a.peer.set_muted(true);
    level(&b, |heard| heard < -60.0).await;
    let from = a.peer.stats().await.expect("open");
    assert!(from.outbound.level_dbfs < -60.0);
    assert_eq!(from.direction, Some(Direction::SendRecv));
    // The stream goes on.
    hear(&[&b]).await;
    a.peer.set_muted(false);
    level(&b, |heard| heard > -30.0).await;
}

#[tokio::test]
async fn a_wrong_certificate_ends_the_connection_before_any_audio() {
    let (a, mut b) = (End::new(&[Codec::Opus]), End::new(&[Codec::Opus]));
    let offer = a.peer.create_offer(Direction::SendRecv).await.expect("offer");
    // An attacker in the path of the signalling.
    let forged: String = offer
        .lines()
        .map(|line| match line.strip_prefix("a=fingerprint:sha-256 ") {
            Some(print) => {
                let other = if print.starts_with("00") { "11" } else { "00" };
                format!("a=fingerprint:sha-256 {other}{}\r\n", &print[2..])
            }
            None => format!("{line}\r\n"),
        })
        .collect();
    let answer = b.peer.accept_offer(forged, Direction::SendRecv).await.expect("answer");
    a.peer.accept_answer(answer).await.expect("answer");
    let failed = b
        .wait(|event| match event {
            PeerEvent::Failed(error) => Some(error.clone()),
            PeerEvent::Connected => panic!("connected to a forged certificate"),
            _ => None,
        })
        .await;
    assert_eq!(failed, MediaError::FingerprintMismatch);
    assert_eq!(b.events.recv().await, Some(PeerEvent::Closed));
    assert_eq!(b.events.recv().await, None);
    assert_eq!(b.peer.stats().await, Err(MediaError::Closed));
}

#[tokio::test]
async fn closing_one_side_is_told_to_the_other() {
    let (mut a, mut b) = (End::new(&[Codec::Opus]), End::new(&[Codec::Opus]));
    connect(&mut a, &mut b).await;
    let digit = b.peer.send_dtmf("1", 6_000, 70).expect("a digit");
    let End { peer, mut events } = a;
    peer.close();
    b.wait(|event| matches!(event, PeerEvent::RemoteClosed).then_some(())).await;
    assert_eq!(tokio::time::timeout(LIMIT, digit).await.expect("in time"), Err(MediaError::Closed));
    let another = b.peer.send_dtmf("1", 100, 70).expect("a digit");
    assert_eq!(tokio::time::timeout(LIMIT, another).await.expect("in time"), Err(MediaError::Closed));
    while let Some(event) = tokio::time::timeout(LIMIT, events.recv()).await.expect("in time") {
        assert!(!matches!(event, PeerEvent::Failed(_)), "{event:?}");
    }
}

#[tokio::test]
async fn a_new_certificate_in_an_offer_is_a_new_connection() {
    // A transfer behind a PBX that does not anchor media: the far end is another machine from now on.
    let (mut a, mut b, mut c) = (End::new(&[Codec::Opus]), End::new(&[Codec::Opus]), End::new(&[Codec::Opus]));
    connect(&mut a, &mut b).await;
    a.wait(|event| matches!(event, PeerEvent::RemoteTrack { .. }).then_some(())).await;
    let heard = Heard::listen(&a);
    negotiate(&c, &a, Direction::SendRecv, Direction::SendRecv).await;
    a.connected().await;
    c.connected().await;
    // What is said before it is listened to is not found again.
    let said = speech(RATE, 2.0);
    let begin = heard.at(RATE).len();
    c.peer.set_source(wav(&said, RATE));
    heard.seconds(begin as f64 / f64::from(RATE) + 2.5).await;
    let found = correlation(&said, &heard.at(RATE)[begin..]);
    assert!(found > 0.95, "{found}");
    assert!(a.peer.stats().await.expect("open").inbound.ssrc_changes >= 1);
}

#[tokio::test]
async fn no_path_is_told_after_the_time_allowed() {
    let config = PeerConfig::new("lost").addresses(Addresses::Loopback).connect_timeout(Duration::from_millis(300));
    let (peer, events) = Peer::spawn(config).expect("loopback");
    let mut lost = End { peer, events };
    let nobody = End::new(&[Codec::Opus]);
    let offer = nobody.peer.create_offer(Direction::SendRecv).await.expect("offer");
    nobody.peer.close();
    lost.peer.accept_offer(offer, Direction::SendRecv).await.expect("answer");
    let failed = lost.wait(|event| if let PeerEvent::Failed(e) = event { Some(e.clone()) } else { None }).await;
    assert_eq!(failed, MediaError::ConnectTimeout { seconds: 0 });
}
