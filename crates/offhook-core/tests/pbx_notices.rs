//! Every notification of the subscription, and what it does.

mod common;

use common::pbx::{Api, SETTINGS, register_info};
use common::{A, B, World};
use offhook_core::pbx::{CdrChange, ClientKind, PbxEvent};
use offhook_core::{CallId, MediaCommand, RecordPermissions, RecordStatus};
use serde_json::{Value, json};

/// The code of the runtimeError that a notification brings, if any.
fn fatal(script: impl FnOnce(&mut Api), kind: u32, msg: Value) -> Option<i32> {
    let mut world = World::with_pbx(script);
    world.notify(kind, msg);
    world.run(20_000);
    let codes: Vec<i32> = world.of_pbx().events.iter().filter_map(code).collect();
    assert!(codes.len() <= 1, "told once");
    let destroyed = world.of_pbx().events.last() == Some(&PbxEvent::Destroyed);
    assert_eq!(destroyed, !codes.is_empty(), "destroyed after an error and only then");
    assert_eq!(world.phone(A).is_registered(), codes.is_empty());
    codes.first().copied()
}

fn code(event: &PbxEvent) -> Option<i32> {
    if let PbxEvent::RuntimeError { code, .. } = event { Some(*code) } else { None }
}

fn web(_: &mut Api) {}

fn desktop(api: &mut Api) {
    api.params.user_agent = ClientKind::WebPc;
}

fn cn(api: &mut Api) {
    api.change("pbx/getproduct", "/product/base_oem_id", json!(1));
}

#[test]
fn type_10000_logged_in_elsewhere_if_it_is_us() {
    assert_eq!(fatal(web, 10000, json!({"username": "ann"})), Some(-107));
    assert_eq!(fatal(web, 10000, json!({"username": "1000"})), Some(-107), "by the extension's number");
    assert_eq!(fatal(web, 10000, json!({"username": "bob"})), None);
    assert_eq!(fatal(web, 10000, json!({})), None);
}

#[test]
fn type_20007_the_extension_is_deleted() {
    assert_eq!(fatal(web, 20007, json!({})), Some(-108));
    assert_eq!(fatal(web, 20007, json!({"ext_num": "1000"})), Some(-108));
    assert_eq!(fatal(web, 20007, json!({"ext_num": 1001})), None, "another's");
}

#[test]
fn type_20008_changes_the_record_code() {
    let mut world = World::with_pbx(|_| {});
    let (a, _) = world.talk();
    world.notify(20008, json!({"record_feature_code": "*77"}));
    world.notify(20008, json!({"record_feature_code": "no DTMF"}));
    world.act(A, |phone, now| phone.start_record(now, &a)).expect("starts");
    assert_eq!(world.tones(A).as_deref(), Some("*77"));
}

#[test]
fn types_20010_and_20154_log_in_again() {
    for kind in [20010, 20154] {
        let mut world = World::with_pbx(|_| {});
        world.notify(kind, json!({}));
        world.run(1_000);
        assert_eq!(world.api.asked(), [&["login"], &SETTINGS[..]].concat());
        assert!(world.of_pbx().events.is_empty());
        assert_eq!(world.phone(A).pbx().map(|pbx| pbx.token().expose()), Some("token/2"));
        let opened: Vec<String> = world.of_pbx().subscription.iter().map(|(_, what)| what.clone()).collect();
        assert_eq!(opened[0], "close");
        assert!(opened[1].ends_with("access_token=token%2F2") && opened[2].contains("topic_list"), "{opened:?}");
        assert!(world.phone(A).is_registered(), "calls and registration do not notice");
    }
}

#[test]
fn types_20013_and_20015_count_for_their_client_in_mode_en() {
    assert_eq!(fatal(web, 20015, json!({"enb_web_client": 0})), Some(-106));
    assert_eq!(fatal(web, 20015, json!({"enb_web_client": 1})), None);
    assert_eq!(fatal(web, 20013, json!({"enb_desktop_client": 0})), None);
    assert_eq!(fatal(desktop, 20013, json!({"enb_desktop_client": 0})), Some(-106));
    assert_eq!(fatal(desktop, 20013, json!({"enb_desktop_client": "1"})), None);
    assert_eq!(fatal(desktop, 20015, json!({"enb_web_client": 0})), None);
    assert_eq!(fatal(cn, 20015, json!({"enb_web_client": 0})), None, "mode cn");
    assert_eq!(fatal(web, 20015, json!({})), None, "it says nothing");
}

#[test]
fn type_20082_counts_in_mode_cn() {
    assert_eq!(fatal(cn, 20082, json!({"enb_internal_client": 0})), Some(-106));
    assert_eq!(fatal(cn, 20082, json!({"enb_internal_client": 1})), None);
    assert_eq!(fatal(web, 20082, json!({"enb_internal_client": 0})), None, "mode en");
}

#[test]
fn type_20153_ends_the_plan() {
    assert_eq!(fatal(web, 20153, json!({"enable": 0})), Some(-110));
    assert_eq!(fatal(web, 20153, json!({"enable": 1})), None);
}

#[test]
fn type_20047_changes_what_may_be_recorded() {
    let mut world = World::with_pbx(|_| {});
    world.notify(20047, json!({"enb_ctl_record": 1}));
    assert_eq!(world.log(A), ["recordPermissionsChange"]);
    assert_eq!(world.phone(A).record_permissions(), RecordPermissions::PauseResume);
    world.notify(20047, json!({"enb_ctl_record": 1}));
    world.notify(20047, json!({"enb_ctl_record": 3}));
    world.notify(20047, json!({}));
    assert_eq!(world.log(A), common::NOTHING, "no change");
    let (a, _) = world.talk();
    let refused = world.act(A, |phone, now| phone.start_record(now, &a));
    assert!(refused.is_err());
}

fn status(caller: &str, callee: &str, feature: &str, record: &str) -> Value {
    json!({
        "call_feature": feature, "caller_origin_number": "1000", "caller_sip_callid": caller,
        "callee_origin_number": "1001", "callee_sip_callid": callee, "record_status": record,
    })
}

fn shown(world: &World, call: &CallId) -> (RecordStatus, bool) {
    let status = world.phone(A).session(call).expect("there").status();
    (status.record_status, status.is_conference)
}

#[test]
fn type_20048_tells_the_call_whose_call_id_it_is() {
    let mut world = World::with_pbx(|_| {});
    let (a, _) = world.talk();
    world.notify(20048, status(a.as_str(), "other", "", "recording"));
    assert_eq!(shown(&world, &a), (RecordStatus::Recording, false));
    assert_eq!(world.log(A), ["statusChange recordStatus=recording"]);
    world.notify(20048, status("other", a.as_str(), "conference", "pause"));
    assert_eq!(shown(&world, &a), (RecordStatus::Pause, true));
    assert_eq!(world.log(A), ["statusChange isConference=true", "statusChange recordStatus=pause"]);
    world.notify(20048, status(a.as_str(), "", "normal", "stop"));
    assert_eq!(shown(&world, &a), (RecordStatus::Stop, false));
    world.log(A);
    for (caller, callee) in [("x", "y"), ("", ""), ("1000", "1001")] {
        world.notify(20048, status(caller, callee, "conference", "recording"));
    }
    assert_eq!(world.log(A), common::NOTHING, "not ours");
}

#[test]
fn type_20048_settles_a_record_command() {
    let mut world = World::with_pbx(|_| {});
    let (a, _) = world.talk();
    let command = world.act(A, |phone, now| phone.start_record(now, &a)).expect("starts");
    world.run(1_000);
    assert_eq!(world.outcome(A, command), None, "the PBX has not said anything yet");
    world.notify(20048, status(a.as_str(), "", "", "recording"));
    assert_eq!(world.outcome(A, command), Some(Ok(())));
    let command = world.act(A, |phone, now| phone.pause_record(now, &a)).expect("pauses");
    world.run(1_000);
    world.notify(20048, status(a.as_str(), "", "", "pause"));
    assert_eq!((world.outcome(A, command), shown(&world, &a).0), (Some(Ok(())), RecordStatus::Pause));
}

#[test]
fn type_20049_is_a_cdr_change_of_ours() {
    let mut world = World::with_pbx(|_| {});
    let cdr = json!({
        "date": "2023-11-14", "time": "22:13:20", "timestamp": "1700000000", "number": 1001, "talk_duration": 7,
    });
    world.notify(20049, json!({"ext_num": "1000", "personal_cdr": cdr}));
    world.notify(20049, json!({"ext_num": "1001", "personal_cdr": cdr}));
    world.notify(20049, json!({"ext_num": "1000"}));
    let change = CdrChange {
        ext_num: "1000".to_owned(),
        date: "2023-11-14".to_owned(),
        time: "22:13:20".to_owned(),
        timestamp: 1_700_000_000,
        number: "1001".to_owned(),
        talk_duration: 7,
    };
    assert_eq!(world.of_pbx().events, [PbxEvent::CdrChange(change)]);
    let shown = serde_json::to_value(&world.of_pbx().events[0]).expect("serialises");
    assert_eq!(
        (&shown["event"], &shown["extNum"], &shown["talkDuration"]),
        (&json!("cdrChange"), &json!("1000"), &json!(7))
    );
}

#[test]
fn type_20053_changes_the_video_plan() {
    let list =
        |video: Value| json!({"subscribe_plan_list": [{"service_list": [{"service_name": "video", "status": video}]}]});
    let mut world = World::with_pbx(|_| {});
    assert!(!world.phone(A).video_plan());
    world.notify(20053, list(json!("connected")));
    assert!(world.phone(A).video_plan());
    assert_eq!(world.log(A), ["videoPlanChange"]);
    world.notify(20053, list(json!(1)));
    assert_eq!(world.log(A), common::NOTHING, "no change");
    world.notify(20053, list(json!("expired")));
    assert_eq!((world.log(A), world.phone(A).video_plan()), (vec!["videoPlanChange".to_owned()], false));
    world.notify(20053, json!({"subscribe_plan_list": "x"}));
    assert_eq!(world.log(A), common::NOTHING);
}

#[test]
fn type_20065_changes_the_stun_server_of_later_calls() {
    let mut world = World::with_pbx(|_| {});
    let stun = |world: &mut World| {
        world.media(A).asked.clear();
        let (a, _) = world.talk();
        let asked = std::mem::take(&mut world.media(A).asked);
        world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
        world.run(2_000);
        asked.into_iter().find_map(|command| match command {
            MediaCommand::Open { options } => {
                Some(options.ice_servers.into_iter().flat_map(|server| server.urls).collect::<Vec<_>>())
            }
            _ => None,
        })
    };
    assert_eq!(stun(&mut world), Some(vec!["stun:office.example:11009".to_owned()]));
    world.notify(20065, json!({"enable_nat_fqdn": 1, "fqdn_domain": "new.example", "turn_port": 3478}));
    assert_eq!(stun(&mut world), Some(vec!["stun:new.example:3478".to_owned()]));
    world.notify(20065, json!({"enable_nat_fqdn": 0}));
    assert_eq!(stun(&mut world), Some(vec![]));
}

#[test]
fn type_20066_registers_with_the_new_password() {
    let mut world = World::with_pbx(|_| {});
    let info = register_info("wrong");
    let msg = json!({"reg_name": "1000", "reg_password": info["registerpassword"], "realm": "pbx.example"});
    // The PBX has the old one still: the phone hears so, asks for the register info, and is in again.
    world.notify(20066, msg);
    world.run(2_000);
    assert!(world.sent(A).iter().any(|sent| sent == "REGISTER"));
    assert_eq!(world.api.asked(), ["extension/getregisterinfo"]);
    assert!(world.phone(A).is_registered());
    world.clear(A);
    world.notify(20066, json!({"reg_name": "1000"}));
    world.run(1_000);
    assert_eq!(world.sent(A), common::NOTHING, "half of it");
}

#[test]
fn type_20135_turns_call_waiting_off_and_on() {
    let mut world = World::with_pbx(|_| {});
    world.talk();
    assert!(!world.phone(A).is_max_call());
    world.notify(20135, json!({"enb_call_waiting": 0}));
    assert!(world.phone(A).is_max_call());
    world.notify(20135, json!({"enb_call_waiting": 1}));
    assert!(!world.phone(A).is_max_call());
}

#[test]
fn the_programs_own_word_on_call_waiting_wins() {
    let mut world = World::with_pbx(|api| api.params.disable_call_waiting = true);
    world.notify(20135, json!({"enb_call_waiting": 1}));
    world.talk();
    assert!(world.phone(A).is_max_call());
}

#[test]
fn a_setting_without_call_waiting_can_be_turned_on() {
    let mut world = World::with_pbx(|api| {
        api.change("extension/getpersonal", "/extension/enb_web_client_call_waiting", json!(0));
    });
    world.talk();
    assert!(world.phone(A).is_max_call());
    world.notify(20135, json!({"enb_call_waiting": 1}));
    assert!(!world.phone(A).is_max_call());
}

#[test]
fn a_msg_may_be_an_object_and_a_type_a_string() {
    let mut world = World::with_pbx(|_| {});
    world.notify_raw(json!({"type": "20047", "msg": {"enb_ctl_record": "0"}}).to_string());
    assert_eq!(world.phone(A).record_permissions(), RecordPermissions::None);
}

#[test]
fn malformed_ones_do_nothing() {
    let mut world = World::with_pbx(|_| {});
    let kinds = [
        10000, 20007, 20008, 20010, 20013, 20015, 20047, 20048, 20049, 20053, 20065, 20066, 20082, 20104, 20135, 20153,
    ];
    for text in ["", "{", "[]", "7", "null", "\"x\"", "{}", "{\"type\":[]}", "{\"errcode\":\"x\"}", "\u{0}"] {
        world.notify_raw(text.to_owned());
    }
    for kind in kinds.into_iter().filter(|kind| ![20007, 20010, 20104].contains(kind)) {
        for msg in [json!(null), json!("{"), json!([]), json!("[1]"), json!({"enable": {}}), json!(7)] {
            world.notify_raw(json!({"type": kind, "msg": msg}).to_string());
        }
    }
    world.run(1_000);
    assert!(world.of_pbx().events.is_empty());
    assert_eq!(world.log(A), common::NOTHING);
    assert!(world.phone(A).is_registered() && world.phone(B).is_registered());
}
