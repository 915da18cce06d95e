//! Listening, TLS, and HTTP/1.1 on what was accepted.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::core::ToCore;
use crate::error::PbxError;
use crate::server::router::{Link, Shared, router};

/// The largest request head taken, bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Connections that may wait to be accepted: all phones come at once after a restart, and a SYN that finds no room is
/// sent again only a second later. The system may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// After accept failed (out of file descriptors), how long until the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// While all places are taken, how often the core is asked to make room.
const ROOM_PAUSE: Duration = Duration::from_secs(1);

/// What both listeners share.
pub(crate) struct Listeners {
    core: mpsc::Sender<ToCore>,
    router: Router,
    permits: Arc<Semaphore>,
    handshake: Duration,
}

impl Listeners {
    pub(crate) fn new(shared: Shared, connections: usize, handshake: Duration) -> Self {
        Self { core: shared.core(), router: router(shared), permits: Arc::new(Semaphore::new(connections)), handshake }
    }

    /// Binds, and serves until the result is dropped.
    pub(crate) async fn listen(
        &self,
        name: &'static str,
        bind: IpAddr,
        port: u16,
        tls: Option<TlsAcceptor>,
    ) -> Result<Listener, PbxError> {
        let address = SocketAddr::new(bind, port);
        let failed = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::AddrInUse => PbxError::PortInUse { listener: name, address },
            _ => PbxError::Listen { listener: name, address, reason: e.to_string() },
        };
        let socket = listening(address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let acceptor = Acceptor {
            name,
            core: self.core.clone(),
            tls,
            router: self.router.clone(),
            permits: Arc::clone(&self.permits),
            handshake: self.handshake,
        };
        Ok(Listener { address, task: tokio::spawn(acceptor.run(socket)) })
    }
}

/// As `TcpListener::bind`, which allows 128 to wait.
fn listening(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Elsewhere than on Unix this means that others may take the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A socket that is served while this lives.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener {
    /// The address it really has.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Acceptor {
    name: &'static str,
    core: mpsc::Sender<ToCore>,
    tls: Option<TlsAcceptor>,
    router: Router,
    permits: Arc<Semaphore>,
    handshake: Duration,
}

impl Acceptor {
    async fn run(self, socket: TcpListener) {
        // Dropped with this future, and with it all that are still shaking hands.
        let mut serving = JoinSet::new();
        let mut asked: Option<Instant> = None;
        loop {
            let (stream, peer) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(listener = self.name, %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            while serving.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
                tracing::warn!(listener = self.name, %peer, "too many connections: closed");
                // Who tries again may find a place then.
                if asked.is_none_or(|asked| asked.elapsed() >= ROOM_PAUSE) {
                    asked = Some(Instant::now());
                    // A core that has no time for it is asked by the next.
                    let _ = self.core.try_send(ToCore::MakeRoom);
                }
                continue;
            };
            let link = Link::new(peer, self.tls.is_some(), permit);
            serving.spawn(self.clone().serve(stream, link));
        }
    }

    async fn serve(self, stream: TcpStream, link: Link) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        match self.tls.clone() {
            None => self.http(stream, link).await,
            Some(tls) => match tokio::time::timeout(self.handshake, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.http(stream, link).await,
                Ok(Err(error)) => tracing::debug!(peer = %link.peer(), %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(peer = %link.peer(), "TLS handshake timed out"),
            },
        }
    }

    async fn http(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, link: Link) {
        let router = self.router;
        let peer = link.peer();
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(link.clone());
            router.clone().call(request)
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.handshake)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
        if let Err(error) = served {
            tracing::debug!(%peer, %error, "HTTP connection ended");
        }
    }
}
