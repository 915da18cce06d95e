//! Telephone-events on the wire (RFC 4733): what is sent each 20 ms, and tones out of what is received.

use std::collections::VecDeque;

use crate::dtmf::{Tone, Tones, tone_of};
use crate::error::MediaError;
use crate::peer::Reply;

/// Times the end of an event is sent (RFC 4733 §2.5.1.4).
const END_PACKETS: u32 = 3;
/// Level sent, −dBm0.
const VOLUME: u8 = 10;
/// An event of which nothing more arrives for this long, µs, has ended.
const ABANDONED: i64 = 200_000;
/// Largest duration that a packet can report, in timestamp units.
pub(super) const LONGEST: u32 = 0xffff;
/// What reports the same timestamp within this time, µs, is the same event, though the source counts as another since.
const SAME: i64 = 1_000_000;
/// Copies of a packet may come so much later, µs. After that the numbers say nothing: a clock of 48 kHz is back where it was in a day.
const COPIES: i64 = 60_000_000;
/// Commands that may wait.
const MAX_QUEUED: usize = 64;

/// One packet to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventPacket {
    pub(crate) payload: [u8; 4],
    /// Marks the first packet of an event, from whose timestamp those of the following ones are counted.
    pub(crate) first: bool,
    /// The segment that it reports begins so much later, in timestamp units (RFC 4733 §2.5.1.3).
    pub(crate) begins: u32,
}

/// What to do in these 20 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing is being sent: audio as usual.
    Idle,
    /// A pause or gap: audio as usual.
    Gap,
    /// This packet, and audio as usual only if it says so.
    Send { packet: EventPacket, audio: bool },
}

/// Sends tones.
#[derive(Default)]
pub(crate) struct EventSender {
    queue: VecDeque<(VecDeque<Tone>, Reply<()>)>,
    current: Option<Sending>,
}

struct Sending {
    tone: Tone,
    /// ms since it began.
    elapsed: u32,
    ends_sent: u32,
    /// Where the present segment begins, in timestamp units.
    begins: u32,
    /// It is reported as long as can be: what comes next is another.
    full: bool,
}

impl EventSender {
    pub(crate) fn push(&mut self, tones: Tones, reply: Reply<()>) {
        if self.queue.len() >= MAX_QUEUED {
            reply.send(Err(MediaError::DtmfRange("too many tones are waiting")));
            return;
        }
        self.queue.push_back((tones.0.into(), reply));
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.current.is_none()
    }

    /// Whether a tone was begun, and its gap is not over.
    pub(crate) fn is_sending(&self) -> bool {
        self.current.is_some()
    }

    /// Gives up everything that waits.
    pub(crate) fn fail(&mut self, error: &MediaError) {
        self.current = None;
        for (_, reply) in self.queue.drain(..) {
            reply.send(Err(error.clone()));
        }
    }

    /// The next 20 ms; `clock_rate` is that of the events.
    pub(crate) fn step(&mut self, clock_rate: u32) -> Step {
        if self.current.is_none() {
            let Some((tones, _)) = self.queue.front_mut() else { return Step::Idle };
            match tones.pop_front() {
                Some(tone) => self.current = Some(Sending { tone, elapsed: 0, ends_sent: 0, begins: 0, full: false }),
                None => {
                    if let Some((_, reply)) = self.queue.pop_front() {
                        reply.send(Ok(()));
                    }
                    return self.step(clock_rate);
                }
            }
        }
        let Some(sending) = &mut self.current else { return Step::Idle };
        let first = sending.elapsed == 0;
        sending.elapsed += 20;
        let Tone { code, tone_ms, gap_ms } = sending.tone;
        let sounding = sending.elapsed < tone_ms;
        let step = match code {
            Some(code) if sounding || sending.ends_sent < END_PACKETS => {
                if !sounding {
                    sending.ends_sent += 1;
                }
                if std::mem::take(&mut sending.full) {
                    sending.begins += LONGEST;
                }
                let begins = sending.begins;
                // 16 bits count 1.3 s at 48 kHz: a longer tone is several segments.
                let reached = sending.elapsed.min(tone_ms) * (clock_rate / 1_000);
                let duration = reached.saturating_sub(begins).min(LONGEST);
                sending.full = sounding && duration == LONGEST;
                let [_, _, high, low] = duration.to_be_bytes();
                let end = if sounding { 0 } else { 0x80 };
                let payload = [code, end | VOLUME, high, low];
                // The repetitions of the end run while the audio is back.
                Step::Send { packet: EventPacket { payload, first, begins }, audio: sending.ends_sent > 1 }
            }
            _ => Step::Gap,
        };
        let repeated = code.is_none() || sending.ends_sent >= END_PACKETS;
        if repeated && sending.elapsed >= tone_ms + gap_ms {
            self.current = None;
        }
        step
    }
}

/// A tone that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) tone: char,
    pub(crate) duration_ms: u32,
}

/// What tells an event from others in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) epoch: u32,
    pub(crate) timestamp: u32,
}

impl EventId {
    /// Whether this is another, that was seen last at `seen`.
    pub(crate) fn is_same(self, other: Self, seen: i64, now: i64) -> bool {
        self == other || (self.timestamp == other.timestamp && now - seen < SAME)
    }

    /// Whether this is from before another, that was seen last at `seen`.
    pub(crate) fn is_before(self, other: Self, seen: i64, now: i64) -> bool {
        let distance = self.timestamp.wrapping_sub(other.timestamp) as i32;
        self.epoch == other.epoch && distance < 0 && now - seen < COPIES
    }
}

/// What one timestamp reports: an event, or a part of one that lasts longer than can be reported (RFC 4733 §2.5.1.3).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) id: EventId,
    pub(crate) code: u8,
    pub(crate) clock_rate: u32,
    /// In timestamp units.
    pub(crate) duration: u32,
}

impl Segment {
    /// Whether an event with this code that begins there is the rest of this one, of which no end was seen. It is to begin where this one
    /// is full; Chromium lets it begin with its next packet instead. The packet that reports the full one may be lost.
    pub(crate) fn goes_on(&self, id: EventId, code: u8) -> bool {
        let slack = self.clock_rate / 10;
        let past = id.timestamp.wrapping_sub(self.id.timestamp).wrapping_sub(LONGEST);
        id.epoch == self.id.epoch && code == self.code && self.duration + slack >= LONGEST && past <= slack
    }
}

/// Makes one tone of the packets of one event, whichever of them arrive.
#[derive(Debug, Default)]
pub(crate) struct EventReceiver {
    current: Option<Current>,
    /// The last event that was reported, and when it was seen last.
    done: Option<(EventId, i64)>,
}

#[derive(Debug)]
struct Current {
    /// The last one.
    segment: Segment,
    /// Of the segments before it, in timestamp units.
    before: u32,
    last: i64,
}

impl EventReceiver {
    /// Takes a packet; gives the tones that are known to have ended by it, the earlier one first.
    pub(crate) fn receive(&mut self, now: i64, clock_rate: u32, id: EventId, payload: &[u8]) -> [Option<Received>; 2] {
        let Some(&[code, flags, high, low]) = payload.first_chunk::<4>() else { return [None, None] };
        if self.is_done(id, now) {
            return [None, None];
        }
        let duration = u32::from(u16::from_be_bytes([high, low]));
        let mut earlier = None;
        if !self.is_current(id, now) {
            if self.current.as_ref().is_some_and(|current| id.is_before(current.segment.id, current.last, now)) {
                return [None, None];
            }
            let whole = self.current.as_ref().filter(|current| current.segment.goes_on(id, code));
            let before = whole.map_or(0, |current| current.before.saturating_add(LONGEST));
            if whole.is_none() {
                earlier = self.finish();
            }
            self.current = Some(Current { segment: Segment { id, code, clock_rate, duration }, before, last: now });
        }
        if let Some(current) = &mut self.current {
            current.segment.duration = current.segment.duration.max(duration);
            current.last = now;
        }
        let ended = if flags & 0x80 != 0 { self.finish() } else { None };
        [earlier, ended]
    }

    /// Ends an event whose end was lost.
    pub(crate) fn timeout(&mut self, now: i64) -> Option<Received> {
        match &self.current {
            Some(current) if now - current.last >= ABANDONED => self.finish(),
            _ => None,
        }
    }

    /// Whether an event is under way, or goes on so, or has ended, or is from before one that has.
    pub(crate) fn knows(&self, id: EventId, code: u8, now: i64) -> bool {
        let goes_on = self.current.as_ref().is_some_and(|current| current.segment.goes_on(id, code));
        goes_on || self.is_current(id, now) || self.is_done(id, now)
    }

    fn is_current(&self, id: EventId, now: i64) -> bool {
        self.current.as_ref().is_some_and(|current| id.is_same(current.segment.id, current.last, now))
    }

    fn is_done(&self, id: EventId, now: i64) -> bool {
        self.done.is_some_and(|(done, seen)| id.is_same(done, seen, now) || id.is_before(done, seen, now))
    }

    fn finish(&mut self) -> Option<Received> {
        let Current { segment, before, last } = self.current.take()?;
        self.done = Some((segment.id, last));
        let tone = tone_of(segment.code)?;
        let duration = before.saturating_add(segment.duration);
        Some(Received { tone, duration_ms: duration / (segment.clock_rate / 1_000).max(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::parse_tones;

    fn id(timestamp: u32) -> EventId {
        EventId { epoch: 0, timestamp }
    }

    fn sender(tones: &str) -> EventSender {
        let mut sender = EventSender::default();
        sender.push(parse_tones(tones, 100, 60).unwrap(), Reply::discard());
        sender
    }

    #[test]
    fn a_tone_is_a_marked_packet_growing_durations_and_three_ends() {
        let mut sender = sender("5");
        let mut sent = Vec::new();
        for _ in 0..8 {
            if let Step::Send { packet, audio } = sender.step(8_000) {
                sent.push((packet.first, packet.payload, audio));
            }
        }
        let event = |first, end: u8, ms: u16, audio| {
            let [high, low] = (ms * 8).to_be_bytes();
            (first, [5, end | 10, high, low], audio)
        };
        assert_eq!(
            sent,
            [
                event(true, 0, 20, false),
                event(false, 0, 40, false),
                event(false, 0, 60, false),
                event(false, 0, 80, false),
                event(false, 0x80, 100, false),
                event(false, 0x80, 100, true),
                event(false, 0x80, 100, true),
            ]
        );
        assert_eq!(sender.step(8_000), Step::Idle);
    }

    #[test]
    fn a_comma_pauses_two_seconds() {
        let mut sender = sender(",1");
        for _ in 0..100 {
            assert_eq!(sender.step(48_000), Step::Gap);
        }
        assert!(matches!(sender.step(48_000), Step::Send { .. }));
    }

    fn packets() -> Vec<[u8; 4]> {
        let mut sender = sender("#");
        (0..8)
            .filter_map(|_| match sender.step(8_000) {
                Step::Send { packet, .. } => Some(packet.payload),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn any_part_of_the_packets_makes_exactly_one_tone() {
        let packets = packets();
        // Every subset that keeps at least one packet.
        for kept in 1u32..1 << packets.len() {
            let mut receiver = EventReceiver::default();
            let mut tones = Vec::new();
            for (index, payload) in packets.iter().enumerate().filter(|(index, _)| kept & (1 << index) != 0) {
                tones.extend(receiver.receive(index as i64 * 20_000, 8_000, id(1_600), payload).into_iter().flatten());
            }
            tones.extend(receiver.timeout(1_000_000));
            tones.extend(receiver.timeout(2_000_000));
            assert_eq!(tones.len(), 1, "kept {kept:b}");
            assert_eq!(tones[0].tone, '#');
            assert!((20..=100).contains(&tones[0].duration_ms));
        }
    }

    #[test]
    fn two_tones_are_two_even_if_the_first_never_ended() {
        let packets = packets();
        let mut receiver = EventReceiver::default();
        receiver.receive(0, 8_000, id(1_600), &packets[0]);
        let ended = receiver.receive(20_000, 8_000, id(3_200), &packets[0]);
        assert_eq!(ended[0].map(|r| r.tone), Some('#'));
        // A late packet of the first changes nothing.
        assert_eq!(receiver.receive(30_000, 8_000, id(1_600), &packets[6]), [None, None]);
        assert_eq!(receiver.timeout(300_000).map(|r| r.tone), Some('#'));
    }

    #[test]
    fn a_tone_after_half_a_day_of_none_is_one() {
        let packets = packets();
        let mut receiver = EventReceiver::default();
        let hour = 3_600_000_000;
        // Of 48 kHz: so many units later that they would be fewer the other way round.
        for (now, timestamp) in
            [(0, 1_600), (13 * hour, 13 * 3_600 * 48_000 + 1_600), (26 * hour, 26_u32.wrapping_mul(3_600 * 48_000))]
        {
            let ended = receiver.receive(now, 48_000, id(timestamp), &packets[6]);
            assert_eq!(ended[1].map(|r| r.tone), Some('#'), "after {} h", now / hour);
        }
        // So is one whose clock stands where it stood when the last was begun and not ended.
        receiver.receive(30 * hour, 48_000, id(5_000), &packets[0]);
        assert_eq!(receiver.receive(43 * hour, 48_000, id(4_000), &packets[6]).iter().flatten().count(), 2);
    }

    /// A key held for 3 s as Chromium sends it at 48 kHz, 50 ms apart: the timestamp of a segment is not where the one before
    /// ended, but where the packet was due. Each with the time it comes at.
    fn held(start: u32) -> Vec<(i64, EventId, [u8; 4])> {
        let (mut begin, mut packets) = (0, Vec::new());
        for at in (1..=60).map(|n| n * 2_400) {
            let mut report = |begin: u32, duration: u32, end: u8| {
                let [_, _, high, low] = duration.to_be_bytes();
                packets.push((i64::from(at) * 1_000 / 48, id(start.wrapping_add(begin)), [5, end | 10, high, low]));
            };
            if at - begin > 0xffff {
                report(begin, 0xffff, 0);
                report(at, at - begin - 0xffff, 0);
                begin = at;
            } else {
                report(begin, at - begin, 0);
            }
            if at == 60 * 2_400 {
                (0..3).for_each(|_| report(begin, at - begin, 0x80));
            }
        }
        packets
    }

    fn received(packets: &[(i64, EventId, [u8; 4])]) -> Vec<Received> {
        let mut receiver = EventReceiver::default();
        let mut tones = Vec::new();
        for (now, id, payload) in packets {
            tones.extend(receiver.timeout(*now));
            tones.extend(receiver.receive(*now, 48_000, *id, payload).into_iter().flatten());
        }
        tones.extend(receiver.timeout(10_000_000));
        tones
    }

    #[test]
    fn a_key_held_longer_than_the_duration_counts_is_one_tone() {
        for start in [1_600, u32::MAX - 70_000] {
            let packets = held(start);
            let whole = received(&packets);
            assert_eq!(whole.len(), 1, "{whole:?}");
            assert!(whole[0].tone == '5' && (2_900..=3_000).contains(&whole[0].duration_ms), "{whole:?}");
            // Late copies of a segment that is over.
            let mut copied = packets.clone();
            copied.insert(40, (packets[40].0, packets[20].1, packets[20].2));
            copied.push((packets[63].0, packets[20].1, packets[20].2));
            assert_eq!(received(&copied), whole);
            // Any of its packets lost, or in the wrong order with the one after it.
            for n in 0..packets.len() - 1 {
                let mut fewer = packets.clone();
                fewer.remove(n);
                assert_eq!(received(&fewer), whole, "without {n}");
                let mut swapped = packets.clone();
                (swapped[n].1, swapped[n + 1].1) = (packets[n + 1].1, packets[n].1);
                (swapped[n].2, swapped[n + 1].2) = (packets[n + 1].2, packets[n].2);
                assert_eq!(received(&swapped), whole, "{n} after the next");
            }
        }
    }

    #[test]
    fn what_does_not_go_on_from_the_longest_duration_is_a_tone_of_its_own() {
        let longest = [5, 10, 0xff, 0xff];
        let next = |payload, timestamp| {
            received(&[(0, id(0), longest), (20_000, EventId { timestamp, ..id(0) }, payload)]).len()
        };
        assert_eq!(next([5, 10, 0, 9], 0xffff), 1);
        // Another key, too much later, too early, and one that had ended.
        assert_eq!(next([6, 10, 0, 9], 0xffff), 2);
        assert_eq!(next([5, 10, 0, 9], 0xffff + 4_801), 2);
        assert_eq!(next([5, 10, 0, 9], 0xfffe), 2);
        let ended = [5, 0x80 | 10, 0xff, 0xff];
        assert_eq!(received(&[(0, id(0), ended), (20_000, id(0xffff), [5, 10, 0, 9])]).len(), 2);
        let short = [5, 10, 0x0f, 0xff];
        assert_eq!(received(&[(0, id(0), short), (20_000, id(0xffff), [5, 10, 0, 9])]).len(), 2);
    }

    #[test]
    fn a_tone_longer_than_the_duration_counts_is_sent_in_segments() {
        for (rate, begun) in [(48_000, vec![0, 0xffff, 2 * 0xffff, 3 * 0xffff, 4 * 0xffff]), (8_000, vec![0])] {
            let mut sender = EventSender::default();
            sender.push(parse_tones("5", 6_000, 60).unwrap(), Reply::discard());
            let mut sent: Vec<EventPacket> = Vec::new();
            while let Step::Send { packet, .. } = sender.step(rate) {
                sent.push(packet);
            }
            let firsts = sent.iter().filter(|packet| packet.first).count();
            let ends: Vec<_> = sent.iter().filter(|packet| packet.payload[1] & 0x80 != 0).collect();
            assert_eq!((firsts, ends.len(), ends[0], ends[1]), (1, 3, ends[1], ends[2]));
            let mut segments = sent.clone();
            segments.dedup_by_key(|packet| packet.begins);
            assert_eq!(segments.iter().map(|packet| packet.begins).collect::<Vec<_>>(), begun);
            let reached = |packet: &EventPacket| {
                packet.begins + u32::from(u16::from_be_bytes([packet.payload[2], packet.payload[3]]))
            };
            assert!(sent.windows(2).all(|pair| reached(&pair[0]) <= reached(&pair[1])));
            assert_eq!(sent.last().map(reached), Some(6 * rate));
            for pair in sent.windows(2).filter(|pair| pair[0].begins != pair[1].begins) {
                assert_eq!(reached(&pair[0]), pair[1].begins, "each is full before the next begins");
            }
            // To who receives it, it is one, also where any packet is lost.
            for lost in 0..sent.len() {
                let packets = sent.iter().enumerate().filter(|(n, _)| *n != lost);
                let packets: Vec<_> = packets.map(|(n, p)| (n as i64 * 20_000, id(p.begins), p.payload)).collect();
                let mut receiver = EventReceiver::default();
                let mut tones = Vec::new();
                for (now, id, payload) in packets {
                    tones.extend(receiver.timeout(now));
                    tones.extend(receiver.receive(now, rate, id, &payload).into_iter().flatten());
                }
                assert_eq!(tones, [Received { tone: '5', duration_ms: 6_000 }], "without {lost}");
            }
        }
    }

    #[test]
    fn other_events_and_short_packets_are_no_tones() {
        let mut receiver = EventReceiver::default();
        assert_eq!(receiver.receive(0, 8_000, id(1), &[16, 0x80, 0, 160]), [None, None]);
        assert_eq!(receiver.receive(0, 8_000, id(2), &[1, 0x80, 0]), [None, None]);
    }
}
