//! Between a device's clock and ours: keeps as little waiting as the device's callbacks allow, by playing a little faster or slower.
//!
//! Two quartzes differ by up to some 200 parts per million; without this, a queue between them would run over or dry within
//! minutes. How much waits is watched, and the ratio of the resampler follows it, slowly enough not to be heard.

/// What waits besides one callback of the device, ms: either side may be late by this.
const MARGIN_MS: f64 = 15.0;
/// More waits than wanted by this, ms: it is skipped at once.
const EXCESS_MS: f64 = 100.0;
/// Correction for each ms too much, parts per million: a step of the clock is caught up with in about 10 s.
const PROPORTIONAL: f64 = 100.0;
/// Correction for each ms too much, parts per million per second, so that a lasting difference leaves nothing waiting.
const INTEGRAL: f64 = 2.0;
/// Largest correction, parts per million: less than three hundredths of a semitone.
const MOST: f64 = 1_000.0;
/// Weight of a new measurement: smooths over a second, longer than any callback's period.
const SMOOTHING: f64 = 0.01;
/// Time between two measurements, s.
const TICK_S: f64 = 0.01;

/// What is to be done about what waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Advice {
    /// Take so many parts per million more than the nominal.
    Trim(f64),
    /// Far too much waits: go on with this much, ms.
    Skip(f64),
}

/// Watches one queue.
#[derive(Debug, Default)]
pub(super) struct Drift {
    smoothed: Option<f64>,
    integral: f64,
}

impl Drift {
    /// What should wait, ms, for callbacks that take or bring `period_ms` at a time.
    pub(super) fn target(period_ms: f64) -> f64 {
        period_ms.clamp(0.0, 200.0) + MARGIN_MS
    }

    /// Every 10 ms: what waits, and what is to be done.
    pub(super) fn measure(&mut self, waiting_ms: f64, period_ms: f64) -> Advice {
        let target = Self::target(period_ms);
        if waiting_ms > target + period_ms + EXCESS_MS {
            self.smoothed = None;
            return Advice::Skip(target);
        }
        let before = self.smoothed.unwrap_or(target);
        let smoothed = before + (waiting_ms - before) * SMOOTHING;
        self.smoothed = Some(smoothed);
        let error = smoothed - target;
        self.integral = (self.integral + error * INTEGRAL * TICK_S).clamp(-MOST, MOST);
        Advice::Trim((error * PROPORTIONAL + self.integral).clamp(-MOST, MOST))
    }

    /// The queue ran dry and was filled anew. What is known of the clocks stays.
    pub(super) fn restart(&mut self) {
        self.smoothed = None;
    }
}
