//! The handle of a running PBX.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use offhook_sip::Secret;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::api::{Api, Kept, Running, Secrets};
use crate::builder::PbxBuilder;
use crate::config::PbxConfig;
use crate::core::{Core, ToCore};
use crate::directory::Directory;
use crate::error::PbxError;
use crate::events::{Load, PbxEvent, PbxEvents};
use crate::extension::Extension;
use crate::features::{Conference, FeatureCodes, RingGroup};
use crate::guesses::Guesses;
use crate::notice::Notices;
use crate::recordings;
use crate::server::{Files, Listener, Listeners, Shared};
use crate::service::Service;
use crate::site::Site;
use crate::store::{Store, StoreError};
use crate::tls::Identity;

/// Messages from the sockets that may wait for the core; above, the sockets are read no further.
const INBOX: usize = 1024;

/// For the database to finish what it has begun.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// Events kept for a slow receiver.
const EVENTS: usize = 1024;

/// A running PBX. Dropping it stops it at once; [`shutdown`](Self::shutdown) ends its calls first.
///
/// ```no_run
/// # async fn example() -> Result<(), offhook_pbx::PbxError> {
/// let pbx = offhook_pbx::Pbx::builder().start().await?;
/// println!("register 1000 with the password secret-1000 at {:?}", pbx.ws_url());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pbx {
    config: PbxConfig,
    identity: Identity,
    ws: Option<Listener>,
    wss: Option<Listener>,
    core: mpsc::Sender<ToCore>,
    task: Task,
    load: watch::Receiver<Load>,
    /// The core has the sender: when it is gone, nothing happens any more.
    events: broadcast::WeakSender<PbxEvent>,
    store: Store,
    api: Running,
}

impl Pbx {
    /// Sets one up: on 127.0.0.1, on free ports, with the extensions 1000 to 1009, unless told otherwise.
    pub fn builder() -> PbxBuilder {
        PbxBuilder::default()
    }

    pub(crate) async fn start(mut config: PbxConfig, site: Site) -> Result<Self, PbxError> {
        if Handle::try_current().is_err() {
            return Err(PbxError::NoRuntime);
        }
        let identity = Identity::open(config.data_dir.as_deref(), config.bind, &config.domain)?;
        if let Some(path) = config.recordings.clone() {
            let directory = path.clone();
            let probed = tokio::task::spawn_blocking(move || recordings::probe(&directory)).await;
            probed.unwrap_or_else(|error| Err(PbxError::Recordings { path, reason: error.to_string() }))?;
        }
        let (core_sender, inbox) = mpsc::channel(INBOX);
        let (load_sender, load) = watch::channel(Load::default());
        let (events, _) = broadcast::channel(EVENTS);

        let data_dir = config.data_dir.clone();
        let opened = tokio::task::spawn_blocking(move || Store::open(data_dir.as_deref())).await;
        let store = opened.unwrap_or(Err(StoreError::Stopped))?;
        let kept = Kept::read(&store).await?;
        let secrets = Secrets::open(&config, &kept)?;
        let notices = Notices::new();
        let directory = Directory::open(&config, store.clone(), core_sender.clone(), notices.clone()).await?;
        // What was changed in earlier runs counts.
        config.extensions = directory.now().extensions().cloned().collect();
        config.record_feature_code.clone_from(&directory.now().settings().record_feature_code);

        let guesses = Guesses::default();
        let api = Api::new(&config, secrets, kept, directory, core_sender.clone(), load.clone(), guesses.clone());
        let shared = Shared::new(core_sender.clone(), Arc::clone(&api), Files::new(site), config.limits.message_bytes);
        let handshake = Duration::from_millis(config.limits.handshake_ms);
        let listeners = Listeners::new(shared, config.limits.connections, handshake);
        let ws = match config.ws_port {
            Some(port) => Some(listeners.listen("ws", config.bind, port, None).await?),
            None => None,
        };
        let wss = match config.wss_port {
            Some(port) => {
                let tls = TlsAcceptor::from(identity.server_config());
                Some(listeners.listen("wss", config.bind, port, Some(tls)).await?)
            }
            None => None,
        };
        let heard = events.downgrade();
        let core = Core::new(&config, store.clone(), notices, events, load_sender, guesses)?;
        let task = Task(tokio::spawn(core.run(inbox)));
        Ok(Self { config, identity, ws, wss, core: core_sender, task, load, events: heard, store, api: Running(api) })
    }

    /// `ws://ADDRESS:PORT/ws`, unless switched off. Listening on all addresses it names loopback.
    #[must_use]
    pub fn ws_url(&self) -> Option<String> {
        Some(url("ws", self.ws.as_ref()?.address()))
    }

    /// `wss://ADDRESS:PORT/ws`, unless switched off. The certificate is [`certificate_pem`](Self::certificate_pem).
    #[must_use]
    pub fn wss_url(&self) -> Option<String> {
        Some(url("wss", self.wss.as_ref()?.address()))
    }

    /// `http://ADDRESS:PORT`, unless switched off: the `pbxURL` of clients on this machine.
    #[must_use]
    pub fn http_url(&self) -> Option<String> {
        Some(origin("http", self.ws.as_ref()?.address()))
    }

    /// `https://ADDRESS:PORT`, unless switched off: the `pbxURL` of clients.
    #[must_use]
    pub fn https_url(&self) -> Option<String> {
        Some(origin("https", self.wss.as_ref()?.address()))
    }

    /// The client id of the open API.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.config.pseries.client_id
    }

    /// The client secret of the open API: configured, built in, or made. One that was set at run time is kept as a hash only, and
    /// is not this. Do not log it.
    #[must_use]
    pub fn client_secret(&self) -> &Secret {
        &self.api.0.secrets().client_secret
    }

    /// The file of the client secret, when the PBX has made one.
    #[must_use]
    pub fn client_secret_file(&self) -> Option<&Path> {
        self.api.0.secrets().client_secret_file.as_deref()
    }

    /// The token of the admin API: configured, built in, or made. One that was set at run time is kept as a hash only, and is
    /// not this. Do not log it.
    #[must_use]
    pub fn admin_token(&self) -> &Secret {
        &self.api.0.secrets().admin_token
    }

    /// The file of the admin token, when the PBX has made one.
    #[must_use]
    pub fn admin_token_file(&self) -> Option<&Path> {
        self.api.0.secrets().admin_token_file.as_deref()
    }

    /// A login signature of an extension, good for an hour, as `/openapi/v1.0/sign/create` gives it; `None` when there is no
    /// such extension.
    #[must_use]
    pub fn login_signature(&self, extension: &str) -> Option<Secret> {
        self.api.0.login_signature(extension)
    }

    #[cfg(test)]
    pub(crate) fn api(&self) -> &Arc<Api> {
        &self.api.0
    }

    /// The address of the ws listener.
    #[must_use]
    pub fn ws_address(&self) -> Option<SocketAddr> {
        self.ws.as_ref().map(Listener::address)
    }

    /// The address of the wss listener.
    #[must_use]
    pub fn wss_address(&self) -> Option<SocketAddr> {
        self.wss.as_ref().map(Listener::address)
    }

    /// The certificate of wss, PEM: for clients that are given their own certification authority. Valid for `localhost`,
    /// 127.0.0.1, ::1, the domain and the address listened on.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        self.identity.pem()
    }

    /// SHA-256 of the certificate's DER: for clients that pin it.
    #[must_use]
    pub fn certificate_sha256(&self) -> [u8; 32] {
        self.identity.sha256()
    }

    /// The host of the addresses that the PBX writes.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.config.domain
    }

    /// The realm of digest authentication.
    #[must_use]
    pub fn realm(&self) -> &str {
        self.config.realm()
    }

    /// The extensions at the start: those of the configuration, with what was changed in earlier runs.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.config.extensions
    }

    /// The numbers to try things against, which it answers itself.
    #[must_use]
    pub fn services(&self) -> &'static [Service] {
        &Service::ALL
    }

    /// Its conference rooms.
    #[must_use]
    pub fn conferences(&self) -> Vec<Conference> {
        self.config.rooms()
    }

    /// Its ring groups.
    #[must_use]
    pub fn ring_groups(&self) -> &[RingGroup] {
        &self.config.ring_groups
    }

    /// What can be dialled in a call.
    #[must_use]
    pub fn feature_codes(&self) -> &FeatureCodes {
        &self.config.feature_codes
    }

    /// The digits that switch the recording of a call, as they were at the start; `None`: there is no place for recordings.
    #[must_use]
    pub fn record_feature_code(&self) -> Option<&str> {
        self.config.recordings.as_ref().map(|_| self.config.record_feature_code.as_str())
    }

    /// The number at which an extension hears its messages; `None`: there is no place for them.
    #[must_use]
    pub fn voicemail_number(&self) -> Option<&str> {
        self.config.data_dir.as_ref().map(|_| self.config.feature_codes.voicemail.as_str())
    }

    /// How much it holds at this moment.
    #[must_use]
    pub fn load(&self) -> Load {
        *self.load.borrow()
    }

    /// Waits until the load is as wanted, and gives it; `None` when the PBX stopped.
    pub async fn load_when(&self, wanted: impl FnMut(&Load) -> bool) -> Option<Load> {
        let mut load = self.load.clone();
        load.wait_for(wanted).await.ok().map(|load| *load)
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> PbxEvents {
        let over = || broadcast::channel(1).1;
        PbxEvents::new(self.events.upgrade().map_or_else(over, |events| events.subscribe()))
    }

    /// Ends all calls with BYE, closes all connections and stops. Takes at most two seconds.
    pub async fn shutdown(mut self) {
        // No new connections.
        self.ws = None;
        self.wss = None;
        let (done, stopped) = oneshot::channel();
        if self.core.send(ToCore::Shutdown { done }).await.is_ok() {
            // An error means that the core is gone already.
            let _ = stopped.await;
        }
        drop(self.task);
        // A disk that hangs must not keep the program from ending.
        if tokio::time::timeout(CLOSE_TIME, self.store.close()).await.is_err() {
            tracing::error!("the database takes too long to close");
        }
    }
}

/// A task that ends with its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn url(scheme: &str, address: SocketAddr) -> String {
    format!("{}/ws", origin(scheme, address))
}

fn origin(scheme: &str, mut address: SocketAddr) -> String {
    // Listening everywhere is no address to connect to.
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("{scheme}://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_can_be_connected_to() {
        let of = |address: &str| url("ws", address.parse().expect("an address"));
        assert_eq!(of("0.0.0.0:5066"), "ws://127.0.0.1:5066/ws");
        assert_eq!(of("[::]:5066"), "ws://[::1]:5066/ws");
        assert_eq!(of("192.0.2.7:5066"), "ws://192.0.2.7:5066/ws");
    }

    #[tokio::test]
    async fn when_the_core_has_died_the_events_are_over() {
        let pbx = Pbx::builder().wss_port(None).start().await.expect("started");
        let mut events = pbx.events();
        pbx.task.0.abort();
        let over = tokio::time::timeout(CLOSE_TIME, events.next()).await;
        assert_eq!(over, Ok(None));
        assert_eq!(pbx.events().next().await, None, "also for who asks later");
        pbx.shutdown().await;
    }
}
