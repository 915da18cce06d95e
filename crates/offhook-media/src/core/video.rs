//! The video path: encoded pictures in and out.

use std::time::{Duration, Instant};

use super::engine::{Engine, RtpIn};
use super::reception::Reception;
use crate::sdp::AgreedVideo;
use crate::stats::VideoStats;
use crate::video::{Assembler, CLOCK, VideoCodec, VideoFrame, VideoSink, packetize};

/// Between two requests for a key frame: a round trip and some.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Video {
    pub(super) sink: Option<Box<dyn VideoSink>>,
    assembler: Assembler,
    reception: Reception,
    requested: Option<Instant>,
    /// Of the next packet sent.
    seq: u64,
    stats: VideoStats,
    /// There was video once.
    used: bool,
}

impl Video {
    /// A stream that begins at this random number.
    pub(super) fn new(seq: u16) -> Self {
        // Below half the range, as that of the audio.
        Self { seq: u64::from(seq & 0x7fff), ..Self::default() }
    }

    /// Takes a packet of the far end; gives the codec if it is the first of its stream.
    pub(super) fn packet(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        micros: i64,
        rtp: &RtpIn,
        agreed: &AgreedVideo,
    ) -> Option<VideoCodec> {
        let &(codec, _) = agreed.codecs.iter().find(|(_, pt)| *pt == rtp.pt)?;
        self.used = true;
        self.stats.codec = Some(codec);
        let packet = self.reception.receive(rtp.ssrc, rtp.seq, rtp.timestamp, rtp.payload.len());
        self.reception.timing(micros, packet, CLOCK);
        if packet.first {
            self.assembler.restart();
        }
        let result = self.assembler.push(codec, packet.seq, rtp.timestamp, rtp.marker, rtp.payload.clone());
        for frame in result.frames {
            self.stats.frames_received += 1;
            if let Some(sink) = &mut self.sink {
                sink.frame(frame);
            }
        }
        let recently = self.requested.is_some_and(|at| now.saturating_duration_since(at) < REQUEST_INTERVAL);
        if result.needs_keyframe && !recently {
            self.requested = Some(now);
            engine.request_keyframe(rtp.ssrc);
        }
        packet.first.then_some(codec)
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
