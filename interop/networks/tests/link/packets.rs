//! What comes through is what `offhook-netem` decides for the same seed, packet by packet.

use std::time::{Duration, Instant};

use offhook_interop_networks::{BadPath, Remote};
use offhook_netem::{Path, Scenario};
use serde_json::{Value, json};

use crate::LINK;

const DATAGRAMS: &str = env!("CARGO_BIN_EXE_offhook-network-datagrams");
const SEED: u64 = 41;
const EVERY: Duration = Duration::from_millis(10);
/// What a busy machine may add to a time, ms, for half of the packets.
const SLACK: f64 = 100.0;

/// Sends datagrams from left to right; gives them as `(number, ms since the sending began)`, in the order in which they came.
fn send(scenario: &str, count: u64) -> Vec<(u64, f64)> {
    let mut path = BadPath::build(LINK, scenario, SEED);
    let listen = |address| json!({"listen": format!("{address}:7000")});
    let mut right = Remote::start(DATAGRAMS, &path.right(), &listen(BadPath::RIGHT));
    right.ask(&json!({"do": "got"}));
    let mut left = Remote::start(DATAGRAMS, &path.left(), &listen(BadPath::LEFT));
    let to = format!("{}:7000", BadPath::RIGHT);
    left.ask(&json!({"do": "send", "to": to, "count": count, "every_ms": EVERY.as_millis() as u64}));
    // Until the link has nothing under way any more.
    let begun = Instant::now();
    let expected = (0..count).zip(fates(scenario)).map(|(_, fate)| fate.iter().flatten().count()).sum::<usize>();
    loop {
        let got = right.ask(&json!({"do": "got"}))["got"].as_array().cloned().unwrap_or_default();
        if got.len() >= expected || begun.elapsed() > Duration::from_secs(5) {
            let counters = path.counters();
            assert_eq!(counters["right"]["sent"], json!(count), "nothing else is sent: {counters}");
            let pair = |pair: &Value| Some((pair[0].as_u64()?, pair[1].as_f64()?));
            return got.iter().filter_map(pair).collect();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// When each packet arrives, if they are sent in time. Without outages and a rate, chances depend on the seed and the packets before only.
fn fates(scenario: &str) -> impl Iterator<Item = [Option<Duration>; 2]> {
    let profile = Scenario::named(scenario).expect("a scenario").profile;
    let mut path = Path::new(profile, SEED);
    (0u32..).map(move |n| path.send(EVERY * n, 44))
}

/// The same come, as often, none of them earlier than decided and most of them not much later.
fn is_as_decided(scenario: &str, got: &[(u64, f64)], count: u64) {
    let mut expected: Vec<(u64, f64)> = (0..count)
        .zip(fates(scenario))
        .flat_map(|(n, fate)| fate.into_iter().flatten().map(move |at| (n, at.as_secs_f64() * 1_000.0)))
        .collect();
    let mut got = got.to_vec();
    for list in [&mut expected, &mut got] {
        list.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    }
    let numbers = |list: &[(u64, f64)]| list.iter().map(|(n, _)| *n).collect::<Vec<_>>();
    assert_eq!(numbers(&got), numbers(&expected), "{scenario}");
    let mut off: Vec<f64> = got.iter().zip(&expected).map(|((_, at), (_, decided))| at - decided).collect();
    off.sort_by(f64::total_cmp);
    assert!(off[0] > -1.0, "{scenario}: {} ms too early", -off[0]);
    assert!(off[off.len() / 2] < SLACK, "{scenario}: half of them {} ms late", off[off.len() / 2]);
}

#[test]
fn those_are_lost_that_the_seed_says() {
    let got = send("loss-10", 300);
    assert!((250..290).contains(&got.len()), "{} came", got.len());
    is_as_decided("loss-10", &got, 300);
}

#[test]
fn those_are_overtaken_that_the_seed_says() {
    let got = send("reorder-80", 300);
    let overtaken = got.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
    assert!(overtaken >= 5, "{overtaken} came after later ones");
    is_as_decided("reorder-80", &got, 300);
}

#[test]
fn those_come_twice_that_the_seed_says() {
    is_as_decided("twice", &send("twice", 300), 300);
}

#[test]
fn packets_take_as_long_as_the_path() {
    let got = send("delay-500", 50);
    assert!(got.iter().all(|(n, ms)| *ms >= 499.0 + 10.0 * *n as f64), "{got:?}");
    is_as_decided("delay-500", &got, 50);
    is_as_decided("jitter-100", &send("jitter-100", 200), 200);
}
