//! The subscription socket: opened, kept alive, opened again, and never confused by what comes over it.

mod common;

use common::pbx::SETTINGS;
use common::{A, World};
use offhook_core::pbx::MAX_SUBSCRIPTION_BYTES;
use serde_json::{Value, json};

/// What went out since `clear`, without times.
fn sent(world: &mut World) -> Vec<String> {
    std::mem::take(&mut world.of_pbx().subscription).into_iter().map(|(_, what)| what).collect()
}

/// The same with the times, counted from `from`.
fn timed(world: &mut World, from: u64) -> Vec<(u64, String)> {
    std::mem::take(&mut world.of_pbx().subscription).into_iter().map(|(at, what)| (at - from, what)).collect()
}

fn topics(text: &str) -> Vec<u64> {
    let value: Value = serde_json::from_str(text).expect("JSON");
    let list = value["topic_list"].as_array().expect("a list").iter();
    list.map(|topic| topic.as_u64().expect("a number")).collect()
}

fn opened(version: &str) -> Vec<String> {
    let mut world = World::with_pbx_unregistered(|api| {
        api.change("pbx/getproduct", "/product/version", json!(version));
    });
    world.run(100);
    sent(&mut world)
}

#[test]
fn it_opens_with_the_token_and_subscribes() {
    let sent = opened("37.11.0.0");
    assert_eq!(sent[0], "open wss://pbx.example/api/v1.0/subscribe?access_token=token%2F1");
    let topics = topics(&sent[1]);
    for topic in
        [10000, 20007, 20008, 20010, 20015, 20047, 20048, 20049, 20053, 20065, 20066, 20082, 20104, 20013, 20135]
    {
        assert!(topics.contains(&topic), "{topic}");
    }
    assert!(!topics.contains(&20153) && !topics.contains(&20154));
    assert_eq!(sent.len(), 2);
}

#[test]
fn later_firmwares_have_more_topics() {
    for version in ["37.12.0.10", "37.20.0.1", "38.1.0.0"] {
        let topics = topics(&opened(version)[1]);
        assert!(topics.contains(&20153) && topics.contains(&20154), "{version}");
    }
    assert!(!topics(&opened("37.12.0.9")[1]).contains(&20153));
}

#[test]
fn after_30_s_of_silence_a_heartbeat_asks() {
    let mut world = World::with_pbx_unregistered(|_| {});
    world.run(20_000);
    let from = world.now;
    sent(&mut world);
    world.notify(20049, json!({}));
    world.run(29_999);
    assert_eq!(sent(&mut world), common::NOTHING, "there was no silence");
    world.run(1);
    assert_eq!(timed(&mut world, from), [(30_000, "heartbeat".to_owned())]);
    // It is answered after 20 ms: the next one is 30 s later.
    world.run(30_100);
    assert_eq!(sent(&mut world), ["heartbeat"]);
}

#[test]
fn a_heartbeat_without_an_answer_opens_it_again_after_5_s() {
    let mut world = World::with_pbx_unregistered(|_| {});
    world.run(100);
    sent(&mut world);
    world.heartbeats_answered = false;
    let from = world.now - 90;
    world.run(60_000);
    let log = timed(&mut world, from);
    let names: Vec<&str> = log.iter().map(|(_, what)| what.split(' ').next().expect("a word")).collect();
    assert_eq!(names[..3], ["heartbeat", "close", "open"]);
    assert!(log[3].1.contains("topic_list"), "subscribed again");
    assert_eq!([log[0].0, log[1].0, log[2].0], [30_000, 50_000, 55_000]);
}

#[test]
fn any_word_is_an_answer_to_a_heartbeat() {
    let mut world = World::with_pbx_unregistered(|_| {});
    world.run(100);
    world.heartbeats_answered = false;
    world.run(35_000);
    sent(&mut world);
    world.notify(20049, json!({}));
    world.run(25_000);
    assert_eq!(sent(&mut world), common::NOTHING);
}

#[test]
fn a_lost_socket_comes_back_ever_more_slowly_and_never_in_step() {
    let delays = |seed: u8| {
        let mut world = World::with_pbx_unregistered(|api| api.params.seed = [seed; 32].into());
        world.run(100);
        sent(&mut world);
        world.subscription_refused = Some(0);
        let from = world.now;
        world.break_subscription();
        world.run(300_000);
        let opened: Vec<u64> = timed(&mut world, from).into_iter().map(|(at, _)| at).collect();
        std::iter::once(opened[0]).chain(opened.windows(2).map(|pair| pair[1] - pair[0] - 10)).collect::<Vec<_>>()
    };
    let first = delays(1);
    for (delay, wanted) in first.iter().zip([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
        assert!(delay.abs_diff(wanted) <= wanted / 5, "{first:?}");
    }
    assert_ne!(first, delays(2));
}

#[test]
fn it_is_not_slower_next_time_when_it_worked_in_between() {
    let mut world = World::with_pbx_unregistered(|_| {});
    for _ in 0..3 {
        world.run(10_000);
        world.notify(20049, json!({}));
        sent(&mut world);
        let from = world.now;
        world.break_subscription();
        world.run(7_000);
        let log = timed(&mut world, from);
        assert!(log[0].0 <= 6_000, "{log:?}");
    }
}

#[test]
fn errcode_minus_3_and_hot_standby_subscribe_again_not_more_than_once_a_second() {
    let mut world = World::with_pbx_unregistered(|_| {});
    world.run(5_000);
    for again in [json!({"errcode": -3}).to_string(), json!({"type": 20104, "msg": "{}"}).to_string()] {
        sent(&mut world);
        world.notify_raw(again.clone());
        assert!(sent(&mut world)[0].contains("topic_list"));
        for _ in 0..50 {
            world.notify_raw(again.clone());
        }
        assert_eq!(sent(&mut world), common::NOTHING);
        world.run(5_000);
        assert_eq!(sent(&mut world).len(), 1);
    }
}

#[test]
fn errcode_minus_2_and_the_answer_to_a_subscription_are_ignored() {
    let mut world = World::with_pbx_unregistered(|_| {});
    world.run(5_000);
    sent(&mut world);
    world.notify_raw(json!({"errcode": -2, "type": 20007, "msg": "{}"}).to_string());
    world.notify_raw(json!({"errcode": 0, "errmsg": "SUCCESS"}).to_string());
    world.run(1_000);
    assert_eq!((sent(&mut world).len(), world.of_pbx().events.len()), (0, 0));
}

#[test]
fn a_message_that_is_too_large_is_ignored() {
    let mut world = World::with_pbx_unregistered(|_| {});
    world.run(5_000);
    let padding = "x".repeat(MAX_SUBSCRIPTION_BYTES);
    world.notify_raw(json!({"type": 20007, "msg": "{}", "padding": padding}).to_string());
    world.run(1_000);
    assert!(world.of_pbx().events.is_empty());
}

#[test]
fn a_refused_handshake_means_that_the_token_is_lost() {
    let mut world = World::with_pbx(|_| {});
    world.subscription_refused = Some(401);
    world.break_subscription();
    for _ in 0..7_000 {
        if world.api.count("login") == 1 {
            world.subscription_refused = None;
        }
        world.run(1);
    }
    let asked = world.api.asked().into_iter().filter(|asked| *asked != "systemlog/webclientlog");
    assert_eq!(asked.collect::<Vec<_>>(), [&["login"], &SETTINGS[..]].concat());
    assert!(world.of_pbx().events.is_empty());
    let opened = sent(&mut world).into_iter().rfind(|what| what.starts_with("open"));
    assert!(opened.is_some_and(|what| what.ends_with("token%2F2")));
}

#[test]
fn a_handshake_of_which_a_browser_says_nothing_makes_a_request_find_out_about_the_token() {
    let mut world = World::with_pbx(|_| {});
    world.subscription_refused = Some(common::UNTOLD);
    world.break_subscription();
    world.run(7_000);
    assert_eq!((world.api.count("extension/getpersonal"), world.api.count("login")), (1, 0), "the token is good");

    world.api.token = "another".to_owned();
    for _ in 0..15_000 {
        if world.api.count("login") == 1 {
            world.subscription_refused = None;
        }
        world.run(1);
    }
    assert_eq!(world.api.count("login"), 1);
    assert!(world.of_pbx().events.is_empty());
    let opened = sent(&mut world).into_iter().rfind(|what| what.starts_with("open"));
    assert!(opened.is_some_and(|what| what.ends_with("token%2F2")));
}

#[test]
fn a_socket_that_never_opens_is_given_up_and_tried_again() {
    let mut world = World::with_pbx_unregistered(|_| {});
    world.run(100);
    world.subscription_hangs = true;
    sent(&mut world);
    world.break_subscription();
    world.run(40_000);
    let names: Vec<String> = sent(&mut world).iter().map(|what| what[..5].to_owned()).collect();
    assert_eq!(names[..3], ["open ", "close", "open "]);
    assert!(world.phone(A).pbx().is_some_and(|pbx| !pbx.is_destroyed()));
}

#[test]
fn what_changes_between_the_log_in_and_the_first_subscription_is_read() {
    let mut world = World::with_pbx_unregistered(|_| {});
    world.api.change("extension/getpersonalglobal", "/fqdn_domain", json!("new.example"));
    let urls =
        |world: &World| world.phone(A).config().ice_servers.iter().flat_map(|s| s.urls.clone()).collect::<Vec<_>>();
    assert_eq!(urls(&world), ["stun:office.example:11009"]);
    world.run(1_000);
    assert_eq!(urls(&world), ["stun:new.example:11009"]);
}
