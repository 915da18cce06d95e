//! re-INVITE and UPDATE, both ways and at once.
mod common;

use common::*;
use offhook_sip::{Accept, CallKey, CommandError, Event, Modify, ModifyMethod, ModifyOutcome, TerminationKind};

const HOLD: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n";

fn hold(method: ModifyMethod) -> Modify {
    Modify { method, offer: Some(HOLD.to_owned()), headers: Vec::new() }
}

fn modify(lab: &mut Lab, who: usize, call: CallKey, method: ModifyMethod) -> Result<(), CommandError> {
    lab.act(who, |agent, now| agent.modify(now, call, hold(method)))
}

fn offered(lab: &mut Lab, who: usize) -> bool {
    lab.take(who).iter().any(|e| matches!(e, Event::RemoteOffer { offer: Some(sdp), .. } if sdp == HOLD))
}

#[test]
fn each_side_can_reinvite_and_update() {
    for method in [ModifyMethod::Invite, ModifyMethod::Update] {
        for (from, to) in [(A, B), (B, A)] {
            let mut lab = Lab::new();
            let (a, b) = lab.established();
            let calls = [a, b];
            modify(&mut lab, from, calls[from], method).expect("idle");
            assert_eq!(modify(&mut lab, from, calls[from], method), Err(CommandError::OfferPending));
            lab.run(50);
            assert!(offered(&mut lab, to));
            lab.act(to, |agent, now| agent.answer_offer(now, calls[to], ANSWER.to_owned())).expect("asked");
            lab.run(50);
            let events = lab.take(from);
            let accepted = |e: &Event| matches!(e, Event::Modified { outcome: ModifyOutcome::Accepted { sdp: Some(s) }, .. } if s == ANSWER);
            let [agreed, Event::ModifyRetry { .. }] = &events[..] else { panic!("{events:?}") };
            assert!(accepted(agreed), "{events:?}");
            lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
            lab.assert_idle();
        }
    }
}

#[test]
fn a_refused_offer_leaves_the_call_up() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    modify(&mut lab, A, a, ModifyMethod::Invite).expect("idle");
    lab.run(50);
    lab.act(B, |agent, now| agent.refuse_offer(now, b, 488)).expect("asked");
    lab.run(50);
    let events = lab.take(A);
    assert!(
        matches!(&events[..], [Event::Modified { outcome: ModifyOutcome::Refused { status: 488, .. }, .. }]),
        "{events:?}"
    );
    modify(&mut lab, B, b, ModifyMethod::Invite).expect("idle again");
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn crossing_reinvites_are_both_refused_and_both_get_through_in_the_end() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    modify(&mut lab, A, a, ModifyMethod::Invite).expect("idle");
    modify(&mut lab, B, b, ModifyMethod::Invite).expect("idle");
    lab.run(100);
    for who in [A, B] {
        let events = lab.take(who);
        assert!(matches!(&events[..], [Event::Modified { outcome: ModifyOutcome::Glare, .. }]), "{who}: {events:?}");
    }
    assert_eq!(lab.sent(A), ["INVITE", "491 INVITE", "ACK"]);
    // B did not make the Call-ID: it is allowed to try within 2 s, A from 2.1 s on (§14.1).
    let start = lab.now;
    while !lab.events[B].iter().any(|e| matches!(e, Event::ModifyRetry { .. })) {
        lab.run(10);
        assert!(lab.now - start <= 2_000);
    }
    lab.take(B);
    modify(&mut lab, B, b, ModifyMethod::Invite).expect("idle");
    lab.run(50);
    assert!(offered(&mut lab, A));
    // A's time comes while B's offer is not answered: it waits for that.
    lab.run(6_000);
    assert!(lab.take(A).is_empty());
    lab.act(A, |agent, now| agent.answer_offer(now, a, ANSWER.to_owned())).expect("asked");
    lab.run(100);
    assert!(matches!(lab.take(A)[..], [Event::ModifyRetry { .. }]), "when the ACK is in");
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn an_offer_while_theirs_is_pending_is_refused_by_the_command_and_on_the_wire() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    modify(&mut lab, A, a, ModifyMethod::Update).expect("idle");
    lab.run(50);
    assert_eq!(modify(&mut lab, B, b, ModifyMethod::Invite), Err(CommandError::OfferPending));
    // A's user would have to break the rules to send another; a raw peer can.
    let update = lab.wire.iter().find(|(_, t)| t.starts_with("UPDATE")).map(|(_, t)| t.clone()).expect("sent");
    let second = update.replace("branch=z9hG4bK", "branch=z9hG4bKother").replace("2 UPDATE", "9 UPDATE");
    lab.act(B, |agent, now| {
        agent.handle_input(now, offhook_sip::Input::Received { connection: LINK, data: second.into() });
    });
    let answer = lab.wire.last().map(|(_, t)| t.clone()).expect("answered");
    assert!(answer.starts_with("SIP/2.0 500") && !header(&answer, "Retry-After").is_empty(), "{answer}");
    lab.act(B, |agent, now| agent.hangup(now, b, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn a_request_that_had_to_wait_for_another_may_be_sent_after_that() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    modify(&mut lab, A, a, ModifyMethod::Invite).expect("idle");
    lab.run(50);
    lab.take(B);
    assert_eq!(modify(&mut lab, B, b, ModifyMethod::Invite), Err(CommandError::OfferPending));
    lab.run(1_000);
    assert!(lab.take(B).is_empty());
    lab.act(B, |agent, now| agent.answer_offer(now, b, ANSWER.to_owned())).expect("asked");
    assert!(lab.take(B).is_empty(), "not acknowledged yet");
    lab.run(50);
    assert!(matches!(lab.take(B)[..], [Event::ModifyRetry { .. }]));
    modify(&mut lab, B, b, ModifyMethod::Invite).expect("idle");
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn a_request_without_an_offer_does_not_stand_for_the_one_that_was_refused() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    modify(&mut lab, B, b, ModifyMethod::Invite).expect("idle");
    lab.run(50);
    lab.act(A, |agent, now| agent.refuse_offer(now, a, 491)).expect("asked");
    let glare = |e: &Event| matches!(e, Event::Modified { outcome: ModifyOutcome::Glare, .. });
    while !lab.take(B).iter().any(glare) {
        lab.run(1);
    }
    let update = Modify { method: ModifyMethod::Update, offer: None, headers: Vec::new() };
    lab.act(B, |agent, now| agent.modify(now, b, update)).expect("idle");
    lab.run(2_100);
    let events = lab.take(B);
    let [Event::Modified { outcome: ModifyOutcome::Accepted { sdp: None }, .. }, Event::ModifyRetry { .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn a_reinvite_without_offer_asks_for_ours_and_the_answer_comes_with_the_ack() {
    let mut solo = Solo::server();
    let dialog = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n";
    let (call, ok) = solo.answered(dialog);
    let dialog = format!("From: <sip:a@b>;tag=1\r\nTo: {}\r\nCall-ID: x\r\n", header(&ok, "To"));
    solo.receive(request("ACK", "sip:c@d", &dialog, 1, "", ""));
    solo.receive(request("INVITE", "sip:c@d", &dialog, 2, "", ""));
    assert!(matches!(solo.take()[..], [Event::Confirmed { .. }, Event::RemoteOffer { offer: None, .. }]));
    solo.act(|agent, now| agent.answer_offer(now, call, HOLD.to_owned())).expect("asked");
    assert!(solo.take_sent()[0].contains("a=sendonly"));
    solo.receive(request("ACK", "sip:c@d", &dialog, 2, "", OFFER));
    assert!(matches!(&solo.take()[..], [Event::RemoteAnswer { answer, .. }] if answer == OFFER));
    // Once more, with an ACK that owes the answer.
    solo.receive(request("INVITE", "sip:c@d", &dialog, 3, "", ""));
    solo.act(|agent, now| agent.answer_offer(now, call, HOLD.to_owned())).expect("asked");
    solo.take();
    solo.receive(request("ACK", "sip:c@d", &dialog, 3, "", ""));
    assert!(matches!(solo.take()[..], [Event::RemoteOfferAbandoned { .. }]));
}

#[test]
fn the_far_end_hangs_up_inside_our_reinvite() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    modify(&mut lab, A, a, ModifyMethod::Invite).expect("idle");
    lab.act(B, |agent, now| agent.hangup(now, b, None)).expect("up");
    lab.run(100);
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::Bye));
    lab.assert_idle();
}

#[test]
fn hanging_up_while_their_offer_waits_answers_it_487() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    modify(&mut lab, A, a, ModifyMethod::Invite).expect("idle");
    lab.run(50);
    lab.act(B, |agent, now| agent.hangup(now, b, None)).expect("up");
    lab.run(50);
    let sent = lab.sent(B);
    assert!(sent.contains(&"BYE".to_owned()) && sent.contains(&"487 INVITE".to_owned()), "{sent:?}");
    lab.assert_idle();
}

#[test]
fn a_reinvite_answered_481_ends_the_call() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    lab.lose = Box::new(|from, _| from == B);
    lab.act(B, |agent, now| agent.hangup(now, b, None)).expect("up");
    lab.lose = Box::new(|_, _| false);
    modify(&mut lab, A, a, ModifyMethod::Invite).expect("A does not know");
    lab.run(100);
    let events = lab.take(A);
    assert!(matches!(events[0], Event::Modified { outcome: ModifyOutcome::Refused { status: 481, .. }, .. }));
    assert_eq!(terminated(&events).map(|t| (t.kind, t.status)), Some((TerminationKind::DialogError, Some(481))));
    lab.assert_idle();
}

#[test]
fn a_reinvite_nobody_answers_ends_the_call() {
    let mut lab = Lab::new();
    let (a, _) = lab.established();
    lab.lose = Box::new(|_, text| text.contains("INVITE\r\n"));
    modify(&mut lab, A, a, ModifyMethod::Invite).expect("idle");
    lab.run(40_000);
    let events = lab.take(A);
    assert!(matches!(events[0], Event::Modified { outcome: ModifyOutcome::Timeout, .. }));
    assert_eq!(terminated(&events).map(|t| t.kind), Some(TerminationKind::DialogError));
    lab.assert_idle();
}

#[test]
fn a_reinvite_answered_by_trying_only_is_cancelled_and_settles() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    modify(&mut lab, A, a, ModifyMethod::Invite).expect("idle");
    lab.run(80_000);
    let events = lab.take(A);
    assert!(
        matches!(&events[..], [Event::Modified { outcome: ModifyOutcome::Refused { status: 487, .. }, .. }]),
        "{events:?}"
    );
    let theirs = lab.take(B);
    assert!(matches!(theirs[..], [Event::RemoteOffer { .. }, Event::RemoteOfferAbandoned { .. }]), "{theirs:?}");
    assert!(lab.act(B, |agent, now| agent.answer_offer(now, b, ANSWER.to_owned())).is_err());
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn a_lost_ack_of_a_reinvite_is_sent_again() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    modify(&mut lab, A, a, ModifyMethod::Invite).expect("idle");
    lab.run(50);
    let mut lost = false;
    lab.lose = Box::new(move |_, text| text.starts_with("ACK") && !std::mem::replace(&mut lost, true));
    lab.act(B, |agent, now| agent.answer_offer(now, b, ANSWER.to_owned())).expect("asked");
    lab.run(2_000);
    assert_eq!(lab.sent(A), ["INVITE", "ACK", "ACK"]);
    modify(&mut lab, B, b, ModifyMethod::Invite).expect("the exchange is over");
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn a_call_that_ends_inside_a_reinvite_answered_by_trying_only_leaves_no_transaction() {
    for hung_up_by in [A, B] {
        let mut lab = Lab::new();
        let (a, b) = lab.established();
        // Whatever B makes of the re-INVITE is lost but for the 100.
        lab.lose = Box::new(|from, text| from == B && text.contains("INVITE") && !text.starts_with("SIP/2.0 100"));
        modify(&mut lab, A, a, ModifyMethod::Invite).expect("idle");
        lab.run(500);
        assert!(lab.sent(B).contains(&"100 INVITE".to_owned()), "{:?}", lab.sent(B));
        let call = [a, b][hung_up_by];
        lab.act(hung_up_by, |agent, now| agent.hangup(now, call, None)).expect("up");
        lab.run(70_000);
        lab.assert_idle();
    }
}

#[test]
fn a_reinvite_stands_for_the_ack_that_was_lost() {
    // Of the re-INVITE before it, or of the INVITE that made the call.
    for of_the_first in [false, true] {
        let mut lab = Lab::new();
        lab.lose = Box::new(|from, text| from == A && text.starts_with("ACK"));
        let a = lab.invite(invite());
        lab.run(50);
        let b = lab.incoming();
        lab.accept(b);
        lab.run(50);
        if !of_the_first {
            // This one came after all.
            lab.lose = Box::new(|_, _| false);
            lab.run(1_000);
            lab.lose = Box::new(|from, text| from == A && text.starts_with("ACK"));
            modify(&mut lab, A, a, ModifyMethod::Invite).expect("idle");
            lab.run(50);
            lab.act(B, |agent, now| agent.answer_offer(now, b, ANSWER.to_owned())).expect("asked");
            lab.run(50);
        }
        lab.lose = Box::new(|_, _| false);
        lab.take(B);
        modify(&mut lab, A, a, ModifyMethod::Invite).expect("its own exchange is over");
        lab.run(30);
        let events = lab.take(B);
        assert_eq!(events.iter().any(|e| matches!(e, Event::Confirmed { .. })), of_the_first, "{events:?}");
        assert!(events.iter().any(|e| matches!(e, Event::RemoteOffer { offer: Some(_), .. })), "{events:?}");
        lab.act(B, |agent, now| agent.answer_offer(now, b, ANSWER.to_owned())).expect("asked");
        lab.run(60_000);
        assert!(lab.agent(A).call(a).is_some() && lab.agent(B).call(b).is_some(), "nobody gave up for want of an ACK");
        lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
        lab.assert_idle();
    }
}

#[test]
fn an_update_that_crosses_a_reinvite_is_refused_as_it_is_and_both_get_through_in_the_end() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    let calls = [a, b];
    modify(&mut lab, A, a, ModifyMethod::Update).expect("idle");
    modify(&mut lab, B, b, ModifyMethod::Invite).expect("idle");
    lab.run(100);
    for who in [A, B] {
        let events = lab.take(who);
        assert!(matches!(&events[..], [Event::Modified { outcome: ModifyOutcome::Glare, .. }]), "{who}: {events:?}");
    }
    assert_eq!(lab.sent(A), ["UPDATE", "491 INVITE"], "RFC 3311 §5.2: as between two re-INVITEs");
    let (mut done, methods) = ([false; 2], [ModifyMethod::Update, ModifyMethod::Invite]);
    for _ in 0..1_000 {
        lab.run(10);
        for who in [A, B] {
            for event in lab.take(who) {
                match event {
                    Event::ModifyRetry { .. } => modify(&mut lab, who, calls[who], methods[who]).expect("its time"),
                    Event::RemoteOffer { .. } => {
                        lab.act(who, |agent, now| agent.answer_offer(now, calls[who], ANSWER.to_owned()))
                            .expect("asked");
                    }
                    Event::Modified { outcome: ModifyOutcome::Accepted { .. }, .. } => done[who] = true,
                    other => panic!("{who}: {other:?}"),
                }
            }
        }
    }
    assert_eq!(done, [true, true]);
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn an_update_of_ours_without_an_offer_refuses_no_reinvite_that_crosses_it() {
    let mut solo = Solo::server();
    let (call, ok) = solo.answered("From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n");
    let dialog = format!("From: <sip:a@b>;tag=1\r\nTo: {}\r\nCall-ID: x\r\n", header(&ok, "To"));
    solo.receive(request("ACK", "sip:c@d", &dialog, 1, "", ""));
    for (cseq, update_first) in [(2, true), (3, false)] {
        solo.take();
        let update = Modify { method: ModifyMethod::Update, offer: None, headers: Vec::new() };
        solo.act(|agent, now| agent.modify(now, call, update)).expect("idle");
        let update = solo.take_sent().remove(0);
        solo.receive(request("INVITE", "sip:c@d", &dialog, cseq, "", OFFER));
        assert!(matches!(solo.take()[..], [Event::RemoteOffer { .. }]));
        let reinvite = solo.act(|agent, now| agent.modify(now, call, hold(ModifyMethod::Invite)));
        assert_eq!(reinvite, Err(CommandError::OfferPending));
        let over = |solo: &mut Solo| {
            solo.reply(&update, "200 OK", "", "Contact: <sip:a@b>\r\n", "");
            let events = solo.take();
            assert!(matches!(events[0], Event::Modified { outcome: ModifyOutcome::Accepted { sdp: None }, .. }));
            events.len()
        };
        if update_first {
            assert_eq!(over(&mut solo), 1, "theirs is pending");
        }
        solo.act(|agent, now| agent.answer_offer(now, call, ANSWER.to_owned())).expect("asked");
        assert_eq!(solo.take_sent().iter().map(|text| summary(text)).collect::<Vec<_>>(), ["200 INVITE"]);
        solo.receive(request("ACK", "sip:c@d", &dialog, cseq, "", ""));
        if update_first {
            assert!(matches!(solo.take()[..], [Event::ModifyRetry { .. }]));
        } else {
            assert!(solo.take().is_empty(), "ours is pending");
            assert_eq!(over(&mut solo), 2, "and what had to wait may be sent");
        }
    }
    solo.act(|agent, now| agent.modify(now, call, hold(ModifyMethod::Invite))).expect("idle");
}

#[test]
fn an_offer_before_the_first_is_answered_is_refused_as_whose_that_is_demands() {
    let answered = |solo: &mut Solo| {
        let sent = solo.take_sent().pop().expect("answered");
        (summary(&sent), !header(&sent, "Retry-After").is_empty())
    };
    // Our INVITE and its offer (§14.2, RFC 3311 §5.2).
    let mut solo = Solo::client();
    solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
    let sent = solo.take_sent().remove(0);
    solo.reply(&sent, "183 Progress", "t", "Contact: <sip:b@b>\r\n", "");
    let (to, from, call_id) = (header(&sent, "To"), header(&sent, "From"), header(&sent, "Call-ID"));
    let dialog = format!("From: {to};tag=t\r\nTo: {from}\r\nCall-ID: {call_id}\r\n");
    for (cseq, method) in [(1, "UPDATE"), (2, "INVITE")] {
        solo.receive(request(method, "sip:alice@alice.invalid", &dialog, cseq, "", OFFER));
        assert_eq!(answered(&mut solo), (format!("491 {method}"), false));
    }
    for late in [true, false] {
        let mut solo = Solo::server();
        let caller = "From: <sip:a@b>;tag=1\r\nCall-ID: x\r\n";
        let offer = if late { "" } else { OFFER };
        solo.receive(request("INVITE", "sip:c@d", &format!("{caller}To: <sip:c@d>\r\n"), 1, "", offer));
        let Some(Event::Incoming { call, .. }) = solo.take().first().cloned() else { panic!("an INVITE") };
        let accept = Accept { sdp: ANSWER.to_owned(), contact: contact("bob"), headers: Vec::new(), credentials: None };
        solo.act(|agent, now| agent.accept(now, call, accept)).expect("rings");
        let dialog = format!("{caller}To: {}\r\n", header(&solo.take_sent()[0], "To"));
        solo.receive(request("UPDATE", "sip:c@d", &dialog, 2, "", OFFER));
        let status = if late { "491 UPDATE" } else { "500 UPDATE" };
        assert_eq!(answered(&mut solo), (status.to_owned(), !late), "not acknowledged yet; our offer: {late}");
        solo.receive(request("ACK", "sip:c@d", &dialog, 1, "", if late { ANSWER } else { "" }));
        // Our offer in the 2xx of theirs.
        solo.receive(request("INVITE", "sip:c@d", &dialog, 3, "", offer));
        solo.act(|agent, now| agent.answer_offer(now, call, HOLD.to_owned())).expect("asked");
        solo.receive(request("UPDATE", "sip:c@d", &dialog, 4, "", OFFER));
        assert_eq!(answered(&mut solo), (status.to_owned(), !late), "not acknowledged yet; our offer: {late}");
    }
}
