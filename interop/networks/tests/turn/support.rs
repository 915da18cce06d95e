//! Two peers on this machine, and what they hear of each other.

use std::time::{Duration, Instant};

use offhook_interop_networks::{Coturn, Ear, LEFT_TONE, RIGHT_TONE};
use offhook_media::{
    Addresses, AudioSource, Direction, IceServer, MediaError, Peer, PeerConfig, PeerEvent, PeerEvents, PeerStats,
    ToneSpec, TransportPolicy,
};
use tokio::time::timeout;

/// Longest wait for anything: a failure, not a rhythm.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

pub(crate) struct End {
    pub(crate) peer: Peer,
    pub(crate) events: PeerEvents,
    pub(crate) ear: Ear,
}

/// A peer that may only be reached through these servers.
pub(crate) fn relayed(coturn: &Coturn, servers: impl IntoIterator<Item = IceServer>) -> PeerConfig {
    config(servers).transport_policy(TransportPolicy::Relay).turn_root(coturn.certificate.authority.clone())
}

/// A peer with these servers.
pub(crate) fn config(servers: impl IntoIterator<Item = IceServer>) -> PeerConfig {
    PeerConfig::new("turn").addresses(Addresses::Loopback).ice_servers(servers)
}

impl End {
    pub(crate) fn new(config: PeerConfig, tone: f64) -> Self {
        let (peer, events) = Peer::spawn(config).expect("media");
        let ear = Ear::default();
        peer.set_sink(Some(Box::new(ear.clone())));
        peer.set_source(AudioSource::Tone(ToneSpec::new(tone)));
        Self { peer, events, ear }
    }

    pub(crate) async fn wait<T>(&mut self, mut pick: impl FnMut(&PeerEvent) -> Option<T>) -> T {
        let found = timeout(LIMIT, async {
            let mut seen = Vec::new();
            while let Some(event) = self.events.recv().await {
                if let Some(found) = pick(&event) {
                    return found;
                }
                seen.push(event);
            }
            panic!("the peer closed: {seen:?}");
        });
        found.await.expect("the event comes in time")
    }

    pub(crate) async fn connected(&mut self) {
        self.wait(|event| matches!(event, PeerEvent::Connected).then_some(())).await;
    }

    /// Waits until nothing but the far end's tone is heard.
    pub(crate) async fn hears(&self, tone: f64) {
        let begun = Instant::now();
        while self.ear.share(tone) < 0.9 {
            assert!(begun.elapsed() < LIMIT, "{} of what is heard is {tone} Hz", self.ear.share(tone));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Statistics, once there is a pair in them.
    pub(crate) async fn stats(&self) -> PeerStats {
        let begun = Instant::now();
        loop {
            let stats = self.peer.stats().await.expect("stats");
            if stats.candidate_pair.is_some() {
                return stats;
            }
            assert!(begun.elapsed() < LIMIT, "no pair");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A call from the left to the right end, with the offer and how long it took.
pub(crate) async fn call(left: &mut End, right: &mut End) -> (String, Duration) {
    let begun = Instant::now();
    let offer = left.peer.create_offer(Direction::SendRecv).await.expect("offer");
    let took = begun.elapsed();
    let answer = right.peer.accept_offer(offer.clone(), Direction::SendRecv).await.expect("answer");
    left.peer.accept_answer(answer).await.expect("answer is taken");
    left.connected().await;
    right.connected().await;
    (offer, took)
}

pub(crate) async fn both_hear(left: &End, right: &End) {
    left.ear.forget();
    right.ear.forget();
    left.hears(RIGHT_TONE).await;
    right.hears(LEFT_TONE).await;
}

pub(crate) async fn offer(end: &End) -> (Result<String, MediaError>, Duration) {
    let begun = Instant::now();
    let offer = end.peer.create_offer(Direction::SendRecv).await;
    (offer, begun.elapsed())
}
