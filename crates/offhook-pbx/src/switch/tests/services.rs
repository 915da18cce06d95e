//! The numbers that the PBX answers itself.

use offhook_sip::message::HeadersExt as _;
use offhook_sip::{Event, TerminationKind};

use super::network::{Network, SDP};
use crate::media::{MediaAction, MediaEvent, Sound};

/// What the caller was made to hear.
fn sounds(net: &Network) -> Vec<Sound> {
    let sound = |action: &MediaAction| match action {
        MediaAction::Play { sound, .. } => Some(*sound),
        _ => None,
    };
    net.media.iter().filter_map(sound).collect()
}

fn is_confirmed(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Confirmed { .. }))
}

#[test]
fn echo_and_music_last_until_the_caller_hangs_up() {
    for (number, sound) in [("600", Sound::Echo), ("603", Sound::Music)] {
        let mut net = Network::new();
        let a = net.phone("1000");
        let call = net.call(a, number);
        assert!(is_confirmed(&net.events(a)));
        assert_eq!(sounds(&net), [sound]);
        net.advance(300_000);
        assert_eq!(net.switch.calls(), 1);
        net.command(a, |agent, now| agent.hangup(now, call, None)).expect("ends");
        assert_eq!(net.switch.calls(), 0);
        net.assert_nothing_left();
    }
}

#[test]
fn the_tone_begins_with_the_media_and_ends_the_call() {
    let mut net = Network::new();
    let a = net.phone("1000");
    net.call(a, "601");
    assert!(is_confirmed(&net.events(a)));
    net.advance(1_000);
    assert_eq!(sounds(&net), []);
    let leg = net.open[0];
    net.media_event(MediaEvent::Connected { leg });
    assert_eq!(sounds(&net), [Sound::Tone]);
    net.advance(2_999);
    assert!(net.events(a).is_empty());
    net.advance(1);
    assert_eq!(net.ended(a).kind, TerminationKind::Bye);
    net.assert_nothing_left();
}

#[test]
fn refusals_have_their_status_and_headers() {
    let mut net = Network::new();
    let a = net.phone("1000");
    for (number, status) in [("604", 486), ("605", 503), ("609", 403)] {
        net.call(a, number);
        let end = net.ended(a);
        assert_eq!(end.status, Some(status), "{number}");
        if status == 503 {
            let response = end.response.expect("a response");
            assert_eq!(response.headers.number("Retry-After"), Some(30));
        }
    }
    net.assert_nothing_left();
}

#[test]
fn ringing_ends_when_it_should() {
    for (number, ms) in [("606", 30_000), ("612", 1_000)] {
        let mut net = Network::new();
        let a = net.phone("1000");
        net.call(a, number);
        assert!(matches!(net.next(a), Event::Provisional { status: 180, .. }));
        net.advance(ms - 1);
        assert!(net.events(a).is_empty(), "{number}");
        net.advance(1);
        assert_eq!(net.refusal(a), 480, "{number}");
        net.assert_nothing_left();
    }
}

#[test]
fn what_rings_forever_can_be_cancelled() {
    let mut net = Network::new();
    let a = net.phone("1000");
    let call = net.call(a, "606");
    net.command(a, |agent, now| agent.hangup(now, call, None)).expect("cancels");
    assert_eq!(net.ended(a).kind, TerminationKind::Canceled);
    net.assert_nothing_left();
}

#[test]
fn early_media_comes_before_the_refusal() {
    let mut net = Network::new();
    let a = net.phone("1000");
    net.call(a, "607");
    let early = net.next(a);
    assert!(matches!(early, Event::Provisional { status: 183, answer: Some(_), .. }), "{early:?}");
    // A path takes its time to be found; what nobody can hear yet has not begun.
    net.advance(4_000);
    assert_eq!((sounds(&net), net.events(a).len()), (vec![], 0));
    let leg = net.open[0];
    net.media_event(MediaEvent::Connected { leg });
    assert_eq!(sounds(&net), [Sound::Music]);
    net.advance(2_999);
    assert!(net.events(a).is_empty());
    net.advance(1);
    assert_eq!(net.refusal(a), 603);
    net.assert_nothing_left();
}

#[test]
fn early_media_that_finds_no_path_is_refused_all_the_same() {
    let mut net = Network::new();
    let a = net.phone("1000");
    net.call(a, "607");
    assert!(matches!(net.next(a), Event::Provisional { status: 183, .. }));
    net.advance(19_999);
    assert!(net.events(a).is_empty());
    net.advance(1);
    assert_eq!(net.refusal(a), 603);
    net.assert_nothing_left();
}

#[test]
fn a_service_makes_the_offer_for_a_caller_without_one() {
    let mut net = Network::new();
    let a = net.phone("1000");
    let call = net.call_with(a, "600", |invite| invite.offer = None);
    assert!(matches!(net.next(a), Event::Accepted { sdp: Some(_), .. }));
    net.command(a, |agent, now| agent.ack(now, call, SDP.to_owned())).expect("acknowledges");
    assert_eq!(net.switch.calls(), 1);
    net.assert_nothing_left();
}
