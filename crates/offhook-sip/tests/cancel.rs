//! CANCEL and what it crosses (RFC 3261 §9), and forked calls.
mod common;

use common::*;
use offhook_sip::{CallState, EarlyId, Event, Originator, Ring, TerminationKind};

#[test]
fn a_ringing_call_is_cancelled() {
    let mut lab = Lab::new();
    let a = lab.invite(invite());
    lab.run(50);
    let b = lab.incoming();
    lab.act(B, |agent, now| agent.ring(now, b, Ring::default())).expect("rings");
    lab.run(50);
    lab.act(A, |agent, now| agent.hangup(now, a, Some((200, "Call completed elsewhere")))).expect("rings");
    assert_eq!(lab.agent(A).call(a).map(|c| c.state), Some(CallState::Canceling), "not over before it is over");
    lab.run(50);
    let theirs = lab.take(B);
    let theirs = terminated(&theirs).expect("over");
    assert_eq!((theirs.kind, theirs.originator), (TerminationKind::Canceled, Originator::Remote));
    assert_eq!(theirs.reason.as_deref(), Some("Call completed elsewhere"));
    let ours = lab.take(A);
    let ours = terminated(&ours).expect("over");
    assert_eq!((ours.kind, ours.originator, ours.status), (TerminationKind::Canceled, Originator::Local, None));
    assert_eq!(lab.sent(B), ["180 INVITE", "200 CANCEL", "487 INVITE"]);
    lab.assert_idle();
}

#[test]
fn the_cancel_waits_for_a_provisional_response() {
    let mut lab = Lab::new();
    let a = lab.invite(invite());
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("calling");
    assert_eq!(lab.sent(A), ["INVITE"], "§9.1: no CANCEL before a 1xx");
    lab.run(1_000);
    assert_eq!(lab.sent(A), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::Canceled));
    lab.assert_idle();
}

#[test]
fn cancelling_an_invite_that_nobody_answers_ends_with_timer_b() {
    let mut lab = Lab::new();
    lab.lose = Box::new(|from, _| from == A);
    let a = lab.invite(invite());
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("calling");
    lab.run(40_000);
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::Canceled));
    lab.assert_idle();
}

#[test]
fn a_cancel_that_crosses_the_200_ends_the_call_with_ack_and_bye() {
    let mut lab = Lab::new();
    let a = lab.invite(invite());
    lab.run(50);
    let b = lab.incoming();
    lab.act(B, |agent, now| agent.ring(now, b, Ring::default())).expect("rings");
    lab.run(50);
    lab.accept(b);
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("the 200 is not here yet");
    lab.run(100);
    assert_eq!(lab.sent(A), ["INVITE", "CANCEL", "ACK", "BYE"]);
    assert_eq!(terminated(&lab.take(A)).map(|t| (t.kind, t.established)), Some((TerminationKind::Canceled, false)));
    let theirs = lab.take(B);
    assert!(theirs.iter().any(|e| matches!(e, Event::Confirmed { .. })));
    assert_eq!(terminated(&theirs).map(|t| (t.kind, t.established)), Some((TerminationKind::Bye, true)));
    lab.assert_idle();
}

#[test]
fn a_cancel_that_crosses_a_refusal_ends_as_cancelled() {
    let mut lab = Lab::new();
    let a = lab.invite(invite());
    lab.run(250);
    let b = lab.incoming();
    lab.act(B, |agent, now| agent.reject(now, b, 486, Vec::new())).expect("rings");
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("the 486 is not here yet");
    lab.run(100);
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::Canceled));
    assert!(lab.sent(B).contains(&"481 CANCEL".to_owned()) || lab.sent(B).contains(&"200 CANCEL".to_owned()));
    lab.assert_idle();
}

#[test]
fn a_cancel_to_which_nothing_comes_is_given_up_and_a_late_200_is_still_ended() {
    let mut solo = Solo::client();
    let a = solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
    let sent = solo.take_sent().remove(0);
    solo.reply(&sent, "180 Ringing", "t1", "", "");
    solo.act(|agent, now| agent.hangup(now, a, None)).expect("rings");
    solo.advance(33_000);
    assert_eq!(terminated(&solo.take()).map(|t| t.kind), Some(TerminationKind::Canceled));
    solo.take_sent();
    solo.reply(&sent, "200 OK", "t1", "Contact: <sip:bob@bob.invalid>\r\n", ANSWER);
    let sent: Vec<String> = solo.take_sent().iter().map(|text| summary(text)).collect();
    assert_eq!(sent, ["ACK", "BYE"]);
}

#[test]
fn a_stray_cancel_is_answered_481() {
    let mut solo = Solo::server();
    let dialog = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n";
    solo.receive(request("CANCEL", "sip:c@d", dialog, 1, "", ""));
    assert!(solo.take_sent()[0].starts_with("SIP/2.0 481"));
}

#[test]
fn a_cancel_after_the_answer_changes_nothing() {
    let mut solo = Solo::server();
    let dialog = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n";
    let invite = request("INVITE", "sip:c@d", dialog, 1, "", OFFER);
    solo.receive(invite.clone());
    let events = solo.take();
    let Some(Event::Incoming { call, .. }) = events.first() else { panic!("{events:?}") };
    let accept =
        offhook_sip::Accept { sdp: ANSWER.to_owned(), contact: contact("bob"), headers: Vec::new(), credentials: None };
    solo.act(|agent, now| agent.accept(now, *call, accept)).expect("rings");
    solo.take_sent();
    solo.receive(
        invite
            .replace("INVITE sip", "CANCEL sip")
            .replace("1 INVITE", "1 CANCEL")
            .replace(OFFER, "")
            .replace(&format!("Content-Length: {}", OFFER.len()), "Content-Length: 0"),
    );
    assert!(solo.take_sent()[0].starts_with("SIP/2.0 200"));
    assert!(terminated(&solo.take()).is_none());
    assert_eq!(solo.view().call(*call).map(|c| c.state), Some(CallState::Answered));
}

#[test]
fn two_branches_ring_and_the_one_that_loses_is_hung_up() {
    let mut solo = Solo::client();
    solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
    let sent = solo.take_sent().remove(0);
    let contact = |n: u8| format!("Contact: <sip:bob@b{n}.invalid>\r\n");
    let other = ANSWER.replace("audio 7", "audio 8");
    solo.reply(&sent, "183 Progress", "t1", &contact(1), ANSWER);
    solo.reply(&sent, "183 Progress", "t2", &contact(2), &other);
    let early: Vec<_> = solo
        .take()
        .into_iter()
        .filter_map(|e| match e {
            Event::Provisional { early, answer, .. } => Some((early, answer)),
            _ => None,
        })
        .collect();
    assert_eq!(early, [(Some(EarlyId(0)), Some(ANSWER.to_owned())), (Some(EarlyId(1)), Some(other.clone()))]);
    solo.reply(&sent, "200 OK", "t2", &contact(2), &other);
    let events = solo.take();
    assert!(matches!(
        events[..],
        [Event::Accepted { early: Some(EarlyId(1)), sdp: None, .. }, Event::Confirmed { .. }]
    ));
    let acks = solo.take_sent();
    assert!(acks[0].starts_with("ACK sip:bob@b2.invalid"), "{acks:?}");
    // The other answers too: it is acknowledged and hung up, and the call goes on.
    solo.reply(&sent, "200 OK", "t1", &contact(1), ANSWER);
    let sent_now = solo.take_sent();
    let lines: Vec<String> = sent_now.iter().map(|text| summary(text)).collect();
    assert_eq!(lines, ["ACK", "BYE"]);
    assert!(sent_now[1].starts_with("BYE sip:bob@b1.invalid") && sent_now[1].contains("tag=t1"));
    assert!(terminated(&solo.take()).is_none());
    // And the winner's 200 once more: only the ACK again.
    solo.reply(&sent, "200 OK", "t2", &contact(2), &other);
    assert_eq!(solo.take_sent(), [acks[0].clone()]);
}

#[test]
fn each_fork_counts_its_requests_by_itself() {
    // The third answers without having rung.
    for (winner, old, next) in [(2, Some(6), 8), (3, None, 1)] {
        let mut solo = Solo::client();
        solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
        let sent = solo.take_sent().remove(0);
        let from = |fork: u8, method: &str, cseq: u32| {
            let ends = [header(&sent, "To"), header(&sent, "From"), header(&sent, "Call-ID")];
            let dialog = format!("From: {};tag=t{fork}\r\nTo: {}\r\nCall-ID: {}\r\n", ends[0], ends[1], ends[2]);
            let text = request(method, "sip:alice@alice.invalid", &dialog, cseq, "", "");
            text.replace("z9hG4bKraw", &format!("z9hG4bKfork{fork}"))
        };
        let contact = |fork: u8| format!("Contact: <sip:bob@b{fork}.invalid>\r\n");
        solo.reply(&sent, "183 Progress", "t1", &contact(1), "");
        solo.reply(&sent, "183 Progress", "t2", &contact(2), "");
        solo.receive(from(1, "OPTIONS", 5_000));
        solo.receive(from(2, "OPTIONS", 7));
        solo.receive(from(1, "OPTIONS", 4_999));
        solo.reply(&sent, "200 OK", &format!("t{winner}"), &contact(winner), ANSWER);
        let mut expected = vec!["200 OPTIONS", "200 OPTIONS", "500 OPTIONS", "ACK"];
        if let Some(old) = old {
            solo.receive(from(winner, "OPTIONS", old));
            expected.push("500 OPTIONS");
        }
        solo.receive(from(winner, "BYE", next));
        expected.push("200 BYE");
        let sent: Vec<String> = solo.take_sent().iter().map(|text| summary(text)).collect();
        assert_eq!(sent, expected, "fork {winner} answers");
        assert_eq!(terminated(&solo.take()).map(|t| t.kind), Some(TerminationKind::Bye));
    }
}
