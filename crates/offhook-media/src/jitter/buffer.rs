//! The buffer itself: which packet is played when. Time is handed in, nothing is decoded here.
//!
//! Media time and arrival time are compared as in RFC 3550 A.8: the transit of a packet is its arrival minus its media time.
//! The smallest transit of the last seconds is the path's floor; a packet's delay is its transit above that floor. The
//! target is a high quantile of the delays, raised at once and lowered slowly, and the playout clock follows the floor plus
//! the target by inserting or dropping whole frames, preferably where it is quiet. The floor moves with the sender's clock,
//! so clock drift is followed by the same means.

use std::collections::VecDeque;
use std::sync::Arc;

use super::config::JitterConfig;
use super::delays::Delays;

/// Packets held at most: 2.5 s of 20 ms packets, above the largest bound.
const MAX_PACKETS: usize = 128;
/// A jump of media time by more than this, µs, begins a new stream.
const MAX_JUMP: i64 = 600_000;
/// Without any packet for this long, µs, the stream is taken to be paused.
const PAUSED_AFTER: i64 = 120_000;
/// The clock is moved only when it is off by more than this, µs: both together are more than a frame, so that it does not swing.
pub(super) const TOO_EARLY: i64 = 5_000;
const TOO_LATE: i64 = 23_000;
/// Off by more than this, the clock is moved on even in the middle of speech, µs.
const FAR_TOO_LATE: i64 = 50_000;
/// Between two moves of the clock, µs.
const MOVE_PAUSE: i64 = 100_000;
/// A stream that has been played for so long is known well enough to move the grid for it, µs: from the delay before anything is
/// known of the path, the target has come down to the smallest.
const SETTLED_AFTER: i64 = 3_500_000;
/// The grid is moved by multiples of this, µs, so that the frames of many calls still fall together.
const SLOT: i64 = 5_000;
/// A frame, µs: an error of that much is left to a move of the clock.
const GRID: i64 = 20_000;
/// So much the clock stays behind what is wanted, µs: whoever plays a frame for a lost one wants the packet after it, which comes a
/// frame later, give or take what the path varies.
const SPARE: i64 = 3_000;

/// A packet as received.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// Extended sequence number.
    pub(crate) seq: u64,
    /// Extended RTP timestamp.
    pub(crate) timestamp: u64,
    /// Duration in timestamp units.
    pub(crate) duration: u32,
    /// Empty for a packet that only holds its place in the sequence (a telephone-event).
    pub(crate) payload: Option<Arc<[u8]>>,
    /// When it arrived, µs.
    pub(crate) arrival: i64,
}

/// What to play next.
#[derive(Debug)]
pub(crate) enum Next {
    /// This packet.
    Play(Packet),
    /// These two in the time of one.
    Merge(Packet, Packet),
    /// A lost packet, of this duration; the payload of the one right after it where that is here.
    Lost { duration: u32, following: Option<Arc<[u8]>> },
    /// Made-up audio of one frame, because the next packet is not due or has not come.
    Stretch,
    /// Silence: the sender paused, or has not begun.
    Silence,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) inserted: u64,
    pub(crate) duplicates: u64,
    /// Arrived after their turn.
    pub(crate) late: u64,
    /// Dropped to keep the delay in its bounds.
    pub(crate) discarded: u64,
    pub(crate) played: u64,
    pub(crate) lost: u64,
    /// Sum of the waiting times of packets played, µs.
    pub(crate) waited: u64,
    /// Longest of them, µs.
    pub(crate) longest_wait: u64,
}

#[derive(Debug)]
pub(crate) struct JitterBuffer {
    config: JitterConfig,
    clock_rate: u32,
    /// By sequence number, without duplicates.
    packets: VecDeque<Packet>,
    delays: Delays,
    counters: Counters,
    /// None until the first packet, and after a pause.
    clock: Option<Clock>,
    /// Sequence number of the last packet that was played or given up.
    last_seq: Option<u64>,
    /// Numbers of the audio packet that arrived last.
    last_audio: Option<(u64, u64)>,
    last_arrival: i64,
    last_move: i64,
    /// By how much the clock is behind what is wanted, µs.
    error: i64,
    grid: Grid,
}

/// How the frames that are fetched lie to the packets that come.
#[derive(Debug, Clone, Copy)]
enum Grid {
    /// Nothing was played of this stream yet.
    Unknown,
    /// It is being played since then, µs.
    Known(i64),
    /// It was told how they should lie.
    Told,
}

/// The playout clock.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// Timestamp to play next.
    next: u64,
    /// Frames stretched because nothing was there: time that losses found later have already been given.
    stalled: u32,
}

impl JitterBuffer {
    pub(crate) fn new(config: JitterConfig, clock_rate: u32) -> Self {
        Self {
            config,
            clock_rate: clock_rate.max(1),
            packets: VecDeque::with_capacity(MAX_PACKETS + 1),
            delays: Delays::new(config),
            counters: Counters::default(),
            clock: None,
            last_seq: None,
            last_audio: None,
            last_arrival: i64::MIN / 2,
            last_move: i64::MIN / 2,
            error: 0,
            grid: Grid::Unknown,
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether no packet waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Delay aimed at, µs.
    pub(crate) fn target(&self) -> i64 {
        self.delays.target()
    }

    /// Takes a packet.
    pub(crate) fn insert(&mut self, packet: Packet) {
        self.counters.inserted += 1;
        let now = packet.arrival;
        let media = self.micros(packet.timestamp);
        // A place holder's timestamp says nothing: that of an event is the moment it began.
        let audio = packet.payload.is_some();
        if audio && self.is_new_time_line(&packet, now - media) {
            self.forget();
        }
        self.last_arrival = now;
        if self.is_known(packet.seq) {
            self.counters.duplicates += 1;
            return;
        }
        if audio {
            self.delays.add(now, now - media);
        }
        let due = audio && self.clock.is_some_and(|clock| packet.timestamp < clock.next);
        if due || self.last_seq.is_some_and(|last| packet.seq <= last) {
            if audio {
                self.counters.late += 1;
                self.delays.came_late(now - media);
            }
            return;
        }
        let at = self.packets.iter().rposition(|p| p.seq < packet.seq).map_or(0, |index| index + 1);
        self.packets.insert(at, packet);
        if self.packets.len() > MAX_PACKETS {
            self.packets.pop_front();
            self.counters.discarded += 1;
        }
    }

    /// What to play at `now` (µs) when `buffered` µs of audio decoded earlier are still to be played first. `quiet` says
    /// that what was played last was near silence; `frame` is the duration of a made-up frame in timestamp units.
    pub(crate) fn next(&mut self, now: i64, buffered: i64, quiet: bool, frame: u32) -> Next {
        self.drop_places();
        let at = now + buffered;
        let Some(head) = self.packets.front().filter(|p| p.payload.is_some()) else { return self.starved(now, frame) };
        let mut clock = match self.clock {
            Some(clock) => clock,
            // Begin when this packet has waited the target's length on top of the floor.
            None if at < self.delays.floor(now) + self.micros(head.timestamp) + self.delays.target() => {
                return Next::Silence;
            }
            None => Clock { next: head.timestamp, stalled: 0 },
        };
        let offset = at - self.micros(clock.next);
        let wanted = self.delays.floor(now) + self.delays.target();
        self.error = offset - wanted;
        if matches!(self.grid, Grid::Unknown) {
            self.grid = Grid::Known(now);
        }
        self.keep_bounds(&mut clock, at);
        let next = self.decide(&mut clock, now, self.error, quiet, frame);
        self.clock = Some(clock);
        next
    }

    /// So many µs earlier all frames may be fetched from now on: told at most once for each stream, when it has been played for a while.
    /// Frames are fetched on a grid that knows nothing of the sender's, so each packet waits up to a frame for nothing; moving the
    /// grid takes that away without touching what is heard.
    pub(crate) fn earlier(&mut self, now: i64) -> Option<i64> {
        let Grid::Known(since) = self.grid else { return None };
        if now - since < SETTLED_AFTER {
            return None;
        }
        self.grid = Grid::Told;
        let spare = self.error - SPARE;
        let earlier = spare.rem_euclid(GRID) / SLOT * SLOT;
        (spare > 0 && earlier > 0).then_some(earlier)
    }

    fn decide(&mut self, clock: &mut Clock, now: i64, error: i64, quiet: bool, frame: u32) -> Next {
        let may_move = now - self.last_move >= MOVE_PAUSE || quiet;
        if error < -TOO_EARLY && may_move {
            self.last_move = now;
            return Next::Stretch;
        }
        let Some(head) = self.packets.front().filter(|p| p.payload.is_some()) else { return Next::Stretch };
        if head.timestamp > clock.next {
            return self.gap(clock, frame);
        }
        let too_late = (error > TOO_LATE && quiet) || error > FAR_TOO_LATE;
        let Some(first) = self.play(clock, now) else { return Next::Stretch };
        let follows = self.packets.front().is_some_and(|p| p.timestamp == clock.next && p.payload.is_some());
        if too_late
            && may_move
            && follows
            && let Some(second) = self.play(clock, now)
        {
            self.last_move = now;
            return Next::Merge(first, second);
        }
        Next::Play(first)
    }

    /// The packet at the clock is missing, but later ones are here.
    fn gap(&mut self, clock: &mut Clock, frame: u32) -> Next {
        let Some(head) = self.packets.front() else { return Next::Stretch };
        let mut missing = head.timestamp - clock.next;
        let is_loss = self.last_seq.is_none_or(|last| head.seq > last + 1);
        if clock.stalled > 0 {
            // Its time has passed while nothing was there: it was covered then. So has that of events, if it is no loss.
            let covered = (u64::from(clock.stalled) * u64::from(frame)).min(missing);
            clock.stalled = 0;
            clock.next += covered;
            missing -= covered;
            self.counters.lost += u64::from(is_loss);
            if missing == 0 {
                return match self.play(clock, head.arrival) {
                    Some(packet) => Next::Play(packet),
                    None => Next::Stretch,
                };
            }
        }
        let duration = u64::from(frame.max(1)).min(missing);
        clock.next += duration;
        if !is_loss {
            // Timestamps jump, sequence numbers do not: the sender was silent (DTX) or sent events.
            return Next::Silence;
        }
        self.counters.lost += 1;
        let following = (missing == duration).then(|| head.payload.clone()).flatten();
        Next::Lost { duration: duration as u32, following }
    }

    /// Takes the head out to be played.
    fn play(&mut self, clock: &mut Clock, now: i64) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        clock.next = packet.timestamp + u64::from(packet.duration);
        clock.stalled = 0;
        self.last_seq = Some(packet.seq);
        self.counters.played += 1;
        let waited = (now - packet.arrival).max(0) as u64;
        self.counters.waited += waited;
        self.counters.longest_wait = self.counters.longest_wait.max(waited);
        Some(packet)
    }

    /// Nothing is here to play.
    fn starved(&mut self, now: i64, frame: u32) -> Next {
        let Some(clock) = &mut self.clock else { return Next::Silence };
        if now - self.last_arrival > PAUSED_AFTER {
            self.clock = None;
            return Next::Silence;
        }
        let offset = now - media_micros(clock.next, self.clock_rate);
        if offset - self.delays.floor(now) < self.config.max_delay.as_micros() as i64 {
            // It may only be late: the clock waits for it as long as the bound allows.
            clock.stalled += 1;
        } else {
            clock.next += u64::from(frame);
        }
        Next::Stretch
    }

    /// Gives up packets that would be played later than the bound allows.
    fn keep_bounds(&mut self, clock: &mut Clock, at: i64) {
        let bound = self.config.max_delay.as_micros() as i64 + FAR_TOO_LATE;
        while self.packets.len() > 1 {
            let late = at - self.micros(clock.next) - self.delays.floor(at);
            let span = self.packets.back().map_or(0, |last| self.micros(last.timestamp) - self.micros(clock.next));
            if late <= bound && span <= bound {
                return;
            }
            let Some(dropped) = self.packets.pop_front() else { return };
            self.last_seq = Some(dropped.seq);
            self.counters.discarded += 1;
            self.drop_places();
            let head = self.packets.front().filter(|p| p.payload.is_some());
            clock.next = head.map_or(clock.next, |p| p.timestamp);
        }
    }

    /// Place holders at the head have done their duty once they are next in the sequence or something follows them.
    fn drop_places(&mut self) {
        while let Some(head) = self.packets.front().filter(|p| p.payload.is_none()) {
            if self.packets.len() == 1 && self.last_seq.is_some_and(|last| head.seq > last + 1) {
                return;
            }
            self.last_seq = Some(head.seq);
            self.packets.pop_front();
        }
    }

    fn is_known(&self, seq: u64) -> bool {
        self.packets.iter().rev().take_while(|p| p.seq >= seq).any(|p| p.seq == seq) || self.last_seq == Some(seq)
    }

    /// Whether the sender's media time jumped, or stood still while it paused. A packet that is only late does neither.
    fn is_new_time_line(&mut self, packet: &Packet, transit: i64) -> bool {
        let last = self.last_audio.replace((packet.seq, packet.timestamp));
        if !self.delays.is_jump(transit, MAX_JUMP) {
            return false;
        }
        let paused = packet.arrival - self.last_arrival > PAUSED_AFTER;
        paused
            || last.is_some_and(|(seq, timestamp)| {
                let expected = (i128::from(packet.seq) - i128::from(seq)) * i128::from(packet.duration);
                let found = i128::from(packet.timestamp) - i128::from(timestamp);
                (found - expected).abs() * 1_000_000 / i128::from(self.clock_rate) > i128::from(MAX_JUMP)
            })
    }

    /// A new stream: nothing of the old one is of use, nor its numbers.
    pub(crate) fn restart(&mut self) {
        self.forget();
        self.last_seq = None;
        self.last_audio = None;
        self.grid = Grid::Unknown;
    }

    fn forget(&mut self) {
        self.counters.discarded += self.packets.iter().filter(|p| p.payload.is_some()).count() as u64;
        self.packets.clear();
        self.delays.restart();
        self.clock = None;
    }

    fn micros(&self, timestamp: u64) -> i64 {
        media_micros(timestamp, self.clock_rate)
    }
}

fn media_micros(timestamp: u64, clock_rate: u32) -> i64 {
    // Extended timestamps stay below 2^48 for millennia; a hostile one wraps harmlessly.
    ((u128::from(timestamp) * 1_000_000 / u128::from(clock_rate)) & (i64::MAX as u128 >> 2)) as i64
}
