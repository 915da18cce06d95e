//! One leg of a bridge, side 0: what the other leg heard of its phone is sent on to the phone of this one, side 1.

use super::*;
use crate::relay::{LinkId, Relayed};

const LINK: LinkId = LinkId(1);
/// Timestamp units per ms of G.711 and its events.
const MS: u32 = 8;

fn leg() -> Pair {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    pair.sides[0].core.bridge(LINK);
    pair
}

/// A leg whose phone has answered, and that is not connected with it yet.
fn connecting() -> Pair {
    let mut pair = Pair::new(&[Codec::Pcmu]);
    pair.negotiate(0, Direction::SendRecv);
    pair.sides[0].core.bridge(LINK);
    pair
}

/// The packets of a digit of 100 ms that began at this ms: five while it lasts, the last of them sent three times.
fn digit(code: u8, at: u32) -> [Relayed; 7] {
    [20, 40, 60, 80, 100, 100, 100].map({
        let mut seq = 100_000 + u64::from(at / 20);
        move |duration: u32| {
            seq += 1;
            let [_, _, high, low] = (duration * MS).to_be_bytes();
            let end = if duration == 100 { 0x80 } else { 0 };
            Relayed::Event {
                link: LINK,
                clock_rate: 8_000,
                seq,
                timestamp: at * MS,
                epoch: 0,
                marker: duration == 20,
                payload: [code, end | 10, high, low],
            }
        }
    })
}

impl Pair {
    /// The other leg hands these over, all at this moment.
    fn hand_over(&mut self, packets: &[Relayed]) {
        for packet in packets {
            self.sides[0].core.relayed(self.now, packet.clone());
        }
    }

    /// Digits the phone was told of, each with its length in ms.
    fn digits(&self) -> Vec<(char, u32)> {
        let digit = |event: &PeerEvent| match event {
            PeerEvent::Dtmf { tone, duration_ms } => Some((*tone, *duration_ms)),
            _ => None,
        };
        self.sides[1].events.iter().filter_map(digit).collect()
    }
}

#[test]
fn digits_that_come_in_one_burst_are_as_many_at_the_phone() {
    let mut pair = leg();
    for code in 1..=5u8 {
        pair.hand_over(&digit(code, u32::from(code) * 160));
    }
    // So are one of our own and another that come sooner than all of those could have been.
    pair.sides[0].core.send_dtmf(parse_tones("6", 60, 40).unwrap(), Reply::discard());
    pair.run(200);
    pair.hand_over(&digit(7, 1_200));
    pair.run(500);
    assert_eq!(pair.digits(), [('1', 100), ('2', 100), ('3', 100), ('4', 100), ('5', 100), ('6', 60), ('7', 100)]);
}

#[test]
fn a_digit_in_whose_midst_the_leg_was_held_up_is_one_at_the_phone() {
    let mut pair = leg();
    let packets = digit(5, 160);
    pair.hand_over(&packets[..3]);
    pair.run(20);
    // Long enough that frames are given up, and not so long that the phone takes the digit to have ended.
    pair.now += Duration::from_millis(150);
    pair.run(0);
    pair.hand_over(&packets[3..]);
    pair.run(500);
    assert_eq!(pair.digits(), [('5', 100)]);
}

#[test]
fn digits_from_before_the_phone_is_connected_are_sent_to_it_as_soon_as_it_is() {
    let mut pair = connecting();
    pair.hand_over(&digit(1, 160));
    // The end of this one is lost.
    pair.hand_over(&digit(2, 320)[..4]);
    // One that comes while those of before are being sent.
    pair.run(250);
    assert!(pair.sides[1].has(&PeerEvent::Connected));
    pair.hand_over(&digit(3, 720));
    pair.run(1_000);
    pair.hand_over(&digit(4, 1_760));
    pair.run(500);
    assert_eq!(pair.digits(), [('1', 100), ('2', 80), ('3', 100), ('4', 100)]);
}

#[test]
fn a_digit_in_whose_midst_the_phone_is_connected_is_one() {
    for before in 1..7 {
        let mut pair = connecting();
        let packets = digit(5, 160);
        pair.hand_over(&packets[..before]);
        pair.run(150);
        assert!(pair.sides[1].has(&PeerEvent::Connected));
        pair.hand_over(&packets[before..]);
        pair.run(500);
        assert_eq!(pair.digits(), [('5', 100)], "{before} packets before that");
    }
}

#[test]
fn a_digit_of_another_during_one_of_ours_comes_after_it() {
    let mut pair = leg();
    pair.sides[0].core.send_dtmf(parse_tones("1", 200, 40).unwrap(), Reply::discard());
    pair.run(60);
    pair.hand_over(&digit(2, 160));
    pair.run(1_000);
    assert_eq!(pair.digits(), [('1', 200), ('2', 100)]);
}

#[test]
fn a_late_copy_of_the_digit_before_is_none_of_its_own() {
    let mut pair = leg();
    let (one, two) = (digit(1, 160), digit(2, 320));
    pair.hand_over(&one[..6]);
    pair.hand_over(&two[..6]);
    pair.hand_over(&one[6..]);
    pair.hand_over(&two[6..]);
    pair.run(500);
    assert_eq!(pair.digits(), [('1', 100), ('2', 100)]);
}

#[test]
fn the_other_is_heard_on_while_digits_of_ours_are_sent() {
    let mut pair = leg();
    pair.sides[0].core.send_dtmf(parse_tones("12", 100, 100).unwrap(), Reply::discard());
    let levels: Vec<f64> = (0..50)
        .map(|n| {
            pair.hand_over(&[Relayed::Audio {
                link: LINK,
                codec: Codec::Pcmu,
                seq: 100_000 + n,
                timestamp: n * 160,
                epoch: 0,
                marker: n == 0,
                // Loud, and of no frequency that a receiver could mistake for a digit: a square wave of 1 kHz.
                payload: (0..160).map(|sample| if sample / 4 % 2 == 0 { 0x90 } else { 0x10 }).collect(),
            }]);
            pair.run(20);
            pair.sides[1].level()
        })
        .collect();
    // From the second on: the first comes after 10 ms of path and the jitter buffer.
    assert!(levels[5..].iter().all(|level| *level > 3_000.0), "{levels:?}");
    let inbound = pair.sides[1].core.stats(pair.now).inbound;
    assert_eq!((inbound.packets_lost, inbound.concealed_samples), (0, 0), "{inbound:?}");
    assert_eq!(pair.digits(), [('1', 100), ('2', 100)]);
}

/// The packets of a digit held so long, of events with this clock, every 20 ms: in segments where the duration counts no further
/// (RFC 4733 §2.5.1.3), the end sent three times.
fn held(code: u8, ms: u32, rate: u32) -> Vec<Relayed> {
    let mut packets = Vec::new();
    let mut report = |timestamp: u32, duration: u32, end: u8| {
        let [_, _, high, low] = duration.to_be_bytes();
        packets.push(Relayed::Event {
            link: LINK,
            clock_rate: rate,
            seq: 100_000 + packets.len() as u64,
            timestamp: 5_000 + timestamp,
            epoch: 0,
            marker: packets.is_empty(),
            payload: [code, end | 10, high, low],
        });
    };
    let mut begin = 0;
    for at in (1..=ms / 20).map(|n| n * rate / 50) {
        if at - begin > 0xffff {
            report(begin, 0xffff, 0);
            begin += 0xffff;
        }
        if at < ms * (rate / 1_000) {
            report(begin, at - begin, 0);
        } else {
            (0..3).for_each(|_| report(begin, at - begin, 0x80));
        }
    }
    packets
}

#[test]
fn a_digit_held_for_long_is_one_at_the_phone_whatever_the_clocks_of_both_sides() {
    for (codec, rate, ms) in [
        (Codec::Pcmu, 48_000, 3_000),
        (Codec::Pcmu, 48_000, 10_000),
        (Codec::Pcmu, 8_000, 10_000),
        (Codec::Opus, 48_000, 3_000),
        (Codec::Opus, 8_000, 3_000),
        // Its end is where a segment is full for the phone, and not for the other.
        (Codec::Opus, 8_000, 1_380),
    ] {
        let mut pair = Pair::new(&[codec]);
        let now = pair.now;
        let mut offer = pair.sides[0].core.create_offer(now, Direction::SendRecv).unwrap();
        if codec == Codec::Opus {
            // Events of 48 kHz alone.
            offer = offer.replace(" 101\r\n", "\r\n");
            offer = offer.split_inclusive("\r\n").filter(|line| !line.contains(":101 ")).collect();
        }
        let answer = pair.sides[1].core.accept_offer(now, &offer, Direction::SendRecv).unwrap();
        pair.sides[0].core.accept_answer(now, &answer).unwrap();
        pair.run(500);
        let events = &pair.sides[0].core.negotiation.agreed().expect("answered").events;
        assert!(matches!(events[..], [(_, clock)] if clock == codec.clock_rate()), "{events:?}");
        pair.sides[0].core.bridge(LINK);
        for packet in held(5, ms, rate) {
            pair.hand_over(&[packet]);
            pair.run(20);
        }
        pair.run(500);
        let [(digit, told)] = pair.digits()[..] else { panic!("{codec} {rate} {ms}: {:?}", pair.digits()) };
        assert!(digit == '5' && (ms - 20..=ms).contains(&told), "{codec} {rate} {ms}: {told}");
    }
}

#[test]
fn a_digit_held_for_long_and_kept_is_one_at_the_phone() {
    let mut pair = leg();
    pair.sides[0].core.send_dtmf(parse_tones("1", 200, 40).unwrap(), Reply::discard());
    pair.run(60);
    for packet in held(2, 3_000, 48_000) {
        pair.hand_over(&[packet]);
        pair.run(20);
    }
    pair.run(5_000);
    assert_eq!(pair.digits(), [('1', 200), ('2', 3_000)]);
}

fn audio(n: u64, epoch: u32) -> Relayed {
    let (codec, payload) = (Codec::Pcmu, [0x90; 160].as_slice().into());
    Relayed::Audio { link: LINK, codec, seq: 100_000 + n, timestamp: n * 160, epoch, marker: false, payload }
}

/// Number and timestamp of each packet that is sent to the phone in these ms.
fn sent(pair: &mut Pair, ms: u64) -> Vec<(u16, u32)> {
    let mut sent = Vec::new();
    for _ in 0..ms / 5 {
        pair.run(5);
        let rtp = pair
            .flying
            .iter()
            .filter(|f| f.1 == 1)
            .map(|f| &f.4)
            .filter(|data| data[0] >> 6 == 2 && data[1] & 0x7f == 0);
        for data in rtp {
            let seq = u16::from_be_bytes([data[2], data[3]]);
            let timestamp = u32::from_be_bytes([data[4], data[5], data[6], data[7]]);
            if sent.iter().all(|&(known, _)| known != seq) {
                sent.push((seq, timestamp));
            }
        }
    }
    sent
}

#[test]
fn timestamps_go_on_from_what_was_relayed_last() {
    for own in [true, false] {
        let mut pair = leg();
        // What was sent before is there.
        pair.run(20);
        // The first came late: those after it are ahead of our clock.
        let burst: Vec<_> = (0..8).map(|n| audio(n, 0)).collect();
        pair.hand_over(&burst);
        let mut packets = sent(&mut pair, 20);
        assert_eq!(packets.len(), 8);
        if own {
            pair.sides[0].play(AudioSource::Tone(ToneSpec::new(500.0)));
        }
        for n in 0..10 {
            if !own {
                pair.hand_over(&[audio(5_000 + n, 1)]);
            }
            packets.extend(sent(&mut pair, 20));
        }
        packets.dedup();
        assert!(packets.len() >= 17, "{packets:?}");
        for pair in packets.windows(2) {
            assert_eq!(pair[1].0.wrapping_sub(pair[0].0), 1, "{packets:?}");
            let step = pair[1].1.wrapping_sub(pair[0].1);
            assert!((160..=320).contains(&step), "own {own}: {packets:?}");
        }
    }
}

#[test]
fn of_two_sources_that_a_leg_hears_at_once_only_the_newer_is_passed_on() {
    use crate::core::engine::RtpIn;
    let mut pair = leg();
    // Nothing else comes to it.
    pair.sides[1].path = Box::new(|_| None);
    pair.run(300);
    pair.sides[0].events.clear();
    let mut passed = Vec::new();
    for n in 0..100u16 {
        // The second is there from the fortieth to the seventieth.
        for source in (1..=2u8).filter(|source| *source == 1 || (40..70).contains(&n)) {
            let (ssrc, seq, payload) = (u32::from(source), n + 1_000 * u16::from(source), [source; 160]);
            let timestamp = u32::from(n) * 160;
            let rtp = RtpIn { ssrc, pt: 0, seq, timestamp, marker: false, payload: payload.as_slice().into() };
            pair.sides[0].core.packet(pair.now, &rtp);
        }
        while let Some(output) = pair.sides[0].core.poll_output() {
            match output {
                Output::Relay(Relayed::Audio { payload, .. }) => passed.push((payload[0], n)),
                Output::Event(event) => pair.sides[0].events.push(event),
                _ => {}
            }
        }
        pair.run(20);
    }
    let of = |source| passed.iter().filter(move |(from, _)| *from == source).map(|(_, n)| *n);
    assert!(of(2).eq(40..70), "{passed:?}");
    // Up to its packet that comes right before the other's first, and from 200 ms after the other's last.
    assert!(of(1).eq((0..=40).chain(79..100)), "{passed:?}");
    let tracks = pair.sides[0].events.iter().filter(|event| matches!(event, PeerEvent::RemoteTrack { .. })).count();
    assert_eq!(tracks, 3, "{:?}", pair.sides[0].events);
}
