//! What a path does to packets.

use std::time::Duration;

/// What a path does to packets. The default does nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// Each packet takes at least so long.
    pub delay: Duration,
    /// And up to so much more, evenly distributed and independent for each packet. Jitter alone does not change the order: a
    /// packet waits for the one before it, as in the queue of a router.
    pub jitter: Duration,
    /// What is lost.
    pub loss: Loss,
    /// Share of packets that arrive twice, 0–1.
    pub duplicate: f64,
    /// Share of packets that later ones overtake, 0–1.
    pub reorder: f64,
    /// How much later than usual those arrive.
    pub reorder_by: Duration,
    /// Bits per second that the narrowest link carries; none: as many as come.
    pub rate: Option<u64>,
    /// How long a packet may wait for that link; what would wait longer is lost. Zero means one second.
    pub queue: Duration,
    /// When nothing passes: what is sent in it is lost.
    pub outages: Vec<Outage>,
}

/// A time in which nothing passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When it begins for the first time.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// From one beginning to the next; zero: it does not come again.
    pub every: Duration,
}

impl Outage {
    pub(crate) fn covers(&self, now: Duration) -> bool {
        let Some(since) = now.checked_sub(self.at) else { return false };
        if self.every.is_zero() {
            return since < self.lasts;
        }
        Duration::from_nanos((since.as_nanos() % self.every.as_nanos()) as u64) < self.lasts
    }
}

/// Loss in two states (Gilbert–Elliott): a good one and a bad one, each with its own loss. All numbers are probabilities, 0–1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Loss {
    /// That the state becomes bad, for each packet in the good one.
    pub worsens: f64,
    /// That the state becomes good, for each packet in the bad one.
    pub improves: f64,
    /// That a packet is lost in the good state.
    pub good: f64,
    /// That a packet is lost in the bad state.
    pub bad: f64,
}

impl Loss {
    /// Each packet by itself, this share of them.
    pub fn random(share: f64) -> Self {
        Self { good: share, ..Self::default() }
    }

    /// This share of packets, in runs that are this many packets long in the mean (at least one).
    pub fn bursts(share: f64, length: f64) -> Self {
        let improves = 1.0 / length.max(1.0);
        // In equilibrium, the share of the bad state is worsens / (worsens + improves).
        let worsens = share * improves / (1.0 - share).max(f64::EPSILON);
        Self { worsens, improves, good: 0.0, bad: 1.0 }
    }
}
