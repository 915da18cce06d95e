//! Ring groups, and extensions that take one call at a time.

use std::time::Duration;

use offhook_sip::{CallKey, Event};

use super::network::{Network, Who, header};
use crate::config::PbxConfig;
use crate::extension::Extension;
use crate::features::{RingGroup, RingStrategy};
use crate::store::CdrStatus;

fn group(change: impl FnOnce(RingGroup) -> RingGroup) -> PbxConfig {
    let group = RingGroup::new("6200", "Sales", ["1001", "1002"]).ring(Duration::from_secs(20));
    let mut extensions = Extension::built_in();
    extensions[1] = extensions[1].clone().call_waiting(false);
    PbxConfig { ring_groups: vec![change(group)], extensions, ..PbxConfig::default() }
}

fn in_turn(group: RingGroup) -> RingGroup {
    group.strategy(RingStrategy::InTurn)
}

fn refuse(net: &mut Network, who: Who, call: CallKey, status: u16) {
    net.command(who, |agent, now| agent.reject(now, call, status, Vec::new())).expect("refuses");
}

fn is_quiet(net: &mut Network, who: Who) -> bool {
    net.events(who).is_empty()
}

#[test]
fn all_ring_the_first_has_the_call_and_the_others_are_told_that_it_is_answered() {
    let mut net = Network::with(group(|group| group));
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    net.call(a, "6200");
    let rings = net.incoming(b);
    net.ring(b, rings, None);
    let ringing = net.next(a);
    assert!(header(&ringing, "P-Asserted-Identity").expect("an identity").contains("Sales"));
    let taken = net.incoming(c);
    net.answer(c, taken);
    let accepted = net.next(a);
    assert!(header(&accepted, "P-Asserted-Identity").expect("an identity").contains("1002"), "who answered");
    let end = net.ended(b);
    assert!(end.reason.as_deref().is_some_and(|text| text.contains("elsewhere")), "{end:?}");
    net.command(c, |agent, now| agent.hangup(now, taken, None)).expect("ends");
    let record = net.records.last().expect("a record");
    let seen: Vec<_> = record.seen_by.iter().map(|(number, status)| (number.as_str(), *status)).collect();
    use CdrStatus::{Inbound, Missed, Outbound};
    assert_eq!(seen, [("1000", Outbound), ("1001", Missed), ("1002", Inbound)]);
    net.assert_nothing_left();
}

#[test]
fn one_after_the_other_rings_and_a_refusal_gives_the_turn_away_at_once() {
    let mut net = Network::with(group(in_turn));
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    net.call(a, "6200");
    let first = net.incoming(b);
    net.ring(b, first, None);
    net.advance(19_999);
    assert!(is_quiet(&mut net, c));
    net.advance(1);
    net.ended(b);
    let second = net.incoming(c);
    refuse(&mut net, c, second, 486);
    net.events(c);
    assert_eq!(net.refusal(a), 480);
    // Another call: the first is busy, the second takes it.
    net.call(a, "6200");
    let first = net.incoming(b);
    refuse(&mut net, b, first, 486);
    let second = net.incoming(c);
    net.answer(c, second);
    assert!(net.events(a).iter().any(|event| matches!(event, Event::Confirmed { .. })));
    net.assert_nothing_left();
}

#[test]
fn an_answer_before_the_end_of_the_turn_has_the_call_though_its_media_is_slow() {
    let mut net = Network::with(group(in_turn));
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    net.call(a, "6200");
    let first = net.incoming(b);
    net.ring(b, first, None);
    net.slow_down();
    net.answer(b, first);
    // It has the call: the end of its turn comes too late for another.
    net.advance(20_000);
    assert!(is_quiet(&mut net, c));
    net.deliver_all();
    net.slow = None;
    assert!(net.events(a).iter().any(|event| matches!(event, Event::Confirmed { .. })));
    net.assert_nothing_left();
}

#[test]
fn who_is_busy_or_not_there_or_calls_is_left_out() {
    for strategy in [RingStrategy::All, RingStrategy::InTurn] {
        let mut net = Network::with(group(|group| group.strategy(strategy)));
        let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
        let d = net.phone("1003");
        net.established(d, b);
        net.call(a, "6200");
        assert!(is_quiet(&mut net, b), "no call waiting");
        let rings = net.incoming(c);
        refuse(&mut net, c, rings, 603);
        net.events(c);
        assert_eq!(net.refusal(a), 480);
        net.call(c, "6200");
        assert_eq!(net.refusal(c), 480, "its only member that is free is the caller");
        net.assert_nothing_left();
    }
}

#[test]
fn a_call_that_nobody_takes_goes_where_the_group_sends_it() {
    let mut net = Network::with(group(|group| group.then("1003")));
    let (a, b, d) = (net.phone("1000"), net.phone("1001"), net.phone("1003"));
    net.call(a, "6200");
    let rings = net.incoming(b);
    net.ring(b, rings, None);
    net.events(a);
    net.advance(20_000);
    net.ended(b);
    let sent_on = net.incoming(d);
    net.ring(d, sent_on, None);
    net.answer(d, sent_on);
    let events = net.events(a);
    let accepted = events.iter().find(|event| matches!(event, Event::Accepted { .. })).expect("answered");
    assert!(header(accepted, "P-Asserted-Identity").expect("an identity").contains("1003"));
    net.assert_nothing_left();
}

#[test]
fn a_group_sends_on_to_a_service_and_groups_that_name_each_other_come_to_an_end() {
    let mut net = Network::with(group(|group| group.then("600")));
    let a = net.phone("1000");
    net.call(a, "6200");
    assert!(net.events(a).iter().any(|event| matches!(event, Event::Confirmed { .. })), "the echo");
    net.assert_nothing_left();

    let mut config = group(|group| group.then("6201"));
    config.ring_groups.push(RingGroup::new("6201", "", ["1002"]).then("6200"));
    let mut net = Network::with(config);
    let a = net.phone("1000");
    net.call(a, "6200");
    assert_eq!(net.refusal(a), 480);
    net.assert_nothing_left();
}

#[test]
fn the_caller_gives_up_and_nobody_rings_on() {
    for strategy in [RingStrategy::All, RingStrategy::InTurn] {
        let mut net = Network::with(group(|group| group.strategy(strategy)));
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        let call = net.call(a, "6200");
        let rings = net.incoming(b);
        net.ring(b, rings, None);
        net.command(a, |agent, now| agent.hangup(now, call, None)).expect("cancels");
        net.ended(b);
        assert_eq!(net.switch.calls(), 0);
        net.assert_nothing_left();
    }
}

#[test]
fn a_call_is_transferred_to_a_group() {
    let mut net = Network::with(group(|group| group));
    let (a, b, d) = (net.phone("1000"), net.phone("1002"), net.phone("1003"));
    let (ours, _) = net.established(a, d);
    let to = offhook_sip::HeaderField::new("Refer-To", "<sip:6200@localhost>").into_iter().collect();
    net.command(a, |agent, now| agent.request(now, ours, "REFER", to, None)).expect("sent");
    let rings = net.incoming(b);
    net.answer(b, rings);
    assert_eq!(net.switch.calls.values().filter(|call| !call.over).count(), 1);
    net.assert_nothing_left();
}

#[test]
fn an_extension_without_call_waiting_is_busy_while_it_talks_rings_or_calls() {
    let mut net = Network::with(group(|group| group));
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let busy = |net: &mut Network| {
        net.call(c, "1001");
        net.refusal(c)
    };
    let call = net.call(a, "1001");
    let rings = net.incoming(b);
    assert_eq!(busy(&mut net), 486, "it rings");
    net.answer(b, rings);
    net.events(a);
    assert_eq!(busy(&mut net), 486, "it talks");
    net.command(a, |agent, now| agent.hangup(now, call, None)).expect("ends");
    net.events(b);
    net.call(b, "600");
    assert_eq!(busy(&mut net), 486, "it called");
    assert!(net.events(b).iter().all(|event| !matches!(event, Event::Incoming { .. })));
    // Others take a second one.
    net.events(a);
    net.established(b, a);
    net.events(c);
    let second = net.call(c, "1000");
    net.incoming(a);
    net.command(c, |agent, now| agent.hangup(now, second, None)).expect("cancels");
    net.assert_nothing_left();
}
