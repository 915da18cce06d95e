//! How loud a device is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI16, Ordering};

use crate::audio::Level;

/// What a meter shows falls no faster than this in 10 ms, tenths of a dB: 40 dB a second, so that an eye can follow.
const FALL: i16 = 4;
/// The floor, tenths of a dBFS.
const SILENCE: i16 = -1_270;

/// RMS of the last 10 ms in dBFS, quick to rise and slow to fall; read from any thread.
#[derive(Debug, Clone)]
pub(super) struct Meter(Arc<AtomicI16>);

impl Default for Meter {
    fn default() -> Self {
        Self(Arc::new(AtomicI16::new(SILENCE)))
    }
}

impl Meter {
    pub(super) fn measure(&self, frame: &[i16]) {
        let mut level = Level::default();
        level.measure(frame);
        let now = (level.dbfs() * 10.0) as i16;
        self.0.store(now.max(self.0.load(Ordering::Relaxed).saturating_sub(FALL)).max(SILENCE), Ordering::Relaxed);
    }

    pub(super) fn silence(&self) {
        self.0.store(SILENCE, Ordering::Relaxed);
    }

    pub(super) fn dbfs(&self) -> f64 {
        f64::from(self.0.load(Ordering::Relaxed)) / 10.0
    }
}
