//! When 20 ms are due: those that are sent on the grid that all peers of the process share, and those that are heard with them, or
//! at a distance from them that suits the far end's packets.

use std::time::{Duration, Instant};

/// A frame.
pub(super) const TICK: Duration = Duration::from_millis(20);
/// Ticks made up for when the process was held up; before them, time passes without a frame.
const MAX_CATCH_UP: u32 = 5;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// A frame to send and one to hear.
    Both,
    Send,
    Hear,
}

#[derive(Debug)]
pub(super) struct Pace {
    grid: Instant,
    /// None while there is no call.
    send: Option<Instant>,
    /// None while what is heard comes with what is sent.
    hear: Option<Instant>,
    together: bool,
}

impl Pace {
    /// `grid`: a moment in the past from which frames are counted.
    pub(super) fn new(grid: Instant) -> Self {
        Self { grid, send: None, hear: None, together: true }
    }

    /// Of the grid, µs.
    pub(super) fn micros(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.grid).as_micros() as i64
    }

    /// Which frame of the grid this is in.
    pub(super) fn tick(&self, at: Instant) -> i64 {
        self.micros(at).div_euclid(TICK.as_micros() as i64)
    }

    pub(super) fn is_running(&self) -> bool {
        self.send.is_some()
    }

    pub(super) fn start(&mut self, now: Instant) {
        if self.send.is_none() {
            let passed = now.saturating_duration_since(self.grid).as_millis() / TICK.as_millis();
            self.send = Some(self.grid + TICK * (passed as u32 + 1));
        }
    }

    pub(super) fn stop(&mut self) {
        self.send = None;
        self.hear = None;
    }

    /// What is heard must come with what is sent, for it is sent; or no longer.
    pub(super) fn keep_together(&mut self, together: bool) {
        self.together = together;
    }

    /// What is heard comes so much earlier from now on. It stays so until it must come with what is sent.
    pub(super) fn hear_earlier(&mut self, by: Duration) {
        if let Some(next) = self.hear.or(self.send).filter(|_| !self.together) {
            self.hear = next.checked_sub(by);
        }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.send.into_iter().chain(self.hear.filter(|_| !self.together)).min()
    }

    /// When something is due after that.
    pub(super) fn after_next(&self) -> Option<Instant> {
        let next = self.next()?;
        let other = self.send.max(self.hear.filter(|_| !self.together)).filter(|other| *other > next);
        Some(other.unwrap_or(next + TICK).min(next + TICK))
    }

    /// Gives up frames of too long ago; says how many.
    pub(super) fn give_up(&mut self, now: Instant) -> u32 {
        let Some(send) = &mut self.send else { return 0 };
        let overdue = now.saturating_duration_since(*send).as_millis() / TICK.as_millis();
        let given_up = overdue.saturating_sub(u128::from(MAX_CATCH_UP)) as u32;
        *send += TICK * given_up;
        if let Some(hear) = &mut self.hear {
            *hear += TICK * given_up;
        }
        given_up
    }

    /// The next thing that is due at `now`, and since when.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Instant, Due)> {
        let send = self.send?;
        if let Some(hear) = self.hear.filter(|hear| !self.together && *hear <= now && *hear < send) {
            self.hear = Some(hear + TICK);
            return Some((hear, Due::Hear));
        }
        if send > now {
            return None;
        }
        self.send = Some(send + TICK);
        let due = match self.hear {
            Some(hear) if !self.together || hear > send => Due::Send,
            _ => {
                self.hear = None;
                Due::Both
            }
        };
        Some((send, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// What is due until `end`, as ms of the grid.
    fn run(pace: &mut Pace, grid: Instant, end: u64) -> Vec<(u64, Due)> {
        let mut seen = Vec::new();
        while let Some(next) = pace.next().filter(|next| *next <= grid + ms(end)) {
            let after = pace.after_next();
            let (at, due) = pace.due(next).expect("what is announced is due");
            assert_eq!((at, after), (next, pace.next()));
            seen.push(((at - grid).as_millis() as u64, due));
        }
        seen
    }

    #[test]
    fn frames_are_heard_with_those_sent_then_earlier_and_then_with_them_again() {
        let grid = Instant::now();
        let mut pace = Pace::new(grid);
        assert_eq!((pace.next(), pace.due(grid)), (None, None));
        pace.start(grid + ms(3));
        pace.keep_together(false);
        assert_eq!(run(&mut pace, grid, 40), [(20, Due::Both), (40, Due::Both)]);
        pace.hear_earlier(ms(15));
        let apart = [(45, Due::Hear), (60, Due::Send), (65, Due::Hear)];
        assert_eq!(run(&mut pace, grid, 65), apart);
        // Another far end, whose packets come at other times.
        pace.hear_earlier(ms(10));
        let apart = [(75, Due::Hear), (80, Due::Send), (95, Due::Hear), (100, Due::Send)];
        assert_eq!(run(&mut pace, grid, 100), apart);
        // The next would be heard at 115: it is with what is sent at 120.
        pace.keep_together(true);
        assert_eq!(run(&mut pace, grid, 140), [(120, Due::Both), (140, Due::Both)]);
        // Not even if it is told so.
        pace.hear_earlier(ms(15));
        assert_eq!(run(&mut pace, grid, 160), [(160, Due::Both)]);
        pace.stop();
        assert_eq!((pace.next(), pace.is_running()), (None, false));
    }

    #[test]
    fn no_frame_is_heard_twice_when_they_come_together_again() {
        let grid = Instant::now();
        let mut pace = Pace::new(grid);
        pace.start(grid);
        pace.keep_together(false);
        run(&mut pace, grid, 40);
        pace.hear_earlier(ms(15));
        assert_eq!(run(&mut pace, grid, 50), [(45, Due::Hear)]);
        pace.keep_together(true);
        // What was heard at 45 lasts until 65.
        assert_eq!(run(&mut pace, grid, 80), [(60, Due::Send), (80, Due::Both)]);
    }

    #[test]
    fn what_is_long_overdue_is_given_up() {
        let grid = Instant::now();
        let mut pace = Pace::new(grid);
        pace.start(grid);
        pace.keep_together(false);
        run(&mut pace, grid, 20);
        pace.hear_earlier(ms(5));
        let now = grid + ms(1_000);
        assert_eq!(pace.give_up(now), 43);
        let due: Vec<_> = std::iter::from_fn(|| pace.due(now)).map(|(_, due)| due).collect();
        assert_eq!(due.iter().filter(|due| **due == Due::Send).count(), 7 - 1);
        assert_eq!(due.iter().filter(|due| **due == Due::Hear).count(), 7 - 1);
        assert_eq!(pace.give_up(now), 0);
    }
}
