//! 401 and 407 to INVITE and to requests inside the dialog (RFC 3261 §22).
mod common;

use common::*;
use offhook_sip::{
    Accept, Event, HeaderField, Invite, Modify, ModifyMethod, ModifyOutcome, RequestOutcome, TerminationKind,
};

const CHALLENGE: &str = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth,auth-int\", opaque=\"o\"\r\n";

fn call_up(solo: &mut Solo) -> (offhook_sip::CallKey, String) {
    let call = solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
    let sent = solo.take_sent().remove(0);
    solo.reply(&sent, "200 OK", "t", "Contact: <sip:bob@b.invalid>\r\n", ANSWER);
    solo.take_sent();
    solo.take();
    (call, sent)
}

#[test]
fn an_invite_is_sent_again_with_credentials_and_the_ack_carries_them_too() {
    let mut solo = Solo::client();
    solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
    let first = solo.take_sent().remove(0);
    solo.reply(&first, "407 Proxy Authentication Required", "t", CHALLENGE, "");
    let sent = solo.take_sent();
    assert_eq!((summary(&sent[0]), summary(&sent[1])), ("ACK".into(), "INVITE".into()));
    let again = &sent[1];
    assert_eq!(header(again, "CSeq"), "2 INVITE");
    assert_ne!(header(again, "Via"), header(&first, "Via"));
    assert_eq!(header(again, "From"), header(&first, "From"));
    let answer = header(again, "Proxy-Authorization");
    for part in ["username=\"alice\"", "realm=\"r\"", "nonce=\"n1\"", "qop=auth,", "nc=00000001", "opaque=\"o\""] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    solo.reply(again, "200 OK", "t2", "Contact: <sip:bob@b.invalid>\r\n", ANSWER);
    let ack = solo.take_sent().remove(0);
    assert_eq!((header(&ack, "CSeq"), header(&ack, "Proxy-Authorization")), ("2 ACK".into(), answer));
    assert!(matches!(solo.take()[..], [Event::Accepted { .. }, Event::Confirmed { .. }]));
}

#[test]
fn without_or_with_wrong_credentials_the_call_fails() {
    for credentials in [None, invite().credentials] {
        let mut solo = Solo::client();
        let with = Invite { credentials: credentials.clone(), ..invite() };
        solo.act(|agent, now| agent.invite(now, LINK, with)).expect("connected");
        for _ in 0..2 {
            let request = solo.take_sent().pop().expect("sent");
            if summary(&request) == "INVITE" {
                solo.reply(&request, "407 Proxy Authentication Required", "t", CHALLENGE, "");
            }
        }
        let events = solo.take();
        let over = terminated(&events).expect("over");
        assert_eq!((over.kind, over.status), (TerminationKind::AuthenticationFailed, Some(407)));
    }
}

#[test]
fn a_challenge_with_an_algorithm_we_do_not_know_fails_and_sha_256_is_taken() {
    for (algorithm, works) in
        [("SHA-512-256", false), ("AKAv1-MD5", false), ("SHA-256", true), ("SHA-256-sess", true), ("MD5-sess", true)]
    {
        let mut solo = Solo::client();
        solo.act(|agent, now| agent.invite(now, LINK, invite())).expect("connected");
        let first = solo.take_sent().remove(0);
        let challenge = CHALLENGE.replace("opaque", &format!("algorithm={algorithm}, opaque"));
        solo.reply(&first, "407 Proxy Authentication Required", "t", &challenge, "");
        let invites = solo.take_sent().iter().filter(|t| summary(t) == "INVITE").count();
        assert_eq!(invites == 1, works, "{algorithm}");
    }
}

#[test]
fn requests_inside_the_dialog_are_authenticated_with_its_next_number() {
    let mut solo = Solo::client();
    let (call, _) = call_up(&mut solo);
    let modify = Modify { method: ModifyMethod::Invite, offer: Some(OFFER.to_owned()), headers: Vec::new() };
    solo.act(|agent, now| agent.modify(now, call, modify)).expect("idle");
    let first = solo.take_sent().remove(0);
    solo.reply(&first, "407 Proxy Authentication Required", "", CHALLENGE, "");
    let again = solo.take_sent().pop().expect("sent again");
    assert_eq!((header(&first, "CSeq"), header(&again, "CSeq")), ("2 INVITE".into(), "3 INVITE".into()));
    solo.reply(&again, "200 OK", "", "Contact: <sip:bob@b.invalid>\r\n", ANSWER);
    assert_eq!(header(&solo.take_sent()[0], "CSeq"), "3 ACK");
    assert!(matches!(&solo.take()[..], [Event::Modified { outcome: ModifyOutcome::Accepted { .. }, .. }]));
    let info = |agent: &mut offhook_sip::Agent, now| {
        let body = Some(("application/dtmf-relay".to_owned(), b"Signal=1\r\nDuration=100\r\n".to_vec()));
        agent.request(now, call, "INFO", vec![HeaderField::new("X-A", "b").expect("valid")], body)
    };
    solo.act(info).expect("up");
    let first = solo.take_sent().remove(0);
    assert_eq!(header(&first, "CSeq"), "4 INFO");
    solo.reply(&first, "401 Unauthorized", "", &CHALLENGE.replace("Proxy", "WWW"), "");
    let again = solo.take_sent().pop().expect("sent again");
    assert!(again.ends_with("Signal=1\r\nDuration=100\r\n") && header(&again, "CSeq") == "5 INFO");
    solo.reply(&again, "200 OK", "", "", "");
    assert!(
        matches!(&solo.take()[..], [Event::Response { outcome: RequestOutcome::Answered(r), .. }] if r.status.code() == 200)
    );
    // The BYE of a call that is over for us already.
    solo.act(|agent, now| agent.hangup(now, call, None)).expect("up");
    let bye = solo.take_sent().remove(0);
    solo.reply(&bye, "407 Proxy Authentication Required", "", CHALLENGE, "");
    let again = solo.take_sent().pop().expect("sent again");
    assert_eq!((header(&bye, "CSeq"), header(&again, "CSeq")), ("6 BYE".into(), "7 BYE".into()));
}

#[test]
fn requests_in_a_call_that_came_in_are_authenticated_too() {
    let mut solo = Solo::client();
    let caller = "From: <sip:a@b>;tag=1\r\n";
    solo.receive(request("INVITE", "sip:c@d", &format!("{caller}To: <sip:c@d>\r\nCall-ID: x\r\n"), 1, "", OFFER));
    let Some(Event::Incoming { call, .. }) = solo.take().first().cloned() else { panic!("an INVITE") };
    let credentials = invite().credentials;
    let accept = Accept { sdp: ANSWER.to_owned(), contact: contact("bob"), headers: Vec::new(), credentials };
    assert!(!format!("{accept:?}").contains("wonderland"), "{accept:?}");
    solo.act(|agent, now| agent.accept(now, call, accept)).expect("rings");
    let to = header(&solo.take_sent()[0], "To");
    solo.receive(request("ACK", "sip:c@d", &format!("{caller}To: {to}\r\nCall-ID: x\r\n"), 1, "", ""));
    solo.take();
    for (method, offer) in [(ModifyMethod::Invite, Some(OFFER.to_owned())), (ModifyMethod::Update, None)] {
        let modify = Modify { method, offer, headers: Vec::new() };
        solo.act(|agent, now| agent.modify(now, call, modify)).expect("idle");
        let first = solo.take_sent().remove(0);
        solo.reply(&first, "407 Proxy Authentication Required", "", CHALLENGE, "");
        let again = solo.take_sent().pop().expect("sent again");
        assert!(header(&again, "Proxy-Authorization").contains("username=\"alice\""), "{again}");
        solo.reply(&again, "200 OK", "", "Contact: <sip:a@b>\r\n", "");
        solo.take_sent();
        assert!(matches!(&solo.take()[..], [Event::Modified { outcome: ModifyOutcome::Accepted { .. }, .. }]));
    }
    solo.act(|agent, now| agent.hangup(now, call, None)).expect("up");
    let bye = solo.take_sent().remove(0);
    solo.reply(&bye, "407 Proxy Authentication Required", "", CHALLENGE, "");
    let again = solo.take_sent().pop().expect("sent again");
    assert_eq!(summary(&again), "BYE");
    assert!(header(&again, "Proxy-Authorization").contains("username=\"alice\""), "{again}");
}
