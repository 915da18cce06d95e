//! One WebSocket connection.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use offhook_sip::ConnectionId;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::core::ToCore;
use crate::server::router::Link;

/// SIP messages that may wait for a slow client before its connection is dropped.
const QUEUE: usize = 256;

/// A client that was silent for so long is pinged (RFC 6455 §5.5.2) …
const PING_AFTER: Duration = Duration::from_secs(30);

/// … and one that was silent for so long is gone.
const SILENT_FOR: Duration = Duration::from_secs(75);

/// For the closing handshake.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// The core's end of a connection. Dropping it closes the connection after what waits is sent.
#[derive(Debug)]
pub(crate) struct ConnectionHandle {
    outbox: mpsc::Sender<Bytes>,
    kill: Arc<Notify>,
}

impl ConnectionHandle {
    /// Sends a message; a client that does not take what waits for it loses its connection.
    pub(crate) fn send(&self, data: Bytes) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.outbox.try_send(data) {
            tracing::warn!("a client is too slow: its connection is closed");
            self.kill.notify_one();
        }
    }
}

/// Carries messages both ways until either side ends it.
pub(crate) async fn run(
    socket: WebSocket,
    connection: ConnectionId,
    link: Link,
    only: Option<String>,
    core: mpsc::Sender<ToCore>,
) {
    let (outbox, queue) = mpsc::channel(QUEUE);
    let kill = Arc::new(Notify::new());
    let handle = ConnectionHandle { outbox, kill: Arc::clone(&kill) };
    let opened = ToCore::Opened { connection, secure: link.secure(), only, handle };
    if core.send(opened).await.is_err() {
        return;
    }
    tracing::debug!(?connection, peer = %link.peer(), secure = link.secure(), "connected");
    let (sink, stream) = socket.split();
    let (pings, ping_requests) = mpsc::channel(1);
    let why = tokio::select! {
        why = read(stream, connection, &core, pings) => why,
        why = write(sink, queue, ping_requests) => why,
        () = kill.notified() => "too slow",
    };
    tracing::debug!(?connection, why, "disconnected");
    // The core may be gone before its connections.
    let _ = core.send(ToCore::Closed { connection }).await;
}

async fn read(
    mut stream: SplitStream<WebSocket>,
    connection: ConnectionId,
    core: &mpsc::Sender<ToCore>,
    pings: mpsc::Sender<()>,
) -> &'static str {
    let mut heard = Instant::now();
    loop {
        let message = match tokio::time::timeout(PING_AFTER, stream.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => {
                tracing::debug!(?connection, %error, "connection failed");
                return "failed";
            }
            Ok(None) => return "closed by the client",
            Err(_) if heard.elapsed() >= SILENT_FOR => return "silent",
            Err(_) => {
                // One that still waits to be sent will do.
                let _ = pings.try_send(());
                continue;
            }
        };
        heard = Instant::now();
        let data = match message {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(data) => data,
            Message::Close(_) => return "closed by the client",
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        if core.send(ToCore::Received { connection, data }).await.is_err() {
            return "the PBX stopped";
        }
    }
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Bytes>,
    mut pings: mpsc::Receiver<()>,
) -> &'static str {
    loop {
        let message = tokio::select! {
            data = queue.recv() => match data {
                Some(data) => match Utf8Bytes::try_from(data.clone()) {
                    Ok(text) => Message::Text(text),
                    Err(_) => Message::Binary(data),
                },
                None => break,
            },
            Some(()) = pings.recv() => Message::Ping(Bytes::new()),
        };
        if sink.send(message).await.is_err() {
            return "failed";
        }
    }
    let goodbye = Message::Close(Some(CloseFrame { code: close_code::AWAY, reason: Utf8Bytes::from_static("") }));
    let _ = tokio::time::timeout(CLOSE_TIME, sink.send(goodbye)).await;
    "closed by the PBX"
}
