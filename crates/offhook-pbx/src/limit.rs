//! How often something may be done.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Tokens that fill up again with time.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    rate: Rate,
    left: f64,
    since: Instant,
}

/// So many at once, and then one every so often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) every: Duration,
}

impl Bucket {
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self { rate, left: rate.burst.into(), since: now }
    }

    /// Takes one; `Err` says in how many seconds there is one again.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), u64> {
        self.fill(now);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(self.wait_s())
    }

    /// Gives one back.
    fn give(&mut self) {
        self.left = (self.left + 1.0).min(self.rate.burst.into());
    }

    fn wait_s(&self) -> u64 {
        ((1.0 - self.left) * self.rate.every.as_secs_f64()).ceil().max(1.0) as u64
    }

    fn fill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.since).as_secs_f64() / self.rate.every.as_secs_f64();
        self.left = (self.left + gained).min(self.rate.burst.into());
        self.since = now;
    }

    fn is_full(&self) -> bool {
        self.left >= f64::from(self.rate.burst)
    }
}

/// Failed log-ins, by who or where they were tried. What succeeds costs nothing.
#[derive(Debug)]
pub(crate) struct Failures {
    rate: Rate,
    buckets: HashMap<String, Bucket>,
}

/// So many places are remembered. The one that was seen longest ago makes room.
const PLACES: usize = 4096;

impl Failures {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, buckets: HashMap::new() }
    }

    /// Before it is tried: so that many at once cannot be tried with what one may.
    pub(crate) fn begin(&mut self, now: Instant, place: &str) -> Result<(), u64> {
        if !self.buckets.contains_key(place) {
            self.make_room(now);
        }
        self.buckets.entry(place.to_owned()).or_insert_with(|| Bucket::full(self.rate, now)).take(now)
    }

    /// It was right.
    pub(crate) fn succeeded(&mut self, place: &str) {
        if let Some(bucket) = self.buckets.get_mut(place) {
            bucket.give();
            if bucket.is_full() {
                self.buckets.remove(place);
            }
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.buckets.len() < PLACES {
            return;
        }
        self.buckets.retain(|_, bucket| {
            bucket.fill(now);
            !bucket.is_full()
        });
        if self.buckets.len() >= PLACES {
            let oldest =
                self.buckets.iter().max_by(|a, b| a.1.left.total_cmp(&b.1.left)).map(|(place, _)| place.clone());
            if let Some(place) = oldest {
                self.buckets.remove(&place);
            }
        }
    }
}

/// Where a request comes from. Of IPv6 one client has a whole /64.
pub(crate) fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, every: Duration::from_secs(10) };

    #[test]
    fn a_bucket_fills_up_again() {
        let start = Instant::now();
        let mut bucket = Bucket::full(RATE, start);
        for _ in 0..3 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(10));
        assert_eq!(bucket.take(start + Duration::from_secs(4)), Err(6));
        assert_eq!(bucket.take(start + Duration::from_secs(10)), Ok(()));
        let long_after = start + Duration::from_secs(1000);
        assert_eq!((0..9).filter(|_| bucket.take(long_after).is_ok()).count(), 3);
    }

    #[test]
    fn only_failures_count_and_each_place_by_itself() {
        let now = Instant::now();
        let mut failures = Failures::new(RATE);
        for _ in 0..100 {
            assert_eq!(failures.begin(now, "a"), Ok(()));
            failures.succeeded("a");
        }
        for _ in 0..3 {
            assert_eq!(failures.begin(now, "b"), Ok(()));
        }
        assert!(failures.begin(now, "b").is_err());
        assert_eq!(failures.begin(now, "a"), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_worst_is_kept() {
        let now = Instant::now();
        let mut failures = Failures::new(RATE);
        for _ in 0..3 {
            let _ = failures.begin(now, "the worst");
        }
        for i in 0..2 * PLACES {
            let _ = failures.begin(now, &i.to_string());
        }
        assert!(failures.buckets.len() <= PLACES);
        assert!(failures.begin(now, "the worst").is_err());
    }

    #[test]
    fn neighbours_of_ipv6_are_one_place() {
        let of = |text: &str| place(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
    }
}
