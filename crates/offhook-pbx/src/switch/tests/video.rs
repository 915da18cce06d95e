//! Video: what one device adds, the other is asked about.

use offhook_media::Direction;
use offhook_sip::{Accept, CallKey, Event, Modify, ModifyMethod, ModifyOutcome};

use super::network::{Network, SDP, VIDEO, Who};
use crate::media::{LegId, MediaAction, OfferFor};

const BOTH: Option<Direction> = Some(Direction::SendRecv);

fn offer(net: &mut Network, who: Who, call: CallKey, sdp: &str) {
    let modify = Modify { method: ModifyMethod::Invite, offer: Some(sdp.to_owned()), headers: Vec::new() };
    net.command(who, |agent, now| agent.modify(now, call, modify)).expect("sent");
}

fn is_agreed(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Modified { outcome: ModifyOutcome::Accepted { .. }, .. }))
}

/// The SDP of an offer that came.
fn offered(net: &mut Network, who: Who) -> Option<Option<String>> {
    net.events(who).into_iter().find_map(|event| match event {
        Event::RemoteOffer { offer, .. } => Some(offer),
        _ => None,
    })
}

/// With how much video each description was wanted, since last asked: leg, whether it is an offer, video.
fn wanted(net: &mut Network) -> Vec<(LegId, bool, Option<Direction>)> {
    net.media
        .drain(..)
        .filter_map(|action| match action {
            MediaAction::CreateOffer { leg, video, .. } => Some((leg, true, video)),
            MediaAction::AcceptOffer { leg, video, .. } => Some((leg, false, video)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_call_with_video_offers_it_to_the_device_and_answers_with_what_that_takes() {
    for (answer, video) in [(VIDEO, BOTH), (SDP, None), (&VIDEO.replacen("m=video 9", "m=video 0", 1), None)] {
        let mut net = Network::new();
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        net.call_with(a, "1001", |invite| invite.offer = Some(VIDEO.to_owned()));
        let theirs = net.incoming(b);
        let contact = net.contact(b);
        let accept = Accept { sdp: answer.to_owned(), contact, headers: Vec::new() };
        net.command(b, |agent, now| agent.accept(now, theirs, accept)).expect("accepted");
        let legs = net.open.clone();
        assert_eq!(wanted(&mut net), [(legs[0], true, BOTH), (legs[1], false, video)], "{answer}");
    }
}

#[test]
fn one_adds_video_the_other_is_asked_first_and_one_takes_it_away_for_both() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, theirs) = net.established(a, b);
    let (callee, caller) = (net.open[0], net.open[1]);
    wanted(&mut net);
    offer(&mut net, a, ours, VIDEO);
    assert_eq!(wanted(&mut net), [(callee, true, BOTH)], "the caller has to wait");
    assert!(!is_agreed(&net.events(a)));
    assert!(offered(&mut net, b).is_some());
    net.command(b, |agent, now| agent.answer_offer(now, theirs, VIDEO.to_owned())).expect("answered");
    assert_eq!(wanted(&mut net), [(caller, false, BOTH)]);
    assert!(is_agreed(&net.events(a)));

    // Another exchange of either asks nobody again.
    for (who, call, leg) in [(a, ours, caller), (b, theirs, callee)] {
        offer(&mut net, who, call, VIDEO);
        assert_eq!(wanted(&mut net), [(leg, false, BOTH)]);
        assert!(is_agreed(&net.events(who)));
    }

    offer(&mut net, b, theirs, SDP);
    assert_eq!(wanted(&mut net), [(callee, false, None), (caller, true, None)]);
    assert!(is_agreed(&net.events(b)));
    assert!(offered(&mut net, a).is_some());
    net.command(a, |agent, now| agent.answer_offer(now, ours, SDP.to_owned())).expect("answered");
    net.assert_nothing_left();
}

#[test]
fn refused_unanswered_or_left_alone_the_asker_has_its_answer_without_video() {
    for how in ["without", "refused", "gone"] {
        let mut net = Network::new();
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        let (ours, theirs) = net.established(a, b);
        let caller = net.open[1];
        offer(&mut net, a, ours, VIDEO);
        wanted(&mut net);
        match how {
            "without" => {
                net.command(b, |agent, now| agent.answer_offer(now, theirs, SDP.to_owned())).expect("answered")
            }
            "refused" => net.command(b, |agent, now| agent.refuse_offer(now, theirs, 488)).expect("refused"),
            _ => net.command(b, |agent, now| agent.hangup(now, theirs, None)).expect("hung up"),
        };
        assert_eq!(wanted(&mut net).first(), Some(&(caller, false, None)), "{how}");
        net.assert_nothing_left();
    }
}

#[test]
fn nothing_that_the_pbx_answers_itself_has_video() {
    let mut net = Network::new();
    let a = net.phone("1000");
    net.call_with(a, "600", |invite| invite.offer = Some(VIDEO.to_owned()));
    net.advance(2_000);
    assert!(wanted(&mut net).iter().all(|(_, is_offer, video)| !is_offer && video.is_none()));
}

#[test]
fn a_refresh_keeps_the_video() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, theirs) = net.established(a, b);
    let callee = net.open[0];
    offer(&mut net, a, ours, VIDEO);
    net.command(b, |agent, now| agent.answer_offer(now, theirs, VIDEO.to_owned())).expect("answered");
    net.media.clear();
    let leg_key = net.switch.legs.get(&callee).and_then(|leg| leg.key).expect("a dialog");
    net.switch.refresh(leg_key);
    let refresh = net.switch.poll_action();
    let expected = matches!(
        refresh,
        Some(crate::switch::Action::Media(MediaAction::CreateOffer { purpose: OfferFor::Refresh, video: BOTH, .. }))
    );
    assert!(expected, "{refresh:?}");
}
