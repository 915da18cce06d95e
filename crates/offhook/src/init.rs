//! Logging in to a P-Series PBX, and the phone and the operator that come of it.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use offhook_core::pbx::{ClientKind, InitParams as CoreParams, LoggedIn, Login, LoginOutput, PbxError};
use offhook_core::{Driven, DtmfMode, Phone as Core, PhoneError, RecordMethod, Secret};
use offhook_media::{Addresses, Codec};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::actor::{PbxLink, millis, now};
use crate::filter::{SdpFilter, SdpStep};
use crate::host::{Host, seed};
use crate::http::Client;
use crate::operator::{Operator, PbxOperator};
use crate::transport::Target;

/// Logs in to a P-Series PBX: [`Init`] with nothing but the parameters.
///
/// # Errors
/// As [`Init::connect`].
///
/// # Panics
/// Outside a tokio runtime.
pub async fn init(params: InitParams) -> Result<Operator, PbxError> {
    Init::from(params).connect().await
}

/// What one logs in with; see [`init`].
#[derive(Debug, Clone)]
pub struct InitParams {
    /// User name at the PBX.
    pub username: String,
    /// The login signature. A program's backend gets it from the PBX's open API (`/openapi/v1.0/sign/create`).
    pub secret: Secret,
    /// `https://host[:port]`; `http` only for a PBX on this machine.
    pub pbx_url: String,
    /// Whether this SDK's own log goes to the PBX too; default: yes.
    pub enable_log: bool,
    /// How often in a row the phone tries to register before it gives up; default: no limit.
    pub re_registry_phone_times: Option<u32>,
    /// As which kind of client; default: `WebClient`.
    pub user_agent: ClientKind,
    /// One call at a time, whatever the PBX says of call waiting; default: no.
    pub disable_call_waiting: bool,
}

impl InitParams {
    /// Those that are needed.
    pub fn new(pbx_url: impl Into<String>, username: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self {
            username: username.into(),
            secret: secret.into(),
            pbx_url: pbx_url.into(),
            enable_log: true,
            re_registry_phone_times: None,
            user_agent: ClientKind::default(),
            disable_call_waiting: false,
        }
    }
}

/// Logs in to a P-Series PBX: its parameters, and what a native program can choose besides.
///
/// ```no_run
/// # async fn example(signature: String) -> Result<(), Box<dyn std::error::Error>> {
/// use offhook::{Init, Operator};
///
/// let Operator { phone, pbx } = Init::new("https://pbx.example.com", "ann@example.com", signature).connect().await?;
/// phone.connect().await?;
/// println!("{} is registered", pbx.extension_number());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing until connect()"]
pub struct Init {
    params: InitParams,
    host: Host,
    dtmf: Option<DtmfMode>,
    record: Option<RecordMethod>,
    rtp_timeout: Option<Duration>,
    warn_silent_input: bool,
}

impl From<InitParams> for Init {
    fn from(params: InitParams) -> Self {
        Self { params, host: Host::default(), dtmf: None, record: None, rtp_timeout: None, warn_silent_input: true }
    }
}

impl Init {
    /// The parameters that are needed: `https://host[:port]`, user name, login signature.
    pub fn new(pbx_url: impl Into<String>, username: impl Into<String>, secret: impl Into<Secret>) -> Self {
        InitParams::new(pbx_url, username, secret).into()
    }

    /// Whether this SDK's own log goes to the PBX too; default: yes.
    pub fn enable_log(mut self, enable: bool) -> Self {
        self.params.enable_log = enable;
        self
    }

    /// How often in a row the phone tries to register before it gives up; default: no limit.
    pub fn re_registry_phone_times(mut self, times: u32) -> Self {
        self.params.re_registry_phone_times = Some(times);
        self
    }

    /// As which kind of client; default: `WebClient`.
    pub fn user_agent(mut self, client: ClientKind) -> Self {
        self.params.user_agent = client;
        self
    }

    /// One call at a time, whatever the PBX says of call waiting.
    pub fn disable_call_waiting(mut self) -> Self {
        self.params.disable_call_waiting = true;
        self
    }

    /// As [`PhoneBuilder::devices`](crate::PhoneBuilder::devices).
    #[cfg(feature = "devices")]
    pub fn devices(mut self, devices: offhook_media::devices::AudioDevices) -> Self {
        self.host.devices = Some(devices);
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

    /// The local addresses that media uses; default: loopback for a PBX on this machine, else those of all interfaces.
    pub fn addresses(mut self, addresses: Addresses) -> Self {
        self.host.addresses = Some(addresses);
        self
    }

    /// How long making a WebSocket connection may take, handshakes included; default: 10 s. Requests of the API have deadlines of
    /// their own.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.host.connect_timeout = timeout;
        self
    }

    /// How DTMF is sent; default: telephone-events (RFC 4733).
    pub fn dtmf_mode(mut self, mode: DtmfMode) -> Self {
        self.dtmf = Some(mode);
        self
    }

    /// How [`Session::start_record`](crate::Session::start_record) records; default: at the PBX, with its feature code.
    pub fn record_method(mut self, method: RecordMethod) -> Self {
        self.record = Some(method);
        self
    }

    /// As [`PhoneBuilder::rtp_timeout`](crate::PhoneBuilder::rtp_timeout).
    pub fn rtp_timeout(mut self, time: Duration) -> Self {
        self.rtp_timeout = Some(time);
        self
    }

    /// As [`PhoneBuilder::warn_silent_input`](crate::PhoneBuilder::warn_silent_input).
    pub fn warn_silent_input(mut self, warn: bool) -> Self {
        self.warn_silent_input = warn;
        self
    }

    /// As [`PhoneBuilder::sdp_filter`](crate::PhoneBuilder::sdp_filter).
    pub fn sdp_filter(mut self, filter: impl Fn(&SdpStep<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        self.host.sdp_filter = Some(SdpFilter::new(filter));
        self
    }

    /// Checks the URL, logs in, reads the settings, begins to subscribe to what the PBX tells, and makes the phone, which is not
    /// started. Dropping the future gives back in the background what the PBX gave.
    ///
    /// # Errors
    /// Every [`PbxError`] says whose fault it is and what to do; [`PbxError::code`] is its number.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn connect(self) -> Result<Operator, PbxError> {
        let seed = seed().map_err(|detail| PbxError::InvalidArgument { detail })?;
        let mut params = CoreParams::new(self.params.username, self.params.secret, self.params.pbx_url, seed);
        params.enable_log = Some(self.params.enable_log);
        params.re_registry_phone_times = self.params.re_registry_phone_times;
        params.user_agent = self.params.user_agent;
        params.disable_call_waiting = self.params.disable_call_waiting;

        let epoch = Instant::now();
        let login = Login::new(now(epoch), params)?;
        let unusable = |error: PhoneError| PbxError::InvalidArgument { detail: error.to_string() };
        let trust = self.host.trust().map_err(unusable)?;
        let target = Target::http(&login.base(), trust.clone(), self.host.connect_timeout).map_err(unusable)?;
        let http = Client::new(target).map_err(|failure| PbxError::Network { request: "getproduct", failure })?;

        let (wanted, unwanted) = oneshot::channel::<()>();
        let login = tokio::spawn(log_in(login, http.clone(), epoch, unwanted));
        let mut logged_in = login.await.unwrap_or(Err(PbxError::Destroyed))?;
        drop(wanted);

        let config = logged_in.config_mut();
        config.filter_sdp = self.host.sdp_filter.is_some();
        config.rtp_timeout_ms = self.rtp_timeout.map(millis);
        config.warn_silent_input = self.warn_silent_input;
        if let Some(mode) = self.dtmf {
            config.dtmf = mode;
        }
        if let Some(method) = self.record {
            config.record = method;
        }
        let target = Target::new(&logged_in.sip_url(), trust.clone(), self.host.connect_timeout);
        let target = target.map_err(|error| PbxError::Registry { detail: error.to_string() })?;
        let link = PbxLink::new(http, trust, self.host.connect_timeout);
        let phone = self.host.spawn(Core::with_pbx(*logged_in), target, epoch, Some(link));
        let pbx = PbxOperator::new(&phone).ok_or(PbxError::Destroyed)?;
        Ok(Operator { phone, pbx })
    }
}

/// Carries out what the login wants. When nobody waits for it any more, what was given is given back.
async fn log_in(
    login: Login,
    http: Client,
    epoch: Instant,
    mut unwanted: oneshot::Receiver<()>,
) -> Result<Box<LoggedIn>, PbxError> {
    let mut login = Driven::new(login);
    let mut requests = FuturesUnordered::new();
    let mut deadline = epoch;
    let mut cancelled = false;
    let mut outputs = Vec::new();
    login.turn(|_| (), |output| outputs.push(output));
    loop {
        for output in outputs.drain(..) {
            match output {
                LoginOutput::Http { id, request } => {
                    let answer = http.send(request);
                    requests.push(async move { (id, answer.await) });
                }
                LoginOutput::Done(result) => return result,
                LoginOutput::Timeout(at) => deadline = epoch + Duration::from_millis(at),
                _ => {}
            }
        }
        tokio::select! {
            Some((id, result)) = requests.next() => {
                login.turn(|login| login.handle_http(now(epoch), id, result), |output| outputs.push(output));
            }
            () = tokio::time::sleep_until(deadline) => {
                login.turn(|login| login.handle_timeout(now(epoch)), |output| outputs.push(output));
            }
            _ = &mut unwanted, if !cancelled => {
                cancelled = true;
                login.turn(|login| login.cancel(now(epoch)), |output| outputs.push(output));
            }
        }
    }
}
