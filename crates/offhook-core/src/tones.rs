//! DTMF strings.

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

/// The tone and its length in ms, out of an INFO body: `application/dtmf-relay` (`Signal=5`, `Duration=160`) or
/// `application/dtmf` (`5`).
pub(crate) fn from_info(content_type: &str, body: &str) -> Option<(char, u32)> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (signal, duration) = match kind.as_str() {
        "application/dtmf-relay" => {
            let field = |name: &str| {
                body.lines().find_map(|line| {
                    let (key, value) = line.split_once('=')?;
                    key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
                })
            };
            (field("signal")?, field("duration").and_then(|d| d.parse().ok()).unwrap_or(TONE_MS))
        }
        "application/dtmf" => (body.trim(), TONE_MS),
        _ => return None,
    };
    let tone = match signal {
        // Some send event codes for the two signs (RFC 4733 §3.2).
        "10" => '*',
        "11" => '#',
        _ => signal.chars().next().filter(|_| signal.len() == 1)?.to_ascii_uppercase(),
    };
    "0123456789*#ABCD".contains(tone).then_some((tone, duration.min(60_000)))
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
    fn info_bodies_are_read() {
        assert_eq!(from_info("application/dtmf-relay", "Signal= 5\r\nDuration=160\r\n"), Some(('5', 160)));
        assert_eq!(from_info("application/DTMF-Relay; x=y", "signal=11\n"), Some(('#', 100)));
        assert_eq!(from_info("application/dtmf", " b "), Some(('B', 100)));
        assert_eq!(from_info("application/dtmf-relay", "Signal=55\r\n"), None);
        assert_eq!(from_info("text/plain", "5"), None);
        assert_eq!(from_info("application/dtmf-relay", &relay_body('#')), Some(('#', 100)));
    }
}
