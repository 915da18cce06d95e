//! What a peer tells.

use tokio::sync::mpsc;

use crate::codec::Codec;
use crate::error::{MediaError, TurnError};
use crate::peer::SourceId;
use crate::stats::IceState;
use crate::video::VideoCodec;

/// Something that happened to a peer connection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PeerEvent {
    /// ICE changed its state.
    IceState(IceState),
    /// DTLS is up and the peer's certificate verified: audio can flow.
    Connected,
    /// Audio of the far end arrives: the first packet, or the first after its SSRC changed.
    RemoteTrack {
        /// The stream's RTP synchronisation source.
        ssrc: u32,
        /// Its codec.
        codec: Codec,
    },
    /// Video of the far end arrives: the first packet, or the first after its SSRC changed.
    RemoteVideo {
        /// The stream's RTP synchronisation source.
        ssrc: u32,
        /// Its codec.
        codec: VideoCodec,
    },
    /// A DTMF tone of the far end ended (RFC 4733).
    Dtmf {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        tone: char,
        /// How long it was, ms.
        duration_ms: u32,
    },
    /// The far end cannot decode what it has of our video: the next picture should be a key frame (RFC 4585, RFC 5104).
    KeyframeRequested,
    /// The source that [`crate::Peer::set_source`] gave this number has come to its end; silence follows, unless another has
    /// been set since.
    SourceEnded(SourceId),
    /// A STUN or TURN server is of no use, or no more. The call goes on with the other candidates, if there are any.
    ServerFailed {
        /// Its URL, without credentials.
        url: String,
        /// What is wrong with it.
        error: TurnError,
    },
    /// The network changed under the call: the address that its path began at is gone, or it has no path and the machine has
    /// other addresses now. An offer with an ICE restart takes the addresses of then. Only with
    /// [`Addresses::Host`](crate::Addresses::Host); noticed within [`ADDRESS_POLL`](crate::ADDRESS_POLL).
    NetworkChanged,
    /// The connection is unusable; [`PeerEvent::Closed`] follows.
    Failed(MediaError),
    /// The far end closed DTLS, or DTLS with an early one ([`Peer::set_early`](crate::Peer::set_early)) failed: nothing is heard or
    /// sent until an offer or an answer describes another transport (a page that was reloaded, another fork of the call, whoever
    /// takes it over). What is said goes on afterwards where it stopped.
    RemoteClosed,
    /// We closed, or it failed. The last event.
    Closed,
}

/// The events of one peer, in order.
#[derive(Debug)]
pub struct PeerEvents {
    pub(crate) receiver: mpsc::Receiver<PeerEvent>,
    pub(crate) closed: bool,
}

impl PeerEvents {
    /// The next event; [`PeerEvent::Closed`] is the last and is given exactly once, then `None`. Cancel-safe.
    ///
    /// Up to 256 events wait; later ones are dropped while nobody reads.
    pub async fn recv(&mut self) -> Option<PeerEvent> {
        if let Some(event) = self.receiver.recv().await {
            return Some(event);
        }
        if self.closed {
            return None;
        }
        self.closed = true;
        Some(PeerEvent::Closed)
    }
}
