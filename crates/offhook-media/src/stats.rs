//! Statistics: plain data, taken at one moment.

use std::net::SocketAddr;

use crate::codec::Codec;
use crate::config::Direction;
use crate::video::VideoCodec;

/// Everything known about a peer connection at one moment.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
#[non_exhaustive]
pub struct PeerStats {
    /// Milliseconds since the peer was made.
    pub age_ms: u64,
    /// Negotiated direction, from our side; none before the first negotiation.
    pub direction: Option<Direction>,
    /// State of ICE.
    pub ice: IceState,
    /// State of DTLS.
    pub dtls: DtlsState,
    /// SRTP cipher suite in use, where the engine tells it; str0m 0.24 does not.
    pub cipher: Option<String>,
    /// The pair of addresses in use.
    pub candidate_pair: Option<CandidatePair>,
    /// What is received.
    pub inbound: InboundStats,
    /// What is sent.
    pub outbound: OutboundStats,
    /// Video, both ways; `None` when there never was any.
    pub video: Option<VideoStats>,
}

/// Video, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
#[non_exhaustive]
pub struct VideoStats {
    /// What is agreed on.
    pub codec: Option<VideoCodec>,
    /// RTP packets received.
    pub packets_received: u64,
    /// RTP packets expected and not received.
    pub packets_lost: u64,
    /// Interarrival jitter now (RFC 3550 §6.4.1), ms.
    pub jitter_ms: f64,
    /// Complete pictures received.
    pub frames_received: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Pictures sent.
    pub frames_sent: u64,
}

/// State of ICE (RFC 8445), as in `RTCIceConnectionState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum IceState {
    /// Nothing tried yet.
    #[default]
    New,
    /// Pairs are being tried.
    Checking,
    /// A pair works.
    Connected,
    /// A pair works and all others were tried.
    Completed,
    /// The pair stopped working; it may come back.
    Disconnected,
    /// No pair worked in time.
    Failed,
    /// Closed.
    Closed,
}

/// State of DTLS, as in `RTCDtlsTransportState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DtlsState {
    /// Not started.
    #[default]
    New,
    /// Handshake under way.
    Connecting,
    /// Keys agreed and the peer's certificate verified.
    Connected,
    /// Handshake or verification failed.
    Failed,
    /// Closed by either side.
    Closed,
}

/// Kind of an ICE candidate (RFC 8445 §5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateKind {
    /// Address of an interface.
    #[default]
    Host,
    /// Seen by a STUN server.
    Srflx,
    /// Seen by the peer during the checks.
    Prflx,
    /// At a TURN server.
    Relay,
}

/// The pair of candidates in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct CandidatePair {
    /// Our address.
    pub local: SocketAddr,
    /// Kind of our candidate.
    pub local_kind: CandidateKind,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Kind of the peer's candidate.
    pub remote_kind: CandidateKind,
}

/// What is received. Counters never go back, also when the peer changes its SSRC.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
#[non_exhaustive]
pub struct InboundStats {
    /// Codec of the last audio packet.
    pub codec: Option<Codec>,
    /// RTP packets, telephone-events included, duplicates not.
    pub packets_received: u64,
    /// Payload bytes of those.
    pub bytes_received: u64,
    /// Packets expected minus received (RFC 3550 A.3); less than zero only through duplicates, so clipped at zero.
    pub packets_lost: u64,
    /// Packets that arrived after their turn to be played.
    pub packets_late: u64,
    /// Interarrival jitter now (RFC 3550 A.8), ms.
    pub jitter_ms: f64,
    /// Largest value of that, ms.
    pub jitter_max_ms: f64,
    /// Mean of that over all packets, ms.
    pub jitter_avg_ms: f64,
    /// Delay the jitter buffer aims at now, ms.
    pub jitter_buffer_target_ms: f64,
    /// Mean time a packet waited in the jitter buffer, ms.
    pub jitter_buffer_delay_ms: f64,
    /// Samples that were made up because no packet was there, at `sample_rate`. What the next packet had a copy of (Opus in-band
    /// FEC) is not made up.
    pub concealed_samples: u64,
    /// Samples that were silent since the first packet because nothing had come for 120 ms, at `sample_rate`: the sender pauses, or the
    /// path is dead. They are not among the concealed ones.
    pub silent_samples: u64,
    /// How many times concealment began.
    pub concealment_events: u64,
    /// Samples played out in all, at `sample_rate`.
    pub total_samples: u64,
    /// Rate of the counts above, Hz.
    pub sample_rate: u32,
    /// Duration of what was played out, s.
    pub total_samples_duration: f64,
    /// Level of the last 20 ms heard, dBFS (RMS; silence is −127).
    pub level_dbfs: f64,
    /// Number of times the peer's SSRC changed.
    pub ssrc_changes: u32,
}

/// What is sent, and what the peer's RTCP says of it.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
#[non_exhaustive]
pub struct OutboundStats {
    /// Codec sent.
    pub codec: Option<Codec>,
    /// RTP packets, telephone-events included.
    pub packets_sent: u64,
    /// Payload bytes of those.
    pub bytes_sent: u64,
    /// Level of the last 20 ms sent, dBFS (RMS; silence is −127).
    pub level_dbfs: f64,
    /// From the peer's last receiver report; none before the first.
    pub remote: Option<RemoteReport>,
}

/// The peer's receiver reports (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct RemoteReport {
    /// Reports seen.
    pub reports: u64,
    /// Share of packets lost in the last interval, 0–1.
    pub fraction_lost: f64,
    /// Cumulative packets lost.
    pub packets_lost: u64,
    /// Packets that arrived: as far as the last report has got, without the lost ones.
    pub packets_received: u64,
    /// Jitter in the last report, ms.
    pub jitter_ms: f64,
    /// Largest jitter reported, ms.
    pub jitter_max_ms: f64,
    /// Mean jitter over the reports, ms.
    pub jitter_avg_ms: f64,
    /// Round-trip time, ms, where it could be computed.
    pub rtt_ms: Option<f64>,
}
