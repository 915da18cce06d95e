//! Why calls end: every cause that the network or the far end can bring about, as the wire brings it about.

mod common;

use common::{A, B, World};
use offhook_core::{Cause, PhoneEvent, SessionEvent};

/// The caller's last event after its INVITE is answered with this status line by a server of our own.
fn refused_with(status: u16) -> (String, Option<u16>) {
    let mut world = World::new();
    let invite = world.capture_invite();
    world.inject(A, common::response(&invite, status, Some("far"), ""));
    // A challenge is answered once; the second one is final.
    if matches!(status, 401 | 407) {
        let again = world.captured().unwrap_or(invite);
        world.inject(A, common::response(&again, status, Some("far"), ""));
    }
    world.run(100);
    let last = world.events(A).into_iter().rev().find_map(|event| match event {
        PhoneEvent::Session(SessionEvent::Failed(failed)) => Some((failed.cause.to_string(), failed.code)),
        _ => None,
    });
    last.expect("it failed")
}

#[test]
fn every_status_of_the_contract_has_its_cause_on_the_wire() {
    for (cause, statuses) in [
        ("Busy", &[486, 600][..]),
        ("Rejected", &[403, 603]),
        ("Redirected", &[300, 301, 302, 305, 380]),
        ("Unavailable", &[480, 410, 408, 430]),
        ("Not Found", &[404, 604]),
        ("Address Incomplete", &[484, 424]),
        ("Incompatible SDP", &[488, 606]),
        ("Authentication Error", &[401, 407]),
        ("SIP Failure Code", &[400, 420, 500, 503, 513, 304, 699]),
    ] {
        for &status in statuses {
            assert_eq!(refused_with(status), (cause.to_owned(), Some(status)));
        }
    }
}

#[test]
fn a_200_without_sdp_is_missing_sdp() {
    let mut world = World::new();
    let invite = world.capture_invite();
    world.clear(A);
    world.inject(A, common::response(&invite, 200, Some("far"), ""));
    world.run(100);
    let log = world.log(A);
    assert_eq!(log[log.len() - 2..], ["failed Missing SDP", "deleteSession Missing SDP"]);
    assert_eq!(world.sent(A), ["ACK", "BYE"], "the far end must not stay in the call");
}

#[test]
fn a_dialog_that_the_far_end_has_forgotten_is_a_dialog_error() {
    let mut world = World::new();
    let (a, _) = world.talk();
    world.serve(|server, _| server.refuse_changes = Some(481));
    let hold = world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(1_000);
    let log = world.log(A);
    assert_eq!(log[log.len() - 2..], ["ended Dialog Error", "deleteSession Dialog Error"]);
    assert!(matches!(world.outcome(A, hold), Some(Err(_))));
}

#[test]
fn an_invite_whose_own_time_runs_out_expires() {
    let mut world = World::new();
    world.serve(|server, _| {
        server.headers = vec![offhook_sip::HeaderField::new("Expires", "5").expect("a header")];
    });
    world.ring();
    world.run(6_000);
    let log = world.log(B);
    assert_eq!(log[log.len() - 2..], ["failed Expires", "deleteSession Expires"]);
    assert!(world.sent(B).contains(&"487 INVITE".to_owned()), "{:?}", world.sent(B));
}

#[test]
fn a_cancel_of_the_caller_is_canceled() {
    let mut world = World::new();
    let (a, _) = world.ring();
    world.clear(B);
    world.act(A, |phone, now| phone.hangup(now, &a)).expect("hangs up");
    world.run(500);
    assert_eq!(world.log(B), ["failed Canceled", "deleteSession Canceled"]);
    assert_eq!(world.log(A).last().map(String::as_str), Some("deleteSession Canceled"));
}

#[test]
fn media_that_stays_away_ends_the_call_as_rtp_timeout_with_a_bye() {
    let limit = |config: &mut offhook_core::PhoneConfig| {
        config.rtp_timeout_ms = (config.extension == "1000").then_some(20_000);
    };
    let mut world = World::with(limit);
    world.talk();
    world.media(A).deaf = true;
    world.run(20_000);
    assert_eq!(world.phone(A).sessions().count(), 1);
    world.run(5_000);
    let log = world.log(A);
    assert_eq!(log[log.len() - 2..], ["ended RTP Timeout", "deleteSession RTP Timeout"]);
    assert!(world.sent(A).contains(&"BYE".to_owned()));
    world.assert_clean();
}

#[test]
fn media_that_the_far_end_has_closed_or_that_tells_nothing_any_more_ends_the_call_as_rtp_timeout() {
    for (closed, hang) in [(true, None), (false, Some("stats"))] {
        let limit = |config: &mut offhook_core::PhoneConfig| {
            config.rtp_timeout_ms = (config.extension == "1000").then_some(20_000);
        };
        let mut world = World::with(limit);
        world.talk();
        world.run(10_000);
        (world.media(A).closed, world.media(A).hang) = (closed, hang);
        world.run(16_000);
        assert_eq!(world.phone(A).sessions().count(), 1);
        world.run(10_000);
        let log = world.log(A);
        assert_eq!(log[log.len() - 2..], ["ended RTP Timeout", "deleteSession RTP Timeout"], "closed: {closed}");
        assert!(world.sent(A).contains(&"BYE".to_owned()));
        world.assert_clean();
    }
}

#[test]
fn a_held_call_may_be_silent_for_as_long_as_it_likes() {
    let mut world = World::with(|config| config.rtp_timeout_ms = Some(20_000));
    let (a, _) = world.talk();
    (world.media(A).deaf, world.media(B).deaf) = (true, true);
    world.act(A, |phone, now| phone.hold(now, &a)).expect("holds");
    world.run(300_000);
    assert_eq!((world.phone(A).sessions().count(), world.phone(B).sessions().count()), (1, 1));
    world.act(A, |phone, now| phone.unhold(now, &a)).expect("resumes");
    world.run(15_000);
    assert_eq!(world.phone(A).sessions().count(), 1, "its time begins anew");
    world.run(12_000);
    assert_eq!(world.phone(A).sessions().count(), 0);
}

#[test]
fn without_a_limit_silence_ends_nothing() {
    let mut world = World::new();
    world.talk();
    world.media(A).deaf = true;
    world.run(600_000);
    assert_eq!(world.phone(A).sessions().count(), 1);
}

#[test]
fn causes_are_the_strings_that_sip_users_know() {
    use Cause::*;
    let all = [
        ConnectionError,
        RequestTimeout,
        SipFailureCode,
        InternalError,
        Busy,
        Rejected,
        Redirected,
        Unavailable,
        NotFound,
        AddressIncomplete,
        IncompatibleSdp,
        MissingSdp,
        AuthenticationError,
        Terminated,
        WebRtcError,
        Canceled,
        NoAnswer,
        Expires,
        NoAck,
        DialogError,
        UserDeniedMediaAccess,
        BadMediaDescription,
        RtpTimeout,
    ];
    let words = "Connection Error, Request Timeout, SIP Failure Code, Internal Error, Busy, Rejected, Redirected, Unavailable, \
                 Not Found, Address Incomplete, Incompatible SDP, Missing SDP, Authentication Error, Terminated, WebRTC Error, \
                 Canceled, No Answer, Expires, No ACK, Dialog Error, User Denied Media Access, Bad Media Description, RTP Timeout";
    assert_eq!(all.map(|cause| cause.to_string()).join(", "), words);
}
