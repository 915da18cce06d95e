//! Long calls (RFC 4028).

use offhook_sip::{Event, TerminationKind};

use super::hold;
use super::network::{HELD, Network, SDP};

const HOUR: u64 = 3_600_000;

#[test]
fn a_call_is_refreshed_as_long_as_both_sides_are_there() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, _) = net.established(a, b);
    net.advance(3 * HOUR);
    assert_eq!(net.switch.calls(), 1);
    hold::change(&mut net, a, ours, HELD);
    net.advance(3 * HOUR);
    hold::change(&mut net, a, ours, SDP);
    let over = |events: &[Event]| events.iter().any(|event| matches!(event, Event::Terminated { .. }));
    assert!(!over(&net.events(a)) && !over(&net.events(b)));
    net.assert_nothing_left();
}

#[test]
fn a_side_that_stays_away_lets_the_session_expire() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.established(a, b);
    net.disconnect(a);
    net.advance(HOUR);
    let end = net.ended(b);
    assert_eq!((end.kind, end.status), (TerminationKind::Bye, Some(408)));
    assert_eq!(net.switch.calls(), 0);
    net.assert_nothing_left();
}
