//! TURN servers that refuse, are silent, come late, or die.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use offhook_interop_networks::{Coturn, LEFT_TONE, RIGHT_TONE, USERNAME};
use offhook_media::{Addresses, IceServer, IceState, MediaError, PeerConfig, PeerEvent, TransportPolicy, TurnError};

use crate::support::{End, both_hear, call, config, offer, relayed};

/// The deadline of gathering is 500 ms. That it is waited for no longer, and not at all for servers that have answered, is shown in
/// virtual time (`offhook_media::reach`): on a machine that has much to do everything takes longer.
const DEADLINE: Duration = Duration::from_millis(450);

async fn refused(config: PeerConfig) -> TurnError {
    let mut end = End::new(config, LEFT_TONE);
    let (offer, _) = offer(&end).await;
    let Err(MediaError::NoRelay(error)) = offer else { panic!("{offer:?}") };
    let told = end.wait(|event| match event {
        PeerEvent::ServerFailed { error, .. } => Some(error.clone()),
        _ => None,
    });
    assert_eq!(told.await, error);
    error
}

#[tokio::test]
async fn a_wrong_password_is_said_at_once() {
    let coturn = Coturn::start();
    for transport in ["udp", "tcp", "tls"] {
        let server = coturn.server_for(transport, USERNAME, "other-words").unwrap();
        assert_eq!(refused(relayed(&coturn, [server])).await, TurnError::Unauthorized, "{transport}");
    }
}

#[tokio::test]
async fn with_a_wrong_password_the_other_candidates_are_used() {
    let coturn = Coturn::start();
    let server = coturn.server_for("udp", USERNAME, "other-words").unwrap();
    let mut left = End::new(config([server]), LEFT_TONE);
    let mut right = End::new(config([]), RIGHT_TONE);
    call(&mut left, &mut right).await;
    both_hear(&left, &right).await;
}

#[tokio::test]
async fn a_user_with_too_many_allocations_is_told_so() {
    let coturn = Coturn::start_with(None, std::net::Ipv4Addr::LOCALHOST, &["--user-quota=1"]);
    let first = End::new(relayed(&coturn, [coturn.server("udp")]), LEFT_TONE);
    offer(&first).await.0.expect("the first has its address");
    assert_eq!(refused(relayed(&coturn, [coturn.server("udp")])).await, TurnError::QuotaReached);
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_refused() {
    let coturn = Coturn::start();
    let config = config([coturn.server("tls")]).transport_policy(TransportPolicy::Relay);
    let error = refused(config).await;
    assert!(matches!(error, TurnError::Tls(_)), "{error:?}");
}

#[tokio::test]
async fn where_nobody_listens_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
    let server = IceServer::parse(&format!("turn:127.0.0.1:{port}?transport=tcp"), Some("a"), Some("b")).unwrap();
    let error = refused(config([server]).transport_policy(TransportPolicy::Relay)).await;
    assert!(matches!(error, TurnError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn relay_without_a_turn_server_is_an_error() {
    let end = End::new(config([]).transport_policy(TransportPolicy::Relay), LEFT_TONE);
    assert_eq!(offer(&end).await.0, Err(MediaError::NoRelay(TurnError::NoServer)));
}

#[tokio::test]
async fn silent_servers_are_waited_for_until_the_deadline() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let (udp_port, tcp_port) = (udp.local_addr().unwrap().port(), tcp.local_addr().unwrap().port());
    for url in [
        format!("stun:127.0.0.1:{udp_port}"),
        format!("turn:127.0.0.1:{udp_port}"),
        format!("turn:127.0.0.1:{tcp_port}?transport=tcp"),
        format!("turns:127.0.0.1:{tcp_port}"),
    ] {
        let server = IceServer::parse(&url, Some("a"), Some("b")).unwrap();
        let mut left = End::new(config([server]), LEFT_TONE);
        let mut right = End::new(config([]), RIGHT_TONE);
        let (offer, took) = call(&mut left, &mut right).await;
        assert!(took >= DEADLINE, "{url}: {took:?}");
        assert!(offer.contains("typ host"), "{offer}");
        both_hear(&left, &right).await;
    }
}

#[tokio::test]
async fn the_address_at_an_answering_server_is_in_the_offer() {
    let coturn = Coturn::start();
    let end = End::new(config([coturn.server("stun"), coturn.server("udp")]), LEFT_TONE);
    assert!(offer(&end).await.0.unwrap().contains("typ relay"));
}

#[tokio::test]
async fn an_address_that_comes_after_the_offer_is_used_without_another_offer() {
    let coturn = Coturn::start();
    coturn.freeze();
    let mut left = End::new(relayed(&coturn, [coturn.server("udp")]), LEFT_TONE);
    let mut right = End::new(config([]), RIGHT_TONE);
    let (offer, took) = offer(&left).await;
    let offer = offer.expect("an offer without candidates");
    assert!(took >= DEADLINE && !offer.contains("a=candidate"), "{took:?} {offer}");
    let answer = right.peer.accept_offer(offer, offhook_media::Direction::SendRecv).await.expect("answer");
    left.peer.accept_answer(answer).await.expect("answer is taken");
    coturn.thaw();
    left.connected().await;
    right.connected().await;
    both_hear(&left, &right).await;
    let pair = right.stats().await.candidate_pair.expect("a pair");
    assert_eq!(pair.remote_kind, offhook_media::CandidateKind::Prflx);
}

#[tokio::test]
async fn a_stale_nonce_is_replaced() {
    let coturn = Coturn::start_with(None, std::net::Ipv4Addr::LOCALHOST, &["--stale-nonce=1", "-v"]);
    let mut left = End::new(relayed(&coturn, [coturn.server("udp")]), LEFT_TONE);
    let mut right = End::new(relayed(&coturn, [coturn.server("udp")]), RIGHT_TONE);
    offer(&left).await.0.expect("an address");
    // The server's own clock: nothing tells when its nonce is over.
    tokio::time::sleep(Duration::from_secs(3)).await;
    call(&mut left, &mut right).await;
    both_hear(&left, &right).await;
    assert!(coturn.words().contains("438"), "{}", coturn.words());
}

#[tokio::test]
async fn when_the_server_in_use_dies_another_takes_over() {
    let [first, second] = [Coturn::start(), Coturn::start()];
    let servers = || [first.server("tcp"), second.server("tcp")];
    let mut left = End::new(relayed(&first, servers()), LEFT_TONE);
    let mut right = End::new(PeerConfig::new("right").addresses(Addresses::Loopback), RIGHT_TONE);
    // The second address may come after the first, and after the offer.
    call(&mut left, &mut right).await;
    both_hear(&left, &right).await;
    let used = left.stats().await.candidate_pair.expect("a pair").local.port();
    let (dying, _kept) = if first.has_relay(used) { (first, second) } else { (second, first) };
    dying.crash();
    let lost = left.wait(|event| match event {
        PeerEvent::ServerFailed { error, .. } => Some(error.clone()),
        _ => None,
    });
    assert_eq!(lost.await, TurnError::Lost);
    both_hear(&left, &right).await;
}

#[tokio::test]
async fn when_the_only_server_dies_the_path_is_told_to_be_lost() {
    let coturn = Coturn::start();
    let mut left = End::new(relayed(&coturn, [coturn.server("tcp")]), LEFT_TONE);
    let mut right = End::new(config([]), RIGHT_TONE);
    call(&mut left, &mut right).await;
    both_hear(&left, &right).await;
    coturn.crash();
    left.wait(|event| matches!(event, PeerEvent::IceState(IceState::Disconnected)).then_some(())).await;
}
