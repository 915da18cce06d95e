//! The 2xx and its ACK (RFC 3261 §13.2.2.4, §13.3.1.4, RFC 6026), lost and repeated; BYE that crosses them.
mod common;

use common::*;
use offhook_sip::{Event, TerminationKind};

#[test]
fn a_200_is_repeated_until_the_ack_comes() {
    let mut lab = Lab::new();
    let mut lost = 0;
    lab.lose = Box::new(move |_, text| {
        let ack = text.starts_with("ACK");
        lost += u32::from(ack);
        ack && lost <= 2
    });
    let a = lab.invite(invite());
    lab.run(50);
    let b = lab.incoming();
    lab.accept(b);
    lab.run(10_000);
    // T1 = 0.5 s after the first, then 1 s: both are answered with the same ACK.
    assert_eq!(lab.sent(B).iter().filter(|line| *line == "200 INVITE").count(), 3);
    let acks: Vec<&String> = lab.wire.iter().filter(|(_, t)| t.starts_with("ACK")).map(|(_, t)| t).collect();
    assert_eq!(acks.len(), 3);
    assert!(acks.iter().all(|ack| ack == &acks[0]));
    assert_eq!(lab.take(B).iter().filter(|e| matches!(e, Event::Confirmed { .. })).count(), 1);
    assert_eq!(lab.take(A).iter().filter(|e| matches!(e, Event::Accepted { .. })).count(), 1);
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn without_any_ack_the_call_ends_after_32_seconds_with_a_bye() {
    let mut lab = Lab::new();
    lab.lose = Box::new(|_, text| text.starts_with("ACK"));
    lab.invite(invite());
    lab.run(50);
    let b = lab.incoming();
    lab.accept(b);
    lab.run(31_000);
    assert!(terminated(&lab.take(B)).is_none());
    lab.run(2_000);
    assert_eq!(terminated(&lab.take(B)).map(|t| (t.kind, t.established)), Some((TerminationKind::NoAck, true)));
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::Bye));
    // 0.5 + 1 + 2 + 4 + 4 … s: eleven 200s in 32 s, the tenth repetition being the last.
    assert_eq!(lab.sent(B).iter().filter(|line| *line == "200 INVITE").count(), 11);
    lab.assert_idle();
}

#[test]
fn the_callee_that_hangs_up_before_the_ack_sends_its_bye_after_it() {
    let mut lab = Lab::new();
    lab.invite(invite());
    lab.run(50);
    let b = lab.incoming();
    lab.accept(b);
    lab.act(B, |agent, now| agent.hangup(now, b, None)).expect("answered");
    assert!(terminated(&lab.take(B)).is_some(), "told at once");
    assert!(lab.agent(B).call(b).is_none());
    assert!(!lab.sent(B).contains(&"BYE".to_owned()), "§15: not before the ACK");
    lab.run(100);
    assert!(lab.sent(B).contains(&"BYE".to_owned()));
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::Bye));
    assert!(lab.take(B).is_empty(), "nothing after the last event");
    lab.assert_idle();
}

#[test]
fn both_hang_up_at_once() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.act(B, |agent, now| agent.hangup(now, b, None)).expect("up");
    lab.run(100);
    for who in [A, B] {
        let events = lab.take(who);
        assert_eq!(events.iter().filter(|e| matches!(e, Event::Terminated { .. })).count(), 1);
    }
    assert_eq!(lab.sent(A), ["BYE", "481 BYE"]);
    lab.assert_idle();
}

#[test]
fn a_forged_ack_of_another_dialog_confirms_nothing() {
    let mut solo = Solo::server();
    let dialog = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n";
    let (_, ok) = solo.answered(dialog);
    for (tag, cseq) in [("other", 1), ("1", 2)] {
        let dialog = format!("From: <sip:a@b>;tag={tag}\r\nTo: {}\r\nCall-ID: x\r\n", header(&ok, "To"));
        solo.receive(request("ACK", "sip:c@d", &dialog, cseq, "", ""));
        assert!(solo.take().is_empty(), "{tag} {cseq}");
    }
    let dialog = format!("From: <sip:a@b>;tag=1\r\nTo: {}\r\nCall-ID: x\r\n", header(&ok, "To"));
    solo.receive(request("ACK", "sip:c@d", &dialog, 1, "", ""));
    assert!(matches!(solo.take()[..], [Event::Confirmed { .. }]));
}

#[test]
fn the_route_set_is_taken_from_record_route_both_ways() {
    let mut solo = Solo::client();
    let a = solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
    let sent = solo.take_sent().remove(0);
    let extra = "Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nContact: <sip:bob@b.invalid>\r\n";
    solo.reply(&sent, "200 OK", "t", extra, ANSWER);
    solo.act(|agent, now| agent.hangup(now, a, None)).expect("up");
    let bye = solo.take_sent().pop().expect("BYE");
    assert!(bye.starts_with("BYE sip:bob@b.invalid SIP/2.0"), "{bye}");
    let routes: Vec<&str> = bye.lines().filter(|line| line.starts_with("Route:")).collect();
    assert_eq!(routes, ["Route: <sip:p1;lr>", "Route: <sip:p2;lr>"]);

    let mut solo = Solo::server();
    let dialog = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nRecord-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n";
    let (call, ok) = solo.answered(dialog);
    assert_eq!(ok.matches("Record-Route: ").count(), 2);
    let dialog = format!("From: <sip:a@b>;tag=1\r\nTo: {}\r\nCall-ID: x\r\n", header(&ok, "To"));
    solo.receive(request("ACK", "sip:c@d", &dialog, 1, "", ""));
    solo.act(|agent, now| agent.hangup(now, call, None)).expect("up");
    let bye = solo.take_sent().pop().expect("BYE");
    let routes: Vec<&str> = bye.lines().filter(|line| line.starts_with("Route:")).collect();
    assert_eq!(routes, ["Route: <sip:p1;lr>", "Route: <sip:p2;lr>"]);
}
