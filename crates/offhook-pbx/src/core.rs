//! The task that owns the SIP agent.

use axum::body::Bytes;
use offhook_sip::ConnectionId;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::config::PbxConfig;
use crate::error::PbxError;
use crate::events::{Load, PbxEvent};
use crate::server::ConnectionHandle;

/// What the core is told.
#[derive(Debug)]
pub(crate) enum ToCore {
    /// A WebSocket is open.
    Opened { connection: ConnectionId, secure: bool, handle: ConnectionHandle },
    /// A message came.
    Received { connection: ConnectionId, data: Bytes },
    /// A WebSocket is gone.
    Closed { connection: ConnectionId },
    /// End all calls and stop.
    Shutdown { done: oneshot::Sender<()> },
}

pub(crate) struct Core;
impl Core {
    pub(crate) fn new(_: &PbxConfig, _: broadcast::Sender<PbxEvent>, _: watch::Sender<Load>) -> Result<Self, PbxError> {
        Ok(Self)
    }
    pub(crate) async fn run(self, mut inbox: mpsc::Receiver<ToCore>) {
        while let Some(message) = inbox.recv().await {
            match message {
                ToCore::Shutdown { done } => {
                    let _ = done.send(());
                    return;
                }
                ToCore::Opened { connection, secure, handle } => {
                    handle.send(Bytes::new());
                    tracing::trace!(?connection, secure);
                }
                ToCore::Received { connection, data } => tracing::trace!(?connection, len = data.len()),
                ToCore::Closed { connection } => tracing::trace!(?connection),
            }
        }
    }
}
