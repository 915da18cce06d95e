//! WAV files as a source.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hound::{SampleFormat, WavReader};

use super::resample::Resampler;
use super::source::SourceState;
use crate::error::MediaError;

/// Longest file that is loaded, in sample frames: an hour at 48 kHz.
const MAX_FRAMES: u32 = 48_000 * 3_600;

/// A WAV file in memory, mixed to mono: 4–192 kHz, one or two channels, 8-, 16-, 24- or 32-bit integer or 32-bit float.
/// Clones share the samples.
#[derive(Debug, Clone)]
pub struct WavSource {
    samples: Arc<[i16]>,
    rate: u32,
    looped: bool,
}

impl WavSource {
    /// Reads a file.
    ///
    /// # Errors
    /// [`MediaError::UnreadableWav`] with the reason.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MediaError> {
        let path = path.as_ref();
        let file = std::fs::File::open(path).map_err(|e| unreadable(format!("{}: {e}", path.display())))?;
        Self::read(std::io::BufReader::new(file)).map_err(|error| match error {
            MediaError::UnreadableWav(why) => unreadable(format!("{}: {why}", path.display())),
            other => other,
        })
    }

    /// Reads from any reader, to its end.
    ///
    /// # Errors
    /// [`MediaError::UnreadableWav`] with the reason.
    pub fn read(reader: impl Read) -> Result<Self, MediaError> {
        let mut reader = WavReader::new(reader).map_err(|e| unreadable(e.to_string()))?;
        let spec = reader.spec();
        if !(1..=2).contains(&spec.channels) {
            return Err(unreadable(format!("{} channels, mono or stereo is needed", spec.channels)));
        }
        if !(4_000..=192_000).contains(&spec.sample_rate) {
            return Err(unreadable(format!("sample rate {} Hz, 4000 to 192000 is supported", spec.sample_rate)));
        }
        if reader.duration() > MAX_FRAMES {
            return Err(unreadable("longer than an hour".to_owned()));
        }
        let interleaved: Result<Vec<i16>, hound::Error> = match (spec.sample_format, spec.bits_per_sample) {
            (SampleFormat::Int, bits @ (8 | 16 | 24 | 32)) => {
                reader.samples::<i32>().map(|s| s.map(|s| ((i64::from(s) << 32 >> bits) >> 16) as i16)).collect()
            }
            (SampleFormat::Float, 32) => {
                reader.samples::<f32>().map(|s| s.map(|s| (s * 32_768.0).clamp(-32_768.0, 32_767.0) as i16)).collect()
            }
            (format, bits) => {
                return Err(unreadable(format!("{bits}-bit {format:?} samples are not supported")));
            }
        };
        let interleaved = interleaved.map_err(|e| unreadable(e.to_string()))?;
        if interleaved.is_empty() {
            return Err(unreadable("it has no samples".to_owned()));
        }
        let samples = match spec.channels {
            1 => interleaved.into(),
            _ => interleaved
                .chunks_exact(2)
                .map(|pair| (pair.iter().map(|&s| i32::from(s)).sum::<i32>() / 2) as i16)
                .collect(),
        };
        Ok(Self { samples, rate: spec.sample_rate, looped: false })
    }

    /// From samples in memory.
    ///
    /// # Errors
    /// [`MediaError::SampleRate`] for a rate outside 4000–192000 Hz.
    pub fn from_samples(sample_rate: u32, samples: impl Into<Arc<[i16]>>) -> Result<Self, MediaError> {
        Resampler::new(sample_rate, sample_rate)?;
        Ok(Self { samples: samples.into(), rate: sample_rate, looped: false })
    }

    /// Plays again from the start at the end, for ever.
    pub fn looped(mut self) -> Self {
        self.looped = true;
        self
    }

    /// Duration of one pass.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.rate))
    }

    /// The samples, mono.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Rate of the samples, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.rate
    }
}

fn unreadable(why: String) -> MediaError {
    MediaError::UnreadableWav(why)
}

/// Plays a [`WavSource`].
pub(crate) struct WavPlayer {
    source: WavSource,
    position: usize,
    convert: Option<Resampler>,
    ready: Vec<i16>,
}

impl WavPlayer {
    pub(crate) fn new(source: WavSource) -> Self {
        Self { source, position: 0, convert: None, ready: Vec::new() }
    }

    pub(crate) fn sample_rate(&self) -> u32 {
        self.source.rate
    }

    pub(crate) fn fill(&mut self, sample_rate: u32, out: &mut [i16]) -> SourceState {
        if self.convert.as_ref().is_none_or(|c| c.to_rate() != sample_rate) {
            self.convert = Resampler::new(self.source.rate, sample_rate).ok();
            self.ready.clear();
        }
        let Some(convert) = &mut self.convert else {
            return SourceState::Ended;
        };
        while self.ready.len() < out.len() {
            if self.position >= self.source.samples.len() {
                if !self.source.looped || self.source.samples.is_empty() {
                    break;
                }
                self.position = 0;
            }
            let rest = self.source.samples.get(self.position..).unwrap_or(&[]);
            let piece = rest.get(..rest.len().min(256)).unwrap_or(rest);
            convert.process(piece, &mut self.ready);
            self.position += piece.len();
        }
        let count = out.len().min(self.ready.len());
        for (sample, ready) in out.iter_mut().zip(self.ready.drain(..count)) {
            *sample = ready;
        }
        if count == 0 { SourceState::Ended } else { SourceState::Playing }
    }
}
