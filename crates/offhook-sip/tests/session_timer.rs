//! Session timers (RFC 4028).
mod common;

use common::*;
use offhook_sip::{Accept, Event, Ring, SessionTimer, TerminationKind};

#[test]
fn the_session_is_refreshed_by_update_at_half_the_interval_and_stays_up() {
    let mut lab = Lab::new();
    let (a, _) = lab.established();
    lab.run(901_000);
    let sent = lab.sent(A);
    assert_eq!(sent.iter().filter(|line| *line == "UPDATE").count(), 1, "{sent:?}");
    assert!(lab.take(B).iter().any(|e| matches!(e, Event::Updated { .. })));
    lab.run(3_600_000);
    assert!(terminated(&lab.take(A)).is_none() && terminated(&lab.take(B)).is_none());
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn a_vanished_peer_is_noticed_by_both_sides() {
    let mut lab = Lab::new();
    lab.established();
    lab.lose = Box::new(|_, _| true);
    // A refreshes at 900 s, and gives the UPDATE up 32 s later; B waits until 32 s before the end.
    lab.run(1_800_000);
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::DialogError));
    assert_eq!(terminated(&lab.take(B)).map(|t| t.kind), Some(TerminationKind::SessionExpired));
    lab.assert_idle();
}

#[test]
fn a_peer_without_update_is_refreshed_by_reinvite() {
    let mut solo = Solo::client();
    solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
    let sent = solo.take_sent().remove(0);
    assert_eq!(header(&sent, "Session-Expires"), "1800");
    assert_eq!(header(&sent, "Min-SE"), "90");
    let extra = "Contact: <sip:b@b>\r\nAllow: INVITE, ACK, BYE\r\nSession-Expires: 200;refresher=uac\r\n";
    solo.reply(&sent, "200 OK", "t", extra, ANSWER);
    solo.take();
    solo.advance(101_000);
    assert!(matches!(solo.take()[..], [Event::RefreshNeeded { .. }]));
    solo.advance(100_000);
    let events = solo.take();
    assert_eq!(terminated(&events).map(|t| t.kind), Some(TerminationKind::SessionExpired), "{events:?}");
}

#[test]
fn a_422_raises_the_interval_and_the_call_goes_on() {
    let mut solo = Solo::client();
    solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
    let first = solo.take_sent().remove(0);
    solo.reply(&first, "422 Session Interval Too Small", "t", "Min-SE: 3600\r\n", "");
    let sent = solo.take_sent();
    assert_eq!(summary(&sent[0]), "ACK");
    assert_eq!((header(&sent[1], "Session-Expires"), header(&sent[1], "Min-SE")), ("3600".into(), "3600".into()));
    assert_eq!(header(&sent[1], "CSeq"), "2 INVITE");
    assert!(solo.take().is_empty());
    // Never in a circle.
    solo.reply(&sent[1], "422 Session Interval Too Small", "t", "Min-SE: 3600\r\n", "");
    assert_eq!(terminated(&solo.take()).and_then(|t| t.status), Some(422));
}

#[test]
fn too_small_an_interval_is_refused_with_422() {
    let mut solo = Solo::server();
    let dialog = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n";
    solo.receive(request("INVITE", "sip:c@d", dialog, 1, "Supported: timer\r\nSession-Expires: 60\r\n", OFFER));
    let sent = solo.take_sent();
    assert!(sent[0].starts_with("SIP/2.0 422") && header(&sent[0], "Min-SE") == "90", "{sent:?}");
    assert!(solo.take().is_empty());
}

#[test]
fn switched_off_there_is_no_timer() {
    let mut lab = Lab::with(|config| config.session_timer = SessionTimer { enabled: false, ..SessionTimer::default() });
    let (a, _) = lab.established();
    lab.run(5_000_000);
    assert!(lab.sent(A).iter().all(|line| line != "UPDATE"));
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    lab.assert_idle();
}

#[test]
fn an_update_before_the_answer_is_answered_and_starts_no_session_timer() {
    let extra = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    // Inbound: the caller's own invitation must not end by it.
    let mut solo = Solo::server();
    solo.receive(request(
        "INVITE",
        "sip:c@d",
        "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n",
        1,
        "",
        OFFER,
    ));
    let Some(Event::Incoming { call, .. }) = solo.take().first().cloned() else { panic!("an INVITE") };
    solo.act(|agent, now| agent.ring(now, call, Ring::default())).expect("rings");
    let to = header(&solo.take_sent()[0], "To");
    let dialog = format!("From: <sip:a@b>;tag=1\r\nTo: {to}\r\nCall-ID: x\r\n");
    solo.receive(request("UPDATE", "sip:c@d", &dialog, 2, extra, ""));
    let answer = solo.take_sent().remove(0);
    assert_eq!((summary(&answer), header(&answer, "Session-Expires")), ("200 UPDATE".into(), String::new()));
    solo.advance(600_000);
    assert!(matches!(solo.take()[..], [Event::Updated { .. }]), "it rings on");
    assert_eq!(solo.take_sent().iter().filter(|text| text.len() > 4).count(), 0);
    let accept = Accept { sdp: ANSWER.to_owned(), contact: contact("bob"), headers: Vec::new(), credentials: None };
    solo.act(|agent, now| agent.accept(now, call, accept)).expect("rings");
    let ok = solo.take_sent().remove(0);
    assert_eq!((summary(&ok), header(&ok, "Session-Expires")), ("200 INVITE".into(), "1800;refresher=uas".into()));
    // Outbound, from who rings.
    let mut solo = Solo::client();
    solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
    let sent = solo.take_sent().remove(0);
    solo.reply(&sent, "180 Ringing", "t", "Contact: <sip:b@b>\r\n", "");
    let (to, from, call_id) = (header(&sent, "To"), header(&sent, "From"), header(&sent, "Call-ID"));
    let dialog = format!("From: {to};tag=t\r\nTo: {from}\r\nCall-ID: {call_id}\r\n");
    solo.receive(request("UPDATE", "sip:alice@alice.invalid", &dialog, 1, extra, ""));
    assert_eq!(summary(&solo.take_sent()[0]), "200 UPDATE");
    solo.advance(600_000);
    assert!(matches!(solo.take()[..], [Event::Provisional { .. }, Event::Updated { .. }]), "it rings on");
}
