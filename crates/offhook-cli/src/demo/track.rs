//! Hears both sides of a call and puts them on the demo's clock.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use offhook::{Tap, TapFrame};

use crate::audio::{Pcm, resample};

/// Rate of the finished tracks, Hz.
pub const RATE: u32 = 16_000;
/// Length of a frame, ms.
const FRAME_MS: f64 = 20.0;
/// A frame this late is not late: nothing was heard in between, ms.
const PAUSE_MS: f64 = 250.0;
/// How many frames the beginning is judged by.
const SETTLE: usize = 25;

/// The time since the demo began.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    pub fn ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn exact_ms(self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1_000.0
    }
}

/// The call's end: hand it to the session.
pub struct TrackTap {
    clock: Clock,
    frames: Sender<Frame>,
}

/// The demo's end: what was said and heard.
#[derive(Debug)]
pub struct Tracks(Receiver<Frame>);

#[derive(Debug)]
struct Frame {
    at_ms: f64,
    said: (u32, Vec<i16>),
    heard: (u32, Vec<i16>),
    /// How much earlier it was heard than this was said, ms.
    earlier_ms: f64,
}

/// Both ends.
pub fn pair(clock: Clock) -> (TrackTap, Tracks) {
    let (frames, receiver) = channel();
    (TrackTap { clock, frames }, Tracks(receiver))
}

impl Tap for TrackTap {
    fn frame(&mut self, frame: &TapFrame<'_>) {
        // The demo may have ended: then nobody wants the rest.
        let _ = self.frames.send(Frame {
            at_ms: self.clock.exact_ms(),
            said: (frame.local_rate, frame.local.to_vec()),
            heard: (frame.remote_rate, frame.remote.to_vec()),
            earlier_ms: frame.remote_earlier.as_secs_f64() * 1_000.0,
        });
    }
}

impl Tracks {
    /// What was said and heard, from the start of the clock on.
    pub fn finish(self) -> (Pcm, Pcm) {
        let frames: Vec<Frame> = self.0.try_iter().collect();
        let times: Vec<f64> = frames.iter().map(|f| f.at_ms).collect();
        let places = places(&times);
        let said = track(places.iter().copied().zip(frames.iter().map(|f| &f.said)));
        let heard = places.iter().zip(&frames).map(|(place, f)| ((place - f.earlier_ms).max(0.0), &f.heard));
        let heard = track(heard);
        (said, heard)
    }
}

/// Where each frame begins, ms. Frames follow each other without a gap, whenever the busy machine handed them over,
/// unless there was a pause.
fn places(times: &[f64]) -> Vec<f64> {
    let mut places: Vec<f64> = Vec::with_capacity(times.len());
    for (index, &time) in times.iter().enumerate() {
        let next = places.last().map(|last| last + FRAME_MS);
        places.push(match next {
            Some(next) if time - next < PAUSE_MS => next,
            _ => beginning(times.get(index..).unwrap_or_default()),
        });
    }
    places
}

/// When frames began: the first may have been handed over late, but none early.
fn beginning(times: &[f64]) -> f64 {
    let first = times.first().copied().unwrap_or(0.0);
    times
        .iter()
        .take(SETTLE)
        .enumerate()
        .map(|(index, time)| time - index as f64 * FRAME_MS)
        .fold(first, f64::min)
        .max(0.0)
}

/// Puts frames at their places; each run of one rate is converted as a whole.
fn track<'a>(frames: impl Iterator<Item = (f64, &'a (u32, Vec<i16>))>) -> Pcm {
    let mut out: Vec<f32> = Vec::new();
    let mut run: Vec<i16> = Vec::new();
    let mut run_rate = 0;
    let mut run_start = 0.0;
    let mut expected = f64::NEG_INFINITY;
    for (place, (rate, samples)) in frames {
        if *rate != run_rate || (place - expected).abs() > 1.0 {
            put(&mut out, run_start, run_rate, &run);
            run.clear();
            (run_rate, run_start) = (*rate, place);
        }
        run.extend_from_slice(samples);
        expected = place + FRAME_MS;
    }
    put(&mut out, run_start, run_rate, &run);
    Pcm::new(RATE, out)
}

fn put(out: &mut Vec<f32>, start_ms: f64, rate: u32, samples: &[i16]) {
    if samples.is_empty() {
        return;
    }
    let start = (start_ms * f64::from(RATE) / 1_000.0).round() as usize;
    if out.len() < start {
        out.resize(start, 0.0);
    }
    out.truncate(start);
    out.extend_from_slice(resample(&Pcm::from_i16(rate, samples), RATE).samples());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn late_frames_keep_their_places() {
        assert_eq!(places(&[103.0, 121.0, 140.0, 175.0, 181.0]), [100.0, 120.0, 140.0, 160.0, 180.0]);
    }

    #[test]
    fn after_a_pause_the_clock_counts() {
        assert_eq!(places(&[100.0, 120.0, 1_000.0, 1_020.0]), [100.0, 120.0, 1_000.0, 1_020.0]);
    }

    #[test]
    fn frames_of_different_rates_become_one_track() {
        let (mut tap, tracks) = pair(Clock::start());
        for index in 0..10 {
            let (rate, count) = if index < 5 { (8_000, 160) } else { (48_000, 960) };
            let local = vec![16_384; count];
            let remote = vec![0; count];
            let remote_earlier = Duration::ZERO;
            let frame =
                TapFrame { local: &local, local_rate: rate, remote: &remote, remote_rate: rate, remote_earlier };
            tap.frame(&frame);
        }
        let (said, heard) = tracks.finish();
        assert!((200.0..260.0).contains(&said.duration_ms()), "{}", said.duration_ms());
        let middle = said.part(said.duration_ms() - 150.0, said.duration_ms() - 50.0);
        assert!((middle.level_dbfs() + 6.0).abs() < 0.5, "{}", middle.level_dbfs());
        assert!(heard.level_dbfs() < -100.0);
    }

    #[test]
    fn what_was_heard_is_placed_when_it_was_heard() {
        let (mut tap, tracks) = pair(Clock::start());
        let (silence, loud) = ([0; 160], [16_384; 160]);
        for index in 0..10 {
            let side: &[i16] = if index < 5 { &silence } else { &loud };
            let remote_earlier = Duration::from_millis(if index < 5 { 0 } else { 15 });
            let frame = TapFrame { local: side, local_rate: 8_000, remote: side, remote_rate: 8_000, remote_earlier };
            tap.frame(&frame);
        }
        let (said, heard) = tracks.finish();
        let starts = |track: &Pcm| track.samples().iter().position(|sample| *sample > 0.3).expect("it is loud") as f64;
        let earlier_ms = (starts(&said) - starts(&heard)) * 1_000.0 / f64::from(RATE);
        assert!((earlier_ms - 15.0).abs() < 1.0, "{earlier_ms}");
    }

    #[test]
    fn nothing_heard_is_an_empty_track() {
        let (_, tracks) = pair(Clock::start());
        let (said, heard) = tracks.finish();
        assert!(said.is_empty() && heard.is_empty());
    }
}
