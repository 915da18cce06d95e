//! Holds back what must not be sent before a call's record is on the disk: per connection, in order.
//!
//! Plain data: what comes out is sent by whoever holds it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use axum::body::Bytes;
use offhook_sip::ConnectionId;

/// Messages of one connection that may wait; one that has more is too slow, whosever fault that is.
const MOST_HELD: usize = 256;

/// Names what is waited for: the records of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Barrier(u64);

/// What is done with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Message(Bytes),
    /// Closed when all before it is sent.
    Close,
}

/// What is held back.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Records that are not on the disk yet, for each barrier.
    pending: BTreeMap<Barrier, usize>,
    held: HashMap<ConnectionId, VecDeque<(Option<Barrier>, Outgoing)>>,
    next: u64,
}

impl Outbox {
    /// How many records are waited for.
    pub(crate) fn pending(&self) -> usize {
        self.pending.values().sum()
    }

    /// Begins to wait for so many records.
    pub(crate) fn barrier(&mut self, records: usize) -> Barrier {
        let barrier = Barrier(self.next);
        self.next += 1;
        if records > 0 {
            self.pending.insert(barrier, records);
        }
        barrier
    }

    /// Takes what is to be sent. What may go at once, comes back; `Err`: too much waits.
    pub(crate) fn push(
        &mut self,
        connection: ConnectionId,
        barrier: Option<Barrier>,
        outgoing: Outgoing,
    ) -> Result<Option<Outgoing>, TooMuch> {
        let barrier = barrier.filter(|barrier| self.pending.contains_key(barrier));
        match self.held.get_mut(&connection) {
            None if barrier.is_none() => Ok(Some(outgoing)),
            Some(queue) if queue.len() >= MOST_HELD => Err(TooMuch),
            _ => {
                self.held.entry(connection).or_default().push_back((barrier, outgoing));
                Ok(None)
            }
        }
    }

    /// One record is on the disk, or never will be. Gives what may go now, of each connection in order.
    pub(crate) fn written(&mut self, barrier: Barrier) -> Vec<(ConnectionId, Outgoing)> {
        let Some(left) = self.pending.get_mut(&barrier) else { return Vec::new() };
        *left -= 1;
        if *left > 0 {
            return Vec::new();
        }
        self.pending.remove(&barrier);
        let mut free = Vec::new();
        let pending = &self.pending;
        self.held.retain(|&connection, queue| {
            while queue.front().is_some_and(|(barrier, _)| !is_pending(pending, *barrier)) {
                free.extend(queue.pop_front().map(|(_, outgoing)| (connection, outgoing)));
            }
            !queue.is_empty()
        });
        free
    }

    /// A connection is gone, and what waited for it.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        self.held.remove(&connection);
    }
}

/// More waits for a connection than there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuch;

fn is_pending(pending: &BTreeMap<Barrier, usize>, barrier: Option<Barrier>) -> bool {
    barrier.is_some_and(|barrier| pending.contains_key(&barrier))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnectionId = ConnectionId(1);
    const B: ConnectionId = ConnectionId(2);

    fn message(text: &'static str) -> Outgoing {
        Outgoing::Message(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn without_a_record_everything_goes_at_once() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(A, None, message("1")), Ok(Some(message("1"))));
        let barrier = outbox.barrier(0);
        assert_eq!(outbox.push(A, Some(barrier), message("2")), Ok(Some(message("2"))));
    }

    #[test]
    fn what_follows_a_record_waits_for_it_in_order_and_others_do_not() {
        let mut outbox = Outbox::default();
        let barrier = outbox.barrier(2);
        assert_eq!(outbox.push(A, Some(barrier), message("200")), Ok(None));
        assert_eq!(outbox.push(A, None, message("later")), Ok(None));
        assert_eq!(outbox.push(A, None, Outgoing::Close), Ok(None));
        assert_eq!(outbox.push(B, None, message("other")), Ok(Some(message("other"))));
        assert_eq!(outbox.pending(), 2);
        assert!(outbox.written(barrier).is_empty(), "one of two");
        let free = outbox.written(barrier);
        assert_eq!(free, [(A, message("200")), (A, message("later")), (A, Outgoing::Close)]);
        assert_eq!(outbox.pending(), 0);
        assert_eq!(outbox.push(A, Some(barrier), message("now")), Ok(Some(message("now"))));
    }

    #[test]
    fn a_later_record_that_is_written_first_overtakes_nothing() {
        let mut outbox = Outbox::default();
        let (first, second) = (outbox.barrier(1), outbox.barrier(1));
        assert_eq!(outbox.push(A, Some(first), message("1")), Ok(None));
        assert_eq!(outbox.push(A, Some(second), message("2")), Ok(None));
        assert_eq!(outbox.push(B, Some(second), message("b")), Ok(None));
        assert_eq!(outbox.written(second), [(B, message("b"))]);
        assert_eq!(outbox.written(first), [(A, message("1")), (A, message("2"))]);
    }

    #[test]
    fn what_waits_is_bounded_and_goes_with_its_connection() {
        let mut outbox = Outbox::default();
        let barrier = outbox.barrier(1);
        for _ in 0..MOST_HELD {
            assert_eq!(outbox.push(A, Some(barrier), message("x")), Ok(None));
        }
        assert_eq!(outbox.push(A, None, message("x")), Err(TooMuch));
        outbox.forget(A);
        assert!(outbox.written(barrier).is_empty());
    }
}
