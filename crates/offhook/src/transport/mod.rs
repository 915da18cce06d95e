//! WebSockets to the server, for SIP (RFC 7118) and for the P-Series subscription: one task per connection.

mod dial;
mod target;
mod tls;
mod x509;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use offhook_core::{CloseReason, TransportError};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message as Frame, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

pub(crate) use target::{Stream, Target};
pub(crate) use tls::Trust;
pub(crate) use x509::not_after;

use crate::actor::{FromTransport, Message, Told};

/// Largest message taken, bytes: the SIP agent's own bound, and far more than the PBX tells at once.
const MAX_MESSAGE: usize = 64 * 1024;
/// Read at once, bytes; a message may be longer.
const READ_BUFFER: usize = 8 * 1024;
/// Waiting to be written, bytes: more than one message only if pongs wait for a server that does not read.
const MOST_WAITING: usize = 4 * MAX_MESSAGE;
/// Messages that may wait for a slow server.
const QUEUE: usize = 256;
/// For one message to leave: a server that does not read for so long is dead.
const SEND: Duration = Duration::from_secs(10);
/// For the closing handshake.
const CLOSE: Duration = Duration::from_secs(1);

/// Which connection: what is spoken on it, and the how-manieth of its kind it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// SIP, one message per frame.
    Sip(u64),
    /// What the PBX tells, as JSON.
    Subscription(u64),
}

/// A connection being made, open or closing. Dropping it cuts it.
#[derive(Debug)]
pub(crate) struct Transport {
    outgoing: Option<mpsc::Sender<Bytes>>,
    task: tokio::task::JoinHandle<()>,
    line: Line,
    messages: mpsc::UnboundedSender<Message>,
}

impl Transport {
    /// Begins to connect. It tells `told` as `line` that it is connected, what it received, and last of all that it is closed; it
    /// reads on only as there is room. If it is given up, `messages` is told.
    pub(crate) fn open(
        target: Arc<Target>,
        line: Line,
        told: mpsc::Sender<Told>,
        messages: mpsc::UnboundedSender<Message>,
    ) -> Self {
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let task = tokio::spawn(async move {
            let mut status = None;
            let reason = run(&target, line, &told, queue, &mut status).await;
            tell(&told, line, FromTransport::Closed { status, reason }).await;
        });
        Self { outgoing: Some(outgoing), task, line, messages }
    }

    /// Sends a message. A server that lets too many of them wait is given up.
    pub(crate) fn send(&mut self, data: Bytes) {
        let Some(outgoing) = &self.outgoing else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = outgoing.try_send(data) {
            self.outgoing = None;
            self.task.abort();
            let reason = CloseReason::Failed(stalled());
            let closed = FromTransport::Closed { status: None, reason };
            // The phone's own task is here: it cannot wait for itself.
            let _ = self.messages.send(Message::Transport(self.line, closed));
        }
    }

    /// Begins to close, after what was sent.
    pub(crate) fn close(&mut self) {
        self.outgoing = None;
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    target: &Target,
    line: Line,
    told: &mpsc::Sender<Told>,
    mut outgoing: mpsc::Receiver<Bytes>,
    status: &mut Option<u16>,
) -> CloseReason {
    let connecting = tokio::time::timeout(target.timeout, connect(target, line, status));
    let mut connecting = std::pin::pin!(connecting);
    let socket = loop {
        tokio::select! {
            connected = &mut connecting => match connected {
                Ok(Ok(socket)) => break socket,
                Ok(Err(error)) => return CloseReason::Failed(error),
                Err(_) => {
                    let after_ms = u64::try_from(target.timeout.as_millis()).unwrap_or(u64::MAX);
                    return CloseReason::Failed(TransportError::Timeout { address: target.address(), after_ms });
                }
            },
            // Nothing is sent before it is open, so this is the closing.
            message = outgoing.recv() => if message.is_none() { return CloseReason::Local },
        }
    };
    let local = socket.get_ref().local();
    tell(told, line, FromTransport::Connected { secure: target.is_secure(), local }).await;
    let mut received = None;
    let reason = pump(socket, line, told, outgoing, &mut received).await;
    if let Some(data) = received {
        tell(told, line, FromTransport::Received(data)).await;
    }
    reason
}

/// `status`: of an answer that is no handshake.
async fn connect(
    target: &Target,
    line: Line,
    status: &mut Option<u16>,
) -> Result<WebSocketStream<Stream>, TransportError> {
    let stream = target.connect().await?;
    handshake(target, stream, line, status).await
}

/// TLS for the eyes of a diagnosis: with the server's certificate, DER.
pub(crate) async fn secure(target: &Target, tcp: TcpStream) -> Result<(Stream, Option<Vec<u8>>), TransportError> {
    let stream = tls::connect(target, tcp).await?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let certificate = certificates.first().map(|certificate| certificate.to_vec());
    Ok((Box::new(stream), certificate))
}

/// A SIP WebSocket that is closed again.
pub(crate) async fn upgrade(target: &Target, stream: Stream) -> Result<(), TransportError> {
    let socket = handshake(target, stream, Line::Sip(0), &mut None).await?;
    close(socket).await;
    Ok(())
}

async fn handshake(
    target: &Target,
    stream: Stream,
    line: Line,
    status: &mut Option<u16>,
) -> Result<WebSocketStream<Stream>, TransportError> {
    let failed = |detail: String| TransportError::Handshake { address: target.address(), detail };
    let mut request: Request = target.url.expose().into_client_request().map_err(|error| failed(error.to_string()))?;
    if let Line::Sip(_) = line {
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
    }
    // Messages are small: the default buffer of 128 KiB would be most of what a phone takes.
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MOST_WAITING)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => {
            *status = Some(response.status().as_u16());
            Err(failed(format!("it answered HTTP {}, so the path may be wrong", response.status())))
        }
        Err(error) if !target.is_secure() && is_no_http(&error) => {
            Err(failed(format!("it does not speak HTTP ({error}), so it may be a wss:// server")))
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Whether what came instead of an answer is not even HTTP: a server of TLS answers with an alert, or hangs up.
fn is_no_http(error: &tungstenite::Error) -> bool {
    use tungstenite::error::ProtocolError::{HandshakeIncomplete, HttparseError};
    matches!(error, tungstenite::Error::Io(_) | tungstenite::Error::Protocol(HandshakeIncomplete | HttparseError(_)))
}

/// Carries messages both ways until one side closes. `received`: what waits until there is room for it. Until then nothing more is
/// read, so that a server that sends too fast is held back by TCP; what is to be sent is sent meanwhile.
async fn pump(
    mut socket: WebSocketStream<Stream>,
    line: Line,
    told: &mpsc::Sender<Told>,
    mut outgoing: mpsc::Receiver<Bytes>,
    received: &mut Option<Bytes>,
) -> CloseReason {
    loop {
        tokio::select! {
            biased;
            message = outgoing.recv() => {
                let Some(data) = message else { return close(socket).await };
                // The core sends UTF-8 only.
                let Ok(text) = Utf8Bytes::try_from(data) else { continue };
                match tokio::time::timeout(SEND, socket.send(Frame::Text(text))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return lost(&error),
                    Err(_) => return CloseReason::Failed(stalled()),
                }
            }
            room = told.reserve(), if received.is_some() => {
                // The phone's task is gone.
                let Ok(room) = room else { return CloseReason::Local };
                if let Some(data) = received.take() {
                    room.send((line, FromTransport::Received(data)));
                }
            }
            frame = socket.next(), if received.is_none() => match frame {
                Some(Ok(Frame::Text(text))) => *received = Some(Bytes::from(text)),
                Some(Ok(Frame::Binary(data))) => *received = Some(data),
                Some(Ok(Frame::Close(frame))) => {
                    // Completes the handshake; the server may be gone already.
                    let _ = tokio::time::timeout(CLOSE, socket.close(None)).await;
                    return CloseReason::Remote { code: frame.map(|frame| frame.code.into()) };
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return lost(&error),
                None => return CloseReason::Remote { code: None },
            },
        }
    }
}

async fn close(mut socket: WebSocketStream<Stream>) -> CloseReason {
    let closing = async {
        // Errors mean that it is closed already.
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _ = tokio::time::timeout(CLOSE, closing).await;
    CloseReason::Local
}

fn lost(error: &tungstenite::Error) -> CloseReason {
    CloseReason::Failed(TransportError::Lost { detail: error.to_string() })
}

fn stalled() -> TransportError {
    TransportError::Lost { detail: "the server does not read what is sent to it".to_owned() }
}

async fn tell(told: &mpsc::Sender<Told>, line: Line, event: FromTransport) {
    // The phone's task may be gone.
    let _ = told.send((line, event)).await;
}
