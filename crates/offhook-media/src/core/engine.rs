//! The transport: ICE, DTLS and SRTP, by str0m in RTP mode. Nothing outside this file knows it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::config::{DtlsCert, Fingerprint};
use str0m::format::{Codec as Format, CodecConfig, FormatParams};
use str0m::ice::StunMessage;
use str0m::media::{Frequency, KeyframeRequestKind, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, SeqNo, Ssrc};
use str0m::{Candidate, Event, IceConnectionState, IceCreds, Input, Output, Rtc, RtcError};

use crate::error::MediaError;
use crate::reach::LocalCandidate;
use crate::sdp::{AgreedVideo, RemoteTransport, Transport};
use crate::stats::{CandidateKind, CandidatePair, DtlsState, IceState, RemoteReport};
use crate::video::CLOCK;

/// Receive streams kept at once: those of a transfer overlap, more than a few are an attack.
const MAX_STREAMS: usize = 6;
/// Candidates of the far end kept over the life of a transport.
const MAX_REMOTE_CANDIDATES: usize = 128;
/// Between two sender or receiver reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);
const STATS_INTERVAL: Duration = Duration::from_secs(1);
/// First byte of a DTLS handshake record (RFC 7983 §7).
const NO_RECORD: u8 = 22;
/// How often DTLS is made to look at its timers during the handshake.
const HANDSHAKE_INTERVAL: Duration = Duration::from_millis(100);

/// One transport, from its credentials to its end.
pub(crate) struct Engine {
    rtc: Rtc,
    mid: Mid,
    send_ssrc: Ssrc,
    video_mid: Mid,
    video_ssrc: Ssrc,
    /// Payload types of video, once there is any.
    video_pts: Vec<u8>,
    local: Transport,
    /// New credentials that an offer of ours names, until it is answered.
    restarting: Option<IceCreds>,
    certificate: DtlsCert,
    /// Our candidates, to give them up.
    candidates: Vec<(LocalCandidate, Candidate)>,
    /// The address under which the far end sees each of those that we send from, for the statistics.
    mapped: Vec<(SocketAddr, SocketAddr)>,
    remote: Option<RemoteTransport>,
    remote_candidates: Vec<(SocketAddr, CandidateKind)>,
    /// SSRCs packets are taken from, and when one of them was last authentic.
    streams: Vec<(u32, Option<Instant>)>,
    clock_rates: [u32; 128],
    /// Payload types of telephone-events.
    event_pts: Vec<u8>,
    /// Clock of the audio that was sent last.
    last_sent_rate: u32,
    /// Number of our first audio packet.
    first_sent: Option<u64>,
    pub(crate) ice: IceState,
    pub(crate) dtls: DtlsState,
    /// When DTLS looks at its timers, during the handshake.
    handshake_due: Instant,
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
    /// The far end wants a key frame of our video.
    KeyframeRequested,
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
    /// A transport with these candidates. `clock_rates` gives the RTP clock of payload types that are no Opus.
    pub(crate) fn new(
        now: Instant,
        candidates: &[LocalCandidate],
        clock_rates: &[(u8, u32)],
    ) -> Result<Self, MediaError> {
        Self::make(now, candidates, clock_rates, None)
    }

    /// Another transport under the same description of ours (credentials, certificate, sources): towards another far end
    /// that answers it, as a forked call has them.
    pub(crate) fn again(&self, now: Instant) -> Result<Self, MediaError> {
        let mut rates: Vec<(u8, u32)> = Vec::with_capacity(self.clock_rates.len());
        rates.extend((0u8..128).zip(self.clock_rates));
        let candidates: Vec<_> = self.candidates.iter().map(|(candidate, _)| *candidate).collect();
        Self::make(now, &candidates, &rates, Some(self))
    }

    fn make(
        now: Instant,
        candidates: &[LocalCandidate],
        clock_rates: &[(u8, u32)],
        like: Option<&Self>,
    ) -> Result<Self, MediaError> {
        let mut rates = [48_000u32; 128];
        let usual = [(0, 8_000), (8, 8_000), (9, 8_000), (13, 8_000), (101, 8_000), (96, CLOCK), (97, CLOCK)];
        for (pt, rate) in usual.iter().chain(clock_rates) {
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
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
        let certificate = match like {
            Some(like) => like.certificate.clone(),
            None => crypto.dtls_provider.generate_certificate().ok_or_else(|| engine_error("no DTLS certificate"))?,
        };
        config = config.set_crypto_provider(crypto).set_dtls_cert(certificate.clone());
        *config.codec_config() = codec_config(&rates);
        config = config.clear_extension_map();
        let mut rtc = config.build(now);
        let mid = Mid::from("0");
        if let Some(like) = like {
            let credentials = IceCreds { ufrag: like.local.ufrag.clone(), pass: like.local.password.clone() };
            rtc.direct_api().set_local_ice_credentials(credentials);
        }
        let added = candidates.iter().map(|candidate| add(&mut rtc, *candidate)).collect::<Result<Vec<_>, _>>()?;
        let candidates: Vec<_> = added.into_iter().flatten().collect();
        let mut direct = rtc.direct_api();
        direct.declare_media(mid, MediaKind::Audio);
        let (send_ssrc, video_ssrc) = match like {
            Some(like) => (like.send_ssrc, like.video_ssrc),
            None => (direct.new_ssrc(), direct.new_ssrc()),
        };
        direct.declare_stream_tx(send_ssrc, None, mid, None);
        let credentials = direct.local_ice_credentials();
        let local = Transport {
            ufrag: credentials.ufrag,
            password: credentials.pass,
            fingerprint: direct.local_dtls_fingerprint().to_string(),
            candidates: candidates.iter().map(|(_, candidate)| sdp_of(candidate)).collect(),
            addresses: bases(&candidates),
            ssrc: *send_ssrc,
            video_ssrc: *video_ssrc,
            cname: rtc.media(mid).map(|media| media.cname().to_owned()).unwrap_or_default(),
        };
        Ok(Self {
            rtc,
            mid,
            send_ssrc,
            video_mid: Mid::from("1"),
            video_ssrc,
            video_pts: Vec::new(),
            local,
            restarting: None,
            certificate,
            candidates,
            mapped: Vec::new(),
            remote: None,
            remote_candidates: Vec::new(),
            streams: Vec::new(),
            clock_rates: rates,
            event_pts: Vec::new(),
            last_sent_rate: 48_000,
            first_sent: None,
            ice: IceState::New,
            dtls: DtlsState::New,
            handshake_due: now,
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

    /// The far end, once it is known.
    pub(crate) fn remote(&self) -> Option<&RemoteTransport> {
        self.remote.as_ref()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.dtls == DtlsState::Connected
    }

    /// Whether it has come to its end.
    pub(crate) fn is_closed(&self) -> bool {
        self.dtls == DtlsState::Closed
    }

    /// Whether this description needs a new transport: its certificate is not the one DTLS was started with, or this one is
    /// closed.
    pub(crate) fn is_replaced_by(&self, remote: &RemoteTransport) -> bool {
        self.remote.as_ref().is_some_and(|known| self.is_closed() || known.fingerprint != remote.fingerprint)
    }

    /// Whether the far end restarts ICE (RFC 8839 §5.4).
    pub(crate) fn is_restarted_by(&self, remote: &RemoteTransport) -> bool {
        self.remote.as_ref().is_some_and(|known| known.ufrag != remote.ufrag || known.password != remote.password)
    }

    /// Whether an answer to the offer that was answered already is that of another far end, with the same certificate: servers
    /// have one for all calls. An answer cannot restart ICE without an offer that does; one that names new credentials and no
    /// address of before is of somebody else.
    pub(crate) fn is_elsewhere(&self, remote: &RemoteTransport) -> bool {
        let knows = |known: &RemoteTransport| remote.addresses().any(|address| known.addresses().any(|a| a == address));
        self.is_restarted_by(remote) && !self.remote.as_ref().is_some_and(knows)
    }

    /// Our side with new credentials, for an offer that restarts ICE. They are used when it is answered.
    pub(crate) fn offer_restart(&mut self) -> Transport {
        let credentials = self.restarting.get_or_insert_with(IceCreds::new);
        Transport { ufrag: credentials.ufrag.clone(), password: credentials.pass.clone(), ..self.local.clone() }
    }

    /// The offer that restarts ICE came to nothing.
    pub(crate) fn drop_restart(&mut self) {
        self.restarting = None;
    }

    /// The offer that restarts ICE is answered: checks are made and taken with the new credentials from now on.
    pub(crate) fn apply_restart(&mut self) {
        if let Some(credentials) = self.restarting.take() {
            self.use_credentials(credentials);
        }
    }

    /// These are our candidates now: others are given up, new ones added and tried.
    pub(crate) fn set_candidates(&mut self, candidates: &[LocalCandidate]) {
        let (kept, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.candidates).into_iter().partition(|(known, _)| candidates.contains(known));
        self.candidates = kept;
        for (_, candidate) in gone {
            self.rtc.direct_api().invalidate_candidate(&candidate);
        }
        for candidate in candidates {
            if self.candidates.iter().all(|(known, _)| known != candidate)
                && let Ok(Some(added)) = add(&mut self.rtc, *candidate)
            {
                self.candidates.push(added);
            }
        }
        self.local.candidates = self.candidates.iter().map(|(_, candidate)| sdp_of(candidate)).collect();
        self.local.addresses = bases(&self.candidates);
    }

    /// There is video, under these payload types.
    pub(crate) fn set_video(&mut self, video: &AgreedVideo) {
        if self.video_pts.is_empty() {
            let mut direct = self.rtc.direct_api();
            direct.declare_media(self.video_mid, MediaKind::Video);
            direct.declare_stream_tx(self.video_ssrc, None, self.video_mid, None);
        }
        self.video_pts.extend(video.codecs.iter().map(|(_, pt)| *pt));
        self.video_pts.sort_unstable();
        self.video_pts.dedup();
    }

    /// Telephone-events have these payload types.
    pub(crate) fn set_events(&mut self, events: &[(u8, u32)]) {
        self.event_pts.clear();
        self.event_pts.extend(events.iter().map(|(pt, _)| *pt));
    }

    /// Asks the far end for a key frame of this stream.
    pub(crate) fn request_keyframe(&mut self, ssrc: u32) {
        if let Some(stream) = self.rtc.direct_api().stream_rx(&Ssrc::from(ssrc)) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// New credentials of ours, for an ICE restart of the far end.
    pub(crate) fn renew_credentials(&mut self) {
        self.use_credentials(IceCreds::new());
    }

    fn use_credentials(&mut self, credentials: IceCreds) {
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
        if self.is_restarted_by(remote) {
            self.forget_paths(remote);
        }
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

    /// The far end restarts ICE. The engine stays with a path that was chosen before until it is known to be dead, which takes
    /// 20 s; if addresses of the far end are gone, all paths are to be found anew (RFC 8445 §9).
    fn forget_paths(&mut self, now: &RemoteTransport) {
        let Some(before) = &self.remote else { return };
        if before.candidates.iter().all(|text| now.candidates.contains(text)) {
            return;
        }
        for (local, candidate) in &mut self.candidates {
            self.rtc.direct_api().invalidate_candidate(candidate);
            if let Ok(Some((_, again))) = add(&mut self.rtc, *local) {
                *candidate = again;
            }
        }
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
        if let Some((ssrc, pt)) = rtp_ssrc(data) {
            self.expect(ssrc, pt);
        }
        self.note_mapped(destination, data);
        self.rtc.handle_input(input).map_err(rtc_error)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), MediaError> {
        self.rtc.handle_input(Input::Timeout(now)).map_err(rtc_error)?;
        if self.is_in_handshake() && now >= self.handshake_due {
            self.handshake_due = now + HANDSHAKE_INTERVAL;
            self.repeat_handshake(now)?;
        }
        Ok(())
    }

    fn is_in_handshake(&self) -> bool {
        self.dtls == DtlsState::Connecting && matches!(self.ice, IceState::Connected | IceState::Completed)
    }

    /// Lets DTLS repeat what got no answer in time (RFC 6347 §4.2.4). The engine has it look at its timers only when a datagram comes,
    /// and without this a lost one would be waited for for ever: so one comes, of a single byte, which no DTLS record is.
    fn repeat_handshake(&mut self, now: Instant) -> Result<(), MediaError> {
        let Some(address) = self.candidates.first().map(|(local, _)| local.base) else { return Ok(()) };
        let Ok(nothing) = Receive::new(Protocol::Udp, address, address, &[NO_RECORD]) else { return Ok(()) };
        self.rtc.handle_input(Input::Receive(now, nothing)).map_err(rtc_error)
    }

    /// Queues a packet; [`Engine::handle_timeout`] sends it on its way.
    pub(crate) fn send(&mut self, now: Instant, pt: u8, seq: u64, timestamp: u32, marker: bool, payload: Arc<[u8]>) {
        // What the far end says of jitter is in units of the stream's clock, whatever came in between.
        if !self.event_pts.contains(&pt) {
            self.last_sent_rate = self.clock_rates.get(usize::from(pt)).copied().unwrap_or(48_000);
        }
        self.first_sent.get_or_insert(seq);
        let write = RtpWrite::new(Pt::from(pt), SeqNo::from(seq), timestamp, now, payload).marker(marker);
        if let Some(stream) = self.rtc.direct_api().stream_tx(&self.send_ssrc) {
            stream.write_rtp(write);
        }
    }

    /// The same of video.
    pub(crate) fn send_video(
        &mut self,
        now: Instant,
        pt: u8,
        seq: u64,
        timestamp: u32,
        marker: bool,
        payload: Arc<[u8]>,
    ) {
        let write = RtpWrite::new(Pt::from(pt), SeqNo::from(seq), timestamp, now, payload).marker(marker);
        if let Some(stream) = self.rtc.direct_api().stream_tx(&self.video_ssrc) {
            stream.write_rtp(write);
        }
    }

    /// Says goodbye; what is to be sent for it comes out of [`Engine::poll`].
    pub(crate) fn close(&mut self) {
        // An engine that never started has nobody to tell.
        let _ = self.rtc.close();
    }

    /// The far end has closed it, or is not who it is said to be: nothing comes in or goes out any more.
    pub(crate) fn disconnect(&mut self) {
        self.rtc.disconnect();
        self.ice = IceState::Closed;
        self.dtls = DtlsState::Closed;
    }

    /// The next thing to do. Call until it is [`EngineOutput::Timeout`].
    pub(crate) fn poll(&mut self, now: Instant) -> Result<EngineOutput, MediaError> {
        loop {
            let event = match self.rtc.poll_output().map_err(rtc_error)? {
                Output::Timeout(at) if self.is_in_handshake() => {
                    return Ok(EngineOutput::Timeout(at.min(self.handshake_due.max(now))));
                }
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
                Event::MediaEgressStats(stats) if stats.mid == self.mid => self.report(&stats),
                Event::KeyframeRequest(_) => return Ok(EngineOutput::KeyframeRequested),
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
        Some(CandidatePair { local, local_kind: self.local_kind(local), remote, remote_kind })
    }

    /// Kind of the candidate that the far end sees us at (RFC 8445 §7.2.5.3.1) when we send from this one.
    fn local_kind(&self, base: SocketAddr) -> CandidateKind {
        let kind = |address| self.candidates.iter().map(|(c, _)| c).find(|c| c.address == address).map(|c| c.kind);
        match (kind(base), self.mapped.iter().find(|(from, _)| *from == base)) {
            (Some(CandidateKind::Relay), _) => CandidateKind::Relay,
            (_, Some((_, seen))) if *seen != base => kind(*seen).unwrap_or(CandidateKind::Prflx),
            (known, _) => known.unwrap_or_default(),
        }
    }

    /// Reads the address we are seen at from an answer to a check of ours.
    fn note_mapped(&mut self, base: SocketAddr, data: &[u8]) {
        if !data.starts_with(&[1, 1]) || self.candidates.iter().all(|(known, _)| known.base != base) {
            return;
        }
        let Some(seen) = StunMessage::parse(data).ok().and_then(|message| message.mapped_address()) else { return };
        match self.mapped.iter_mut().find(|(from, _)| *from == base) {
            Some((_, before)) => *before = seen,
            None => self.mapped.push((base, seen)),
        }
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
        report.packets_lost = lost(remote.packets_lost);
        let reached = *remote.maximum_sequence_number + 1;
        let due = reached.saturating_sub(self.first_sent.unwrap_or(reached));
        report.packets_received = due.saturating_sub(report.packets_lost);
        report.jitter_ms = jitter_ms;
        report.jitter_max_ms = report.jitter_max_ms.max(jitter_ms);
        self.jitter_sum += jitter_ms;
        report.jitter_avg_ms = self.jitter_sum / report.reports as f64;
        report.rtt_ms = stats.rtt.map(|rtt| rtt.as_secs_f64() * 1_000.0).or(report.rtt_ms);
    }

    /// Of the audio we send, Hz.
    pub(crate) fn sent_clock_rate(&self) -> f64 {
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
    fn expect(&mut self, ssrc: u32, pt: u8) {
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
        let mid = if self.video_pts.contains(&pt) { self.video_mid } else { self.mid };
        self.rtc.direct_api().expect_stream_rx(Ssrc::from(ssrc), None, mid, None);
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
    for (pt, &rate) in rates.iter().enumerate().filter(|&(pt, _)| matches!(pt, 0 | 8 | 9 | 13 | 96..=127)) {
        let (format, channels) = match (pt, rate) {
            // G.722 and comfort noise go by here for their clock alone, which is that of G.711.
            (0 | 9 | 13, _) => (Format::PCMU, None),
            (8, _) => (Format::PCMA, None),
            (_, 8_000) => (Format::Tele, None),
            (_, CLOCK) => (Format::Vp8, None),
            _ => (Format::Opus, Some(2)),
        };
        let clock = match rate {
            8_000 => Frequency::EIGHT_KHZ,
            CLOCK => Frequency::NINETY_KHZ,
            _ => Frequency::FORTY_EIGHT_KHZ,
        };
        config.add_config(Pt::from(pt as u8), None, format, clock, channels, FormatParams::default());
    }
    config
}

fn add(rtc: &mut Rtc, local: LocalCandidate) -> Result<Option<(LocalCandidate, Candidate)>, MediaError> {
    let LocalCandidate { kind, address, base } = local;
    let candidate = match kind {
        CandidateKind::Srflx | CandidateKind::Prflx => Candidate::server_reflexive(address, base, Protocol::Udp),
        CandidateKind::Relay => Candidate::relayed(address, base, Protocol::Udp),
        CandidateKind::Host => Candidate::host(address, Protocol::Udp),
    };
    let candidate = match candidate {
        Ok(candidate) => candidate,
        Err(error) if kind == CandidateKind::Host => return Err(engine_error(error)),
        // Whatever a server says must not keep the others from being used.
        Err(error) => {
            tracing::debug!(%error, "candidate not used");
            return Ok(None);
        }
    };
    Ok(rtc.add_local_candidate(candidate).map(|candidate| (local, candidate.clone())))
}

/// What we send from: the default address of a description is one of these.
fn bases(candidates: &[(LocalCandidate, Candidate)]) -> Vec<SocketAddr> {
    let sends = |c: &&LocalCandidate| matches!(c.kind, CandidateKind::Host | CandidateKind::Relay);
    candidates.iter().map(|(candidate, _)| candidate).filter(sends).map(|candidate| candidate.base).collect()
}

fn sdp_of(candidate: &Candidate) -> String {
    candidate.to_sdp_string().trim_start_matches("a=").trim_end().to_owned()
}

/// SSRC and payload type if the datagram is RTP (RFC 7983 §7, RFC 5761 §4).
fn rtp_ssrc(data: &[u8]) -> Option<(u32, u8)> {
    let (&first, &second) = (data.first()?, data.get(1)?);
    let is_rtcp = (192..=223).contains(&second);
    if !(128..=191).contains(&first) || is_rtcp {
        return None;
    }
    let ssrc = data.get(8..12)?.try_into().ok().map(u32::from_be_bytes)?;
    Some((ssrc, second & 0x7f))
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

/// Packets lost by a report: it counts them in 24 bits with a sign (RFC 3550 §6.4.1), below zero where more came than were sent, as
/// some were duplicated. The engine leaves out the sign.
fn lost(reported: u64) -> u64 {
    let signed = ((reported as u32) << 8) as i32 >> 8;
    signed.max(0) as u64
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_below_zero_is_none() {
        assert_eq!([0xff_ffff, 0x80_0000, 0x7f_ffff, 5, 0].map(lost), [0, 0, 0x7f_ffff, 5, 0]);
    }
}
