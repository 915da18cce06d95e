//! Gathering in virtual time, with servers that are simulated here as far as they matter.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use turn_client_proto::types::stun::attribute::XorMappedAddress;
use turn_client_proto::types::stun::message::{Message, MessageWriteVec};
use turn_client_proto::types::stun::prelude::*;

use super::{IceServer, LinkId, Reach, ReachOutput, TransportPolicy};
use crate::error::TurnError;
use crate::stats::CandidateKind;

const LIMIT: Duration = Duration::from_millis(500);

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn server(url: &str) -> IceServer {
    IceServer::parse(url, Some("ada"), Some("hidden-words")).unwrap()
}

fn outputs(reach: &mut Reach) -> Vec<ReachOutput> {
    std::iter::from_fn(|| reach.poll_output()).collect()
}

/// Requests among the outputs.
fn asked(reach: &mut Reach) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
    let host = |output| match output {
        ReachOutput::Host { base, destination, data } => Some((base, destination, data)),
        _ => None,
    };
    outputs(reach).into_iter().filter_map(host).collect()
}

fn answer(request: &[u8], mapped: SocketAddr) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut answer = Message::builder_success(&request, MessageWriteVec::new());
    answer.add_attribute(&XorMappedAddress::new(mapped, request.transaction_id())).unwrap();
    answer.finish()
}

/// A gathering from one host address, with the STUN server's name resolved.
fn gathering(now: Instant, servers: &[IceServer], policy: TransportPolicy) -> Reach {
    Reach::new(now, servers, policy, LIMIT, vec![at("10.0.0.5:4000")])
}

#[test]
fn without_servers_there_is_nothing_to_wait_for() {
    let now = Instant::now();
    let mut reach = gathering(now, &[], TransportPolicy::All);
    assert!(reach.is_ready(now) && outputs(&mut reach).is_empty());
    assert_eq!(reach.candidates().len(), 1);
}

#[test]
fn what_a_stun_server_sees_is_a_candidate() {
    let now = Instant::now();
    let mut reach = gathering(now, &[server("stun:stun.example")], TransportPolicy::All);
    assert!(matches!(outputs(&mut reach)[..], [ReachOutput::Resolve { server: 0 }]));
    reach.resolved(now, 0, &[at("[2001:db8::1]:3478"), at("192.0.2.1:3478")]);
    let requests = asked(&mut reach);
    let [(base, destination, request)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((*base, *destination), (at("10.0.0.5:4000"), at("192.0.2.1:3478")));
    assert!(!reach.is_ready(now));
    let seen = at("198.51.100.7:61000");
    let reply = answer(request, seen);
    // From elsewhere, or to elsewhere, it is nobody's answer.
    assert!(!reach.host_received(now, *base, at("192.0.2.66:3478"), &reply));
    assert!(!reach.host_received(now, at("10.0.0.6:4000"), *destination, &reply));
    assert!(reach.host_received(now, *base, *destination, &reply));
    assert!(reach.is_ready(now));
    let found = reach.candidates();
    assert_eq!((found[1].kind, found[1].address, found[1].base), (CandidateKind::Srflx, seen, *base));
}

#[test]
fn an_address_that_no_nat_changed_is_told_once() {
    let now = Instant::now();
    let mut reach = gathering(now, &[server("stun:stun.example")], TransportPolicy::All);
    reach.resolved(now, 0, &[at("192.0.2.1:3478")]);
    let (base, destination, request) = asked(&mut reach).remove(0);
    assert!(reach.host_received(now, base, destination, &answer(&request, base)));
    assert_eq!(reach.candidates().len(), 1);
}

#[test]
fn a_lost_question_is_repeated_and_an_unanswered_one_given_up() {
    let begun = Instant::now();
    let mut reach = gathering(begun, &[server("stun:stun.example")], TransportPolicy::All);
    reach.resolved(begun, 0, &[at("192.0.2.1:3478")]);
    let mut sent = Vec::new();
    let mut now = begun;
    for _ in 0..100 {
        sent.extend(asked(&mut reach).into_iter().map(|(.., data)| (now - begun, data)));
        let Some(next) = reach.timeout(now) else { break };
        now = next;
        reach.handle_timeout(now);
    }
    let times: Vec<_> = sent.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(times, [0, 100, 300, 700, 1_500, 3_100, 4_700]);
    assert!(sent.iter().all(|(_, data)| *data == sent[0].1), "the same transaction");
    assert!(reach.is_ready(now));
    assert_eq!(reach.timeout(now), None);
}

#[test]
fn the_nat_is_kept_open_until_the_call_is_connected() {
    let begun = Instant::now();
    let mut reach = gathering(begun, &[server("stun:stun.example")], TransportPolicy::All);
    reach.resolved(begun, 0, &[at("192.0.2.1:3478")]);
    let (base, destination, request) = asked(&mut reach).remove(0);
    reach.host_received(begun, base, destination, &answer(&request, at("198.51.100.7:61000")));
    let later = begun + Duration::from_secs(15);
    reach.handle_timeout(later);
    let (.., again) = asked(&mut reach).remove(0);
    assert_ne!(again[8..], request[8..], "another transaction");
    // The NAT forgot and gave another port: that is the candidate now.
    reach.host_received(later, base, destination, &answer(&again, at("198.51.100.7:62000")));
    assert_eq!(reach.candidates()[1].address.port(), 62_000);
    reach.connected();
    reach.handle_timeout(later + Duration::from_secs(15));
    assert!(asked(&mut reach).is_empty());
    assert_eq!(reach.timeout(later + Duration::from_secs(15)), None);
    // So it is while another path is looked for.
    let again = later + Duration::from_secs(60);
    reach.restart(again, vec![at("10.0.0.5:4000")]);
    reach.resolved(again, 0, &[at("192.0.2.1:3478")]);
    let (base, destination, request) = asked(&mut reach).remove(0);
    reach.host_received(again, base, destination, &answer(&request, at("198.51.100.7:63000")));
    reach.handle_timeout(again + Duration::from_secs(15));
    assert_eq!(asked(&mut reach).len(), 1);
}

#[test]
fn the_deadline_ends_the_waiting_and_a_later_address_still_counts() {
    let begun = Instant::now();
    let mut reach = gathering(begun, &[server("stun:stun.example"), server("turn:turn.example")], TransportPolicy::All);
    reach.resolved(begun, 0, &[at("192.0.2.1:3478")]);
    let (base, destination, request) = asked(&mut reach).remove(0);
    assert!(!reach.is_ready(begun + LIMIT - Duration::from_millis(1)));
    let late = begun + Duration::from_millis(600);
    assert!(reach.is_ready(late));
    reach.host_received(late, base, destination, &answer(&request, at("198.51.100.7:61000")));
    assert!(outputs(&mut reach).iter().any(|output| matches!(output, ReachOutput::Candidates)));
    assert_eq!(reach.candidates().len(), 2);
}

#[test]
fn relay_shows_no_other_address_and_asks_no_stun_server() {
    let now = Instant::now();
    let servers = [server("stun:stun.example"), server("turns:turn.example")];
    let mut reach = gathering(now, &servers, TransportPolicy::Relay);
    let opened = outputs(&mut reach);
    assert!(matches!(opened[..], [ReachOutput::Open { server: 1, .. }]), "{opened:?}");
    assert!(reach.candidates().is_empty() && reach.is_hopeless().is_none());
    reach.link_down(now, LinkId(0), TurnError::Tls("x".to_owned()));
    assert!(reach.is_ready(now));
    assert_eq!(reach.is_hopeless(), Some(TurnError::Tls("x".to_owned())));
}

#[test]
fn a_restart_asks_all_servers_again() {
    let now = Instant::now();
    let servers = [server("stun:stun.example"), server("turn:turn.example")];
    let mut reach = gathering(now, &servers, TransportPolicy::All);
    outputs(&mut reach);
    reach.link_up(now, LinkId(0), false, at("10.0.0.5:5000"), at("192.0.2.1:3478"));
    assert!(outputs(&mut reach).iter().any(|output| matches!(output, ReachOutput::Link { .. })));
    let later = now + Duration::from_secs(60);
    reach.restart(later, vec![at("10.7.7.7:4000")]);
    let again = outputs(&mut reach);
    assert!(again.iter().any(|output| matches!(output, ReachOutput::Resolve { server: 0 })), "{again:?}");
    assert!(again.iter().any(|output| matches!(output, ReachOutput::Open { link: LinkId(1), .. })), "{again:?}");
    assert_eq!(reach.candidates()[0].address, at("10.7.7.7:4000"));
    // The old connection serves the old path for a while.
    reach.handle_timeout(later + Duration::from_secs(20));
    let ended = outputs(&mut reach);
    assert!(ended.iter().any(|output| matches!(output, ReachOutput::Close { link: LinkId(0) })), "{ended:?}");
}

proptest! {
    /// Whatever comes from a server: nothing panics, and what is kept stays small.
    #[test]
    fn hostile_servers_do_no_harm(datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..50), stun: bool, stream: bool) {
        let now = Instant::now();
        let servers = [server("stun:stun.example"), server("turn:turn.example")];
        let mut reach = gathering(now, &servers, TransportPolicy::All);
        reach.resolved(now, 0, &[at("192.0.2.1:3478")]);
        reach.link_up(now, LinkId(0), stream, at("10.0.0.5:5000"), at("192.0.2.1:3478"));
        for (n, mut datagram) in datagrams.into_iter().enumerate() {
            let now = now + Duration::from_millis(n as u64 * 100);
            // Half of them with a header as it should be.
            if stun && datagram.len() >= 20 {
                let length = (datagram.len() - 20) as u16;
                datagram[..8].copy_from_slice(&[1, 1, (length >> 8) as u8, length as u8, 0x21, 0x12, 0xa4, 0x42]);
            }
            reach.host_received(now, at("10.0.0.5:4000"), at("192.0.2.1:3478"), &datagram);
            reach.link_received(now, LinkId(0), &datagram);
            reach.handle_timeout(now);
            prop_assert!(outputs(&mut reach).len() < 50);
            prop_assert!(reach.candidates().len() <= 2);
        }
    }
}
