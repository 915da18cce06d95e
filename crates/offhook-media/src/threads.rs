//! The threads that peers run on, with a runtime each.
//!
//! A frame is due every 20 ms, whatever the program does meanwhile: on threads of their own, peers are not held up by tasks of the program
//! that block. And a few peers on one thread cost less than on several: one wake-up serves them all, finds its caches warm for all but
//! the first, and nothing is handed from thread to thread (docs/performance.md).

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Handle};

use crate::error::MediaError;

/// Peers on one thread before another is started, while the machine has more cores: all their frames are due at the same moment, and the
/// last one waits for the others. Encoding and decoding Opus at 48 kHz takes 0.2 to 0.4 ms (docs/performance.md).
const ENOUGH: usize = 16;

/// Those of the process.
static THREADS: Threads = Threads(Mutex::new(Vec::new()));

/// Threads that were started: they stay for the life of the process, and sleep while they have no peers.
struct Threads(Mutex<Vec<Arc<Thread>>>);

struct Thread {
    runtime: Handle,
    peers: AtomicUsize,
}

/// A peer's place on a thread, until it is dropped.
pub(crate) struct Place(Arc<Thread>);

impl Threads {
    /// `cores` is asked only when there may have to be another thread: the system reads files to tell.
    fn take(&self, cores: impl FnOnce() -> usize) -> Result<Place, MediaError> {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let loads: Vec<usize> = threads.iter().map(|thread| thread.peers.load(Ordering::Relaxed)).collect();
        let thread = match choose(&loads, cores).and_then(|index| threads.get(index)) {
            Some(present) => present.clone(),
            None => {
                let another = Arc::new(start().map_err(|error| MediaError::NoThread(error.to_string()))?);
                threads.push(another.clone());
                another
            }
        };
        // Under the lock: nobody else counts up.
        thread.peers.fetch_add(1, Ordering::Relaxed);
        Ok(Place(thread))
    }
}

impl Place {
    /// A place where there is room for one more, or else where the fewest are.
    ///
    /// # Errors
    /// [`MediaError::NoThread`].
    pub(crate) fn take() -> Result<Self, MediaError> {
        THREADS.take(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.peers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which of threads with so many peers takes the next one; `None`: another is to be started.
fn choose(loads: &[usize], cores: impl FnOnce() -> usize) -> Option<usize> {
    let room = loads.iter().position(|load| *load < ENOUGH);
    room.or_else(|| {
        let (fewest, _) = loads.iter().enumerate().min_by_key(|(_, load)| **load)?;
        (loads.len() >= cores()).then_some(fewest)
    })
}

fn start() -> std::io::Result<Thread> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new().name("offhook-media".to_owned()).spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(Thread { runtime: handle, peers: AtomicUsize::new(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What so many peers, one after the other, are put on.
    fn put(peers: usize, cores: usize) -> Vec<usize> {
        let mut loads = Vec::new();
        for _ in 0..peers {
            match choose(&loads, || cores) {
                Some(index) => loads[index] += 1,
                None => loads.push(1),
            }
        }
        loads
    }

    #[test]
    fn a_thread_is_filled_before_the_next_and_then_all_alike() {
        assert_eq!(put(2, 4), [2]);
        assert_eq!(put(20, 4), [16, 4]);
        assert_eq!(put(40, 2), [20, 20]);
        assert_eq!(put(17, 1), [17]);
        assert_eq!(choose(&[16, 3], || 2), Some(1));
    }

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let threads = Threads(Mutex::new(Vec::new()));
        let loads = || -> Vec<_> {
            threads
                .0
                .lock()
                .expect("nobody panicked")
                .iter()
                .map(|thread| thread.peers.load(Ordering::Relaxed))
                .collect()
        };
        let mut places: Vec<_> = (0..ENOUGH + 2).map(|_| threads.take(|| 2).expect("threads can be started")).collect();
        assert_eq!(loads(), [ENOUGH, 2]);
        places.remove(0);
        let place = threads.take(|| 2).expect("there is room");
        assert_eq!(loads(), [ENOUGH, 2], "on the first");
        let name = place.runtime().spawn(async { std::thread::current().name().map(str::to_owned) });
        assert_eq!(place.runtime().block_on(name).expect("it runs").as_deref(), Some("offhook-media"));
        drop((place, places));
        assert_eq!(loads(), [0, 0]);
    }
}
