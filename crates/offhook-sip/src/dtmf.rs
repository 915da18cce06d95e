//! DTMF in INFO.

/// The longest duration that is believed, ms.
const MAX_DURATION_MS: u32 = 60_000;

/// A DTMF tone as an INFO brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InfoTone {
    /// One of `0-9 * # A-D`.
    pub tone: char,
    /// How long, in milliseconds, where it says so: 0 to 60,000.
    pub duration_ms: Option<u32>,
}

impl InfoTone {
    /// Reads the body of an INFO: `application/dtmf-relay` (`Signal=5`, `Duration=160`) or `application/dtmf` (`5`).
    /// No RFC says how they look; these are the two that devices send. `None`: it is something else.
    #[must_use]
    pub fn parse(content_type: &str, body: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let (signal, duration_ms) = match kind.as_str() {
            "application/dtmf-relay" => {
                let field = |name: &str| {
                    body.lines().find_map(|line| {
                        let (key, value) = line.split_once('=')?;
                        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
                    })
                };
                (field("signal")?, field("duration").and_then(|ms| ms.parse::<u32>().ok()))
            }
            "application/dtmf" => (body.trim(), None),
            _ => return None,
        };
        let tone = match signal {
            // Some send event codes for the two signs (RFC 4733 §3.2).
            "10" => '*',
            "11" => '#',
            _ => signal.chars().next().filter(|_| signal.len() == 1)?.to_ascii_uppercase(),
        };
        let duration_ms = duration_ms.map(|ms| ms.min(MAX_DURATION_MS));
        "0123456789*#ABCD".contains(tone).then_some(Self { tone, duration_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bodies_are_read_and_nothing_else() {
        let read = |kind: &str, body: &str| InfoTone::parse(kind, body).map(|info| (info.tone, info.duration_ms));
        assert_eq!(read("application/dtmf-relay", "Signal= 5\r\nDuration=160\r\n"), Some(('5', Some(160))));
        assert_eq!(read("application/DTMF-Relay; x=y", "signal=11\n"), Some(('#', None)));
        assert_eq!(read("application/dtmf-relay", "Signal=*\r\nDuration=4294967295"), Some(('*', Some(60_000))));
        assert_eq!(read("application/dtmf", " b "), Some(('B', None)));
        assert_eq!(read("application/dtmf", "10"), Some(('*', None)));
        for body in ["Signal=55\r\n", "Signal=\r\n", "Signal=E", "Signal=１", "Duration=100", ""] {
            assert_eq!(read("application/dtmf-relay", body), None, "{body:?}");
        }
        assert_eq!(read("text/plain", "5"), None);
    }
}
