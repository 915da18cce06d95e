//! The receiving half of the audio path.

use std::time::Duration;

use super::engine::RtpIn;
use super::events::{EventId, EventReceiver, Received};
use super::playout::Playout;
use super::reception::{Extended, Reception};
use crate::audio::Level;
use crate::codec::Codec;
use crate::jitter::JitterConfig;
use crate::sdp::Agreed;
use crate::stats::InboundStats;

pub(super) struct Inbound {
    config: JitterConfig,
    reception: Reception,
    playout: Option<Playout>,
    events: EventReceiver,
    codec: Option<Codec>,
    level: Level,
    /// The last 20 ms heard.
    heard: Vec<i16>,
    rate: u32,
    totals: Totals,
}

/// What playouts that were replaced (the codec changed) have counted, brought to seconds.
#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    late: u64,
    waited: u64,
    played: u64,
    concealed_s: f64,
    silent_s: f64,
    concealment_events: u64,
    total_s: f64,
}

/// What a packet was.
pub(super) enum Arrived {
    Audio { codec: Codec, packet: Extended },
    Event { clock_rate: u32, packet: Extended, tones: [Option<Received>; 2] },
    Nothing,
}

impl Inbound {
    pub(super) fn new(config: JitterConfig) -> Self {
        Self {
            config,
            reception: Reception::default(),
            playout: None,
            events: EventReceiver::default(),
            codec: None,
            level: Level::default(),
            heard: Vec::with_capacity(960),
            rate: 48_000,
            totals: Totals::default(),
        }
    }

    /// Takes a packet; `decode` says whether anyone listens.
    pub(super) fn packet(&mut self, now: i64, rtp: &RtpIn, agreed: &Agreed, decode: bool) -> Arrived {
        if let Some(&(codec, _)) = agreed.codecs.iter().find(|(_, pt)| *pt == rtp.pt) {
            let packet = self.reception.receive(rtp.ssrc, rtp.seq, rtp.timestamp, rtp.payload.len());
            self.reception.timing(now, packet, codec.clock_rate());
            self.codec = Some(codec);
            if decode {
                self.play(now, codec, packet, rtp);
            }
            return Arrived::Audio { codec, packet };
        }
        if let Some(&(_, clock_rate)) = agreed.events.iter().find(|(pt, _)| *pt == rtp.pt) {
            let packet = self.reception.receive(rtp.ssrc, rtp.seq, rtp.timestamp, rtp.payload.len());
            if let Some(playout) = self.playout.as_mut().filter(|_| decode && !packet.first) {
                playout.skip(now, packet.seq, packet.timestamp);
            }
            let id = EventId { epoch: packet.epoch, timestamp: rtp.timestamp };
            let tones = self.events.receive(now, clock_rate, id, &rtp.payload);
            return Arrived::Event { clock_rate, packet, tones };
        }
        if agreed.noise == Some(rtp.pt) {
            let packet = self.reception.receive(rtp.ssrc, rtp.seq, rtp.timestamp, rtp.payload.len());
            if let Some(playout) = self.playout.as_mut().filter(|_| decode && !packet.first) {
                playout.noise(now, packet.seq, packet.timestamp, &rtp.payload);
            }
            return Arrived::Nothing;
        }
        // A codec that was not agreed on.
        Arrived::Nothing
    }

    /// Takes a packet that nobody is to hear: it is not lost.
    pub(super) fn pass_by(&mut self, rtp: &RtpIn, agreed: &Agreed) {
        let known = agreed.codecs.iter().map(|codec| codec.1).chain(agreed.events.iter().map(|event| event.0));
        if known.chain(agreed.noise).any(|pt| pt == rtp.pt) {
            self.reception.pass_by(rtp.ssrc, rtp.seq, rtp.timestamp, rtp.payload.len());
        }
    }

    fn play(&mut self, now: i64, codec: Codec, packet: Extended, rtp: &RtpIn) {
        if self.playout.as_ref().is_none_or(|playout| playout.codec() != codec) {
            self.retire();
            // Decoders are made of constants: this does not fail.
            self.playout = Playout::new(codec, self.config).ok();
        }
        let Some(playout) = &mut self.playout else { return };
        if packet.first {
            playout.restart();
        }
        playout.insert(now, packet.seq, packet.timestamp, rtp.payload.clone());
    }

    /// The next 20 ms. Without `decode` nothing is heard and the playout is let go.
    pub(super) fn tick(&mut self, now: i64, decode: bool, default: Codec) {
        if !decode {
            self.retire();
        }
        let codec = self.playout.as_ref().map_or(default, Playout::codec);
        self.rate = codec.sample_rate();
        self.heard.clear();
        self.heard.resize(codec.frame_samples(), 0);
        if let Some(playout) = &mut self.playout {
            playout.frame(now, &mut self.heard);
        }
        self.level.measure(&self.heard);
    }

    /// So much earlier ticks may come from now on.
    pub(super) fn earlier(&mut self, now: i64) -> Option<Duration> {
        let micros = self.playout.as_mut()?.earlier(now)?;
        Some(Duration::from_micros(micros.unsigned_abs()))
    }

    /// An event whose end was lost.
    pub(super) fn event_timeout(&mut self, now: i64) -> Option<Received> {
        self.events.timeout(now)
    }

    pub(super) fn heard(&self) -> (&[i16], u32) {
        (&self.heard, self.rate)
    }

    pub(super) fn stats(&self) -> InboundStats {
        let (jitter_ms, jitter_max_ms, jitter_avg_ms) = self.reception.jitter_ms();
        let totals = self.totals();
        let rate = f64::from(self.rate);
        InboundStats {
            codec: self.codec,
            packets_received: self.reception.packets,
            bytes_received: self.reception.bytes,
            packets_lost: self.reception.lost(),
            packets_late: totals.late,
            jitter_ms,
            jitter_max_ms,
            jitter_avg_ms,
            jitter_buffer_target_ms: self.playout.as_ref().map_or(0.0, |p| p.jitter().target() as f64 / 1_000.0),
            jitter_buffer_delay_ms: totals.waited as f64 / 1_000.0 / totals.played.max(1) as f64,
            concealed_samples: (totals.concealed_s * rate).round() as u64,
            silent_samples: (totals.silent_s * rate).round() as u64,
            concealment_events: totals.concealment_events,
            total_samples: (totals.total_s * rate).round() as u64,
            sample_rate: self.rate,
            total_samples_duration: totals.total_s,
            level_dbfs: self.level.dbfs(),
            ssrc_changes: self.reception.ssrc_changes,
        }
    }

    fn retire(&mut self) {
        self.totals = self.totals();
        self.playout = None;
    }

    fn totals(&self) -> Totals {
        let mut totals = self.totals;
        if let Some(playout) = &self.playout {
            let counters = playout.jitter().counters();
            let rate = f64::from(playout.codec().sample_rate());
            totals.late += counters.late + counters.discarded;
            totals.waited += counters.waited;
            totals.played += counters.played;
            totals.concealed_s += playout.concealed_samples as f64 / rate;
            totals.silent_s += playout.silent_samples as f64 / rate;
            totals.concealment_events += playout.concealment_events;
            totals.total_s += playout.total_samples as f64 / rate;
        }
        totals
    }
}
