//! DTMF: what is to be sent, as telephone-events (RFC 4733) or as tones.

use crate::error::MediaError;

/// Most tones in one command.
const MAX_TONES: usize = 256;
/// Pause for `,`, ms.
const PAUSE_MS: u32 = 2_000;

/// How long a tone is, ms.
const MIN_MS: u32 = 40;
const MAX_MS: u32 = 6_000;
/// Gap after a tone that is sent on later than it came, ms. Receivers need up to 70 (ITU-T Q.24 table A.1).
const AGAIN_GAP_MS: u32 = 80;

/// One tone to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tone {
    /// Event code (RFC 4733 §3.2); none for a pause.
    pub(crate) code: Option<u8>,
    pub(crate) tone_ms: u32,
    pub(crate) gap_ms: u32,
}

/// Tones of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tones(pub(crate) Vec<Tone>);

impl Tones {
    /// One that was received and is to be sent on.
    pub(crate) fn again(tone: char, tone_ms: u32) -> Self {
        let tone_ms = tone_ms.clamp(MIN_MS, MAX_MS);
        Self(vec![Tone { code: code_of(tone), tone_ms, gap_ms: AGAIN_GAP_MS }])
    }
}

/// Checks what a user wants sent.
pub(crate) fn parse_tones(text: &str, tone_ms: u32, gap_ms: u32) -> Result<Tones, MediaError> {
    if text.is_empty() || text.chars().count() > MAX_TONES {
        return Err(MediaError::DtmfRange("give 1 to 256 tones"));
    }
    if !(MIN_MS..=MAX_MS).contains(&tone_ms) {
        return Err(MediaError::DtmfRange("a tone lasts 40 to 6000 ms"));
    }
    if !(20..=MAX_MS).contains(&gap_ms) {
        return Err(MediaError::DtmfRange("a gap lasts 20 to 6000 ms"));
    }
    text.chars()
        .map(|tone| match tone {
            ',' => Ok(Tone { code: None, tone_ms: 0, gap_ms: PAUSE_MS }),
            tone => match code_of(tone) {
                Some(code) => Ok(Tone { code: Some(code), tone_ms, gap_ms }),
                None => Err(MediaError::InvalidTone(tone)),
            },
        })
        .collect::<Result<_, _>>()
        .map(Tones)
}

const TONES: &str = "0123456789*#ABCD";

/// The event code of a character.
pub(crate) fn code_of(tone: char) -> Option<u8> {
    TONES.find(tone.to_ascii_uppercase()).map(|index| index as u8)
}

/// The character of an event code; none for events that are no DTMF tone.
pub(crate) fn tone_of(code: u8) -> Option<char> {
    TONES.chars().nth(usize::from(code))
}

/// The low and the high frequency of an event code, Hz.
pub(crate) fn frequencies(code: u8) -> Option<(f64, f64)> {
    FREQUENCIES.get(usize::from(code)).copied()
}

/// Frequencies by event code (`0`–`9 * # A B C D`), Hz: Q.23, low group and high group.
const FREQUENCIES: [(f64, f64); 16] = [
    (941.0, 1_336.0),
    (697.0, 1_209.0),
    (697.0, 1_336.0),
    (697.0, 1_477.0),
    (770.0, 1_209.0),
    (770.0, 1_336.0),
    (770.0, 1_477.0),
    (852.0, 1_209.0),
    (852.0, 1_336.0),
    (852.0, 1_477.0),
    (941.0, 1_209.0),
    (941.0, 1_477.0),
    (697.0, 1_633.0),
    (770.0, 1_633.0),
    (852.0, 1_633.0),
    (941.0, 1_633.0),
];
