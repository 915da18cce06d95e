//! Voicemail: who gets to it, what is kept, and who hears it.

use std::path::PathBuf;

use offhook_sip::{CallKey, Event, TerminationKind};

use super::network::{Network, SDP, Who};
use crate::config::PbxConfig;
use crate::extension::Extension;
use crate::media::{LegId, MediaEvent, Message, Piece};
use crate::store::Disposition;

fn config() -> PbxConfig {
    let mut extensions = Extension::built_in();
    extensions[1] = extensions[1].clone().voicemail(true).call_waiting(false);
    PbxConfig { data_dir: Some(PathBuf::from("data")), extensions, ..PbxConfig::default() }
}

fn is_answered(net: &mut Network, who: Who) -> bool {
    net.events(who).iter().any(|event| matches!(event, Event::Confirmed { .. }))
}

/// The caller is with voicemail: hears the greeting to its end. Gives the PBX's leg.
fn greeted(net: &mut Network, who: Who) -> LegId {
    assert!(is_answered(net, who), "not answered");
    let leg = *net.open.last().expect("a leg");
    assert_eq!(net.prompted(leg), [Piece::Greeting, Piece::Beep]);
    leg
}

/// Leaves a message for 1001, who is not there. Gives the name of its file.
fn leave(net: &mut Network, who: Who) -> PathBuf {
    let call = net.call(who, "1001");
    greeted(net, who);
    let message = *net.messages.keys().next().expect("it is recorded");
    net.command(who, |agent, now| agent.hangup(now, call, None)).expect("ends");
    net.events(who);
    PathBuf::from(format!("{}.wav", message.0))
}

fn kept(net: &Network) -> usize {
    net.switch.mailboxes.as_ref().and_then(|mailboxes| mailboxes.get("1001")).map_or(0, Vec::len)
}

#[test]
fn who_is_not_there_is_left_a_message_at_once() {
    let mut net = Network::with(config());
    let a = net.phone("1000");
    let call = net.call(a, "1001");
    let leg = greeted(&mut net, a);
    assert_eq!(net.messages.values().collect::<Vec<_>>(), ["1001"]);
    net.command(a, |agent, now| agent.hangup(now, call, None)).expect("ends");
    assert_eq!((kept(&net), net.messages.len()), (1, 0));
    assert_eq!(net.records.last().map(|record| record.disposition), Some(Disposition::Voicemail));
    assert!(!net.open.contains(&leg));
    net.assert_nothing_left();
}

#[test]
fn a_message_that_ends_with_the_connection_it_comes_from_is_kept_and_said_to_be_over() {
    let mut net = Network::with(config());
    let a = net.phone("1000");
    net.call(a, "1001");
    let leg = greeted(&mut net, a);
    let message = *net.messages.keys().next().expect("it is recorded");
    let file = PathBuf::from("0.wav");
    let kept_message = Message { at: 0, file };
    net.media_event(MediaEvent::MessageKept { message, mailbox: "1001".to_owned(), kept: kept_message });
    assert_eq!(kept(&net), 1);
    assert_eq!(net.prompted(leg), [Piece::Beep]);
    net.ended(a);
    net.assert_nothing_left();
}

#[test]
fn who_does_not_answer_or_is_busy_is_left_a_message_and_whose_devices_decline_is_not() {
    let mut net = Network::with(config());
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    net.call(a, "1001");
    let rings = net.incoming(b);
    net.ring(b, rings, None);
    net.advance(29_999);
    assert!(!is_answered(&mut net, a));
    net.advance(1);
    net.ended(b);
    greeted(&mut net, a);
    assert!(net.events(b).is_empty());
    // Busy by its own word.
    net.disconnect(a);
    net.media_event(MediaEvent::Silent { leg: *net.open.last().expect("a leg") });
    assert_eq!(kept(&net), 1, "a message whose caller has vanished is one");
    let call = net.call(c, "1001");
    let rings = net.incoming(b);
    net.command(b, |agent, now| agent.reject(now, rings, 486, Vec::new())).expect("refuses");
    net.events(b);
    greeted(&mut net, c);
    net.command(c, |agent, now| agent.hangup(now, call, None)).expect("ends");
    net.events(c);
    // Busy by the PBX's: it talks, and takes one call.
    net.call(b, "600");
    net.events(b);
    let call = net.call(c, "1001");
    greeted(&mut net, c);
    net.command(c, |agent, now| agent.hangup(now, call, None)).expect("ends");
    net.events(c);
    net.disconnect(b);
    net.media_event(MediaEvent::Silent { leg: *net.open.last().expect("a leg") });
    net.reconnect(b);
    net.register(b, 600, "secret-1001");
    net.events(b);
    // Declined.
    net.call(c, "1001");
    let rings = net.incoming(b);
    net.command(b, |agent, now| agent.reject(now, rings, 603, Vec::new())).expect("refuses");
    assert_eq!(net.refusal(c), 603);
    net.events(b);
    net.assert_nothing_left();
}

#[test]
fn a_device_that_rings_with_early_media_for_too_long_gives_way_to_voicemail() {
    let mut net = Network::with(config());
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    net.call(a, "1001");
    let rings = net.incoming(b);
    net.ring(b, rings, Some(SDP));
    // Its early media was heard: the answer for the caller is made already.
    assert!(net.events(a).iter().any(|event| matches!(event, Event::Provisional { status: 183, .. })));
    net.advance(30_000);
    let leg = net.switch.calls.values().find_map(|call| call.caller).expect("a caller");
    assert!(is_answered(&mut net, a));
    assert_eq!(net.prompted(leg), [Piece::Greeting, Piece::Beep]);
    net.assert_nothing_left();
}

#[test]
fn without_voicemail_or_a_place_for_it_nothing_is_different() {
    let mut net = Network::with(config());
    let a = net.phone("1000");
    net.call(a, "1002");
    assert_eq!(net.refusal(a), 480);
    net.assert_nothing_left();
    let mut net = Network::with(PbxConfig { data_dir: None, ..config() });
    let a = net.phone("1000");
    net.call(a, "1001");
    assert_eq!(net.refusal(a), 480);
    net.call(a, "*97");
    assert_eq!(net.refusal(a), 404);
    net.assert_nothing_left();
}

#[test]
fn a_message_ends_with_the_hash_with_silence_or_with_its_longest_time() {
    for how in ["#", "silence", "time"] {
        let mut net = Network::with(config());
        let a = net.phone("1000");
        net.call(a, "1001");
        let leg = greeted(&mut net, a);
        let message = *net.messages.keys().next().expect("it is recorded");
        match how {
            "#" => net.dial(leg, "1#"),
            "silence" => net.media_event(MediaEvent::MessageOver { message }),
            _ => net.advance(182_000),
        }
        assert_eq!(kept(&net), 1, "{how}");
        if how != "time" {
            assert_eq!(net.prompted(leg), [Piece::Beep], "{how}");
        }
        assert_eq!(net.ended(a).kind, TerminationKind::Bye, "{how}");
        // What comes late is nobody's.
        net.media_event(MediaEvent::MessageOver { message });
        net.assert_nothing_left();
    }
}

#[test]
fn the_greeting_can_be_skipped_and_who_hangs_up_in_it_leaves_nothing() {
    let mut net = Network::with(config());
    let a = net.phone("1000");
    let call = net.call(a, "1001");
    assert!(is_answered(&mut net, a));
    let leg = net.open[0];
    net.dial(leg, "#");
    assert_eq!(net.prompted(leg), [Piece::Beep]);
    assert_eq!(net.messages.len(), 1);
    net.command(a, |agent, now| agent.hangup(now, call, None)).expect("ends");
    net.events(a);
    let call = net.call(a, "1001");
    net.command(a, |agent, now| agent.hangup(now, call, None)).expect("ends");
    assert_eq!(kept(&net), 1);
    net.assert_nothing_left();
}

#[test]
fn a_disk_that_is_full_is_heard_and_a_full_mailbox_takes_no_call() {
    let mut config = config();
    config.limits.messages = 1;
    let mut net = Network::with(config);
    let a = net.phone("1000");
    net.disk_full = true;
    net.call(a, "1001");
    let leg = greeted(&mut net, a);
    assert_eq!(net.prompted(leg), [Piece::Failed]);
    assert_eq!(net.ended(a).kind, TerminationKind::Bye);
    assert_eq!(kept(&net), 0);
    net.disk_full = false;
    leave(&mut net, a);
    net.call(a, "1001");
    assert_eq!(net.refusal(a), 480);
    net.assert_nothing_left();
}

/// Calls the mailbox. Gives the call and the PBX's leg.
fn listen(net: &mut Network, who: Who) -> (CallKey, LegId) {
    let call = net.call(who, "*97");
    assert!(is_answered(net, who));
    (call, *net.open.last().expect("a leg"))
}

#[test]
fn messages_are_heard_newest_first_again_and_deleted_by_their_owner_only() {
    let mut net = Network::with(config());
    let a = net.phone("1000");
    let files: Vec<PathBuf> = (0..3).map(|_| leave(&mut net, a)).collect();
    let heard = |net: &mut Network, leg, n: usize| {
        assert_eq!(net.prompted(leg), [Piece::Beep, Piece::Message(files[n].clone())]);
    };
    let b = net.phone("1001");
    let (_, leg) = listen(&mut net, b);
    heard(&mut net, leg, 2);
    net.dial(leg, "*");
    heard(&mut net, leg, 2);
    net.dial(leg, "#");
    heard(&mut net, leg, 1);
    net.dial(leg, "7");
    assert_eq!((net.deleted.clone(), kept(&net)), (vec![files[1].clone()], 2));
    heard(&mut net, leg, 0);
    net.dial(leg, "#");
    assert_eq!(net.prompted(leg), [Piece::Failed], "there is no more");
    assert_eq!(net.ended(b).kind, TerminationKind::Bye);
    // Another hears its own, of which there are none.
    let (_, leg) = listen(&mut net, a);
    assert_eq!(net.prompted(leg), [Piece::Failed]);
    assert_eq!(net.ended(a).kind, TerminationKind::Bye);
    // Who dials nothing is hung up in the end.
    let (_, leg) = listen(&mut net, b);
    heard(&mut net, leg, 2);
    net.advance(15_000);
    assert_eq!(net.ended(b).kind, TerminationKind::Bye);
    net.assert_nothing_left();
}

#[test]
fn two_devices_hear_one_mailbox_and_both_delete_the_same_message() {
    let mut net = Network::with(config());
    let a = net.phone("1000");
    let (first, second) = (leave(&mut net, a), leave(&mut net, a));
    let (b, c) = (net.phone("1001"), net.phone("1001"));
    let (_, one) = listen(&mut net, b);
    let (_, other) = listen(&mut net, c);
    net.dial(one, "7");
    net.dial(other, "7");
    assert_eq!(net.deleted, [second]);
    for leg in [one, other] {
        assert_eq!(net.prompted(leg), [Piece::Beep, Piece::Message(first.clone())]);
    }
    net.assert_nothing_left();
}

#[test]
fn whoever_has_a_deleted_extensions_number_hears_nothing_that_was_left_for_it() {
    use crate::directory::SwitchChange;
    let mut net = Network::with(config());
    let (a, c) = (net.phone("1000"), net.phone("1002"));
    let file = leave(&mut net, a);
    net.call(c, "1001");
    greeted(&mut net, c);
    let extension = |extension: Option<Extension>, is_deleted| SwitchChange::Extension {
        number: "1001".to_owned(),
        extension,
        is_other_password: false,
        is_deleted,
    };
    // Switched off it keeps its messages.
    net.change(extension(None, false));
    assert_eq!(kept(&net), 1);
    net.change(extension(None, true));
    assert_eq!(net.ended(c).kind, TerminationKind::Bye, "whoever is leaving one");
    assert_eq!((kept(&net), net.deleted.len()), (0, 2));
    assert!(net.deleted.contains(&file));
    net.change(extension(Some(Extension::new("1001", "Zoë", "secret-1001").voicemail(true)), false));
    let b = net.phone("1001");
    let (_, leg) = listen(&mut net, b);
    assert_eq!(net.prompted(leg), [Piece::Failed]);
    net.assert_nothing_left();
}

#[test]
fn digits_come_by_info_too() {
    let mut net = Network::with(config());
    let a = net.phone("1000");
    let file = leave(&mut net, a);
    let b = net.phone("1001");
    let (call, _) = listen(&mut net, b);
    let body = Some(("application/dtmf-relay".to_owned(), b"Signal=7\r\nDuration=160\r\n".to_vec()));
    net.command(b, |agent, now| agent.request(now, call, "INFO", Vec::new(), body)).expect("sent");
    assert_eq!(net.deleted, [file]);
    net.assert_nothing_left();
}

#[test]
fn nobody_is_sent_into_a_mailbox_and_who_is_transferred_to_voicemail_leaves_a_message() {
    let mut net = Network::with(config());
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let refer = |net: &mut Network, who, call, number: &str| {
        let to = offhook_sip::HeaderField::new("Refer-To", &format!("<sip:{number}@localhost>"));
        net.command(who, |agent, now| agent.request(now, call, "REFER", to.into_iter().collect(), None)).expect("sent")
    };
    let (call, _) = listen(&mut net, b);
    refer(&mut net, b, call, "1002");
    let refused = net.events(b).into_iter().any(|event| {
        matches!(event, Event::Response { outcome: offhook_sip::RequestOutcome::Answered(r), .. } if r.status.code() == 403)
    });
    assert!(refused);
    assert!(net.events(c).is_empty());
    net.disconnect(b);
    net.media_event(MediaEvent::Silent { leg: net.open[0] });
    // A blind transfer to somebody who is not there.
    let (ours, _) = net.established(a, c);
    let leg_c = net.switch.legs.iter().find(|(_, leg)| leg.extension == "1002").map(|(id, _)| *id).expect("a leg");
    refer(&mut net, a, ours, "1001");
    assert_eq!(net.prompted(leg_c), [Piece::Greeting, Piece::Beep]);
    assert_eq!(net.messages.values().collect::<Vec<_>>(), ["1001"]);
    net.assert_nothing_left();
}
