//! Mono audio in memory and in WAV files.

mod pcm;
mod wav;

pub use pcm::Pcm;
pub(crate) use pcm::level_db;
pub use wav::{WavError, decode_wav, encode_wav, read_wav, write_wav};
