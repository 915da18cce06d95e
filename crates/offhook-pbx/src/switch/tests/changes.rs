//! Extensions that change while they are in use.

use offhook_sip::{CallKey, Event, RegistrationFailure};

use super::network::{Network, Who};
use crate::directory::SwitchChange;
use crate::events::PbxEvent;
use crate::extension::Extension;
use crate::store::CdrStatus;

fn gone(number: &str) -> SwitchChange {
    SwitchChange::Extension { number: number.to_owned(), extension: None, is_other_password: false, is_deleted: true }
}

fn with_password(number: &str, password: &str) -> SwitchChange {
    let extension = Some(Extension::new(number, "Ada", password));
    SwitchChange::Extension { number: number.to_owned(), extension, is_other_password: true, is_deleted: false }
}

fn refusal(net: &mut Network, who: Who) -> u16 {
    let failed = net.events(who).into_iter().find_map(|event| match event {
        Event::RegistrationFailed { failure: RegistrationFailure::Refused { status, .. }, .. } => Some(status),
        _ => None,
    });
    failed.expect("refused")
}

#[test]
fn a_deleted_extension_loses_its_registrations_and_calls() {
    for is_caller in [true, false] {
        let mut net = Network::new();
        let (a, b) = (net.phone("1000"), net.phone("1001"));
        net.established(a, b);
        let number = if is_caller { "1000" } else { "1001" };
        net.change(gone(number));
        for who in [a, b] {
            let end = net.ended(who);
            assert_eq!((end.status, end.reason.as_deref()), (Some(404), Some("Extension deleted")));
        }
        assert_eq!((net.switch.calls(), net.switch.registrations()), (0, 1));
        assert!(net.told.contains(&PbxEvent::Unregistered { extension: number.to_owned(), bindings: 0 }));
        let seen_by = &net.records[0].seen_by;
        assert_eq!(seen_by[0], ("1000".to_owned(), CdrStatus::Outbound), "the call has its record on both sides");
        assert_eq!(seen_by[1], ("1001".to_owned(), CdrStatus::Inbound));
        net.assert_nothing_left();
    }
}

#[test]
fn a_deleted_extension_is_as_one_that_never_was() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.change(gone("1000"));
    net.events(a);
    net.register(a, 600, "secret-1000");
    assert_eq!(refusal(&mut net, a), 401);
    net.call(a, "600");
    assert_eq!(net.refusal(a), 407);
    net.call(b, "1000");
    assert_eq!(net.refusal(b), 404);
    // And there again.
    net.change(SwitchChange::Extension {
        number: "1000".to_owned(),
        extension: Some(Extension::new("1000", "Ada", "secret-1000")),
        is_other_password: false,
        is_deleted: false,
    });
    net.register(a, 600, "secret-1000");
    assert!(net.events(a).iter().any(|event| matches!(event, Event::Registered { .. })));
    net.assert_nothing_left();
}

#[test]
fn who_calls_an_extension_as_it_is_deleted_is_told_that_there_is_none() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.call(a, "1001");
    let theirs = net.incoming(b);
    net.ring(b, theirs, None);
    net.change(gone("1001"));
    assert_eq!(net.refusal(a), 404);
    assert_eq!(net.ended(b).status, Some(404), "its phone stops ringing");
    net.assert_nothing_left();
}

/// The transferor sends the other side of its call to 1002, whose device rings.
fn refer_until_it_rings(net: &mut Network, transferor: Who, call: CallKey, target: Who) {
    let to = offhook_sip::HeaderField::new("Refer-To", "<sip:1002@localhost>").expect("a header");
    net.command(transferor, |agent, now| agent.request(now, call, "REFER", vec![to], None)).expect("sent");
    let ringing = net.incoming(target);
    net.ring(target, ringing, None);
}

#[test]
fn a_deleted_extension_gives_back_what_it_was_to_be_transferred() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (ours, _) = net.established(a, b);
    refer_until_it_rings(&mut net, a, ours, c);
    net.change(gone("1002"));
    assert_eq!(net.switch.calls(), 1, "the call goes on");
    assert!(net.ended(c).status.is_some());
    net.assert_nothing_left();
}

#[test]
fn a_deleted_transferor_takes_its_call_along() {
    for number in ["1000", "1001"] {
        let mut net = Network::new();
        let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
        let (ours, _) = net.established(a, b);
        refer_until_it_rings(&mut net, a, ours, c);
        net.change(gone(number));
        net.advance(60_000);
        net.assert_nothing_left();
    }
}

#[test]
fn a_new_password_is_good_at_once_and_the_old_one_is_not() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (ours, theirs) = net.established(a, b);
    net.change(with_password("1000", "correct horse"));
    assert_eq!(net.switch.calls(), 1, "a call that is up stays");
    assert_eq!(net.switch.registrations(), 1, "who knows the old password only, is not called any more");
    net.register(a, 600, "secret-1000");
    assert_eq!(refusal(&mut net, a), 401);
    net.register(a, 600, "correct horse");
    assert!(net.events(a).iter().any(|event| matches!(event, Event::Registered { .. })));
    net.command(b, |agent, now| agent.hangup(now, theirs, None)).expect("ends");
    assert!(net.ended(a).established);
    net.command(a, |agent, _| assert!(agent.call(ours).is_none()));
    net.assert_nothing_left();
}

#[test]
fn another_feature_code_counts_from_the_next_digit_on() {
    let config = crate::config::PbxConfig { recordings: Some("calls".into()), ..Default::default() };
    let mut net = Network::with(config);
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.established(a, b);
    net.change(SwitchChange::RecordFeatureCode("*9".to_owned()));
    let leg = net.open[0];
    for digit in ['*', '1'] {
        net.media_event(crate::media::MediaEvent::Digit { leg, digit });
    }
    assert!(net.recordings.is_empty());
    for digit in ['*', '9'] {
        net.media_event(crate::media::MediaEvent::Digit { leg, digit });
    }
    assert_eq!(net.recordings.len(), 1);
    net.assert_nothing_left();
}
