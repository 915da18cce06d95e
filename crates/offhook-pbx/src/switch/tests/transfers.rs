//! REFER, with and without Replaces.

use offhook_sip::message::HeadersExt as _;
use offhook_sip::{CallKey, Event, HeaderField, RequestOutcome};

use super::hold::change;
use super::network::{HELD, Network, SDP, Who, header, refresh, reinvite};
use crate::media::{MediaAction, MediaEvent, Sound};

/// Sends a REFER.
fn refer(net: &mut Network, who: Who, call: CallKey, to: &str) {
    let headers = vec![HeaderField::new("Refer-To", to).expect("a header")];
    net.command(who, |agent, now| agent.request(now, call, "REFER", headers, None)).expect("sent");
}

/// What the transferor was told since: the statuses of answers to REFER, and of NOTIFYs (which are acknowledged); and
/// whether its calls ended.
fn told(net: &mut Network, who: Who) -> (Vec<u16>, Vec<u16>, bool) {
    let (mut answers, mut statuses, mut over) = (Vec::new(), Vec::new(), false);
    for event in net.events(who) {
        match event {
            Event::Response { outcome: RequestOutcome::Answered(response), .. } => answers.push(response.status.code()),
            Event::Request { transaction, request, .. } => {
                let event = request.headers.text("Event").expect("an event");
                assert!(event.starts_with("refer;id="), "{event}");
                let body = String::from_utf8_lossy(request.body()).into_owned();
                let status: u16 = body.split(' ').nth(1).expect("a sipfrag").parse().expect("a status");
                let state = request.headers.text("Subscription-State").expect("a state");
                assert_eq!(state.starts_with("terminated"), status >= 200, "{state}");
                statuses.push(status);
                net.command(who, |agent, now| agent.respond(now, transaction, 200, Vec::new(), None)).expect("taken");
            }
            Event::Terminated { .. } => over = true,
            _ => {}
        }
    }
    (answers, statuses, over)
}

/// Whom a device was told by UPDATE that it is connected with.
fn identity(events: Vec<Event>) -> Option<String> {
    events.into_iter().find_map(|event| match event {
        Event::Updated { request, .. } => request.headers.text("P-Asserted-Identity"),
        _ => None,
    })
}

fn bridges(net: &mut Network) -> usize {
    net.media.drain(..).filter(|action| matches!(action, MediaAction::Bridge { .. })).count()
}

fn hang_up(net: &mut Network, who: Who, call: CallKey) {
    net.command(who, |agent, now| agent.hangup(now, call, None)).expect("ends");
}

/// A Refer-To that names a dialog of this client's.
fn replacing(net: &mut Network, who: Who, call: CallKey, number: &str) -> String {
    net.command(who, |agent, _| {
        let view = agent.call(call).expect("a call");
        let (id, local, remote) = (view.call_id, view.local_tag, view.remote_tag.expect("a dialog"));
        let escaped = format!("{id}%3Bto-tag%3D{remote}%3Bfrom-tag%3D{local}").replace('@', "%40");
        format!("<sip:{number}@localhost?Replaces={escaped}>")
    })
}

#[test]
fn a_blind_transfer_rings_the_target_and_connects_the_transferee() {
    for caller_transfers in [true, false] {
        let mut net = Network::new();
        let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
        let (ours, theirs) = net.established(a, b);
        let (transferor, key, transferee) = if caller_transfers { (a, ours, b) } else { (b, theirs, a) };
        net.media.clear();
        refer(&mut net, transferor, key, "<sip:1002@localhost>");
        assert_eq!(told(&mut net, transferor), (vec![202], vec![100], false));
        assert!(net.media.iter().any(|action| matches!(action, MediaAction::Play { sound: Sound::Music, .. })));
        let invite = net.next(c);
        let who = if caller_transfers { "\"Ben\" <sip:1001@localhost>" } else { "\"Ada\" <sip:1000@localhost>" };
        assert_eq!(header(&invite, "P-Asserted-Identity").as_deref(), Some(who), "the target sees the transferee");
        let Event::Incoming { call: target, .. } = invite else { panic!("no call") };
        net.ring(c, target, None);
        assert_eq!(told(&mut net, transferor).1, [180]);
        bridges(&mut net);
        net.answer(c, target);
        assert_eq!(bridges(&mut net), 1);
        assert_eq!(told(&mut net, transferor), (Vec::new(), vec![200], false), "it is the transferor's to hang up");
        let updated = identity(net.events(transferee));
        assert_eq!(updated.as_deref(), Some("\"Cleo\" <sip:1002@localhost>"));
        hang_up(&mut net, transferor, key);
        assert!(net.events(transferee).is_empty(), "the transferee stays");
        hang_up(&mut net, c, target);
        assert!(net.ended(transferee).established);
        net.assert_nothing_left();
    }
}

#[test]
fn a_transferor_that_does_not_hang_up_is_hung_up() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, _) = net.established(a, b);
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    let target = net.incoming(c);
    net.answer(c, target);
    net.advance(4_000);
    assert!(!told(&mut net, a).2);
    net.advance(2_000);
    assert!(told(&mut net, a).2);
    assert_eq!(net.switch.calls(), 1);
    net.assert_nothing_left();
}

#[test]
fn a_transfer_that_comes_to_nothing_leaves_the_call_as_it_was() {
    for (number, status) in [("4242", 404), ("1005", 480), ("604", 486), ("609", 403), ("605", 503)] {
        let mut net = Network::new();
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        let (ours, theirs) = net.established(a, b);
        change(&mut net, a, ours, HELD);
        refer(&mut net, a, ours, &format!("<sip:{number}@localhost>"));
        assert_eq!(told(&mut net, a), (vec![202], vec![100, status], false), "{number}");
        change(&mut net, a, ours, super::network::SDP);
        let sound = net.media.iter().rev().find_map(|action| match action {
            MediaAction::Play { sound, .. } => Some(*sound),
            _ => None,
        });
        assert_eq!(sound, Some(Sound::Relay));
        hang_up(&mut net, b, theirs);
        assert!(net.ended(a).established);
        net.assert_nothing_left();
    }
}

#[test]
fn a_target_that_refuses_or_does_not_answer_gives_the_call_back() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, _) = net.established(a, b);
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    let target = net.incoming(c);
    net.command(c, |agent, now| agent.reject(now, target, 603, Vec::new())).expect("refused");
    assert_eq!(told(&mut net, a).1, [100, 603]);
    net.events(c);
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    let target = net.incoming(c);
    net.ring(c, target, None);
    assert_eq!(told(&mut net, a), (vec![202], vec![100, 180], false));
    net.advance(31_000);
    assert_eq!(told(&mut net, a), (Vec::new(), vec![480], false));
    assert_eq!(net.switch.calls(), 1);
    assert!(net.events(b).is_empty());
    net.assert_nothing_left();
}

#[test]
fn the_transferee_hangs_up_while_the_target_rings() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, theirs) = net.established(a, b);
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    let target = net.incoming(c);
    net.ring(c, target, None);
    hang_up(&mut net, b, theirs);
    assert!(!net.ended(c).established, "the target is cancelled");
    assert!(told(&mut net, a).2);
    assert_eq!(net.switch.calls(), 0);
    net.assert_nothing_left();
}

#[test]
fn the_transferor_hangs_up_right_after_the_202_and_the_transfer_goes_on() {
    for answers in [true, false] {
        let mut net = Network::new();
        let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
        let (ours, _) = net.established(a, b);
        refer(&mut net, a, ours, "<sip:1002@localhost>");
        hang_up(&mut net, a, ours);
        let target = net.incoming(c);
        assert!(net.events(b).is_empty(), "the transferee waits");
        if answers {
            bridges(&mut net);
            net.answer(c, target);
            assert_eq!((bridges(&mut net), net.switch.calls()), (1, 1));
            hang_up(&mut net, c, target);
        } else {
            net.command(c, |agent, now| agent.reject(now, target, 486, Vec::new())).expect("refused");
        }
        assert!(net.ended(b).established);
        assert_eq!(net.switch.calls(), 0);
        net.assert_nothing_left();
    }
}

#[test]
fn a_second_refer_and_one_before_the_answer_are_refused() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, _) = net.established(a, b);
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    told(&mut net, a);
    refer(&mut net, a, ours, "<sip:603@localhost>");
    assert_eq!(told(&mut net, a), (vec![491], Vec::new(), false));
    let target = net.incoming(c);
    net.answer(c, target);
    assert_eq!(told(&mut net, a).1, [200]);
    net.assert_nothing_left();

    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.call(a, "1001");
    let theirs = net.incoming(b);
    net.ring(b, theirs, None);
    refer(&mut net, b, theirs, "<sip:603@localhost>");
    assert_eq!(told(&mut net, b).0, [491]);
    net.assert_nothing_left();
}

#[test]
fn services_are_targets_and_transferees() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, _) = net.established(a, b);
    refer(&mut net, a, ours, "<sip:600@localhost>");
    assert_eq!(told(&mut net, a).1, [100, 200]);
    assert!(net.media.iter().any(|action| matches!(action, MediaAction::Play { sound: Sound::Echo, .. })));
    let music = net.call(a, "603");
    net.events(a);
    net.media.clear();
    refer(&mut net, a, music, "<sip:1002@localhost>");
    let target = net.incoming(c);
    net.answer(c, target);
    assert_eq!(told(&mut net, a).1, [100, 200]);
    assert!(net.media.iter().any(|action| matches!(action, MediaAction::Play { sound: Sound::Music, .. })));
    hang_up(&mut net, c, target);
    net.assert_nothing_left();
}

#[test]
fn a_service_is_not_transferred_to_another_and_it_is_told_why() {
    let mut net = Network::new();
    let a = net.phone("1000");
    let music = net.call(a, "603");
    let echo = net.call(a, "600");
    let attended = replacing(&mut net, a, echo, "600");
    net.events(a);
    for to in ["<sip:601@localhost>", attended.as_str()] {
        refer(&mut net, a, music, to);
        let mut words = Vec::new();
        for event in net.events(a) {
            if let Event::Request { transaction, request, .. } = event {
                words.push(String::from_utf8_lossy(request.body()).trim_end().to_owned());
                net.command(a, |agent, now| agent.respond(now, transaction, 200, Vec::new(), None)).expect("taken");
            }
        }
        assert_eq!(words.last().map(String::as_str), Some("SIP/2.0 488 Two services cannot be joined"), "{to}");
    }
    for call in [music, echo] {
        hang_up(&mut net, a, call);
    }
    net.assert_nothing_left();
}

#[test]
fn an_attended_transfer_connects_the_two_far_ends() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (first, theirs) = net.established(a, b);
    change(&mut net, a, first, HELD);
    let (second, target) = net.established(a, c);
    bridges(&mut net);
    let to = replacing(&mut net, a, second, "1002");
    refer(&mut net, a, first, &to);
    let (answers, statuses, over) = told(&mut net, a);
    assert_eq!((answers, statuses, over), (vec![202], vec![100, 200], true), "the consultation is hung up");
    assert_eq!(bridges(&mut net), 1);
    hang_up(&mut net, a, first);
    assert_eq!(net.switch.calls(), 1);
    for (who, name) in [(b, "Cleo"), (c, "Ben")] {
        let told = identity(net.events(who));
        assert!(told.is_some_and(|told| told.contains(name)));
    }
    hang_up(&mut net, b, theirs);
    assert!(net.ended(c).established);
    let _ = target;
    net.assert_nothing_left();
}

#[test]
fn who_is_across_is_told_when_the_devices_own_exchange_is_over() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (first, theirs) = net.established(a, b);
    let (second, _) = net.established(a, c);
    let to = replacing(&mut net, a, second, "1002");
    net.slow_down();
    let modify = reinvite(HELD);
    net.command(b, |agent, now| agent.modify(now, theirs, modify)).expect("sent");
    refer(&mut net, a, first, &to);
    assert_eq!(identity(net.events(b)), None);
    net.deliver_all();
    assert!(identity(net.events(b)).is_some_and(|told| told.contains("Cleo")));
    net.assert_nothing_left();
}

#[test]
fn nobody_takes_the_call_of_another_by_its_dialog() {
    let mut net = Network::new();
    let (a, b, c, d) = (net.phone("1000"), net.phone("1001"), net.phone("1002"), net.phone("1003"));
    let (ours, theirs) = net.established(a, b);
    let (foreign, _) = net.established(c, d);
    let to = replacing(&mut net, c, foreign, "1003");
    refer(&mut net, a, ours, &to);
    assert_eq!(told(&mut net, a), (vec![202], vec![100, 481], false));
    refer(&mut net, a, ours, "<sip:1003@localhost?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>");
    assert_eq!(told(&mut net, a), (vec![202], vec![100, 481], false));
    for to in ["<sip:1003@localhost?Replaces=x>", "<tel:1>", "<sip:1002@localhost", ""] {
        refer(&mut net, a, ours, to);
        assert_eq!(told(&mut net, a).0, [400], "{to:?}");
    }
    assert!(net.events(d).is_empty());
    // Its own, if it still rang (RFC 3891 §3).
    let (second, _) = net.established(a, d);
    let to = replacing(&mut net, a, second, "1003").replace('>', "%3Bearly-only>");
    refer(&mut net, a, ours, &to);
    assert_eq!(told(&mut net, a), (vec![202], vec![100, 486], false));
    hang_up(&mut net, b, theirs);
    net.assert_nothing_left();
}

#[test]
fn the_transferor_loses_its_connection_and_the_transfer_goes_on() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, _) = net.established(a, b);
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    net.disconnect(a);
    let target = net.incoming(c);
    bridges(&mut net);
    net.answer(c, target);
    assert_eq!(bridges(&mut net), 1);
    net.advance(10_000);
    assert_eq!(net.switch.calls(), 1);
    hang_up(&mut net, c, target);
    assert!(net.ended(b).established);
    net.assert_nothing_left();
}

#[test]
fn a_transferor_that_was_away_is_told_the_outcome_when_it_is_back() {
    for first in [reinvite(SDP), refresh()] {
        let mut net = Network::new();
        let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
        let (ours, theirs) = net.established(a, b);
        refer(&mut net, a, ours, "<sip:1002@localhost>");
        told(&mut net, a);
        net.disconnect(a);
        let target = net.incoming(c);
        net.command(c, |agent, now| agent.reject(now, target, 486, Vec::new())).expect("refused");
        net.come_back(a, ours);
        net.command(a, |agent, now| agent.modify(now, ours, first)).expect("sent");
        assert_eq!(told(&mut net, a).1, [486]);
        hang_up(&mut net, b, theirs);
        assert!(net.ended(a).established);
        net.assert_nothing_left();
    }
}

#[test]
fn a_transfer_that_is_asked_for_on_a_new_connection_is_told_of_there() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, _) = net.established(a, b);
    net.disconnect(a);
    net.come_back(a, ours);
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    assert_eq!(told(&mut net, a), (vec![202], vec![100], false));
    let target = net.incoming(c);
    net.answer(c, target);
    assert_eq!(told(&mut net, a), (Vec::new(), vec![200], false));
    net.assert_nothing_left();
}

#[test]
fn who_is_across_is_told_a_device_that_was_away_and_refreshes_its_session() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (first, theirs) = net.established(a, b);
    let (second, _) = net.established(a, c);
    let to = replacing(&mut net, a, second, "1002");
    net.disconnect(b);
    refer(&mut net, a, first, &to);
    net.come_back(b, theirs);
    net.command(b, |agent, now| agent.modify(now, theirs, refresh())).expect("sent");
    assert!(identity(net.events(b)).is_some_and(|told| told.contains("Cleo")));
    net.assert_nothing_left();
}

#[test]
fn who_is_across_is_told_a_device_that_is_back_before_its_loss_is_noticed() {
    for (first, is_noticed) in
        [("UPDATE", true), ("INVITE", true), ("INFO", true), ("UPDATE", false), ("INVITE", false), ("INFO", false)]
    {
        let mut net = Network::new();
        let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
        let (ours, theirs) = net.established(a, b);
        let (second, _) = net.established(a, c);
        let to = replacing(&mut net, a, second, "1002");
        let before = net.lose(b);
        refer(&mut net, a, ours, &to);
        net.come_back(b, theirs);
        net.command(b, |agent, now| match first {
            "UPDATE" => agent.modify(now, theirs, refresh()).expect("sent"),
            "INVITE" => agent.modify(now, theirs, reinvite(SDP)).expect("sent"),
            _ => agent.request(now, theirs, first, Vec::new(), None).map(drop).expect("sent"),
        });
        if is_noticed {
            net.notice_loss(before);
        } else {
            // No answer comes (RFC 3261 §17.1.2.2).
            net.advance(33_000);
        }
        let events = net.events(b);
        let is_over = events.iter().any(|event| matches!(event, Event::Terminated { .. }));
        assert!(!is_over, "{first} {is_noticed}: it has been heard from since");
        assert!(identity(events).is_some_and(|told| told.contains("Cleo")), "{first} {is_noticed}");
        net.notice_loss(before);
        net.assert_nothing_left();
    }
}

#[test]
fn a_notify_whose_loss_is_noticed_when_the_transferor_is_back_is_sent_again_unless_another_transfer_is_asked_for() {
    for again in [false, true] {
        let mut net = Network::new();
        let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
        let (ours, _) = net.established(a, b);
        refer(&mut net, a, ours, "<sip:1002@localhost>");
        told(&mut net, a);
        let before = net.lose(a);
        let target = net.incoming(c);
        net.command(c, |agent, now| agent.reject(now, target, 486, Vec::new())).expect("refused");
        net.come_back(a, ours);
        net.command(a, |agent, now| agent.modify(now, ours, refresh())).expect("sent");
        assert!(told(&mut net, a).1.is_empty());
        if again {
            refer(&mut net, a, ours, "<sip:1002@localhost>");
            assert_eq!(told(&mut net, a).1, [100]);
        }
        net.notice_loss(before);
        let lost: &[u16] = if again { &[] } else { &[486] };
        assert_eq!(told(&mut net, a).1, lost);
        net.assert_nothing_left();
    }
}

#[test]
fn the_target_answers_as_the_transferee_hangs_up_and_is_hung_up_too() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, theirs) = net.established(a, b);
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    let target = net.incoming(c);
    net.slow_down();
    net.answer(c, target);
    hang_up(&mut net, b, theirs);
    net.deliver_all();
    assert!(net.ended(c).established);
    assert!(told(&mut net, a).2);
    assert_eq!(net.switch.calls(), 0);
    net.assert_nothing_left();
}

#[test]
fn a_notify_that_was_lost_with_its_connection_is_sent_again() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, theirs) = net.established(a, b);
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    told(&mut net, a);
    let target = net.incoming(c);
    net.command(c, |agent, now| agent.reject(now, target, 486, Vec::new())).expect("refused");
    // It has come, but nobody says so before the connection breaks.
    net.disconnect(a);
    net.come_back(a, ours);
    net.command(a, |agent, now| agent.modify(now, ours, reinvite(SDP))).expect("sent");
    assert_eq!(told(&mut net, a).1, [486]);
    hang_up(&mut net, b, theirs);
    net.assert_nothing_left();
}

#[test]
fn the_transferor_is_silent_for_good_and_the_transferee_still_gets_the_target() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, _) = net.established(a, b);
    let transferor = net.open[1];
    refer(&mut net, a, ours, "<sip:1002@localhost>");
    net.disconnect(a);
    net.media_event(MediaEvent::Silent { leg: transferor });
    assert!(!net.open.contains(&transferor), "it is gone");
    assert!(net.events(b).is_empty(), "the transferee waits");
    let target = net.incoming(c);
    bridges(&mut net);
    net.answer(c, target);
    assert_eq!((bridges(&mut net), net.switch.calls()), (1, 1));
    hang_up(&mut net, c, target);
    assert!(net.ended(b).established);
    net.assert_nothing_left();
}

#[test]
fn who_knows_the_tags_of_a_call_cannot_refer_it_on_another_connection() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let thief = net.phone("1003");
    let (ours, _) = net.established(a, b);
    let dialog = net.command(a, |agent, _| {
        let view = agent.call(ours).expect("a call");
        let (local, remote) = (view.local_tag, view.remote_tag.expect("a dialog"));
        let id = view.call_id;
        format!("From: <sip:1000@localhost>;tag={local}\r\nTo: <sip:1001@localhost>;tag={remote}\r\nCall-ID: {id}\r\n")
    });
    let forged = |cseq: u32| {
        format!(
            "REFER sip:1001@localhost;transport=ws SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK{cseq}\r\n\
             Max-Forwards: 70\r\n{dialog}CSeq: {cseq} REFER\r\nContact: <sip:x@x.invalid;transport=ws>\r\n\
             Refer-To: <sip:1002@localhost>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    net.forge(thief, forged(100));
    assert!(net.events(c).is_empty() && net.events(b).is_empty());
    assert_eq!(told(&mut net, a), (Vec::new(), Vec::new(), false));
    // The same on the connection of the call's owner is taken.
    net.forge(a, forged(101));
    net.incoming(c);
    assert_eq!(told(&mut net, a).1, [100]);
    net.assert_nothing_left();
}

#[test]
fn a_consultation_is_found_whichever_way_round_its_tags_are() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (first, _) = net.established(a, b);
    change(&mut net, a, first, HELD);
    // The consultation is a call that came in.
    let (_, second) = net.established(c, a);
    bridges(&mut net);
    let to = replacing(&mut net, a, second, "1002");
    let swapped = to.replace("to-tag", "x-tag").replace("from-tag", "to-tag").replace("x-tag", "from-tag");
    refer(&mut net, a, first, &swapped);
    assert_eq!(told(&mut net, a), (vec![202], vec![100, 200], true));
    assert_eq!(bridges(&mut net), 1);
    net.assert_nothing_left();
}
