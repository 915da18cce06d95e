//! What is no SIP, or SIP against the rules: answered or dropped as RFC 3261 says, and nothing is kept of it.
mod common;

use common::*;
use offhook_sip::{ConnectionId, ConnectionKind, Event, Input};
use proptest::prelude::*;

const OUTSIDE: &str = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n";
const UNKNOWN: &str = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\n";

/// The status line that one message to a fresh server gets.
fn answer(message: &str) -> String {
    let mut solo = Solo::server();
    solo.receive(message);
    let sent = solo.take_sent();
    solo.advance(100_000);
    let load = solo.view().load();
    assert_eq!((load.calls, load.server_transactions, load.timers), (0, 0, 0), "left over from {message}");
    sent.first().map(|text| text.split("\r\n").next().unwrap_or("").to_owned()).unwrap_or_default()
}

#[test]
fn requests_in_unknown_dialogs_get_481_but_an_ack_gets_nothing() {
    for method in ["BYE", "INFO", "UPDATE", "INVITE", "REFER", "NOTIFY", "MESSAGE"] {
        let text = request(method, "sip:c@d", UNKNOWN, 1, "", "");
        assert_eq!(answer(&text), "SIP/2.0 481 Call/Transaction Does Not Exist", "{method}");
    }
    assert_eq!(answer(&request("ACK", "sip:c@d", UNKNOWN, 1, "", "")), "");
    assert_eq!(answer(&request("BYE", "sip:c@d", OUTSIDE, 1, "", "")), "SIP/2.0 481 Call/Transaction Does Not Exist");
}

#[test]
fn what_we_cannot_do_is_refused_with_what_we_can() {
    let starts = |text: &str, want: &str| {
        let got = answer(text);
        assert!(got.starts_with(&format!("SIP/2.0 {want}")), "{want}: {got}");
    };
    starts(&request("FROBNICATE", "sip:c@d", OUTSIDE, 1, "", ""), "405");
    starts(&request("PRACK", "sip:c@d", OUTSIDE, 1, "", ""), "405");
    starts(&request("INVITE", "sip:c@d", OUTSIDE, 1, "Require: 100rel, precondition\r\n", OFFER), "420");
    starts(&request("INVITE", "http://c", OUTSIDE, 1, "", OFFER), "416");
    starts(&request("OPTIONS", "sip:c@d", OUTSIDE, 1, "", ""), "200");
    starts(&request("INVITE", "sip:c@d", OUTSIDE, 1, "", OFFER).replace("application/sdp", "text/html"), "415");
    starts(&request("INVITE", "sip:c@d", OUTSIDE, 1, "", OFFER).replace("Contact", "X-Contact"), "400");
    starts(&request("OPTIONS", "sip:c@d", OUTSIDE, 1, "", "").replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"), "505");
    starts(&request("OPTIONS", "sip:c@d", OUTSIDE, 1, "", "").replace("1 OPTIONS", "1 INVITE"), "400");
    starts(&request("OPTIONS", "sip:c@d", OUTSIDE, 1, "Content-Length: 99\r\n", ""), "400");
}

#[test]
fn messages_without_what_an_answer_needs_are_dropped() {
    let whole = request("OPTIONS", "sip:c@d", OUTSIDE, 1, "", "");
    for header in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let without: Vec<&str> = whole.split("\r\n").filter(|line| !line.starts_with(&format!("{header}:"))).collect();
        let got = answer(&without.join("\r\n"));
        assert!(got.is_empty() || got.starts_with("SIP/2.0 400"), "{header}: {got}");
    }
    assert_eq!(answer("SIP/2.0 200 OK\r\n\r\n"), "");
    assert_eq!(
        answer(&request("OPTIONS", "sip:c@d", OUTSIDE, 1, "", "").replace("Max-Forwards: 70\r\n", "")),
        "SIP/2.0 200 OK"
    );
}

#[test]
fn stray_responses_are_dropped_in_silence() {
    let dialog = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\n";
    let stray = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/WSS x;branch=z9hG4bKx\r\n{dialog}CSeq: 1 INVITE\r\nContact: <sip:c@d>\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(answer(&stray), "");
}

#[test]
fn a_huge_message_is_answered_513_and_the_connection_dropped() {
    let mut solo = Solo::server();
    solo.receive(request("INVITE", "sip:c@d", OUTSIDE, 1, "", &"x".repeat(1_000_000)));
    assert!(solo.take_sent()[0].starts_with("SIP/2.0 513"));
    assert!(solo.dropped);
    // Nothing is taken from it any more.
    solo.receive(request("OPTIONS", "sip:c@d", OUTSIDE, 1, "", ""));
    assert!(solo.take_sent().is_empty());
}

#[test]
fn a_connection_that_speaks_no_sip_is_dropped_after_a_few_messages() {
    let mut solo = Solo::server();
    for _ in 0..8 {
        solo.receive("GET / HTTP/1.1\r\n\r\n");
    }
    assert!(!solo.dropped);
    solo.receive([0xff, 0xfe].to_vec());
    assert!(solo.dropped);
}

#[test]
fn a_request_out_of_order_in_a_dialog_gets_500() {
    let mut lab = Lab::new();
    let (a, b) = lab.established();
    let _ = (a, b);
    lab.act(A, |agent, now| agent.request(now, a, "INFO", Vec::new(), None)).expect("up");
    let old =
        lab.wire.last().expect("sent").1.replace("branch=z9hG4bK", "branch=z9hG4bKold").replace("2 INFO", "1 INFO");
    lab.run(50);
    lab.act(B, |agent, now| {
        agent.handle_input(now, offhook_sip::Input::Received { connection: LINK, data: old.into() });
    });
    assert!(lab.wire.last().expect("answered").1.starts_with("SIP/2.0 500"));
}

#[test]
fn the_same_invite_on_two_paths_is_one_call() {
    let mut solo = Solo::server();
    solo.receive(request("INVITE", "sip:c@d", OUTSIDE, 1, "", OFFER));
    solo.receive(request("INVITE", "sip:c@d", OUTSIDE, 1, "", OFFER).replace("branch=z9hG4bK", "branch=z9hG4bKtwo"));
    assert!(solo.take_sent()[0].starts_with("SIP/2.0 482"));
    assert_eq!(solo.take().iter().filter(|e| matches!(e, Event::Incoming { .. })).count(), 1);
    // The same message again is the same transaction, and says nothing new.
    solo.receive(request("INVITE", "sip:c@d", OUTSIDE, 1, "", OFFER));
    assert!(solo.take().is_empty());
}

#[test]
fn one_client_cannot_cancel_the_call_of_another() {
    use offhook_sip::{ConnectionId, ConnectionKind, Input};
    let mut solo = Solo::server();
    let other = ConnectionId(2);
    let kind = ConnectionKind::Server { secure: true };
    solo.act(|agent, now| agent.handle_input(now, Input::Connected { connection: other, kind }));
    solo.receive(request("INVITE", "sip:c@d", OUTSIDE, 1, "", OFFER));
    let cancel = request("CANCEL", "sip:c@d", OUTSIDE, 1, "", "").replace("rawCANCEL1", "rawINVITE1");
    let data = cancel.clone().into();
    solo.act(|agent, now| agent.handle_input(now, Input::Received { connection: other, data }));
    assert!(solo.take_sent()[0].starts_with("SIP/2.0 481"));
    solo.receive(cancel);
    assert!(solo.take_sent().iter().any(|text| text.starts_with("SIP/2.0 487")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any bytes, and any mutilation of a good message, at a client with a call and at a server.
    #[test]
    fn nothing_received_makes_it_panic_or_leak(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
        flip in any::<(prop::sample::Index, u8)>(),
        method in prop::sample::select(vec!["INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "INFO", "REGISTER", "SIP/2.0 200"]),
    ) {
        let mut good = request(method, "sip:c@d", UNKNOWN, 1, "Session-Expires: 90\r\n", OFFER).into_bytes();
        let at = flip.0.index(good.len());
        good[at] = flip.1;
        let cut = cut.index(good.len());
        for mut solo in [Solo::client(), Solo::server()] {
            solo.receive(noise.clone());
            solo.receive(good.clone());
            solo.receive(good[..cut].to_vec());
            let calls = solo.take();
            for event in calls {
                if let Event::Incoming { call, .. } = event {
                    solo.act(|agent, now| agent.hangup(now, call, None)).expect("it rings");
                }
            }
            solo.advance(200_000);
            let load = solo.view().load();
            prop_assert_eq!((load.calls, load.client_transactions, load.server_transactions), (0, 0, 0));
        }
    }
}

#[test]
fn connections_that_flood_us_leave_room_for_the_others() {
    let mut solo = Solo::server();
    let link = |n: u64| ConnectionId(LINK.0 + n);
    for n in 1..4 {
        let up = Input::Connected { connection: link(n), kind: ConnectionKind::Server { secure: true } };
        solo.act(|agent, now| agent.handle_input(now, up));
    }
    let send = |solo: &mut Solo, n: u64, method: &str, cseq: u32| {
        let body = if method == "INVITE" { OFFER } else { "" };
        let data = request(method, "sip:c@d", &OUTSIDE.replace("x", &format!("x{n}")), cseq, "", body).into();
        solo.act(|agent, now| agent.handle_input(now, Input::Received { connection: link(n), data }));
    };
    for n in 0..3 {
        // Nobody answers them.
        for cseq in 1..=10_001 {
            send(&mut solo, n, "REGISTER", cseq);
        }
        let last = solo.take_sent().pop().unwrap_or_default();
        assert!(last.starts_with("SIP/2.0 503") && !header(&last, "Retry-After").is_empty(), "{n}: {last}");
    }
    solo.take();
    send(&mut solo, 3, "REGISTER", 1);
    send(&mut solo, 3, "INVITE", 2);
    let events = solo.take();
    assert!(matches!(events[..], [Event::Request { .. }, Event::Incoming { .. }]), "{events:?}");
    assert!(solo.take_sent().is_empty(), "nothing refused");
    // Who flooded is served again when its own are over.
    solo.advance(40_000);
    solo.take();
    solo.take_sent();
    send(&mut solo, 0, "REGISTER", 20_000);
    assert!(matches!(solo.take()[..], [Event::Request { .. }]));
}
