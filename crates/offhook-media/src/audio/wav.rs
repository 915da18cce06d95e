//! WAV files as a source.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hound::{SampleFormat, WavReader};

use super::resample::Resampler;
use super::riff::Header;
use super::source::SourceState;
use crate::codec::Law;
use crate::error::MediaError;

/// Longest file that is loaded, in sample frames: an hour at 48 kHz.
const MAX_FRAMES: u32 = 48_000 * 3_600;

/// A WAV file in memory, mixed to mono: 4–192 kHz, one or two channels, 8-, 16-, 24- or 32-bit integer, 32-bit float, or G.711
/// (µ-law and A-law). One that was written into a pipe, so that its header does not say how long it is, is read to its end.
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
    pub fn read(mut reader: impl Read) -> Result<Self, MediaError> {
        let header = Header::read(&mut reader).map_err(unsupported)?;
        if !(1..=2).contains(&header.channels) {
            return Err(unsupported(format!("{} channels, mono or stereo is needed", header.channels)));
        }
        if !(4_000..=192_000).contains(&header.sample_rate) {
            return Err(unsupported(format!("sample rate {} Hz, 4000 to 192000 is supported", header.sample_rate)));
        }
        let interleaved = match header.law {
            Some(law) => companded(reader, &header, law)?,
            None => linear(reader, &header)?,
        };
        if interleaved.is_empty() {
            return Err(unreadable("it has no samples".to_owned()));
        }
        let samples = match header.channels {
            1 => interleaved.into(),
            _ => interleaved
                .chunks_exact(2)
                .map(|pair| (pair.iter().map(|&s| i32::from(s)).sum::<i32>() / 2) as i16)
                .collect(),
        };
        Ok(Self { samples, rate: header.sample_rate, looped: false })
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

/// Samples that hound reads.
fn linear(reader: impl Read, header: &Header) -> Result<Vec<i16>, MediaError> {
    let mut reader = WavReader::new(header.bytes.chain(reader)).map_err(|error| match error {
        hound::Error::Unsupported => unsupported("its codec is none of PCM, float and G.711".to_owned()),
        other => unsupported(other.to_string()),
    })?;
    if header.length.is_some() && reader.duration() > MAX_FRAMES {
        return Err(too_long());
    }
    let spec = reader.spec();
    match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Int, bits @ (8 | 16 | 24 | 32)) => {
            let narrow = |sample: i32| ((i64::from(sample) << 32 >> bits) >> 16) as i16;
            collect(header, reader.samples::<i32>().map(|sample| sample.map(narrow)))
        }
        (SampleFormat::Float, 32) => {
            let narrow = |sample: f32| (sample * 32_768.0).clamp(-32_768.0, 32_767.0) as i16;
            collect(header, reader.samples::<f32>().map(|sample| sample.map(narrow)))
        }
        (format, bits) => Err(unsupported(format!("{bits}-bit {format:?} samples are not supported"))),
    }
}

fn collect(header: &Header, all: impl Iterator<Item = hound::Result<i16>>) -> Result<Vec<i16>, MediaError> {
    let most = MAX_FRAMES as usize * usize::from(header.channels);
    let mut samples = Vec::new();
    for sample in all {
        match sample {
            Ok(_) if samples.len() >= most => return Err(too_long()),
            Ok(sample) => samples.push(sample),
            // The end of the file, which the system has no number for.
            Err(hound::Error::IoError(error)) if header.length.is_none() && error.raw_os_error().is_none() => break,
            Err(error) => return Err(unreadable(error.to_string())),
        }
    }
    Ok(samples)
}

/// Samples of G.711.
fn companded(reader: impl Read, header: &Header, law: Law) -> Result<Vec<i16>, MediaError> {
    let most = u64::from(MAX_FRAMES) * u64::from(header.channels);
    let wanted = header.length.map(u64::from);
    if wanted.is_some_and(|wanted| wanted > most) {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    let read = reader.take(wanted.unwrap_or(most + 1)).read_to_end(&mut bytes);
    let read = read.map_err(|error| unreadable(error.to_string()))? as u64;
    if read > most {
        return Err(too_long());
    }
    if wanted.is_some_and(|wanted| read < wanted) {
        return Err(unreadable("it ends in the middle of its samples".to_owned()));
    }
    let mut samples = Vec::with_capacity(bytes.len());
    law.decode(&bytes, &mut samples);
    Ok(samples)
}

fn too_long() -> MediaError {
    unreadable("longer than an hour".to_owned())
}

/// With what can be done about it.
fn unsupported(why: String) -> MediaError {
    unreadable(format!("{why}; `sox in.wav -c 1 -r 16000 -b 16 out.wav` makes a file that can be read"))
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
