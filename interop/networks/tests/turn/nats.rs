//! Two ends behind NATs of two kinds, in network namespaces.

use offhook_interop_networks::{CREDENTIAL, Coturn, LEFT_TONE, Nat, Networks, RIGHT_TONE, Remote, USERNAME};
use serde_json::{Value, json};

const PEER: &str = env!("CARGO_BIN_EXE_offhook-media-peer");

/// A call between them; gives the kinds of the pair in use, as the left end tells it.
fn call(left: Nat, right: Nat, transports: &[&str]) -> (String, String) {
    let networks = Networks::build(left, right);
    let coturn = Coturn::start_with(Some(&networks.public()), Networks::SERVER, &[]);
    let server =
        |transport: &&str| json!({"url": coturn.url(transport), "username": USERNAME, "credential": CREDENTIAL});
    let servers: Vec<Value> = transports.iter().map(server).collect();
    let config = |tone: f64| json!({"servers": servers, "policy": "all", "tone": tone});
    let mut left = Remote::start(PEER, &networks.left(), &config(LEFT_TONE));
    let mut right = Remote::start(PEER, &networks.right(), &config(RIGHT_TONE));
    let offer = left.offer(false);
    assert!(offer.contains("203.0.113.2") && offer.contains("typ srflx"), "{offer}");
    let answer = right.answer(&offer);
    left.apply(&answer);
    left.connected();
    right.connected();
    left.hears(RIGHT_TONE);
    right.hears(LEFT_TONE);
    let pair = &left.stats()["candidate_pair"];
    let kind = |name: &str| pair[name].as_str().expect("a kind").to_owned();
    (kind("local_kind"), kind("remote_kind"))
}

#[test]
fn behind_friendly_nats_stun_is_enough() {
    let (local, remote) = call(Nat::Friendly, Nat::Friendly, &["stun"]);
    assert!(["srflx", "prflx"].contains(&local.as_str()), "{local}");
    assert!(["srflx", "prflx"].contains(&remote.as_str()), "{remote}");
}

#[test]
fn behind_symmetric_nats_turn_is_needed_and_used() {
    let (local, remote) = call(Nat::Symmetric, Nat::Symmetric, &["stun", "udp"]);
    assert!(local == "relay" || remote == "relay", "{local} {remote}");
}

#[test]
fn behind_symmetric_nats_stun_alone_does_not_help() {
    // Otherwise the test above would prove nothing.
    let failed = std::panic::catch_unwind(|| call(Nat::Symmetric, Nat::Symmetric, &["stun"]));
    let said = failed.expect_err("there is no path");
    let said = said.downcast_ref::<String>().expect("words");
    assert!(said.contains("no path to the peer"), "{said}");
}
