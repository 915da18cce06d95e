//! The speech the two phones of the demo play (see `assets/README.md`).

use crate::audio::{Pcm, decode_wav};

static SPEECH_1000: &[u8] = include_bytes!("../../assets/speech-1000.wav");
static SPEECH_1001: &[u8] = include_bytes!("../../assets/speech-1001.wav");

/// What 1000 says, about 9 s.
pub fn speech_1000() -> Pcm {
    embedded(SPEECH_1000)
}

/// What 1001 says, about 9 s.
pub fn speech_1001() -> Pcm {
    embedded(SPEECH_1001)
}

/// The files are part of the program and read in a test, so an error cannot happen at run time;
/// were it to, the demo would fail with "nothing said".
fn embedded(bytes: &[u8]) -> Pcm {
    decode_wav(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clips_are_speech_of_the_right_length_and_level() {
        assert!(SPEECH_1000.len() + SPEECH_1001.len() < 300_000);
        for clip in [speech_1000(), speech_1001()] {
            assert!((8_000.0..10_000.0).contains(&clip.duration_ms()));
            assert!((-22.0..-18.0).contains(&clip.level_dbfs()));
            assert!(clip.active_share(-50.0) > 0.7);
        }
        assert_ne!(speech_1000(), speech_1001());
    }
}
