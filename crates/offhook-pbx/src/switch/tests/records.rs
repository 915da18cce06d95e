//! What is recorded of calls.

use offhook_sip::message::HeadersExt as _;
use offhook_sip::{Event, HeaderField};

use super::network::{Network, Who};
use crate::config::PbxConfig;
use crate::events::PbxEvent;
use crate::store::{CdrStatus, Disposition};
use crate::switch::Concluded;

/// Of a record: who called whom, what became of it, and who sees it how.
type Row<'a> = (&'a str, &'a str, Disposition, Vec<(&'a str, CdrStatus)>);

fn row(record: &Concluded) -> Row<'_> {
    let seen_by = record.seen_by.iter().map(|(number, status)| (number.as_str(), *status)).collect();
    (&record.caller, &record.callee, record.disposition, seen_by)
}

fn both(callee: CdrStatus) -> Vec<(&'static str, CdrStatus)> {
    vec![("1000", CdrStatus::Outbound), ("1001", callee)]
}

fn hang_up(net: &mut Network, who: Who, call: offhook_sip::CallKey) {
    net.command(who, |agent, now| agent.hangup(now, call, None)).expect("ends");
}

fn refer(net: &mut Network, who: Who, call: offhook_sip::CallKey, to: &str) {
    let headers = vec![HeaderField::new("Refer-To", to).expect("a header")];
    net.command(who, |agent, now| agent.request(now, call, "REFER", headers, None)).expect("sent");
}

#[test]
fn an_answered_call_has_one_record_whoever_hangs_up() {
    for caller_ends in [true, false] {
        let mut net = Network::new();
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        net.advance(1_000);
        let ours = net.call(a, "1001");
        let theirs = net.incoming(b);
        net.ring(b, theirs, None);
        net.advance(2_000);
        net.answer(b, theirs);
        net.advance(61_000);
        assert_eq!(net.records, []);
        let call_id = net.command(a, |agent, _| agent.call(ours).map(|view| view.call_id.to_owned()));
        let their_call_id = net.command(b, |agent, _| agent.call(theirs).map(|view| view.call_id.to_owned()));
        if caller_ends {
            hang_up(&mut net, a, ours)
        } else {
            hang_up(&mut net, b, theirs)
        }
        let [record] = net.records.as_slice() else { panic!("{:?}", net.records) };
        assert_eq!(row(record), ("1000", "1001", Disposition::Answered, both(CdrStatus::Inbound)));
        assert_eq!((record.started, record.answered, record.ended), (1_000, Some(3_000), 64_000));
        assert_eq!((record.caller_name.as_str(), record.callee_name.as_str()), ("Ada", "Ben"));
        assert_eq!(Some(&record.sip_call_id), call_id.as_ref(), "the caller knows it by this");
        assert_eq!(Some(&record.callee_sip_call_id), their_call_id.as_ref(), "and the callee by this");
        net.assert_nothing_left();
    }
}

#[test]
fn what_was_not_answered_says_why() {
    let refusals = [
        (486, Disposition::Busy),
        (603, Disposition::Busy),
        (600, Disposition::Busy),
        (480, Disposition::NoAnswer),
        (488, Disposition::Failed),
        (500, Disposition::Failed),
    ];
    for (status, disposition) in refusals {
        let mut net = Network::new();
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        net.call(a, "1001");
        let theirs = net.incoming(b);
        net.command(b, |agent, now| agent.reject(now, theirs, status, Vec::new())).expect("refuses");
        let [record] = net.records.as_slice() else { panic!("{:?}", net.records) };
        assert_eq!(row(record), ("1000", "1001", disposition, both(CdrStatus::Missed)), "{status}");
        assert_eq!(record.answered, None);
        net.assert_nothing_left();
    }
}

#[test]
fn a_cancelled_call_and_one_that_rang_too_long_are_missed() {
    for cancels in [true, false] {
        let mut net = Network::new();
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        let ours = net.call(a, "1001");
        let theirs = net.incoming(b);
        net.ring(b, theirs, None);
        if cancels {
            hang_up(&mut net, a, ours)
        } else {
            net.advance(30_000)
        }
        let [record] = net.records.as_slice() else { panic!("{:?}", net.records) };
        assert_eq!(row(record), ("1000", "1001", Disposition::NoAnswer, both(CdrStatus::Missed)));
        net.assert_nothing_left();
    }
}

#[test]
fn a_phone_that_is_not_there_has_missed_the_call() {
    let mut net = Network::new();
    let a = net.phone("1000");
    net.call(a, "1001");
    assert_eq!(net.refusal(a), 480);
    let [record] = net.records.as_slice() else { panic!("{:?}", net.records) };
    assert_eq!(row(record), ("1000", "1001", Disposition::NoAnswer, both(CdrStatus::Missed)));
}

#[test]
fn calls_to_services_are_the_callers_alone() {
    let of = [
        ("600", Disposition::Answered),
        ("603", Disposition::Answered),
        ("604", Disposition::Busy),
        ("605", Disposition::Failed),
        ("606", Disposition::NoAnswer),
        ("607", Disposition::Busy),
        ("609", Disposition::Failed),
        ("612", Disposition::NoAnswer),
    ];
    for (number, disposition) in of {
        let mut net = Network::new();
        let a = net.phone("1000");
        let call = net.call(a, number);
        net.advance(40_000);
        if disposition == Disposition::Answered {
            hang_up(&mut net, a, call);
        }
        let [record] = net.records.as_slice() else { panic!("{number}: {:?}", net.records) };
        assert_eq!(row(record), ("1000", number, disposition, vec![("1000", CdrStatus::Outbound)]));
        net.assert_nothing_left();
    }
}

#[test]
fn calls_that_are_refused_at_the_door_are_recorded_and_those_of_strangers_are_not() {
    let mut config = PbxConfig::default();
    config.limits.calls = 1;
    let mut net = Network::with(config);
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.call(a, "4242");
    assert_eq!(net.refusal(a), 404);
    let first = net.records[0].clone();
    assert_eq!(row(&first), ("1000", "4242", Disposition::Failed, vec![("1000", CdrStatus::Outbound)]));
    assert!(!first.sip_call_id.is_empty());

    let call = net.call(a, "600");
    net.call(b, "1000");
    assert_eq!(net.refusal(b), 503);
    let second = net.records[1].clone();
    let seen_by = vec![("1001", CdrStatus::Outbound), ("1000", CdrStatus::Missed)];
    assert_eq!(row(&second), ("1001", "1000", Disposition::Failed, seen_by));
    assert_ne!(first.call, second.call);
    hang_up(&mut net, a, call);
    let stranger = net.connect("2222");
    net.call(stranger, "1000");
    assert_eq!(net.refusal(stranger), 407);
    assert_eq!(net.records.len(), 3, "the two, and the call that there was");
    net.assert_nothing_left();
}

#[test]
fn who_calls_their_own_number_sees_both_sides() {
    let mut net = Network::new();
    let (a, other) = (net.phone("1000"), net.phone("1000"));
    let ours = net.call(a, "1000");
    let theirs = net.incoming(other);
    net.answer(other, theirs);
    hang_up(&mut net, a, ours);
    let seen_by = vec![("1000", CdrStatus::Outbound), ("1000", CdrStatus::Inbound)];
    assert_eq!(row(&net.records[0]), ("1000", "1000", Disposition::Answered, seen_by));
    net.assert_nothing_left();
}

#[test]
fn a_blind_transfer_makes_a_record_for_each_pair() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, theirs) = net.established(a, b);
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    let target = net.incoming(c);
    net.advance(2_000);
    net.answer(c, target);
    assert_eq!(net.records.len(), 1, "the first call is over for the transferor");
    net.advance(3_000);
    hang_up(&mut net, a, ours);
    hang_up(&mut net, b, theirs);
    let [first, second] = net.records.as_slice() else { panic!("{:?}", net.records) };
    assert_eq!(row(first), ("1000", "1001", Disposition::Answered, both(CdrStatus::Inbound)));
    let seen_by = vec![("1001", CdrStatus::Outbound), ("1002", CdrStatus::Inbound)];
    assert_eq!(row(second), ("1001", "1002", Disposition::Answered, seen_by));
    assert_eq!((second.started, second.answered, second.ended), (0, Some(2_000), 5_000));
    net.assert_nothing_left();
}

/// Its asker hangs up while the target rings.
#[test]
fn a_consultation_that_goes_on_without_its_asker_makes_a_record_for_each_pair() {
    for answers in [true, false] {
        let mut net = Network::new();
        let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
        let (ours, theirs) = net.established(a, b);
        let asker = net.open[1];
        net.dial(asker, "*31002#");
        let target = net.incoming(c);
        net.ring(c, target, None);
        net.advance(1_000);
        net.events(c);
        hang_up(&mut net, a, ours);
        net.advance(2_000);
        if answers {
            net.answer(c, target);
            let told = net.events(c).into_iter().find_map(|event| match event {
                Event::Updated { request, .. } => request.headers.text("P-Asserted-Identity"),
                _ => None,
            });
            assert!(told.is_some_and(|told| told.contains("1001")), "the target was called by 1000");
            net.advance(3_000);
            hang_up(&mut net, b, theirs);
        } else {
            // It rings no longer than it would have.
            net.advance(28_000 - 1_000);
        }
        let [call, asked, joint] = net.records.as_slice() else { panic!("{:?}", net.records) };
        assert_eq!(row(call), ("1000", "1001", Disposition::Answered, both(CdrStatus::Inbound)));
        let seen_by = vec![("1000", CdrStatus::Outbound), ("1002", CdrStatus::Missed)];
        assert_eq!(row(asked), ("1000", "1002", Disposition::NoAnswer, seen_by));
        assert_eq!((asked.started, asked.answered, asked.ended), (0, None, 1_000));
        let (disposition, of_target, answered, ended) = match answers {
            true => (Disposition::Answered, CdrStatus::Inbound, Some(3_000), 6_000),
            false => (Disposition::NoAnswer, CdrStatus::Missed, None, 30_000),
        };
        let seen_by = vec![("1001", CdrStatus::Outbound), ("1002", of_target)];
        assert_eq!(row(joint), ("1001", "1002", disposition, seen_by));
        assert_eq!((joint.started, joint.answered, joint.ended), (1_000, answered, ended));
        let pairs = |events: &[PbxEvent]| -> Vec<(String, String)> {
            let pair = |event: &PbxEvent| match event {
                PbxEvent::CallStarted { from, to, .. } => Some((from.clone(), to.clone())),
                _ => None,
            };
            events.iter().filter_map(pair).collect()
        };
        let all = [("1000", "1001"), ("1000", "1002"), ("1001", "1002")];
        assert_eq!(pairs(&net.told), all.map(|(from, to)| (from.to_owned(), to.to_owned())));
        let ended = net.told.iter().filter(|event| matches!(event, PbxEvent::CallEnded { .. })).count();
        assert_eq!(ended, 3);
        net.assert_nothing_left();
    }
}

#[test]
fn an_attempt_to_transfer_that_came_to_nothing_has_a_record_beside_that_of_the_call() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, _) = net.established(a, b);
    refer(&mut net, a, ours, "<sip:604@localhost>");
    hang_up(&mut net, a, ours);
    let [attempt, call] = net.records.as_slice() else { panic!("{:?}", net.records) };
    assert_eq!(row(attempt), ("1001", "604", Disposition::Busy, vec![("1001", CdrStatus::Outbound)]));
    assert_eq!(row(call), ("1000", "1001", Disposition::Answered, both(CdrStatus::Inbound)));
    net.assert_nothing_left();
}

#[test]
fn a_pbx_that_stops_records_what_it_ends() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    net.established(a, b);
    net.call(c, "606");
    net.stop();
    let dispositions: Vec<_> = net.records.iter().map(|record| record.disposition).collect();
    assert_eq!(dispositions, [Disposition::Answered, Disposition::Failed]);
    let ended = net.told.iter().filter(|event| matches!(event, PbxEvent::CallEnded { .. })).count();
    assert_eq!(ended, 2);
    assert!(net.events(c).iter().any(|event| matches!(event, Event::Terminated { .. })));
}
