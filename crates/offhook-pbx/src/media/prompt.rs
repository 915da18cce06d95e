//! What a leg is told: sounds that end.

use std::f64::consts::TAU;
use std::path::PathBuf;

use offhook_media::{AudioSourceFn, Resampler, SourceState, WavSource};

/// Of all prompts, Hz.
const RATE: u32 = 8_000;

/// What voicemail says before the beep; see the README beside it.
const GREETING: &[u8] = include_bytes!("../../assets/greeting.wav");

/// Samples handed to the converter at once: 20 ms.
const PIECE: usize = 160;

/// Part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// "The person you are calling is not available …"
    Greeting,
    /// Speak now: 1000 Hz for 400 ms.
    Beep,
    /// Somebody has come: 600 Hz, then 900 Hz.
    Joined,
    /// Somebody has left: 900 Hz, then 600 Hz.
    Left,
    /// A number is wanted: 700 Hz, twice.
    Ask,
    /// It did not work, or there is nothing: 425 Hz, three times (the busy tone).
    Failed,
    /// A message.
    Message(PathBuf),
}

impl Piece {
    /// Whether reading it may block.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::Message(_))
    }
}

/// All pieces one after the other, 100 ms apart. Blocks if one is a file; one that cannot be read is left out.
pub(crate) fn samples(pieces: &[Piece]) -> Vec<i16> {
    let mut samples = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Greeting => samples.extend(ulaw_wav(GREETING)),
            Piece::Beep => tones(&[(1_000.0, 400)], &mut samples),
            Piece::Joined => tones(&[(600.0, 120), (900.0, 120)], &mut samples),
            Piece::Left => tones(&[(900.0, 120), (600.0, 120)], &mut samples),
            Piece::Ask => tones(&[(700.0, 200), (0.0, 100), (700.0, 200)], &mut samples),
            Piece::Failed => {
                tones(&[(425.0, 250), (0.0, 250), (425.0, 250), (0.0, 250), (425.0, 250)], &mut samples);
            }
            Piece::Message(file) => match WavSource::open(file) {
                Ok(wav) if wav.sample_rate() == RATE => samples.extend_from_slice(wav.samples()),
                Ok(_) => tracing::info!(file = %file.display(), "a message of another rate"),
                Err(error) => tracing::info!(%error, "a message cannot be read"),
            },
        }
        tones(&[(0.0, 100)], &mut samples);
    }
    samples
}

/// Tones of so many ms each, at −12 dBFS RMS.
fn tones(tones: &[(f64, u32)], samples: &mut Vec<i16>) {
    for &(hz, ms) in tones {
        let count = RATE * ms / 1_000;
        samples.extend((0..count).map(|n| {
            // 5 ms at each end rise and fall, so that it does not click.
            let edge = f64::from(n.min(count - n).min(RATE / 200)) / f64::from(RATE / 200);
            (11_600.0 * edge * (TAU * hz * f64::from(n) / f64::from(RATE)).sin()) as i16
        }));
    }
}

/// The samples of a WAV of µ-law, which ends with its `data` chunk.
fn ulaw_wav(wav: &[u8]) -> impl Iterator<Item = i16> {
    let data = wav.windows(4).position(|window| window == b"data").map_or(wav.len(), |at| at + 8);
    wav.get(data..).unwrap_or_default().iter().map(|&byte| ulaw(byte))
}

/// ITU-T G.711.
fn ulaw(byte: u8) -> i16 {
    let byte = i32::from(!byte);
    let magnitude = ((((byte & 0x0f) << 3) + 0x84) << ((byte >> 4) & 7)) - 0x84;
    (if byte & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

/// Plays a prompt, and says when it has ended.
pub(crate) struct Player {
    samples: Vec<i16>,
    position: usize,
    convert: Option<Resampler>,
    ready: Vec<i16>,
    told: Option<Box<dyn FnOnce() + Send>>,
}

impl Player {
    pub(crate) fn new(samples: Vec<i16>, told: Box<dyn FnOnce() + Send>) -> Self {
        Self { samples, position: 0, convert: None, ready: Vec::new(), told: Some(told) }
    }
}

impl AudioSourceFn for Player {
    fn fill(&mut self, sample_rate: u32, out: &mut [i16]) -> SourceState {
        if self.convert.as_ref().is_none_or(|convert| convert.to_rate() != sample_rate) {
            self.convert = Resampler::new(RATE, sample_rate).ok();
            self.ready.clear();
        }
        if let Some(convert) = &mut self.convert {
            while self.ready.len() < out.len() {
                let rest = self.samples.get(self.position..).unwrap_or_default();
                let piece = rest.get(..PIECE).unwrap_or(rest);
                if piece.is_empty() {
                    break;
                }
                convert.process(piece, &mut self.ready);
                self.position += piece.len();
            }
        }
        let count = out.len().min(self.ready.len());
        for (slot, sample) in out.iter_mut().zip(self.ready.drain(..count)) {
            *slot = sample;
        }
        if count > 0 {
            return SourceState::Playing;
        }
        if let Some(told) = self.told.take() {
            told();
        }
        SourceState::Ended
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_greeting_is_speech_of_some_seconds() {
        assert!(GREETING.len() <= 60_000);
        let samples = samples(&[Piece::Greeting]);
        assert!((4 * 8_000..8 * 8_000).contains(&samples.len()), "{}", samples.len());
        let power = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64;
        assert!((500.0..8_000.0).contains(&power.sqrt()), "{}", power.sqrt());
    }

    #[test]
    fn a_prompt_is_played_whole_at_any_rate_and_its_end_is_told_once() {
        for rate in [8_000, 48_000] {
            let told = Arc::new(AtomicUsize::new(0));
            let count = told.clone();
            let length = samples(&[Piece::Beep]).len() * rate as usize / 8_000;
            let mut player = Player::new(
                samples(&[Piece::Beep]),
                Box::new(move || {
                    count.fetch_add(1, Ordering::Relaxed);
                }),
            );
            let mut frame = vec![0; rate as usize / 50];
            let mut played = 0;
            while player.fill(rate, &mut frame) == SourceState::Playing {
                played += frame.len();
                assert!(played <= length + 2 * frame.len(), "it does not end");
            }
            assert!(played + 2 * frame.len() >= length, "{played} of {length}");
            player.fill(rate, &mut frame);
            assert_eq!(told.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn a_message_that_is_gone_is_left_out() {
        let missing = Piece::Message(PathBuf::from("/nowhere/0.wav"));
        assert_eq!(samples(&[missing, Piece::Beep]).len(), samples(&[Piece::Beep]).len() + 800);
    }
}
