//! Calls from extension to extension.

use offhook_sip::{Event, HeaderField};

use super::network::{Network, header};
use crate::config::PbxConfig;
use crate::events::PbxEvent;
use crate::media::{AppliedFor, MediaAction};

#[test]
fn a_call_rings_is_answered_and_bridged() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let call = net.call_with(a, "1001", |invite| {
        invite.headers = ["X-Queue: sales", "Contacts-Company: ACME", "Subject: private"]
            .into_iter()
            .map(|line| HeaderField::parse(line).expect("a header"))
            .collect();
    });
    let invite = net.next(b);
    assert_eq!(header(&invite, "P-Asserted-Identity").as_deref(), Some("\"Ada\" <sip:1000@localhost>"));
    assert!(header(&invite, "From").is_some_and(|from| from.starts_with("\"Ada\" <sip:1000@localhost>;tag=")));
    assert_eq!(header(&invite, "X-Queue").as_deref(), Some("sales"));
    assert_eq!(header(&invite, "Contacts-Company").as_deref(), Some("ACME"));
    assert_eq!(header(&invite, "Subject"), None, "only what is known to be harmless is carried over");
    let Event::Incoming { call: theirs, offer, .. } = invite else { panic!("no call") };
    assert!(offer.is_some());

    net.ring(b, theirs, None);
    let ringing = net.next(a);
    assert!(matches!(ringing, Event::Provisional { status: 180, .. }), "{ringing:?}");
    assert_eq!(header(&ringing, "P-Asserted-Identity").as_deref(), Some("\"Ben\" <sip:1001@localhost>"));

    net.answer_with(b, theirs, vec![HeaderField::parse("X-Agent: 7").expect("a header")]);
    let accepted = net.next(a);
    assert!(matches!(accepted, Event::Accepted { .. }), "{accepted:?}");
    assert_eq!(header(&accepted, "X-Agent").as_deref(), Some("7"));
    assert!(matches!(net.next(a), Event::Confirmed { .. }));
    assert!(net.media.iter().any(|action| matches!(action, MediaAction::Bridge { .. })));
    assert_eq!(net.switch.calls(), 1);

    net.command(a, |agent, now| agent.hangup(now, call, None)).expect("ends");
    assert_eq!(net.ended(b).status, None);
    let ended = net.told.last().cloned();
    assert!(matches!(ended, Some(PbxEvent::CallEnded { answered: true, status: 200, .. })), "{ended:?}");
    net.assert_nothing_left();
}

#[test]
fn nothing_of_one_sides_description_reaches_the_other() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let secret = "v=0\r\no=- 1 1 IN IP4 10.9.8.7\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n";
    net.call_with(a, "1001", |invite| invite.offer = Some(secret.to_owned()));
    let Event::Incoming { offer: Some(offer), .. } = net.next(b) else { panic!("no offer") };
    assert!(!offer.contains("10.9.8.7"), "{offer}");
}

#[test]
fn the_callers_codec_is_offered_first() {
    let mut net = Network::new();
    let (a, _) = (net.phone("1000"), net.phone("1001"));
    net.call_with(a, "1001", |invite| {
        invite.offer = Some("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 8 0\r\n".to_owned());
    });
    let opened = net.media.iter().find_map(|action| match action {
        MediaAction::Open { codecs, .. } => Some(codecs.clone()),
        _ => None,
    });
    use offhook_media::Codec::{G722, Opus, Pcma, Pcmu};
    assert_eq!(opened, Some(vec![Pcma, Pcmu, Opus, G722]));
}

#[test]
fn numbers_lead_where_they_should() {
    let mut net = Network::new();
    let a = net.phone("1000");
    for (number, status) in [("4242", 404), ("1001", 480), ("1000", 480), ("604", 486), ("609", 403)] {
        net.call(a, number);
        assert_eq!(net.refusal(a), status, "{number}");
    }
    net.assert_nothing_left();
}

#[test]
fn a_call_needs_the_password() {
    let mut net = Network::new();
    let a = net.phone("1000");
    net.call_with(a, "600", |invite| invite.credentials = None);
    assert_eq!(net.refusal(a), 407);
    net.call_with(a, "600", |invite| {
        invite.credentials = Some(offhook_sip::Credentials::password("1000", "wrong"));
    });
    assert_eq!(net.refusal(a), 407);
    net.assert_nothing_left();
}

#[test]
fn nobody_calls_as_another() {
    let mut net = Network::new();
    let a = net.phone("1000");
    net.call_with(a, "600", |invite| {
        invite.credentials = Some(offhook_sip::Credentials::password("1001", "secret-1001"));
    });
    assert_eq!(net.refusal(a), 403);
    assert!(!net.told.iter().any(|event| matches!(event, PbxEvent::CallStarted { .. })));
    net.assert_nothing_left();
}

#[test]
fn a_full_pbx_says_when_to_try_again() {
    let mut config = PbxConfig::default();
    config.limits.calls = 1;
    let mut net = Network::with(config);
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.call(a, "606");
    net.call(b, "606");
    let end = net.ended(b);
    assert_eq!(end.status, Some(503));
    let response = end.response.expect("a response");
    let retry = offhook_sip::message::HeadersExt::number(&response.headers, "Retry-After");
    assert!(retry.is_some_and(|s| s > 0), "{retry:?}");
    net.assert_nothing_left();
}

#[test]
fn an_offer_made_late_is_answered_in_the_ack() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let call = net.call_with(a, "1001", |invite| invite.offer = None);
    let theirs = net.incoming(b);
    net.answer(b, theirs);
    assert!(matches!(net.next(a), Event::Accepted { sdp: Some(_), .. }));
    net.command(a, |agent, now| agent.ack(now, call, super::network::SDP.to_owned())).expect("acknowledges");
    let applied = net
        .media
        .iter()
        .any(|action| matches!(action, MediaAction::AcceptAnswer { purpose: AppliedFor::Ack { hold: false }, .. }));
    assert!(applied, "{:?}", net.media);
    net.assert_nothing_left();
}

#[test]
fn early_media_is_given_to_the_caller_before_the_answer() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.call(a, "1001");
    let theirs = net.incoming(b);
    net.ring(b, theirs, Some(super::network::SDP));
    let early = net.next(a);
    assert!(matches!(early, Event::Provisional { status: 183, answer: Some(_), .. }), "{early:?}");
    let bridged = net.media.iter().find_map(|action| match action {
        MediaAction::Bridge { a, b } => Some([*a, *b]),
        _ => None,
    });
    let bridged = bridged.expect("they are bridged");
    // That media must come up is said when the call is answered, and not before.
    let is_due = |net: &Network| {
        bridged.map(|bridged| {
            net.media.iter().any(|action| match action {
                MediaAction::Answered { leg } | MediaAction::AcceptAnswer { leg, purpose: AppliedFor::Answer, .. } => {
                    *leg == bridged
                }
                _ => false,
            })
        })
    };
    assert_eq!(is_due(&net), [false, false]);
    net.answer(b, theirs);
    assert_eq!(is_due(&net), [true, true]);
    assert!(net.events(a).iter().any(|event| matches!(event, Event::Confirmed { .. })));
    net.assert_nothing_left();
}

#[test]
fn an_offer_that_the_media_refuses_is_answered_488() {
    let mut net = Network::new();
    net.refused_sdp = Some("10.9.8.7");
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let bad = "v=0\r\no=- 1 1 IN IP4 10.9.8.7\r\nm=audio 9 RTP/AVP 0\r\n";
    net.call_with(a, "600", |invite| invite.offer = Some(bad.to_owned()));
    assert_eq!(net.refusal(a), 488);
    net.call_with(a, "1001", |invite| invite.offer = Some(bad.to_owned()));
    let theirs = net.incoming(b);
    net.answer(b, theirs);
    assert_eq!(net.refusal(a), 488);
    assert_eq!(net.ended(b).status, Some(488), "the callee is told why");
    net.assert_nothing_left();
}

#[test]
fn an_info_is_passed_on_and_its_answer_comes_back() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, _) = net.established(a, b);
    let body = Some(("application/dtmf-relay".to_owned(), b"Signal=5\r\nDuration=160\r\n".to_vec()));
    net.command(a, |agent, now| agent.request(now, ours, "INFO", Vec::new(), body)).expect("sent");
    let Event::Request { transaction, request, .. } = net.next(b) else { panic!("no INFO") };
    assert_eq!(request.body().as_ref(), b"Signal=5\r\nDuration=160\r\n");
    let kind = offhook_sip::message::HeadersExt::text(&request.headers, "Content-Type");
    assert_eq!(kind.as_deref(), Some("application/dtmf-relay"));
    net.command(b, |agent, now| agent.respond(now, transaction, 415, Vec::new(), None)).expect("answered");
    let Event::Response { outcome: offhook_sip::RequestOutcome::Answered(response), .. } = net.next(a) else {
        panic!("no answer")
    };
    assert_eq!(response.status.code(), 415);
    net.assert_nothing_left();
}

#[test]
fn one_extension_leaves_calls_to_the_others() {
    let mut config = PbxConfig::default();
    config.limits.calls = 40;
    let mut net = Network::with(config);
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    // 606 rings for ever.
    let ours: Vec<_> = (0..20).map(|_| net.call(a, "606")).collect();
    assert!(net.events(a).iter().all(|event| !matches!(event, Event::Terminated { .. })), "half of all");
    net.call(a, "606");
    assert_eq!(net.refusal(a), 503);
    // Who needs little has it, down to the last.
    for who in [b, c] {
        for _ in 0..10 {
            net.call(who, "606");
        }
        assert!(net.events(who).iter().all(|event| !matches!(event, Event::Terminated { .. })));
    }
    for &call in &ours[..11] {
        net.command(a, |agent, now| agent.hangup(now, call, None)).expect("ends");
    }
    net.events(a);
    net.call(a, "606");
    assert!(net.events(a).iter().all(|event| !matches!(event, Event::Terminated { .. })), "few again");
    net.assert_nothing_left();
}
