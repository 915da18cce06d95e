//! One WebSocket connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// … and their bytes: with so many waiting, one more message ends it.
const MOST_WAITING: usize = 1024 * 1024;

/// A client that does not take what it is sent for so long loses its connection.
const SEND_TIME: Duration = Duration::from_secs(10);

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
    /// Bytes in the outbox.
    waiting: Arc<AtomicUsize>,
    kill: Arc<Notify>,
}

impl ConnectionHandle {
    /// Sends a message; a client that does not take what waits for it loses its connection.
    pub(crate) fn send(&self, data: Bytes) {
        let length = data.len();
        let is_full = self.waiting.fetch_add(length, Ordering::Relaxed) >= MOST_WAITING;
        let sent = if is_full { Err(mpsc::error::TrySendError::Full(data)) } else { self.outbox.try_send(data) };
        if sent.is_err() {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = sent {
            tracing::warn!("a client is too slow: its connection is closed");
            self.kill.notify_one();
        }
    }
}

/// The connection's end of it.
struct Queue {
    outbox: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
    kill: Arc<Notify>,
}

fn queue() -> (ConnectionHandle, Queue) {
    let (sender, outbox) = mpsc::channel(QUEUE);
    let (waiting, kill) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let handle = ConnectionHandle { outbox: sender, waiting: Arc::clone(&waiting), kill: Arc::clone(&kill) };
    (handle, Queue { outbox, waiting, kill })
}

/// What the reading side wants written.
enum Upkeep {
    /// A ping.
    Ping,
    /// The pong of a ping that came: a client that does not take it is as slow as one that does not take a message.
    Pong,
}

/// Carries messages both ways until either side ends it.
pub(crate) async fn run(
    socket: WebSocket,
    connection: ConnectionId,
    link: Link,
    only: Option<String>,
    core: mpsc::Sender<ToCore>,
) {
    let (handle, queue) = queue();
    let kill = Arc::clone(&queue.kill);
    let opened = ToCore::Opened { connection, peer: link.peer().ip(), secure: link.secure(), only, handle };
    if core.send(opened).await.is_err() {
        return;
    }
    tracing::debug!(?connection, peer = %link.peer(), secure = link.secure(), "connected");
    let (sink, stream) = socket.split();
    let (upkeep, wanted) = mpsc::channel(1);
    let why = tokio::select! {
        why = read(stream, connection, &core, upkeep) => why,
        why = write(sink, queue, wanted) => why,
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
    upkeep: mpsc::Sender<Upkeep>,
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
                let _ = upkeep.try_send(Upkeep::Ping);
                continue;
            }
        };
        heard = Instant::now();
        let data = match message {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(data) => data,
            Message::Close(_) => return "closed by the client",
            Message::Ping(_) => {
                // The WebSocket has it ready; what waits to be written takes it along.
                let _ = upkeep.try_send(Upkeep::Pong);
                continue;
            }
            Message::Pong(_) => continue,
        };
        if core.send(ToCore::Received { connection, data }).await.is_err() {
            return "the PBX stopped";
        }
    }
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: Queue,
    mut wanted: mpsc::Receiver<Upkeep>,
) -> &'static str {
    loop {
        let (message, length) = tokio::select! {
            data = queue.outbox.recv() => match data {
                Some(data) => (Some(framed(data.clone())), data.len()),
                None => break,
            },
            Some(upkeep) = wanted.recv() => match upkeep {
                Upkeep::Ping => (Some(Message::Ping(Bytes::new())), 0),
                Upkeep::Pong => (None, 0),
            },
        };
        let writing = async {
            match message {
                Some(message) => sink.send(message).await,
                None => sink.flush().await,
            }
        };
        match tokio::time::timeout(SEND_TIME, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return "failed",
            Err(_) => return "too slow",
        }
        queue.waiting.fetch_sub(length, Ordering::Relaxed);
    }
    let goodbye = Message::Close(Some(CloseFrame { code: close_code::AWAY, reason: Utf8Bytes::from_static("") }));
    let _ = tokio::time::timeout(CLOSE_TIME, sink.send(goodbye)).await;
    "closed by the PBX"
}

fn framed(data: Bytes) -> Message {
    match Utf8Bytes::try_from(data.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(data),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_waits_for_a_client_is_bounded_in_bytes() {
        const MESSAGE: usize = 64 * 1024;
        let (handle, mut queue) = queue();
        for _ in 0..MOST_WAITING / MESSAGE {
            handle.send(Bytes::from_static(&[0; MESSAGE]));
        }
        assert!(queue.kill.notified().now_or_never().is_none(), "as much may wait");
        handle.send(Bytes::from_static(b"one more"));
        assert!(queue.kill.notified().now_or_never().is_some(), "the connection goes on");
        let mut waiting = 0;
        while let Ok(data) = queue.outbox.try_recv() {
            waiting += data.len();
        }
        assert_eq!(waiting, MOST_WAITING);
        assert_eq!(queue.waiting.load(Ordering::Relaxed), MOST_WAITING, "what was not taken counts");
    }
}
