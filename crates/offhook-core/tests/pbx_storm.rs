//! Anything that a PBX may say, in any order: nothing panics, nothing hangs, every command is settled.

mod common;

use common::pbx::Answer;
use common::{A, B, World};
use offhook_core::pbx::{CdrQuery, HttpFailure, PbxEvent};
use offhook_core::{CommandId, PhoneError};
use proptest::prelude::*;
use serde_json::{Value, json};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Act {
    Notify(String),
    BreakSubscription,
    LoseToken,
    RefuseSubscriptions(Option<u16>),
    Answer(usize, u8, Value),
    Query(u32, u32),
    Call,
    AnswerCall,
    Hangup,
    Record(bool),
    Reregister,
    CalledByB,
    Logout,
    Wait(u64),
}

const PATHS: [&str; 9] = [
    "login",
    "extension/getregisterinfo",
    "contacts/matchall",
    "extension/getphoto",
    "cdr/searchpersonal",
    "rascallreport/web",
    "systemlog/webclientlog",
    "logout",
    "dct/init",
];

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-4_i64..4).prop_map(Value::from),
        any::<f64>().prop_map(|number| serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)),
        "[ -~é\\x00]{0,12}".prop_map(Value::from),
    ];
    let names = prop_oneof![
        Just("errcode"),
        Just("type"),
        Just("msg"),
        Just("name"),
        Just("photo"),
        Just("extension"),
        Just("number"),
        Just("personal_cdr_list"),
        Just("personal_cdr"),
        Just("total_number"),
        Just("subscribe_plan_list"),
        Just("service_list"),
        Just("status"),
        Just("username"),
        Just("enable"),
        Just("enb_ctl_record"),
        Just("enb_call_waiting"),
        Just("record_feature_code"),
        Just("caller_sip_callid"),
        Just("record_status"),
        Just("access_token"),
        Just("reg_name"),
        Just("reg_password"),
        Just("registername"),
        Just("registerpassword"),
        Just("turn_port"),
        Just("fqdn_domain"),
        Just("ext_num"),
        Just("timestamp"),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6)
                .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

fn message() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        Just(10000),
        Just(20007),
        Just(20008),
        Just(20010),
        Just(20013),
        Just(20015),
        Just(20047),
        Just(20048),
        Just(20049),
        Just(20053),
        Just(20065),
        Just(20066),
        Just(20082),
        Just(20104),
        Just(20135),
        Just(20153),
        Just(20154),
        0..30_000,
    ];
    prop_oneof![
        ".{0,40}",
        json_value().prop_map(|value| value.to_string()),
        (kind.clone(), json_value()).prop_map(|(kind, msg)| json!({"type": kind, "msg": msg}).to_string()),
        (kind, json_value()).prop_map(|(kind, msg)| json!({"type": kind, "msg": msg.to_string()}).to_string()),
        (-5_i64..5).prop_map(|errcode| json!({"errcode": errcode}).to_string()),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => message().prop_map(Act::Notify),
        1 => Just(Act::BreakSubscription),
        1 => Just(Act::LoseToken),
        1 => prop_oneof![Just(None), Just(Some(0)), Just(Some(401)), Just(Some(500))].prop_map(Act::RefuseSubscriptions),
        3 => (0..PATHS.len(), 0_u8..6, json_value()).prop_map(|(path, how, value)| Act::Answer(path, how, value)),
        2 => (0_u32..3, 0_u32..1_200).prop_map(|(page, size)| Act::Query(page, size)),
        2 => Just(Act::Call),
        1 => Just(Act::CalledByB),
        2 => Just(Act::AnswerCall),
        1 => Just(Act::Hangup),
        1 => any::<bool>().prop_map(Act::Record),
        1 => Just(Act::Reregister),
        1 => prop_oneof![9 => Just(Act::Wait(7)), 1 => Just(Act::Logout)],
        4 => prop_oneof![0_u64..50, 0_u64..2_000, 0_u64..90_000].prop_map(Act::Wait),
    ]
}

fn play(acts: Vec<Act>) {
    let mut world = World::with_pbx(|_| {});
    let mut commands: Vec<CommandId> = Vec::new();
    let mut queries: Vec<CommandId> = Vec::new();
    for act in acts {
        match act {
            Act::Notify(text) => world.notify_raw(text),
            Act::BreakSubscription => world.break_subscription(),
            Act::LoseToken => world.api.token = "another".to_owned(),
            Act::RefuseSubscriptions(how) => world.subscription_refused = how,
            Act::Answer(path, how, value) => {
                let answer = match how {
                    0 => Answer::Never,
                    1 => Answer::Fail(HttpFailure::Broken { detail: "x".to_owned() }),
                    2 => Answer::Raw(500, value.to_string().into_bytes()),
                    3 => Answer::Raw(200, vec![0xff; 7]),
                    _ => Answer::Json(value),
                };
                world.api.answers.insert(PATHS[path].to_owned(), answer);
            }
            Act::Query(page, size) => {
                queries.extend(world.act(A, |phone, now| phone.cdr_query(now, CdrQuery::new(page, size))).ok());
            }
            Act::Call => {
                let call = world.act(A, |phone, now| phone.call(now, "1001", Default::default()));
                commands.extend(call.ok().map(|(command, _)| command));
            }
            Act::CalledByB => drop(world.act(B, |phone, now| phone.call(now, "1000", Default::default()))),
            Act::AnswerCall => {
                for who in [A, B] {
                    let ringing = world.phone(who).incoming_list().next().map(|session| session.call_id().clone());
                    let Some(call) = ringing else { continue };
                    let answer = world.act(who, |phone, now| phone.answer(now, &call, Default::default()));
                    commands.extend(answer.ok().filter(|_| who == A));
                }
            }
            Act::Hangup => on_first_call(&mut world, &mut commands, |phone, now, call| phone.hangup(now, call)),
            Act::Record(on) => on_first_call(&mut world, &mut commands, |phone, now, call| {
                if on { phone.start_record(now, call) } else { phone.pause_record(now, call) }
            }),
            Act::Reregister => {
                commands.extend(world.act(A, |phone, now| phone.reregister(now, None)).ok());
            }
            Act::Logout => commands.push(world.act(A, |phone, now| phone.logout(now))),
            Act::Wait(ms) => world.run(ms),
        }
    }
    let last = world.act(A, |phone, now| phone.logout(now));
    commands.push(last);
    world.run(200_000);
    for command in commands {
        assert!(world.outcome(A, command).is_some(), "{command:?} is not settled");
    }
    for query in queries {
        assert!(world.of_pbx().cdrs.iter().any(|(command, _)| *command == query), "{query:?} is not answered");
    }
    let events = &world.of_pbx().events;
    assert_eq!(events.iter().filter(|event| **event == PbxEvent::Destroyed).count(), 1);
    assert_eq!(events.last(), Some(&PbxEvent::Destroyed));
    assert!(events.iter().filter(|event| matches!(event, PbxEvent::RuntimeError { .. })).count() <= 1);
    assert_eq!(world.phone(A).sessions().count(), 0);
    world.of_pbx().order.clear();
    world.run(1_000_000);
    assert_eq!(world.of_pbx().order, Vec::<String>::new(), "nothing follows the end");
}

fn on_first_call(
    world: &mut World,
    commands: &mut Vec<CommandId>,
    act: impl FnOnce(&mut offhook_core::Phone, offhook_core::Now, &offhook_core::CallId) -> Result<CommandId, PhoneError>,
) {
    let first = world.phone(A).sessions().next().map(|session| session.call_id().clone());
    if let Some(call) = first {
        commands.extend(world.act(A, |phone, now| act(phone, now, &call)).ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_in_any_order_is_survived_and_settled(acts in prop::collection::vec(act(), 0..60)) {
        play(acts);
    }

    #[test]
    fn any_answers_to_a_login_end_it(
        answers in prop::collection::vec((0_usize..7, 0_u8..6, json_value()), 0..7),
    ) {
        let paths = [
            "pbx/getproduct", "login", "extension/getpersonalglobal", "licenseservice/get", "extension/getpersonal",
            "extension/getregisterinfo", "logout",
        ];
        let mut api = common::pbx::Api::new();
        for (path, how, value) in answers {
            let answer = match how {
                0 => Answer::Never,
                1 => Answer::Raw(503, value.to_string().into_bytes()),
                _ => Answer::Json(value),
            };
            api.answers.insert(paths[path].to_owned(), answer);
        }
        let (took, _) = api.log_in_timed();
        prop_assert!(took <= 33_000, "{took}");
    }
}
