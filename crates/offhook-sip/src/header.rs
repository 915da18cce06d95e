//! Header fields that a caller adds to a message.

use bytes::Bytes;
use sipx_sip::{Header, HeaderName};
use thiserror::Error;

use crate::name_addr::NameAddr;

/// The longest value taken, bytes. Longer ones are refused by many servers' parsers.
const MAX_VALUE: usize = 8 * 1024;

/// Fields the stack writes itself; a second one would make the message invalid or take a dialog over.
const RESERVED: [&str; 15] = [
    "via",
    "from",
    "to",
    "call-id",
    "cseq",
    "contact",
    "max-forwards",
    "route",
    "record-route",
    "content-length",
    "content-type",
    "rack",
    "rseq",
    "session-expires",
    "min-se",
];

/// One header field that is safe to put on the wire: its name is a token, its value has no line break or other control
/// character, and it is none of those the stack writes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderField {
    name: String,
    value: String,
}

/// Why something is no header field. The fault is the caller's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Not `Name: value`.
    #[error("a header must be written `Name: value`")]
    NoColon,
    /// The name is empty or has characters that RFC 3261 §25.1 does not allow in a token.
    #[error("{name:?} is not a header name: use letters, digits and -.!%*_+`'~")]
    Name {
        /// The name.
        name: String,
    },
    /// The value has a line break or another control character: header injection.
    #[error("the value of {name} has a control character (a line break?) in it")]
    ControlCharacter {
        /// The header.
        name: String,
    },
    /// The value is too long.
    #[error("the value of {name} is longer than 8192 bytes")]
    TooLong {
        /// The header.
        name: String,
    },
    /// The stack writes this header itself.
    #[error("{name} is written by the SIP stack and cannot be set")]
    Reserved {
        /// The header.
        name: String,
    },
    /// A content type or body that cannot be sent.
    #[error("{what}")]
    Body {
        /// What is wrong with it.
        what: &'static str,
    },
}

impl HeaderField {
    /// Checks and makes one.
    pub fn new(name: &str, value: &str) -> Result<Self, HeaderError> {
        let field = Self::unreserved(name, value)?;
        let long = HeaderName::parse(&Bytes::copy_from_slice(name.as_bytes()));
        let canonical = String::from_utf8_lossy(long.canonical()).to_ascii_lowercase();
        if RESERVED.contains(&canonical.as_str()) {
            return Err(HeaderError::Reserved { name: name.to_owned() });
        }
        Ok(field)
    }

    /// Takes `Name: value` apart.
    pub fn parse(line: &str) -> Result<Self, HeaderError> {
        let (name, value) = line.split_once(':').ok_or(HeaderError::NoColon)?;
        Self::new(name.trim_end_matches([' ', '\t']), value.trim_matches([' ', '\t']))
    }

    /// A Contact, for a response to REGISTER or a redirection.
    #[must_use]
    pub fn contact(contact: &NameAddr) -> Self {
        Self { name: "Contact".to_owned(), value: contact.to_string() }
    }

    /// How many hops a request may still take (RFC 3261 §8.1.1.6), for one that passes another on: instead of the 70 that the
    /// stack writes.
    #[must_use]
    pub fn max_forwards(hops: u8) -> Self {
        Self { name: "Max-Forwards".to_owned(), value: hops.to_string() }
    }

    /// The name, as given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// For the stack's own fields.
    pub(crate) fn unreserved(name: &str, value: &str) -> Result<Self, HeaderError> {
        if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token_byte) {
            return Err(HeaderError::Name { name: name.to_owned() });
        }
        if value.chars().any(char::is_control) {
            return Err(HeaderError::ControlCharacter { name: name.to_owned() });
        }
        if value.len() > MAX_VALUE {
            return Err(HeaderError::TooLong { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    pub(crate) fn to_header(&self) -> Option<Header> {
        let name = HeaderName::parse(&Bytes::copy_from_slice(self.name.as_bytes()));
        Header::build(name, Bytes::copy_from_slice(self.value.as_bytes())).ok()
    }
}

/// `token` of RFC 3261 §25.1.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_is_refused_wherever_it_hides() {
        for value in ["a\r\nVia: evil", "a\nb", "a\rb", "a\0b", "a\u{85}b"] {
            assert!(matches!(HeaderField::new("X-A", value), Err(HeaderError::ControlCharacter { .. })), "{value:?}");
        }
        assert!(matches!(HeaderField::parse("X-A\r\nB: c"), Err(HeaderError::Name { .. })));
    }

    #[test]
    fn the_stacks_own_headers_are_refused_in_any_spelling() {
        for name in ["Via", "VIA", "v", "i", "Call-ID", "l", "Content-Length", "m"] {
            assert!(matches!(HeaderField::new(name, "x"), Err(HeaderError::Reserved { .. })), "{name}");
        }
    }

    #[test]
    fn ordinary_headers_pass() {
        let field = HeaderField::parse("X-Queue:  Sales, Zürich ").expect("valid");
        assert_eq!((field.name(), field.value()), ("X-Queue", "Sales, Zürich"));
        assert_eq!(HeaderField::parse("no colon"), Err(HeaderError::NoColon));
    }
}
