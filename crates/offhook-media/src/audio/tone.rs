//! Tones: one or two sine waves with a cadence.

use std::f64::consts::TAU;
use std::time::Duration;

/// One or two sine waves, on and off.
#[derive(Debug, Clone, PartialEq)]
pub struct ToneSpec {
    frequencies: [f64; 2],
    level_dbfs: f64,
    on: Duration,
    off: Duration,
}

impl ToneSpec {
    /// One frequency, Hz (brought into 20–20000), continuous, at −12 dBFS RMS.
    pub fn new(hz: f64) -> Self {
        Self::dual(hz, 0.0)
    }

    /// Two frequencies of equal level.
    pub fn dual(first_hz: f64, second_hz: f64) -> Self {
        let bring_in = |hz: f64| {
            if hz > 0.0 { hz.clamp(20.0, 20_000.0) } else { 0.0 }
        };
        Self {
            frequencies: [bring_in(first_hz), bring_in(second_hz)],
            level_dbfs: -12.0,
            on: Duration::MAX,
            off: Duration::ZERO,
        }
    }

    /// Sets the RMS level, dBFS, brought into −90 to −3.
    pub fn level(mut self, dbfs: f64) -> Self {
        self.level_dbfs = dbfs.clamp(-90.0, -3.0);
        self
    }

    /// Sets the cadence.
    pub fn cadence(mut self, on: Duration, off: Duration) -> Self {
        self.on = on.max(Duration::from_millis(10));
        self.off = off;
        self
    }

    /// European ringing tone (ITU-T E.180): 425 Hz, 1 s on, 4 s off.
    pub fn ringback() -> Self {
        Self::new(425.0).level(-18.0).cadence(Duration::from_secs(1), Duration::from_secs(4))
    }

    /// European busy tone (ITU-T E.180): 425 Hz, 0.5 s on, 0.5 s off.
    pub fn busy() -> Self {
        Self::new(425.0).level(-18.0).cadence(Duration::from_millis(500), Duration::from_millis(500))
    }

    /// Call waiting, for whoever is in another call: a pip of 425 Hz (ITU-T E.180), 0.2 s on, 4 s off.
    pub fn call_waiting() -> Self {
        Self::new(425.0).level(-24.0).cadence(Duration::from_millis(200), Duration::from_secs(4))
    }

    /// What a telephone rings with. No standard says how: a fourth, 1 s on, 2 s off.
    pub fn ring() -> Self {
        Self::dual(660.0, 880.0).level(-15.0).cadence(Duration::from_secs(1), Duration::from_secs(2))
    }

    /// The two frequencies of a DTMF tone, `0`–`9 * # A`–`D` (ITU-T Q.23), continuous; `None` for any other character.
    pub fn dtmf(tone: char) -> Option<Self> {
        let (low, high) = crate::dtmf::frequencies(crate::dtmf::code_of(tone)?)?;
        Some(Self::dual(low, high).level(-18.0))
    }
}

/// Plays a [`ToneSpec`].
#[derive(Debug)]
pub(crate) struct Tone {
    spec: ToneSpec,
    phases: [f64; 2],
    /// Time played, s, within one cadence.
    elapsed: f64,
}

impl Tone {
    pub(crate) fn new(spec: ToneSpec) -> Self {
        Self { spec, phases: [0.0; 2], elapsed: 0.0 }
    }

    pub(crate) fn fill(&mut self, sample_rate: u32, out: &mut [i16]) {
        let rate = f64::from(sample_rate);
        let waves = self.spec.frequencies.iter().filter(|&&hz| hz > 0.0).count().max(1);
        let peak = 32_768.0 * 10f64.powf(self.spec.level_dbfs / 20.0) * (2.0 / waves as f64).sqrt();
        let (on, period) = if self.spec.off.is_zero() {
            (f64::INFINITY, f64::INFINITY)
        } else {
            let on = self.spec.on.as_secs_f64();
            (on, on + self.spec.off.as_secs_f64())
        };
        for sample in out {
            let mut sum = 0.0;
            for (phase, hz) in self.phases.iter_mut().zip(self.spec.frequencies) {
                sum += phase.sin();
                *phase = (*phase + TAU * hz / rate) % TAU;
            }
            let audible = self.elapsed < on;
            *sample = if audible { (sum * peak).clamp(-32_768.0, 32_767.0) as i16 } else { 0 };
            self.elapsed += 1.0 / rate;
            if self.elapsed >= period {
                self.elapsed -= period;
            }
        }
    }
}
