//! What a phone is made with.

use std::time::Duration;

use offhook_core::{
    Credentials, DtmfMode, IceServer, IceTransportPolicy, KeepAlive, Phone as Core, PhoneConfig, PhoneError,
    ReconnectPolicy, RecordMethod, RecordPermissions, Secret, SessionTimer,
};
use offhook_media::{Addresses, Codec};
use tokio::time::Instant;

use crate::actor::check_servers;
use crate::filter::{SdpFilter, SdpStep};
use crate::host::{Host, seed};
use crate::phone::Phone;
use crate::transport::Target;

/// What a phone is made with. Needed: [`server`](Self::server) and [`user`](Self::user).
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build() or connect()"]
pub struct PhoneBuilder {
    server: String,
    user: String,
    domain: Option<String>,
    login: Option<String>,
    secret: Option<Proof>,
    display_name: Option<String>,
    host: Host,
    user_agent: Option<String>,
    instance: Option<String>,
    reconnect: ReconnectPolicy,
    register_expires: Duration,
    keep_alive: KeepAlive,
    session_timer: SessionTimer,
    call_waiting: bool,
    dtmf: DtmfMode,
    record: RecordMethod,
    record_permissions: RecordPermissions,
    no_answer: Duration,
    rtp_timeout: Option<Duration>,
    warn_silent_input: bool,
    ice_servers: Vec<IceServer>,
    ice_transport_policy: IceTransportPolicy,
}

#[derive(Debug, Clone)]
enum Proof {
    Password(Secret),
    Ha1 { realm: Option<String>, ha1: Secret },
}

impl PhoneBuilder {
    pub(crate) fn new() -> Self {
        Self {
            server: String::new(),
            user: String::new(),
            domain: None,
            login: None,
            secret: None,
            display_name: None,
            host: Host::default(),
            user_agent: None,
            instance: None,
            reconnect: ReconnectPolicy::default(),
            register_expires: Duration::from_secs(600),
            keep_alive: KeepAlive::default(),
            session_timer: SessionTimer::default(),
            call_waiting: true,
            dtmf: DtmfMode::default(),
            record: RecordMethod::default(),
            record_permissions: RecordPermissions::default(),
            no_answer: Duration::from_secs(300),
            rtp_timeout: None,
            warn_silent_input: true,
            ice_servers: Vec::new(),
            ice_transport_policy: IceTransportPolicy::All,
        }
    }

    /// The server's WebSocket, `wss://host[:port][/path]` (or `ws://`, for a server on this machine or in a lab).
    pub fn server(mut self, url: impl Into<String>) -> Self {
        self.server = url.into();
        self
    }

    /// Our number or user name at the server.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// The password.
    pub fn password(mut self, password: impl Into<Secret>) -> Self {
        self.secret = Some(Proof::Password(password.into()));
        self
    }

    /// Instead of the password, `md5(user:realm:password)` in hexadecimal, for servers that hand out that. With `realm`, other
    /// realms' challenges are not answered.
    pub fn ha1(mut self, realm: Option<&str>, ha1: impl Into<Secret>) -> Self {
        self.secret = Some(Proof::Ha1 { realm: realm.map(str::to_owned), ha1: ha1.into() });
        self
    }

    /// The user name to authenticate with, where it is another than [`user`](Self::user).
    pub fn authorization_user(mut self, login: impl Into<String>) -> Self {
        self.login = Some(login.into());
        self
    }

    /// The domain of our address and of the numbers we call; default: the server's host.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Our name as others see it.
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// Trusts the certificates signed by these CAs (PEM), and no others.
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.host.ca_certificate = Some(pem.into());
        self
    }

    /// Trusts exactly the certificate with this SHA-256 fingerprint (hexadecimal, with or without colons).
    pub fn pin_certificate(mut self, sha256: impl Into<String>) -> Self {
        self.host.pin = Some(sha256.into());
        self
    }

    /// `User-Agent` of our requests.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = Some(name.into());
        self
    }

    /// What makes this device known again to the server, a URN such as `urn:uuid:…` (RFC 5626 §4.1).
    pub fn instance_id(mut self, urn: impl Into<String>) -> Self {
        self.instance = Some(urn.into());
        self
    }

    /// Discontinuous transmission: while nobody speaks, nothing is sent but comfort noise now and then; default: no.
    pub fn dtx(mut self, dtx: bool) -> Self {
        self.host.dtx = dtx;
        self
    }

    /// Codecs in order of preference; default: Opus, G.722, PCMU, PCMA.
    pub fn codecs(mut self, codecs: impl IntoIterator<Item = Codec>) -> Self {
        self.host.codecs = codecs.into_iter().collect();
        self
    }

    /// The local addresses that media uses; default: loopback for a server on this machine, else those of all interfaces.
    pub fn addresses(mut self, addresses: Addresses) -> Self {
        self.host.addresses = Some(addresses);
        self
    }

    /// How long making the connection may take, handshakes included; default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.host.connect_timeout = timeout;
        self
    }

    /// How lost connections and failed registrations are tried again.
    pub fn reconnect(mut self, policy: ReconnectPolicy) -> Self {
        self.reconnect = policy;
        self
    }

    /// How long a registration is asked for; default: 600 s.
    pub fn register_expires(mut self, expires: Duration) -> Self {
        self.register_expires = expires;
        self
    }

    /// How the connection is kept open; default: CRLF every 30 s (RFC 7118 §6).
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Session timers (RFC 4028); default: on, 1800 s.
    pub fn session_timer(mut self, timer: SessionTimer) -> Self {
        self.session_timer = timer;
        self
    }

    /// Whether a second call may come in while one is there; default: yes.
    pub fn call_waiting(mut self, allowed: bool) -> Self {
        self.call_waiting = allowed;
        self
    }

    /// How [`Session::start_record`](crate::Session::start_record) records; default: locally, a stereo WAV file in the working
    /// directory.
    pub fn record_method(mut self, method: RecordMethod) -> Self {
        self.record = method;
        self
    }

    /// What the user may do about recording; default: everything.
    pub fn record_permissions(mut self, permissions: RecordPermissions) -> Self {
        self.record_permissions = permissions;
        self
    }

    /// How DTMF is sent; default: telephone-events (RFC 4733).
    pub fn dtmf_mode(mut self, mode: DtmfMode) -> Self {
        self.dtmf = mode;
        self
    }

    /// How long a call may ring, either way; default: 300 s.
    pub fn no_answer_after(mut self, time: Duration) -> Self {
        self.no_answer = time;
        self
    }

    /// Ends a call in which the far end should send media and sent none for this long ([`Cause::RtpTimeout`]); it is
    /// noticed with the next report, every 3 s. Default: never.
    ///
    /// [`Cause::RtpTimeout`]: crate::Cause::RtpTimeout
    pub fn rtp_timeout(mut self, time: Duration) -> Self {
        self.rtp_timeout = Some(time);
        self
    }

    /// STUN and TURN servers of every call that does not name its own ([`CallOptions`](crate::CallOptions)), inbound and resumed
    /// ones too. Default: none, which does where server and phone see each other.
    pub fn ice_servers(mut self, servers: impl IntoIterator<Item = IceServer>) -> Self {
        self.ice_servers = servers.into_iter().collect();
        self
    }

    /// Which candidates may be used in any call; [`IceTransportPolicy::Relay`] shows nobody another address than the TURN
    /// server's. Default: all.
    pub fn ice_transport_policy(mut self, policy: IceTransportPolicy) -> Self {
        self.ice_transport_policy = policy;
        self
    }

    /// Whether a call that sends silence, or always the same sound, is warned of (`constant-audio-input-level`); default: yes.
    /// Switch it off for a bot that does so by intention. A muted or held call is never warned of.
    pub fn warn_silent_input(mut self, warn: bool) -> Self {
        self.warn_silent_input = warn;
        self
    }

    /// Sees every description before it is applied or sent, and may give another to use instead. It runs on the phone's task:
    /// return soon. A filter that panics has changed nothing.
    pub fn sdp_filter(mut self, filter: impl Fn(&SdpStep<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        self.host.sdp_filter = Some(SdpFilter::new(filter));
        self
    }

    /// The microphone and loudspeakers for its calls: a call that is given no source sends the microphone, one that is given
    /// no sink is heard from the loudspeaker, and the phone rings and plays the tones of a telephone: ringback while the far
    /// end rings and sends no sound of its own, busy, call waiting, and those of the keys in [`Session::dtmf`](crate::Session::dtmf).
    #[cfg(feature = "devices")]
    pub fn devices(mut self, devices: offhook_media::devices::AudioDevices) -> Self {
        self.host.devices = Some(devices);
        self
    }

    /// Makes the phone, without connecting: what subscribes now misses nothing.
    ///
    /// # Errors
    /// [`PhoneError::InvalidArgument`] says what cannot be used and how to write it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn build(self) -> Result<Phone, PhoneError> {
        let target = self.target()?;
        let core = Core::new(self.config()?);
        Ok(self.host.spawn(core, target, Instant::now(), None))
    }

    /// Makes the phone, connects and registers. Unlike [`Phone::connect`], a failure is the end: nothing is tried again.
    ///
    /// # Errors
    /// As [`build`](Self::build) and [`Phone::connect`].
    pub async fn connect(self) -> Result<Phone, PhoneError> {
        let phone = self.build()?;
        phone.connect().await?;
        Ok(phone)
    }

    pub(crate) fn target(&self) -> Result<Target, PhoneError> {
        Target::new(&self.server, self.host.trust()?, self.host.connect_timeout)
    }

    fn config(&self) -> Result<PhoneConfig, PhoneError> {
        if self.user.is_empty() {
            return Err(invalid("no user: call .user(\"1000\") on the builder"));
        }
        check_servers(&self.ice_servers, self.ice_transport_policy)?;
        let seed = seed().map_err(|error| invalid(&error))?;
        let mut config = PhoneConfig::new(&self.server, &self.user, self.domain.as_deref(), seed)
            .map_err(|error| invalid(&error.to_string()))?;
        if let Some(name) = &self.display_name {
            config.aor = config.aor.with_display(name);
        }
        let login = self.login.clone().unwrap_or_else(|| self.user.clone());
        config.credentials = self.secret.clone().map(|secret| match secret {
            Proof::Password(password) => Credentials::password(login, password),
            Proof::Ha1 { realm, ha1 } => Credentials::ha1(login, realm, ha1),
        });
        if let Some(user_agent) = &self.user_agent {
            config.user_agent.clone_from(user_agent);
        }
        config.instance.clone_from(&self.instance);
        config.register_expires_s = u32::try_from(self.register_expires.as_secs()).unwrap_or(u32::MAX);
        config.keep_alive = self.keep_alive;
        config.session_timer = self.session_timer;
        config.reconnect = self.reconnect;
        config.call_waiting = self.call_waiting;
        config.dtmf = self.dtmf;
        config.filter_sdp = self.host.sdp_filter.is_some();
        config.rtp_timeout_ms = self.rtp_timeout.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        config.ice_servers.clone_from(&self.ice_servers);
        config.ice_transport_policy = self.ice_transport_policy;
        config.warn_silent_input = self.warn_silent_input;
        config.record.clone_from(&self.record);
        config.record_permissions = self.record_permissions;
        config.no_answer_ms = u64::try_from(self.no_answer.as_millis()).unwrap_or(u64::MAX);
        Ok(config)
    }
}

fn invalid(detail: &str) -> PhoneError {
    PhoneError::InvalidArgument { detail: detail.to_owned() }
}
