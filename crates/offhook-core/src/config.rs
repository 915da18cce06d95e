//! What a phone and a call are made with.

use std::path::PathBuf;

use offhook_sip::{Credentials, KeepAlive, Millis, NameAddr, Secret, Seed, SessionTimer, Uri, UriError};

use crate::recording::{RecordMethod, RecordPermissions};

/// What a [`Phone`](crate::Phone) is made with. Start from [`PhoneConfig::new`] and change what must be different.
#[derive(Debug, Clone)]
pub struct PhoneConfig {
    /// Seed of every random choice (tags, Call-IDs, back-off). It must be secret and never used twice outside tests.
    pub seed: Seed,
    /// Our address of record with the display name others see, `"Ann" <sip:1000@example.com>`.
    pub aor: NameAddr,
    /// Request-URI of REGISTER, `sip:example.com`.
    pub registrar: Uri,
    /// Our Contact without parameters of the header; `None`: a random user and host in `.invalid` with `transport=ws`
    /// (RFC 7118 §5). P-Series PBXs want `<sip:N@HOST;webclient>`.
    pub contact: Option<Uri>,
    /// `+sip.instance` of the Contact (RFC 5626 §4.1), a URN such as `urn:uuid:…`; `None`: none is sent.
    pub instance: Option<String>,
    /// User and password, or HA1.
    pub credentials: Option<Credentials>,
    /// Seconds asked for in REGISTER.
    pub register_expires_s: u32,
    /// More headers for every REGISTER, as `Name: value`.
    pub register_headers: Vec<String>,
    /// `User-Agent`.
    pub user_agent: String,
    /// Keep-alive on the WebSocket.
    pub keep_alive: KeepAlive,
    /// Session timers (RFC 4028).
    pub session_timer: SessionTimer,
    /// How lost connections and failed registrations are tried again.
    pub reconnect: ReconnectPolicy,
    /// A second call may come in while one is there.
    pub call_waiting: bool,
    /// Whether the far end may transfer us: an inbound REFER is refused otherwise (603).
    pub allow_transfer: bool,
    /// How DTMF is sent.
    pub dtmf: DtmfMode,
    /// An established call in which the far end should send audio and none came for this long ends with
    /// [`Cause::RtpTimeout`](crate::Cause::RtpTimeout); milliseconds, noticed with the next report (every 3 s). `None`: never.
    pub rtp_timeout_ms: Option<Millis>,
    /// Whether a microphone that gives no sound, or always the same, is warned of (`constant-audio-input-level`). Switch it off
    /// for a program that sends silence or tones by intention; a muted or held microphone is never warned of.
    pub warn_silent_input: bool,
    /// Every description is handed to the driver before it is applied or sent, which may change it
    /// ([`Output::FilterSdp`](crate::Output::FilterSdp)).
    pub filter_sdp: bool,
    /// How calls are recorded.
    pub record: RecordMethod,
    /// What the user may do about recording.
    pub record_permissions: RecordPermissions,
    /// STUN and TURN servers of calls whose [`CallOptions`] name none.
    pub ice_servers: Vec<IceServer>,
    /// Which candidates may be used in any call. [`IceTransportPolicy::Relay`] holds whatever [`CallOptions`] say.
    pub ice_transport_policy: IceTransportPolicy,
    /// An outbound call that rings this long without an answer is cancelled, an inbound one refused; milliseconds.
    pub no_answer_ms: Millis,
    /// The extension number shown in reports. Set from the address of record.
    pub extension: String,
    /// `lksDeviceType` of reports: `desktop` or `web`.
    pub device_type: String,
    /// Local time minus UTC, minutes: for `lksDate` of reports.
    pub utc_offset_min: i32,
}

impl PhoneConfig {
    /// For the user `user` of the server at `url`, `wss://host[:port][/path]`. `domain` is the domain of the
    /// addresses; `None`: the URL's host.
    ///
    /// # Errors
    /// The URL is not `ws://` or `wss://`, or the user or host cannot be put into a SIP address.
    pub fn new(url: &str, user: &str, domain: Option<&str>, seed: impl Into<Seed>) -> Result<Self, UriError> {
        let host = match domain {
            Some(domain) => domain,
            None => host_of(url).ok_or_else(|| UriError {
                text: url.chars().take(80).collect(),
                why: "a server is written wss://host[:port][/path]".to_owned(),
            })?,
        };
        Ok(Self {
            seed: seed.into(),
            aor: NameAddr::new(Uri::sip(user, host)?),
            registrar: Uri::parse(&format!("sip:{host}"))?,
            contact: None,
            instance: None,
            credentials: None,
            register_expires_s: 600,
            register_headers: Vec::new(),
            user_agent: concat!("offhook/", env!("CARGO_PKG_VERSION")).to_owned(),
            keep_alive: KeepAlive::default(),
            session_timer: SessionTimer::default(),
            reconnect: ReconnectPolicy::default(),
            call_waiting: true,
            allow_transfer: true,
            dtmf: DtmfMode::Rfc4733,
            rtp_timeout_ms: None,
            warn_silent_input: true,
            filter_sdp: false,
            record: RecordMethod::default(),
            record_permissions: RecordPermissions::default(),
            ice_servers: Vec::new(),
            ice_transport_policy: IceTransportPolicy::default(),
            no_answer_ms: 300_000,
            extension: user.to_owned(),
            device_type: "desktop".to_owned(),
            utc_offset_min: 0,
        })
    }

    /// What a call's options leave to the phone.
    #[must_use]
    pub fn complete(&self, mut options: CallOptions) -> CallOptions {
        if options.ice_servers.is_empty() {
            options.ice_servers.clone_from(&self.ice_servers);
        }
        if self.ice_transport_policy == IceTransportPolicy::Relay {
            options.ice_transport_policy = IceTransportPolicy::Relay;
        }
        options
    }
}

/// The host of a `ws://` or `wss://` URL, brackets of an IPv6 address included.
fn host_of(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("ws") && !scheme.eq_ignore_ascii_case("wss") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    let host = match authority.find(']') {
        Some(end) => authority.get(..=end)?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// How lost connections and failed registrations are tried again: after 2 s, 4 s, 8 s … [`max_ms`](Self::max_ms), each
/// ± 20 %, so that the phones of an office do not all come back in the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconnectPolicy {
    /// Attempts in a row before giving up; `None`: no limit. `Some(0)`: none at all.
    pub max_attempts: Option<u32>,
    /// Before the first attempt, milliseconds.
    pub first_ms: Millis,
    /// Cap, milliseconds.
    pub max_ms: Millis,
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self { max_attempts: None, first_ms: 2_000, max_ms: 30_000 }
    }
}

/// How DTMF is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DtmfMode {
    /// As telephone-events in RTP (RFC 4733).
    #[default]
    Rfc4733,
    /// As SIP INFO with `application/dtmf-relay`.
    Info,
    /// As tones in the audio (native only).
    InBand,
}

/// What one call is made or answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// Send video, and receive it.
    pub video: bool,
    /// Receive video without sending any. Without effect where [`video`](Self::video) is set.
    pub offer_to_receive_video: bool,
    /// More headers for the INVITE or the 200, as `Name: value`. A line break in one refuses the call.
    pub extra_headers: Vec<String>,
    /// Codecs in order of preference, by encoding name (`opus`, `PCMU` …); empty: the media engine's order.
    pub codecs: Vec<String>,
    /// STUN and TURN servers of this call; empty: those of [`PhoneConfig::ice_servers`].
    pub ice_servers: Vec<IceServer>,
    /// Which candidates may be used; see also [`PhoneConfig::ice_transport_policy`].
    pub ice_transport_policy: IceTransportPolicy,
    /// The microphone to use, by the name or identity that the driver gives it; one that there is not refuses the call.
    /// `None`: the driver's choice.
    pub input_device: Option<String>,
    /// Record the call into this stereo WAV file, left what we send, right what we hear, from the answer on (native only).
    /// An older file is replaced. `startRecord` and `pauseRecord` then mean this file, whatever the phone's method. If it
    /// cannot be written, the call goes on, with the warning `recording-failed`.
    pub record_to: Option<PathBuf>,
}

/// A STUN or TURN server.
#[derive(Debug, Clone)]
pub struct IceServer {
    /// `stun:host[:port]`, `turn:host[:port]` or `turns:host[:port]` (RFC 7064, RFC 7065), with parameters.
    pub urls: Vec<String>,
    /// For TURN.
    pub username: Option<String>,
    /// For TURN.
    pub credential: Option<Secret>,
}

impl PartialEq for IceServer {
    fn eq(&self, other: &Self) -> bool {
        let secret = |server: &Self| server.credential.as_ref().map(|secret| secret.expose().to_owned());
        self.urls == other.urls && self.username == other.username && secret(self) == secret(other)
    }
}

impl Eq for IceServer {}

/// Which ICE candidates may be used (RFC 8829 §4.1.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IceTransportPolicy {
    /// All.
    #[default]
    All,
    /// Only those at a TURN server.
    Relay,
}

/// What is known of the machine's devices. The default is "all there".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Devices {
    /// Microphones and cameras; `None` when the list cannot be read.
    pub inputs: Option<(usize, usize)>,
    /// Whether they may be used.
    pub permission: Permission,
}

/// Whether the user lets us use the microphone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Yes, or it will be asked.
    Granted,
    /// No.
    Denied,
}

impl Default for Devices {
    fn default() -> Self {
        Self { inputs: Some((1, 1)), permission: Permission::Granted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_not_shown() {
        let config = PhoneConfig::new("ws://127.0.0.1:8088", "1000", None, [211; 32]).expect("a URL");
        let shown = format!("{config:?}");
        assert!(!shown.contains("211") && shown.contains("user_agent"), "{shown}");
        let params = crate::pbx::InitParams::new("1000", "signature", "https://pbx.example", [211; 32]);
        let shown = format!("{params:?}");
        assert!(!shown.contains("211") && !shown.contains("signature") && shown.contains("pbx.example"), "{shown}");
    }

    #[test]
    fn the_host_of_a_url_is_the_domain_unless_one_is_given() {
        let aor = |url, domain| PhoneConfig::new(url, "1000", domain, [0; 32]).map(|c| c.aor.uri().to_string());
        assert_eq!(aor("wss://pbx.example.com:8089/ws", None).as_deref(), Ok("sip:1000@pbx.example.com"));
        assert_eq!(aor("ws://127.0.0.1:8088", None).as_deref(), Ok("sip:1000@127.0.0.1"));
        assert_eq!(aor("WSS://[::1]:8089/ws?x=/", None).as_deref(), Ok("sip:1000@[::1]"));
        assert_eq!(aor("wss://10.0.0.1/ws", Some("example.com")).as_deref(), Ok("sip:1000@example.com"));
        assert!(aor("https://example.com", None).is_err());
        assert!(aor("wss://", None).is_err());
    }
}
