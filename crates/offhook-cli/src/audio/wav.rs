//! WAV files: what the demo and `--play` read and `--record` writes.

use std::fmt;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::Pcm;

/// The longest WAV that is read: ten minutes at 48 kHz in stereo.
const MAX_SAMPLES: u32 = 10 * 60 * 48_000 * 2;
/// The largest file that is opened: that many samples of 32 bits, and room for tags.
const MAX_FILE: u64 = MAX_SAMPLES as u64 * 4 + 1_000_000;

/// Why a WAV could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WavError {
    /// The file cannot be opened, read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is no WAV, or one of a kind that is not supported.
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Format { path, reason } => write!(
                f,
                "{}: {reason}; give a WAV of 8, 16, 24 or 32 bit PCM or 32 bit float, \
                 at most ten minutes (`sox in.mp3 -c 1 -r 16000 -b 16 out.wav` makes one)",
                path.display()
            ),
        }
    }
}

impl std::error::Error for WavError {}

/// Reads a WAV file; several channels are mixed to one.
pub fn read_wav(path: &Path) -> Result<Pcm, WavError> {
    let size = std::fs::metadata(path).map_err(|e| io_error(path, &e))?.len();
    if size > MAX_FILE {
        return Err(WavError::Format { path: path.to_owned(), reason: "the file is too long".to_owned() });
    }
    let bytes = std::fs::read(path).map_err(|e| io_error(path, &e))?;
    decode_wav(&bytes).map_err(|reason| WavError::Format { path: path.to_owned(), reason })
}

/// Writes 16-bit mono.
pub fn write_wav(path: &Path, pcm: &Pcm) -> Result<(), WavError> {
    std::fs::write(path, encode_wav(pcm)).map_err(|e| io_error(path, &e))
}

/// Reads the bytes of a WAV file; the error says what is wrong with them.
pub fn decode_wav(bytes: &[u8]) -> Result<Pcm, String> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(|e| describe(&e))?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels);
    if channels == 0 || !(4_000..=192_000).contains(&spec.sample_rate) {
        return Err(format!("{channels} channels at {} Hz are not supported", spec.sample_rate));
    }
    if reader.len() > MAX_SAMPLES {
        return Err("the file is too long".to_owned());
    }
    let interleaved: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>(),
        hound::SampleFormat::Int => {
            let full = 2_f32.powi(i32::from(spec.bits_per_sample.clamp(1, 32)) - 1);
            reader.samples::<i32>().map(|s| s.map(|s| s as f32 / full)).collect()
        }
    }
    .map_err(|e| describe(&e))?;
    let mono = interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    Ok(Pcm::new(spec.sample_rate, mono))
}

/// The bytes of a 16-bit mono WAV file.
pub fn encode_wav(pcm: &Pcm) -> Vec<u8> {
    let data = pcm.to_i16();
    let size = u32::try_from(data.len() * 2).unwrap_or(u32::MAX - 36);
    let rate = pcm.rate();
    let mut bytes = Vec::with_capacity(44 + data.len() * 2);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + size).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&16_u32.to_le_bytes());
    bytes.extend_from_slice(&1_u16.to_le_bytes()); // PCM
    bytes.extend_from_slice(&1_u16.to_le_bytes()); // mono
    bytes.extend_from_slice(&rate.to_le_bytes());
    bytes.extend_from_slice(&rate.saturating_mul(2).to_le_bytes());
    bytes.extend_from_slice(&2_u16.to_le_bytes()); // bytes a frame
    bytes.extend_from_slice(&16_u16.to_le_bytes()); // bits a sample
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&size.to_le_bytes());
    for sample in data {
        bytes.extend_from_slice(&sample.to_le_bytes());
    }
    bytes
}

fn describe(error: &hound::Error) -> String {
    match error {
        hound::Error::IoError(_) => "it ends in the middle of its data".to_owned(),
        hound::Error::FormatError(what) => format!("it is no WAV file ({what})"),
        other => other.to_string(),
    }
}

fn io_error(path: &Path, error: &std::io::Error) -> WavError {
    WavError::Io { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let samples = (0..800).map(|i| (i as f32 * 0.1).sin() * 0.8).collect();
        let pcm = Pcm::new(16_000, samples);
        let back = decode_wav(&encode_wav(&pcm)).expect("own WAV");
        assert_eq!(back.rate(), 16_000);
        assert_eq!(back.samples().len(), 800);
        for (a, b) in pcm.samples().iter().zip(back.samples()) {
            assert!((a - b).abs() < 1e-3);
        }
    }

    #[test]
    fn stereo_is_mixed() {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("writer");
        for _ in 0..10 {
            writer.write_sample(16_384_i16).expect("left");
            writer.write_sample(0_i16).expect("right");
        }
        writer.finalize().expect("header");
        let pcm = decode_wav(bytes.get_ref()).expect("stereo");
        assert_eq!(pcm.samples(), [0.25; 10]);
    }

    #[test]
    fn a_text_file_is_refused_with_advice() {
        let dir = std::env::temp_dir().join(format!("offhook-wav-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("dir");
        let path = dir.join("notes.wav");
        std::fs::write(&path, "no sound in here").expect("file");
        let message = read_wav(&path).expect_err("text").to_string();
        assert!(message.contains("no WAV file") && message.contains("sox"), "{message}");
        std::fs::remove_dir_all(&dir).expect("clean");
    }

    #[test]
    fn a_missing_file_is_named() {
        let message = read_wav(Path::new("/nowhere/a.wav")).expect_err("missing").to_string();
        assert!(message.starts_with("/nowhere/a.wav: "), "{message}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_wav(&bytes);
        }

        #[test]
        fn a_broken_header_is_survived(at in 0_usize..44, value: u8) {
            let mut bytes = encode_wav(&Pcm::silence(8000, 20.0));
            bytes[at] = value;
            let _ = decode_wav(&bytes);
        }
    }
}
