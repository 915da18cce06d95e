//! A mono signal with its sample rate.

/// The level reported for digital silence, dBFS.
const FLOOR_DB: f64 = -120.0;

/// Mono audio: samples of −1.0 to 1.0 at a fixed rate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pcm {
    rate: u32,
    samples: Vec<f32>,
}

impl Pcm {
    /// Audio of `rate` samples a second. A sample that is not a number becomes 0, one beyond
    /// ±8.0 (18 dB above full scale) is limited to that, and a rate of 0 gives empty audio: none
    /// of these can come from a recording.
    pub fn new(rate: u32, mut samples: Vec<f32>) -> Self {
        if rate == 0 {
            samples.clear();
        }
        for sample in &mut samples {
            *sample = if sample.is_nan() { 0.0 } else { sample.clamp(-8.0, 8.0) };
        }
        Self { rate, samples }
    }

    /// Audio from 16-bit samples.
    pub fn from_i16(rate: u32, samples: &[i16]) -> Self {
        let scaled = samples.iter().map(|&s| f32::from(s) / 32_768.0).collect();
        Self::new(rate, scaled)
    }

    /// `millis` of silence.
    pub fn silence(rate: u32, millis: f64) -> Self {
        Self::new(rate, vec![0.0; index(rate, millis)])
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Whether there is no sample at all.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Length in milliseconds.
    pub fn duration_ms(&self) -> f64 {
        if self.rate == 0 {
            return 0.0;
        }
        self.samples.len() as f64 * 1000.0 / f64::from(self.rate)
    }

    /// The part from `from_ms` to `to_ms`, as far as it exists.
    pub fn part(&self, from_ms: f64, to_ms: f64) -> Self {
        let end = index(self.rate, to_ms).min(self.samples.len());
        let start = index(self.rate, from_ms).min(end);
        let samples = self.samples.get(start..end).unwrap_or_default();
        Self::new(self.rate, samples.to_vec())
    }

    /// The samples as 16-bit integers, clipped.
    pub fn to_i16(&self) -> Vec<i16> {
        self.samples.iter().map(|s| (s * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16).collect()
    }

    /// RMS level in dBFS (a full-scale square wave is 0); −120 for silence and for no audio.
    pub fn level_dbfs(&self) -> f64 {
        level_db(&self.samples)
    }

    /// The share (0 to 1) of 20 ms frames that are louder than `threshold_dbfs`.
    pub fn active_share(&self, threshold_dbfs: f64) -> f64 {
        let frame = index(self.rate, 20.0).max(1);
        let frames = self.samples.chunks_exact(frame);
        let all = frames.len();
        if all == 0 {
            return 0.0;
        }
        let active = frames.filter(|f| level_db(f) > threshold_dbfs).count();
        active as f64 / all as f64
    }
}

/// RMS level of samples in dBFS, −120 at least.
pub(crate) fn level_db(samples: &[f32]) -> f64 {
    if samples.is_empty() {
        return FLOOR_DB;
    }
    let energy: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    let mean = energy / samples.len() as f64;
    (10.0 * mean.max(1e-30).log10()).max(FLOOR_DB)
}

/// The number of samples in `millis`, 0 for a negative time.
fn index(rate: u32, millis: f64) -> usize {
    (millis.max(0.0) * f64::from(rate) / 1000.0).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_of_a_sine_is_3_db_below_its_peak() {
        let sine = (0..8000).map(|i| (i as f32 * 0.05).sin() * 0.5).collect();
        let level = Pcm::new(8000, sine).level_dbfs();
        assert!((level + 9.03).abs() < 0.05, "{level}");
    }

    #[test]
    fn silence_and_nothing_have_the_floor_level() {
        assert_eq!(Pcm::silence(8000, 100.0).level_dbfs(), FLOOR_DB);
        assert_eq!(Pcm::default().level_dbfs(), FLOOR_DB);
    }

    #[test]
    fn bad_input_is_made_harmless() {
        let pcm = Pcm::new(8000, vec![f32::NAN, 0.5, f32::INFINITY]);
        assert_eq!(pcm.samples(), [0.0, 0.5, 8.0]);
        assert!(Pcm::new(0, vec![1.0]).is_empty());
    }

    #[test]
    fn a_part_outside_is_empty() {
        let pcm = Pcm::silence(8000, 100.0);
        assert_eq!(pcm.part(40.0, 60.0).duration_ms(), 20.0);
        assert!(pcm.part(200.0, 300.0).is_empty());
        assert!(pcm.part(60.0, 40.0).is_empty());
    }

    #[test]
    fn active_share_counts_loud_frames() {
        let mut samples = vec![0.0; 8000];
        samples[..2000].fill(0.3);
        let share = Pcm::new(8000, samples).active_share(-50.0);
        assert!((share - 0.26).abs() < 0.02, "{share}");
    }

    #[test]
    fn sixteen_bit_samples_survive() {
        let samples = [0, 1, -1, 12_345, -32_767, 32_767];
        let back = Pcm::from_i16(8000, &samples).to_i16();
        for (a, b) in samples.iter().zip(back) {
            assert!((i32::from(*a) - i32::from(b)).abs() <= 1);
        }
    }
}
