//! What a bridged peer hears, sent on: as it came where both sides have its codec, else decoded and encoded.

use std::time::Instant;

use super::engine::Engine;
use super::events::{EventId, EventReceiver, LONGEST, Received, Segment};
use super::outbound::Stream;
use super::playout::Playout;
use crate::audio::Resampler;
use crate::codec::{Codec, packet_ticks};
use crate::jitter::JitterConfig;
use crate::relay::Relayed;
use crate::sdp::Agreed;

/// A number this far ahead of the last one is no gap of the path.
const MAX_STEP: u64 = 3_000;

pub(super) struct Relaying {
    jitter: JitterConfig,
    /// Present while what comes must be decoded: to be encoded again, or for listeners here.
    playout: Option<Playout>,
    playout_epoch: u32,
    transcoding: bool,
    convert: Option<Resampler>,
    decoded: Vec<i16>,
    converted: Vec<i16>,
    map: Option<Map>,
    event: Option<EventMap>,
    /// Events that cannot be passed on as they come: each is to be sent when it is whole.
    kept: EventReceiver,
}

/// Takes the far sender's numbers to ours, so that gaps and order stay as they are.
#[derive(Debug, Clone, Copy)]
struct Map {
    epoch: u32,
    codec: Codec,
    seq_in: u64,
    seq_out: u64,
    timestamp_in: u64,
    timestamp_out: u32,
}

/// An event that is passed on. Where one segment of it ends, at what its clock can count, the other clock may need none, or another.
#[derive(Debug, Clone, Copy)]
struct EventMap {
    /// The last one that came.
    segment: Segment,
    /// From the beginning of the event to that of this segment, in its timestamp units.
    before: u64,
    ended: bool,
    /// Of the segment that is sent.
    timestamp_out: u32,
    /// From the beginning of the event to that of the segment sent, in timestamp units of what is sent.
    before_out: u64,
    /// The longest duration was sent: what is longer is another segment.
    full: bool,
    /// When it was passed on last, µs.
    last: i64,
}

impl Relaying {
    pub(super) fn new(jitter: JitterConfig) -> Self {
        Self {
            jitter,
            playout: None,
            playout_epoch: 0,
            transcoding: false,
            convert: None,
            decoded: Vec::new(),
            converted: Vec::new(),
            map: None,
            event: None,
            kept: EventReceiver::default(),
        }
    }

    /// Whether frames must be encoded.
    pub(super) fn is_transcoding(&self) -> bool {
        self.transcoding
    }

    /// Rate of what is decoded here, Hz, if anything is.
    pub(super) fn rate(&self) -> Option<u32> {
        self.playout.as_ref().map(|playout| playout.codec().sample_rate())
    }

    /// Something else was sent: what comes next is numbered after it.
    pub(super) fn interrupted(&mut self) {
        self.map = None;
    }

    /// A packet of ours was sent under this number, in the midst of the stream: what comes next is numbered after it.
    pub(super) fn interposed(&mut self, number: u64) {
        if let Some(map) = &mut self.map {
            map.seq_in += number.saturating_sub(map.seq_out);
            map.seq_out = number + 1;
        }
    }

    /// Forgets the stream.
    pub(super) fn restart(&mut self) {
        self.held_up();
        self.event = None;
        self.kept = EventReceiver::default();
    }

    /// Time passed and nothing was sent: audio begins anew. The rest of an event under way may still come, and must be
    /// the same event at the far end.
    pub(super) fn held_up(&mut self) {
        self.map = None;
        self.playout = None;
        self.transcoding = false;
        self.converted.clear();
    }

    /// Takes a packet; says whether audio was sent. `audible` is false while tones of our own are sent.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn packet(
        &mut self,
        engine: &mut Engine,
        stream: &mut Stream,
        now: Instant,
        micros: i64,
        agreed: &Agreed,
        relayed: Relayed,
        listened: bool,
        audible: bool,
    ) -> bool {
        match relayed {
            Relayed::Unlink(_) | Relayed::Video { .. } | Relayed::Keyframe(_) => false,
            Relayed::Audio { codec, seq, timestamp, epoch, marker, payload, .. } => {
                let same = agreed.codecs.iter().find(|(known, _)| *known == codec).copied();
                self.transcoding = same.is_none();
                if same.is_none() || listened {
                    self.decode(micros, codec, epoch, seq, timestamp, payload.clone());
                } else {
                    self.playout = None;
                }
                let Some((_, pt)) = same.filter(|_| audible) else { return false };
                let (map, fresh) = match self.map.filter(|map| map.epoch == epoch && map.codec == codec) {
                    // From before the run began: its number is taken.
                    Some(map) if seq < map.seq_in => return false,
                    Some(map) if stream.seq + MAX_STEP > map.seq_out + (seq - map.seq_in) => (map, false),
                    _ => (Map::begin(epoch, codec, seq, timestamp, stream), true),
                };
                self.map = Some(map);
                let seq = map.seq_out + (seq - map.seq_in);
                let timestamp = map.timestamp_out.wrapping_add(timestamp.wrapping_sub(map.timestamp_in) as u32);
                stream.relayed(timestamp, packet_ticks(codec, &payload).unwrap_or(codec.frame_ticks()));
                stream.send_as(engine, now, seq, pt, timestamp, marker || fresh, payload);
                true
            }
            Relayed::Event { clock_rate, seq, timestamp, epoch, marker, payload, .. } => {
                let packet = (clock_rate, seq, timestamp, epoch, marker, payload);
                self.event(engine, stream, (now, micros), agreed, packet, audible);
                false
            }
        }
    }

    /// Keeps the packet of an event that can only be sent `later`, or of one of which the beginning was kept; gives the tones that are whole by
    /// it. `None`: it is to be passed on.
    pub(super) fn keep(&mut self, micros: i64, relayed: &Relayed, later: bool) -> Option<[Option<Received>; 2]> {
        let Relayed::Event { clock_rate, seq, timestamp, epoch, payload, .. } = relayed else { return None };
        let id = EventId { epoch: *epoch, timestamp: *timestamp };
        let [code, ..] = *payload;
        let passing = self.event.is_some_and(|map| map.knows(id, code, micros));
        if passing || !(later || self.kept.knows(id, code, micros)) {
            return None;
        }
        self.skip(*seq);
        Some(self.kept.receive(micros, *clock_rate, id, payload))
    }

    /// A kept event whose end was lost.
    pub(super) fn event_timeout(&mut self, micros: i64) -> Option<Received> {
        self.kept.timeout(micros)
    }

    /// An event's place in the sequence is no loss of audio.
    fn skip(&mut self, seq: u64) {
        if let Some(playout) = &mut self.playout {
            playout.skip(0, seq, 0);
        }
    }

    /// Fills `out` with the next 20 ms at `rate`, if anything is decoded here.
    pub(super) fn frame(&mut self, micros: i64, rate: u32, out: &mut [i16]) {
        let Some(playout) = &mut self.playout else { return };
        let codec = playout.codec();
        self.decoded.clear();
        self.decoded.resize(codec.frame_samples(), 0);
        playout.frame(micros, &mut self.decoded);
        if codec.sample_rate() == rate {
            out.copy_from_slice(self.decoded.get(..out.len()).unwrap_or(&self.decoded));
            return;
        }
        if self.convert.as_ref().is_none_or(|c| (c.from_rate(), c.to_rate()) != (codec.sample_rate(), rate)) {
            self.convert = Resampler::new(codec.sample_rate(), rate).ok();
            self.converted.clear();
        }
        if let Some(convert) = &mut self.convert {
            convert.process(&self.decoded, &mut self.converted);
        }
        let count = out.len().min(self.converted.len());
        for (slot, sample) in out.iter_mut().zip(self.converted.drain(..count)) {
            *slot = sample;
        }
    }

    fn decode(
        &mut self,
        micros: i64,
        codec: Codec,
        epoch: u32,
        seq: u64,
        timestamp: u64,
        payload: std::sync::Arc<[u8]>,
    ) {
        if self.playout.as_ref().is_none_or(|playout| playout.codec() != codec) {
            self.playout = Playout::new(codec, self.jitter).ok();
            self.playout_epoch = epoch;
        }
        let Some(playout) = &mut self.playout else { return };
        if epoch != self.playout_epoch {
            playout.restart();
            self.playout_epoch = epoch;
        }
        playout.insert(micros, seq, timestamp, payload);
    }

    fn event(
        &mut self,
        engine: &mut Engine,
        stream: &mut Stream,
        (now, micros): (Instant, i64),
        agreed: &Agreed,
        (clock_rate, seq, timestamp, epoch, marker, mut payload): (u32, u64, u32, u32, bool, [u8; 4]),
        audible: bool,
    ) {
        self.skip(seq);
        let [code, flags, high, low] = payload;
        let segment = Segment {
            id: EventId { epoch, timestamp },
            code,
            clock_rate,
            duration: u32::from(u16::from_be_bytes([high, low])),
        };
        // A late copy of the event before: for the far end it has ended.
        if self.event.is_some_and(|map| segment.id.is_before(map.segment.id, map.last, micros)) {
            return;
        }
        let found = agreed.events.iter().find(|e| e.1 == clock_rate).or(agreed.events.first());
        let Some(&(pt, rate)) = found.filter(|_| audible) else { return };
        let known = self.event.filter(|map| map.knows(segment.id, code, micros));
        let mut map = known.unwrap_or_else(|| EventMap::begin(segment, stream.event_timestamp()));
        let Some(duration) = map.report(segment, flags & 0x80 != 0, rate) else { return };
        map.last = micros;
        self.event = Some(map);
        let [high, low] = duration.to_be_bytes();
        payload = [code, flags, high, low];
        let timestamp_out = map.timestamp_out;
        // In the audio's sequence, so that the far end sees no loss where there is none.
        let seq = match self.map.filter(|map| map.epoch == epoch && seq >= map.seq_in) {
            Some(map) if stream.seq + MAX_STEP > map.seq_out + (seq - map.seq_in) => map.seq_out + (seq - map.seq_in),
            _ => stream.seq,
        };
        stream.send_as(engine, now, seq, pt, timestamp_out, marker, payload.as_slice().into());
        stream.event_sent(timestamp_out, payload);
    }
}

impl EventMap {
    fn begin(segment: Segment, timestamp_out: u32) -> Self {
        Self { segment, before: 0, ended: false, timestamp_out, before_out: 0, full: false, last: 0 }
    }

    /// Whether this is it, or the rest of it, or from before it.
    fn knows(&self, id: EventId, code: u8, micros: i64) -> bool {
        let goes_on = !self.ended && self.segment.goes_on(id, code);
        goes_on || id.is_same(self.segment.id, self.last, micros) || id.is_before(self.segment.id, self.last, micros)
    }

    /// Takes a packet of it, or of the rest; gives the duration that is to be sent under `timestamp_out`. `None`: it is older than what was sent.
    fn report(&mut self, segment: Segment, end: bool, rate: u32) -> Option<u16> {
        if segment.id == self.segment.id {
            self.segment.duration = self.segment.duration.max(segment.duration);
        } else {
            self.before += u64::from(segment.id.timestamp.wrapping_sub(self.segment.id.timestamp));
            self.segment = segment;
        }
        self.ended |= end;
        let ticks = self.before + u64::from(segment.duration);
        let total = ticks * u64::from(rate) / u64::from(segment.clock_rate.max(1));
        let longest = u64::from(LONGEST);
        if self.full && total > self.before_out + longest {
            self.before_out += longest;
            self.timestamp_out = self.timestamp_out.wrapping_add(LONGEST);
            self.full = false;
        }
        let duration = total.checked_sub(self.before_out)?.min(longest);
        // One that ends here has no other segment: all copies of its end must say the same.
        self.full |= duration == longest && !end;
        Some(duration as u16)
    }
}

impl Map {
    fn begin(epoch: u32, codec: Codec, seq_in: u64, timestamp_in: u64, stream: &mut Stream) -> Self {
        stream.turn();
        Self { epoch, codec, seq_in, seq_out: stream.seq, timestamp_in, timestamp_out: stream.timestamp }
    }
}
