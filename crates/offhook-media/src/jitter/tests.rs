//! The jitter buffer in virtual time, on paths with seeded delay, loss and reordering.

use std::time::Duration;

use proptest::prelude::*;

use super::{JitterBuffer, JitterConfig, Next, Packet};

const FRAME: u32 = 160;
const RATE: u32 = 8_000;

/// A small generator (SplitMix64): the same seed gives the same path.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// What was played in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Played {
    Packet(u64),
    Lost,
    Stretch,
    Silence,
}

#[derive(Default)]
struct Outcome {
    played: Vec<Played>,
    /// Time from sending to playing of each packet played, µs.
    delays: Vec<i64>,
    merges: usize,
}

impl Outcome {
    fn packets(&self) -> impl Iterator<Item = u64> + '_ {
        self.played.iter().filter_map(|p| if let Played::Packet(seq) = p { Some(*seq) } else { None })
    }

    fn count(&self, what: Played) -> usize {
        self.played.iter().filter(|&&p| p == what).count()
    }
}

/// Plays what arrives: `(arrival, seq)` in µs, sent every 20 ms.
fn play(buffer: &mut JitterBuffer, arrivals: &mut [(i64, u64)], frames: i64) -> Outcome {
    arrivals.sort_unstable();
    let mut outcome = Outcome::default();
    let mut arrived = arrivals.iter().copied().peekable();
    for frame in 0..frames {
        // The grid of the receiver lies between those of the sender.
        let now = 1_007_000 + frame * 20_000;
        while let Some((arrival, seq)) = arrived.next_if(|(arrival, _)| *arrival <= now) {
            buffer.insert(packet(seq, arrival));
        }
        let mut take = |p: &Packet| {
            outcome.delays.push(now - sent(p.seq));
            outcome.played.push(Played::Packet(p.seq));
        };
        match buffer.next(now, 0, false, FRAME) {
            Next::Play(p) => take(&p),
            Next::Merge(a, b) => {
                take(&a);
                take(&b);
                outcome.merges += 1;
            }
            Next::Lost { duration, .. } => {
                assert_eq!(duration, FRAME);
                outcome.played.push(Played::Lost);
            }
            Next::Stretch => outcome.played.push(Played::Stretch),
            Next::Silence => outcome.played.push(Played::Silence),
        }
    }
    outcome
}

fn sent(seq: u64) -> i64 {
    1_000_000 + (seq as i64 - 1_000) * 20_000
}

fn packet(seq: u64, arrival: i64) -> Packet {
    let timestamp = 50_000 + (seq - 1_000) * u64::from(FRAME);
    Packet { seq, timestamp, duration: FRAME, payload: Some(seq.to_be_bytes().as_slice().into()), arrival }
}

fn buffer() -> JitterBuffer {
    JitterBuffer::new(JitterConfig::default(), RATE)
}

/// Arrivals of `count` packets with these delays; `None` is a loss.
fn path(count: u64, mut delay: impl FnMut(u64) -> Option<i64>) -> Vec<(i64, u64)> {
    (1_000..1_000 + count).filter_map(|seq| delay(seq - 1_000).map(|d| (sent(seq) + d, seq))).collect()
}

#[test]
fn of_two_lost_in_a_row_the_second_comes_from_the_copy_in_what_follows() {
    let mut buffer = buffer();
    let mut arrivals = path(60, |n| (n != 50 && n != 51).then_some(5_000)).into_iter().peekable();
    let mut made_up = Vec::new();
    for frame in 0..58 {
        let now = 1_007_000 + frame * 20_000;
        while let Some((arrival, seq)) = arrivals.next_if(|(arrival, _)| *arrival <= now) {
            buffer.insert(packet(seq, arrival));
        }
        match buffer.next(now, 0, false, FRAME) {
            Next::Lost { following, .. } => made_up.push(following),
            // The first is due before anything shows that it is lost.
            Next::Stretch => made_up.push(None),
            _ => {}
        }
    }
    let next = 1_052u64.to_be_bytes().as_slice().into();
    assert_eq!(made_up, [None, Some(next)]);
}

#[test]
fn an_even_path_plays_every_packet_once_and_the_delay_falls_to_the_minimum() {
    let mut buffer = buffer();
    let outcome = play(&mut buffer, &mut path(1_500, |_| Some(5_000)), 1_500);
    assert!(outcome.packets().eq(1_000..1_000 + outcome.packets().count() as u64));
    assert!(outcome.packets().count() >= 1_497);
    assert_eq!((outcome.count(Played::Lost), outcome.count(Played::Stretch)), (0, 0));
    assert_eq!(buffer.counters().late, 0);
    assert_eq!(buffer.target(), 10_000);
    let end = outcome.delays[1_000..].iter().max();
    assert!(end <= Some(&80_000), "{end:?}");
}

#[test]
fn reordered_packets_are_played_in_order_and_duplicates_once() {
    let mut buffer = buffer();
    // Pairs change places, every fifth packet comes twice.
    let mut arrivals = path(400, |n| Some(if n % 2 == 0 { 26_000 } else { 5_000 }));
    arrivals.extend(path(400, |n| (n % 5 == 0).then_some(30_000)));
    let outcome = play(&mut buffer, &mut arrivals, 400);
    assert!(outcome.packets().is_sorted_by(|a, b| a < b));
    assert_eq!(outcome.count(Played::Lost), 0);
    assert!(outcome.packets().count() >= 390);
    let counters = buffer.counters();
    assert!(counters.duplicates >= 70, "{counters:?}");
    assert_eq!(counters.late, 0, "{counters:?}");
}

#[test]
fn each_loss_is_concealed_once_and_the_next_packet_offered_for_recovery() {
    let mut buffer = buffer();
    let mut arrivals = path(500, |n| (n % 10 != 7).then_some(5_000));
    arrivals.sort_unstable();
    let mut with_following = 0;
    let mut lost = 0;
    let mut arrived = arrivals.iter().copied().peekable();
    for frame in 0..500i64 {
        let now = 1_007_000 + frame * 20_000;
        while let Some((arrival, seq)) = arrived.next_if(|(arrival, _)| *arrival <= now) {
            buffer.insert(packet(seq, arrival));
        }
        if let Next::Lost { following, .. } = buffer.next(now, 0, false, FRAME) {
            lost += 1;
            with_following += usize::from(following.is_some());
        }
    }
    assert!((49..=50).contains(&lost), "{lost}");
    assert_eq!(lost, with_following, "a buffer of 40 ms holds the packet after the lost one");
    assert_eq!(buffer.counters().lost, lost as u64);
}

#[test]
fn the_target_rises_at_once_with_the_jitter_and_falls_slowly_after_it() {
    let mut buffer = buffer();
    let mut random = Random(7);
    let mut arrivals =
        path(3_000, |n| Some(if (500..1_000).contains(&n) { 5_000 + random.below(120_000) as i64 } else { 5_000 }));
    let mut targets = Vec::new();
    arrivals.sort_unstable();
    let mut arrived = arrivals.iter().copied().peekable();
    let mut missed = 0;
    for frame in 0..3_000i64 {
        let now = 1_007_000 + frame * 20_000;
        while let Some((arrival, seq)) = arrived.next_if(|(arrival, _)| *arrival <= now) {
            buffer.insert(packet(seq, arrival));
        }
        if matches!(buffer.next(now, 0, false, FRAME), Next::Lost { .. } | Next::Stretch)
            && (600..1_000).contains(&frame)
        {
            missed += 1;
        }
        targets.push(buffer.target());
    }
    assert!((100_000..=150_000).contains(&targets[560]), "raised within a second: {}", targets[560]);
    assert!(missed <= 12, "97 % are in time once the target is found: {missed} of 400 missed");
    assert!(targets[1_100] > 80_000, "not lowered at once: {}", targets[1_100]);
    assert!(targets[2_999] <= 30_000, "lowered in the end: {}", targets[2_999]);
}

#[test]
fn a_burst_after_a_stall_is_caught_up_and_the_delay_returns() {
    let mut buffer = buffer();
    // For 300 ms nothing arrives, then all of it at once.
    let mut arrivals = path(1_500, |n| Some(if (300..315).contains(&n) { (315 - n as i64) * 20_000 } else { 5_000 }));
    let outcome = play(&mut buffer, &mut arrivals, 1_500);
    let end = outcome.delays.iter().rev().take(100).max().copied();
    assert!(end <= Some(330_000), "the delay is bounded: {end:?}");
    assert!(outcome.packets().is_sorted_by(|a, b| a < b));
    let highest = outcome.delays.iter().max().copied();
    assert!(highest <= Some(480_000), "{highest:?}");
    assert!(outcome.merges > 0, "what was stretched is made up for");
}

#[test]
fn a_sender_whose_clock_drifts_is_followed() {
    for drift in [-300i64, 300] {
        let mut buffer = buffer();
        // Parts per million: 300 is three frames in 200 s.
        let mut arrivals = path(20_000, |n| Some(200_000 + n as i64 * 20_000 * drift / 1_000_000));
        let outcome = play(&mut buffer, &mut arrivals, 19_900);
        assert!(outcome.packets().is_sorted_by(|a, b| a < b));
        assert_eq!(outcome.count(Played::Lost), 0, "drift {drift}");
        let moves = outcome.merges + outcome.count(Played::Stretch);
        assert!((1..40).contains(&moves), "drift {drift}: {moves} moves");
        // Relative to the drifting arrival the delay stays small.
        let last = outcome.delays.last().copied().unwrap_or_default();
        let arrival = 200_000 + 19_900 * 20_000 * drift / 1_000_000;
        assert!((0..100_000).contains(&(last - arrival)), "drift {drift}: {last} against {arrival}");
    }
}

#[test]
fn a_pause_is_silence_and_neither_loss_nor_lasting_delay() {
    let mut buffer = buffer();
    // 2 s of pause with timestamps going on (DTX, hold), and sequence numbers without a gap.
    let mut arrivals: Vec<(i64, Packet)> = (0..400u64)
        .map(|n| {
            let paused = if n >= 200 { 100 } else { 0 };
            let arrival = sent(1_000 + n + paused) + 5_000;
            let timestamp = 50_000 + (n + paused) * u64::from(FRAME);
            (arrival, Packet { seq: 1_000 + n, timestamp, ..packet(1_000 + n, arrival) })
        })
        .collect();
    arrivals.reverse();
    let (mut silence, mut made_up, mut played) = (0, 0, 0);
    for frame in 0..500i64 {
        let now = 1_007_000 + frame * 20_000;
        while arrivals.last().is_some_and(|(arrival, _)| *arrival <= now) {
            buffer.insert(arrivals.pop().expect("checked").1);
        }
        match buffer.next(now, 0, false, FRAME) {
            Next::Play(_) => played += 1,
            Next::Merge(..) => played += 2,
            Next::Silence => silence += 1,
            Next::Lost { .. } | Next::Stretch => made_up += 1,
        }
    }
    assert!(played >= 397, "{played}");
    assert!((85..=105).contains(&silence), "{silence}");
    assert!(made_up <= 7, "{made_up}");
    assert_eq!(buffer.counters().lost, 0);
    assert_eq!(buffer.counters().late, 0);
}

#[test]
fn events_between_the_audio_are_no_loss() {
    let mut buffer = buffer();
    let mut made_up = 0;
    for n in 0..300u64 {
        let now = 1_007_000 + n as i64 * 20_000;
        let arrival = now - 2_000;
        if (100..110).contains(&n) {
            // Their timestamp is the moment the tone began.
            let place =
                Packet { timestamp: 50_000 + 100 * 160, duration: 0, payload: None, ..packet(1_000 + n, arrival) };
            buffer.insert(place);
        } else {
            buffer.insert(packet(1_000 + n, arrival));
        }
        made_up += usize::from(matches!(buffer.next(now, 0, false, FRAME), Next::Lost { .. }));
    }
    assert_eq!(made_up, 0);
    assert_eq!(buffer.counters().lost, 0);
}

#[test]
fn events_between_the_audio_leave_the_delay_as_it_was() {
    let mut buffer = buffer();
    let mut n = 0;
    let mut tick = |event: Option<u64>| {
        let (seq, now) = (1_000 + n, 1_007_000 + n as i64 * 20_000);
        n += 1;
        let arrival = now - 2_000;
        buffer.insert(match event {
            None => packet(seq, arrival),
            Some(into) => Packet {
                timestamp: packet(seq - into, 0).timestamp,
                duration: 0,
                payload: None,
                ..packet(seq, arrival)
            },
        });
        match buffer.next(now, 0, false, FRAME) {
            Next::Play(played) => Some((now - sent(played.seq), false)),
            Next::Merge(_, played) => Some((now - sent(played.seq), true)),
            _ => None,
        }
    };
    // Until the delay has come down to what it stays at.
    for _ in 0..1_000 {
        tick(None);
    }
    for frames in 5..=50 {
        let before = tick(None).expect("audio").0;
        for into in 0..frames {
            tick(Some(into));
        }
        let after: Vec<_> = (0..50).filter_map(|_| tick(None)).collect();
        assert!(after.iter().all(|&played| played == (before, false)), "{} ms: {before}, {after:?}", frames * 20);
        assert!(after.len() >= 47, "{} ms: {} frames", frames * 20, after.len());
    }
}

#[test]
fn another_time_line_begins_anew() {
    let mut buffer = buffer();
    let mut played = 0;
    for n in 0..400u64 {
        let now = 1_007_000 + n as i64 * 20_000;
        let jump = if n >= 200 { 9_000_000 } else { 0 };
        let whole = packet(1_000 + n, now - 2_000);
        buffer.insert(Packet { timestamp: whole.timestamp + jump, ..whole });
        played += usize::from(matches!(buffer.next(now, 0, false, FRAME), Next::Play(_)));
    }
    assert!(played >= 390, "{played}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever the path does: never a packet twice or out of order, never later than the bound, every packet accounted for.
    #[test]
    fn no_path_breaks_the_order_or_the_bound(
        seed: u64,
        jitter_ms in 0u64..800,
        loss_percent in 0u64..60,
        duplicate_percent in 0u64..30,
        max_ms in 40u64..600,
    ) {
        let mut random = Random(seed);
        let config = JitterConfig::default().bounds(Duration::from_millis(20), Duration::from_millis(max_ms));
        let mut buffer = JitterBuffer::new(config, RATE);
        let mut arrivals = path(600, |_| {
            (random.below(100) >= loss_percent).then(|| 5_000 + random.below(jitter_ms * 1_000 + 1) as i64)
        });
        let copies: Vec<_> = arrivals.iter().copied().filter(|_| random.below(100) < duplicate_percent).collect();
        arrivals.extend(copies.into_iter().map(|(arrival, seq)| (arrival + random.below(50_000) as i64, seq)));
        let outcome = play(&mut buffer, &mut arrivals, 700);
        prop_assert!(outcome.packets().is_sorted_by(|a, b| a < b));
        // The floor is what the path takes at the least: no packet waits longer than the bound above its own delay.
        let bound = (jitter_ms * 1_000 + max_ms * 1_000) as i64 + 150_000;
        prop_assert!(outcome.delays.iter().all(|&delay| delay <= bound), "{:?} > {bound}", outcome.delays.iter().max());
        prop_assert!(buffer.target() <= max_ms as i64 * 1_000);
        let counters = buffer.counters();
        prop_assert_eq!(counters.inserted, arrivals.len() as u64);
        prop_assert!(counters.played + counters.late + counters.duplicates + counters.discarded <= counters.inserted);
        // What is not accounted for is still in the buffer.
        prop_assert!(counters.inserted - (counters.played + counters.late + counters.duplicates + counters.discarded) <= 128);
        prop_assert_eq!(counters.played, outcome.packets().count() as u64);
    }

    /// Numbers that make no sense are survived.
    #[test]
    fn hostile_numbers_do_no_harm(packets in proptest::collection::vec((0u64..1 << 48, 0u64..1 << 48, 0u32..6_000, any::<bool>()), 0..300)) {
        let mut buffer = buffer();
        for (index, (seq, timestamp, duration, audio)) in packets.into_iter().enumerate() {
            let now = 1_000_000 + index as i64 * 20_000;
            let payload = audio.then(|| [0u8; 4].as_slice().into());
            buffer.insert(Packet { seq, timestamp, duration, payload, arrival: now });
            let _ = buffer.next(now, 0, index % 3 == 0, FRAME);
        }
    }
}
