//! What can go wrong, and whose fault it is.

use std::net::IpAddr;

/// Why a description from the far end cannot be used.
///
/// A driver answers 488 Not Acceptable Here to an offer refused with one of these (RFC 3261 §21.4.26).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpRefusal {
    /// The text is larger than [`crate::MAX_SDP_BYTES`].
    #[error("the description has {bytes} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Size of the description received.
        bytes: usize,
        /// The limit, [`crate::MAX_SDP_BYTES`].
        limit: usize,
    },
    /// The text is not SDP (RFC 8866).
    #[error("the description is not valid SDP: {0}")]
    Malformed(String),
    /// There is no m-line with audio that is not refused.
    #[error("the description has no usable audio line")]
    NoAudio,
    /// The peer wants keys in the signalling (RFC 4568) or no encryption; only DTLS-SRTP is spoken.
    #[error("the peer offers {profile} without a DTLS fingerprint: switch the peer to DTLS-SRTP (WebRTC)")]
    NotDtls {
        /// Transport profile of the peer's m-line.
        profile: String,
    },
    /// RTP and RTCP on separate ports.
    #[error("the peer does not offer rtcp-mux (RFC 5761): enable rtcp-mux on the peer")]
    NoRtcpMux,
    /// No ICE user fragment or password.
    #[error("the peer does not offer ICE (no ice-ufrag/ice-pwd): enable ICE on the peer")]
    NoIce,
    /// Certificate fingerprint with a hash that cannot be verified.
    #[error("the peer's fingerprint uses {hash}: sha-256 is required")]
    FingerprintHash {
        /// Hash function named by the peer.
        hash: String,
    },
    /// None of the peer's codecs is among ours.
    #[error("no codec in common: the peer has [{theirs}], we have [{ours}]")]
    NoCommonCodec {
        /// Codecs of the peer, comma-separated.
        theirs: String,
        /// Codecs configured here, comma-separated.
        ours: String,
    },
    /// The DTLS role cannot be reconciled.
    #[error("the peer's a=setup:{setup} cannot be answered")]
    Setup {
        /// Role named by the peer.
        setup: String,
    },
    /// The answer does not belong to the offer.
    #[error("the answer does not match the offer: {0}")]
    AnswerMismatch(String),
}

/// Why a STUN or TURN server is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TurnError {
    /// No TURN server is configured.
    #[error("no TURN server is configured: give one in the ICE servers")]
    NoServer,
    /// Its name is unknown, it refuses the connection or does not take it: the network, or a wrong URL.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// TLS failed: a certificate that is not trusted, or no TLS there.
    #[error("TLS with the server failed: {0}")]
    Tls(String),
    /// It answers nothing: a firewall, or no TURN server there.
    #[error("the server does not answer: check the address, and that the firewall lets TURN through")]
    Silent,
    /// What it sends is no TURN.
    #[error("what the server sends is no TURN: check the port")]
    Protocol,
    /// User name or password are wrong or out of date (401, 441).
    #[error("the server refuses the user name or the credential: get new ones")]
    Unauthorized,
    /// The server does not let this user relay (403).
    #[error("the server forbids this user to relay (403)")]
    Forbidden,
    /// This user has as many allocations as allowed (486).
    #[error("this user has too many relay addresses at the server (486): end other calls, or raise its quota")]
    QuotaReached,
    /// The server has no address left (508).
    #[error("the server has no relay address left (508): use another server")]
    NoCapacity,
    /// Another refusal.
    #[error("the server refuses a relay address ({code})")]
    Refused {
        /// STUN error code (RFC 8489 §14.8, RFC 8656 §19).
        code: u16,
    },
    /// The connection ended, or the allocation could not be kept.
    #[error("the relay address at the server is lost")]
    Lost,
}

/// Error of the media engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The peer connection is closed.
    #[error("the peer connection is closed")]
    Closed,
    /// The thread that peer connections run on could not be started: the process or the machine has too many.
    #[error("no thread for peer connections can be started: {0}")]
    NoThread(String),
    /// No local address to bind.
    #[error("no network interface is up: connect to a network, or allow loopback")]
    NoAddress,
    /// No local address could be bound.
    #[error("cannot open a UDP socket on {address}: {reason}")]
    Socket {
        /// Address that was tried last.
        address: IpAddr,
        /// The operating system's words.
        reason: String,
    },
    /// A STUN or TURN server's URL or credentials cannot be used.
    #[error("ICE server {url}: {reason}")]
    IceServer {
        /// The URL as given, without what may be secret.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Only addresses at TURN servers may be used, and there is none.
    #[error("no address at a TURN server, and others are not allowed (iceTransportPolicy relay): {0}")]
    NoRelay(TurnError),
    /// The far end's description cannot be used: the peer's fault or configuration.
    #[error(transparent)]
    Sdp(#[from] SdpRefusal),
    /// The call makes no sense now (an answer without an offer, an offer while one is pending).
    #[error("wrong negotiation state: {0}")]
    WrongState(&'static str),
    /// The certificate the peer used is not the one its description names: an attack or a broken peer.
    #[error("the peer's certificate does not match the fingerprint in its description")]
    FingerprintMismatch,
    /// The DTLS handshake failed.
    #[error("DTLS failed: {0}")]
    Dtls(String),
    /// No candidate pair worked within [`crate::PeerConfig::connect_timeout`].
    #[error("no path to the peer was found within {seconds} s (ICE): check firewalls and addresses")]
    ConnectTimeout {
        /// How long it was tried.
        seconds: u64,
    },
    /// The media engine refused an operation: a defect here, or a peer breaking the protocol.
    #[error("media engine: {0}")]
    Engine(String),
    /// The task of the peer connection panicked: a defect here, or of the program's own source, sink or tap.
    #[error(
        "the peer connection broke down, as its task panicked: a defect, of offhook or of a source, sink or tap of the program"
    )]
    Crashed,
    /// A codec failed: a defect, never the user's fault.
    #[error("codec {codec}: {reason}")]
    Codec {
        /// Name of the codec.
        codec: &'static str,
        /// Its words.
        reason: String,
    },
    /// A DTMF string has a character that is no tone; nothing was sent.
    #[error("'{0}' is no DTMF tone: use 0-9 * # A-D, and ',' for a pause of 2 s")]
    InvalidTone(char),
    /// A DTMF string, tone or gap is out of range; nothing was sent.
    #[error("DTMF out of range: {0}")]
    DtmfRange(&'static str),
    /// The far end does not take RFC 4733 telephone-events.
    #[error("the peer did not negotiate telephone-event: use SIP INFO or in-band tones")]
    DtmfNotNegotiated,
    /// A sample rate that is not supported.
    #[error("sample rate {0} Hz is not supported: use 4000 to 192000 Hz")]
    SampleRate(u32),
    /// A WAV file cannot be read.
    #[error("unreadable WAV: {0}")]
    UnreadableWav(String),
    /// A WAV file cannot be written.
    #[error("cannot write {path}: {reason}")]
    UnwritableWav {
        /// The file.
        path: String,
        /// The operating system's words.
        reason: String,
    },
}
