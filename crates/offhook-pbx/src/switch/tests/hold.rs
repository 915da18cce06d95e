//! Hold: answered by the PBX, the other side hears music.

use offhook_sip::{CallKey, Event, ModifyOutcome};

use super::network::{HELD, Network, SDP, Who, reinvite};
use crate::media::{LegId, MediaAction, Sound};

/// Changes a session, and checks that it is agreed.
pub(super) fn change(net: &mut Network, who: Who, call: CallKey, offer: &str) {
    let modify = reinvite(offer);
    net.command(who, |agent, now| agent.modify(now, call, modify)).expect("sent");
    let events = net.events(who);
    let agreed =
        events.iter().any(|event| matches!(event, Event::Modified { outcome: ModifyOutcome::Accepted { .. }, .. }));
    assert!(agreed, "{events:?}");
}

/// What each leg was last made to hear.
fn sounds(net: &mut Network) -> Vec<(LegId, Sound)> {
    net.media
        .drain(..)
        .filter_map(|action| match action {
            MediaAction::Play { leg, sound } => Some((leg, sound)),
            _ => None,
        })
        .collect()
}

#[test]
fn the_other_side_hears_music_and_is_not_asked() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, _) = net.established(a, b);
    let callee = net.open[0];
    sounds(&mut net);
    change(&mut net, a, ours, HELD);
    assert_eq!(sounds(&mut net), [(callee, Sound::Music)]);
    change(&mut net, a, ours, HELD);
    assert_eq!(sounds(&mut net), [], "holding twice changes nothing");
    change(&mut net, a, ours, SDP);
    assert_eq!(sounds(&mut net), [(callee, Sound::Relay)]);
    assert!(net.events(b).is_empty(), "the other side is not re-INVITEd");
    net.assert_nothing_left();
}

#[test]
fn both_sides_can_hold_and_come_back_in_any_order() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, theirs) = net.established(a, b);
    let (callee, caller) = (net.open[0], net.open[1]);
    sounds(&mut net);
    change(&mut net, a, ours, HELD);
    change(&mut net, b, theirs, HELD);
    assert_eq!(sounds(&mut net), [(callee, Sound::Music), (caller, Sound::Music)]);
    change(&mut net, a, ours, SDP);
    assert_eq!(sounds(&mut net), [(callee, Sound::Relay)], "the caller still hears music");
    change(&mut net, b, theirs, SDP);
    assert_eq!(sounds(&mut net), [(caller, Sound::Relay)]);
    net.assert_nothing_left();
}

#[test]
fn on_hold_silence_is_no_loss() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, _) = net.established(a, b);
    let caller = net.open[1];
    let watches = |net: &mut Network| -> Vec<(LegId, bool)> {
        let watch = |action| match action {
            MediaAction::Watch { leg, on } => Some((leg, on)),
            _ => None,
        };
        net.media.drain(..).filter_map(watch).collect()
    };
    watches(&mut net);
    change(&mut net, a, ours, HELD);
    assert_eq!(watches(&mut net), [(caller, false)]);
    change(&mut net, a, ours, SDP);
    assert_eq!(watches(&mut net), [(caller, true)]);
}

#[test]
fn a_change_that_the_media_refuses_leaves_the_session_as_it_was() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, _) = net.established(a, b);
    net.refused_sdp = Some("m=video");
    let modify = reinvite("v=0\r\nm=video 9 X 96\r\n");
    net.command(a, |agent, now| agent.modify(now, ours, modify)).expect("sent");
    let Event::Modified { outcome: ModifyOutcome::Refused { status, .. }, .. } = net.next(a) else {
        panic!("not refused")
    };
    assert_eq!(status, 488);
    change(&mut net, a, ours, HELD);
    net.assert_nothing_left();
}

#[test]
fn a_service_can_be_held_too() {
    let mut net = Network::new();
    let a = net.phone("1000");
    let call = net.call(a, "603");
    net.events(a);
    change(&mut net, a, call, HELD);
    change(&mut net, a, call, SDP);
    net.assert_nothing_left();
}
