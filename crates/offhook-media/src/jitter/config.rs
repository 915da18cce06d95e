//! Limits of the jitter buffer.

use std::time::Duration;

/// Bounds of the playout delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct JitterConfig {
    /// Smallest delay aimed at. Default 10 ms; with Opus it is 20 ms at least, so that the packet after a lost one is there, which may
    /// carry a copy of it.
    pub min_delay: Duration,
    /// Largest delay aimed at; packets that would wait longer are dropped. Default 400 ms.
    pub max_delay: Duration,
    /// Delay before anything is known of the path. Default 40 ms.
    pub initial_delay: Duration,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self {
            min_delay: Duration::from_millis(10),
            max_delay: Duration::from_millis(400),
            initial_delay: Duration::from_millis(40),
        }
    }
}

impl JitterConfig {
    /// Sets the bounds; each is brought into 10 ms–2 s, and the maximum is at least the minimum.
    pub fn bounds(mut self, min: Duration, max: Duration) -> Self {
        let (low, high) = (Duration::from_millis(10), Duration::from_secs(2));
        self.min_delay = min.clamp(low, high);
        self.max_delay = max.clamp(self.min_delay, high);
        self.initial_delay = self.initial_delay.clamp(self.min_delay, self.max_delay);
        self
    }
}
