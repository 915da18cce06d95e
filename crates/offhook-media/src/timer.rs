//! The timer of a peer's task.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// Two sleeps: one until the next deadline, one until the deadline after it.
///
/// The runtime waits until the first of its deadlines, and is woken only to be told of an earlier one. When a sleep has fired and the next
/// is set, that is the earliest, so each deadline would cost two wake-ups; with the next one known beforehand it is one.
pub(crate) struct Timer {
    next: Deadline,
    after: Deadline,
}

struct Deadline {
    at: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
}

impl Timer {
    /// To be called inside a runtime.
    pub(crate) fn new() -> Self {
        Self { next: Deadline::new(), after: Deadline::new() }
    }

    /// The next deadline, if there is one, and what the one after it will be, if that is known.
    pub(crate) fn set(&mut self, next: Option<Instant>, after: Option<Instant>) {
        if self.next.at != next && self.after.at == next {
            std::mem::swap(&mut self.next, &mut self.after);
        }
        self.next.set(next);
        if after.is_some() {
            self.after.set(after);
        }
    }

    /// Ready when the next deadline has come, again and again until another is set.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.next.at {
            Some(_) => self.next.sleep.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

impl Deadline {
    fn new() -> Self {
        // Longer than anything that is waited for; it is set before it is polled.
        Self { at: None, sleep: Box::pin(tokio::time::sleep(Duration::from_secs(3_600))) }
    }

    fn set(&mut self, at: Option<Instant>) {
        if self.at != at {
            if let Some(at) = at {
                self.sleep.as_mut().reset(at.into());
            }
            self.at = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn each_deadline_comes_once_it_is_set_whether_it_was_known_beforehand_or_not() {
        let start = Instant::now();
        let at = |ms| Some(start + Duration::from_millis(ms));
        let mut timer = Timer::new();
        // The next, the one after it as it is thought to be.
        for (next, after) in [(20, 40), (40, 60), (55, 60), (60, 80), (70, 75), (90, 75)] {
            timer.set(at(next), at(after));
            poll_fn(|context| timer.poll(context)).await;
            let now = start.elapsed();
            assert!(now >= Duration::from_millis(next), "{next}: {now:?}");
        }
        timer.set(None, None);
        let polled = poll_fn(|context| Poll::Ready(timer.poll(context))).await;
        assert!(polled.is_pending(), "nothing is set");
    }
}
