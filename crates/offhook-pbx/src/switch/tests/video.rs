//! Video: what one device adds, the other is asked about.

use offhook_media::Direction;
use offhook_sip::{Accept, CallKey, ConnectionId, Event, ModifyOutcome};

use super::network::{HELD, Network, SDP, VIDEO, Who, refresh, reinvite};
use crate::media::{LegId, MediaAction, OfferFor};

const BOTH: Option<Direction> = Some(Direction::SendRecv);

fn offer(net: &mut Network, who: Who, call: CallKey, sdp: &str) {
    let modify = reinvite(sdp);
    net.command(who, |agent, now| agent.modify(now, call, modify)).expect("sent");
}

fn answer(net: &mut Network, who: Who, call: CallKey, sdp: &str) {
    net.command(who, |agent, now| agent.answer_offer(now, call, sdp.to_owned())).expect("answered");
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
        let accept = Accept { sdp: answer.to_owned(), contact, headers: Vec::new(), credentials: None };
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

/// The first phone's call of the second: the phones and their calls, and the legs, callee first.
fn talking(video: bool) -> (Network, [(Who, CallKey); 2], [LegId; 2]) {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, theirs) = net.established(a, b);
    let legs = [net.open[0], net.open[1]];
    if video {
        offer(&mut net, a, ours, VIDEO);
        answer(&mut net, b, theirs, VIDEO);
    }
    net.events(a);
    net.events(b);
    wanted(&mut net);
    (net, [(a, ours), (b, theirs)], legs)
}

#[test]
fn taken_away_and_added_again_at_once_the_other_is_asked_when_it_has_heard_of_the_first() {
    let (mut net, [(a, ours), (b, theirs)], [callee, caller]) = talking(true);
    offer(&mut net, a, ours, SDP);
    assert!(is_agreed(&net.events(a)));
    assert_eq!(wanted(&mut net), [(caller, false, None), (callee, true, None)]);
    offer(&mut net, a, ours, VIDEO);
    assert_eq!(wanted(&mut net), []);
    assert_eq!(offered(&mut net, b), Some(Some(SDP.to_owned())));
    answer(&mut net, b, theirs, SDP);
    assert_eq!(wanted(&mut net), [(callee, true, BOTH)]);
    assert_eq!(offered(&mut net, b), Some(Some(VIDEO.to_owned())));
    answer(&mut net, b, theirs, VIDEO);
    assert_eq!(wanted(&mut net), [(caller, false, BOTH)]);
    assert!(is_agreed(&net.events(a)));
    net.assert_nothing_left();
}

#[test]
fn taken_away_while_the_other_changes_something_it_hears_of_it_after_that() {
    let (mut net, [(a, ours), (b, theirs)], [callee, caller]) = talking(true);
    net.slow_down();
    offer(&mut net, b, theirs, VIDEO);
    offer(&mut net, a, ours, SDP);
    net.deliver_all();
    assert!(is_agreed(&net.events(a)));
    assert_eq!(offered(&mut net, b), Some(Some(SDP.to_owned())));
    answer(&mut net, b, theirs, SDP);
    net.deliver_all();
    // The device's came first, and its answer said what was known then.
    let asked: Vec<_> = wanted(&mut net);
    assert_eq!(asked[..2], [(callee, false, BOTH), (caller, false, None)]);
    assert!(asked[2..].iter().all(|wanted| *wanted == (callee, true, None)), "{asked:?}");
    net.assert_nothing_left();
}

#[test]
fn an_offer_that_is_not_sent_yet_gives_way_to_the_devices() {
    let (mut net, [(a, ours), (b, theirs)], [callee, caller]) = talking(false);
    net.slow_down();
    offer(&mut net, a, ours, VIDEO);
    offer(&mut net, b, theirs, HELD);
    net.deliver_all();
    assert!(is_agreed(&net.events(b)) && !is_agreed(&net.events(a)));
    answer(&mut net, b, theirs, VIDEO);
    net.deliver_all();
    assert!(is_agreed(&net.events(a)));
    // What it holds it is not sent.
    let held = Some(Direction::RecvOnly);
    let wanted = wanted(&mut net);
    assert_eq!(wanted[..2], [(callee, true, BOTH), (callee, false, None)]);
    assert_eq!((wanted[wanted.len() - 2], wanted[wanted.len() - 1]), ((callee, true, held), (caller, false, BOTH)));
    net.assert_nothing_left();
}

#[test]
fn both_add_video_at_once_and_neither_is_asked() {
    for order in [[0, 1], [1, 0]] {
        let (mut net, phones, _) = talking(false);
        net.slow_down();
        for which in order {
            let (who, call) = phones[which];
            offer(&mut net, who, call, VIDEO);
        }
        net.deliver_all();
        for (who, _) in phones {
            let events = net.events(who);
            assert!(is_agreed(&events), "{events:?}");
            assert!(!events.iter().any(|event| matches!(event, Event::RemoteOffer { .. })), "{events:?}");
        }
        assert!(net.switch.legs.values().all(|leg| leg.video == BOTH));
        net.assert_nothing_left();
    }
}

#[test]
fn who_answers_491_is_offered_it_again_later() {
    for sdp in [VIDEO, SDP] {
        let (mut net, [(a, ours), (b, theirs)], _) = talking(sdp == SDP);
        offer(&mut net, a, ours, sdp);
        for _ in 0..2 {
            assert_eq!(offered(&mut net, b), Some(Some(sdp.to_owned())));
            net.command(b, |agent, now| agent.refuse_offer(now, theirs, 491)).expect("refused");
            assert_eq!(offered(&mut net, b), None, "RFC 3261 §14.1");
            net.advance(4_000);
        }
        assert_eq!(is_agreed(&net.events(a)), sdp == SDP);
        answer(&mut net, b, theirs, sdp);
        let video = (sdp == VIDEO).then_some(Direction::SendRecv);
        assert!(net.switch.legs.values().all(|leg| leg.video == video));
        net.assert_nothing_left();
    }
}

#[test]
fn who_asked_is_away_when_the_other_agrees_which_has_no_video_with_nobody() {
    let (mut net, [(a, ours), (b, theirs)], [callee, _]) = talking(false);
    offer(&mut net, a, ours, VIDEO);
    assert!(offered(&mut net, b).is_some());
    net.disconnect(a);
    answer(&mut net, b, theirs, VIDEO);
    assert_eq!(wanted(&mut net), [(callee, true, BOTH), (callee, true, None)]);
    assert_eq!(offered(&mut net, b), Some(Some(SDP.to_owned())));
    answer(&mut net, b, theirs, SDP);
    assert!(net.switch.legs.values().all(|leg| leg.video.is_none() && leg.waiting.is_none()));
    net.assert_nothing_left();
}

#[test]
fn who_is_away_before_the_other_is_asked_asks_nothing() {
    let (mut net, [(a, ours), (b, theirs)], _) = talking(false);
    net.slow_down();
    offer(&mut net, a, ours, VIDEO);
    net.disconnect(a);
    net.deliver_all();
    assert_eq!(offered(&mut net, b), None);
    // And what it asks for itself is asked.
    net.reconnect(a);
    net.register(a, 600, "secret-1000");
    offer(&mut net, b, theirs, SDP);
    net.deliver_all();
    assert!(is_agreed(&net.events(b)));
    net.assert_nothing_left();
}

#[test]
fn video_that_is_taken_away_while_the_device_waits_for_an_offer_is_gone_after_that() {
    let (mut net, [(a, ours), (b, theirs)], [callee, caller]) = talking(true);
    net.slow_down();
    let dialog = net.command(b, |agent, _| {
        let view = agent.call(theirs).expect("a call");
        let (local, remote) = (view.local_tag, view.remote_tag.expect("a dialog"));
        format!(
            "Via: SIP/2.0/WS b.invalid;branch=z9hG4bKlate\r\nFrom: <sip:1001@localhost>;tag={local}\r\n\
             To: <sip:1000@localhost>;tag={remote}\r\nCall-ID: {}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:device-1@client.invalid;transport=ws>\r\n",
            view.call_id
        )
    });
    net.forge(b, format!("INVITE sip:localhost SIP/2.0\r\n{dialog}CSeq: 77 INVITE\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(wanted(&mut net), [(callee, true, BOTH)]);
    offer(&mut net, a, ours, SDP);
    net.deliver_all();
    assert_eq!(wanted(&mut net), [(caller, false, None)], "the device's exchange is under way");
    let length = VIDEO.len();
    net.forge(
        b,
        format!(
            "ACK sip:localhost SIP/2.0\r\n{dialog}CSeq: 77 ACK\r\nContent-Type: application/sdp\r\n\
             Content-Length: {length}\r\n\r\n{VIDEO}"
        ),
    );
    net.deliver_all();
    assert_eq!(wanted(&mut net), [(callee, true, None)]);
    assert_eq!(offered(&mut net, b), Some(Some(SDP.to_owned())));
    answer(&mut net, b, theirs, SDP);
    net.deliver_all();
    assert!(net.switch.legs.values().all(|leg| leg.video.is_none()));
    net.assert_nothing_left();
}

#[test]
fn a_device_that_has_not_heard_yet_that_its_video_is_taken_away_learns_it_by_the_answer() {
    let (mut net, [(a, ours), (b, theirs)], [callee, caller]) = talking(true);
    net.slow_down();
    offer(&mut net, a, ours, SDP);
    offer(&mut net, b, theirs, VIDEO);
    net.deliver_all();
    assert!(is_agreed(&net.events(a)) && is_agreed(&net.events(b)));
    assert_eq!(wanted(&mut net), [(caller, false, None), (callee, true, None), (callee, false, None)]);
    assert!(net.switch.legs.values().all(|leg| leg.video.is_none()));
    net.assert_nothing_left();
}

#[test]
fn who_is_away_while_its_video_is_taken_away_learns_it_when_it_is_back() {
    for is_sent in [false, true] {
        let (mut net, [(a, ours), (b, theirs)], [callee, caller]) = talking(true);
        if is_sent {
            offer(&mut net, a, ours, SDP);
            net.disconnect(b);
        } else {
            net.disconnect(b);
            offer(&mut net, a, ours, SDP);
        }
        assert_eq!(wanted(&mut net), [(caller, false, None), (callee, true, None)]);
        net.reconnect(b);
        net.register(b, 600, "secret-1001");
        let contact = net.contact(b);
        net.command(b, |agent, now| agent.rebind(now, theirs, ConnectionId(0), contact)).expect("moved");
        offer(&mut net, b, theirs, VIDEO);
        assert_eq!(wanted(&mut net), [(callee, false, None)], "the other is not asked");
        assert!(is_agreed(&net.events(b)));
        assert!(net.switch.legs.values().all(|leg| leg.video.is_none()));
        net.assert_nothing_left();
    }
}

#[test]
fn who_was_away_and_offers_nothing_when_it_is_back_is_offered_what_it_has_missed() {
    let (mut net, [(a, ours), (b, theirs)], _) = talking(true);
    net.disconnect(b);
    offer(&mut net, a, ours, SDP);
    net.come_back(b, theirs);
    net.command(b, |agent, now| agent.modify(now, theirs, refresh())).expect("sent");
    assert_eq!(offered(&mut net, b), Some(Some(SDP.to_owned())));
    answer(&mut net, b, theirs, SDP);
    assert!(net.switch.legs.values().all(|leg| leg.video.is_none()));
    net.assert_nothing_left();
}

#[test]
fn an_offer_of_ours_on_a_connection_that_is_gone_is_not_in_the_way_of_who_is_back() {
    for first in ["INVITE", "INFO"] {
        let (mut net, [(a, ours), (b, theirs)], _) = talking(true);
        let before = net.lose(a);
        offer(&mut net, b, theirs, SDP);
        net.come_back(a, ours);
        if first == "INVITE" {
            offer(&mut net, a, ours, VIDEO);
            assert!(is_agreed(&net.events(a)), "and not refused with 491 for the 32 s that ours has");
        } else {
            net.command(a, |agent, now| agent.request(now, ours, first, Vec::new(), None).map(drop)).expect("sent");
            assert_eq!(offered(&mut net, a), Some(Some(SDP.to_owned())), "again, where it is heard");
            answer(&mut net, a, ours, SDP);
        }
        assert!(net.switch.legs.values().all(|leg| leg.video.is_none()), "{first}");
        net.advance(40_000);
        assert_eq!(net.switch.calls(), 1, "{first}");
        net.notice_loss(before);
        net.assert_nothing_left();
    }
}
