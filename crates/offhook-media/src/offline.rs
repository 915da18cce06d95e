//! The two ends of the audio path without a network between them: for measurements, and for captured packets.

use std::time::Duration;

use crate::codec::{Codec, Encoder};
use crate::config::OpusConfig;
use crate::core::{Playout, Reception};
use crate::error::MediaError;
use crate::jitter::JitterConfig;

/// Makes packets of frames, as a call does.
pub struct AudioEncoder {
    encoder: Encoder,
    rate: u32,
}

impl AudioEncoder {
    /// An encoder for sound that was made of samples at `source_rate`, Hz.
    ///
    /// # Errors
    /// [`MediaError::Codec`].
    pub fn new(codec: Codec, opus: &OpusConfig, source_rate: u32) -> Result<Self, MediaError> {
        let rate = codec.encoding_rate(source_rate);
        Ok(Self { encoder: Encoder::new(codec, opus, false, rate)?, rate })
    }

    /// Rate of the samples it takes, Hz: the codec's own, or of those that Opus takes the lowest that holds the source.
    pub fn sample_rate(&self) -> u32 {
        self.rate
    }

    /// Samples in a frame of 20 ms.
    pub fn frame_samples(&self) -> usize {
        (self.rate / 50) as usize
    }

    /// The far end reports that it lost this share of packets, 0–1, since its last report, as RTCP does in a call.
    ///
    /// # Errors
    /// [`MediaError::Codec`].
    pub fn loss_reported(&mut self, share: f64) -> Result<(), MediaError> {
        self.encoder.loss_reported(share)
    }

    /// The payload of a frame: [`frame_samples`](Self::frame_samples).
    ///
    /// # Errors
    /// [`MediaError::Codec`].
    pub fn encode(&mut self, samples: &[i16]) -> Result<Vec<u8>, MediaError> {
        let mut payload = Vec::new();
        self.encoder.encode(samples, &mut payload)?;
        Ok(payload)
    }
}

/// Jitter buffer, decoder and concealment as in a call, in the caller's time: packets in, 20 ms of sound out.
///
/// Time is the caller's, from any beginning; it must not go back.
pub struct AudioReceiver {
    codec: Codec,
    reception: Reception,
    playout: Playout,
    frame: Vec<i16>,
}

/// What became of the packets.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct ReceiverStats {
    /// Packets received, duplicates included.
    pub received: u64,
    /// Packets played.
    pub played: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets dropped to keep the delay within its bound, or because another stream began.
    pub discarded: u64,
    /// Duration of what was played out, s.
    pub total_s: f64,
    /// Duration of what was made up because no packet was there, s. What a following packet gave back is not counted.
    pub concealed_s: f64,
    /// Duration of what was decoded from the copy in the packet after the lost one (in-band FEC), s.
    pub recovered_s: f64,
    /// Duration of silence since the first packet, because nothing came for 120 ms: a sender that pauses, or an outage, s.
    pub silent_s: f64,
    /// Delay that the jitter buffer aims at now, ms.
    pub target_ms: f64,
    /// Mean time that a packet waited in the jitter buffer, ms.
    pub mean_wait_ms: f64,
    /// Longest time that a packet waited in it, ms.
    pub longest_wait_ms: f64,
}

impl AudioReceiver {
    /// A receiver of one stream.
    ///
    /// # Errors
    /// [`MediaError::Codec`].
    pub fn new(codec: Codec, config: JitterConfig) -> Result<Self, MediaError> {
        let frame = vec![0; codec.frame_samples()];
        Ok(Self { codec, reception: Reception::default(), playout: Playout::new(codec, config)?, frame })
    }

    /// Takes a packet that arrives at `at`.
    pub fn packet(&mut self, at: Duration, seq: u16, timestamp: u32, payload: &[u8]) {
        let packet = self.reception.receive(1, seq, timestamp, payload.len());
        if packet.first {
            self.playout.restart();
        }
        self.playout.insert(at.as_micros() as i64, packet.seq, packet.timestamp, payload.into());
    }

    /// The 20 ms that are due at `at`; to be called every 20 ms.
    pub fn frame(&mut self, at: Duration) -> &[i16] {
        self.frame.fill(0);
        self.playout.frame(at.as_micros() as i64, &mut self.frame);
        &self.frame
    }

    /// What became of the packets so far.
    pub fn stats(&self) -> ReceiverStats {
        let jitter = self.playout.jitter();
        let counters = jitter.counters();
        let seconds = |samples: u64| samples as f64 / f64::from(self.codec.sample_rate());
        ReceiverStats {
            received: counters.inserted,
            played: counters.played,
            late: counters.late,
            discarded: counters.discarded,
            total_s: seconds(self.playout.total_samples),
            concealed_s: seconds(self.playout.concealed_samples),
            recovered_s: seconds(self.playout.recovered_samples),
            silent_s: seconds(self.playout.silent_samples),
            target_ms: jitter.target() as f64 / 1_000.0,
            mean_wait_ms: counters.waited as f64 / 1_000.0 / counters.played.max(1) as f64,
            longest_wait_ms: counters.longest_wait as f64 / 1_000.0,
        }
    }
}
