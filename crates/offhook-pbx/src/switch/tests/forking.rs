//! Several devices of one extension.

use offhook_sip::{Event, TerminationKind};

use super::network::Network;

#[test]
fn all_devices_ring_and_the_first_to_answer_has_the_call() {
    let mut net = Network::new();
    let (a, desk, mobile) = (net.phone("1000"), net.phone("1001"), net.phone("1001"));
    net.call(a, "1001");
    let (first, second) = (net.incoming(desk), net.incoming(mobile));
    net.ring(desk, first, None);
    net.ring(mobile, second, None);
    let rings = net.events(a).iter().filter(|event| matches!(event, Event::Provisional { .. })).count();
    assert_eq!(rings, 1, "the caller is told of changes only");
    net.answer(mobile, second);
    assert!(net.events(a).iter().any(|event| matches!(event, Event::Confirmed { .. })));
    let lost = net.ended(desk);
    assert_eq!(lost.kind, TerminationKind::Canceled);
    assert_eq!((lost.status, lost.reason.as_deref()), (Some(200), Some("Call completed elsewhere")));
    assert_eq!(net.open.len(), 2, "the other device's media is closed");
    net.assert_nothing_left();
}

#[test]
fn one_busy_device_does_not_end_the_call() {
    let mut net = Network::new();
    let (a, desk, mobile) = (net.phone("1000"), net.phone("1001"), net.phone("1001"));
    net.call(a, "1001");
    let (first, second) = (net.incoming(desk), net.incoming(mobile));
    net.command(desk, |agent, now| agent.reject(now, first, 486, Vec::new())).expect("refuses");
    assert!(!net.events(a).iter().any(|event| matches!(event, Event::Terminated { .. })));
    net.answer(mobile, second);
    assert!(net.events(a).iter().any(|event| matches!(event, Event::Confirmed { .. })));
    net.assert_nothing_left();
}

#[test]
fn when_all_refuse_the_caller_is_told_the_best_reason() {
    let mut net = Network::new();
    let (a, desk, mobile) = (net.phone("1000"), net.phone("1001"), net.phone("1001"));
    net.call(a, "1001");
    let (first, second) = (net.incoming(desk), net.incoming(mobile));
    net.command(desk, |agent, now| agent.reject(now, first, 486, Vec::new())).expect("refuses");
    net.command(mobile, |agent, now| agent.reject(now, second, 480, Vec::new())).expect("refuses");
    assert_eq!(net.refusal(a), 486);
    net.assert_nothing_left();
}

#[test]
fn a_device_that_vanishes_while_ringing_leaves_the_others() {
    let mut net = Network::new();
    let (a, desk, mobile) = (net.phone("1000"), net.phone("1001"), net.phone("1001"));
    net.call(a, "1001");
    let (first, second) = (net.incoming(desk), net.incoming(mobile));
    net.ring(desk, first, None);
    net.disconnect(desk);
    net.answer(mobile, second);
    assert!(net.events(a).iter().any(|event| matches!(event, Event::Confirmed { .. })));
    net.assert_nothing_left();
}

#[test]
fn who_calls_their_own_number_reaches_their_other_devices() {
    let mut net = Network::new();
    let (desk, mobile) = (net.phone("1001"), net.phone("1001"));
    net.call(desk, "1001");
    assert!(net.events(desk).is_empty());
    net.incoming(mobile);
    net.assert_nothing_left();
}
