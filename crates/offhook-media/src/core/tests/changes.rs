//! ICE restarts, another address, and answers of another far end.

use super::*;
use crate::config::Wanted;
use crate::relay::{LinkId, Relayed};

const RESTART: Wanted = Wanted { direction: Direction::SendRecv, video: None, ice_restart: true };

fn attribute(sdp: &str, name: &str) -> String {
    sdp.lines().find_map(|line| line.strip_prefix(&format!("a={name}:"))).expect("the attribute").to_owned()
}

/// Level heard by a side in the next half second, of a tone that the other sends.
fn heard(pair: &mut Pair, side: usize) -> f64 {
    pair.sides[1 - side].play(AudioSource::Tone(ToneSpec::new(500.0)));
    pair.run(500);
    pair.sides[side].level();
    pair.run(500);
    pair.sides[side].level()
}

#[test]
fn an_ice_restart_renews_both_sides_credentials_and_the_audio_goes_on() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    let now = pair.now;
    let plain = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
    let offer = pair.sides[0].core.create_offer(now, RESTART).unwrap();
    for name in ["ice-ufrag", "ice-pwd"] {
        assert_ne!(attribute(&plain, name), attribute(&offer, name), "{name}");
    }
    assert_eq!(attribute(&plain, "fingerprint"), attribute(&offer, "fingerprint"), "the same certificate");
    let before = pair.sides[1].core.engine.as_ref().unwrap().local().ufrag.clone();
    let answer = pair.sides[1].core.accept_offer(now, &offer, Direction::SendRecv).unwrap();
    assert_ne!(attribute(&answer, "ice-ufrag"), before);
    pair.sides[0].core.accept_answer(now, &answer).unwrap();
    let next = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
    assert_eq!(attribute(&next, "ice-ufrag"), attribute(&offer, "ice-ufrag"), "they are in force now");
    pair.sides[0].core.rollback().unwrap();
    for side in [0, 1] {
        assert!(heard(&mut pair, side) > 3_000.0, "side {side} hears");
    }
    // Consent is asked for with the new credentials: without it, the path would be lost within half a minute.
    pair.run(60_000);
    assert!(heard(&mut pair, 0) > 3_000.0);
    assert!(!pair.sides[0].has(&PeerEvent::IceState(crate::stats::IceState::Disconnected)));
}

#[test]
fn a_refused_ice_restart_changes_nothing() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    let now = pair.now;
    let before = pair.sides[0].core.engine.as_ref().unwrap().local().ufrag.clone();
    pair.sides[0].core.create_offer(now, RESTART).unwrap();
    pair.sides[0].core.rollback().unwrap();
    let next = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
    assert_eq!(attribute(&next, "ice-ufrag"), before);
    pair.sides[0].core.rollback().unwrap();
    assert!(heard(&mut pair, 1) > 3_000.0);
}

#[test]
fn after_the_network_changed_a_restart_brings_the_call_to_the_new_address() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    let moved = SocketAddr::from(([10, 7, 7, 7], 1_234));
    let now = pair.now;
    pair.sides[0].core.set_candidates(now, vec![crate::reach::LocalCandidate::host(moved)]);
    let offer = pair.sides[0].core.create_offer(now, RESTART).unwrap();
    assert!(offer.contains("10.7.7.7 1234 typ host") && !offer.contains("10.0.0.1 1000 typ host"), "{offer}");
    let answer = pair.sides[1].core.accept_offer(now, &offer, Direction::SendRecv).unwrap();
    pair.sides[0].core.accept_answer(now, &answer).unwrap();
    pair.run(2_000);
    for side in [0, 1] {
        assert!(heard(&mut pair, side) > 3_000.0, "side {side} hears");
    }
    let used = pair.sides[0].core.stats(pair.now).candidate_pair.expect("a pair");
    assert_eq!(used.local, moved);
}

#[test]
fn another_fork_than_the_one_heard_may_answer() {
    let mut pair = Pair::new(&[Codec::Pcmu]);
    let grid = pair.now;
    let now = pair.now;
    let offer = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
    // The first fork sends early media and is never heard of again.
    let mut first = Side::new(9_000, &[Codec::Pcmu], grid, now);
    let early = first.core.accept_offer(now, &offer, Direction::SendRecv).unwrap();
    pair.sides[0].core.accept_answer(now, &early).unwrap();
    pair.run(300);
    let now = pair.now;
    let answer = pair.sides[1].core.accept_offer(now, &offer, Direction::SendRecv).unwrap();
    pair.sides[0].core.accept_answer(now, &answer).unwrap();
    pair.run(1_000);
    assert!(pair.sides.iter().all(|side| side.has(&PeerEvent::Connected)));
    for side in [0, 1] {
        assert!(heard(&mut pair, side) > 3_000.0, "side {side} hears");
    }
    // The call can be renegotiated as any other.
    pair.negotiate(1, Direction::SendOnly);
    assert_eq!(pair.sides[0].core.stats(pair.now).direction, Some(Direction::RecvOnly));
}

/// Side 1 closes, and another machine takes its place.
fn depart(pair: &mut Pair) {
    let now = pair.now;
    pair.sides[1].core.close(now);
    pair.run(100);
    assert!(pair.sides[0].has(&PeerEvent::RemoteClosed));
    pair.sides[0].events.clear();
    let (grid, now) = (pair.now, pair.now);
    pair.sides[1] = Side::new(9_000, &[Codec::Pcmu], grid, now);
}

#[test]
fn a_far_end_that_closed_its_side_comes_back_with_another_description() {
    for offers in [0, 1] {
        let mut pair = Pair::connected(&[Codec::Pcmu]);
        depart(&mut pair);
        // Long after any timeout.
        pair.run(60_000);
        pair.negotiate(offers, Direction::SendRecv);
        pair.run(500);
        assert!(pair.sides.iter().all(|side| side.has(&PeerEvent::Connected)), "{offers} offers");
        for side in [0, 1] {
            assert!(heard(&mut pair, side) > 3_000.0, "side {side} hears; {offers} offers");
        }
    }
}

#[test]
fn the_same_description_from_a_far_end_that_closed_its_side_is_another_transport() {
    let mut pair = Pair::new(&[Codec::Pcmu]);
    let offer = pair.sides[1].core.create_offer(pair.now, Direction::SendRecv).unwrap();
    let answer = pair.sides[0].core.accept_offer(pair.now, &offer, Direction::SendRecv).unwrap();
    pair.sides[1].core.accept_answer(pair.now, &answer).unwrap();
    pair.run(500);
    let refreshed = pair.sides[0].core.accept_offer(pair.now, &offer, Direction::SendRecv).unwrap();
    depart(&mut pair);
    let anew = pair.sides[0].core.accept_offer(pair.now, &offer, Direction::SendRecv).unwrap();
    for name in ["ice-ufrag", "ice-pwd", "fingerprint"] {
        assert_eq!(attribute(&refreshed, name), attribute(&answer, name), "{name}");
        assert_ne!(attribute(&anew, name), attribute(&answer, name), "{name}");
    }
}

#[test]
fn a_fork_that_closed_after_its_early_media_does_not_keep_another_from_answering() {
    let mut pair = Pair::new(&[Codec::Pcmu]);
    let offer = pair.sides[0].core.create_offer(pair.now, Direction::SendRecv).unwrap();
    let early = pair.sides[1].core.accept_offer(pair.now, &offer, Direction::SendRecv).unwrap();
    pair.sides[0].core.accept_answer(pair.now, &early).unwrap();
    pair.run(500);
    assert!(pair.sides[0].has(&PeerEvent::Connected));
    depart(&mut pair);
    let answer = pair.sides[1].core.accept_offer(pair.now, &offer, Direction::SendRecv).unwrap();
    pair.sides[0].core.accept_answer(pair.now, &answer).unwrap();
    pair.run(500);
    for side in [0, 1] {
        assert!(heard(&mut pair, side) > 3_000.0, "side {side} hears");
    }
}

#[test]
fn the_volume_is_what_the_sink_hears() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    let full = heard(&mut pair, 1);
    pair.sides[1].core.set_volume(0.5);
    let half = heard(&mut pair, 1);
    assert!((0.48..0.52).contains(&(half / full)), "{half} of {full}");
    pair.sides[1].core.set_volume(0.0);
    assert_eq!(heard(&mut pair, 1), 0.0);
}

#[test]
fn another_far_end_hears_us_after_the_numbers_have_wrapped() {
    for offers in [true, false] {
        let mut pair = Pair::connected(&[Codec::Pcmu]);
        // A quarter of an hour's numbers: a sender whose path loses nearly everything takes ours along.
        pair.sides[0].core.bridge(LinkId(1));
        for n in 0..15 {
            let (codec, payload) = (Codec::Pcmu, [0xff; 160].as_slice().into());
            let (seq, timestamp) = (100_000 + n * 2_900, n * 160);
            let packet = Relayed::Audio { link: LinkId(1), codec, seq, timestamp, epoch: 0, marker: false, payload };
            pair.sides[0].core.relayed(pair.now, packet);
            pair.run(20);
        }
        pair.sides[0].core.unbridge(LinkId(1));
        let (grid, now) = (pair.now, pair.now);
        pair.sides[1] = Side::new(9_000, &[Codec::Pcmu], grid, now);
        pair.negotiate(usize::from(offers), Direction::SendRecv);
        pair.run(500);
        assert!(pair.sides[1].has(&PeerEvent::Connected));
        for side in [1, 0] {
            assert!(heard(&mut pair, side) > 3_000.0, "side {side} hears; the other far end offers: {offers}");
        }
        let stats = pair.sides[1].core.stats(pair.now).inbound;
        assert_eq!((stats.packets_lost, stats.ssrc_changes), (0, 0));
        pair.run(5_000);
        let report = pair.sides[0].core.stats(pair.now).outbound.remote.expect("reports arrive");
        assert_eq!(report.packets_lost, 0);
        assert!((250..1_000).contains(&report.packets_received), "{report:?}");
    }
}

#[test]
fn who_resumes_hears_from_the_offer_on() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    pair.negotiate(0, Direction::Inactive);
    pair.run(500);
    pair.sides[1].play(AudioSource::Tone(ToneSpec::new(500.0)));
    let now = pair.now;
    let offer = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
    let answer = pair.sides[1].core.accept_offer(now, &offer, Direction::SendRecv).unwrap();
    // The answer is on its way.
    pair.run(300);
    pair.sides[0].level();
    pair.run(300);
    assert!(pair.sides[0].level() > 3_000.0, "RFC 3264 §5.1");
    let now = pair.now;
    pair.sides[0].core.accept_answer(now, &answer).unwrap();
    pair.run(500);
    assert!(pair.sides[0].level() > 3_000.0);
    assert_eq!(pair.sides[0].core.stats(pair.now).inbound.packets_lost, 0);
}

#[test]
fn what_comes_on_hold_is_neither_heard_nor_lost() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    pair.sides[1].play(AudioSource::Tone(ToneSpec::new(500.0)));
    pair.run(500);
    for changes in [false, true] {
        // Side 1 goes on sending, as it does not know.
        let now = pair.now;
        let offer = pair.sides[0].core.create_offer(now, Direction::SendOnly).unwrap().replace("sendonly", "sendrecv");
        let answer = pair.sides[1].core.accept_offer(now, &offer, Direction::SendRecv).unwrap();
        pair.sides[0].core.accept_answer(now, &answer).unwrap();
        pair.run(500);
        pair.sides[0].level();
        pair.sides[0].events.clear();
        pair.sides[1].core.send_dtmf(parse_tones("5", 100, 40).unwrap(), Reply::discard());
        pair.run(1_000);
        assert_eq!(pair.sides[0].level(), 0.0);
        if changes {
            pair.sides[1].core.engine.as_mut().unwrap().change_ssrc();
            pair.run(1_000);
        }
        pair.negotiate(0, Direction::SendRecv);
        pair.run(500);
        assert!(pair.sides[0].level() > 3_000.0);
        // A stream that began meanwhile is told of when it is heard.
        let tracks = pair.sides[0].events.iter().filter(|event| matches!(event, PeerEvent::RemoteTrack { .. })).count();
        assert_eq!((tracks, pair.sides[0].events.len()), (usize::from(changes), usize::from(changes)));
        let stats = pair.sides[0].core.stats(pair.now).inbound;
        assert_eq!((stats.packets_lost, stats.packets_late), (0, 0));
    }
}

#[test]
fn digits_that_a_hold_interrupts_fail_then_and_are_not_sent_after_it() {
    for in_band in [false, true] {
        let mut pair = Pair::connected(&[Codec::Pcmu]);
        let (reply, mut told) = Reply::channel();
        let (tones, core) = (parse_tones("123", 100, 100).unwrap(), &mut pair.sides[0].core);
        if in_band {
            core.send_tones(tones, reply)
        } else {
            core.send_dtmf(tones, reply)
        }
        pair.run(150);
        assert!(told.try_recv().is_err(), "they are being sent");
        pair.negotiate(0, Direction::Inactive);
        pair.run(1_000);
        assert!(matches!(told.try_recv(), Ok(Err(MediaError::WrongState(_)))));
        pair.negotiate(0, Direction::SendRecv);
        pair.sides[1].level();
        pair.run(1_500);
        let heard = pair.sides[1].events.iter().filter(|event| matches!(event, PeerEvent::Dtmf { .. })).count();
        assert_eq!(heard, usize::from(!in_band), "{:?}", pair.sides[1].events);
        assert_eq!(pair.sides[1].level(), 0.0, "nothing is heard after it");
        // Others are sent as ever.
        let (reply, mut told) = Reply::channel();
        pair.sides[0].core.send_dtmf(parse_tones("4", 100, 40).unwrap(), reply);
        pair.run(500);
        assert_eq!(told.try_recv(), Ok(Ok(())));
        assert_eq!(pair.sides[1].events.last(), Some(&PeerEvent::Dtmf { tone: '4', duration_ms: 100 }));
    }
}
