//! Level of a frame.

/// Level of silence, dBFS: the floor of 16-bit audio as RFC 6464 counts it.
const SILENCE_DBFS: f64 = -127.0;

/// RMS level of the last frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level(f64);

impl Default for Level {
    fn default() -> Self {
        Self(0.0)
    }
}

impl Level {
    /// Measures a frame. The logarithm is left to the reader: this runs every 20 ms.
    pub(crate) fn measure(&mut self, samples: &[i16]) {
        let sum: i64 = samples.iter().map(|&s| i64::from(s) * i64::from(s)).sum();
        self.0 = sum as f64 / samples.len().max(1) as f64;
    }

    /// dBFS, where a full-scale square wave is 0.
    pub(crate) fn dbfs(self) -> f64 {
        if self.0 <= 0.0 {
            return SILENCE_DBFS;
        }
        (10.0 * (self.0 / (32_768.0 * 32_768.0)).log10()).max(SILENCE_DBFS)
    }
}
