//! How long nothing has come in from a device.

use std::time::Duration;

use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(super) struct Silence {
    /// So many packets had come.
    packets: u64,
    /// When that was looked at last.
    looked: Instant,
    /// So long it has been so many.
    lasted: Duration,
}

impl Silence {
    pub(super) fn new(now: Instant) -> Self {
        Self { packets: 0, looked: now, lasted: Duration::ZERO }
    }

    /// So many packets have come until now; `None`: the connection has failed. Says whether there was nothing new for
    /// `timeout`, which begins anew then. It is looked at every `interval`.
    pub(super) fn look(&mut self, now: Instant, received: Option<u64>, timeout: Duration, interval: Duration) -> bool {
        let since = now.duration_since(std::mem::replace(&mut self.looked, now));
        if let Some(received) = received.filter(|&received| received != self.packets) {
            self.packets = received;
            self.lasted = Duration::ZERO;
            return false;
        }
        // A process that stood still has not read yet what came meanwhile: that time is not the device's silence.
        self.lasted += since.min(2 * interval);
        let is_over = self.lasted >= timeout;
        if is_over {
            self.lasted = Duration::ZERO;
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(12);
    const INTERVAL: Duration = Duration::from_secs(1);

    /// Looks once a second at what has come; gives the seconds at which it was silent for too long.
    fn silent(received: impl Fn(u64) -> Option<u64>, seconds: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        let at = |second| start + Duration::from_secs(second);
        let over = |second: &u64| silence.look(at(*second), received(*second), TIMEOUT, INTERVAL);
        seconds.into_iter().filter(over).collect()
    }

    #[test]
    fn nothing_for_the_timeout_is_told_again_and_again() {
        assert_eq!(silent(|_| Some(0), 1..=30), [12, 24]);
        assert_eq!(silent(|_| None, 1..=30), [12, 24], "the far end has gone");
        assert_eq!(silent(|second| Some(second.min(5)), 1..=30), [17, 29]);
        assert!(silent(Some, 1..=30).is_empty());
        // Now and then a packet will do.
        assert!(silent(|second| Some(second / 10), 1..=60).is_empty());
    }

    #[test]
    fn the_time_that_the_process_stood_still_is_nobodys_silence() {
        // What came meanwhile is not read yet at the first look, nor at the second.
        let received = |second| Some(if second < 102 { 1 } else { second });
        assert!(silent(received, (1..=3).chain(100..=120)).is_empty());
        // Who is silent afterwards is found out.
        assert_eq!(silent(|_| Some(1), (1..=3).chain(100..=120)), [108, 120]);
    }
}
