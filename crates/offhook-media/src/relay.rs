//! What bridged peers hand each other.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::codec::Codec;
use crate::video::VideoCodec;

/// Packets that may wait for a peer's task: above that it is overloaded and loss is what it must see. A key frame comes as a
/// burst of some hundred.
const QUEUE: usize = 256;

/// Identifies one bridging, so that packets of an earlier one are not taken for the present one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkId(pub(crate) u64);

/// Something from the bridged peer.
#[derive(Debug, Clone)]
pub(crate) enum Relayed {
    /// An audio packet.
    Audio {
        link: LinkId,
        codec: Codec,
        /// Extended sequence number in the sender's stream.
        seq: u64,
        /// Extended timestamp in the sender's stream.
        timestamp: u64,
        /// Changes when the sender's stream was replaced: sequence and timestamp begin anew.
        epoch: u32,
        marker: bool,
        payload: Arc<[u8]>,
    },
    /// A telephone-event packet (RFC 4733 §2.3).
    Event {
        link: LinkId,
        clock_rate: u32,
        seq: u64,
        /// As in the packet: it names the event.
        timestamp: u32,
        epoch: u32,
        marker: bool,
        payload: [u8; 4],
    },
    /// A packet of encoded video.
    Video {
        link: LinkId,
        codec: VideoCodec,
        /// Extended sequence number in the sender's stream.
        seq: u64,
        /// As in the packet.
        timestamp: u32,
        epoch: u32,
        marker: bool,
        payload: Arc<[u8]>,
    },
    /// The bridged peer's far end cannot decode what it has: the sender should begin anew.
    Keyframe(LinkId),
    /// The bridging ended on the other side.
    Unlink(LinkId),
}

pub(crate) type RelaySender = mpsc::Sender<Relayed>;
pub(crate) type RelayReceiver = mpsc::Receiver<Relayed>;

pub(crate) fn channel() -> (RelaySender, RelayReceiver) {
    mpsc::channel(QUEUE)
}
