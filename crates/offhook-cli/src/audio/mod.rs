//! Mono audio in memory and in WAV files.

mod pcm;
mod resample;
mod wav;

pub use pcm::Pcm;
pub(crate) use pcm::level_db;
pub use resample::resample;
pub(crate) use resample::resample_weighted;
pub use wav::{WavError, decode_wav, encode_wav, read_wav, write_wav};
