//! Reception statistics of RTP (RFC 3550 A.1, A.3, A.8), over all SSRCs of one line.

use std::collections::VecDeque;

/// A sequence number this far from the expected one, either way, begins a new sequence.
const MAX_STEP: i64 = 3_000;

/// A source of which nothing came for so long, µs, has stopped: one that it replaced may come back.
const QUIET: i64 = 200_000;
/// Sources remembered that were replaced.
const MAX_REPLACED: usize = 8;

/// Which source is heard where several send at once: while a server plays something and the far end goes on sending, or both ends of a
/// transfer for a moment. Numbers and timestamps of two are of no use together.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// That is heard, and when it was last.
    current: Option<(Source, i64)>,
    /// Those that gave way to another, the last one last.
    replaced: VecDeque<Source>,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    /// Something else than events came of it.
    speaks: bool,
}

/// What is to be done with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is of what is heard.
    Heard,
    /// It is an event beside that: some send events from a source of their own.
    Beside,
    /// It is of a source that was replaced.
    No,
}

impl Sources {
    /// What is to be done with a packet of this source, that arrives now. A new source is heard at once; one that was replaced, only
    /// when the present one has stopped, as it may just have been slow. An event replaces nobody who has not stopped.
    pub(crate) fn takes(&mut self, now: i64, ssrc: u32, event: bool) -> Taken {
        let speaks = match self.current {
            Some((current, _)) if current.ssrc == ssrc => current.speaks || !event,
            Some((current, last)) => {
                if now - last < QUIET {
                    let replaced = self.replaced.iter().find(|known| known.ssrc == ssrc);
                    if replaced.is_some_and(|known| known.speaks || !event) {
                        return Taken::No;
                    }
                    if event {
                        return Taken::Beside;
                    }
                }
                self.replaced.retain(|known| known.ssrc != ssrc);
                if self.replaced.len() >= MAX_REPLACED {
                    self.replaced.pop_front();
                }
                self.replaced.push_back(current);
                !event
            }
            None => !event,
        };
        self.current = Some((Source { ssrc, speaks }, now));
        Taken::Heard
    }
}

/// Counts what arrives. Sequence numbers and timestamps are extended here to 64 bits.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    ssrc: Option<u32>,
    /// Begins anew with each SSRC or jump of the sequence.
    epoch: u32,
    /// Nobody took a packet of the stream itself of this epoch yet.
    untaken: bool,
    first: u64,
    highest: u64,
    in_epoch: u64,
    /// Expected and received in earlier epochs.
    earlier_expected: u64,
    earlier_received: u64,
    timestamp: u64,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) ssrc_changes: u32,
    jitter: Jitter,
}

/// A packet with its numbers extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extended {
    pub(crate) seq: u64,
    pub(crate) timestamp: u64,
    pub(crate) epoch: u32,
    /// Whether it is the first of the stream itself of its epoch that is taken.
    pub(crate) first: bool,
}

impl Reception {
    /// Takes a packet.
    pub(crate) fn receive(&mut self, ssrc: u32, seq: u16, timestamp: u32, bytes: usize) -> Extended {
        let (seq, timestamp) = self.count(ssrc, seq, timestamp, bytes);
        let first = std::mem::take(&mut self.untaken);
        Extended { seq, timestamp, epoch: self.epoch, first }
    }

    /// Takes a packet beside the stream itself, in its sequence: an event, or the noise of a pause. What comes first of the stream
    /// is first all the same.
    pub(crate) fn receive_beside(&mut self, ssrc: u32, seq: u16, timestamp: u32, bytes: usize) -> Extended {
        let (seq, timestamp) = self.count(ssrc, seq, timestamp, bytes);
        Extended { seq, timestamp, epoch: self.epoch, first: false }
    }

    /// Counts a packet that nobody takes.
    pub(crate) fn pass_by(&mut self, ssrc: u32, seq: u16, timestamp: u32, bytes: usize) {
        self.count(ssrc, seq, timestamp, bytes);
    }

    /// Takes a packet of the present source whose payload is of no use here, so that its number is not missed. Its timestamp may
    /// be of any clock, and it begins nothing.
    pub(crate) fn receive_useless(&mut self, ssrc: u32, seq: u16, bytes: usize) -> Option<Extended> {
        let step = i64::from(seq.wrapping_sub(self.highest as u16) as i16);
        if self.ssrc != Some(ssrc) || step.abs() > MAX_STEP {
            return None;
        }
        let timestamp = self.timestamp;
        Some(self.receive_beside(ssrc, seq, timestamp as u32, bytes))
    }

    /// Counts a packet; gives its numbers, extended.
    fn count(&mut self, ssrc: u32, seq: u16, timestamp: u32, bytes: usize) -> (u64, u64) {
        let same = self.ssrc == Some(ssrc);
        // The distance to the highest number, the shorter way round.
        let step = i64::from(seq.wrapping_sub(self.highest as u16) as i16);
        if !same || step.abs() > MAX_STEP {
            self.begin(ssrc, seq, timestamp, same);
        }
        let step = i64::from(seq.wrapping_sub(self.highest as u16) as i16);
        let seq = self.highest.saturating_add_signed(step);
        self.highest = self.highest.max(seq);
        // A packet from before the first one was expected too.
        self.first = self.first.min(seq);
        let ahead = i64::from(timestamp.wrapping_sub(self.timestamp as u32) as i32);
        let timestamp = self.timestamp.saturating_add_signed(ahead);
        self.timestamp = self.timestamp.max(timestamp);
        self.in_epoch += 1;
        self.packets += 1;
        self.bytes += bytes as u64;
        (seq, timestamp)
    }

    /// Takes the arrival of an audio packet into the jitter.
    pub(crate) fn timing(&mut self, arrival: i64, packet: Extended, clock_rate: u32) {
        self.jitter.update(arrival, packet, clock_rate);
    }

    /// Packets expected and not received.
    pub(crate) fn lost(&self) -> u64 {
        let expected = self.earlier_expected + if self.in_epoch > 0 { self.highest - self.first + 1 } else { 0 };
        expected.saturating_sub(self.earlier_received + self.in_epoch)
    }

    /// Present, largest and mean jitter, ms.
    pub(crate) fn jitter_ms(&self) -> (f64, f64, f64) {
        let Jitter { now, max, sum, count, .. } = &self.jitter;
        (*now, *max, if *count == 0 { 0.0 } else { sum / *count as f64 })
    }

    fn begin(&mut self, ssrc: u32, seq: u16, timestamp: u32, same: bool) {
        if self.in_epoch > 0 {
            self.earlier_expected += self.highest - self.first + 1;
            self.earlier_received += self.in_epoch;
            self.epoch += 1;
            if !same {
                self.ssrc_changes += 1;
            }
        }
        self.ssrc = Some(ssrc);
        self.untaken = true;
        self.in_epoch = 0;
        // One cycle above zero, so that packets from before the first one have numbers too.
        self.highest = 0x1_0000 + u64::from(seq);
        self.first = self.highest;
        self.timestamp = 0x1_0000_0000 + u64::from(timestamp);
        self.jitter.last = None;
    }
}

#[derive(Debug, Default)]
struct Jitter {
    /// Transit of the last packet, ms, with its clock rate and epoch.
    last: Option<(f64, u32)>,
    now: f64,
    max: f64,
    sum: f64,
    count: u64,
}

impl Jitter {
    fn update(&mut self, arrival: i64, packet: Extended, clock_rate: u32) {
        let transit = arrival as f64 / 1_000.0 - packet.timestamp as f64 * 1_000.0 / f64::from(clock_rate.max(1));
        if let Some((last, rate)) = self.last {
            let difference = (transit - last).abs();
            // A time line that jumps (another clock rate, a sender that restarted) is no jitter.
            if rate == clock_rate && difference < 2_000.0 {
                self.now += (difference - self.now) / 16.0;
                self.max = self.max.max(self.now);
                self.sum += self.now;
                self.count += 1;
            }
        }
        self.last = Some((transit, clock_rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_expected_minus_received_across_wrap_reordering_and_ssrc_change() {
        let mut reception = Reception::default();
        // 65534, 65535, (0 lost), 2, 1 late, then another source with a hole of two.
        for seq in [65_534u16, 65_535, 2, 1] {
            reception.receive(7, seq, u32::from(seq) * 160, 160);
        }
        assert_eq!((reception.packets, reception.lost()), (4, 1));
        let first = reception.receive(8, 100, 0, 160);
        assert!(first.first && first.epoch == 1);
        reception.receive(8, 103, 480, 160);
        assert_eq!((reception.packets, reception.lost(), reception.ssrc_changes), (6, 3, 1));
        assert_eq!(reception.bytes, 960);
    }

    #[test]
    fn numbers_are_extended_over_the_wrap_and_may_precede_the_first() {
        let mut reception = Reception::default();
        let a = reception.receive(1, 1, 100, 1);
        let before = reception.receive(1, 65_535, u32::MAX - 220, 1);
        assert_eq!(a.seq - before.seq, 2);
        assert_eq!(a.timestamp - before.timestamp, 321);
        assert_eq!(reception.lost(), 1);
    }

    #[test]
    fn a_jump_of_the_sequence_begins_anew_and_is_no_loss() {
        let mut reception = Reception::default();
        reception.receive(1, 10, 0, 1);
        let jumped = reception.receive(1, 40_000, 160, 1);
        assert!(jumped.first);
        assert_eq!((reception.lost(), reception.ssrc_changes), (0, 0));
    }

    #[test]
    fn jitter_follows_the_definition() {
        let mut reception = Reception::default();
        let mut expected = 0.0;
        let mut last = None;
        for n in 0..200i64 {
            let late = (n * 7_919) % 23 * 1_000;
            let packet = reception.receive(1, n as u16, (n * 160) as u32, 1);
            reception.timing(n * 20_000 + late, packet, 8_000);
            if let Some(last) = last {
                let d: i64 = late - last;
                expected += (d.abs() as f64 / 1_000.0 - expected) / 16.0;
            }
            last = Some(late);
        }
        let (now, max, mean) = reception.jitter_ms();
        assert!((now - expected).abs() < 1e-6, "{now} {expected}");
        assert!(max >= now && mean > 0.0 && mean <= max);
    }
}
