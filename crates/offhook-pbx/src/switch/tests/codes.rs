//! Transfers by feature codes, and what crosses them.

use offhook_sip::{CallKey, Event, TerminationKind};

use super::network::{Network, Who, header};
use crate::config::PbxConfig;
use crate::events::PbxEvent;
use crate::media::{LegId, MediaAction, MediaEvent, Piece, Sound};
use crate::notice::{Audience, Fact};

/// 1000 has called 1001; 1002 is there.
struct Talk {
    net: Network,
    a: Who,
    b: Who,
    c: Who,
    ours: CallKey,
    theirs: CallKey,
    to_a: LegId,
    to_b: LegId,
}

impl Talk {
    fn new() -> Self {
        Self::with(PbxConfig::default())
    }

    fn with(config: PbxConfig) -> Self {
        let mut net = Network::with(config);
        let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
        let (ours, theirs) = net.established(a, b);
        let (to_b, to_a) = (net.open[0], net.open[1]);
        net.media.clear();
        Self { net, a, b, c, ours, theirs, to_a, to_b }
    }

    fn sound(&self, of: LegId) -> Option<Sound> {
        self.net.switch.legs.get(&of).and_then(|leg| leg.sound)
    }

    /// Whom a leg was bridged with last.
    fn across(&self, of: LegId) -> Option<LegId> {
        self.net.media.iter().rev().find_map(|action| match action {
            MediaAction::Bridge { a, b } if *a == of => Some(*b),
            MediaAction::Bridge { a, b } if *b == of => Some(*a),
            _ => None,
        })
    }

    fn leg_of(&self, extension: &str) -> LegId {
        let mut legs = self.net.switch.legs.iter().filter(|(_, leg)| leg.extension == extension);
        let (leg, _) = legs.next().expect("a leg");
        *leg
    }

    fn hang_up(&mut self, who: Who, call: CallKey) {
        self.net.command(who, |agent, now| agent.hangup(now, call, None)).expect("ends");
    }

    /// Both sides talk, after the one that dialled has heard the tone.
    fn assert_back(&mut self) {
        assert_eq!(self.net.prompted(self.to_a), [Piece::Failed]);
        assert_eq!((self.sound(self.to_a), self.sound(self.to_b)), (Some(Sound::Relay), Some(Sound::Relay)));
        assert!(self.net.events(self.b).iter().all(|event| !matches!(event, Event::Terminated { .. })));
        let calls = self.net.switch.calls.values().filter(|call| !call.over).count();
        assert_eq!(calls, 1);
    }

    /// Who is in a call with whom.
    fn assert_talk(&self, one: &str, other: &str) {
        let (one, other) = (self.leg_of(one), self.leg_of(other));
        assert_eq!(self.across(one), Some(other));
        assert_eq!((self.sound(one), self.sound(other)), (Some(Sound::Relay), Some(Sound::Relay)));
        let mut calls = self.net.switch.calls.values().filter(|call| !call.over);
        assert!(calls.any(|call| call.across(one) == Some(other)), "not one call");
    }
}

#[test]
fn a_blind_transfer_rings_the_target_and_connects_the_other_side() {
    let mut talk = Talk::new();
    talk.net.dial(talk.to_a, "*031002#");
    assert_eq!(talk.sound(talk.to_b), Some(Sound::Music));
    let incoming = talk.net.next(talk.c);
    assert!(header(&incoming, "Referred-By").expect("a transferor").contains("sip:1000@"));
    let Event::Incoming { call: rings, .. } = incoming else { panic!("no call: {incoming:?}") };
    talk.net.ring(talk.c, rings, None);
    assert_eq!(talk.sound(talk.to_a), Some(Sound::Ringback));
    assert!(talk.net.events(talk.a).is_empty(), "no NOTIFY: it has not sent a REFER");
    talk.net.notices.clear();
    talk.net.answer(talk.c, rings);
    assert_eq!(talk.net.ended(talk.a).kind, TerminationKind::Bye);
    talk.assert_talk("1001", "1002");
    let told: Vec<_> = talk.net.notices.iter().map(|notice| (&notice.to, &notice.fact)).collect();
    let [(Audience::Extension(first), Fact::CallStatus(status)), (Audience::Extension(second), _)] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((first.as_str(), second.as_str()), ("1001", "1002"), "the new pair");
    let call_id = |who: Who, key: CallKey, net: &mut Network| {
        net.command(who, |agent, _| agent.call(key).expect("a call").call_id.to_owned())
    };
    let status = status.clone();
    assert_eq!(status.caller_sip_call_id, call_id(talk.b, talk.theirs, &mut talk.net));
    assert_eq!(status.callee_sip_call_id, call_id(talk.c, rings, &mut talk.net));
    talk.net.assert_nothing_left();
}

#[test]
fn the_number_is_complete_three_seconds_after_its_last_digit() {
    let mut talk = Talk::new();
    talk.net.dial(talk.to_b, "*03100");
    talk.net.advance(2_999);
    talk.net.dial(talk.to_b, "2");
    talk.net.advance(2_999);
    assert!(talk.net.events(talk.c).is_empty());
    talk.net.advance(1);
    talk.net.incoming(talk.c);
    talk.net.assert_nothing_left();
}

#[test]
fn a_code_without_a_number_is_given_up() {
    for digits in ["*03", "*3", "*03#"] {
        let mut talk = Talk::new();
        talk.net.dial(talk.to_a, digits);
        if !digits.ends_with('#') {
            assert_eq!(talk.sound(talk.to_b), Some(Sound::Music));
            talk.net.advance(8_000);
        }
        assert_eq!((talk.sound(talk.to_a), talk.sound(talk.to_b)), (Some(Sound::Relay), Some(Sound::Relay)));
        talk.net.assert_nothing_left();
    }
}

#[test]
fn a_target_that_is_busy_or_unknown_or_does_not_answer_gives_the_call_back_with_a_tone() {
    for code in ["*03", "*3"] {
        for target in ["604", "4242", "1009", "1002"] {
            let mut talk = Talk::new();
            talk.net.dial(talk.to_a, &format!("{code}{target}#"));
            if target == "1002" {
                let rings = talk.net.incoming(talk.c);
                talk.net.ring(talk.c, rings, None);
                talk.net.advance(30_000);
                talk.net.ended(talk.c);
            }
            talk.assert_back();
            // The call is as it was: it can be transferred again.
            talk.net.dial(talk.to_a, "*031002#");
            talk.net.incoming(talk.c);
            talk.net.assert_nothing_left();
        }
    }
}

#[test]
fn a_blind_transfer_goes_on_without_who_wanted_it_and_not_without_the_other_side() {
    let mut talk = Talk::new();
    talk.net.dial(talk.to_a, "*031002#");
    let rings = talk.net.incoming(talk.c);
    talk.hang_up(talk.a, talk.ours);
    talk.net.answer(talk.c, rings);
    talk.assert_talk("1001", "1002");
    talk.net.assert_nothing_left();

    let mut talk = Talk::new();
    talk.net.dial(talk.to_a, "*031002#");
    let rings = talk.net.incoming(talk.c);
    talk.net.ring(talk.c, rings, None);
    talk.hang_up(talk.b, talk.theirs);
    assert_eq!(talk.net.ended(talk.c).kind, TerminationKind::Canceled);
    assert_eq!(talk.net.ended(talk.a).kind, TerminationKind::Bye);
    talk.net.assert_nothing_left();
}

/// 1000 or 1001 asks 1002, who answers. Gives 1002's call.
fn asked(talk: &mut Talk, asker: LegId) -> CallKey {
    talk.net.dial(asker, "*31002#");
    let rings = talk.net.incoming(talk.c);
    talk.net.ring(talk.c, rings, None);
    assert_eq!(talk.sound(asker), Some(Sound::Ringback));
    talk.net.answer(talk.c, rings);
    let target = talk.leg_of("1002");
    assert_eq!(talk.across(asker), Some(target));
    assert_eq!((talk.sound(asker), talk.sound(target)), (Some(Sound::Relay), Some(Sound::Relay)));
    rings
}

#[test]
fn either_side_asks_and_its_hang_up_joins_the_two_others() {
    let mut talk = Talk::new();
    let (asker, held) = (talk.to_a, talk.to_b);
    asked(&mut talk, asker);
    assert_eq!(talk.sound(held), Some(Sound::Music));
    talk.hang_up(talk.a, talk.ours);
    talk.assert_talk("1001", "1002");
    talk.net.assert_nothing_left();

    let mut talk = Talk::new();
    let (asker, held) = (talk.to_b, talk.to_a);
    asked(&mut talk, asker);
    assert_eq!(talk.sound(held), Some(Sound::Music));
    talk.hang_up(talk.b, talk.theirs);
    talk.assert_talk("1000", "1002");
    talk.net.assert_nothing_left();
}

#[test]
fn who_asks_goes_back_before_and_after_the_answer() {
    for is_answered in [false, true] {
        let mut talk = Talk::new();
        let (asker, held) = (talk.to_b, talk.to_a);
        if is_answered {
            asked(&mut talk, asker);
        } else {
            talk.net.dial(asker, "*31002#");
            let rings = talk.net.incoming(talk.c);
            talk.net.ring(talk.c, rings, None);
        }
        talk.net.dial(asker, "*0");
        talk.net.ended(talk.c);
        assert_eq!(talk.across(asker), Some(held));
        talk.assert_talk("1000", "1001");
        // Everything is as before: either side ends it.
        talk.hang_up(talk.a, talk.ours);
        assert_eq!(talk.net.ended(talk.b).kind, TerminationKind::Bye);
        talk.net.assert_nothing_left();
    }
}

#[test]
fn a_target_that_hangs_up_first_gives_the_call_back() {
    let mut talk = Talk::new();
    let asker = talk.to_a;
    let target = asked(&mut talk, asker);
    talk.hang_up(talk.c, target);
    assert_eq!(talk.across(talk.to_a), Some(talk.to_b));
    talk.assert_back();
    talk.net.assert_nothing_left();
}

#[test]
fn who_waits_hangs_up_and_the_other_two_go_on() {
    for is_answered in [false, true] {
        let mut talk = Talk::new();
        let asker = talk.to_a;
        let rings = if is_answered {
            asked(&mut talk, asker)
        } else {
            talk.net.dial(asker, "*31002#");
            talk.net.incoming(talk.c)
        };
        talk.hang_up(talk.b, talk.theirs);
        assert!(talk.net.events(talk.a).iter().all(|event| !matches!(event, Event::Terminated { .. })));
        if !is_answered {
            talk.net.answer(talk.c, rings);
        }
        talk.assert_talk("1000", "1002");
        talk.hang_up(talk.c, rings);
        assert_eq!(talk.net.ended(talk.a).kind, TerminationKind::Bye);
        talk.net.assert_nothing_left();
    }
}

#[test]
fn who_waits_hangs_up_and_a_target_that_refuses_ends_it_all() {
    let mut talk = Talk::new();
    talk.net.dial(talk.to_a, "*31002#");
    let rings = talk.net.incoming(talk.c);
    talk.hang_up(talk.b, talk.theirs);
    talk.net.command(talk.c, |agent, now| agent.reject(now, rings, 486, Vec::new())).expect("refuses");
    assert_eq!(talk.net.ended(talk.a).kind, TerminationKind::Bye);
    talk.net.assert_nothing_left();
}

#[test]
fn who_asks_hangs_up_while_the_target_rings_and_who_waits_gets_it_or_nobody() {
    for answers in [true, false] {
        let mut talk = Talk::new();
        talk.net.dial(talk.to_a, "*31002#");
        let rings = talk.net.incoming(talk.c);
        talk.net.ring(talk.c, rings, None);
        talk.hang_up(talk.a, talk.ours);
        if answers {
            talk.net.answer(talk.c, rings);
            talk.assert_talk("1001", "1002");
        } else {
            talk.net.command(talk.c, |agent, now| agent.reject(now, rings, 486, Vec::new())).expect("refuses");
            assert_eq!(talk.net.ended(talk.b).kind, TerminationKind::Bye);
        }
        talk.net.assert_nothing_left();
    }
}

#[test]
fn both_dial_a_code_and_the_first_to_finish_has_it() {
    for code in ["*03", "*3"] {
        let mut talk = Talk::new();
        talk.net.dial(talk.to_a, &format!("{code}100"));
        talk.net.dial(talk.to_b, &format!("{code}100"));
        assert_eq!((talk.sound(talk.to_a), talk.sound(talk.to_b)), (Some(Sound::Music), Some(Sound::Music)));
        talk.net.dial(talk.to_b, "2#");
        talk.net.dial(talk.to_a, "3#");
        talk.net.advance(4_000);
        let rings = talk.net.incoming(talk.c);
        talk.net.answer(talk.c, rings);
        if code == "*03" {
            talk.assert_talk("1000", "1002");
        } else {
            talk.assert_talk("1001", "1002");
        }
        talk.net.assert_nothing_left();
    }
}

#[test]
fn a_number_being_dialled_ends_with_its_call_and_with_a_refer() {
    let mut talk = Talk::new();
    talk.net.dial(talk.to_a, "*03100");
    talk.hang_up(talk.b, talk.theirs);
    talk.net.advance(10_000);
    assert!(talk.net.events(talk.c).is_empty());
    talk.net.assert_nothing_left();

    let mut talk = Talk::new();
    talk.net.dial(talk.to_a, "*03");
    let to = offhook_sip::HeaderField::new("Refer-To", "<sip:604@localhost>").into_iter().collect();
    let theirs = talk.theirs;
    talk.net.command(talk.b, |agent, now| agent.request(now, theirs, "REFER", to, None)).expect("sent");
    talk.net.advance(10_000);
    assert_eq!((talk.sound(talk.to_a), talk.sound(talk.to_b)), (Some(Sound::Relay), Some(Sound::Relay)));
    talk.net.assert_nothing_left();
}

#[test]
fn while_one_asks_no_refer_and_no_other_code_is_taken() {
    let mut talk = Talk::new();
    let asker = talk.to_a;
    let target = asked(&mut talk, asker);
    let to_c = talk.leg_of("1002");
    for leg in [talk.to_a, talk.to_b, to_c] {
        talk.net.dial(leg, "*3600#");
    }
    let to = || offhook_sip::HeaderField::new("Refer-To", "<sip:600@localhost>").into_iter().collect();
    let (ours, theirs) = (talk.ours, talk.theirs);
    for (who, call) in [(talk.a, ours), (talk.b, theirs), (talk.c, target)] {
        talk.net.events(who);
        talk.net.command(who, |agent, now| agent.request(now, call, "REFER", to(), None)).expect("sent");
        let events = talk.net.events(who);
        let is_refused = |event: &Event| matches!(event, Event::Response { outcome: offhook_sip::RequestOutcome::Answered(r), .. } if r.status.code() == 491);
        assert!(events.iter().any(is_refused), "{events:?}");
    }
    talk.hang_up(talk.a, talk.ours);
    talk.assert_talk("1001", "1002");
    talk.net.assert_nothing_left();
}

#[test]
fn the_target_and_who_waits_lose_their_media_and_the_rest_goes_on() {
    let mut talk = Talk::new();
    let asker = talk.to_a;
    asked(&mut talk, asker);
    let to_c = talk.leg_of("1002");
    talk.net.media_event(MediaEvent::Silent { leg: to_c });
    talk.assert_back();
    talk.net.assert_nothing_left();

    let mut talk = Talk::new();
    let asker = talk.to_a;
    asked(&mut talk, asker);
    talk.net.media_event(MediaEvent::Silent { leg: talk.to_b });
    talk.assert_talk("1000", "1002");
    talk.net.assert_nothing_left();

    let mut talk = Talk::new();
    let asker = talk.to_a;
    asked(&mut talk, asker);
    talk.net.media_event(MediaEvent::Silent { leg: talk.to_a });
    talk.assert_talk("1001", "1002");
    talk.net.assert_nothing_left();
}

#[test]
fn a_room_is_asked_and_who_waits_is_brought_into_it() {
    let mut talk = Talk::new();
    talk.net.dial(talk.to_a, "*37000#");
    assert_eq!(talk.net.switch.rooms[0].members, [talk.to_a]);
    talk.hang_up(talk.a, talk.ours);
    assert_eq!(talk.net.switch.rooms[0].members, [talk.to_b]);
    talk.net.assert_nothing_left();
}

#[test]
fn above_the_calls_that_there_may_be_no_code_harms_the_call() {
    for code in ["*03", "*3"] {
        let mut config = PbxConfig::default();
        config.limits.calls = 1;
        let mut talk = Talk::with(config);
        talk.net.dial(talk.to_a, &format!("{code}1002#"));
        assert!(talk.net.events(talk.c).is_empty());
        talk.assert_back();
        // New calls of every kind are told when to try again.
        for number in ["1001", "600", "7000"] {
            let c = talk.c;
            talk.net.call(c, number);
            let end = talk.net.ended(c);
            assert_eq!(end.status, Some(503), "{number}");
            let response = end.response.expect("a response");
            assert!(offhook_sip::message::HeadersExt::number(&response.headers, "Retry-After").is_some());
        }
        let ended = |event: &PbxEvent| matches!(event, PbxEvent::CallEnded { .. });
        assert!(!talk.net.told.iter().any(ended));
        talk.net.assert_nothing_left();
    }
}

#[test]
fn the_pbx_stops_while_one_asks() {
    let mut talk = Talk::new();
    let asker = talk.to_a;
    asked(&mut talk, asker);
    talk.net.stop();
    for who in [talk.a, talk.b, talk.c] {
        talk.net.ended(who);
    }
    talk.net.assert_nothing_left();
}
