//! Two peers talk: what is heard is what was said, with every codec.

mod common;

use common::*;
use offhook_media::*;

async fn both_ways(codec: Codec) {
    let (mut a, mut b) = (End::new(&[codec]), End::new(&[Codec::Opus, Codec::Pcmu, Codec::Pcma]));
    let (at_a, at_b) = (Heard::listen(&a), Heard::listen(&b));
    let from_a = speech(RATE, 2.5);
    let mut from_b = from_a.clone();
    from_b.reverse();
    a.peer.set_source(wav(&from_a, RATE));
    b.peer.set_source(wav(&from_b, RATE));
    connect(&mut a, &mut b).await;
    at_a.seconds(3.0).await;
    at_b.seconds(3.0).await;
    let (ab, ba) = (correlation(&from_a, &at_b.at(RATE)), correlation(&from_b, &at_a.at(RATE)));
    let stats = b.peer.stats().await.expect("open");
    assert!(ab > 0.95 && ba > 0.95, "{codec}: a→b {ab}, b→a {ba}");
    assert_eq!(stats.inbound.codec, Some(codec));
    assert_eq!(stats.outbound.codec, Some(codec));
    assert_eq!(stats.inbound.packets_lost, 0);
    assert!(stats.inbound.packets_received > 50 && stats.outbound.packets_sent > 50);
    assert!(stats.inbound.jitter_ms < 20.0);
}

#[tokio::test]
async fn opus_is_heard_both_ways() {
    both_ways(Codec::Opus).await;
}

#[tokio::test]
async fn pcmu_is_heard_both_ways() {
    both_ways(Codec::Pcmu).await;
}

#[tokio::test]
async fn pcma_is_heard_both_ways() {
    both_ways(Codec::Pcma).await;
}
