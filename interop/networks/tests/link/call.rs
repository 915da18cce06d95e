//! Calls through the bad path: the caller's report says what the path did, and an outage ends nothing.

use std::time::{Duration, Instant};

use offhook_interop_networks::{BadPath, LEFT_TONE, Remote};
use serde_json::{Value, json};

use crate::LINK;

const PBX: &str = env!("CARGO_BIN_EXE_offhook-network-pbx");
const PHONE: &str = env!("CARGO_BIN_EXE_offhook-network-phone");

struct Call {
    path: BadPath,
    _pbx: Remote,
    phone: Remote,
    id: Value,
    /// All there were: the phone tells of each once.
    events: Vec<Value>,
}

/// A phone on the left calls the echo of a PBX on the right, and hears itself.
fn call(scenario: &str) -> Call {
    let path = BadPath::build(LINK, scenario, 8);
    let mut pbx = Remote::start(PBX, &path.right(), &json!({"address": BadPath::RIGHT.to_string()}));
    let place = pbx.ask(&json!({"do": "where"}));
    let mut phone = Remote::start(PHONE, &path.left(), &place);
    let id = phone.ask(&json!({"do": "call", "number": "600", "tone": LEFT_TONE}))["call"].clone();
    phone.hears(LEFT_TONE);
    Call { path, _pbx: pbx, phone, id, events: Vec::new() }
}

impl Call {
    fn log(&mut self) -> Value {
        let log = self.phone.ask(&json!({"do": "log"}));
        self.events.extend(log["events"].as_array().expect("events").iter().cloned());
        log
    }

    /// Asks until it is so, at most for a minute.
    fn until(&mut self, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let log = self.log();
            if so(&log) {
                return log;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "not {what}: {log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn the_report_says_what_the_path_did() {
    let mut call = call("mobile");
    // Some 20 s of the echo: bursts are few and long, so a shorter time says little.
    let log = call.until("long enough", |log| log["stats"]["inbound"]["packets_received"].as_u64() > Some(900));
    let inbound = &log["stats"]["inbound"];
    let number = |name: &str| inbound[name].as_f64().unwrap_or_else(|| panic!("{name}: {inbound}"));
    // The echo's packets: what was lost on the way there is not sent back, so this is the way back alone.
    let lost = number("packets_lost") / (number("packets_lost") + number("packets_received"));
    let way = call.path.counters()["left"].clone();
    let [sent, arrived] = ["sent", "arrived"].map(|name| way[name].as_f64().expect("a count"));
    let really = 1.0 - arrived / sent;
    assert!((lost - really).abs() < 0.03, "{lost} lost by the statistics, {really} on the path: {inbound}");
    assert!((0.01..0.15).contains(&lost), "{lost} lost of 5 %");
    assert!((3.0..40.0).contains(&number("jitter_avg_ms")), "jitter 0–40 ms: {inbound}");
    assert!(number("concealed_samples") > 0.0, "{inbound}");
    let report = &log["report"];
    assert!(report["loss"].as_f64() > Some(0.01), "the call's report: {report}");
}

#[test]
fn an_outage_is_survived() {
    let mut call = call("outage-300");
    let concealed = |log: &Value| log["stats"]["inbound"]["concealed_samples"].as_f64().unwrap_or_default();
    let ms = |path: &mut BadPath| path.counters()["ms"].as_u64().expect("how long there is a path");
    let before = concealed(&call.until("there", |log| log["stats"].is_object()));
    // The first one is 5 s after the path was built, then there is one every 10 s; each costs at least 100 ms of made-up sound, at 48 kHz.
    let outage = 5_000 + ms(&mut call.path).saturating_sub(5_000).div_ceil(10_000) * 10_000;
    while ms(&mut call.path) < outage + 300 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = call.until("through an outage", |log| concealed(log) >= before + 4_800.0);
    call.phone.hears(LEFT_TONE);
    assert_eq!(log["calls"], json!([call.id]), "it is the same call");
    let log = call.log();
    assert_eq!(log["calls"], json!([call.id]), "it is the same call");
    // This one there was: the phone does tell.
    assert!(call.events.contains(&"confirmed".into()), "{:?}", call.events);
    for end in ["ended", "failed", "deleteSession", "disconnected"] {
        assert!(!call.events.contains(&end.into()), "{end} is among {:?}", call.events);
    }
}
