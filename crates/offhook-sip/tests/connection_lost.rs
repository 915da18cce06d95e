//! The connection is lost in every state of a call; and the keep-alive that notices.
mod common;

use common::*;
use offhook_sip::{
    CommandError, ConnectionKind, Event, Modify, ModifyMethod, ModifyOutcome, RequestOutcome, Ring, TerminationKind,
};

#[test]
fn before_any_answer_and_while_ringing_the_call_fails_on_both_sides() {
    for ring in [false, true] {
        let mut lab = Lab::new();
        lab.invite(invite());
        lab.run(50);
        let b = lab.incoming();
        if ring {
            lab.act(B, |agent, now| agent.ring(now, b, Ring::default())).expect("rings");
            lab.run(50);
        }
        lab.disconnect();
        for who in [A, B] {
            let events = lab.take(who);
            let over = terminated(&events).expect("over");
            assert_eq!((over.kind, over.established), (TerminationKind::ConnectionLost, false), "{who}");
        }
        lab.assert_idle();
    }
}

#[test]
fn a_call_being_cancelled_ends_as_cancelled() {
    let mut lab = Lab::new();
    let a = lab.invite(invite());
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("calling");
    lab.disconnect();
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::Canceled));
    lab.assert_idle();
}

#[test]
fn between_200_and_ack_the_callee_gives_up_in_time() {
    let mut lab = Lab::new();
    lab.invite(invite());
    lab.run(50);
    let b = lab.incoming();
    lab.accept(b);
    lab.disconnect();
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::ConnectionLost));
    lab.run(33_000);
    assert_eq!(terminated(&lab.take(B)).map(|t| t.kind), Some(TerminationKind::NoAck));
    lab.assert_idle();
}

#[test]
fn an_established_call_survives_and_goes_on_over_a_new_connection() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    lab.disconnect();
    for who in [A, B] {
        assert!(terminated(&lab.take(who)).is_none());
    }
    let modify = || Modify { method: ModifyMethod::Invite, offer: Some(OFFER.to_owned()), headers: Vec::new() };
    assert_eq!(lab.act(A, |agent, now| agent.modify(now, a, modify())), Err(CommandError::UnknownConnection));
    assert!(lab.act(A, |agent, now| agent.request(now, a, "INFO", Vec::new(), None)).is_err());
    lab.connect();
    let new = offhook_sip::NameAddr::new(uri("sip:alice@again.invalid;transport=ws"));
    lab.act(A, |agent, now| agent.rebind(now, a, LINK, new)).expect("up");
    lab.act(A, |agent, now| agent.modify(now, a, modify())).expect("connected");
    lab.run(50);
    assert!(matches!(lab.take(B)[..], [Event::RemoteOffer { connection: LINK, .. }]));
    lab.act(B, |agent, now| agent.answer_offer(now, b, ANSWER.to_owned())).expect("asked");
    lab.run(50);
    lab.act(B, |agent, now| agent.hangup(now, b, None)).expect("up");
    assert!(lab.wire.last().expect("sent").1.starts_with("BYE sip:alice@again.invalid"), "the new Contact");
    lab.assert_idle();
}

#[test]
fn hanging_up_without_a_connection_ends_the_call_here_at_once() {
    let mut lab = Lab::new();
    let (a, _) = lab.established();
    lab.disconnect();
    lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
    assert_eq!(terminated(&lab.take(A)).map(|t| t.kind), Some(TerminationKind::Bye));
    assert_eq!(lab.agent(A).load().calls, 0);
}

#[test]
fn hung_up_between_200_and_ack_without_a_connection_nothing_is_waited_for() {
    for lost_first in [true, false] {
        let mut lab = Lab::new();
        lab.invite(invite());
        lab.run(50);
        let b = lab.incoming();
        lab.accept(b);
        if lost_first {
            lab.disconnect();
        }
        lab.act(B, |agent, now| agent.hangup(now, b, None)).expect("answered");
        if !lost_first {
            lab.disconnect();
        }
        assert_eq!(terminated(&lab.take(B)).map(|t| t.kind), Some(TerminationKind::Bye));
        assert_eq!(lab.agent(B).load(), offhook_sip::Load::default());
    }
}

#[test]
fn inside_a_reinvite_and_inside_an_info_the_outcome_says_so() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    let modify = Modify { method: ModifyMethod::Invite, offer: Some(OFFER.to_owned()), headers: Vec::new() };
    lab.act(A, |agent, now| agent.modify(now, a, modify)).expect("idle");
    lab.act(A, |agent, now| agent.request(now, a, "INFO", Vec::new(), None)).expect("up");
    lab.run(15);
    lab.disconnect();
    let events = lab.take(A);
    assert!(
        matches!(
            &events[..],
            [
                Event::Modified { outcome: ModifyOutcome::ConnectionLost, .. },
                Event::Response { outcome: RequestOutcome::ConnectionLost, .. }
            ]
        ),
        "{events:?}"
    );
    let theirs = lab.take(B);
    assert!(theirs.iter().any(|e| matches!(e, Event::RemoteOfferAbandoned { .. })), "{theirs:?}");
    assert!(lab.agent(A).call(a).is_some() && lab.agent(B).call(b).is_some());
}

#[test]
fn a_server_that_stops_answering_keep_alives_is_given_up_but_not_one_that_never_did() {
    for knows_them in [true, false] {
        let mut solo = Solo::client();
        for _ in 0..20 {
            solo.advance(30_000);
            let pings = solo.take_sent();
            assert!(pings.iter().all(|ping| ping == "\r\n\r\n"));
            if knows_them && solo.now < 100_000 {
                solo.receive("\r\n");
            }
        }
        assert_eq!(solo.dropped, knows_them);
        assert_eq!(solo.take().iter().any(|e| matches!(e, Event::KeepAliveAnswered { .. })), knows_them);
    }
    let mut server = Solo::new(ConnectionKind::Server { secure: false });
    server.receive("\r\n\r\n");
    assert_eq!(server.take_sent(), ["\r\n"]);
    server.receive("\r\n");
    server.receive("heartbeat");
    server.receive("");
    assert!(server.take_sent().is_empty() && !server.dropped);
}

#[test]
fn a_bye_without_a_connection_is_handed_over_and_delivered_on_the_next() {
    // Hung up while offline; and hung up with the BYE on its way as the connection breaks.
    for lost_first in [true, false] {
        let mut lab = Lab::new();
        let (a, _) = lab.established();
        if lost_first {
            lab.disconnect();
        }
        lab.act(A, |agent, now| agent.hangup(now, a, None)).expect("up");
        if !lost_first {
            lab.disconnect();
        }
        let events = lab.take(A);
        assert_eq!(terminated(&events).map(|t| t.kind), Some(TerminationKind::Bye));
        let bye = events.into_iter().find_map(|event| match event {
            Event::Undelivered { bye } => Some(bye),
            _ => None,
        });
        let bye = bye.expect("the BYE is handed over");
        assert_eq!(
            lab.act(A, |agent, now| agent.deliver(now, LINK, bye.clone())),
            Err(CommandError::UnknownConnection),
            "not connected"
        );
        lab.connect();
        lab.act(A, |agent, now| agent.deliver(now, LINK, bye)).expect("connected");
        lab.run(100);
        assert_eq!(terminated(&lab.take(B)).map(|t| t.kind), Some(TerminationKind::Bye));
        lab.assert_idle();
    }
}
