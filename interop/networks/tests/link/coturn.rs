//! coturn beyond the bad path: what a phone sends to its relay, and gets from it, suffers what the path does.

use std::time::Duration;

use offhook_interop_networks::{BadPath, CREDENTIAL, Coturn, LEFT_TONE, RIGHT_TONE, Remote, USERNAME};
use serde_json::{Value, json};

use crate::LINK;

const PEER: &str = env!("CARGO_BIN_EXE_offhook-media-peer");

/// A peer on the left that may use nothing but the relay on the right, and one on the right, in a call.
struct Relayed {
    path: BadPath,
    coturn: Coturn,
    left: Remote,
    right: Remote,
}

fn relayed(transport: &str) -> Relayed {
    let path = BadPath::build(LINK, "mobile", 12);
    let coturn = Coturn::start_with(Some(&path.right()), BadPath::RIGHT, &[]);
    let server = json!({"url": coturn.url(transport), "username": USERNAME, "credential": CREDENTIAL});
    let config = json!({"servers": [server], "policy": "relay", "tone": LEFT_TONE});
    let mut left = Remote::start(PEER, &path.left(), &config);
    let mut right = Remote::start(PEER, &path.right(), &json!({"tone": RIGHT_TONE}));
    let offer = left.offer(false);
    let answer = right.answer(&offer);
    left.apply(&answer);
    for peer in [&mut left, &mut right] {
        peer.connected();
    }
    left.hears(RIGHT_TONE);
    right.hears(LEFT_TONE);
    Relayed { path, coturn, left, right }
}

/// Packets lost of those that were due, as this end counts them, once there were `enough`.
fn lost(peer: &mut Remote, enough: u64) -> f64 {
    loop {
        let stats = peer.stats();
        let number = |name: &str| stats["inbound"][name].as_u64().unwrap_or_default();
        let (received, lost) = (number("packets_received"), number("packets_lost"));
        if received >= enough {
            return lost as f64 / (lost + received) as f64;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn missing(way: &Value) -> f64 {
    let [sent, arrived] = ["sent", "arrived"].map(|name| way[name].as_f64().expect("a count"));
    1.0 - arrived / sent
}

#[test]
fn a_relay_over_udp_loses_what_the_path_loses() {
    let mut call = relayed("udp");
    let (left, right) = (lost(&mut call.left, 800), lost(&mut call.right, 800));
    let counters = call.path.counters();
    for (way, lost) in [("left", left), ("right", right)] {
        let really = missing(&counters[way]);
        assert!((lost - really).abs() < 0.03, "to the {way}: {lost} lost by the statistics, {really} on the path");
        assert!((0.01..0.15).contains(&lost), "to the {way}: {lost} lost of 5 %");
    }
    let pair = call.left.stats()["candidate_pair"].clone();
    assert_eq!(pair["local_kind"], "relay", "{pair}");
    let port = pair["local"].as_str().and_then(|address| address.rsplit(':').next()?.parse().ok());
    assert!(port.is_some_and(|port| call.coturn.has_relay(port)), "{pair}");
}

#[test]
fn a_relay_over_tcp_loses_nothing_and_is_late_instead() {
    let mut call = relayed("tcp");
    let (left, right) = (lost(&mut call.left, 800), lost(&mut call.right, 800));
    let counters = call.path.counters();
    assert!(missing(&counters["left"]) > 0.01 && missing(&counters["right"]) > 0.01, "{counters}");
    assert!(left < 0.005 && right < 0.005, "{left} and {right} lost: TCP sends again");
    call.left.hears(RIGHT_TONE);
    call.right.hears(LEFT_TONE);
}
