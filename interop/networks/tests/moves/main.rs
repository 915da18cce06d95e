//! The network changes under a call: audio is back within 3 s, it is the same call, and nothing has ended.

use std::time::{Duration, Instant};

use offhook_interop_networks::{Homes, LEFT_TONE, Remote};
use serde_json::{Value, json};

const PBX: &str = env!("CARGO_BIN_EXE_offhook-network-pbx");
const PHONE: &str = env!("CARGO_BIN_EXE_offhook-network-phone");
/// Audio is back after so long, the last half a second of it heard.
const BACK_MS: u128 = 3_000;

struct Call {
    homes: Homes,
    _pbx: Remote,
    phone: Remote,
    id: String,
}

/// A phone calls the echo, and hears itself.
fn call() -> Call {
    let homes = Homes::build();
    let mut pbx = Remote::start(PBX, &homes.server(), &json!({"address": Homes::SERVER.to_string()}));
    let place = pbx.ask(&json!({"do": "where"}));
    let mut phone = Remote::start(PHONE, &homes.client(), &place);
    let made = phone.ask(&json!({"do": "call", "number": "600", "tone": LEFT_TONE}));
    let id = made["call"].as_str().expect("a call").to_owned();
    phone.hears(LEFT_TONE);
    is_from(&mut phone, "10.8.1.2");
    Call { homes, _pbx: pbx, phone, id }
}

fn log(phone: &mut Remote) -> Value {
    phone.ask(&json!({"do": "log"}))
}

/// Waits until the media's path begins at this address: statistics know of a pair a second later at most.
fn is_from(phone: &mut Remote, address: &str) {
    let begun = Instant::now();
    loop {
        let log = log(phone);
        let local = log["stats"]["candidate_pair"]["local"].as_str().and_then(|local| local.rsplit_once(':'));
        if local.is_some_and(|(local, _)| local == address) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "not from {address}: {log}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits for the sound, and for the signalling; then it must be the same call, and nothing may have ended.
fn is_back(call: &mut Call, since: Instant, to: &str) {
    call.phone.hears(LEFT_TONE);
    let took = since.elapsed().as_millis();
    let mut events: Vec<Value> = Vec::new();
    let log = loop {
        // It gives each event once.
        let log = log(&mut call.phone);
        events.extend(log["events"].as_array().expect("names").iter().cloned());
        if events.contains(&"reconnected".into()) {
            break log;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "no signalling: {events:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    println!("back after {took} ms: {events:?}");
    assert!(took <= BACK_MS, "back after {took} ms: {log}");
    assert_eq!(log["calls"], json!([call.id]), "another call");
    for end in ["ended", "failed", "clientError", "deleteSession"] {
        assert!(!events.contains(&end.into()), "{events:?}");
    }
    is_from(&mut call.phone, to);
}

#[test]
fn an_interface_goes_and_the_call_goes_on_by_the_other() {
    let mut call = call();
    let since = Instant::now();
    call.homes.set("one", false);
    is_back(&mut call, since, "10.8.2.2");
    // And back again.
    call.homes.set("one", true);
    call.homes.route("one", 100);
    let since = Instant::now();
    call.homes.set("two", false);
    is_back(&mut call, since, "10.8.1.2");
}

#[test]
fn an_address_changes_and_the_call_goes_on_from_the_new_one() {
    let mut call = call();
    call.homes.set("two", false);
    let since = Instant::now();
    call.homes.renumber("one", "10.8.1.2/24", "10.8.1.77/24");
    call.homes.route("one", 100);
    is_back(&mut call, since, "10.8.1.77");
}

#[test]
fn websocket_and_media_are_cut_together_and_the_call_is_there_when_the_network_is() {
    let mut call = call();
    call.homes.set("two", false);
    call.homes.set("one", false);
    // Long enough to be noticed, and for attempts that fail.
    let begun = Instant::now();
    let mut events = Vec::new();
    while begun.elapsed().as_millis() < 4_000 {
        events.extend(log(&mut call.phone)["events"].as_array().cloned().unwrap_or_default());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(events.contains(&"disconnected".into()) && events.contains(&"reconnecting".into()), "{events:?}");
    let since = Instant::now();
    call.homes.set("one", true);
    call.homes.route("one", 100);
    is_back(&mut call, since, "10.8.1.2");
}
