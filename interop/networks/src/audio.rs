//! Proof of audio: each side plays a tone of its own, and hears the other's.

use std::sync::{Arc, Mutex};

use offhook_media::AudioSink;

/// What the left side plays, Hz.
pub const LEFT_TONE: f64 = 440.0;
/// What the right side plays, Hz.
pub const RIGHT_TONE: f64 = 1_000.0;

/// Hears the far end.
#[derive(Clone, Default, Debug)]
pub struct Ear(Arc<Mutex<(u32, Vec<i16>)>>);

impl AudioSink for Ear {
    fn write(&mut self, sample_rate: u32, samples: &[i16]) {
        let mut heard = self.0.lock().expect("no panic under the lock");
        heard.0 = sample_rate;
        heard.1.extend_from_slice(samples);
        // The last second.
        let excess = heard.1.len().saturating_sub(sample_rate as usize);
        heard.1.drain(..excess);
    }
}

impl Ear {
    /// Share of the energy of the last 500 ms that is this tone, 0 to 1; 0 in silence.
    pub fn share(&self, frequency: f64) -> f64 {
        let heard = self.0.lock().expect("no panic under the lock");
        let rate = f64::from(heard.0.max(1));
        let count = heard.0 as usize / 2;
        let Some(samples) = heard.1.len().checked_sub(count).and_then(|from| heard.1.get(from..)) else { return 0.0 };
        let (mut real, mut imaginary, mut energy) = (0.0, 0.0, 0.0);
        for (n, &sample) in samples.iter().enumerate() {
            let (value, phase) = (f64::from(sample), std::f64::consts::TAU * frequency * n as f64 / rate);
            real += value * phase.cos();
            imaginary += value * phase.sin();
            energy += value * value;
        }
        let count = samples.len().max(1) as f64;
        if energy / count < 10_000.0 {
            return 0.0;
        }
        2.0 * (real * real + imaginary * imaginary) / count / energy
    }

    /// Forgets what was heard.
    pub fn forget(&self) {
        self.0.lock().expect("no panic under the lock").1.clear();
    }
}
