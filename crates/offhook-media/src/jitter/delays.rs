//! What the path does to packets: its floor, and how far above it packets arrive.

use super::buffer::TOO_EARLY;
use super::config::JitterConfig;

/// Width of a class of the histogram, µs.
const CLASS: i64 = 5_000;
const CLASSES: usize = 400;
/// Share of packets that must be in time.
const QUANTILE: f32 = 0.97;
/// Forgetting per packet: half of the weight is on the last 4.6 s at 50 packets a second.
const KEEP: f32 = 0.997;
/// The floor is the smallest transit of one to two windows, µs.
const WINDOW: i64 = 10_000_000;
/// How fast the target is lowered: µs per µs.
const LOWERING: f64 = 0.01;

#[derive(Debug)]
pub(crate) struct Delays {
    min: i64,
    max: i64,
    initial: i64,
    /// Weight of each class of delays.
    classes: Box<[f32; CLASSES]>,
    weight: f32,
    target: i64,
    /// Smallest transits of the present and the previous window.
    floors: [Option<i64>; 2],
    window_start: i64,
    last_transit: Option<i64>,
    last_add: Option<i64>,
}

impl Delays {
    pub(crate) fn new(config: JitterConfig) -> Self {
        let micros = |d: std::time::Duration| d.as_micros() as i64;
        let mut this = Self {
            min: micros(config.min_delay),
            max: micros(config.max_delay),
            initial: micros(config.initial_delay),
            classes: Box::new([0.0; CLASSES]),
            weight: 0.0,
            target: 0,
            floors: [None; 2],
            window_start: 0,
            last_transit: None,
            last_add: None,
        };
        this.restart();
        this
    }

    pub(crate) fn restart(&mut self) {
        self.classes.fill(0.0);
        self.weight = 0.0;
        self.target = self.initial.clamp(self.min, self.max);
        self.floors = [None; 2];
        self.last_transit = None;
        self.last_add = None;
    }

    /// Delay aimed at, µs.
    pub(crate) fn target(&self) -> i64 {
        self.target
    }

    /// Smallest transit of late, µs; before the first packet, that of media time 0 now.
    pub(crate) fn floor(&self, now: i64) -> i64 {
        self.floors.iter().flatten().min().copied().unwrap_or(now)
    }

    /// Whether this transit is no variation of the path but another time line.
    pub(crate) fn is_jump(&self, transit: i64, limit: i64) -> bool {
        self.last_transit.is_some_and(|last| (transit - last).abs() > limit)
    }

    /// Takes the transit of a packet.
    pub(crate) fn add(&mut self, now: i64, transit: i64) {
        self.last_transit = Some(transit);
        if self.floors.iter().all(Option::is_none) {
            self.window_start = now;
        } else if now - self.window_start >= WINDOW {
            self.window_start = now;
            self.floors = [None, self.floors[0].or(self.floors[1])];
        }
        self.floors[0] = Some(self.floors[0].map_or(transit, |floor| floor.min(transit)));
        let delay = (transit - self.floor(now)).max(0);
        for class in self.classes.iter_mut() {
            *class *= KEEP;
        }
        self.weight = self.weight * KEEP + 1.0;
        if let Some(class) = self.classes.get_mut(((delay / CLASS) as usize).min(CLASSES - 1)) {
            *class += 1.0;
        }
        self.adapt(now);
    }

    /// A packet came after its turn: the target was too low, whatever the quantile says.
    pub(crate) fn came_late(&mut self, transit: i64) {
        let floor = self.floors.iter().flatten().min().copied().unwrap_or(transit);
        self.raise((transit - floor).max(0) + CLASS);
    }

    fn adapt(&mut self, now: i64) {
        let elapsed = self.last_add.map_or(0, |last| (now - last).clamp(0, 1_000_000));
        self.last_add = Some(now);
        // Upper edge of the class, and what the clock may be early.
        let quantile = self.quantile() + CLASS + TOO_EARLY;
        if quantile > self.target && self.weight > 3.0 {
            self.raise(quantile);
        } else if quantile < self.target {
            let lowered = self.target - (elapsed as f64 * LOWERING) as i64;
            self.target = lowered.max(quantile).clamp(self.min, self.max);
        }
    }

    fn raise(&mut self, to: i64) {
        self.target = self.target.max(to).clamp(self.min, self.max);
    }

    fn quantile(&self) -> i64 {
        let mut above = self.weight * (1.0 - QUANTILE);
        for (index, class) in self.classes.iter().enumerate().rev() {
            above -= class;
            if above < 0.0 {
                return index as i64 * CLASS;
            }
        }
        0
    }
}
