//! The video path: encoded pictures in and out, or packets to and from a bridged peer.

use std::time::{Duration, Instant};

use super::engine::{Engine, RtpIn};
use super::outbound::FIRST_SEQ;
use super::reception::{Extended, Reception};
use crate::guard::Guarded;
use crate::relay::{LinkId, Relayed};
use crate::sdp::AgreedVideo;
use crate::stats::VideoStats;
use crate::video::{Assembler, CLOCK, VideoCodec, VideoFrame, VideoSink, packetize};

/// Between two requests for a key frame: a round trip and some.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Video {
    pub(super) sink: Option<Guarded<dyn VideoSink>>,
    assembler: Assembler,
    reception: Reception,
    requested: Option<Instant>,
    /// The far end's stream.
    ssrc: Option<u32>,
    map: Option<Map>,
    /// The last packet sent for a bridged peer: when, and its timestamp.
    last: Option<(Instant, u32)>,
    /// Of the next packet sent.
    seq: u64,
    stats: VideoStats,
    /// There was video once.
    used: bool,
}

/// Takes a bridged sender's numbers to ours.
#[derive(Debug, Clone, Copy)]
struct Map {
    epoch: u32,
    codec: VideoCodec,
    seq_in: u64,
    seq_out: u64,
    timestamp_in: u32,
    timestamp_out: u32,
}

impl Video {
    /// A stream that begins at this random number.
    pub(super) fn new(seq: u16) -> Self {
        Self { seq: u64::from(seq) & FIRST_SEQ, ..Self::default() }
    }

    /// Takes a packet of the far end; gives the codec if it is the first of its stream, and what is for the bridged peer.
    pub(super) fn packet(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        micros: i64,
        rtp: &RtpIn,
        agreed: &AgreedVideo,
        link: Option<LinkId>,
    ) -> (Option<VideoCodec>, Option<Relayed>) {
        let Some(&(codec, _)) = agreed.codecs.iter().find(|(_, pt)| *pt == rtp.pt) else { return (None, None) };
        self.used = true;
        self.stats.codec = Some(codec);
        let packet = self.reception.receive(rtp.ssrc, rtp.seq, rtp.timestamp, rtp.payload.len());
        self.reception.timing(micros, packet, CLOCK);
        self.ssrc = Some(rtp.ssrc);
        if link.is_none() || self.sink.is_some() {
            self.assemble(engine, now, rtp, codec, packet);
        }
        let relayed = link.map(|link| Relayed::Video {
            link,
            codec,
            seq: packet.seq,
            timestamp: rtp.timestamp,
            epoch: packet.epoch,
            marker: rtp.marker,
            payload: rtp.payload.clone(),
        });
        (packet.first.then_some(codec), relayed)
    }

    /// Takes a packet that nobody is to see: it is not lost. What is seen next begins with a key frame.
    pub(super) fn pass_by(&mut self, rtp: &RtpIn) {
        self.assembler.restart();
        self.reception.pass_by(rtp.ssrc, rtp.seq, rtp.timestamp, rtp.payload.len());
    }

    fn assemble(&mut self, engine: &mut Engine, now: Instant, rtp: &RtpIn, codec: VideoCodec, packet: Extended) {
        if packet.first {
            self.assembler.restart();
        }
        let result = self.assembler.push(codec, packet.seq, rtp.timestamp, rtp.marker, rtp.payload.clone());
        for frame in result.frames {
            self.stats.frames_received += 1;
            if let Some(sink) = &mut self.sink
                && sink.run(|sink| sink.frame(frame)).is_none()
            {
                self.sink = None;
            }
        }
        if result.needs_keyframe {
            self.request_keyframe(engine, now);
        }
    }

    fn request_keyframe(&mut self, engine: &mut Engine, now: Instant) {
        let recently = self.requested.is_some_and(|at| now.saturating_duration_since(at) < REQUEST_INTERVAL);
        if let Some(ssrc) = self.ssrc.filter(|_| !recently) {
            self.requested = Some(now);
            engine.request_keyframe(ssrc);
        }
    }

    /// Another peer is bridged, whose numbers have nothing to do with those of the one before.
    pub(super) fn relinked(&mut self) {
        self.map = None;
    }

    /// Keys are new, and the numbers with them, as those of the audio; who sees us now has seen nothing yet.
    pub(super) fn rekeyed(&mut self) {
        self.seq &= FIRST_SEQ;
        self.map = None;
    }

    /// Takes what the bridged peer has of video; gives whether its sender should send a key frame, because what was passed on
    /// begins in the middle.
    pub(super) fn relayed(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        relayed: Relayed,
        agreed: &AgreedVideo,
    ) -> bool {
        let Relayed::Video { codec, seq, timestamp, epoch, marker, payload, .. } = relayed else {
            self.request_keyframe(engine, now);
            return false;
        };
        let known = agreed.codecs.iter().find(|(known, _)| *known == codec).filter(|_| agreed.direction.sends());
        let Some(&(_, pt)) = known else {
            // Whatever comes later does not go on from here.
            self.map = None;
            return false;
        };
        let (map, fresh) = match self.map.filter(|map| map.epoch == epoch && map.codec == codec) {
            // From before the run began: its number is taken.
            Some(map) if seq < map.seq_in => return false,
            Some(map) => (map, false),
            None => (self.begin(now, epoch, codec, seq, timestamp), true),
        };
        self.map = Some(map);
        let seq = map.seq_out + (seq - map.seq_in);
        let timestamp = map.timestamp_out.wrapping_add(timestamp.wrapping_sub(map.timestamp_in));
        engine.send_video(now, pt, seq, timestamp, marker, payload);
        self.seq = self.seq.max(seq + 1);
        self.last = Some((now, timestamp));
        self.used = true;
        self.stats.codec = Some(codec);
        self.stats.packets_sent += 1;
        self.stats.frames_sent += u64::from(marker);
        fresh
    }

    /// What comes now goes on after what was sent, in number and in time.
    fn begin(&self, now: Instant, epoch: u32, codec: VideoCodec, seq_in: u64, timestamp_in: u32) -> Map {
        let timestamp_out = self.last.map_or(timestamp_in, |(at, timestamp)| {
            let passed = now.saturating_duration_since(at).as_millis() as u64 * u64::from(CLOCK) / 1_000;
            // At least a picture later, so that two never have one time. Timestamps wrap.
            timestamp.wrapping_add(passed.max(u64::from(CLOCK) / 30) as u32)
        });
        Map { epoch, codec, seq_in, seq_out: self.seq, timestamp_in, timestamp_out }
    }

    /// Sends a picture; gives whether it was sent.
    pub(super) fn send(&mut self, engine: &mut Engine, now: Instant, frame: &VideoFrame, agreed: &AgreedVideo) -> bool {
        let Some(&(codec, pt)) = agreed.codecs.iter().find(|(codec, _)| *codec == frame.codec) else { return false };
        let payloads = packetize(codec, &frame.data);
        let last = payloads.len().saturating_sub(1);
        let sent = !payloads.is_empty();
        for (n, payload) in payloads.into_iter().enumerate() {
            engine.send_video(now, pt, self.seq, frame.timestamp, n == last, payload.into());
            self.seq += 1;
            self.stats.packets_sent += 1;
        }
        self.used = true;
        self.stats.codec = Some(codec);
        self.stats.frames_sent += u64::from(sent);
        sent
    }

    pub(super) fn stats(&self) -> Option<VideoStats> {
        self.used.then(|| VideoStats {
            packets_received: self.reception.packets,
            packets_lost: self.reception.lost(),
            jitter_ms: self.reception.jitter_ms().0,
            ..self.stats
        })
    }
}
