//! From packets to frames of 20 ms: jitter buffer, decoder, concealment.

use std::sync::Arc;
use std::time::Duration;

use super::noise::Noise;
use crate::codec::{Codec, Decoder, carries_copy, is_pause, packet_ticks};
use crate::error::MediaError;
use crate::jitter::{JitterBuffer, JitterConfig, Next, Packet};

/// Root mean square below which a frame counts as quiet: about −50 dBFS.
const QUIET: i64 = 100;

/// A copy of a lost frame comes so much later, with the next.
const COPY: Duration = Duration::from_millis(20);

/// Opus's own comfort noise is made for no longer than this without a packet, frames: one comes every 400 ms.
const LONGEST_PAUSE: u32 = 50;

/// The sender pauses, and said so: what is heard meanwhile is neither lost nor made up for.
#[derive(Debug)]
enum Pause {
    /// The decoder makes the noise, so many frames of it so far.
    Own(u32),
    /// Noise as a packet with this number described it (RFC 3389).
    Described(u64, Noise),
}

/// Plays one stream.
pub(crate) struct Playout {
    codec: Codec,
    jitter: JitterBuffer,
    decoder: Decoder,
    /// Decoded and not yet played.
    ready: Vec<i16>,
    quiet: bool,
    concealing: bool,
    pause: Option<Pause>,
    pub(crate) concealed_samples: u64,
    /// From the copy in the packet after a lost one.
    pub(crate) recovered_samples: u64,
    /// Silence since the first packet, because nothing came for so long that the sender is taken to pause.
    pub(crate) silent_samples: u64,
    pub(crate) concealment_events: u64,
    pub(crate) total_samples: u64,
}

impl Playout {
    pub(crate) fn new(codec: Codec, mut config: JitterConfig) -> Result<Self, MediaError> {
        if codec == Codec::Opus {
            config = config.bounds(config.min_delay.max(COPY), config.max_delay);
        }
        Ok(Self {
            codec,
            jitter: JitterBuffer::new(config, codec.clock_rate()),
            decoder: Decoder::new(codec)?,
            ready: Vec::with_capacity(codec.frame_samples() * 7),
            quiet: true,
            concealing: false,
            pause: None,
            concealed_samples: 0,
            recovered_samples: 0,
            silent_samples: 0,
            concealment_events: 0,
            total_samples: 0,
        })
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    pub(crate) fn jitter(&self) -> &JitterBuffer {
        &self.jitter
    }

    /// Takes a packet that arrived at `arrival` (µs).
    pub(crate) fn insert(&mut self, arrival: i64, seq: u64, timestamp: u64, payload: Arc<[u8]>) {
        // Nothing at all is sent to keep the path open, and takes no time of the stream.
        if payload.is_empty() {
            return self.skip(arrival, seq, timestamp);
        }
        // What cannot be decoded would be played as nothing: it counts as lost.
        if let Some(duration) = packet_ticks(self.codec, &payload) {
            self.jitter.insert(Packet { seq, timestamp, duration, payload: Some(payload), arrival });
        }
    }

    /// Another stream of the same codec begins.
    pub(crate) fn restart(&mut self) {
        self.jitter.restart();
        self.pause = None;
    }

    /// A packet that describes the noise of a pause (RFC 3389); an empty one is as good as none.
    pub(crate) fn noise(&mut self, arrival: i64, seq: u64, timestamp: u64, payload: &[u8]) {
        let newer = !matches!(self.pause, Some(Pause::Described(known, _)) if known > seq);
        if let Some(&level) = payload.first().filter(|_| newer) {
            self.pause = Some(Pause::Described(seq, Noise::new(level, seq)));
        }
        self.skip(arrival, seq, timestamp);
    }

    /// Notes a packet of the same sequence that is no audio.
    pub(crate) fn skip(&mut self, arrival: i64, seq: u64, timestamp: u64) {
        self.jitter.insert(Packet { seq, timestamp, duration: 0, payload: None, arrival });
    }

    /// So many µs earlier [frames](Self::frame) may be fetched from now on: see [`JitterBuffer::earlier`].
    pub(crate) fn earlier(&mut self, now: i64) -> Option<i64> {
        self.jitter.earlier(now)
    }

    /// Fills the next 20 ms, due at `now` (µs); `out` has [`Codec::frame_samples`] samples.
    pub(crate) fn frame(&mut self, now: i64, out: &mut [i16]) {
        let frame = self.codec.frame_samples();
        // A packet may decode to nothing (a defect of its sender); do not try for ever.
        for _ in 0..8 {
            if self.ready.len() >= out.len() {
                break;
            }
            let buffered = self.ready.len() as i64 * 1_000_000 / i64::from(self.codec.sample_rate());
            let next = self.jitter.next(now, buffered, self.quiet, self.codec.frame_ticks());
            let next = match (next, self.rests()) {
                (Next::Stretch, true) => Next::Silence,
                (next, _) => next,
            };
            let concealing = matches!(next, Next::Lost { .. } | Next::Stretch);
            if concealing && !self.concealing {
                self.concealment_events += 1;
            }
            self.concealing = concealing;
            self.play(next, frame);
        }
        let count = out.len().min(self.ready.len());
        for (slot, sample) in out.iter_mut().zip(self.ready.drain(..count)) {
            *slot = sample;
        }
        if let Some(rest) = out.get_mut(count..) {
            rest.fill(0);
        }
        self.total_samples += out.len() as u64;
        let energy: i64 = out.iter().map(|&s| i64::from(s) * i64::from(s)).sum();
        self.quiet = energy < QUIET * QUIET * out.len() as i64;
    }

    fn play(&mut self, next: Next, frame: usize) {
        let start = self.ready.len();
        let done = match next {
            Next::Play(packet) => self.decode(&packet),
            Next::Merge(first, second) => {
                let result = self.decode(&first);
                let middle = self.ready.len();
                let result = result.and(self.decode(&second));
                self.cross_fade(start, middle);
                result
            }
            Next::Lost { duration, following } => {
                let samples = duration as usize * frame / self.codec.frame_ticks() as usize;
                let copied = following.as_deref().is_some_and(|next| carries_copy(self.codec, next));
                if copied {
                    self.recovered_samples += samples as u64;
                } else {
                    self.concealed_samples += samples as u64;
                }
                self.decoder.conceal(samples, following.as_deref(), &mut self.ready)
            }
            Next::Stretch => {
                self.concealed_samples += frame as u64;
                self.decoder.conceal(frame, None, &mut self.ready)
            }
            Next::Silence => {
                if self.jitter.counters().played > 0 {
                    self.silent_samples += frame as u64;
                }
                self.rest(frame)
            }
        };
        if done.is_err() {
            // A broken packet sounds like a lost one.
            self.ready.truncate(start);
            self.ready.resize(start + frame, 0);
            self.concealed_samples += frame as u64;
        }
    }

    /// Whether the sender pauses and nothing waits to be played.
    fn rests(&self) -> bool {
        self.pause.is_some() && self.jitter.is_empty()
    }

    /// What a pause sounds like.
    fn rest(&mut self, frame: usize) -> Result<(), MediaError> {
        let end = self.ready.len() + frame;
        match &mut self.pause {
            Some(Pause::Own(frames)) if *frames < LONGEST_PAUSE => {
                *frames += 1;
                self.decoder.conceal(frame, None, &mut self.ready)
            }
            Some(Pause::Described(_, noise)) => {
                self.ready.resize_with(end, || noise.sample());
                Ok(())
            }
            _ => {
                self.ready.resize(end, 0);
                Ok(())
            }
        }
    }

    fn decode(&mut self, packet: &Packet) -> Result<(), MediaError> {
        let payload = packet.payload.as_deref().unwrap_or(&[]);
        // From before the pause, in the wrong order.
        let before = matches!(self.pause, Some(Pause::Described(since, _)) if packet.seq < since);
        if !before {
            self.pause = is_pause(self.codec, payload).then_some(Pause::Own(0));
        }
        self.decoder.decode(payload, &mut self.ready)
    }

    /// Turns `start..middle` and `middle..` into one stretch as long as the second: the first fades into it.
    fn cross_fade(&mut self, start: usize, middle: usize) {
        let length = (middle - start).min(self.ready.len() - middle) as i32;
        let (before, after) = self.ready.split_at_mut(middle);
        let old = before.get(start..).unwrap_or(&[]);
        for (index, (new, old)) in (0..length).zip(after.iter_mut().zip(old)) {
            *new = ((i32::from(*old) * (length - index) + i32::from(*new) * index) / length) as i16;
        }
        self.ready.drain(start..middle);
    }
}
