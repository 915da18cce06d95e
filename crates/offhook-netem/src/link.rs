//! A path that keeps the packets that are under way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use crate::path::Path;
use crate::profile::Profile;

/// Packets under way at most: what comes above that is lost.
const MOST: usize = 100_000;

/// One direction of a path, with the packets that are on it.
#[derive(Debug, Clone)]
pub struct Link<T> {
    path: Path,
    sent: u64,
    due: BinaryHeap<Reverse<(Duration, u64)>>,
    packets: BTreeMap<u64, T>,
}

impl<T: Clone> Link<T> {
    /// An empty link, with all its chances from `seed`.
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self { path: Path::new(profile, seed), sent: 0, due: BinaryHeap::new(), packets: BTreeMap::new() }
    }

    /// The path is like this from now on; what is under way arrives as it would have.
    pub fn change(&mut self, profile: Profile) {
        self.path.change(profile);
    }

    /// A packet of so many bytes is sent at `now`.
    pub fn send(&mut self, now: Duration, bytes: usize, packet: T) {
        for at in self.path.send(now, bytes).into_iter().flatten() {
            if self.packets.len() < MOST {
                self.due.push(Reverse((at, self.sent)));
                self.packets.insert(self.sent, packet.clone());
                self.sent += 1;
            }
        }
    }

    /// When the next packet arrives.
    pub fn next(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// The next packet that has arrived by `now`.
    pub fn receive(&mut self, now: Duration) -> Option<T> {
        self.next().filter(|at| *at <= now)?;
        let Reverse((_, number)) = self.due.pop()?;
        self.packets.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_arrive_in_the_order_of_their_times() {
        let ms = Duration::from_millis;
        let profile = Profile { delay: ms(10), reorder: 0.3, reorder_by: ms(50), ..Profile::default() };
        let mut link = Link::new(profile, 11);
        (0..100u64).for_each(|n| link.send(ms(n * 20), 100, n));
        let mut arrived = Vec::new();
        while let Some(at) = link.next() {
            assert_eq!(link.receive(at - ms(1)), None, "not yet");
            arrived.extend(link.receive(at));
        }
        assert!(!arrived.is_sorted(), "some are overtaken");
        arrived.sort_unstable();
        assert!(arrived.into_iter().eq(0..100));
    }
}
