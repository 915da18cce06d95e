//! A queue of deadlines, at most one per key.

use crate::Millis;
use crate::sorted::SortedMap;

/// Deadlines in order; equal ones in the order in which they were set, so that runs repeat exactly.
#[derive(Debug)]
pub(crate) struct TimerQueue<K> {
    order: SortedMap<(Millis, u64), K>,
    by_key: SortedMap<K, (Millis, u64)>,
    next: u64,
}

impl<K: Ord + Copy> TimerQueue<K> {
    pub(crate) fn new() -> Self {
        Self { order: SortedMap::new(), by_key: SortedMap::new(), next: 0 }
    }

    /// Sets the key's deadline, replacing the one it had.
    pub(crate) fn set(&mut self, key: K, at: Millis) {
        self.clear(key);
        self.next += 1;
        self.order.insert((at, self.next), key);
        self.by_key.insert(key, (at, self.next));
    }

    pub(crate) fn clear(&mut self, key: K) {
        if let Some(place) = self.by_key.remove(&key) {
            self.order.remove(&place);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.order.first().map(|((at, _), _)| *at)
    }

    /// Takes the first deadline that is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<K> {
        if self.next_deadline()? > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_only_once() {
        let mut timers = TimerQueue::new();
        timers.set('b', 20);
        timers.set('a', 10);
        timers.set('c', 20);
        timers.set('a', 20);
        timers.clear('b');
        assert_eq!(timers.next_deadline(), Some(20));
        assert_eq!(timers.pop_due(19), None);
        assert_eq!((timers.pop_due(25), timers.pop_due(25), timers.pop_due(25)), (Some('c'), Some('a'), None));
        assert_eq!(timers.len(), 0);
    }
}
