//! offhook's receiver, as it is in a call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use offhook_media::{Addresses, AudioSink, Codec, Direction, Peer, PeerConfig, PeerEvents};

use crate::run::{Heard, Receiver};

/// Keeps all that is heard, and when.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Heard>>);

impl AudioSink for Tape {
    fn write(&mut self, sample_rate: u32, samples: &[i16]) {
        let at = now_ms();
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.rate = sample_rate;
        let first = heard.samples.len();
        heard.times.push((first, at));
        heard.samples.extend_from_slice(samples);
    }
}

/// A peer that listens.
pub(crate) struct Native {
    peer: Peer,
    _events: PeerEvents,
    tape: Tape,
}

impl Native {
    /// Answers an offer of this codec.
    pub(crate) async fn answer(codec: Codec, offer: String) -> (Self, String) {
        let mut config = PeerConfig::new("receiver").addresses(Addresses::Loopback);
        config.codecs = vec![codec];
        let (peer, events) = Peer::spawn(config).expect("a peer");
        let tape = Tape::default();
        peer.set_sink(Some(Box::new(tape.clone())));
        let answer = peer.accept_offer(offer, Direction::RecvOnly).await.expect("an offer that can be answered");
        (Self { peer, _events: events, tape }, answer)
    }

    /// What it heard and made of it.
    pub(crate) async fn end(self) -> Receiver {
        let stats = self.peer.stats().await.expect("statistics").inbound;
        self.peer.close();
        let heard = std::mem::take(&mut *self.tape.0.lock().unwrap_or_else(PoisonError::into_inner));
        let seconds = |samples: u64| samples as f64 / f64::from(stats.sample_rate.max(1));
        Receiver {
            received: stats.packets_received,
            concealed_s: seconds(stats.concealed_samples + stats.silent_samples),
            events: stats.concealment_events,
            waited_ms: stats.jitter_buffer_delay_ms,
            heard,
        }
    }
}

/// Of the machine's clock, ms.
pub(crate) fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1_000.0)
}
