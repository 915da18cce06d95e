//! Calls whose only path is a TURN server.

use std::time::{Duration, Instant};

use offhook_interop_networks::{Coturn, LEFT_TONE, RIGHT_TONE};
use offhook_media::{CandidateKind, Wanted};

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

/// The old allocation serves the old path for 15 s; then the call is on the new one, without a gap that ends anything.
async fn restarted_over(transport: &str) {
    let coturn = Coturn::start();
    let mut left = End::new(relayed(&coturn, [coturn.server(transport)]), LEFT_TONE);
    let mut right = End::new(relayed(&coturn, [coturn.server(transport)]), RIGHT_TONE);
    call(&mut left, &mut right).await;
    both_hear(&left, &right).await;
    let before = left.stats().await.candidate_pair.expect("a pair");
    let wanted = Wanted { ice_restart: true, ..Wanted::default() };
    let offer = left.peer.offer(wanted).await.expect("offer");
    assert!(offer.contains("typ relay") && !offer.contains("typ host") && !offer.contains("typ srflx"), "{offer}");
    let answer = right.peer.answer(offer, Wanted::default()).await.expect("answer");
    assert!(!answer.contains("typ host"), "{answer}");
    left.peer.accept_answer(answer).await.expect("answer is taken");
    both_hear(&left, &right).await;
    let begun = Instant::now();
    loop {
        let pair = left.stats().await.candidate_pair.expect("a pair");
        if pair.local != before.local {
            assert_eq!((pair.local_kind, pair.remote_kind), (CandidateKind::Relay, CandidateKind::Relay));
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(25), "{transport}: still {pair:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    both_hear(&left, &right).await;
}

#[tokio::test]
async fn an_ice_restart_moves_a_relayed_call_to_a_new_address_over_udp_and_shows_no_other() {
    restarted_over("udp").await;
}

#[tokio::test]
async fn an_ice_restart_moves_a_relayed_call_to_a_new_address_over_tcp_and_shows_no_other() {
    restarted_over("tcp").await;
}
