//! Calls from INVITE to BYE between two agents: offers both ways, early media, refusals, hang-up in each state.
mod common;

use common::*;
use offhook_sip::{CallState, Event, HeaderField, Originator, Ring, TerminationKind};

#[test]
fn a_call_is_made_answered_and_ended_by_the_caller() {
    let mut lab = Lab::new();
    let a = lab.invite(invite());
    lab.run(50);
    let b = lab.incoming();
    lab.act(B, |agent, now| agent.ring(now, b, Ring::default())).expect("it rings");
    lab.run(50);
    let events = lab.take(A);
    assert!(matches!(events[..], [Event::Provisional { status: 180, answer: None, .. }]), "{events:?}");
    assert_eq!(lab.agent(A).call(a).map(|c| c.state), Some(CallState::Ringing));
    lab.accept(b);
    lab.run(50);
    let events = lab.take(A);
    assert!(
        matches!(&events[..], [Event::Accepted { sdp: Some(sdp), .. }, Event::Confirmed { .. }] if sdp == ANSWER),
        "{events:?}"
    );
    assert!(matches!(lab.take(B)[..], [Event::Confirmed { answer: None, .. }]));
    lab.act(A, |agent, now| agent.hangup(now, a, Some((200, "bye now")))).expect("established");
    lab.run(50);
    let ours = lab.take(A);
    let ours = terminated(&ours).expect("over");
    assert_eq!((ours.established, ours.originator, ours.kind), (true, Originator::Local, TerminationKind::Bye));
    let theirs = lab.take(B);
    let theirs = terminated(&theirs).expect("over");
    assert_eq!((theirs.established, theirs.originator, theirs.kind), (true, Originator::Remote, TerminationKind::Bye));
    assert_eq!((theirs.status, theirs.reason.as_deref()), (Some(200), Some("bye now")));
    assert_eq!(lab.sent(A), ["INVITE", "ACK", "BYE"]);
    assert_eq!(lab.sent(B), ["180 INVITE", "200 INVITE", "200 BYE"]);
    lab.assert_idle();
}

#[test]
fn the_callee_hangs_up_and_the_caller_hears_of_it() {
    let mut lab = Lab::new();
    let (_, b) = lab.established();
    lab.act(B, |agent, now| agent.hangup(now, b, None)).expect("established");
    lab.run(50);
    let events = lab.take(A);
    assert_eq!(terminated(&events).map(|t| (t.established, t.originator)), Some((true, Originator::Remote)));
    lab.assert_idle();
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut lab = Lab::new();
    let a = lab.invite(offhook_sip::Invite { offer: None, ..invite() });
    lab.run(50);
    let events = lab.take(B);
    let Some(Event::Incoming { call: b, offer: None, .. }) = events.first() else { panic!("{events:?}") };
    lab.accept(*b);
    lab.run(50);
    let events = lab.take(A);
    assert!(matches!(&events[..], [Event::Accepted { sdp: Some(sdp), .. }] if sdp == ANSWER), "no ACK yet: {events:?}");
    lab.act(A, |agent, now| agent.ack(now, a, OFFER.to_owned())).expect("an answer is owed");
    lab.run(50);
    assert!(matches!(&lab.take(B)[..], [Event::Confirmed { answer: Some(sdp), .. }] if sdp == OFFER));
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn early_media_is_reported_once_and_the_same_answer_in_the_200_is_not_repeated() {
    let mut lab = Lab::new();
    let a = lab.invite(invite());
    lab.run(50);
    let b = lab.incoming();
    for _ in 0..2 {
        let ring = Ring { status: 183, sdp: Some(ANSWER.to_owned()), ..Ring::default() };
        lab.act(B, |agent, now| agent.ring(now, b, ring)).expect("rings");
    }
    lab.run(50);
    let answers: Vec<bool> = lab
        .take(A)
        .iter()
        .filter_map(|event| match event {
            Event::Provisional { status: 183, answer, early: Some(_), .. } => Some(answer.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(answers, [true, false]);
    lab.accept(b);
    lab.run(50);
    let events = lab.take(A);
    assert!(matches!(events[..], [Event::Accepted { sdp: None, early: Some(_), .. }, Event::Confirmed { .. }]));
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn a_refusal_ends_the_call_with_its_status_on_both_sides() {
    for status in [302, 404, 480, 486, 488, 503, 603] {
        let mut lab = Lab::new();
        lab.invite(invite());
        lab.run(50);
        let b = lab.incoming();
        let extra = vec![HeaderField::new("X-Why", "because").expect("valid")];
        lab.act(B, |agent, now| agent.reject(now, b, status, extra)).expect("it rings");
        lab.run(50);
        let (ours, theirs) = (lab.take(A), lab.take(B));
        let ours = terminated(&ours).expect("over");
        assert_eq!((ours.established, ours.kind, ours.status), (false, TerminationKind::Rejected, Some(status)));
        assert_eq!(ours.originator, Originator::Remote);
        assert!(ours.response.is_some());
        let theirs = terminated(&theirs).expect("over");
        assert_eq!((theirs.originator, theirs.status), (Originator::Local, Some(status)));
        assert_eq!(lab.sent(A), ["INVITE", "ACK"]);
        lab.assert_idle();
    }
}

#[test]
fn hanging_up_a_ringing_inbound_call_is_486() {
    let mut lab = Lab::new();
    lab.invite(invite());
    lab.run(50);
    let b = lab.incoming();
    lab.act(B, |agent, now| agent.hangup(now, b, None)).expect("it rings");
    lab.run(50);
    assert_eq!(terminated(&lab.take(A)).and_then(|t| t.status), Some(486));
    lab.assert_idle();
}

#[test]
fn an_invite_nobody_answers_at_all_times_out_after_32_seconds() {
    let mut lab = Lab::new();
    lab.lose = Box::new(|from, _| from == A);
    lab.invite(invite());
    lab.run(31_000);
    assert!(terminated(&lab.take(A)).is_none());
    lab.run(2_000);
    let events = lab.take(A);
    assert_eq!(terminated(&events).map(|t| t.kind), Some(TerminationKind::RequestTimeout));
    lab.assert_idle();
}

#[test]
fn a_call_that_only_rings_is_cancelled_after_the_no_answer_time() {
    let mut lab = Lab::new();
    lab.invite(offhook_sip::Invite { no_answer_ms: Some(20_000), ..invite() });
    lab.run(50);
    let b = lab.incoming();
    lab.act(B, |agent, now| agent.ring(now, b, Ring::default())).expect("rings");
    lab.run(30_000);
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::NoAnswer));
    assert_eq!(terminated(&lab.take(B)).map(|t| t.kind), Some(TerminationKind::Canceled));
    assert_eq!(lab.sent(A), ["INVITE", "CANCEL", "ACK"]);
    lab.assert_idle();
}

#[test]
fn the_trying_comes_by_itself_when_the_user_takes_its_time() {
    let mut lab = Lab::new();
    lab.invite(invite());
    lab.run(1_000);
    assert_eq!(lab.sent(B), ["100 INVITE"]);
}

#[test]
fn an_inbound_invites_expires_is_kept() {
    let mut lab = Lab::new();
    let headers = vec![HeaderField::new("Expires", "5").expect("valid")];
    lab.invite(offhook_sip::Invite { headers, ..invite() });
    lab.run(6_000);
    assert_eq!(terminated(&lab.take(B)).map(|t| t.kind), Some(TerminationKind::Expired));
    assert_eq!(terminated(&lab.take(A)).and_then(|t| t.status), Some(487));
    lab.assert_idle();
}

#[test]
fn more_calls_than_the_limit_are_answered_503_with_retry_after() {
    let mut lab = Lab::with(|config| config.limits.max_calls = 2);
    lab.invite(invite());
    lab.invite(invite());
    lab.run(50);
    let other = lab.act(A, |agent, now| agent.invite(now, LINK, invite()));
    assert!(other.is_err(), "our own limit");
    let mut solo = Solo::server();
    for n in 0..10_001 {
        let dialog = format!("From: <sip:a@b>;tag={n}\r\nTo: <sip:c@d>\r\nCall-ID: {n}\r\n");
        solo.receive(request("INVITE", "sip:c@d", &dialog, n + 1, "", OFFER));
    }
    let last = solo.take_sent().pop().expect("answered");
    assert!(last.starts_with("SIP/2.0 503"), "{last}");
    assert!(!header(&last, "Retry-After").is_empty());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let mut lab = Lab::new();
        let (a, _) = lab.established();
        lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
        lab.run(1_000);
        lab.wire
    };
    assert_eq!(run(), run());
}

#[test]
fn a_notify_whose_subscription_is_unknown_or_that_is_never_answered_leaves_the_call() {
    let mut solo = Solo::client();
    let (call, ok) = solo.answered("From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n");
    let dialog = format!("From: <sip:a@b>;tag=1\r\nTo: {}\r\nCall-ID: x\r\n", header(&ok, "To"));
    solo.receive(request("ACK", "sip:c@d", &dialog, 1, "", ""));
    let notify = |agent: &mut offhook_sip::Agent, now| agent.request(now, call, "NOTIFY", Vec::new(), None);
    solo.take();
    solo.act(notify).expect("up");
    let sent = solo.take_sent().pop().expect("sent");
    solo.reply(&sent, "481 Subscription Does Not Exist", "", "", "");
    assert!(matches!(&solo.take()[..], [Event::Response { .. }]));
    solo.act(notify).expect("up");
    solo.advance(40_000);
    assert!(matches!(&solo.take()[..], [Event::Response { .. }]), "and nothing of the call's end");
    assert_eq!(solo.view().load().calls, 1);
}
