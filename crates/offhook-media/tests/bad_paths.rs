//! The receive path on bad networks, in virtual time: how long packets wait, what is made up, what comes back.

use std::time::Duration;

use offhook_media::{AudioEncoder, AudioReceiver, Codec, JitterConfig, OpusConfig, ReceiverStats};
use offhook_netem::{Link, Loss, Outage, Profile};

const FRAME: Duration = Duration::from_millis(20);
/// No packet waits longer than the largest delay aimed at, and this: 50 ms until the clock is moved in the middle of speech,
/// and a frame.
const ABOVE_LARGEST: Duration = Duration::from_millis(70);

struct Call {
    codec: Codec,
    encoder: AudioEncoder,
    receiver: AudioReceiver,
    link: Link<(u32, Vec<u8>)>,
    interval: Duration,
    /// The receiver's grid against the sender's.
    phase: Duration,
    sent: u32,
    ticks: u32,
}

impl Call {
    fn new(codec: Codec, profile: &Profile, seed: u64) -> Self {
        Self {
            codec,
            encoder: AudioEncoder::new(codec, &OpusConfig::default(), 16_000).unwrap(),
            receiver: AudioReceiver::new(codec, JitterConfig::default()).unwrap(),
            link: Link::new(profile.clone(), seed),
            interval: FRAME,
            phase: Duration::from_millis(7),
            sent: 0,
            ticks: 0,
        }
    }

    /// Lets time pass; gives what was heard. The sender speaks if `speaking`.
    fn run(&mut self, time: Duration, speaking: bool) -> Vec<i16> {
        let mut heard = Vec::new();
        for _ in 0..time.as_millis() / FRAME.as_millis() {
            let now = FRAME * self.ticks + self.phase;
            self.ticks += 1;
            while self.interval * self.sent <= now {
                let at = self.interval * self.sent;
                if speaking {
                    let payload = self.encoder.encode(&voice(self.encoder.sample_rate(), self.sent)).unwrap();
                    self.link.send(at, payload.len() + 50, (self.sent, payload));
                }
                self.sent += 1;
            }
            while let Some(at) = self.link.next().filter(|at| *at <= now) {
                let (n, payload) = self.link.receive(now).unwrap();
                self.receiver.packet(at, n as u16, n.wrapping_mul(self.codec.frame_samples() as u32), &payload);
            }
            heard.extend_from_slice(self.receiver.frame(now));
        }
        heard
    }

    fn stats(&self) -> ReceiverStats {
        self.receiver.stats()
    }
}

/// Voiced sound in syllables: what an encoder takes for speech.
fn voice(rate: u32, frame: u32) -> Vec<i16> {
    let samples = rate as usize / 50;
    let first = frame as usize * samples;
    (first..first + samples)
        .map(|n| {
            let t = n as f64 / f64::from(rate);
            let phase = std::f64::consts::TAU * (140.0 * t - (t * 5.0).cos() * 4.0 / std::f64::consts::TAU);
            let voice: f64 = (1..16).map(|k| (f64::from(k) * phase).sin() / f64::from(k)).sum();
            (5_000.0 * (t * 12.0).sin().max(0.0).sqrt() * voice) as i16
        })
        .collect()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn no_packet_waits_longer_than_the_bound() {
    let outage = |lasts| Outage { at: ms(3_000), lasts: ms(lasts), every: ms(4_000) };
    let bound = (JitterConfig::default().max_delay + ABOVE_LARGEST).as_millis() as f64;
    for profile in [
        Profile { jitter: ms(100), ..Profile::default() },
        Profile { jitter: ms(700), ..Profile::default() },
        Profile { jitter: ms(1_500), reorder: 0.2, reorder_by: ms(500), ..Profile::default() },
        Profile { jitter: ms(60), loss: Loss::bursts(0.3, 10.0), duplicate: 0.2, ..Profile::default() },
        Profile { rate: Some(80_000), queue: ms(900), jitter: ms(50), ..Profile::default() },
        Profile { outages: vec![outage(300), outage(1_500)], jitter: ms(30), ..Profile::default() },
    ] {
        for seed in 0..4 {
            let mut call = Call::new(Codec::Pcmu, &profile, seed);
            call.phase = ms(seed * 5);
            call.run(seconds(40), true);
            let longest = call.stats().longest_wait_ms;
            assert!(longest <= bound, "{profile:?}, seed {seed}: {longest} ms");
        }
    }
}

#[test]
fn the_delay_rises_with_the_jitter_and_falls_after_it() {
    let mut call = Call::new(Codec::Pcmu, &Profile::default(), 3);
    call.run(seconds(10), true);
    assert_eq!(call.stats().target_ms, 10.0);
    call.link.change(Profile { jitter: ms(100), ..Profile::default() });
    call.run(seconds(10), true);
    let before = call.stats();
    assert!((80.0..150.0).contains(&before.target_ms), "{before:?}");
    call.run(seconds(20), true);
    let after = call.stats();
    let concealed = (after.concealed_s - before.concealed_s) / 20.0;
    assert!(concealed < 0.02, "{concealed} made up once the jitter is known");
    call.link.change(Profile::default());
    call.run(seconds(40), true);
    assert!(call.stats().target_ms <= 30.0, "{:?}", call.stats());
}

#[test]
fn what_the_next_packet_has_a_copy_of_is_not_made_up() {
    for phase in (0..20).step_by(4) {
        let mut call = Call::new(Codec::Opus, &Profile { loss: Loss::random(0.08), ..Profile::default() }, 5);
        call.phase = ms(phase);
        call.encoder.loss_reported(0.08).unwrap();
        call.run(seconds(30), true);
        let stats = call.stats();
        let share = stats.recovered_s / (stats.recovered_s + stats.concealed_s);
        // Half of the time nothing is said, and of silence no copies are sent.
        assert!(share > 0.4, "phase {phase} ms: {share} of the lost came back ({stats:?})");
    }
}

#[test]
fn nothing_is_made_up_for_ever() {
    for codec in [Codec::Opus, Codec::Pcmu] {
        let mut call = Call::new(codec, &Profile::default(), 1);
        call.run(seconds(5), true);
        let before = call.stats().concealed_s;
        let heard = call.run(seconds(3), false);
        let made_up = call.stats().concealed_s - before;
        assert!(made_up <= 0.2, "{codec}: {made_up} s");
        let silent = heard.iter().rev().take_while(|&&sample| sample == 0).count();
        assert!(silent as f64 > 2.5 * f64::from(codec.clock_rate()), "{codec}: silence after it");
    }
}

#[test]
fn after_an_outage_the_delay_is_what_it_was() {
    for codec in [Codec::Opus, Codec::Pcmu] {
        let outage = Outage { at: seconds(5), lasts: ms(300), every: Duration::ZERO };
        let mut call = Call::new(codec, &Profile { outages: vec![outage], ..Profile::default() }, 1);
        call.run(seconds(5), true);
        let before = call.stats();
        call.run(seconds(5), true);
        let middle = call.stats();
        assert!(middle.concealed_s - before.concealed_s <= 0.32, "{codec}: {middle:?}");
        call.run(seconds(10), true);
        let after = call.stats();
        assert_eq!(after.concealed_s, middle.concealed_s, "{codec}");
        let wait = (after.mean_wait_ms * after.played as f64 - middle.mean_wait_ms * middle.played as f64)
            / (after.played - middle.played) as f64;
        assert!(wait <= before.mean_wait_ms + 20.0, "{codec}: {wait} ms, before {} ms", before.mean_wait_ms);
    }
}

#[test]
fn a_clock_that_drifts_is_followed_without_growing_delay() {
    for drift in [-200i64, 200] {
        let mut call = Call::new(Codec::Pcmu, &Profile { delay: ms(300), ..Profile::default() }, 1);
        call.interval = Duration::from_nanos((20_000_000 - 20_000_000 * drift / 1_000_000).unsigned_abs());
        call.run(seconds(30), true);
        let mut last = call.stats();
        // Ten minutes: 120 ms, six frames too many or too few.
        for minute in 0..10 {
            call.run(seconds(60), true);
            let stats = call.stats();
            let wait = (stats.mean_wait_ms * stats.played as f64 - last.mean_wait_ms * last.played as f64)
                / (stats.played - last.played) as f64;
            assert!(wait < 60.0, "{drift} ppm, minute {minute}: {wait} ms");
            assert!(stats.concealed_s - last.concealed_s <= 0.1, "{drift} ppm, minute {minute}");
            last = stats;
        }
        assert!(last.longest_wait_ms <= 90.0, "{drift} ppm: {last:?}");
        assert!(last.late <= 12, "{drift} ppm: {last:?}");
    }
}
