//! Connections to TURN servers over UDP, TCP and TLS: one task each, whole messages in and out.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{IceServer, LinkId, ServerKind};
use crate::error::TurnError;

/// How long a name may take to be resolved, and a connection to come up.
const CONNECT: Duration = Duration::from_secs(5);
/// Messages that may wait in either direction: above that the path is overloaded, and loss is what it must see.
const QUEUE: usize = 128;
/// Largest message taken: above any datagram in use, with TURN around it.
const MESSAGE: usize = 4_096;

/// What a connection tells.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// The addresses of a STUN server; empty: it has none.
    Resolved {
        server: usize,
        addresses: Vec<SocketAddr>,
    },
    Up {
        link: LinkId,
        stream: bool,
        local: SocketAddr,
        server: SocketAddr,
    },
    Message {
        link: LinkId,
        data: Vec<u8>,
    },
    /// It could not be made, or ended. The last of a connection.
    Down {
        link: LinkId,
        error: TurnError,
    },
}

/// Where the events of all connections of a peer go.
pub(crate) fn channel() -> (mpsc::Sender<LinkEvent>, mpsc::Receiver<LinkEvent>) {
    mpsc::channel(QUEUE)
}

/// Looks up a STUN server.
pub(crate) async fn resolve(server: usize, config: IceServer, events: mpsc::Sender<LinkEvent>) {
    let addresses = lookup(&config).await.unwrap_or_default();
    // The peer may be gone.
    let _ = events.send(LinkEvent::Resolved { server, addresses }).await;
}

/// Connects to a TURN server, from one of the local addresses `from` if it has any. It ends when the sender is dropped.
pub(crate) fn open(
    link: LinkId,
    config: IceServer,
    from: Vec<IpAddr>,
    roots: Arc<[Vec<u8>]>,
    events: mpsc::Sender<LinkEvent>,
) -> mpsc::Sender<Vec<u8>> {
    let (sender, messages) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let error = match run(link, &config, &from, &roots, &events, messages).await {
            Ok(()) => TurnError::Lost,
            Err(error) => error,
        };
        let _ = events.send(LinkEvent::Down { link, error }).await;
    });
    sender
}

async fn run(
    link: LinkId,
    config: &IceServer,
    from: &[IpAddr],
    roots: &[Vec<u8>],
    events: &mpsc::Sender<LinkEvent>,
    messages: mpsc::Receiver<Vec<u8>>,
) -> Result<(), TurnError> {
    let mut failure = TurnError::Unreachable("its name cannot be resolved".to_owned());
    for server in lookup(config).await? {
        let from = from.iter().find(|ip| ip.is_ipv4() == server.is_ipv4());
        let connected = connect(config, server, from.copied(), roots);
        match timeout(CONNECT, connected).await.unwrap_or(Err(unreachable("it does not answer"))) {
            Ok(Connection::Udp(socket)) => return datagrams(link, socket, server, events, messages).await,
            Ok(Connection::Tcp(tcp)) => {
                up(link, true, tcp.local_addr(), server, events).await?;
                return stream(link, tcp, events, messages).await;
            }
            Ok(Connection::Tls(tls)) => {
                up(link, true, tls.get_ref().0.local_addr(), server, events).await?;
                return stream(link, *tls, events, messages).await;
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

enum Connection {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn connect(
    config: &IceServer,
    server: SocketAddr,
    from: Option<IpAddr>,
    roots: &[Vec<u8>],
) -> Result<Connection, TurnError> {
    let any: IpAddr = if server.is_ipv4() { [0u8; 4].into() } else { [0u8; 16].into() };
    let from = SocketAddr::new(from.unwrap_or(any), 0);
    if config.kind == ServerKind::TurnUdp {
        let socket = UdpSocket::bind(from).await.map_err(unreachable)?;
        socket.connect(server).await.map_err(unreachable)?;
        return Ok(Connection::Udp(socket));
    }
    let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(unreachable)?;
    socket.bind(from).map_err(unreachable)?;
    let tcp = socket.connect(server).await.map_err(unreachable)?;
    // Speech does not wait for a fuller segment.
    tcp.set_nodelay(true).map_err(unreachable)?;
    if config.kind == ServerKind::TurnTcp {
        return Ok(Connection::Tcp(tcp));
    }
    let name = ServerName::try_from(config.host.clone()).map_err(|error| TurnError::Tls(error.to_string()))?;
    let tls = TlsConnector::from(tls_config(roots)?).connect(name, tcp).await;
    tls.map(|tls| Connection::Tls(Box::new(tls))).map_err(|error| TurnError::Tls(error.to_string()))
}

async fn datagrams(
    link: LinkId,
    socket: UdpSocket,
    server: SocketAddr,
    events: &mpsc::Sender<LinkEvent>,
    mut messages: mpsc::Receiver<Vec<u8>>,
) -> Result<(), TurnError> {
    up(link, false, socket.local_addr(), server, events).await?;
    let mut buffer = vec![0u8; MESSAGE];
    loop {
        tokio::select! {
            received = socket.recv(&mut buffer) => match received {
                Ok(length) => arrived(link, buffer.get(..length).unwrap_or_default(), events)?,
                // Nobody listens there, as ICMP says: what is sent again is an answer to that too.
                Err(error) => tracing::trace!(%error, "TURN over UDP"),
            },
            message = messages.recv() => match message {
                Some(message) => {
                    if let Err(error) = socket.send(&message).await {
                        tracing::trace!(%error, "TURN over UDP");
                    }
                }
                None => return Ok(()),
            },
        }
    }
}

async fn stream(
    link: LinkId,
    stream: impl AsyncRead + AsyncWrite,
    events: &mpsc::Sender<LinkEvent>,
    mut messages: mpsc::Receiver<Vec<u8>>,
) -> Result<(), TurnError> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let read = async {
        let mut buffer = Vec::with_capacity(2 * MESSAGE);
        loop {
            while let Some((whole, used)) = frame(&buffer)? {
                arrived(link, buffer.get(..whole).unwrap_or_default(), events)?;
                buffer.drain(..used);
            }
            match reader.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return Err::<(), _>(TurnError::Lost),
                Ok(_) => {}
            }
        }
    };
    let write = async {
        while let Some(mut message) = messages.recv().await {
            // RFC 8656 §12.5: over a stream, channel data is padded to four bytes, which its length does not count.
            message.resize(message.len().next_multiple_of(4), 0);
            if writer.write_all(&message).await.is_err() || writer.flush().await.is_err() {
                return Err(TurnError::Lost);
            }
        }
        // A server that does not take our goodbye is left all the same.
        let _ = timeout(Duration::from_secs(1), writer.shutdown()).await;
        Ok(())
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
    }
}

/// The length of the first message in a stream, and with its padding; none while it is not whole.
fn frame(buffer: &[u8]) -> Result<Option<(usize, usize)>, TurnError> {
    let Some(&[first, _, high, low]) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let (whole, used) = match first >> 6 {
        0 => (20 + length, 20 + length),
        1 => (4 + length, 4 + length.next_multiple_of(4)),
        _ => return Err(TurnError::Protocol),
    };
    if used > MESSAGE {
        return Err(TurnError::Protocol);
    }
    Ok((buffer.len() >= used).then_some((whole, used)))
}

async fn up(
    link: LinkId,
    stream: bool,
    local: std::io::Result<SocketAddr>,
    server: SocketAddr,
    events: &mpsc::Sender<LinkEvent>,
) -> Result<(), TurnError> {
    let local = local.map_err(unreachable)?;
    events.send(LinkEvent::Up { link, stream, local, server }).await.map_err(|_| TurnError::Lost)
}

fn arrived(link: LinkId, data: &[u8], events: &mpsc::Sender<LinkEvent>) -> Result<(), TurnError> {
    match events.try_send(LinkEvent::Message { link, data: data.to_vec() }) {
        // The peer's task is late: that is loss.
        Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
        Err(mpsc::error::TrySendError::Closed(_)) => Err(TurnError::Lost),
    }
}

async fn lookup(config: &IceServer) -> Result<Vec<SocketAddr>, TurnError> {
    let found = timeout(CONNECT, tokio::net::lookup_host((config.host.as_str(), config.port))).await;
    let found = found.map_err(|_| unreachable("its name is not resolved in time"))?.map_err(unreachable)?;
    let (four, six): (Vec<_>, Vec<_>) = found.partition(SocketAddr::is_ipv4);
    // One of each family is enough.
    Ok(four.into_iter().take(1).chain(six.into_iter().take(1)).collect())
}

fn unreachable(reason: impl ToString) -> TurnError {
    TurnError::Unreachable(reason.to_string())
}

/// Trusts the system's roots and these besides.
fn tls_config(more: &[Vec<u8>]) -> Result<Arc<ClientConfig>, TurnError> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let system = SYSTEM.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // Some systems hold certificates that do not parse; the others count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    });
    let mut roots = system.clone();
    for root in more {
        roots
            .add(CertificateDer::from(root.as_slice()))
            .map_err(|error| TurnError::Tls(format!("the CA certificate: {error}")))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TurnError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_into_messages_without_their_padding() {
        assert_eq!(frame(&[]), Ok(None));
        assert_eq!(frame(&[0x40, 0, 0, 3, 1, 2, 3]), Ok(None), "its padding has not come");
        assert_eq!(frame(&[0x40, 0, 0, 3, 1, 2, 3, 0, 9]), Ok(Some((7, 8))));
        let mut stun = vec![1, 1, 0, 4];
        stun.resize(24, 7);
        assert_eq!(frame(&stun[..23]), Ok(None));
        assert_eq!(frame(&stun), Ok(Some((24, 24))));
    }

    #[test]
    fn what_is_neither_stun_nor_channel_data_ends_the_connection() {
        assert_eq!(frame(b"HTTP/1.1 400"), Err(TurnError::Protocol));
        assert_eq!(frame(&[0x80, 0, 0, 0]), Err(TurnError::Protocol));
        assert_eq!(frame(&[0x40, 0, 0xff, 0xff]), Err(TurnError::Protocol));
    }
}
