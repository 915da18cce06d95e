//! What a user may dial.

use offhook_sip::Uri;

use crate::error::PhoneError;

/// Longest number or address, characters.
const MAX_LEN: usize = 128;

/// The URI and the number to show for what a user dialled: a number or user name at `host`, or a whole `sip:` address.
pub(crate) fn target(dialed: &str, host: &str) -> Result<(Uri, String), PhoneError> {
    let refuse = |why| PhoneError::InvalidNumber { number: dialed.chars().take(80).collect(), why };
    let text = dialed.trim();
    if text.is_empty() {
        return Err(refuse("it is empty"));
    }
    if text.chars().count() > MAX_LEN {
        return Err(refuse("it is too long"));
    }
    if text.starts_with("sip:") || text.starts_with("sips:") {
        let uri = Uri::parse(text).map_err(|_| refuse("it is no SIP address"))?;
        if uri.host().is_empty() {
            return Err(refuse("it has no host"));
        }
        let user = uri.user();
        let number = if user.is_empty() { uri.host() } else { user };
        return Ok((uri, number));
    }
    let number = without_separators(text);
    if let Some(bad) = number.chars().find(|c| c.is_control() || c.is_whitespace() || "@<>\"\\:;,?/[]".contains(*c)) {
        let why =
            if bad == '@' { "write a whole address as sip:user@host" } else { "it has a character that no number has" };
        return Err(refuse(why));
    }
    let uri = Uri::sip(&number, host).map_err(|_| refuse("it cannot be put into a SIP address"))?;
    Ok((uri, number))
}

/// Takes the visual separators (RFC 3966 §5.1.1) and blanks out of a telephone number; leaves user names alone.
fn without_separators(text: &str) -> String {
    let is_separator = |c: char| matches!(c, ' ' | '-' | '.' | '(' | ')');
    let bare: String = text.chars().filter(|c| !is_separator(*c)).collect();
    let is_number = bare.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '*' | '#'));
    if is_number && !bare.is_empty() { bare } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(text: &str) -> Result<(String, String), i32> {
        target(text, "pbx.example").map(|(uri, number)| (uri.to_string(), number)).map_err(|e| e.code())
    }

    #[test]
    fn numbers_and_names_become_addresses() {
        let ok = |uri: &str, number: &str| Ok((uri.to_owned(), number.to_owned()));
        assert_eq!(dial("1001"), ok("sip:1001@pbx.example", "1001"));
        assert_eq!(dial(" +1 (555) 010-99 "), ok("sip:+155501099@pbx.example", "+155501099"));
        assert_eq!(dial("*97#"), ok("sip:*97%23@pbx.example", "*97#"));
        assert_eq!(dial("ann-b.c"), ok("sip:ann-b.c@pbx.example", "ann-b.c"));
        assert_eq!(dial("sip:bob@elsewhere:5060"), ok("sip:bob@elsewhere:5060", "bob"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "   ", "bob@elsewhere", "a b", "1\r\n2", "1;x=y", "sip:", "sip:a b@c", "<1>", &"1".repeat(129)]
        {
            assert_eq!(dial(text), Err(-209), "{text:?}");
        }
    }
}
