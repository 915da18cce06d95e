//! SIP messages. The types are those of the `sipx-sip` crate; they are reached through this module only, so that the
//! parser could be exchanged.

pub use sipx_sip::{Headers, Message, Method, Request, Response, StatusCode};

use bytes::Bytes;
use sipx_sip::HeaderName;

use crate::name_addr::NameAddr;

/// Reading headers by name, as text.
pub trait HeadersExt {
    /// The first header of this name (long or compact form, any case), unfolded and trimmed.
    fn text(&self, name: &str) -> Option<String>;

    /// All headers of this name, in order. A comma-separated list is not taken apart.
    fn texts(&self, name: &str) -> Vec<String>;

    /// The first header of this name as an address; `None` when absent or malformed.
    fn address(&self, name: &str) -> Option<NameAddr>;

    /// All addresses of a header that may be a comma-separated list (Contact, Route, Record-Route,
    /// P-Asserted-Identity), in order. Malformed ones are left out.
    fn addresses(&self, name: &str) -> Vec<NameAddr>;

    /// The first header of this name as a decimal number, parameters ignored.
    fn number(&self, name: &str) -> Option<u32>;

    /// Whether a comma-separated list of tokens (Supported, Allow, Require) has this token.
    fn has_token(&self, name: &str, token: &str) -> bool;
}

impl HeadersExt for Headers {
    fn text(&self, name: &str) -> Option<String> {
        let value = self.value(&header_name(name))?;
        Some(String::from_utf8_lossy(&value).trim().to_owned())
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let name = header_name(name);
        self.get_all(&name).map(|h| String::from_utf8_lossy(&h.value()).trim().to_owned()).collect()
    }

    fn address(&self, name: &str) -> Option<NameAddr> {
        let value = self.value(&header_name(name))?;
        let text = String::from_utf8_lossy(&value);
        NameAddr::parse(split(&text, ',').first()?).ok()
    }

    fn addresses(&self, name: &str) -> Vec<NameAddr> {
        self.texts(name)
            .iter()
            .flat_map(|text| split(text, ','))
            .filter_map(|part| NameAddr::parse(part).ok())
            .collect()
    }

    fn number(&self, name: &str) -> Option<u32> {
        let text = self.text(name)?;
        let digits = text.split([';', ' ', '\t', '(']).next()?;
        digits.parse().ok()
    }

    fn has_token(&self, name: &str, token: &str) -> bool {
        self.texts(name).iter().any(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    }
}

/// The body of a message when it is SDP (`application/sdp`, or no Content-Type and it starts like one).
#[must_use]
pub fn sdp_body(headers: &Headers, body: &Bytes) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    let is_sdp = match headers.text("Content-Type") {
        Some(kind) => kind.split(';').next().is_some_and(|k| k.trim().eq_ignore_ascii_case("application/sdp")),
        None => body.starts_with(b"v=0"),
    };
    if !is_sdp {
        return None;
    }
    String::from_utf8(body.to_vec()).ok()
}

pub(crate) fn header_name(name: &str) -> HeaderName {
    // What every message is asked for, without a walk through all names that there are.
    match name {
        "To" => return HeaderName::To,
        "From" => return HeaderName::From,
        "Call-ID" => return HeaderName::CallId,
        "CSeq" => return HeaderName::CSeq,
        "Contact" => return HeaderName::Contact,
        "Content-Type" => return HeaderName::ContentType,
        "Record-Route" => return HeaderName::RecordRoute,
        "Require" => return HeaderName::Require,
        "Session-Expires" => return HeaderName::SessionExpires,
        "Supported" => return HeaderName::Supported,
        _ => {}
    }
    HeaderName::parse(&Bytes::copy_from_slice(name.as_bytes()))
}

/// Splits at what is outside quotes and angle brackets.
pub(crate) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped, mut angled) = (0, false, false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => angled = true,
            '>' if !quoted => angled = false,
            _ if c == separator && !quoted && !angled => {
                parts.push(text[start..i].trim());
                start = i + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_lists_are_taken_apart_at_real_commas_only() {
        let parts = split(r#""Bell, A" <sip:a@b;x=1,2>, <sip:c@d>"#, ',');
        assert_eq!(parts, [r#""Bell, A" <sip:a@b;x=1,2>"#, "<sip:c@d>"]);
    }
}
