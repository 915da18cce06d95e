//! Conference rooms.

use std::path::PathBuf;

use offhook_sip::message::HeadersExt as _;
use offhook_sip::{CallKey, Event, TerminationKind};

use super::network::{HELD, Network, SDP, Who, reinvite};
use crate::config::PbxConfig;
use crate::events::PbxEvent;
use crate::extension::{Extension, RecordPermissions};
use crate::features::Conference;
use crate::media::{LegId, MediaAction, MediaEvent, Piece, RoomId, Sound, Taped};
use crate::notice::{Audience, CallStatus, Fact, RecordState};

const ROOM: RoomId = RoomId(0);

/// Calls a room, and gives the call and the PBX's leg.
fn enter(net: &mut Network, who: Who, number: &str) -> (CallKey, LegId) {
    let call = net.call(who, number);
    let events = net.events(who);
    assert!(events.iter().any(|event| matches!(event, Event::Confirmed { .. })), "{events:?}");
    (call, *net.open.last().expect("a leg"))
}

fn hang_up(net: &mut Network, who: Who, call: CallKey) {
    net.command(who, |agent, now| agent.hangup(now, call, None)).expect("ends");
}

fn hold(net: &mut Network, who: Who, call: CallKey, sdp: &str) {
    let modify = reinvite(sdp);
    net.command(who, |agent, now| agent.modify(now, call, modify)).expect("sent");
    net.events(who);
}

/// Who was brought into the mix and taken out of it since.
fn seats(net: &mut Network) -> Vec<(LegId, bool)> {
    net.media
        .drain(..)
        .filter_map(|action| match action {
            MediaAction::Join { leg, room } => {
                assert_eq!(room, ROOM);
                Some((leg, true))
            }
            MediaAction::Leave { leg } => Some((leg, false)),
            _ => None,
        })
        .collect()
}

fn sounds(net: &Network, of: LegId) -> Vec<Sound> {
    let sound = |action: &MediaAction| match action {
        MediaAction::Play { leg, sound } if *leg == of => Some(*sound),
        _ => None,
    };
    net.media.iter().filter_map(sound).collect()
}

fn statuses(net: &mut Network) -> Vec<(String, CallStatus)> {
    net.notices
        .drain(..)
        .filter_map(|notice| match (notice.to, notice.fact) {
            (Audience::Extension(number), Fact::CallStatus(status)) => Some((number, status)),
            _ => None,
        })
        .collect()
}

/// The `Record` headers of a phone's INFOs, which it answers.
fn recorded(net: &mut Network, who: Who) -> Vec<String> {
    let mut told = Vec::new();
    for event in net.events(who) {
        if let Event::Request { transaction, request, .. } = event {
            told.extend(request.headers.text("Record"));
            net.command(who, |agent, now| agent.respond(now, transaction, 200, Vec::new(), None)).expect("taken");
        }
    }
    told
}

#[test]
fn members_meet_in_the_mix_and_hear_who_comes_and_goes() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (in_a, leg_a) = enter(&mut net, a, "7000");
    assert_eq!(sounds(&net, leg_a), [Sound::Music], "alone");
    let (in_b, leg_b) = enter(&mut net, b, "7000");
    for leg in [leg_a, leg_b] {
        assert_eq!(net.prompted(leg), [Piece::Joined]);
        assert_eq!(sounds(&net, leg).last(), Some(&Sound::Silence), "nothing but the others");
    }
    let (in_c, leg_c) = enter(&mut net, c, "7000");
    assert_eq!(net.prompts.len(), 3, "all hear it");
    assert_eq!(seats(&mut net), [(leg_a, true), (leg_b, true), (leg_c, true)]);
    hang_up(&mut net, a, in_a);
    assert_eq!(seats(&mut net), [(leg_a, false)]);
    assert_eq!((net.prompted(leg_b), net.prompted(leg_c)), (vec![Piece::Left], vec![Piece::Left]));
    hang_up(&mut net, b, in_b);
    assert_eq!(net.prompted(leg_c), [Piece::Left]);
    assert_eq!(sounds(&net, leg_c).last(), Some(&Sound::Music), "alone again");
    hang_up(&mut net, c, in_c);
    net.assert_nothing_left();
}

#[test]
fn each_member_is_told_that_it_is_a_conference_by_its_own_call_id() {
    let mut net = Network::new();
    let a = net.phone("1000");
    let (call, _) = enter(&mut net, a, "7003");
    let call_id = net.command(a, |agent, _| agent.call(call).expect("a call").call_id.to_owned());
    let status = CallStatus {
        is_conference: true,
        caller: "1000".to_owned(),
        caller_sip_call_id: call_id,
        callee: "7003".to_owned(),
        callee_sip_call_id: String::new(),
        record: RecordState::Stop,
    };
    assert_eq!(statuses(&mut net), [("1000".to_owned(), status)]);
    net.assert_nothing_left();
}

#[test]
fn a_member_that_holds_is_out_of_the_mix_until_it_is_back() {
    let mut net = Network::new();
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (in_a, leg_a) = enter(&mut net, a, "7000");
    let (_, leg_b) = enter(&mut net, b, "7000");
    seats(&mut net);
    hold(&mut net, a, in_a, HELD);
    assert!(net.media.iter().all(|action| !matches!(action, MediaAction::Play { sound: Sound::Music, .. })));
    assert_eq!(seats(&mut net), [(leg_a, false)]);
    let c = net.phone("1002");
    let (_, leg_c) = enter(&mut net, c, "7000");
    assert!(net.prompts.contains_key(&leg_b) && net.prompts.contains_key(&leg_c));
    assert!(!net.prompts.contains_key(&leg_a), "who holds is told nothing");
    seats(&mut net);
    hold(&mut net, a, in_a, SDP);
    assert_eq!(seats(&mut net), [(leg_a, true)]);
    net.assert_nothing_left();
}

#[test]
fn a_member_whose_media_is_lost_is_out_and_the_others_stay() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (_, leg_a) = enter(&mut net, a, "7000");
    enter(&mut net, b, "7000");
    enter(&mut net, c, "7000");
    net.media_event(MediaEvent::Silent { leg: leg_a });
    assert_eq!(net.ended(a).kind, TerminationKind::Bye);
    assert_eq!(net.switch.calls(), 2);
    assert!(net.events(b).is_empty() && net.events(c).is_empty());
    net.assert_nothing_left();
}

#[test]
fn a_full_room_is_busy_and_whoever_is_in_it_stays() {
    let mut config = PbxConfig::default();
    config.limits.conference_members = 2;
    let mut net = Network::with(config);
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (in_a, _) = enter(&mut net, a, "7000");
    enter(&mut net, b, "7000");
    net.call(c, "7000");
    assert_eq!(net.refusal(c), 486);
    let (_, _) = enter(&mut net, c, "7001");
    hang_up(&mut net, a, in_a);
    net.events(a);
    enter(&mut net, a, "7000");
    net.assert_nothing_left();
}

fn with_pin() -> PbxConfig {
    PbxConfig { conferences: vec![Conference::new("8000", "Board").pin("1234")], ..PbxConfig::default() }
}

#[test]
fn a_pin_is_asked_for_and_three_wrong_ones_are_the_end() {
    let mut net = Network::with(with_pin());
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (_, leg) = enter(&mut net, a, "8000");
    assert_eq!(net.prompted(leg), [Piece::Ask]);
    assert!(seats(&mut net).is_empty() && statuses(&mut net).is_empty(), "not in yet");
    net.dial(leg, "12#");
    assert_eq!(net.prompted(leg), [Piece::Failed, Piece::Ask]);
    net.dial(leg, "1234");
    assert_eq!(seats(&mut net), [(leg, true)]);
    assert_eq!(statuses(&mut net).len(), 1);
    let (_, leg) = enter(&mut net, b, "8000");
    for _ in 0..3 {
        net.dial(leg, "4321");
    }
    assert_eq!(net.prompted(leg), [Piece::Failed]);
    assert_eq!(net.ended(b).kind, TerminationKind::Bye);
    assert!(seats(&mut net).is_empty());
    net.assert_nothing_left();
}

#[test]
fn the_last_seat_goes_to_the_first_whose_pin_is_right() {
    let mut config = with_pin();
    config.limits.conference_members = 2;
    let mut net = Network::with(config);
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let legs: Vec<LegId> = [a, b, c].map(|who| enter(&mut net, who, "8000").1).to_vec();
    for &leg in &legs {
        net.dial(leg, "1234");
    }
    assert_eq!(seats(&mut net), [(legs[0], true), (legs[1], true)]);
    assert_eq!(net.prompted(legs[2]), [Piece::Failed]);
    assert_eq!(net.ended(c).kind, TerminationKind::Bye);
    net.assert_nothing_left();
}

#[test]
fn who_guesses_pins_is_not_asked_for_a_while_and_others_are() {
    let mut net = Network::with(with_pin());
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    for _ in 0..3 {
        let (_, leg) = enter(&mut net, a, "8000");
        net.dial(leg, "000000000000");
        net.prompted(leg);
        net.ended(a);
    }
    let (_, leg) = enter(&mut net, a, "8000");
    net.dial(leg, "1234");
    assert_eq!(net.prompted(leg), [Piece::Failed]);
    net.ended(a);
    let (_, leg) = enter(&mut net, b, "8000");
    net.dial(leg, "1234");
    net.advance(600_000);
    net.events(a);
    let (_, leg) = enter(&mut net, a, "8000");
    net.dial(leg, "1234");
    assert_eq!(seats(&mut net).len(), 2);
    net.assert_nothing_left();
}

#[test]
fn calls_at_once_give_no_more_guesses() {
    let mut net = Network::with(with_pin());
    let a = net.phone("1000");
    let legs: Vec<LegId> = (0..5).map(|_| enter(&mut net, a, "8000").1).collect();
    for &leg in &legs[..4] {
        net.dial(leg, "00000000");
    }
    // The ninth, in the last call, and then the right one.
    net.dial(legs[4], "0000");
    net.dial(legs[4], "1234");
    assert!(seats(&mut net).is_empty(), "guessed");
    assert_eq!(net.prompted(legs[4]), [Piece::Failed]);
    net.dial(legs[0], "1234");
    assert!(seats(&mut net).is_empty(), "guessed");
    net.assert_nothing_left();
}

#[test]
fn who_dials_no_pin_is_hung_up_and_the_built_in_rooms_are_gone() {
    let mut net = Network::with(with_pin());
    let a = net.phone("1000");
    enter(&mut net, a, "8000");
    net.advance(14_999);
    assert!(net.events(a).is_empty());
    net.advance(1);
    assert_eq!(net.ended(a).kind, TerminationKind::Bye);
    net.call(a, "7000");
    assert_eq!(net.refusal(a), 404);
    net.assert_nothing_left();
}

fn recording() -> PbxConfig {
    let mut extensions = Extension::built_in();
    extensions[1] = extensions[1].clone().record(RecordPermissions::PauseResume);
    extensions[2] = extensions[2].clone().record(RecordPermissions::None);
    PbxConfig { recordings: Some(PathBuf::from("calls")), extensions, ..PbxConfig::default() }
}

#[test]
fn the_whole_room_is_recorded_as_each_may_and_all_are_told() {
    let mut net = Network::with(recording());
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    let (in_a, leg_a) = enter(&mut net, a, "7000");
    let (_, leg_b) = enter(&mut net, b, "7000");
    statuses(&mut net);
    net.media.clear();
    net.dial(leg_b, "*1");
    assert_eq!(recorded(&mut net, b), ["off"], "it may not begin");
    net.dial(leg_a, "*1");
    let taped = net.media.iter().find_map(|action| match action {
        MediaAction::StartRecording { of, .. } => Some(*of),
        _ => None,
    });
    assert_eq!(taped, Some(Taped::Room(ROOM)));
    assert_eq!((recorded(&mut net, a), recorded(&mut net, b)), (vec!["on".to_owned()], vec!["on".to_owned()]));
    let told: Vec<_> =
        statuses(&mut net).into_iter().map(|(to, status)| (to, status.record, status.is_conference)).collect();
    let on = |number: &str| (number.to_owned(), RecordState::Recording, true);
    assert_eq!(told, [on("1000"), on("1001")]);
    // Who comes later is told at once.
    let (_, leg_c) = enter_recorded(&mut net, c);
    assert!(statuses(&mut net).iter().all(|(to, status)| to == "1002" && status.record == RecordState::Recording));
    net.dial(leg_c, "*1");
    assert_eq!(recorded(&mut net, c), ["on"], "it may do nothing");
    net.dial(leg_b, "*1");
    for who in [a, b, c] {
        assert_eq!(recorded(&mut net, who), ["off"], "paused for all");
    }
    assert!(statuses(&mut net).iter().all(|(_, status)| status.record == RecordState::Pause));
    // It goes on without whoever began it, and ends with the last.
    hang_up(&mut net, a, in_a);
    assert_eq!(net.recordings.len(), 1);
    for who in [b, c] {
        net.disconnect(who);
    }
    for leg in [leg_b, leg_c] {
        net.media_event(MediaEvent::Silent { leg });
    }
    assert!(net.recordings.is_empty());
    let told = |event: &&PbxEvent| matches!(event, PbxEvent::Recording { .. });
    assert_eq!(net.told.iter().filter(told).count(), 2);
    net.assert_nothing_left();
}

/// Enters a room that is recorded.
fn enter_recorded(net: &mut Network, who: Who) -> (CallKey, LegId) {
    let call = net.call(who, "7000");
    assert_eq!(recorded(net, who), ["on"]);
    (call, *net.open.last().expect("a leg"))
}

#[test]
fn the_code_while_the_file_is_opened_counts_and_an_empty_room_stops_it() {
    let mut net = Network::with(recording());
    let a = net.phone("1000");
    let (call, leg) = enter(&mut net, a, "7000");
    net.slow_down();
    net.dial(leg, "*1");
    net.dial(leg, "*1");
    assert!(net.deliver());
    assert_eq!(recorded(&mut net, a), ["on", "off"]);
    net.dial(leg, "*1");
    hang_up(&mut net, a, call);
    assert!(net.recordings.is_empty());
    net.slow = None;
    net.assert_nothing_left();
}

#[test]
fn a_disk_that_is_full_is_told_to_all_members() {
    let mut net = Network::with(recording());
    net.disk_full = true;
    let (a, b) = (net.phone("1000"), net.phone("1001"));
    let (_, leg) = enter(&mut net, a, "7000");
    enter(&mut net, b, "7000");
    net.dial(leg, "*1");
    assert_eq!((recorded(&mut net, a), recorded(&mut net, b)), (vec!["off".to_owned()], vec!["off".to_owned()]));
    assert_eq!(net.switch.calls(), 2);
    net.assert_nothing_left();
}

#[test]
fn a_call_is_transferred_into_a_room_and_a_member_out_of_it() {
    let mut net = Network::new();
    let (a, b, c) = (net.phone("1000"), net.phone("1001"), net.phone("1002"));
    enter(&mut net, c, "7000");
    let (ours, _) = net.established(a, b);
    let leg_b = net.switch.legs.iter().find(|(_, leg)| leg.extension == "1001").map(|(id, _)| *id).expect("a leg");
    refer(&mut net, a, ours, "7000");
    assert!(net.switch.rooms[0].members.contains(&leg_b), "the other side is in the room");
    assert_eq!(
        statuses(&mut net).last().map(|(to, status)| (to.clone(), status.is_conference)),
        Some(("1001".into(), true))
    );
    net.assert_nothing_left();
}

fn refer(net: &mut Network, who: Who, call: CallKey, number: &str) {
    let to = format!("<sip:{number}@localhost>");
    let headers = offhook_sip::HeaderField::new("Refer-To", &to).into_iter().collect();
    net.command(who, |agent, now| agent.request(now, call, "REFER", headers, None)).expect("sent");
}
