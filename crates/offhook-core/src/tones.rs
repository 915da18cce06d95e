//! DTMF strings.

use offhook_sip::InfoTone;

use crate::error::PhoneError;

/// Most tones in one command.
const MAX_TONES: usize = 256;
/// Length of a tone, ms.
pub(crate) const TONE_MS: u32 = 100;
/// Pause between tones, ms.
pub(crate) const GAP_MS: u32 = 100;
/// Pause for a comma, ms.
pub(crate) const COMMA_MS: u32 = 2_000;

/// Checks a DTMF string; upper case out.
pub(crate) fn parse(tones: &str) -> Result<String, PhoneError> {
    let refuse = |detail: String| PhoneError::InvalidArgument { detail };
    let count = tones.chars().count();
    if count == 0 || count > MAX_TONES {
        return Err(refuse(format!("give 1 to {MAX_TONES} DTMF tones, not {count}")));
    }
    let tones = tones.to_ascii_uppercase();
    match tones.chars().find(|tone| !"0123456789*#ABCD,".contains(*tone)) {
        Some(bad) => Err(refuse(format!("{bad:?} is no DTMF tone: use 0-9 * # A-D, and a comma for a pause of 2 s"))),
        None => Ok(tones),
    }
}

/// How long sending them takes, ms.
pub(crate) fn duration_ms(tones: &str) -> u64 {
    tones.chars().map(|tone| u64::from(if tone == ',' { COMMA_MS } else { TONE_MS + GAP_MS })).sum()
}

/// The tone of an INFO and its length in ms.
pub(crate) fn from_info(content_type: &str, body: &str) -> Option<(char, u32)> {
    InfoTone::parse(content_type, body).map(|info| (info.tone, info.duration_ms.unwrap_or(TONE_MS)))
}

/// The body of an `application/dtmf-relay`.
pub(crate) fn relay_body(tone: char) -> String {
    format!("Signal={tone}\r\nDuration={TONE_MS}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tones_pass() {
        assert_eq!(parse("12*#aD,").as_deref(), Ok("12*#AD,"));
        for bad in ["", "12x", "1 2", "E", "１", &"1".repeat(257)] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(duration_ms("1,2"), 2_400);
    }

    #[test]
    fn what_is_sent_is_read_and_a_tone_without_a_length_has_the_usual_one() {
        assert_eq!(from_info("application/dtmf-relay", &relay_body('#')), Some(('#', 100)));
        assert_eq!(from_info("application/dtmf-relay", "Signal=5\r\nDuration=160"), Some(('5', 160)));
        assert_eq!(from_info("application/dtmf", "b"), Some(('B', 100)));
        assert_eq!(from_info("text/plain", "5"), None);
    }
}
