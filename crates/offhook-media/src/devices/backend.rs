//! What the engine needs of a system's audio, and what a device's callback is given.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::ring::{Reader, Writer};

/// Which way a device goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// A microphone.
    Input,
    /// A loudspeaker or headphones.
    Output,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "microphone",
            Self::Output => "loudspeaker",
        })
    }
}

/// A device of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// How the system knows it; the same when it is unplugged and plugged in again, as far as the system can tell.
    pub id: String,
    /// How its user knows it.
    pub name: String,
    /// Which way it goes.
    pub kind: DeviceKind,
    /// Whether it is the system's default of its kind.
    pub is_default: bool,
}

/// Why there is no sound from or to a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is none of this kind.
    #[error("no {0} was found: plug one in, or give this user access to it")]
    None(DeviceKind),
    /// None has this name or identity.
    #[error("no {kind} is called {wanted:?}; there are: {known}")]
    Unknown {
        /// What was looked for.
        kind: DeviceKind,
        /// The name or identity.
        wanted: String,
        /// The names that there are, comma-separated.
        known: String,
    },
    /// It cannot be opened: another program has it, or the system does not let us.
    #[error("{device} cannot be opened: {reason}; close the program that uses it, or choose another device")]
    Unavailable {
        /// Its name.
        device: String,
        /// The system's words.
        reason: String,
    },
    /// The system tells of no devices at all.
    #[error("the system's audio cannot be used: {0}")]
    System(String),
    /// The audio of this program was closed.
    #[error("the devices are closed")]
    Closed,
}

/// A system's audio. [`SystemBackend`](super::SystemBackend) is the real one, [`VirtualBackend`](super::VirtualBackend) one for tests.
pub trait Backend: Send + Sync + 'static {
    /// The devices that there are now. May block; it is called on a thread of its own about once a second.
    ///
    /// # Errors
    /// [`DeviceError::System`].
    fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError>;

    /// Opens a microphone: samples go into the port from now on, until the stream is dropped. `make` takes the rate that the
    /// device runs at, Hz, and gives the port.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`].
    fn open_input(&self, device: &DeviceInfo, make: &mut dyn FnMut(u32) -> InputPort) -> Result<Stream, DeviceError>;

    /// Opens a loudspeaker: samples are taken out of the port from now on, until the stream is dropped. `make` as above.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`].
    fn open_output(&self, device: &DeviceInfo, make: &mut dyn FnMut(u32) -> OutputPort) -> Result<Stream, DeviceError>;
}

/// A stream that runs; dropping it stops it.
pub struct Stream(#[expect(dead_code, reason = "it is only dropped")] Box<dyn Send>);

impl Stream {
    /// Keeps what a system's stream lives in.
    pub fn new(guard: impl Send + 'static) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// What a device's callbacks tell besides samples.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The stream ended by itself.
    failed: AtomicBool,
    /// Samples of the largest callback.
    period: AtomicUsize,
    /// Callbacks so far.
    calls: AtomicUsize,
}

impl Health {
    fn called(&self, samples: usize) {
        self.period.fetch_max(samples, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn period(&self) -> usize {
        self.period.load(Ordering::Relaxed)
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Tells that a stream ended by itself.
#[derive(Debug, Clone)]
pub struct Alarm(Arc<Health>);

impl Alarm {
    /// The device is gone, or gives no more.
    pub fn raise(&self) {
        self.0.failed.store(true, Ordering::Relaxed);
    }
}

/// Where a microphone's callback puts its samples. Nothing in it blocks, locks or allocates.
#[derive(Debug)]
pub struct InputPort {
    pub(super) ring: Writer,
    pub(super) health: Arc<Health>,
}

impl InputPort {
    /// Takes mono samples of one callback.
    pub fn write(&mut self, samples: impl ExactSizeIterator<Item = i16>) {
        self.health.called(samples.len());
        self.ring.write(samples);
    }

    /// To tell that the stream ended by itself.
    pub fn alarm(&self) -> Alarm {
        Alarm(Arc::clone(&self.health))
    }
}

/// Where a loudspeaker's callback gets its samples. Nothing in it blocks, locks or allocates.
#[derive(Debug)]
pub struct OutputPort {
    pub(super) ring: Reader,
    pub(super) health: Arc<Health>,
    /// Samples on their way from the queue to the callback.
    pub(super) piece: [i16; 64],
}

impl OutputPort {
    /// Hands out `count` mono samples, with silence for what is not there yet.
    pub fn read(&mut self, count: usize, mut put: impl FnMut(i16)) {
        self.health.called(count);
        let mut left = count;
        while left > 0 {
            let wanted = left.min(self.piece.len());
            let Some(piece) = self.piece.get_mut(..wanted) else { return };
            let there = self.ring.read(piece);
            if let Some(missing) = piece.get_mut(there..) {
                missing.fill(0);
            }
            piece.iter().for_each(|sample| put(*sample));
            left -= wanted;
        }
    }

    /// To tell that the stream ended by itself.
    pub fn alarm(&self) -> Alarm {
        Alarm(Arc::clone(&self.health))
    }
}
