//! The sending half of the audio path.

use std::sync::Arc;
use std::time::Instant;

use super::engine::Engine;
use super::events::{EventSender, Received, Step};
use super::noise::{Detector, Speaks};
use super::relaying::Relaying;
use super::tones::ToneSender;
use crate::audio::{ActiveSource, Level, Resampler, Seat, SourceState};
use crate::codec::{Codec, Encoder, is_pause};
use crate::config::OpusConfig;
use crate::dtmf::Tones;
use crate::error::MediaError;
use crate::jitter::JitterConfig;
use crate::peer::{Reply, SourceId};
use crate::relay::Relayed;
use crate::sdp::Agreed;
use crate::stats::{OutboundStats, RemoteReport};

pub(super) struct Outbound {
    opus: OpusConfig,
    source: ActiveSource,
    /// The last that was set from outside. A link's own have no number: they never end.
    source_id: Option<SourceId>,
    pub(super) muted: bool,
    pub(super) events: EventSender,
    pub(super) tones: ToneSender,
    encoder: Option<(Codec, Encoder)>,
    /// Whether nothing is sent while nobody speaks, and who tells.
    dtx: bool,
    detector: Detector,
    /// Reports of the far end that the encoder knows of.
    reports: u64,
    relaying: Relaying,
    /// What is heard, brought to the rate of what is sent, for the echo.
    convert: Option<Resampler>,
    converted: Vec<i16>,
    /// The last 20 ms sent.
    frame: Vec<i16>,
    rate: u32,
    packet: Vec<u8>,
    stream: Stream,
    level: Level,
    codec: Option<Codec>,
    /// Timestamp of the event being sent.
    event_timestamp: u32,
    /// Whether the last 20 ms carried audio; if not, the next packet begins a talkspurt.
    talking: bool,
}

/// Bits of a number that a stream may begin with. Below half the range, so that the first wrap is far: receivers guess the cycle
/// from the first packet.
pub(super) const FIRST_SEQ: u64 = 0x7fff;

/// Our RTP stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) seq: u64,
    /// Of this moment's 20 ms; wraps.
    pub(super) timestamp: u32,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// The last event ends so much later than this moment: those of a burst are sent before their time.
    event_lead: u32,
    /// What was relayed last ends so much later than this moment: its timestamps follow the clock of another.
    relayed_lead: u32,
}

impl Stream {
    /// Sends a packet under a number of its own.
    fn send(&mut self, engine: &mut Engine, now: Instant, pt: u8, timestamp: u32, marker: bool, payload: Arc<[u8]>) {
        let seq = self.seq;
        self.send_as(engine, now, seq, pt, timestamp, marker, payload);
    }

    /// Sends a packet under this number.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn send_as(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        seq: u64,
        pt: u8,
        timestamp: u32,
        marker: bool,
        payload: Arc<[u8]>,
    ) {
        self.seq = self.seq.max(seq + 1);
        self.packets += 1;
        self.bytes += payload.len() as u64;
        engine.send(now, pt, seq, timestamp, marker, payload);
    }

    /// Timestamp of an event that begins now. It names the event (RFC 4733 §2.2.1), and comes after the one before.
    pub(super) fn event_timestamp(&self) -> u32 {
        self.timestamp.wrapping_add(self.event_lead)
    }

    /// A packet of the event with this timestamp was sent.
    pub(super) fn event_sent(&mut self, timestamp: u32, payload: [u8; 4]) {
        let [_, _, high, low] = payload;
        let duration = u32::from(u16::from_be_bytes([high, low])).max(1);
        self.event_lead = self.event_lead.max(self.ahead(timestamp.wrapping_add(duration)));
    }

    /// A relayed packet of this duration was sent.
    pub(super) fn relayed(&mut self, timestamp: u32, duration: u32) {
        self.relayed_lead = self.relayed_lead.max(self.ahead(timestamp.wrapping_add(duration)));
    }

    /// Something else than what was relayed so far begins, and in time after it: timestamps do not go back where numbers go on
    /// (RFC 3550 §5.1).
    pub(super) fn turn(&mut self) {
        self.skip(self.relayed_lead);
    }

    /// By how much this is later than this moment.
    fn ahead(&self, timestamp: u32) -> u32 {
        (timestamp.wrapping_sub(self.timestamp) as i32).max(0) as u32
    }

    /// Lets so much time pass.
    fn skip(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
        self.event_lead = self.event_lead.saturating_sub(ticks);
        self.relayed_lead = self.relayed_lead.saturating_sub(ticks);
    }
}

impl Outbound {
    /// A stream that begins at these random numbers (RFC 3550 §5.1).
    pub(super) fn new(opus: OpusConfig, dtx: bool, jitter: JitterConfig, seq: u16, timestamp: u32) -> Self {
        Self {
            opus,
            dtx,
            detector: Detector::default(),
            source: ActiveSource::Silence,
            source_id: None,
            muted: false,
            events: EventSender::default(),
            tones: ToneSender::default(),
            encoder: None,
            reports: 0,
            relaying: Relaying::new(jitter),
            convert: None,
            converted: Vec::new(),
            frame: Vec::with_capacity(960),
            rate: 48_000,
            packet: Vec::with_capacity(1_275),
            stream: Stream {
                seq: u64::from(seq) & FIRST_SEQ,
                timestamp,
                packets: 0,
                bytes: 0,
                event_lead: 0,
                relayed_lead: 0,
            },
            level: Level::default(),
            codec: None,
            event_timestamp: 0,
            talking: false,
        }
    }

    pub(super) fn set_source(&mut self, id: SourceId, source: ActiveSource) {
        // Who sets two from two threads counts on the later number, in whichever order they come.
        if self.source_id > Some(id) {
            return;
        }
        self.source_id = Some(id);
        self.replace_source(source);
    }

    /// Sends something else, unnumbered, from now on.
    pub(super) fn replace_source(&mut self, source: ActiveSource) {
        self.source = source;
        self.relaying.restart();
    }

    /// Keys are new: the cycle of the numbers is part of the cipher, and begins at zero with them (RFC 3711 §3.3.1).
    pub(super) fn rekeyed(&mut self) {
        self.stream.seq &= FIRST_SEQ;
        self.relaying.interrupted();
    }

    pub(super) fn needs_heard(&self) -> bool {
        matches!(self.source, ActiveSource::Echo)
    }

    pub(super) fn is_relaying(&self) -> bool {
        matches!(self.source, ActiveSource::Relay)
    }

    /// A packet of the bridged peer that cannot be passed on, as there is no connection yet: what is heard is gone, digits are sent when there is.
    pub(super) fn relay_later(&mut self, micros: i64, relayed: &Relayed) {
        if !self.muted && self.is_relaying() {
            self.keep(micros, relayed, true);
        }
    }

    /// Keeps what is to be sent later; gives whether it is.
    fn keep(&mut self, micros: i64, relayed: &Relayed, later: bool) -> bool {
        let kept = self.relaying.keep(micros, relayed, later);
        kept.into_iter().flatten().flatten().for_each(|tone| self.send_on(tone));
        kept.is_some()
    }

    /// A kept event whose end was lost is sent.
    pub(super) fn event_timeout(&mut self, micros: i64) {
        if let Some(tone) = self.relaying.event_timeout(micros) {
            self.send_on(tone);
        }
    }

    fn send_on(&mut self, received: Received) {
        self.events.push(Tones::again(received.tone, received.duration_ms), Reply::discard());
    }

    /// Passes on a packet of the bridged peer; `listened` says that someone here listens to what is sent.
    pub(super) fn relay(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        micros: i64,
        agreed: &Agreed,
        relayed: Relayed,
        listened: bool,
    ) {
        if self.muted || !self.is_relaying() {
            return;
        }
        // Digits come after those that are there. The audio goes on beside them, in the same stream (RFC 4733 §2.1): the
        // other does not know of them.
        let audible = self.tones.is_idle();
        if self.keep(micros, &relayed, !(audible && self.events.is_idle())) {
            return;
        }
        if self.relaying.packet(engine, &mut self.stream, now, micros, agreed, relayed, listened, audible) {
            self.talking = true;
        }
    }

    /// Sends the next 20 ms; `seat` is that in a conference, with the tick. Gives the source that has ended.
    pub(super) fn tick(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        micros: i64,
        agreed: &Agreed,
        heard: (&[i16], u32),
        seat: Option<(&mut Seat, i64)>,
    ) -> Result<Option<SourceId>, MediaError> {
        let Some(&(codec, pt)) = agreed.codecs.first() else { return Ok(None) };
        self.codec = Some(codec);
        let own = !self.tones.is_idle();
        let ended = self.fill(codec, micros, heard, seat);
        let step = self.event_step(engine, now, agreed);
        let audio = match step {
            Step::Idle | Step::Gap => true,
            Step::Send { audio, .. } => audio || self.is_relaying(),
        };
        // What is relayed as it came has been sent when it came.
        let encoded_here = !self.is_relaying() || self.muted || self.relaying.is_transcoding() || own;
        let mut speaks = true;
        if audio && encoded_here {
            speaks = self.send_frame(engine, now, (codec, pt), agreed.noise)?;
        }
        self.talking = audio && speaks;
        self.stream.skip(codec.frame_ticks());
        Ok(ended)
    }

    /// Sends the frame, or what stands for it while nobody speaks; gives whether somebody does.
    fn send_frame(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        (codec, pt): (Codec, u8),
        noise: Option<u8>,
    ) -> Result<bool, MediaError> {
        self.stream.turn();
        let timestamp = self.stream.timestamp;
        if let (true, Some(noise_pt)) = (self.dtx && codec != Codec::Opus, noise) {
            match self.detector.frame(self.level.dbfs()) {
                Speaks::Yes => {}
                Speaks::Noise(payload) => {
                    self.stream.send(engine, now, noise_pt, timestamp, false, payload.as_slice().into());
                    self.relaying.interrupted();
                    return Ok(false);
                }
                Speaks::No => return Ok(false),
            }
        }
        let report = engine.remote_report().filter(|report| report.reports != self.reports);
        self.encode(codec, report)?;
        let pause = self.dtx && is_pause(codec, &self.packet);
        // The first of a pause is sent, so that the far end knows what is coming.
        if !pause || self.talking {
            let marker = !self.talking;
            self.stream.send(engine, now, pt, timestamp, marker, self.packet.as_slice().into());
            self.relaying.interrupted();
        }
        Ok(!pause)
    }

    /// Lets 20 ms pass without sending.
    pub(super) fn idle(&mut self, agreed: Option<&Agreed>) {
        let codec = agreed.and_then(|agreed| agreed.codecs.first()).map_or(Codec::Opus, |codec| codec.0);
        self.begin_frame(codec, false);
        self.level.measure(&self.frame);
        self.talking = false;
        self.relaying.held_up();
        self.stream.skip(codec.frame_ticks());
    }

    /// Tones to be sent fail: nothing is sent now.
    pub(super) fn fail_events(&mut self, error: &MediaError) {
        self.events.fail(error);
        self.tones.fail(error);
    }

    /// What is sent in these 20 ms, as listeners hear it.
    pub(super) fn sent(&self) -> (&[i16], u32) {
        (&self.frame, self.rate)
    }

    pub(super) fn stats(&self, engine: Option<&Engine>) -> OutboundStats {
        OutboundStats {
            codec: self.codec,
            packets_sent: self.stream.packets,
            bytes_sent: self.stream.bytes,
            level_dbfs: self.level.dbfs(),
            remote: engine.and_then(Engine::remote_report),
        }
    }

    /// Empties the frame, for samples at the rate at which they will be encoded.
    fn begin_frame(&mut self, codec: Codec, seated: bool) {
        let source = match &self.source {
            // What the others say has any band.
            _ if seated => Some(48_000),
            ActiveSource::Relay => self.relaying.rate(),
            source => source.rate(),
        };
        self.rate = codec.encoding_rate(source.unwrap_or(self.rate));
        self.frame.clear();
        self.frame.resize(self.rate as usize / 50, 0);
    }

    /// Makes the frame to be sent; gives the source that has ended with it.
    fn fill(
        &mut self,
        codec: Codec,
        micros: i64,
        heard: (&[i16], u32),
        seat: Option<(&mut Seat, i64)>,
    ) -> Option<SourceId> {
        self.begin_frame(codec, seat.is_some());
        let mut echo = heard.0;
        if self.needs_heard() && heard.1 != self.rate {
            if self.convert.as_ref().is_none_or(|c| (c.from_rate(), c.to_rate()) != (heard.1, self.rate)) {
                self.convert = Resampler::new(heard.1, self.rate).ok();
            }
            self.converted.clear();
            if let Some(convert) = &mut self.convert {
                convert.process(heard.0, &mut self.converted);
            }
            echo = &self.converted;
        }
        let state = self.source.fill(self.rate, echo, &mut self.frame);
        if self.is_relaying() {
            self.relaying.frame(micros, self.rate, &mut self.frame);
        }
        if self.muted {
            self.frame.fill(0);
        }
        // Muting silences us, not the others.
        if let Some((seat, tick)) = seat {
            seat.mix(tick, self.rate, &mut self.frame);
        }
        self.tones.fill(self.rate, &mut self.frame);
        self.level.measure(&self.frame);
        if state == SourceState::Playing {
            return None;
        }
        self.source = ActiveSource::Silence;
        self.source_id
    }

    fn event_step(&mut self, engine: &mut Engine, now: Instant, agreed: &Agreed) -> Step {
        // Those in the audio were there before, or come after the one that is being sent.
        if self.events.is_idle() || !(self.tones.is_idle() || self.events.is_sending()) {
            return Step::Idle;
        }
        let clock = self.codec.map_or(8_000, Codec::clock_rate);
        // The events' clock is the audio's where the peer has it (RFC 7160 tells what else goes wrong).
        let Some(&(pt, rate)) = agreed.events.iter().find(|e| e.1 == clock).or(agreed.events.first()) else {
            self.events.fail(&MediaError::DtmfNotNegotiated);
            return Step::Idle;
        };
        let step = self.events.step(rate);
        if let Step::Send { packet, .. } = step {
            if packet.first {
                self.event_timestamp = self.stream.event_timestamp();
            }
            let (timestamp, number) = (self.event_timestamp.wrapping_add(packet.begins), self.stream.seq);
            self.stream.send(engine, now, pt, timestamp, packet.first, packet.payload.as_slice().into());
            self.stream.event_sent(timestamp, packet.payload);
            self.relaying.interposed(number);
        }
        step
    }

    fn encode(&mut self, codec: Codec, report: Option<RemoteReport>) -> Result<(), MediaError> {
        if self.encoder.as_ref().is_none_or(|(encoding, _)| *encoding != codec) {
            self.encoder = Some((codec, Encoder::new(codec, &self.opus, self.dtx, self.rate)?));
        }
        let Some((_, encoder)) = &mut self.encoder else { return Ok(()) };
        encoder.set_rate(self.rate)?;
        if let Some(report) = report {
            self.reports = report.reports;
            encoder.loss_reported(report.fraction_lost)?;
        }
        encoder.encode(&self.frame, &mut self.packet)
    }
}
