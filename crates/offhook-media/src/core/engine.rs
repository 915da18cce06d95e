//! The transport: ICE, DTLS and SRTP, by str0m in RTP mode. Nothing outside this file knows it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::config::Fingerprint;
use str0m::format::{Codec as Format, CodecConfig, FormatParams};
use str0m::media::{Frequency, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, SeqNo, Ssrc};
use str0m::{Candidate, Event, IceConnectionState, IceCreds, Input, Output, Rtc, RtcError};

use crate::error::MediaError;
use crate::sdp::{RemoteTransport, Transport};
use crate::stats::{CandidateKind, CandidatePair, DtlsState, IceState, RemoteReport};

/// Receive streams kept at once: those of a transfer overlap, more than a few are an attack.
const MAX_STREAMS: usize = 4;
/// Candidates of the far end kept over the life of a transport.
const MAX_REMOTE_CANDIDATES: usize = 128;
/// Between two sender or receiver reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// One transport, from its credentials to its end.
pub(crate) struct Engine {
    rtc: Rtc,
    mid: Mid,
    send_ssrc: Ssrc,
    local: Transport,
    remote: Option<RemoteTransport>,
    remote_candidates: Vec<(SocketAddr, CandidateKind)>,
    /// SSRCs packets are taken from, and when one of them was last authentic.
    streams: Vec<(u32, Option<Instant>)>,
    clock_rates: [u32; 128],
    last_sent_rate: u32,
    pub(crate) ice: IceState,
    pub(crate) dtls: DtlsState,
    pair: Option<(SocketAddr, SocketAddr)>,
    report: RemoteReport,
    report_seen: bool,
    jitter_sum: f64,
}

/// What the engine wants done.
pub(crate) enum EngineOutput {
    Transmit {
        source: SocketAddr,
        destination: SocketAddr,
        data: Vec<u8>,
    },
    Ice(IceState),
    Connected,
    Packet(RtpIn),
    /// The far end closed DTLS.
    Closed,
    /// Nothing more until then.
    Timeout(Instant),
}

/// A packet received and authenticated.
pub(crate) struct RtpIn {
    pub(crate) ssrc: u32,
    pub(crate) pt: u8,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Arc<[u8]>,
}

impl Engine {
    /// A transport on these addresses. `clock_rates` gives the RTP clock of payload types that are no Opus.
    pub(crate) fn new(now: Instant, addresses: &[SocketAddr], clock_rates: &[(u8, u32)]) -> Result<Self, MediaError> {
        let mut rates = [48_000u32; 128];
        for (pt, rate) in [(0, 8_000), (8, 8_000), (101, 8_000)].iter().chain(clock_rates) {
            if let Some(slot) = rates.get_mut(usize::from(*pt)) {
                *slot = *rate;
            }
        }
        let mut config = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .set_stats_interval(Some(STATS_INTERVAL))
            .set_rtcp_report_interval_audio(REPORT_INTERVAL)
            .set_send_buffer_audio(1);
        *config.codec_config() = codec_config(&rates);
        config = config.clear_extension_map();
        let mut rtc = config.build(now);
        let mid = Mid::from("0");
        let mut candidates = Vec::new();
        for address in addresses {
            let candidate = Candidate::host(*address, Protocol::Udp).map_err(engine_error)?;
            if let Some(candidate) = rtc.add_local_candidate(candidate) {
                candidates.push(candidate.to_sdp_string().trim_start_matches("a=").trim_end().to_owned());
            }
        }
        let mut direct = rtc.direct_api();
        direct.declare_media(mid, MediaKind::Audio);
        let send_ssrc = direct.new_ssrc();
        direct.declare_stream_tx(send_ssrc, None, mid, None);
        let credentials = direct.local_ice_credentials();
        let local = Transport {
            ufrag: credentials.ufrag,
            password: credentials.pass,
            fingerprint: direct.local_dtls_fingerprint().to_string(),
            candidates,
            addresses: addresses.to_vec(),
            ssrc: *send_ssrc,
            cname: rtc.media(mid).map(|media| media.cname().to_owned()).unwrap_or_default(),
        };
        Ok(Self {
            rtc,
            mid,
            send_ssrc,
            local,
            remote: None,
            remote_candidates: Vec::new(),
            streams: Vec::new(),
            clock_rates: rates,
            last_sent_rate: 48_000,
            ice: IceState::New,
            dtls: DtlsState::New,
            pair: None,
            report: RemoteReport::default(),
            report_seen: false,
            jitter_sum: 0.0,
        })
    }

    /// Our side, for descriptions.
    pub(crate) fn local(&self) -> &Transport {
        &self.local
    }

    /// Whether the far end is known.
    pub(crate) fn is_started(&self) -> bool {
        self.remote.is_some()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.dtls == DtlsState::Connected
    }

    /// Whether this description needs a new transport: its certificate is not the one DTLS was started with.
    pub(crate) fn is_replaced_by(&self, remote: &RemoteTransport) -> bool {
        self.remote.as_ref().is_some_and(|known| known.fingerprint != remote.fingerprint)
    }

    /// Whether the far end restarts ICE (RFC 8839 §5.4).
    pub(crate) fn is_restarted_by(&self, remote: &RemoteTransport) -> bool {
        self.remote.as_ref().is_some_and(|known| known.ufrag != remote.ufrag || known.password != remote.password)
    }

    /// New credentials of ours, for an ICE restart of the far end.
    pub(crate) fn renew_credentials(&mut self) {
        let credentials = IceCreds::new();
        self.local.ufrag.clone_from(&credentials.ufrag);
        self.local.password.clone_from(&credentials.pass);
        self.rtc.direct_api().set_local_ice_credentials(credentials);
    }

    /// Starts towards the far end, or takes what changed in its description. `active` is our DTLS role.
    pub(crate) fn set_remote(
        &mut self,
        remote: &RemoteTransport,
        active: bool,
        controlling: bool,
    ) -> Result<(), MediaError> {
        let first = self.remote.is_none();
        let mut direct = self.rtc.direct_api();
        if first {
            // A lite peer never controls (RFC 8445 §6.1.1).
            direct.set_ice_controlling(controlling || remote.ice_lite);
            direct.set_remote_fingerprint(Fingerprint {
                hash_func: "sha-256".to_owned(),
                bytes: remote.fingerprint.clone(),
            });
        }
        direct.set_remote_ice_credentials(IceCreds { ufrag: remote.ufrag.clone(), pass: remote.password.clone() });
        let known: Vec<&str> = self.remote.iter().flat_map(|r| r.candidates.iter().map(String::as_str)).collect();
        let mut added = Vec::new();
        for text in remote.candidates.iter().filter(|text| !known.contains(&text.as_str())) {
            // Host names (mDNS) are not resolved: the far end's own checks reveal its address.
            if let Ok(candidate) = Candidate::from_sdp_string(&format!("candidate:{text}")) {
                added.push(candidate);
            }
        }
        if remote.candidates.is_empty() && first {
            added.extend(remote.default_address.and_then(|a| Candidate::host(a, Protocol::Udp).ok()));
        }
        // Each description may bring new ones; a peer that never stops is not followed for ever.
        let room = MAX_REMOTE_CANDIDATES.saturating_sub(self.remote_candidates.len());
        for candidate in added.into_iter().take(room) {
            self.remote_candidates.push((candidate.addr(), kind_of(&candidate)));
            self.rtc.add_remote_candidate(candidate);
        }
        if first {
            self.rtc.direct_api().start_dtls(active).map_err(rtc_error)?;
            self.dtls = DtlsState::Connecting;
        }
        self.remote = Some(remote.clone());
        Ok(())
    }

    /// Takes a datagram. What is no STUN, DTLS, RTP or RTCP of this transport is ignored.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        data: &[u8],
    ) -> Result<(), MediaError> {
        let Ok(receive) = Receive::new(Protocol::Udp, source, destination, data) else { return Ok(()) };
        let input = Input::Receive(now, receive);
        // The far end's first checks may come before its answer: the engine keeps them until then. Nothing but checks with
        // our credentials is accepted before it.
        if !self.rtc.accepts(&input) {
            return Ok(());
        }
        if let Some(ssrc) = rtp_ssrc(data) {
            self.expect(ssrc);
        }
        self.rtc.handle_input(input).map_err(rtc_error)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), MediaError> {
        self.rtc.handle_input(Input::Timeout(now)).map_err(rtc_error)
    }

    /// Queues a packet; [`Engine::handle_timeout`] sends it on its way.
    pub(crate) fn send(&mut self, now: Instant, pt: u8, seq: u64, timestamp: u32, marker: bool, payload: Arc<[u8]>) {
        self.last_sent_rate = self.clock_rates.get(usize::from(pt)).copied().unwrap_or(48_000);
        let write = RtpWrite::new(Pt::from(pt), SeqNo::from(seq), timestamp, now, payload).marker(marker);
        if let Some(stream) = self.rtc.direct_api().stream_tx(&self.send_ssrc) {
            stream.write_rtp(write);
        }
    }

    /// Says goodbye; what is to be sent for it comes out of [`Engine::poll`].
    pub(crate) fn close(&mut self) {
        // An engine that never started has nobody to tell.
        let _ = self.rtc.close();
    }

    /// The next thing to do. Call until it is [`EngineOutput::Timeout`].
    pub(crate) fn poll(&mut self, now: Instant) -> Result<EngineOutput, MediaError> {
        loop {
            let event = match self.rtc.poll_output().map_err(rtc_error)? {
                Output::Timeout(at) => return Ok(EngineOutput::Timeout(at)),
                Output::Transmit(t) => {
                    return Ok(EngineOutput::Transmit {
                        source: t.source,
                        destination: t.destination,
                        data: t.contents.into(),
                    });
                }
                Output::Event(event) => event,
            };
            match event {
                Event::RtpPacket(packet) => {
                    let header = packet.header;
                    self.mark_authentic(*header.ssrc, now);
                    return Ok(EngineOutput::Packet(RtpIn {
                        ssrc: *header.ssrc,
                        pt: *header.payload_type,
                        seq: header.sequence_number,
                        timestamp: header.timestamp,
                        marker: header.marker,
                        payload: packet.payload,
                    }));
                }
                Event::IceConnectionStateChange(state) => {
                    self.ice = ice_state(state);
                    return Ok(EngineOutput::Ice(self.ice));
                }
                Event::Connected => {
                    self.dtls = DtlsState::Connected;
                    return Ok(EngineOutput::Connected);
                }
                Event::Closed => {
                    self.dtls = DtlsState::Closed;
                    return Ok(EngineOutput::Closed);
                }
                Event::PeerStats(stats) => {
                    self.pair = stats.selected_candidate_pair.map(|pair| (pair.local.addr, pair.remote.addr));
                }
                Event::MediaEgressStats(stats) => self.report(&stats),
                _ => {}
            }
        }
    }

    pub(crate) fn candidate_pair(&self) -> Option<CandidatePair> {
        let (local, remote) = self.pair?;
        let remote_kind = self
            .remote_candidates
            .iter()
            .find(|(address, _)| *address == remote)
            .map_or(CandidateKind::Prflx, |&(_, kind)| kind);
        Some(CandidatePair { local, local_kind: CandidateKind::Host, remote, remote_kind })
    }

    /// What the far end reports of our stream.
    pub(crate) fn remote_report(&self) -> Option<RemoteReport> {
        self.report_seen.then_some(self.report)
    }

    fn report(&mut self, stats: &str0m::stats::MediaEgressStats) {
        // A loss fraction comes exactly with each new report.
        let (Some(loss), Some(remote)) = (stats.loss, &stats.remote) else { return };
        let jitter_ms = f64::from(remote.jitter) * 1_000.0 / self.sent_clock_rate();
        self.report_seen = true;
        let report = &mut self.report;
        report.reports += 1;
        report.fraction_lost = f64::from(loss);
        report.packets_lost = remote.packets_lost;
        report.jitter_ms = jitter_ms;
        report.jitter_max_ms = report.jitter_max_ms.max(jitter_ms);
        self.jitter_sum += jitter_ms;
        report.jitter_avg_ms = self.jitter_sum / report.reports as f64;
        report.rtt_ms = stats.rtt.map(|rtt| rtt.as_secs_f64() * 1_000.0).or(report.rtt_ms);
    }

    fn sent_clock_rate(&self) -> f64 {
        f64::from(self.last_sent_rate.max(1))
    }

    /// Sends under another SSRC from now on, as some far ends do.
    #[cfg(test)]
    pub(crate) fn change_ssrc(&mut self) {
        let ssrc = self.rtc.direct_api().new_ssrc();
        self.rtc.direct_api().remove_stream_tx(self.send_ssrc);
        self.rtc.direct_api().declare_stream_tx(ssrc, None, self.mid, None);
        self.send_ssrc = ssrc;
    }

    /// Makes the engine take packets of this source: without MID in the packets it drops sources it does not know.
    fn expect(&mut self, ssrc: u32) {
        if self.streams.iter().any(|&(known, _)| known == ssrc) {
            return;
        }
        if self.streams.len() >= MAX_STREAMS {
            // The one that was authentic the longest ago; never authentic is longest of all.
            let oldest = self.streams.iter().enumerate().min_by_key(|(_, (_, last))| *last).map(|(index, _)| index);
            if let Some((gone, _)) = oldest.map(|index| self.streams.swap_remove(index)) {
                self.rtc.direct_api().remove_stream_rx(Ssrc::from(gone));
            }
        }
        self.streams.push((ssrc, None));
        self.rtc.direct_api().expect_stream_rx(Ssrc::from(ssrc), None, self.mid, None);
    }

    fn mark_authentic(&mut self, ssrc: u32, now: Instant) {
        if let Some((_, last)) = self.streams.iter_mut().find(|(known, _)| *known == ssrc) {
            *last = Some(now);
        }
    }
}

/// All dynamic payload types, so that a later description may use any of them; the clock rate only matters to the jitter that
/// RTCP reports.
fn codec_config(rates: &[u32; 128]) -> CodecConfig {
    let mut config = CodecConfig::empty();
    for (pt, &rate) in rates.iter().enumerate().filter(|&(pt, _)| matches!(pt, 0 | 8 | 96..=127)) {
        let (format, channels) = match (pt, rate) {
            (0, _) => (Format::PCMU, None),
            (8, _) => (Format::PCMA, None),
            (_, 8_000) => (Format::Tele, None),
            _ => (Format::Opus, Some(2)),
        };
        let clock = if rate == 8_000 { Frequency::EIGHT_KHZ } else { Frequency::FORTY_EIGHT_KHZ };
        config.add_config(Pt::from(pt as u8), None, format, clock, channels, FormatParams::default());
    }
    config
}

/// The SSRC if the datagram is RTP (RFC 7983 §7, RFC 5761 §4).
fn rtp_ssrc(data: &[u8]) -> Option<u32> {
    let (&first, &second) = (data.first()?, data.get(1)?);
    let is_rtcp = (192..=223).contains(&second);
    if !(128..=191).contains(&first) || is_rtcp {
        return None;
    }
    data.get(8..12)?.try_into().ok().map(u32::from_be_bytes)
}

fn kind_of(candidate: &Candidate) -> CandidateKind {
    match candidate.kind() {
        str0m::CandidateKind::Host => CandidateKind::Host,
        str0m::CandidateKind::ServerReflexive => CandidateKind::Srflx,
        str0m::CandidateKind::PeerReflexive => CandidateKind::Prflx,
        str0m::CandidateKind::Relayed => CandidateKind::Relay,
    }
}

fn ice_state(state: IceConnectionState) -> IceState {
    match state {
        IceConnectionState::New => IceState::New,
        IceConnectionState::Checking => IceState::Checking,
        IceConnectionState::Connected => IceState::Connected,
        IceConnectionState::Completed => IceState::Completed,
        IceConnectionState::Disconnected => IceState::Disconnected,
    }
}

fn engine_error(error: impl std::fmt::Display) -> MediaError {
    MediaError::Engine(error.to_string())
}

fn rtc_error(error: RtcError) -> MediaError {
    match error {
        // The engine's only word for it.
        RtcError::RemoteSdp(text) if text.contains("fingerprint no match") => MediaError::FingerprintMismatch,
        RtcError::Dtls(error) => MediaError::Dtls(error.to_string()),
        other => engine_error(other),
    }
}
