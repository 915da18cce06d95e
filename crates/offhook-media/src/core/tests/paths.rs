//! Calls on bad paths, for minutes.

use offhook_netem::{Loss, Path, Profile};

use super::*;
use crate::audio::{AudioSourceFn, SourceState, Tap, TapFrame, WavSource};
use crate::peer::TapId;
use crate::stats::IceState;

/// Both directions like this from now on.
fn spoil(pair: &mut Pair, profile: &Profile) {
    let begun = pair.now;
    for (side, seed) in pair.sides.iter_mut().zip(1..) {
        // A datagram's number tells nothing of its time here; loss and delay do not need it.
        let mut path = Path::new(profile.clone(), seed);
        side.path = Box::new(move |n| {
            let now = Duration::from_micros(n);
            path.send(now, 200)[0].map(|at| at.saturating_sub(now))
        });
    }
    assert_eq!(pair.now, begun);
}

fn goes_on_for_five_minutes(profile: &Profile) {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    for side in &mut pair.sides {
        side.play(AudioSource::Tone(ToneSpec::new(440.0)));
        side.events.clear();
    }
    spoil(&mut pair, profile);
    for minute in 0..5 {
        pair.run(60_000);
        for (index, side) in pair.sides.iter().enumerate() {
            let level = side.level();
            assert!(level > 1_000.0, "{profile:?}: side {index} hears {level} in minute {minute}");
        }
    }
    for side in &pair.sides {
        let ended = |event: &&PeerEvent| {
            matches!(event, PeerEvent::Failed(_) | PeerEvent::Closed | PeerEvent::IceState(IceState::Disconnected))
        };
        assert_eq!(side.events.iter().find(ended), None, "{profile:?}");
        assert!(!side.core.is_closed());
    }
}

/// Voiced sound in syllables: what an encoder takes for speech.
fn speech() -> AudioSource {
    let samples: Vec<i16> = (0..48_000 * 4)
        .map(|n| {
            let t = f64::from(n) / 48_000.0;
            let phase = std::f64::consts::TAU * 140.0 * t;
            let voice: f64 = (1..20).map(|k| (f64::from(k) * phase).sin() / f64::from(k)).sum();
            (5_000.0 * (t * 12.0).sin().max(0.0).sqrt() * voice) as i16
        })
        .collect();
    AudioSource::Wav(WavSource::from_samples(48_000, samples).unwrap().looped())
}

#[test]
fn a_sender_that_is_told_of_loss_sends_copies_of_what_is_lost() {
    let mut pair = Pair::connected(&[Codec::Opus]);
    pair.sides[0].play(speech());
    spoil(&mut pair, &Profile { loss: Loss::random(0.12), ..Profile::default() });
    // Five reports.
    pair.run(10_000);
    let before = pair.sides[1].core.stats(pair.now).inbound;
    pair.run(30_000);
    let after = pair.sides[1].core.stats(pair.now).inbound;
    let lost = (after.packets_lost - before.packets_lost) as f64 * 960.0;
    let made_up = (after.concealed_samples - before.concealed_samples) as f64;
    assert!(lost > 48_000.0 * 30.0 * 0.08, "{lost}");
    assert!(made_up < 0.6 * lost, "{} of the lost is made up", made_up / lost);
}

#[test]
fn twenty_percent_loss_do_not_end_a_call() {
    goes_on_for_five_minutes(&Profile { loss: Loss::random(0.2), ..Profile::default() });
}

#[test]
fn half_a_second_of_delay_does_not_end_a_call() {
    goes_on_for_five_minutes(&Profile { delay: Duration::from_millis(500), ..Profile::default() });
}

#[test]
fn a_datagram_of_the_handshake_that_is_lost_is_sent_again() {
    let mut pairs = Vec::new();
    for side in 0..2 {
        for lost in 1..=4 {
            let mut pair = Pair::new(&[Codec::Pcmu]);
            pair.sides[side].handshake.1 = Some(lost);
            pair.negotiate(0, Direction::SendRecv);
            pair.run(500);
            pairs.push((side, lost, pair));
        }
    }
    let is_up = |pair: &Pair| pair.sides.iter().all(|side| side.has(&PeerEvent::Connected));
    let waiting = pairs.iter().filter(|(_, _, pair)| !is_up(pair)).count();
    assert!(waiting >= 3, "{waiting} handshakes wait for what was lost");
    // DTLS has timers of its own, by the machine's clock: the first is at one second (RFC 6347 §4.2.4.1).
    std::thread::sleep(Duration::from_millis(1_050));
    for (side, lost, pair) in &mut pairs {
        pair.run(500);
        assert!(is_up(pair), "datagram {lost} of side {side} was lost");
    }
}

#[test]
fn on_a_clean_path_a_packet_waits_no_longer_than_it_must_wherever_the_far_ends_frames_lie() {
    // Opus waits for the next packet, which may carry a copy of this one; G.711 for nothing but what a path varies.
    let all = [10, 14, 18, 22, 26].map(|delay| [(Codec::Opus, 20.0, delay), (Codec::Pcmu, 10.0, delay)]);
    for (codec, least, delay) in all.into_iter().flatten() {
        let mut pair = Pair::new(&[codec]);
        for side in &mut pair.sides {
            side.path = Box::new(move |_| Some(Duration::from_millis(delay)));
        }
        let mut pair = pair.connect();
        pair.run(60_000);
        for side in &pair.sides {
            let inbound = side.core.stats(pair.now).inbound;
            // 3 ms are to spare, what is heard is moved by multiples of 5, and the first seconds are slower.
            let waited = inbound.jitter_buffer_delay_ms;
            assert!((least..least + 10.0).contains(&waited), "{codec}, {delay} ms: {inbound:?}");
            assert!(inbound.concealed_samples == 0, "{codec}, {delay} ms: {inbound:?}");
        }
    }
}

/// Each frame is one number, 0 to 15, as a level that G.711 keeps apart from the others.
struct Numbers(i16);

impl AudioSourceFn for Numbers {
    fn fill(&mut self, _: u32, out: &mut [i16]) -> SourceState {
        out.fill((self.0 - 8) * 2_000 + 1_000);
        self.0 = (self.0 + 1) % 16;
        SourceState::Playing
    }
}

/// The numbers of a frame, of both sides, and how much earlier the remote one was heard.
type Numbered = ([i16; 2], Duration);

#[derive(Clone, Default)]
struct Both(Arc<Mutex<Vec<Numbered>>>);

impl Tap for Both {
    fn frame(&mut self, frame: &TapFrame<'_>) {
        let number = |samples: &[i16]| samples[samples.len() / 2].div_euclid(2_000) + 8;
        self.0.lock().unwrap().push(([frame.local, frame.remote].map(number), frame.remote_earlier));
    }
}

#[test]
fn a_tap_is_told_each_frame_once_though_what_is_heard_moves_away_from_what_is_sent() {
    let mut moved = 0;
    for delay in [10, 14, 18, 22, 26] {
        let mut pair = Pair::new(&[Codec::Pcmu]);
        let both = Both::default();
        pair.sides[0].core.add_tap(TapId(1), Box::new(both.clone()));
        for side in &mut pair.sides {
            side.play(AudioSource::Custom(Box::new(Numbers(0))));
            side.path = Box::new(move |_| Some(Duration::from_millis(delay)));
        }
        let mut pair = pair.connect();
        pair.run(500);
        both.0.lock().unwrap().clear();
        pair.run(10_000);
        let told = both.0.lock().unwrap();
        assert!((499..=501).contains(&told.len()), "{}", told.len());
        for (before, after) in told.iter().zip(&told[1..]) {
            for side in [0, 1] {
                let next = (before.0[side] + 1) % 16;
                assert_eq!(after.0[side], next, "{delay} ms, side {side}: {before:?} {after:?}");
            }
        }
        assert_eq!(told[0].1, Duration::ZERO);
        let last = told[told.len() - 1].1;
        assert!(last < Duration::from_millis(20));
        moved += usize::from(last > Duration::ZERO);
    }
    assert!(moved >= 2, "{moved} moved");
}
