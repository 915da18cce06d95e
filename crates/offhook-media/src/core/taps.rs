//! Those who hear both sides: each frame that is sent goes to them with one that is heard.

use std::time::Instant;

use super::TapId;
use crate::audio::{Tap, TapFrame};
use crate::guard::Guarded;

/// What is heard has a grid of its own, so it waits here for what is sent. Nothing is told twice, and nothing of what is sent is left out.
#[derive(Default)]
pub(super) struct Taps {
    taps: Vec<(TapId, Guarded<dyn Tap>)>,
    heard: Vec<i16>,
    heard_rate: u32,
    /// When the frame that waits was due; `None` if none waits.
    heard_at: Option<Instant>,
}

impl Taps {
    pub(super) fn add(&mut self, id: TapId, tap: Box<dyn Tap>) {
        self.taps.push((id, Guarded::new("tap", tap)));
    }

    pub(super) fn remove(&mut self, id: TapId) {
        self.taps.retain(|(known, _)| *known != id);
    }

    pub(super) fn clear(&mut self) {
        self.taps.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taps.is_empty()
    }

    /// Of the far end.
    pub(super) fn heard(&mut self, at: Instant, samples: &[i16], rate: u32) {
        if self.is_empty() {
            self.heard_at = None;
            return;
        }
        if self.heard_at.is_some() && (self.heard.len(), self.heard_rate) == (samples.len(), rate) {
            // What is heard comes earlier by now than what is sent, by more than a frame altogether: two become one.
            fade(&mut self.heard, samples);
            return;
        }
        self.heard.clear();
        self.heard.extend_from_slice(samples);
        self.heard_rate = rate;
        self.heard_at = Some(at);
    }

    /// Of ours.
    pub(super) fn sent(&mut self, at: Instant, local: &[i16], local_rate: u32) {
        let Some(heard_at) = self.heard_at.take() else { return };
        let frame = TapFrame {
            local,
            local_rate,
            remote: &self.heard,
            remote_rate: self.heard_rate,
            remote_earlier: at.saturating_duration_since(heard_at),
        };
        self.taps.retain_mut(|(_, tap)| tap.run(|tap| tap.frame(&frame)).is_some());
    }
}

/// From what is there to what is new.
fn fade(old: &mut [i16], new: &[i16]) {
    let length = old.len() as i32;
    for (n, (old, &new)) in (0..).zip(old.iter_mut().zip(new)) {
        // Between the two: it stays in range.
        *old = ((i32::from(*old) * (length - n) + i32::from(new) * n) / length) as i16;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;

    /// What it was told: of each side the first sample, and how much earlier the remote was, ms.
    #[derive(Default, Clone)]
    struct Told(Arc<Mutex<Vec<(i16, i16, u128)>>>);

    impl Tap for Told {
        fn frame(&mut self, frame: &TapFrame<'_>) {
            let told = (frame.local[0], frame.remote[0], frame.remote_earlier.as_millis());
            self.0.lock().expect("nobody panicked").push(told);
        }
    }

    #[test]
    fn every_frame_sent_goes_with_one_heard() {
        let (mut taps, told) = (Taps::default(), Told::default());
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        taps.add(TapId(7), Box::new(told.clone()));
        let heard = |taps: &mut Taps, ms, n: i16| taps.heard(at(ms), &[n; 160], 8_000);
        let sent = |taps: &mut Taps, ms, n: i16| taps.sent(at(ms), &[n; 160], 8_000);
        heard(&mut taps, 40, 1);
        sent(&mut taps, 40, 1);
        // Apart.
        heard(&mut taps, 45, 2);
        sent(&mut taps, 60, 2);
        heard(&mut taps, 65, 3);
        sent(&mut taps, 80, 3);
        // Another far end, whose frames come 15 ms earlier: 4 and 5 become one, which begins as 4 does.
        heard(&mut taps, 85, 4);
        heard(&mut taps, 90, 5);
        sent(&mut taps, 100, 4);
        heard(&mut taps, 110, 6);
        sent(&mut taps, 120, 5);
        taps.remove(TapId(7));
        heard(&mut taps, 130, 7);
        sent(&mut taps, 140, 6);
        let told = told.0.lock().expect("nobody panicked");
        assert_eq!(*told, [(1, 1, 0), (2, 2, 15), (3, 3, 15), (4, 4, 15), (5, 6, 10)]);
    }

    #[test]
    fn a_fade_goes_from_one_to_the_other_and_stays_in_range() {
        let mut old = [i16::MAX; 160];
        fade(&mut old, &[i16::MIN; 160]);
        assert_eq!(old[0], i16::MAX);
        assert!(old.is_sorted_by(|a, b| a >= b) && old[159] < -32_000);
    }
}
