//! Calls whose only path is a TURN server.

use offhook_interop_networks::{Coturn, LEFT_TONE, RIGHT_TONE};
use offhook_media::CandidateKind;

use crate::support::{End, both_hear, call, config, relayed};

async fn relayed_over(transport: &str) {
    let coturn = Coturn::start();
    let mut left = End::new(relayed(&coturn, [coturn.server(transport)]), LEFT_TONE);
    let mut right = End::new(relayed(&coturn, [coturn.server(transport)]), RIGHT_TONE);
    let (offer, _) = call(&mut left, &mut right).await;
    assert!(offer.contains("typ relay") && !offer.contains("typ host") && !offer.contains("typ srflx"), "{offer}");
    both_hear(&left, &right).await;
    for end in [&left, &right] {
        let pair = end.stats().await.candidate_pair.expect("a pair");
        assert_eq!((pair.local_kind, pair.remote_kind), (CandidateKind::Relay, CandidateKind::Relay));
    }
}

#[tokio::test]
async fn a_call_is_heard_through_turn_over_udp() {
    relayed_over("udp").await;
}

#[tokio::test]
async fn a_call_is_heard_through_turn_over_tcp() {
    relayed_over("tcp").await;
}

#[tokio::test]
async fn a_call_is_heard_through_turn_over_tls() {
    relayed_over("tls").await;
}

#[tokio::test]
async fn one_end_may_be_relayed_and_the_other_not() {
    let coturn = Coturn::start();
    let mut left = End::new(relayed(&coturn, [coturn.server("udp")]), LEFT_TONE);
    let mut right = End::new(config([]), RIGHT_TONE);
    call(&mut left, &mut right).await;
    both_hear(&left, &right).await;
    let pair = left.stats().await.candidate_pair.expect("a pair");
    assert_eq!((pair.local_kind, pair.remote_kind), (CandidateKind::Relay, CandidateKind::Host));
    let pair = right.stats().await.candidate_pair.expect("a pair");
    assert_eq!((pair.local_kind, pair.remote_kind), (CandidateKind::Host, CandidateKind::Relay));
}

#[tokio::test]
async fn where_the_direct_path_works_it_is_taken() {
    let coturn = Coturn::start();
    let mut left = End::new(config([coturn.server("stun"), coturn.server("udp")]), LEFT_TONE);
    let mut right = End::new(config([coturn.server("stun"), coturn.server("udp")]), RIGHT_TONE);
    let (offer, _) = call(&mut left, &mut right).await;
    assert!(offer.contains("typ host") && offer.contains("typ relay"), "{offer}");
    both_hear(&left, &right).await;
    let pair = left.stats().await.candidate_pair.expect("a pair");
    assert_eq!((pair.local_kind, pair.remote_kind), (CandidateKind::Host, CandidateKind::Host));
}
