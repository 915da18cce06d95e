//! Call reports and our own log on their way to the PBX.

mod common;

use common::pbx::{Answer, Api, SIGNATURE, body_of};
use common::{A, B, World};
use offhook_core::pbx::HttpFailure;
use serde_json::{Value, json};

/// A call between A and B that is talked in and ended by B.
fn talk_and_end(world: &mut World) {
    world.run(1_000);
    world.talk();
    world.run(4_000);
    let b = world.call_of(B);
    world.act(B, |phone, now| phone.hangup(now, &b)).expect("hangs up");
    world.run(1_000);
}

fn reports(script: impl FnOnce(&mut Api)) -> usize {
    let mut world = World::with_pbx(script);
    talk_and_end(&mut world);
    world.api.count("rascallreport/web")
}

fn lines(world: &World) -> Vec<String> {
    let logs = world.api.requests.iter().filter(|request| request.path_and_query.contains("webclientlog"));
    let line = |line: &Value| line.as_str().expect("a line").to_owned();
    logs.flat_map(|log| body_of(log)["log_list"].as_array().expect("a list").iter().map(line).collect::<Vec<_>>())
        .collect()
}

#[test]
fn a_call_that_was_talking_is_reported_in_snake_case() {
    let mut world = World::with_pbx(|_| {});
    talk_and_end(&mut world);
    assert_eq!(world.api.count("rascallreport/web"), 1);
    let report = body_of(world.api.last("rascallreport/web"));
    let report = report.as_object().expect("an object");
    assert_eq!(report["extension"], "1000");
    assert_eq!(report["lks_audio_codec"], "opus");
    assert_eq!(report["ice_result"], "local");
    for field in ["lks_timestamp", "lks_date", "call_id", "lks_network_type", "lks_device_type", "lks_duration"] {
        assert!(report[field].is_string(), "{field}");
    }
    for kind in ["audio", "video"] {
        for field in ["rx", "rx_lost", "rx_maxjitter", "rx_avgjitter", "tx", "tx_lost", "tx_maxjitter", "tx_avgjitter"]
        {
            assert!(report[&format!("lks_{kind}_{field}")].is_string(), "{kind} {field}");
        }
    }
    assert!(report.values().all(Value::is_string), "nothing else");
}

#[test]
fn reports_go_only_where_they_are_taken() {
    assert_eq!(reports(|api| api.change("pbx/getproduct", "/product/platform_name", json!("p_cloudpbx"))), 0);
    let off = "/subscribe_plan_list/0/service_list/0/status";
    assert_eq!(reports(|api| api.change("licenseservice/get", off, json!("disconnected"))), 0);
    assert_eq!(reports(|api| api.change("licenseservice/get", off, json!(1))), 1);
}

#[test]
fn a_call_that_was_never_talking_is_not_reported() {
    let mut world = World::with_pbx(|_| {});
    let (a, _) = world.ring();
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    world.run(30_000);
    assert_eq!(world.api.count("rascallreport/web"), 0);
}

#[test]
fn a_report_that_fails_is_tried_three_times_and_then_dropped() {
    let mut world = World::with_pbx(|_| {});
    world.api.fail("rascallreport/web", HttpFailure::Timeout);
    talk_and_end(&mut world);
    world.run(120_000);
    assert_eq!(world.api.count("rascallreport/web"), 3);
    assert!(world.phone(A).is_registered());
    // The next one has its own tries.
    world.api.set("rascallreport/web", json!({"errcode": 0}));
    talk_and_end(&mut world);
    assert_eq!(world.api.count("rascallreport/web"), 4);
}

#[test]
fn a_report_of_the_last_call_goes_before_the_token() {
    let mut world = World::with_pbx(|_| {});
    world.talk();
    world.run(4_000);
    world.api.clear();
    world.act(A, |phone, now| phone.logout(now));
    world.run(5_000);
    let asked = world.api.asked();
    let at = |path: &str| asked.iter().position(|asked| asked == path).unwrap_or_else(|| panic!("{path} in {asked:?}"));
    assert!(at("rascallreport/web") < at("logout") && at("systemlog/webclientlog") < at("logout"));
}

#[test]
fn own_lines_go_in_batches_with_what_happened_and_no_secrets() {
    let mut world = World::with_pbx(|_| {});
    world.act(A, |phone, now| phone.note(now, &format!("the driver says {SIGNATURE} and token/1")));
    talk_and_end(&mut world);
    world.run(20_000);
    let lines = lines(&world);
    for event in ["registered", "newRTCSession", "confirmed", "ended", "the driver says [redacted] and [redacted]"] {
        assert!(lines.iter().any(|line| line.contains(event)), "{event}: {lines:?}");
    }
    for never in [SIGNATURE, "token/1", "v=0", "updateTimer", "callReport", "icecandidate"] {
        assert!(!lines.iter().any(|line| line.contains(never)), "{never}: {lines:?}");
    }
    assert!(world.api.count("systemlog/webclientlog") <= 4, "batches");
}

#[test]
fn a_quiet_phone_sends_no_log() {
    let mut world = World::with_pbx(|_| {});
    world.run(60_000);
    world.api.clear();
    world.run(100_000);
    assert_eq!(world.api.count("systemlog/webclientlog"), 0);
}

#[test]
fn the_log_can_be_turned_off() {
    let mut world = World::with_pbx(|api| api.params.enable_log = Some(false));
    world.act(A, |phone, now| phone.note(now, "a line"));
    talk_and_end(&mut world);
    world.run(60_000);
    assert_eq!(world.api.count("systemlog/webclientlog"), 0);
    assert_eq!(world.api.count("rascallreport/web"), 1, "reports are another matter");
}

#[test]
fn batches_are_bounded_in_lines_and_bytes() {
    let mut world = World::with_pbx(|_| {});
    world.run(60_000);
    world.api.clear();
    for n in 0..1_000 {
        let line = format!("{n} {}", "x".repeat(if n < 500 { 0 } else { 2_000 }));
        world.act(A, |phone, now| phone.note(now, &line));
    }
    world.run(200_000);
    let logs = world.api.requests.iter().filter(|request| request.path_and_query.contains("webclientlog"));
    let sizes: Vec<(usize, usize)> = logs
        .map(|log| {
            let lines = body_of(log)["log_list"].as_array().map_or(0, Vec::len);
            (lines, log.body.as_ref().map_or(0, Vec::len))
        })
        .collect();
    assert!(sizes.len() > 3);
    assert!(sizes.iter().all(|(lines, bytes)| *lines <= 100 && *bytes <= 36 * 1024), "{sizes:?}");
    let lines = lines(&world);
    assert!(lines.iter().any(|line| line.contains("lines were lost")), "what is lost is said");
    assert!(lines.iter().all(|line| line.len() <= 520));
    assert!(lines.last().is_some_and(|line| line.contains(" 999 ")), "the newest is there");
}

#[test]
fn a_log_that_is_not_taken_stops_nothing_and_is_dropped() {
    let mut world = World::with_pbx(|_| {});
    world.run(60_000);
    world.api.clear();
    world.api.answers.insert("systemlog/webclientlog".to_owned(), Answer::Never);
    for n in 0..2_000 {
        world.act(A, |phone, now| phone.note(now, &format!("{n}")));
    }
    world.run(1_000_000);
    assert!(world.api.count("systemlog/webclientlog") <= 60, "{}", world.api.count("systemlog/webclientlog"));
    world.api.set("systemlog/webclientlog", json!({"errcode": 0}));
    talk_and_end(&mut world);
    assert_eq!(world.api.count("rascallreport/web"), 1);
}

#[test]
fn a_lost_token_is_renewed_by_an_upload_too() {
    let mut world = World::with_pbx(|_| {});
    world.api.token = "another".to_owned();
    talk_and_end(&mut world);
    world.run(30_000);
    assert_eq!(world.api.count("login"), 1);
    let last = world.api.last("rascallreport/web");
    assert_eq!(common::pbx::header(last, "Authorization"), Some("token/2"));
}
