//! DTMF as tones in the audio (ITU-T Q.23): for far ends that take no telephone-events.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use crate::dtmf::{Tone, Tones, frequencies};
use crate::error::MediaError;
use crate::peer::Reply;

/// Commands that may wait.
const MAX_QUEUED: usize = 64;
/// Positions within a tone are counted in this clock, Hz: a multiple of every codec's rate.
const CLOCK: u32 = 48_000;
/// A tone rises and falls over this, in that clock: 2 ms, so that it does not click.
const EDGE: u32 = 96;
/// Peak of the low group: −10 dBm0, where 0 dBm0 is 3.17 dB below a full-scale sine (ITU-T G.711).
const LOW_PEAK: f64 = 7_193.0;
/// Peak of the high group: 2 dB above the low one (ETSI ES 201 235-2), as lines take more of the high frequencies.
/// Receivers take −3 to −25 dBm0 of each (ITU-T Q.24).
const HIGH_PEAK: f64 = 9_056.0;

/// Puts tones in the place of the audio.
#[derive(Default)]
pub(super) struct ToneSender {
    queue: VecDeque<(VecDeque<Tone>, Reply<()>)>,
    /// The tone that sounds, and how far it is.
    current: Option<(Tone, u32)>,
}

impl ToneSender {
    pub(super) fn push(&mut self, tones: Tones, reply: Reply<()>) {
        if self.queue.len() >= MAX_QUEUED {
            reply.send(Err(MediaError::DtmfRange("too many tones are waiting")));
            return;
        }
        self.queue.push_back((tones.0.into(), reply));
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.current.is_none()
    }

    /// Gives up everything that waits.
    pub(super) fn fail(&mut self, error: &MediaError) {
        self.current = None;
        for (_, reply) in self.queue.drain(..) {
            reply.send(Err(error.clone()));
        }
    }

    /// Replaces what a frame at `rate` holds by tones and the gaps between them; in a pause, it stays.
    pub(super) fn fill(&mut self, rate: u32, frame: &mut [i16]) {
        let step = (CLOCK / rate.max(1)).max(1);
        for sample in frame {
            if self.current.is_none() {
                self.current = self.next().map(|tone| (tone, 0));
            }
            let Some((tone, position)) = &mut self.current else { return };
            let ms = CLOCK / 1_000;
            let sounding = tone.tone_ms * ms;
            if let Some((low, high)) = tone.code.and_then(frequencies) {
                let t = f64::from(*position) / f64::from(CLOCK);
                let wave = LOW_PEAK * (TAU * low * t).sin() + HIGH_PEAK * (TAU * high * t).sin();
                let edge = (*position).min(sounding.saturating_sub(*position)).min(EDGE);
                *sample = (wave * f64::from(edge) / f64::from(EDGE)) as i16;
            }
            *position += step;
            if *position >= sounding + tone.gap_ms * ms {
                self.current = None;
                self.settle();
            }
        }
    }

    fn next(&mut self) -> Option<Tone> {
        self.queue.front_mut().and_then(|(tones, _)| tones.pop_front())
    }

    /// The command whose last gap has passed is done.
    fn settle(&mut self) {
        if self.queue.front().is_none_or(|(tones, _)| !tones.is_empty()) {
            return;
        }
        if let Some((_, reply)) = self.queue.pop_front() {
            reply.send(Ok(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::parse_tones;

    /// Plays tones over a microphone at a constant level, and says which of Q.23's frequencies each 20 ms hold.
    fn play(tones: &str, rate: u32, frames: usize) -> (Vec<String>, Vec<i16>) {
        let mut sender = ToneSender::default();
        sender.push(parse_tones(tones, 100, 100).unwrap(), Reply::discard());
        let mut samples = Vec::new();
        let mut told = Vec::new();
        for _ in 0..frames {
            let mut frame = vec![77; rate as usize / 50];
            sender.fill(rate, &mut frame);
            told.push(describe(&frame, rate));
            samples.extend(frame);
        }
        assert!(sender.is_idle());
        (told, samples)
    }

    fn describe(frame: &[i16], rate: u32) -> String {
        if frame.iter().all(|sample| *sample == 77) {
            return "voice".to_owned();
        }
        if frame.iter().all(|sample| *sample == 0) {
            return "silence".to_owned();
        }
        let power = |hz: f64| {
            let (mut real, mut imaginary) = (0.0, 0.0);
            for (n, sample) in frame.iter().enumerate() {
                let angle = TAU * hz * n as f64 / f64::from(rate);
                real += f64::from(*sample) * angle.cos();
                imaginary += f64::from(*sample) * angle.sin();
            }
            2.0 * (real * real + imaginary * imaginary).sqrt() / frame.len() as f64
        };
        let loudest = |group: [f64; 4]| group.into_iter().max_by(|a, b| power(*a).total_cmp(&power(*b))).unwrap();
        let (low, high) = (loudest([697.0, 770.0, 852.0, 941.0]), loudest([1_209.0, 1_336.0, 1_477.0, 1_633.0]));
        format!("{low}+{high}")
    }

    #[test]
    fn every_tone_is_its_two_frequencies_for_100_ms_then_100_ms_of_silence() {
        let keys = [
            ("1", "697+1209"),
            ("2", "697+1336"),
            ("3", "697+1477"),
            ("A", "697+1633"),
            ("4", "770+1209"),
            ("5", "770+1336"),
            ("6", "770+1477"),
            ("B", "770+1633"),
            ("7", "852+1209"),
            ("8", "852+1336"),
            ("9", "852+1477"),
            ("C", "852+1633"),
            ("*", "941+1209"),
            ("0", "941+1336"),
            ("#", "941+1477"),
            ("D", "941+1633"),
        ];
        for rate in [8_000, 48_000] {
            for (tone, frequencies) in keys {
                let (told, _) = play(tone, rate, 12);
                assert_eq!(told[..5], [frequencies; 5], "{tone} at {rate} Hz");
                assert_eq!(told[5..10], ["silence"; 5], "{tone} at {rate} Hz");
                assert_eq!(told[10..], ["voice"; 2]);
            }
        }
    }

    #[test]
    fn in_the_pause_of_a_comma_the_voice_goes_on() {
        let (told, _) = play("1,2", 8_000, 125);
        assert_eq!(told[10..110], ["voice"; 100]);
        assert_eq!((told[110].as_str(), told[120].as_str()), ("697+1336", "voice"));
    }

    #[test]
    fn the_levels_are_within_what_receivers_take() {
        let (_, samples) = play("5", 48_000, 12);
        let peak = samples[..4_800].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!((15_000..=16_249).contains(&peak), "{peak}");
        assert!(samples[..4].iter().all(|sample| sample.abs() < 500), "it does not click: {:?}", &samples[..4]);
    }
}
