//! What REFER and its NOTIFYs say (RFC 3515, RFC 3420).

use crate::name_addr::Uri;
use crate::replaces::Replaces;

/// The value of a Refer-To header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferTo {
    /// Whom to call.
    pub target: Uri,
    /// The call to take the place of (RFC 3891 in RFC 5589 §7).
    pub replaces: Option<Replaces>,
}

impl ReferTo {
    /// Reads `<sip:1002@example.com?Replaces=…>`, with or without the brackets. `None` for what cannot be called.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let inner = match text.split_once('<') {
            Some((_, rest)) => rest.split_once('>')?.0,
            None => text.split(';').next()?.trim(),
        };
        let (address, headers) = inner.split_once('?').unwrap_or((inner, ""));
        let target = Uri::parse(address).ok().filter(|uri| uri.is_sip() && !uri.host().is_empty())?;
        let mut replaces = None;
        for (name, value) in headers.split('&').filter_map(|header| header.split_once('=')) {
            if name.eq_ignore_ascii_case("replaces") {
                replaces = Some(Replaces::parse(&unescape(value)?)?);
            }
        }
        Some(Self { target, replaces })
    }

    /// As a header value.
    #[must_use]
    pub fn header(&self) -> String {
        match &self.replaces {
            Some(replaces) => format!("<{}?Replaces={}>", self.target, escape(&replaces.to_string())),
            None => format!("<{}>", self.target),
        }
    }
}

/// The status in the body of a NOTIFY: `SIP/2.0 180 Ringing`.
#[must_use]
pub fn sipfrag_status(body: &str) -> Option<u16> {
    let mut words = body.lines().next()?.split_ascii_whitespace();
    let version = words.next()?;
    let status = words.next()?.parse().ok()?;
    (version.eq_ignore_ascii_case("SIP/2.0") && (100..700).contains(&status)).then_some(status)
}

/// A header value inside a URI (RFC 3261 §25.1, `hvalue`).
fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() * 2), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/?:+$".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaces_survives_the_way_through_the_uri() {
        let refer = ReferTo {
            target: Uri::parse("sip:1002@pbx.example;user=phone").expect("valid"),
            replaces: Replaces::parse("a%b@c;to-tag=1=;from-tag=2&"),
        };
        assert!(refer.replaces.is_some());
        let header = refer.header();
        assert!(header.starts_with("<sip:1002@pbx.example;user=phone?Replaces=a%25b%40c%3Bto-tag%3D"), "{header}");
        assert_eq!(ReferTo::parse(&header), Some(refer));
    }

    #[test]
    fn plain_forms_are_read_and_nonsense_is_not() {
        let plain = ReferTo::parse("\"Bob\" <sip:bob@b>;x=1").expect("valid");
        assert_eq!((plain.target.as_str(), plain.replaces), ("sip:bob@b", None));
        assert_eq!(ReferTo::parse("sip:bob@b;x=1").map(|r| r.target.to_string()).as_deref(), Some("sip:bob@b"));
        for text in [
            "",
            "<>",
            "<http://x>",
            "<tel:123>",
            "<sip:>",
            "<sip:a@b?Replaces=%zz>",
            "<sip:a@b?Replaces=x>",
            "<sip:a@b",
        ] {
            assert_eq!(ReferTo::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_sipfrag_has_its_status_in_the_first_line() {
        assert_eq!(sipfrag_status("SIP/2.0 180 Ringing\r\n"), Some(180));
        assert_eq!(sipfrag_status("SIP/2.0 603 Decline"), Some(603));
        for body in ["", "SIP/2.0", "SIP/2.0 99 x", "HTTP/1.1 200 OK", "SIP/2.0 abc"] {
            assert_eq!(sipfrag_status(body), None, "{body:?}");
        }
    }
}
