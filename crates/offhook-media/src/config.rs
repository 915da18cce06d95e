//! How a peer connection is set up.

use std::net::IpAddr;
use std::time::Duration;

use crate::codec::Codec;
use crate::jitter::JitterConfig;
use crate::reach::{IceServer, TransportPolicy};

/// Which local addresses are bound and offered as host candidates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Addresses {
    /// 127.0.0.1 only: calls inside this machine.
    Loopback,
    /// Every IPv4 and IPv6 address of the interfaces that are up, without loopback and link-local ones.
    #[default]
    Host,
    /// Exactly these.
    Only(Vec<IpAddr>),
}

/// Direction of the audio, from our side (RFC 3264 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// We send and do not listen: how a call is held (RFC 6337 §5.3).
    SendOnly,
    /// We listen and do not send.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// From the two halves.
    pub fn new(send: bool, receive: bool) -> Self {
        match (send, receive) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether we send.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether we listen.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same line seen from the other side.
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow.
    pub fn intersection(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The SDP attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// What a description of ours is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Direction of the audio.
    pub direction: Direction,
    /// Direction of the video; `None`: none, and a video line that there was is given up.
    pub video: Option<Direction>,
    /// With new ICE credentials, and with the addresses that the machine has now (RFC 8839 §4.4.1.1). Only in an offer.
    pub ice_restart: bool,
}

impl From<Direction> for Wanted {
    fn from(direction: Direction) -> Self {
        Self { direction, ..Self::default() }
    }
}

/// How Opus is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpusConfig {
    /// Bits per second, 6000–128000. Default 24000: wideband to fullband speech.
    pub bitrate: u32,
    /// Encoder effort, 0–10. Measured on speech, in units of the cost of 0: 3 and 5 cost 1.2, 6 costs 1.5, 8 and 10 cost
    /// 2.0 to 2.2. Default 5, the last before it gets dear: a leg then takes some 0.7 % of a core with its decoder.
    pub complexity: u8,
    /// Loss for which in-band FEC is dimensioned at the least, percent, 0–50; while the far end reports more, for that.
    pub expected_loss: u8,
}

impl Default for OpusConfig {
    fn default() -> Self {
        Self { bitrate: 24_000, complexity: 5, expected_loss: 5 }
    }
}

/// Configuration of a [`crate::Peer`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerConfig {
    /// Name in logs.
    pub label: String,
    /// Local addresses.
    pub addresses: Addresses,
    /// Codecs in order of preference; the first common one is sent.
    pub codecs: Vec<Codec>,
    /// Jitter buffer limits.
    pub jitter: JitterConfig,
    /// Opus encoder.
    pub opus: OpusConfig,
    /// Discontinuous transmission: while nobody speaks, nothing is sent but comfort noise now and then (Opus's own; RFC 3389 with
    /// the others, where the far end understands it). Default: off.
    pub dtx: bool,
    /// Whether comfort noise (RFC 3389) is offered and understood. Default: yes. A peer whose packets are passed on with
    /// [`bridge`](crate::bridge) should not: there it would be a hole.
    pub comfort_noise: bool,
    /// How long to look for a path before [`crate::MediaError::ConnectTimeout`]. Counted from the moment
    /// both descriptions are known. Default 15 s.
    pub connect_timeout: Duration,
    /// STUN and TURN servers; of more than 8, the first ones.
    pub ice_servers: Vec<IceServer>,
    /// Which candidates may be used.
    pub transport_policy: TransportPolicy,
    /// How long a description waits for candidates from the servers: 0–500 ms, default 500 ms. It does not wait for all of
    /// them, but for a first usable set: one address at a TURN server, and what the first STUN server says. Later ones are
    /// used as well, without another offer.
    pub gather_timeout: Duration,
    /// CA certificates (DER) that are trusted for TURN over TLS, besides the system's.
    pub turn_roots: Vec<Vec<u8>>,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            label: String::new(),
            addresses: Addresses::default(),
            codecs: vec![Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma],
            jitter: JitterConfig::default(),
            opus: OpusConfig::default(),
            dtx: false,
            comfort_noise: true,
            connect_timeout: Duration::from_secs(15),
            ice_servers: Vec::new(),
            transport_policy: TransportPolicy::All,
            gather_timeout: Duration::from_millis(500),
            turn_roots: Vec::new(),
        }
    }
}

impl PeerConfig {
    /// Defaults under this name.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// Sets the local addresses.
    pub fn addresses(mut self, addresses: Addresses) -> Self {
        self.addresses = addresses;
        self
    }

    /// Sets the codecs, in order of preference.
    pub fn codecs(mut self, codecs: impl IntoIterator<Item = Codec>) -> Self {
        self.codecs = codecs.into_iter().collect();
        self
    }

    /// Sets the limits of the jitter buffer.
    pub fn jitter(mut self, jitter: JitterConfig) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets the Opus encoder.
    pub fn opus(mut self, opus: OpusConfig) -> Self {
        self.opus = opus;
        self
    }

    /// Sets whether nothing is sent while nobody speaks.
    pub fn dtx(mut self, dtx: bool) -> Self {
        self.dtx = dtx;
        self
    }

    /// Sets whether comfort noise is offered and understood.
    pub fn comfort_noise(mut self, noise: bool) -> Self {
        self.comfort_noise = noise;
        self
    }

    /// Sets the STUN and TURN servers.
    pub fn ice_servers(mut self, servers: impl IntoIterator<Item = IceServer>) -> Self {
        self.ice_servers = servers.into_iter().collect();
        self
    }

    /// Sets which candidates may be used.
    pub fn transport_policy(mut self, policy: TransportPolicy) -> Self {
        self.transport_policy = policy;
        self
    }

    /// Sets how long a description waits for candidates; more than 500 ms is taken as 500 ms.
    pub fn gather_timeout(mut self, timeout: Duration) -> Self {
        self.gather_timeout = timeout.min(Duration::from_millis(500));
        self
    }

    /// Trusts this CA certificate (DER) for TURN over TLS, too.
    pub fn turn_root(mut self, der: Vec<u8>) -> Self {
        self.turn_roots.push(der);
        self
    }

    /// Sets how long a path is looked for.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }
}
