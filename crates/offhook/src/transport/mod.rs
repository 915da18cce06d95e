//! The WebSocket to the server (RFC 7118): one task per connection.

mod target;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use offhook_core::{CloseReason, TransportError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message as Frame, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

pub(crate) use target::Target;
pub(crate) use tls::Trust;

use crate::actor::{FromTransport, Message};

/// Largest message taken, bytes: the SIP agent's own bound.
const MAX_MESSAGE: usize = 64 * 1024;
/// Read at once, bytes; a message may be longer.
const READ_BUFFER: usize = 8 * 1024;
/// Messages that may wait for a slow server.
const QUEUE: usize = 256;
/// For one message to leave: a server that does not read for so long is dead.
const SEND: Duration = Duration::from_secs(10);
/// For the closing handshake.
const CLOSE: Duration = Duration::from_secs(1);

/// A connection being made, open or closing. Dropping it cuts it.
#[derive(Debug)]
pub(crate) struct Transport {
    outgoing: Option<mpsc::Sender<Bytes>>,
    task: tokio::task::JoinHandle<()>,
    number: u64,
    messages: mpsc::UnboundedSender<Message>,
}

impl Transport {
    /// Begins to connect. It tells `messages` under `number` that it is connected, what it received, and last of all that it is
    /// closed.
    pub(crate) fn open(target: Arc<Target>, number: u64, messages: mpsc::UnboundedSender<Message>) -> Self {
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let sender = messages.clone();
        let task = tokio::spawn(async move {
            let reason = run(&target, number, &sender, queue).await;
            tell(&sender, number, FromTransport::Closed(reason));
        });
        Self { outgoing: Some(outgoing), task, number, messages }
    }

    /// Sends a message. A server that lets too many of them wait is given up.
    pub(crate) fn send(&mut self, data: Bytes) {
        let Some(outgoing) = &self.outgoing else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = outgoing.try_send(data) {
            self.outgoing = None;
            self.task.abort();
            tell(&self.messages, self.number, FromTransport::Closed(CloseReason::Failed(stalled())));
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
    number: u64,
    messages: &mpsc::UnboundedSender<Message>,
    mut outgoing: mpsc::Receiver<Bytes>,
) -> CloseReason {
    let connecting = tokio::time::timeout(target.timeout, connect(target));
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
    tell(messages, number, FromTransport::Connected { secure: target.is_secure() });
    match socket {
        Socket::Plain(socket) => pump(*socket, number, messages, outgoing).await,
        Socket::Tls(socket) => pump(*socket, number, messages, outgoing).await,
    }
}

enum Socket {
    Plain(Box<WebSocketStream<TcpStream>>),
    Tls(Box<WebSocketStream<tokio_rustls::client::TlsStream<TcpStream>>>),
}

async fn connect(target: &Target) -> Result<Socket, TransportError> {
    let tcp = target.connect_tcp().await?;
    if target.is_secure() {
        let tls = tls::connect(target, tcp).await?;
        Ok(Socket::Tls(Box::new(handshake(target, tls).await?)))
    } else {
        Ok(Socket::Plain(Box::new(handshake(target, tcp).await?)))
    }
}

async fn handshake<S>(target: &Target, stream: S) -> Result<WebSocketStream<S>, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let failed = |detail: String| TransportError::Handshake { address: target.address(), detail };
    let mut request: Request = target.url.as_str().into_client_request().map_err(|error| failed(error.to_string()))?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
    // SIP messages are small: the default buffer of 128 KiB would be most of what a phone takes.
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(failed(format!("it answered HTTP {}", response.status()))),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Carries messages both ways until one side closes.
async fn pump<S>(
    mut socket: WebSocketStream<S>,
    number: u64,
    messages: &mpsc::UnboundedSender<Message>,
    mut outgoing: mpsc::Receiver<Bytes>,
) -> CloseReason
where
    S: AsyncRead + AsyncWrite + Unpin,
{
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
            frame = socket.next() => match frame {
                Some(Ok(Frame::Text(text))) => {
                    tell(messages, number, FromTransport::Received(Bytes::from(text)));
                }
                Some(Ok(Frame::Binary(data))) => tell(messages, number, FromTransport::Received(data)),
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

async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) -> CloseReason {
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

fn tell(messages: &mpsc::UnboundedSender<Message>, number: u64, event: FromTransport) {
    // The phone's task may be gone.
    let _ = messages.send(Message::Transport(number, event));
}
