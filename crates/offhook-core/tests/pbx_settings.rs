//! Settings are read again when the subscription is there, and when it is back: what changed meanwhile was told to nobody.

mod common;

use common::pbx::{Answer, Api, SETTINGS};
use common::{A, World};
use offhook_core::pbx::{ClientKind, HttpFailure, PbxEvent};
use offhook_core::{RecordMethod, RecordPermissions};
use serde_json::{Value, json};

const PERSONAL: &str = "extension/getpersonal";

/// The subscription is lost, this happens, and it is back.
fn while_lost(world: &mut World, change: impl FnOnce(&mut Api)) {
    world.run(1_000);
    world.api.clear();
    world.break_subscription();
    change(&mut world.api);
    world.run(7_000);
}

fn settings_asked(world: &World) -> Vec<String> {
    world.api.asked().into_iter().filter(|asked| SETTINGS.contains(&asked.as_str())).collect()
}

fn set_personal(api: &mut Api, field: &str, value: Value) {
    api.change(PERSONAL, &format!("/extension/{field}"), value);
}

#[test]
fn they_are_read_when_it_is_there_and_when_it_is_back_and_not_in_between() {
    let mut world = World::with_pbx_unregistered(|_| {});
    world.api.clear();
    world.run(1_000);
    assert_eq!(settings_asked(&world), SETTINGS, "of what changed since the log-in, nobody has told");
    world.api.clear();
    world.run(60_000);
    assert_eq!(settings_asked(&world), common::NOTHING);
    while_lost(&mut world, |_| {});
    assert_eq!(settings_asked(&world), SETTINGS);
    assert_eq!(world.log(A), common::NOTHING, "nothing changed");
    world.run(60_000);
    assert_eq!(settings_asked(&world), SETTINGS, "once");
}

#[test]
fn a_new_token_reads_them_as_well() {
    let mut world = World::with_pbx(|_| {});
    world.run(1_000);
    set_personal(&mut world.api, "enb_ctl_record", json!(1));
    world.notify(20010, json!({}));
    world.run(1_000);
    assert_eq!(settings_asked(&world), SETTINGS);
    assert_eq!(world.phone(A).record_permissions(), RecordPermissions::PauseResume);
}

#[test]
fn what_changed_meanwhile_counts() {
    let mut world = World::with_pbx(|_| {});
    let (a, _) = world.talk();
    assert!(!world.phone(A).is_max_call());
    world.log(A);
    while_lost(&mut world, |api| {
        set_personal(api, "enb_web_client_call_waiting", json!(0));
        api.change("extension/getpersonalglobal", "/record_feature_code", json!("*77"));
        api.change("licenseservice/get", "/subscribe_plan_list/0/service_list/1/status", json!("connected"));
    });
    assert!(world.phone(A).is_max_call());
    let told = world.log(A);
    assert_eq!(told.into_iter().filter(|event| event != "callReport").collect::<Vec<_>>(), ["videoPlanChange"]);
    world.act(A, |phone, now| phone.start_record(now, &a)).expect("starts");
    assert_eq!(world.tones(A).as_deref(), Some("*77"));
}

#[test]
fn permissions_that_changed_meanwhile_are_told_once() {
    let mut world = World::with_pbx(|_| {});
    while_lost(&mut world, |api| set_personal(api, "enb_ctl_record", json!(1)));
    assert_eq!(world.log(A), ["recordPermissionsChange"]);
    while_lost(&mut world, |_| {});
    assert_eq!((world.log(A), world.phone(A).record_permissions()), (vec![], RecordPermissions::PauseResume));
}

#[test]
fn what_the_program_has_set_since_is_not_undone_by_what_did_not_change() {
    let mut world = World::with_pbx(|api| api.configure = |config| config.record = RecordMethod::Info);
    world.act(A, |phone, now| {
        phone.set_record_permissions(now, RecordPermissions::None);
        phone.set_call_waiting(false);
    });
    world.talk();
    world.log(A);
    while_lost(&mut world, |_| {});
    assert_eq!(settings_asked(&world), SETTINGS);
    let phone = world.phone(A);
    assert_eq!((&phone.config().record, phone.record_permissions()), (&RecordMethod::Info, RecordPermissions::None));
    assert!(world.phone(A).is_max_call(), "one call at a time");
    assert!(!world.log(A).contains(&"recordPermissionsChange".to_owned()));
    // What changes at the PBX counts, and only a phone that records by a code takes another one.
    world.notify(20047, json!({"enb_ctl_record": 1}));
    world.notify(20008, json!({"record_feature_code": "*77"}));
    assert_eq!(world.phone(A).record_permissions(), RecordPermissions::PauseResume);
    assert_eq!(world.phone(A).config().record, RecordMethod::Info);
    while_lost(&mut world, |api| set_personal(api, "enb_ctl_record", json!(1)));
    assert_eq!(world.phone(A).record_permissions(), RecordPermissions::PauseResume);
}

#[test]
fn a_client_that_was_turned_off_meanwhile_is_out() {
    let code = |script: fn(&mut Api), change: fn(&mut Api)| {
        let mut world = World::with_pbx(script);
        while_lost(&mut world, change);
        world.run(20_000);
        let events = &world.of_pbx().events;
        assert_eq!(events.last() == Some(&PbxEvent::Destroyed), !events.is_empty());
        events.iter().find_map(|event| if let PbxEvent::RuntimeError { code, .. } = event { Some(*code) } else { None })
    };
    let web_off: fn(&mut Api) = |api| set_personal(api, "enb_web_client", json!(0));
    let desktop_off: fn(&mut Api) = |api| set_personal(api, "enb_desktop_client", json!(0));
    let internal_off: fn(&mut Api) = |api| api.change("extension/getpersonalglobal", "/enb_internal_client", json!(0));
    let desktop: fn(&mut Api) = |api| api.params.user_agent = ClientKind::WebPc;
    let cn: fn(&mut Api) = |api| api.change("pbx/getproduct", "/product/base_oem_id", json!(1));
    assert_eq!(code(|_| {}, web_off), Some(-106));
    assert_eq!(code(|_| {}, desktop_off), None);
    assert_eq!(code(|_| {}, internal_off), None, "mode en");
    assert_eq!(code(desktop, desktop_off), Some(-106));
    assert_eq!(code(desktop, web_off), None);
    assert_eq!(code(cn, internal_off), Some(-106));
    assert_eq!(code(cn, web_off), None, "mode cn");
}

#[test]
fn a_notification_is_not_undone_by_an_answer_from_before_it() {
    let mut world = World::with_pbx(|api| {
        api.latency.insert(PERSONAL.to_owned(), 5_000);
    });
    while_lost(&mut world, |_| {});
    assert_eq!(settings_asked(&world), SETTINGS);
    // The answer that is on its way still says 2.
    set_personal(&mut world.api, "enb_ctl_record", json!(1));
    world.notify(20047, json!({"enb_ctl_record": 1}));
    assert_eq!(world.log(A), ["recordPermissionsChange"]);
    world.run(10_000);
    assert_eq!((world.log(A), world.phone(A).record_permissions()), (vec![], RecordPermissions::PauseResume));
    assert_eq!(world.api.count(PERSONAL), 2, "read once more");
}

#[test]
fn a_pbx_that_wants_it_subscribed_again_may_have_told_what_was_not_heard() {
    let mut world = World::with_pbx(|_| {});
    world.run(5_000);
    for again in [json!({"errcode": -3}), json!({"type": 20104, "msg": "{}"})] {
        world.api.clear();
        world.notify_raw(again.to_string());
        assert_eq!(settings_asked(&world), SETTINGS);
        // Again within the second: later, and with it they are read again.
        world.api.clear();
        world.notify_raw(again.to_string());
        assert_eq!(settings_asked(&world), common::NOTHING);
        world.run(5_000);
        assert_eq!(settings_asked(&world), SETTINGS, "once");
    }
}

#[test]
fn what_could_not_be_read_on_the_network_is_read_later() {
    for answer in [Answer::Fail(HttpFailure::Timeout), Answer::Never, Answer::Raw(503, Vec::new())] {
        let mut world = World::with_pbx(|_| {});
        set_personal(&mut world.api, "enb_ctl_record", json!(1));
        let changed = world.api.answers[PERSONAL].clone();
        while_lost(&mut world, |api| drop(api.answers.insert(PERSONAL.to_owned(), answer.clone())));
        world.run(60_000);
        let tries = world.api.count(PERSONAL);
        assert!((2..=3).contains(&tries), "{tries} in a minute");
        assert_eq!(world.phone(A).record_permissions(), RecordPermissions::All);
        world.api.answers.insert(PERSONAL.to_owned(), changed);
        world.run(60_000);
        assert_eq!(world.phone(A).record_permissions(), RecordPermissions::PauseResume);
        world.api.clear();
        world.run(60_000);
        assert_eq!(settings_asked(&world), common::NOTHING, "once they are read");
    }
}

#[test]
fn what_cannot_be_read_stays_as_it_was() {
    for answer in [
        Answer::Fail(HttpFailure::Timeout),
        Answer::Never,
        Answer::Raw(500, Vec::new()),
        Answer::Json(json!({"errcode": 10001, "errmsg": "INTERFACE NOT EXISTED"})),
    ] {
        let mut world = World::with_pbx(|_| {});
        while_lost(&mut world, |api| {
            SETTINGS.iter().for_each(|path| drop(api.answers.insert((*path).to_owned(), answer.clone())))
        });
        let refused = matches!(answer, Answer::Json(_) | Answer::Raw(..));
        world.run(60_000);
        assert_eq!((world.log(A), world.of_pbx().events.len()), (vec![], 0));
        assert_eq!(world.phone(A).record_permissions(), RecordPermissions::All);
        assert_eq!(world.api.count(PERSONAL) == 1, refused, "what the PBX says no to is not asked for again");
    }
}
