//! A conference: every member is sent the sum of what the others say.
//!
//! There is no task and no thread of its own. At each tick of the grid that all peers of the process share, a member's peer
//! adds the 20 ms that it hears to the sum of that tick, and sends the sum of the tick before without its own part: by
//! then every other member has added its own, whatever the order in which they ran. So a tick costs one
//! addition and one subtraction for each member, and what is mixed is 20 ms late.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::AudioSink;
use super::resample::Resampler;
use crate::guard::Guarded;

/// Rate at which members meet, Hz: the highest of any codec.
const RATE: u32 = 48_000;
/// Samples of a tick at that rate.
const FRAME: usize = 960;
/// Ticks kept. A peer that is later than this is not heard at that moment.
const KEPT: usize = 16;
/// Ticks after which a listener is given a sum: peers make up for 100 ms at most, later than that nobody adds to it.
const SETTLED: i64 = 8;
/// Peak that the limiter allows: −1 dBFS.
const CEILING: f32 = 29_204.0;
/// What the limiter gives back of its gain in a tick: from −9 dB to 0 in 0.65 s.
const RELEASE: f32 = 0.02;

/// Calls that hear each other. Clones are the same conference; [`Peer::join`](crate::Peer::join) brings a peer into it.
///
/// Every member is sent its own source and, at unity gain, what all others say. The sum is made in 32 bits, where it
/// cannot overflow. What leaves it passes a limiter: no headroom is taken from a sum below −1 dBFS, and a louder one
/// is turned down as a whole within 5 ms, and up again within a second, instead of being clipped.
#[derive(Debug, Clone, Default)]
pub struct Mixer(Arc<Mutex<Floor>>);

impl Mixer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who hears all that is said in it, at 48 kHz and 160 ms late, until another one or nobody is given: a recording. It
    /// hears nothing while no member hears anything. Called on a member's task: it must not block.
    pub fn set_listener(&self, listener: Option<Box<dyn AudioSink>>) {
        // The one before completes its file when it is dropped: not under the lock.
        let before = std::mem::replace(&mut self.lock().listener, listener.map(Listener::new));
        drop(before);
    }

    fn lock(&self) -> MutexGuard<'_, Floor> {
        // Only additions happen under the lock, and what a listener does.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sums of the last ticks.
#[derive(Debug)]
struct Floor {
    sums: Vec<Sum>,
    listener: Option<Listener>,
}

#[derive(Debug)]
struct Sum {
    tick: i64,
    samples: Vec<i32>,
}

impl Default for Floor {
    fn default() -> Self {
        Self { sums: (0..KEPT).map(|_| Sum { tick: i64::MIN, samples: vec![0; FRAME] }).collect(), listener: None }
    }
}

impl Floor {
    fn at(&mut self, tick: i64) -> Option<&mut Sum> {
        self.sums.get_mut(slot(tick))
    }

    fn add(&mut self, tick: i64, samples: &[i16]) -> bool {
        let Some(sum) = self.at(tick).filter(|sum| sum.tick <= tick) else { return false };
        let is_first = sum.tick < tick;
        if is_first {
            sum.tick = tick;
            sum.samples.fill(0);
        }
        for (sum, sample) in sum.samples.iter_mut().zip(samples) {
            *sum += i32::from(*sample);
        }
        if let Some(listener) = self.listener.as_mut().filter(|_| is_first) {
            listener.hear(tick - SETTLED, &self.sums);
        }
        true
    }

    fn take_out(&mut self, tick: i64, samples: &[i16]) {
        if let Some(sum) = self.at(tick).filter(|sum| sum.tick == tick) {
            for (sum, sample) in sum.samples.iter_mut().zip(samples) {
                *sum -= i32::from(*sample);
            }
        }
    }
}

/// Hears the sums, each once and in their order.
struct Listener {
    sink: Guarded<dyn AudioSink>,
    /// The last tick that was heard.
    heard: i64,
    limiter: Limiter,
    frame: Vec<i16>,
}

impl Listener {
    fn new(sink: Box<dyn AudioSink>) -> Self {
        Self {
            sink: Guarded::new("listener to a conference", sink),
            heard: i64::MIN,
            limiter: Limiter::default(),
            frame: vec![0; FRAME],
        }
    }

    /// Hears what is kept up to this tick. A tick in which nobody said anything is left out.
    fn hear(&mut self, until: i64, sums: &[Sum]) {
        let kept = KEPT as i64 - SETTLED - 1;
        for tick in self.heard.saturating_add(1).max(until - kept)..=until {
            if let Some(sum) = sums.get(slot(tick)).filter(|sum| sum.tick == tick) {
                self.limiter.limit(&sum.samples, &mut self.frame);
                // One that has panicked stands here for nobody.
                let _ = self.sink.run(|sink| sink.write(RATE, &self.frame));
            }
        }
        self.heard = self.heard.max(until);
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

fn slot(tick: i64) -> usize {
    tick.rem_euclid(KEPT as i64) as usize
}

/// A member's place. Leaving it takes what was added back.
#[derive(Debug)]
pub(crate) struct Seat {
    mixer: Mixer,
    /// What this member added, by tick.
    own: Vec<(i64, Vec<i16>)>,
    raise: Line,
    lower: Line,
    /// The last tick that was mixed.
    mixed: i64,
    sums: Vec<i32>,
    others: Vec<i16>,
    lowered: Vec<i16>,
    before: Limiter,
    after: Limiter,
}

impl Seat {
    pub(crate) fn new(mixer: Mixer) -> Self {
        Self {
            mixer,
            own: (0..KEPT).map(|_| (i64::MIN, vec![0; FRAME])).collect(),
            raise: Line::default(),
            lower: Line::default(),
            mixed: i64::MIN,
            sums: vec![0; FRAME],
            others: vec![0; FRAME],
            lowered: vec![0; FRAME],
            before: Limiter::default(),
            after: Limiter::default(),
        }
    }

    /// Says the 20 ms of this tick to the others.
    pub(crate) fn say(&mut self, tick: i64, rate: u32, samples: &[i16]) {
        let Some((when, own)) = self.own.get_mut(slot(tick)) else { return };
        self.raise.convert(rate, RATE, samples, own);
        let added = self.mixer.lock().add(tick, own);
        *when = if added { tick } else { i64::MIN };
    }

    /// Adds what the others said in the tick before to a frame at `rate`.
    pub(crate) fn mix(&mut self, tick: i64, rate: u32, frame: &mut [i16]) {
        let before = tick - 1;
        if self.mixed != before {
            self.lower.restart();
        }
        self.mixed = tick;
        match self.mixer.lock().at(before).filter(|sum| sum.tick == before) {
            Some(sum) => self.sums.copy_from_slice(&sum.samples),
            None => self.sums.fill(0),
        }
        if let Some((_, own)) = self.own.get(slot(before)).filter(|(when, _)| *when == before) {
            for (sum, own) in self.sums.iter_mut().zip(own) {
                *sum -= i32::from(*own);
            }
        }
        self.before.limit(&self.sums, &mut self.others);
        // At the frame's rate there are no more samples than at the highest one.
        let Some(total) = self.sums.get_mut(..frame.len()) else { return };
        let Some(lowered) = self.lowered.get_mut(..frame.len()) else { return };
        self.lower.convert(RATE, rate, &self.others, lowered);
        for ((total, sample), other) in total.iter_mut().zip(&*frame).zip(lowered) {
            *total = i32::from(*sample) + i32::from(*other);
        }
        self.after.limit(total, frame);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut floor = self.mixer.lock();
        for (tick, own) in &self.own {
            floor.take_out(*tick, own);
        }
    }
}

/// A stream brought to another rate, in frames of 20 ms.
#[derive(Debug, Default)]
struct Line {
    convert: Option<Resampler>,
    ready: Vec<i16>,
}

impl Line {
    /// Fills `out` with the next 20 ms. What a converter holds back in the beginning is silence before the first sample.
    fn convert(&mut self, from: u32, to: u32, samples: &[i16], out: &mut [i16]) {
        if self.convert.as_ref().is_none_or(|c| (c.from_rate(), c.to_rate()) != (from, to)) {
            // Both are rates of codecs: this does not fail.
            self.convert = Resampler::new(from, to).ok();
            self.ready.clear();
        }
        if let Some(convert) = &mut self.convert {
            convert.process(samples, &mut self.ready);
        }
        let count = out.len().min(self.ready.len());
        let (silence, sound) = out.split_at_mut(out.len() - count);
        silence.fill(0);
        for (slot, sample) in sound.iter_mut().zip(self.ready.drain(..count)) {
            *slot = sample;
        }
    }

    fn restart(&mut self) {
        self.ready.clear();
        if let Some(convert) = &mut self.convert {
            convert.reset();
        }
    }
}

/// Turns what is too loud down as a whole: the shape of the wave stays, except within the first 5 ms of a sudden peak.
#[derive(Debug)]
struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Limiter {
    fn limit(&mut self, sums: &[i32], out: &mut [i16]) {
        let peak = sums.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or(0) as f32;
        let allowed = if peak > CEILING { CEILING / peak } else { 1.0 };
        let (from, to) = (self.gain, allowed.min(self.gain + RELEASE));
        let ramp = if to < from { sums.len() / 4 } else { sums.len() };
        for (n, (slot, sum)) in out.iter_mut().zip(sums).enumerate() {
            let gain = if n < ramp { from + (to - from) * n as f32 / ramp as f32 } else { to };
            *slot = (*sum as f32 * gain).clamp(-32_768.0, 32_767.0) as i16;
        }
        self.gain = to;
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(hz: f64, peak: f64, rate: u32, tick: i64) -> Vec<i16> {
        let frame = rate as usize / 50;
        (0..frame)
            .map(|n| {
                let t = (tick as usize * frame + n) as f64 / f64::from(rate);
                (peak * (TAU * hz * t).sin()) as i16
            })
            .collect()
    }

    /// Amplitude of a frequency in samples.
    fn amplitude(samples: &[i16], rate: u32, hz: f64) -> f64 {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let angle = TAU * hz * n as f64 / f64::from(rate);
            real += f64::from(*sample) * angle.cos();
            imaginary += f64::from(*sample) * angle.sin();
        }
        2.0 * (real * real + imaginary * imaginary).sqrt() / samples.len() as f64
    }

    /// Members with rates, tones and peaks; what each is sent in a second, the first 200 ms left out.
    fn conference(members: &[(u32, f64, f64)], order: impl Fn(i64, usize) -> usize) -> Vec<Vec<i16>> {
        let mixer = Mixer::new();
        let mut seats: Vec<Seat> = members.iter().map(|_| Seat::new(mixer.clone())).collect();
        let mut sent = vec![Vec::new(); members.len()];
        for tick in 0..60 {
            for turn in 0..members.len() {
                let who = order(tick, turn);
                let (rate, hz, peak) = members[who];
                seats[who].say(tick, rate, &tone(hz, peak, rate, tick));
                let mut frame = vec![0; rate as usize / 50];
                seats[who].mix(tick, rate, &mut frame);
                if tick >= 10 {
                    sent[who].extend(frame);
                }
            }
        }
        sent
    }

    const FIVE: [(u32, f64, f64); 5] = [
        (48_000, 400.0, 3_000.0),
        (8_000, 700.0, 3_000.0),
        (48_000, 1_000.0, 3_000.0),
        (8_000, 1_300.0, 3_000.0),
        (16_000, 1_600.0, 3_000.0),
    ];

    #[test]
    fn each_member_is_sent_every_other_at_its_own_level_and_not_itself_whatever_the_rates_and_order() {
        // The order in which the peers' tasks run changes from tick to tick.
        for sent in [conference(&FIVE, |_, turn| turn), conference(&FIVE, |tick, turn| (turn + tick as usize) % 5)] {
            for (who, samples) in sent.iter().enumerate() {
                for (other, (_, hz, peak)) in FIVE.iter().enumerate() {
                    let heard = amplitude(samples, FIVE[who].0, *hz);
                    if who == other {
                        assert!(heard < 30.0, "{who} hears itself at {heard}");
                    } else {
                        assert!((heard - peak).abs() < peak * 0.03, "{who} hears {other} at {heard}");
                    }
                }
            }
        }
    }

    #[test]
    fn loud_members_are_turned_down_together_and_nothing_is_clipped() {
        let loud = FIVE.map(|(rate, hz, _)| (rate, hz, 20_000.0));
        for (who, samples) in conference(&loud, |_, turn| turn).iter().enumerate() {
            let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().expect("samples");
            assert!(peak <= 30_000, "the ceiling holds: {peak}");
            let rate = loud[who].0;
            let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
            let tones: Vec<f64> = loud
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != who)
                .map(|(_, (_, hz, _))| amplitude(samples, rate, *hz))
                .collect();
            let clean = tones.iter().map(|tone| tone * tone / 2.0).sum::<f64>() / power;
            assert!(clean > 0.97, "{who}: the sum is the tones and little else: {clean}");
            let (least, most) = tones.iter().fold((f64::MAX, 0.0_f64), |(l, m), t| (l.min(*t), m.max(*t)));
            assert!(least > most * 0.9, "{who}: all are turned down alike: {tones:?}");
        }
    }

    struct Paper(std::sync::mpsc::Sender<Vec<i16>>);

    impl AudioSink for Paper {
        fn write(&mut self, sample_rate: u32, samples: &[i16]) {
            assert_eq!((sample_rate, samples.len()), (RATE, FRAME));
            self.0.send(samples.to_vec()).expect("read");
        }
    }

    #[test]
    fn a_listener_hears_every_member_whole_in_whatever_order_they_run() {
        for late in [0, 1] {
            let mixer = Mixer::new();
            let (paper, read) = std::sync::mpsc::channel();
            mixer.set_listener(Some(Box::new(Paper(paper))));
            let mut seats: Vec<Seat> = FIVE.iter().map(|_| Seat::new(mixer.clone())).collect();
            for tick in 1..61 {
                for (who, (rate, hz, peak)) in FIVE.iter().enumerate() {
                    // One of them is always a tick behind.
                    let tick = if who == 2 { tick - late } else { tick };
                    seats[who].say(tick, *rate, &tone(*hz, *peak, *rate, tick));
                }
            }
            mixer.set_listener(None);
            let heard: Vec<Vec<i16>> = read.iter().collect();
            assert!((51..=53).contains(&heard.len()), "each tick once: {}", heard.len());
            let heard: Vec<i16> = heard.into_iter().skip(1).take(50).flatten().collect();
            for (_, hz, peak) in FIVE {
                let amplitude = amplitude(&heard, RATE, hz);
                assert!((amplitude - peak).abs() < peak * 0.03, "{hz} Hz at {amplitude}");
            }
        }
    }

    #[test]
    fn a_listener_hears_nothing_twice_and_nothing_of_a_time_without_members() {
        let mixer = Mixer::new();
        let (paper, read) = std::sync::mpsc::channel();
        mixer.set_listener(Some(Box::new(Paper(paper))));
        let mut seat = Seat::new(mixer.clone());
        for tick in (0..20).chain(1_000..1_020) {
            seat.say(tick, RATE, &[tick as i16; FRAME]);
        }
        mixer.set_listener(None);
        let firsts: Vec<i16> = read.iter().map(|frame| frame[0]).collect();
        assert_eq!(firsts, (0..12).chain(1_000..1_012).collect::<Vec<i16>>());
    }

    #[test]
    fn the_gain_comes_back_after_a_peak() {
        let mut limiter = Limiter::default();
        let mut out = [0; 960];
        limiter.limit(&[120_000; 960], &mut out);
        assert!(out[959] <= 29_204 && out.iter().all(|sample| *sample > 0), "no wrap: {}", out[959]);
        for _ in 0..50 {
            limiter.limit(&[1_000; 960], &mut out);
        }
        assert_eq!(out[959], 1_000);
        limiter.limit(&[i32::from(i16::MIN) * 5; 960], &mut out);
        assert!(out.iter().all(|sample| *sample < 0));
    }

    #[test]
    fn who_leaves_is_gone_at_once_and_who_is_late_or_silent_harms_nobody() {
        let mixer = Mixer::new();
        let (mut a, mut b) = (Seat::new(mixer.clone()), Seat::new(mixer.clone()));
        let mut frame = [0; 160];
        b.say(7, 48_000, &[5_000; 960]);
        drop(b);
        a.mix(8, 8_000, &mut frame);
        assert_eq!(frame, [0; 160]);
        // Ticks without anybody, a jump of the clock, a member that says a tick which is long over.
        a.mix(1_000, 8_000, &mut frame);
        let mut c = Seat::new(mixer);
        c.say(1_000, 8_000, &[100; 160]);
        a.say(992, 8_000, &[9_000; 160]);
        a.mix(1_001, 8_000, &mut frame);
        assert!(frame.iter().all(|sample| sample.abs() < 200), "{frame:?}");
    }
}
