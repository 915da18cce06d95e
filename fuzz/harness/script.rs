//! The input format of the SIP targets: WebSocket messages with directives between them.
//!
//! ```text
//! REGISTER sip:pbx.test SIP/2.0
//! …
//! %% wait 500
//! ACK sip:… SIP/2.0
//! Via: {Via}
//! ```
//!
//! A line starting with `%%` ends a message; what follows on that line happens after it. In a message `{Name}` stands for that header
//! of the last message the machine sent, `{Name;tag}` for one of its parameters, so that a script can go on in a dialog whose tags it
//! cannot know. Anything that does not fit is taken as it is: every byte string is a script.

/// One step of a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A WebSocket message arrives.
    Message(Vec<u8>),
    /// So many milliseconds pass.
    Wait(u64),
    /// The connection is lost, and another is opened.
    Reconnect,
    /// The transaction user does something: which, is the target's to say.
    Command(u8),
}

/// Longest script that is looked at, bytes.
const MAX_BYTES: usize = 256 * 1024;
/// Longest single wait: longer than any timer but those of hours, which would only repeat what minutes show.
const MAX_WAIT_MS: u64 = 400_000;
/// Most steps of a script.
const MAX_STEPS: usize = 200;

/// Takes a script apart.
pub(crate) fn steps(data: &[u8]) -> Vec<Step> {
    let data = data.get(..MAX_BYTES).unwrap_or(data);
    let mut steps = Vec::new();
    let mut message = Vec::new();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if steps.len() >= MAX_STEPS {
            break;
        }
        let Some(directive) = line.strip_prefix(b"%%") else {
            message.extend_from_slice(line);
            continue;
        };
        if !message.is_empty() {
            steps.push(Step::Message(std::mem::take(&mut message)));
        }
        steps.extend(parse_directive(&String::from_utf8_lossy(directive)));
    }
    if !message.is_empty() {
        steps.push(Step::Message(message));
    }
    steps
}

fn parse_directive(text: &str) -> Option<Step> {
    let mut words = text.split_whitespace();
    match (words.next()?, words.next()) {
        ("wait", Some(ms)) => ms.parse().ok().map(|ms: u64| Step::Wait(ms.min(MAX_WAIT_MS))),
        ("reconnect", None) => Some(Step::Reconnect),
        ("do", Some(number)) => number.parse().ok().map(Step::Command),
        _ => None,
    }
}

/// Fills in `{Name}` and `{Name;parameter}` from the last message sent.
pub(crate) fn fill_in(message: &[u8], last_sent: &str) -> Vec<u8> {
    let mut filled = Vec::with_capacity(message.len());
    let mut rest = message;
    while let Some(open) = rest.iter().position(|byte| *byte == b'{') {
        let (before, after) = rest.split_at(open);
        filled.extend_from_slice(before);
        let close = after.iter().take(64).position(|byte| *byte == b'}');
        let name = close.and_then(|close| std::str::from_utf8(after.get(1..close)?).ok());
        match (close, name.and_then(|name| look_up(name, last_sent))) {
            (Some(close), Some(value)) => {
                filled.extend_from_slice(value.as_bytes());
                rest = after.get(close + 1..).unwrap_or_default();
            }
            _ => {
                filled.push(b'{');
                rest = after.get(1..).unwrap_or_default();
            }
        }
    }
    filled.extend_from_slice(rest);
    filled
}

fn look_up<'a>(name: &str, message: &'a str) -> Option<&'a str> {
    let (header, parameter) = match name.split_once(';') {
        Some((header, parameter)) => (header, Some(parameter)),
        None => (name, None),
    };
    let value = message
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case(header))
        .map(|(_, value)| value.trim())?;
    let Some(parameter) = parameter else { return Some(value) };
    let at = value.find(&format!("{parameter}="))?;
    let rest = value.get(at + parameter.len() + 1..)?.trim_start_matches('"');
    let end = rest.find([';', ',', '"', '>', ' ']).unwrap_or(rest.len());
    rest.get(..end)
}
