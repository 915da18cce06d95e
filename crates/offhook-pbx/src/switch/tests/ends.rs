//! How calls end, and what the other side is told.

use offhook_sip::{Event, HeaderField, TerminationKind};

use super::network::{HELD, Network};
use crate::events::PbxEvent;
use crate::media::{LegId, MediaEvent};

#[test]
fn a_refusal_is_carried_over() {
    for (status, told) in [(486, 486), (603, 603), (480, 480), (488, 488), (302, 480), (503, 500)] {
        let mut net = Network::new();
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        net.call(a, "1001");
        let theirs = net.incoming(b);
        let why = HeaderField::new("Reason", "Q.850;cause=21;text=\"do not disturb\"").expect("a header");
        net.command(b, |agent, now| agent.reject(now, theirs, status, vec![why])).expect("refuses");
        let end = net.ended(a);
        assert_eq!(end.status, Some(told), "{status}");
        let response = end.response.expect("a response");
        let reason = offhook_sip::message::HeadersExt::text(&response.headers, "Reason");
        assert!(reason.is_some_and(|reason| reason.contains("do not disturb")));
        net.assert_nothing_left();
    }
}

#[test]
fn a_cancel_stops_the_ringing() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let call = net.call(a, "1001");
    let theirs = net.incoming(b);
    net.ring(b, theirs, None);
    net.command(a, |agent, now| agent.hangup(now, call, None)).expect("cancels");
    assert_eq!(net.ended(b).kind, TerminationKind::Canceled);
    assert_eq!(net.ended(a).kind, TerminationKind::Canceled);
    let ended = net.told.last();
    assert!(matches!(ended, Some(PbxEvent::CallEnded { answered: false, status: 487, .. })), "{ended:?}");
    net.assert_nothing_left();
}

#[test]
fn each_side_can_hang_up_and_its_reason_is_carried_over() {
    for caller_ends in [true, false] {
        let mut net = Network::new();
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        let (ours, theirs) = net.established(a, b);
        let (ends, call, other) = if caller_ends { (a, ours, b) } else { (b, theirs, a) };
        net.command(ends, |agent, now| agent.hangup(now, call, Some((408, "RTP Timeout")))).expect("ends");
        let end = net.ended(other);
        assert_eq!(end.kind, TerminationKind::Bye);
        assert_eq!((end.status, end.reason.as_deref()), (Some(408), Some("RTP Timeout")));
        net.assert_nothing_left();
    }
}

#[test]
fn an_unanswered_call_ends_after_the_no_answer_time() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.call(a, "1001");
    let theirs = net.incoming(b);
    net.ring(b, theirs, None);
    net.advance(29_000);
    assert!(!net.events(a).iter().any(|event| matches!(event, Event::Terminated { .. })));
    net.advance(1_000);
    assert_eq!(net.refusal(a), 480);
    let end = net.ended(b);
    assert_eq!((end.kind, end.status), (TerminationKind::Canceled, Some(480)));
    net.assert_nothing_left();
}

#[test]
fn a_device_that_never_says_a_word_is_given_up() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.call(a, "1001");
    net.incoming(b);
    net.advance(60_000);
    assert_eq!(net.refusal(a), 480);
    net.assert_nothing_left();
}

#[test]
fn media_that_is_lost_ends_the_call_and_says_why() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.established(a, b);
    let leg = net.open[0];
    net.media_event(MediaEvent::Silent { leg });
    for who in [a, b] {
        let end = net.ended(who);
        assert_eq!((end.status, end.reason.as_deref()), (Some(408), Some("RTP Timeout")));
    }
    // A word that comes too late, of legs that are gone.
    net.media_event(MediaEvent::Silent { leg });
    net.media_event(MediaEvent::Connected { leg: LegId(99) });
    net.assert_nothing_left();
}

#[test]
fn clients_that_vanish_leave_nothing_whatever_they_were_doing() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum When {
        Called,
        Ringing,
        EarlyMedia,
        Answered,
        Held,
    }
    for when in [When::Called, When::Ringing, When::EarlyMedia, When::Answered, When::Held] {
        for caller_first in [true, false] {
            let mut net = Network::new();
            let (a, b) = (net.phone("1000"), net.phone("1001"));
            match when {
                When::Answered => {
                    net.established(a, b);
                }
                When::Held => {
                    let (ours, _) = net.established(a, b);
                    super::hold::change(&mut net, a, ours, HELD);
                }
                _ => {
                    net.call(a, "1001");
                    let theirs = net.incoming(b);
                    match when {
                        When::Ringing => net.ring(b, theirs, None),
                        When::EarlyMedia => net.ring(b, theirs, Some(super::network::SDP)),
                        _ => {}
                    }
                }
            }
            let (first, second) = if caller_first { (a, b) } else { (b, a) };
            net.disconnect(first);
            net.disconnect(second);
            net.advance(120_000);
            net.assert_nothing_left();
        }
    }
}

#[test]
fn a_pbx_that_stops_ends_every_call() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    net.established(a, b);
    net.call(c, "606");
    net.stop();
    assert_eq!(net.ended(a).status, Some(503));
    assert_eq!(net.ended(b).status, Some(503));
    assert_eq!(net.refusal(c), 503);
    net.call(c, "600");
    assert_eq!(net.refusal(c), 503);
    net.assert_nothing_left();
}
