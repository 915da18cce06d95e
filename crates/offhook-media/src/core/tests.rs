//! Two cores on a virtual network in virtual time.

mod changes;
mod codecs;
mod others;
mod paths;
mod relaying;
mod sources;
mod video;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Output, PeerCore, Seeds};
use crate::audio::{AudioSink, AudioSource, ToneSpec};
use crate::codec::Codec;
use crate::config::{Direction, PeerConfig};
use crate::dtmf::parse_tones;
use crate::error::MediaError;
use crate::event::PeerEvent;
use crate::peer::{Reply, SourceId};
use crate::reach::LocalCandidate;

/// What the network does to datagram number `n` of one side: `None` loses it, else it takes this long.
type Path = Box<dyn FnMut(u64) -> Option<Duration>>;

struct Pair {
    now: Instant,
    sides: [Side; 2],
    /// Datagrams under way: when, to which side, from, to, data.
    flying: Vec<(Instant, usize, SocketAddr, SocketAddr, Vec<u8>)>,
}

struct Side {
    core: PeerCore,
    events: Vec<PeerEvent>,
    path: Path,
    sent: u64,
    /// Datagrams of DTLS so far, and which one of them is lost.
    handshake: (u64, Option<u64>),
    heard: Heard,
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<i16>>>);

impl AudioSink for Heard {
    fn write(&mut self, _: u32, samples: &[i16]) {
        self.0.lock().unwrap().extend_from_slice(samples);
    }
}

impl Side {
    fn new(port: u16, codecs: &[Codec], grid: Instant, now: Instant) -> Self {
        Self::with(&PeerConfig::new("virtual").codecs(codecs.iter().copied()), port, grid, now)
    }

    fn with(config: &PeerConfig, port: u16, grid: Instant, now: Instant) -> Self {
        let seeds = Seeds { session_id: u64::from(port), seq: 65_500, timestamp: u32::MAX - 48_000 };
        let address = SocketAddr::from(([10, 0, 0, 1], port));
        let mut core = PeerCore::new(config, vec![LocalCandidate::host(address)], grid, now, seeds);
        let heard = Heard::default();
        core.set_sink(Some(Box::new(heard.clone())));
        let path: Path = Box::new(|_| Some(Duration::from_millis(10)));
        Self { core, events: Vec::new(), path, sent: 0, handshake: (0, None), heard }
    }

    fn play(&mut self, source: AudioSource) -> SourceId {
        let id = SourceId::next();
        self.core.set_source(id, source);
        id
    }

    /// Level of what was heard since this was asked last, RMS.
    fn level(&self) -> f64 {
        let heard = std::mem::take(&mut *self.heard.0.lock().unwrap());
        (heard.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / heard.len().max(1) as f64).sqrt()
    }

    fn has(&self, event: &PeerEvent) -> bool {
        self.events.contains(event)
    }
}

impl Pair {
    fn new(codecs: &[Codec]) -> Self {
        let grid = Instant::now();
        let now = grid + Duration::from_millis(3);
        Self { now, sides: [1, 2].map(|port| Side::new(port * 1_000, codecs, grid, now)), flying: Vec::new() }
    }

    fn connected(codecs: &[Codec]) -> Self {
        Self::new(codecs).connect()
    }

    /// Two that are made like this.
    fn of(configs: [&PeerConfig; 2]) -> Self {
        let grid = Instant::now();
        let now = grid + Duration::from_millis(3);
        let mut port = 0;
        let sides = configs.map(|config| {
            port += 1_000;
            Side::with(config, port, grid, now)
        });
        Self { now, sides, flying: Vec::new() }
    }

    fn connect(self) -> Self {
        let mut pair = self;
        pair.negotiate(0, Direction::SendRecv);
        pair.run(500);
        assert!(pair.sides.iter().all(|side| side.has(&PeerEvent::Connected)), "connected in half a second");
        pair
    }

    fn negotiate(&mut self, from: usize, direction: Direction) {
        let now = self.now;
        let offer = self.sides[from].core.create_offer(now, direction).unwrap();
        let answer = self.sides[1 - from].core.accept_offer(now, &offer, Direction::SendRecv).unwrap();
        self.sides[from].core.accept_answer(now, &answer).unwrap();
    }

    /// Lets this many ms pass. Bounded: two peers that never come to rest fail here.
    fn run(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        for _ in 0..200_000 {
            self.collect();
            let timeouts = self.sides.iter().filter_map(|side| side.core.timeout());
            let next = timeouts.chain(self.flying.iter().map(|f| f.0)).min();
            let Some(next) = next.filter(|&next| next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            let (due, later) = std::mem::take(&mut self.flying).into_iter().partition(|f| f.0 <= self.now);
            self.flying = later;
            for (_, to, source, destination, data) in due {
                self.sides[to].core.receive(self.now, source, destination, &data);
            }
            for side in &mut self.sides {
                if side.core.timeout().is_some_and(|at| at <= self.now) {
                    side.core.handle_timeout(self.now);
                }
            }
        }
        panic!("the peers do not come to rest");
    }

    fn collect(&mut self) {
        for from in 0..2 {
            let side = &mut self.sides[from];
            while let Some(output) = side.core.poll_output() {
                match output {
                    Output::Event(event) => side.events.push(event),
                    Output::Relay(_) => assert!(side.core.link.is_some(), "nothing is bridged"),
                    Output::Transmit { source, destination, data } => {
                        side.sent += 1;
                        // RFC 7983 §7.
                        if data.first().is_some_and(|first| (20..64).contains(first)) {
                            side.handshake.0 += 1;
                            if side.handshake.1 == Some(side.handshake.0) {
                                continue;
                            }
                        }
                        if let Some(delay) = (side.path)(side.sent) {
                            self.flying.push((self.now + delay, 1 - from, source, destination, data));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn statistics_count_what_the_path_loses_on_both_sides_across_the_wrap() {
    let mut pair = Pair::connected(&[Codec::Opus]);
    pair.sides[0].play(AudioSource::Tone(ToneSpec::new(500.0)));
    pair.run(1_000);
    let before = pair.sides[1].core.stats(pair.now).inbound;
    // Every tenth packet; the few that are RTCP are lost too.
    pair.sides[0].path = Box::new(|n| (n % 10 != 0).then_some(Duration::from_millis(20 + n * 7 % 13)));
    pair.run(20_000);
    let sent = pair.sides[0].core.stats(pair.now).outbound;
    let received = pair.sides[1].core.stats(pair.now).inbound;
    let lost = received.packets_lost - before.packets_lost;
    assert!((90..=105).contains(&lost), "{lost} of 1000");
    assert!((sent.packets_sent as i64 - received.packets_received as i64 - received.packets_lost as i64).abs() <= 3);
    let concealed = received.concealed_samples as f64 / 960.0;
    assert!((85.0..=125.0).contains(&concealed), "{concealed} frames concealed");
    assert!((1.0..12.0).contains(&received.jitter_ms), "{}", received.jitter_ms);
    assert!(received.jitter_max_ms >= received.jitter_ms && received.jitter_avg_ms > 0.0);
    let report = sent.remote.expect("receiver reports arrive");
    assert!(report.reports >= 5 && (0.05..0.2).contains(&report.fraction_lost), "{report:?}");
    assert!((report.packets_lost as i64 - lost as i64).abs() <= 15, "{report:?}");
    assert!((1.0..12.0).contains(&report.jitter_ms), "milliseconds, not timestamp units: {report:?}");
    let rtt = report.rtt_ms.expect("computed");
    assert!((20.0..60.0).contains(&rtt), "{rtt}");
}

#[test]
fn audio_goes_on_when_the_sender_changes_its_source() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    pair.sides[0].play(AudioSource::Tone(ToneSpec::new(500.0)));
    pair.run(500);
    pair.sides[1].level();
    // Music on hold, a transfer: the same transport, another SSRC that no description told of.
    for _ in 0..6 {
        pair.sides[0].core.engine.as_mut().unwrap().change_ssrc();
        pair.run(500);
        let level = pair.sides[1].level();
        assert!(level > 3_000.0, "heard at {level}");
    }
    assert_eq!(pair.sides[1].core.stats(pair.now).inbound.ssrc_changes, 6);
    let tracks = pair.sides[1].events.iter().filter(|e| matches!(e, PeerEvent::RemoteTrack { .. })).count();
    assert_eq!(tracks, 7);
}

#[test]
fn a_source_that_begins_with_a_digit_is_told_of_and_heard() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    pair.sides[0].play(AudioSource::Tone(ToneSpec::new(500.0)));
    pair.run(500);
    pair.sides[1].events.clear();
    pair.sides[0].core.send_dtmf(parse_tones("5", 100, 40).unwrap(), Reply::discard());
    pair.sides[0].core.engine.as_mut().unwrap().change_ssrc();
    pair.run(500);
    pair.sides[1].level();
    pair.run(500);
    let level = pair.sides[1].level();
    assert!(level > 3_000.0, "heard at {level}");
    let [digit, track] = pair.sides[1].events.as_slice() else { panic!("{:?}", pair.sides[1].events) };
    assert_eq!(digit, &PeerEvent::Dtmf { tone: '5', duration_ms: 100 });
    assert!(matches!(track, PeerEvent::RemoteTrack { .. }), "{track:?}");
}

#[test]
fn forged_packets_neither_end_the_call_nor_take_its_place() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    pair.sides[0].play(AudioSource::Tone(ToneSpec::new(500.0)));
    pair.run(300);
    pair.sides[1].level();
    let (source, destination) = (SocketAddr::from(([10, 0, 0, 1], 1_000)), SocketAddr::from(([10, 0, 0, 1], 2_000)));
    for n in 0..500u32 {
        // RTP of many sources, DTLS, STUN and noise, from the right address and from another.
        let mut data = vec![0u8; 60];
        data[0] = [0x80, 0x16, 0x00, 0xff, 0x14][n as usize % 5];
        data[1] = 0;
        data[8..12].copy_from_slice(&n.to_be_bytes());
        let from = if n % 2 == 0 { source } else { SocketAddr::from(([10, 9, 9, 9], 9)) };
        pair.sides[1].core.receive(pair.now, from, destination, &data);
        pair.run(1);
    }
    pair.run(500);
    assert!(!pair.sides[1].core.is_closed());
    let level = pair.sides[1].level();
    assert!(level > 3_000.0, "heard at {level}");
    assert_eq!(pair.sides[1].core.stats(pair.now).inbound.ssrc_changes, 0);
}

#[test]
fn a_tone_is_heard_once_although_half_of_its_packets_are_lost() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    pair.sides[0].path = Box::new(|n| (n % 2 == 0).then_some(Duration::from_millis(15)));
    let tones = parse_tones("1234567890", 120, 80).unwrap();
    pair.sides[0].core.send_dtmf(tones, Reply::discard());
    pair.run(4_000);
    let heard: String = pair.sides[1]
        .events
        .iter()
        .filter_map(|event| if let PeerEvent::Dtmf { tone, .. } = event { Some(*tone) } else { None })
        .collect();
    assert_eq!(heard, "1234567890");
}

#[test]
fn a_driver_that_was_late_does_not_make_a_burst() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    pair.run(100);
    let before = pair.sides[0].core.stats(pair.now).outbound.packets_sent;
    // The process stood still for a second.
    pair.now += Duration::from_secs(1);
    pair.run(0);
    let sent = pair.sides[0].core.stats(pair.now).outbound.packets_sent - before;
    assert!(sent <= 8, "{sent} packets at once");
    pair.sides[0].play(AudioSource::Tone(ToneSpec::new(500.0)));
    pair.run(1_000);
    pair.sides[1].level();
    pair.run(500);
    assert!(pair.sides[1].level() > 3_000.0);
}

#[test]
fn the_far_end_that_closes_is_told_of_and_nothing_is_sent_after() {
    use crate::stats::{DtlsState, IceState};
    let mut pair = Pair::connected(&[Codec::Opus]);
    let now = pair.now;
    pair.sides[0].core.close(now);
    pair.run(100);
    assert_eq!(pair.sides.each_ref().map(|side| side.core.is_closed()), [true, false]);
    assert_eq!(pair.sides[1].events.last(), Some(&PeerEvent::RemoteClosed));
    for side in &pair.sides {
        let stats = side.core.stats(pair.now);
        assert_eq!((stats.ice, stats.dtls), (IceState::Closed, DtlsState::Closed));
    }
    assert_eq!(pair.sides[0].core.create_offer(pair.now, Direction::SendRecv), Err(MediaError::Closed));
    let sent = [pair.sides[0].sent, pair.sides[1].sent];
    pair.run(5_000);
    assert_eq!(sent, [pair.sides[0].sent, pair.sides[1].sent]);
}

#[test]
fn a_path_that_dies_is_told_of() {
    let mut pair = Pair::connected(&[Codec::Opus]);
    pair.sides[0].path = Box::new(|_| None);
    pair.sides[1].path = Box::new(|_| None);
    pair.run(30_000);
    use crate::stats::IceState;
    assert!(pair.sides[0].has(&PeerEvent::IceState(IceState::Disconnected)));
    assert_eq!(pair.sides[0].core.stats(pair.now).ice, IceState::Disconnected);
}
