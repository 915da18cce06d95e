//! Several addresses, of both families.

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::*;
use offhook_media::*;

fn on(addresses: &[IpAddr]) -> End {
    let config = PeerConfig::new("test").addresses(Addresses::Only(addresses.to_vec())).codecs([Codec::Pcmu]);
    let (peer, events) = Peer::spawn(config).expect("can be bound");
    End { peer, events }
}

#[tokio::test]
async fn a_far_end_that_has_only_ipv6_is_reached_by_one_of_several_addresses() {
    let four = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))];
    let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let (mut a, mut b) = (on(&[four[0], six, four[1]]), on(&[six]));
    let heard = Heard::listen(&b);
    let said = speech(RATE, 2.5);
    a.peer.set_source(wav(&said, RATE));
    let (offer, answer) = negotiate(&a, &b, Direction::SendRecv, Direction::SendRecv).await;
    let hosts =
        |sdp: &str| sdp.lines().filter(|line| line.starts_with("a=candidate:") && line.contains("typ host")).count();
    assert_eq!((hosts(&offer), hosts(&answer)), (3, 1), "{offer}{answer}");
    assert!(offer.contains("c=IN IP4 127.0.0.1") && answer.contains("c=IN IP6 ::1"), "{offer}{answer}");
    a.connected().await;
    b.connected().await;
    heard.seconds(2.0).await;
    let level = heard.at(RATE).iter().map(|&sample| i32::from(sample).abs()).max();
    assert!(level > Some(2_000), "{level:?}");
}
