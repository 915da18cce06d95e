//! The receiving half of the audio path.

use std::time::Duration;

use super::engine::RtpIn;
use super::events::{EventId, EventReceiver, Received};
use super::playout::Playout;
use super::reception::{Extended, Reception, Sources, Taken};
use crate::audio::Level;
use crate::codec::Codec;
use crate::jitter::JitterConfig;
use crate::sdp::Agreed;
use crate::stats::InboundStats;

pub(super) struct Inbound {
    config: JitterConfig,
    sources: Sources,
    reception: Reception,
    playout: Option<Playout>,
    /// Of what is being played: with another, the numbers begin anew.
    playout_epoch: u32,
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
            sources: Sources::default(),
            reception: Reception::default(),
            playout: None,
            playout_epoch: 0,
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
        if !knows(agreed, rtp.pt) {
            // Some keep the path open with payloads that were not agreed on, under the numbers of their stream.
            if let Some(packet) = self.reception.receive_useless(rtp.ssrc, rtp.seq, rtp.payload.len())
                && let Some(playout) = self.played(packet).filter(|_| decode)
            {
                playout.skip(now, packet.seq, packet.timestamp);
            }
            return Arrived::Nothing;
        }
        match self.takes(now, rtp, agreed) {
            Taken::Heard => {}
            Taken::Beside => return self.beside(now, rtp, agreed),
            Taken::No => return Arrived::Nothing,
        }
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
            let packet = self.reception.receive_beside(rtp.ssrc, rtp.seq, rtp.timestamp, rtp.payload.len());
            if let Some(playout) = self.played(packet).filter(|_| decode) {
                playout.skip(now, packet.seq, packet.timestamp);
            }
            let id = EventId { epoch: packet.epoch, timestamp: rtp.timestamp };
            let tones = self.events.receive(now, clock_rate, id, &rtp.payload);
            return Arrived::Event { clock_rate, packet, tones };
        }
        if agreed.noise == Some(rtp.pt) {
            let packet = self.reception.receive_beside(rtp.ssrc, rtp.seq, rtp.timestamp, rtp.payload.len());
            if let Some(playout) = self.played(packet).filter(|_| decode) {
                playout.noise(now, packet.seq, packet.timestamp, &rtp.payload);
            }
            return Arrived::Nothing;
        }
        Arrived::Nothing
    }

    /// Whether a packet is of the present source.
    fn takes(&mut self, now: i64, rtp: &RtpIn, agreed: &Agreed) -> Taken {
        let event = agreed.events.iter().any(|event| event.0 == rtp.pt);
        self.sources.takes(now, rtp.ssrc, event)
    }

    /// An event from another source than what is heard.
    fn beside(&mut self, now: i64, rtp: &RtpIn, agreed: &Agreed) -> Arrived {
        let Some(&(_, clock_rate)) = agreed.events.iter().find(|(pt, _)| *pt == rtp.pt) else {
            return Arrived::Nothing;
        };
        let (seq, timestamp) = (u64::from(rtp.seq), u64::from(rtp.timestamp));
        let packet = Extended { seq, timestamp, epoch: rtp.ssrc, first: false };
        let tones =
            self.events.receive(now, clock_rate, EventId { epoch: rtp.ssrc, timestamp: rtp.timestamp }, &rtp.payload);
        Arrived::Event { clock_rate, packet, tones }
    }

    /// Takes a packet that nobody is to hear: it is not lost.
    pub(super) fn pass_by(&mut self, now: i64, rtp: &RtpIn, agreed: &Agreed) {
        if !knows(agreed, rtp.pt) {
            self.reception.receive_useless(rtp.ssrc, rtp.seq, rtp.payload.len());
        } else if self.takes(now, rtp, agreed) == Taken::Heard {
            self.reception.pass_by(rtp.ssrc, rtp.seq, rtp.timestamp, rtp.payload.len());
        }
    }

    /// The playout, if what it plays is of the sequence that this packet belongs to.
    fn played(&mut self, packet: Extended) -> Option<&mut Playout> {
        self.playout.as_mut().filter(|_| packet.epoch == self.playout_epoch)
    }

    fn play(&mut self, now: i64, codec: Codec, packet: Extended, rtp: &RtpIn) {
        if self.playout.as_ref().is_none_or(|playout| playout.codec() != codec) {
            self.retire();
            // Decoders are made of constants: this does not fail.
            self.playout = Playout::new(codec, self.config).ok();
            self.playout_epoch = packet.epoch;
        }
        let Some(playout) = &mut self.playout else { return };
        // Not by what is first: that may have come while nobody listened.
        if packet.epoch != self.playout_epoch {
            playout.restart();
            self.playout_epoch = packet.epoch;
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

/// Whether this payload type was agreed on.
fn knows(agreed: &Agreed, pt: u8) -> bool {
    let known = agreed.codecs.iter().map(|codec| codec.1).chain(agreed.events.iter().map(|event| event.0));
    known.chain(agreed.noise).any(|known| known == pt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoder;
    use crate::config::{Direction, OpusConfig};

    const EVENT: u8 = 101;
    const NOISE: u8 = 13;

    /// We, and what we agreed on: G.711, events at its clock and comfort noise.
    struct Ear {
        inbound: Inbound,
        agreed: Agreed,
        now: i64,
    }

    impl Ear {
        fn new() -> Self {
            let agreed = Agreed {
                direction: Direction::SendRecv,
                codecs: vec![(Codec::Pcmu, 0)],
                events: vec![(EVENT, 8_000)],
                noise: Some(NOISE),
                video: None,
                active: true,
                offerer: true,
            };
            Self { inbound: Inbound::new(JitterConfig::default()), agreed, now: 0 }
        }

        fn take(&mut self, ssrc: u32, pt: u8, seq: u16, timestamp: u32, payload: &[u8]) -> Arrived {
            let rtp = RtpIn { ssrc, pt, seq, timestamp, marker: false, payload: payload.into() };
            self.inbound.packet(self.now, &rtp, &self.agreed, true)
        }

        /// Takes 20 ms of a tone of so many Hz; gives whether they are the first of their stream.
        fn tone(&mut self, ssrc: u32, seq: u16, hz: u32) -> bool {
            let timestamp = u32::from(seq) * 160;
            let sample = |n| f64::from(timestamp + n) * f64::from(hz) * std::f64::consts::TAU / 8_000.0;
            let samples: Vec<i16> = (0..160).map(|n| (sample(n).sin() * 8_000.0) as i16).collect();
            let mut payload = Vec::new();
            let encoder = Encoder::new(Codec::Pcmu, &OpusConfig::default(), false, 8_000);
            encoder.and_then(|mut encoder| encoder.encode(&samples, &mut payload)).expect("it is made of constants");
            matches!(self.take(ssrc, 0, seq, timestamp, &payload), Arrived::Audio { packet, .. } if packet.first)
        }

        /// Takes a packet that nobody is to hear.
        fn pass_by(&mut self, ssrc: u32, seq: u16) {
            let rtp = RtpIn { ssrc, pt: 0, seq, timestamp: 0, marker: false, payload: [0xff; 160].as_slice().into() };
            self.inbound.pass_by(self.now, &rtp, &self.agreed);
        }

        /// Takes a packet of no use; if it is no audio, its clock is another.
        fn keep_alive(&mut self, ssrc: u32, pt: u8, seq: u16, payload: &[u8], held: bool) {
            let timestamp = if pt == 0 { u32::from(seq) * 160 } else { 3_000_000_000 };
            let rtp = RtpIn { ssrc, pt, seq, timestamp, marker: false, payload: payload.into() };
            if held {
                self.inbound.pass_by(self.now, &rtp, &self.agreed);
            } else {
                self.inbound.packet(self.now, &rtp, &self.agreed, true);
            }
        }

        /// Level of a frequency in what was heard last.
        fn power(&self, hz: u32) -> f64 {
            let (mut real, mut imaginary) = (0.0, 0.0);
            let heard = self.inbound.heard().0;
            for (n, sample) in heard.iter().enumerate() {
                let angle = f64::from(hz) * std::f64::consts::TAU * n as f64 / 8_000.0;
                real += f64::from(*sample) * angle.cos();
                imaginary += f64::from(*sample) * angle.sin();
            }
            f64::hypot(real, imaginary) * std::f64::consts::SQRT_2 / heard.len() as f64
        }

        /// Lets 20 ms pass; gives how loud they are, RMS.
        fn hear(&mut self) -> f64 {
            self.inbound.tick(self.now + 7_000, true, Codec::Pcmu);
            self.now += 20_000;
            let heard = self.inbound.heard().0;
            (heard.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / heard.len() as f64).sqrt()
        }
    }

    #[test]
    fn of_two_sources_the_newer_is_heard_alone_and_the_older_when_it_stops() {
        let mut ear = Ear::new();
        let mut changes = Vec::new();
        let mut alone = Vec::new();
        let mut back = Vec::new();
        for n in 0..200 {
            // One talks all the time, the other joins after a second and leaves after another; each is there first now and then.
            let (first, second) = ((1, 1_000 + n, 500), (2, 60_000 + n, 2_000));
            let both = (50..100).contains(&n);
            let order =
                if n % 2 == 0 { [Some(first), both.then_some(second)] } else { [both.then_some(second), Some(first)] };
            for (ssrc, seq, hz) in order.into_iter().flatten() {
                if ear.tone(ssrc, seq, hz) {
                    changes.push((ssrc, n));
                }
            }
            ear.hear();
            let (older, newer) = (ear.power(500), ear.power(2_000));
            if (65..100).contains(&n) {
                alone.push((older, newer));
            }
            if n >= 115 {
                back.push((older, newer));
            }
        }
        assert!(matches!(changes.as_slice(), [(1, 0), (2, 50), (1, 100..=110)]), "{changes:?}");
        assert!(alone.iter().all(|(older, newer)| *older < 100.0 && *newer > 3_000.0), "{alone:?}");
        assert!(back.iter().all(|(older, newer)| *older > 3_000.0 && *newer < 100.0), "{back:?}");
        let stats = ear.inbound.stats();
        assert_eq!((stats.ssrc_changes, stats.packets_lost), (2, 0), "{stats:?}");
    }

    #[test]
    fn what_is_still_under_way_of_a_source_that_was_replaced_does_nothing() {
        let mut ear = Ear::new();
        // Three of them, as the call is transferred twice.
        for (ssrc, seq) in [(1, 1_000), (2, 2_000), (3, 3_000)] {
            for n in 0..50 {
                assert_eq!(ear.tone(ssrc, seq + n, 500), n == 0);
                let late = (ssrc - 1) * 1_000 + 50;
                for before in 1..ssrc {
                    assert!(!ear.tone(before, late as u16 + n, 500));
                    assert!(matches!(ear.take(before, EVENT, 40, 0, &[5, 0x80, 0, 160]), Arrived::Nothing));
                    assert!(matches!(ear.take(before, NOISE, 41, 0, &[60]), Arrived::Nothing));
                    ear.pass_by(before, late as u16 + n);
                }
                ear.hear();
            }
        }
        let stats = ear.inbound.stats();
        assert_eq!((stats.ssrc_changes, stats.packets_lost, stats.packets_received), (2, 0, 150), "{stats:?}");
    }

    #[test]
    fn events_from_a_source_of_their_own_are_taken_and_the_voice_goes_on() {
        let mut ear = Ear::new();
        let mut tones = Vec::new();
        let mut levels = Vec::new();
        for n in 0..200u16 {
            assert_eq!(ear.tone(1, 1_000 + n, 500), n == 0, "{n}");
            // A digit of 100 ms every 400, its end three times.
            if n >= 40 && n % 20 < 7 {
                let (part, digit) = (n % 20, (n / 20) as u8);
                let end = if part >= 4 { 0x80 } else { 0 };
                let duration = (part.min(4) + 1) * 160;
                let payload = [digit, end | 10, (duration >> 8) as u8, duration as u8];
                match ear.take(2, EVENT, 500 + n, u32::from(digit) * 3_200, &payload) {
                    Arrived::Event { tones: ended, .. } => tones.extend(ended.into_iter().flatten()),
                    Arrived::Audio { .. } | Arrived::Nothing => panic!("no event at {n}"),
                }
            }
            levels.push(ear.hear());
        }
        assert_eq!(tones.iter().map(|tone| tone.tone).collect::<String>(), "23456789");
        assert!(levels[20..].iter().all(|level| *level > 3_000.0), "{levels:?}");
        assert_eq!(ear.inbound.stats().ssrc_changes, 0);
        // Who sent events first may go on to speak, and the end of one is told once.
        let mut ends = 0;
        for n in 0..3 {
            let payload = [1, 0x80 | 10, 3, 32];
            if let Arrived::Event { tones, .. } = ear.take(3, EVENT, 1 + n * 2, 77_000, &payload) {
                ends += tones.into_iter().flatten().count();
            }
            assert_eq!(ear.tone(3, 2 + n * 2, 500), n == 0);
        }
        assert_eq!(ends, 1);
    }

    #[test]
    fn what_was_not_agreed_on_in_the_midst_of_a_stream_is_neither_lost_nor_made_up_for() {
        // Asterisk keeps the path open with comfort noise nobody asked for; others with a payload that is empty.
        for (pt, payload) in [(NOISE, [127u8].as_slice()), (126, &[0; 4]), (0, &[])] {
            for held in [false, true] {
                let mut ear = Ear::new();
                ear.agreed.noise = None;
                for n in 0..100u16 {
                    // One in ten, under timestamps of their own.
                    let seq = 1_000 + n;
                    if n % 10 == 5 {
                        ear.keep_alive(1, pt, seq, payload, held);
                        assert!(
                            matches!(ear.take(2, 126, seq, 0, &[0]), Arrived::Nothing),
                            "another source with nothing"
                        );
                    } else if held {
                        ear.pass_by(1, seq);
                    } else {
                        ear.tone(1, seq, 500);
                    }
                    ear.hear();
                }
                // A counter of its own begins nothing.
                ear.keep_alive(1, 126, 20_000, payload, held);
                let stats = ear.inbound.stats();
                assert_eq!((stats.packets_lost, stats.packets_received), (0, 100), "{pt}, held {held}: {stats:?}");
                assert_eq!((stats.concealed_samples, stats.packets_late), (0, 0), "{pt}: {stats:?}");
            }
        }
    }

    #[test]
    fn a_stream_whose_first_packet_is_no_audio_is_heard() {
        // Another source, and the same one whose numbers jump.
        for (ssrc, seq) in [(2, 100u16), (1, 20_000)] {
            for (pt, payload) in [(EVENT, [5u8, 10, 0, 160].as_slice()), (NOISE, &[60])] {
                let mut ear = Ear::new();
                for n in 0..50 {
                    assert_eq!(ear.tone(1, 60_000 + n, 500), n == 0);
                    ear.hear();
                }
                // All of it is heard, so that nothing of it is given up.
                for _ in 0..5 {
                    ear.hear();
                }
                ear.take(ssrc, pt, seq, u32::from(seq) * 160, payload);
                ear.hear();
                let mut levels = Vec::new();
                for n in 1..50 {
                    assert_eq!(ear.tone(ssrc, seq + n, 500), n == 1, "the first audio is told of");
                    levels.push(ear.hear());
                }
                assert!(levels[10..].iter().all(|level| *level > 3_000.0), "{pt} first: {levels:?}");
                let stats = ear.inbound.stats();
                assert_eq!((stats.packets_late, stats.packets_lost), (0, 0), "{pt} first");
            }
        }
    }
}
