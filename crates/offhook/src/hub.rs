//! Hands events to any number of listeners, none of which can hold up another or the phone.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

/// Events that wait for a slow listener; of more, the oldest are dropped.
const CAPACITY: usize = 1_024;

/// Where events are published.
#[derive(Debug)]
pub(crate) struct Hub<T>(Arc<Mutex<State<T>>>);

#[derive(Debug)]
struct State<T> {
    queues: Vec<Queue<T>>,
    /// What happened before anybody listened.
    backlog: Option<VecDeque<T>>,
    next: u64,
    finished: bool,
    /// Waits until everybody has taken what there is.
    taken: Option<Waker>,
}

#[derive(Debug)]
struct Queue<T> {
    id: u64,
    events: VecDeque<T>,
    /// Its reader was given an event, and has not asked for the next.
    reading: bool,
    missed: u64,
    waker: Option<Waker>,
}

impl<T> Clone for Hub<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Hub<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            queues: Vec::new(),
            backlog: Some(VecDeque::new()),
            next: 0,
            finished: false,
            taken: None,
        })))
    }

    pub(crate) fn publish(&self, event: &T) {
        let mut state = lock(&self.0);
        if state.finished {
            return;
        }
        if let Some(backlog) = &mut state.backlog {
            push(backlog, event.clone());
        }
        let mut wakers = Vec::new();
        for queue in &mut state.queues {
            queue.missed += push(&mut queue.events, event.clone());
            wakers.extend(queue.waker.take());
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Drops what nobody listened to yet and is of no use to whoever begins to.
    pub(crate) fn forget(&self, gone: impl Fn(&T) -> bool) {
        let mut state = lock(&self.0);
        let Some(backlog) = &mut state.backlog else { return };
        let (dropped, kept): (VecDeque<T>, VecDeque<T>) = backlog.drain(..).partition(gone);
        *backlog = kept;
        drop(state);
        // Not under the lock: that may run the user's code, which may come back here.
        drop(dropped);
    }

    /// No more events: streams end when they are read empty.
    pub(crate) fn finish(&self) {
        let mut state = lock(&self.0);
        state.finished = true;
        let wakers: Vec<Waker> = state.queues.iter_mut().filter_map(|queue| queue.waker.take()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// No more events, not even those that wait: streams end at once.
    pub(crate) fn silence(&self) {
        let mut state = lock(&self.0);
        state.finished = true;
        state.backlog = None;
        let queues = std::mem::take(&mut state.queues);
        drop(state);
        queues.into_iter().filter_map(|queue| queue.waker).for_each(Waker::wake);
    }

    /// Waits until everybody has taken what there is, and asks for more.
    pub(crate) async fn taken(&self) {
        poll_fn(|context| {
            let mut state = lock(&self.0);
            if state.queues.iter().all(|queue| queue.events.is_empty() && !queue.reading) {
                return Poll::Ready(());
            }
            state.taken = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// The first to listen gets what happened before.
    pub(crate) fn subscribe(&self) -> EventStream<T> {
        let mut state = lock(&self.0);
        let id = state.next;
        state.next += 1;
        let events = state.backlog.take().unwrap_or_default();
        state.queues.push(Queue { id, events, reading: false, missed: 0, waker: None });
        EventStream { hub: self.clone(), id }
    }
}

impl<T: Clone + Send + 'static> Hub<T> {
    /// Calls a listener with every event, on a task of its own.
    pub(crate) fn listen(&self, mut listener: impl FnMut(&T) + Send + 'static) -> Subscription {
        let mut stream = self.subscribe();
        let task = tokio::spawn(async move {
            while let Some(event) = poll_fn(|context| stream.poll_event(context)).await {
                // A listener that panics is told of by the panic hook; it gets the next event all the same.
                let _ = catch_unwind(AssertUnwindSafe(|| listener(&event)));
            }
        });
        Subscription { task: Some(task) }
    }
}

/// Events as a `Stream`, in order. It ends after the last event of its phone or call.
///
/// The first stream (or listener) of a phone or call gets everything since its beginning, later ones what happens from then
/// on. Up to 1,024 events wait for a slow reader; then the oldest are dropped, the last never, and
/// [`missed`](Self::missed) counts them.
#[derive(Debug)]
#[must_use = "events pile up in a stream that is not read"]
pub struct EventStream<T> {
    hub: Hub<T>,
    id: u64,
}

impl<T> EventStream<T> {
    /// How many events were dropped because they were not read in time.
    #[must_use]
    pub fn missed(&self) -> u64 {
        let state = lock(&self.hub.0);
        state.queues.iter().find(|queue| queue.id == self.id).map_or(0, |queue| queue.missed)
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.hub.0);
        let finished = state.finished;
        let Some(queue) = state.queues.iter_mut().find(|queue| queue.id == self.id) else { return Poll::Ready(None) };
        let event = queue.events.pop_front();
        queue.reading = event.is_some();
        if event.is_none() {
            if !finished {
                queue.waker = Some(context.waker().clone());
            }
            if let Some(taken) = state.taken.take() {
                taken.wake();
            }
        }
        match event {
            None if !finished => Poll::Pending,
            event => Poll::Ready(event),
        }
    }
}

impl<T> Stream for EventStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_event(context)
    }
}

impl<T> Drop for EventStream<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.hub.0);
        let gone: Vec<_> = state.queues.extract_if(.., |queue| queue.id == self.id).collect();
        let taken = state.taken.take();
        drop(state);
        // Neither under the lock: what waited may run the user's code as it is dropped, which may come back here.
        drop(gone);
        if let Some(taken) = taken {
            taken.wake();
        }
    }
}

/// A listener's place. Dropping it ends the listening.
#[derive(Debug)]
#[must_use = "the listener is removed when this is dropped: keep it, or call detach()"]
pub struct Subscription {
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Subscription {
    /// Keeps the listener for as long as there are events.
    pub fn detach(mut self) {
        self.task = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

fn push<T>(events: &mut VecDeque<T>, event: T) -> u64 {
    let full = events.len() >= CAPACITY;
    if full {
        events.pop_front();
    }
    events.push_back(event);
    u64::from(full)
}

fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    // No user code runs under the lock, and the state is consistent at every step.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt};

    #[tokio::test]
    async fn the_first_listener_gets_what_happened_before_and_later_ones_do_not() {
        let hub = Hub::new();
        hub.publish(&1);
        let first = hub.subscribe();
        let second = hub.subscribe();
        hub.publish(&2);
        hub.finish();
        assert_eq!(first.collect::<Vec<_>>().await, [1, 2]);
        assert_eq!(second.collect::<Vec<_>>().await, [2]);
    }

    #[tokio::test]
    async fn a_slow_reader_loses_the_oldest_and_knows_how_many() {
        let hub = Hub::new();
        let stream = hub.subscribe();
        for n in 0..CAPACITY + 3 {
            hub.publish(&n);
        }
        hub.finish();
        assert_eq!(stream.missed(), 3);
        let got: Vec<_> = stream.collect().await;
        assert_eq!((got.first(), got.last()), (Some(&3), Some(&(CAPACITY + 2))));
    }

    #[tokio::test]
    async fn a_listener_that_panics_is_called_again_and_harms_no_other() {
        let hub = Hub::new();
        let (send, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let bad = send.clone();
        let _first = hub.listen(move |n: &u32| {
            let _ = bad.send((1, *n));
            assert!(*n != 1, "the listener's own fault");
        });
        let _second = hub.listen(move |n: &u32| {
            let _ = send.send((2, *n));
        });
        hub.publish(&1);
        hub.publish(&2);
        let mut got = Vec::new();
        for _ in 0..4 {
            got.extend(heard.recv().await);
        }
        got.sort_unstable();
        assert_eq!(got, [(1, 1), (1, 2), (2, 1), (2, 2)]);
    }

    #[tokio::test]
    async fn a_dropped_subscription_hears_nothing_more() {
        let hub = Hub::new();
        let (send, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let subscription = hub.listen(move |n: &u32| {
            let _ = send.send(*n);
        });
        drop(subscription);
        // The channel closes with the listener.
        assert_eq!(heard.recv().await, None);
        hub.publish(&1);
        assert_eq!(hub.subscribe().next().now_or_never(), None);
    }

    #[derive(Clone)]
    struct Waiting(#[allow(dead_code)] Arc<Last>);

    struct Last(Hub<Waiting>);

    impl Drop for Last {
        fn drop(&mut self) {
            self.0.finish();
        }
    }

    #[test]
    fn what_is_dropped_with_a_stream_may_come_back_here() {
        let hub = Hub::new();
        let stream = hub.subscribe();
        hub.publish(&Waiting(Arc::new(Last(hub.clone()))));
        let (done, dropped) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(stream);
            done.send(())
        });
        dropped.recv_timeout(std::time::Duration::from_secs(20)).expect("it does not wait for its own lock");
    }

    #[tokio::test]
    async fn an_event_is_taken_when_everybody_has_come_back_for_the_next() {
        let hub = Hub::new();
        hub.taken().await;
        let (mut one, other) = (hub.subscribe(), hub.subscribe());
        hub.publish(&1);
        assert_eq!(hub.taken().now_or_never(), None);
        drop(other);
        assert_eq!(one.next().await, Some(1));
        assert_eq!(hub.taken().now_or_never(), None, "it is being read");
        assert_eq!(one.next().now_or_never(), None);
        hub.taken().await;
        hub.publish(&2);
        let (taken, _) = tokio::join!(hub.taken(), async {
            tokio::task::yield_now().await;
            drop(one);
        });
        taken
    }
}
