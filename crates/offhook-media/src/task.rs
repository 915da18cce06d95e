//! The tokio task around the core.

use tokio::sync::mpsc;

use crate::config::PeerConfig;
use crate::error::MediaError;
use crate::event::{PeerEvent, PeerEvents};
use crate::peer::Command;
use crate::relay::{self, RelaySender};

pub(crate) fn spawn(
    _config: PeerConfig,
) -> Result<(mpsc::UnboundedSender<Command>, RelaySender, PeerEvents), MediaError> {
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| MediaError::NoRuntime)?;
    let (commands, mut inbox) = mpsc::unbounded_channel();
    let (relay_sender, _relay) = relay::channel();
    let (_events, receiver) = mpsc::channel::<PeerEvent>(256);
    runtime.spawn(async move { while inbox.recv().await.is_some() {} });
    Ok((
        commands,
        relay_sender,
        PeerEvents {
            receiver,
            closed: false,
        },
    ))
}
