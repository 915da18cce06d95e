//! SIP URIs and name-addrs (RFC 3261 §19.1, §20.10), as values that are safe to put on the wire.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use thiserror::Error;

/// Longest URI or name-addr taken, bytes.
const MAX_LEN: usize = 2048;

/// A URI that parsed; it holds its text as it was written.
#[derive(Clone)]
pub struct Uri {
    parsed: sipx_sip::Uri,
    text: String,
}

/// Why a text is no URI or name-addr. The fault is its writer's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a SIP address: {why}")]
pub struct UriError {
    /// The text, cut at 80 characters.
    pub text: String,
    /// What is wrong.
    pub why: String,
}

impl UriError {
    fn new(text: &str, why: impl fmt::Display) -> Self {
        Self { text: text.chars().take(80).collect(), why: why.to_string() }
    }
}

impl Uri {
    /// Parses `sip:`, `sips:` or `tel:` (other schemes pass, opaque).
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_LEN {
            return Err(UriError::new(text, "it is too long"));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || matches!(c, ' ' | '<' | '>' | '"')) {
            return Err(UriError::new(text, format_args!("the character {bad:?} is not allowed")));
        }
        let parsed =
            sipx_sip::Uri::parse(Bytes::copy_from_slice(text.as_bytes())).map_err(|e| UriError::new(text, e))?;
        Ok(Self { parsed, text: text.to_owned() })
    }

    /// `sip:user@host`, the user part escaped where RFC 3261 §25.1 wants it (`#` becomes `%23`).
    pub fn sip(user: &str, host: &str) -> Result<Self, UriError> {
        Self::parse(&format!("sip:{}@{host}", escape_user(user)))
    }

    /// The same URI with this parameter added; `value` `None` for a flag.
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Result<Self, UriError> {
        // Parameters go before `?headers` (RFC 3261 §19.1.1).
        let (head, tail) = match self.text.split_once('?') {
            Some((head, tail)) => (head, format!("?{tail}")),
            None => (self.text.as_str(), String::new()),
        };
        let value = value.map(|v| format!("={v}")).unwrap_or_default();
        Self::parse(&format!("{head};{name}{value}{tail}"))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is `sip:` or `sips:`.
    #[must_use]
    pub fn is_sip(&self) -> bool {
        self.parsed.scheme().is_sip()
    }

    /// The user part (for `tel:`, the number), unescaped. Empty when there is none.
    #[must_use]
    pub fn user(&self) -> String {
        match self.parsed.decoded_user() {
            Some(user) => String::from_utf8_lossy(&user).into_owned(),
            None => self
                .parsed
                .tel_parts()
                .map(|tel| String::from_utf8_lossy(tel.subscriber()).into_owned())
                .unwrap_or_default(),
        }
    }

    /// The host, lower case. Empty when there is none.
    #[must_use]
    pub fn host(&self) -> String {
        self.parsed
            .host()
            .map(|host| String::from_utf8_lossy(&host.to_bytes()).to_ascii_lowercase())
            .unwrap_or_default()
    }

    /// The port, when written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.parsed.port()
    }

    /// Whether there is a URI parameter of this name.
    #[must_use]
    pub fn has_param(&self, name: &str) -> bool {
        self.parsed.params().is_some_and(|params| params.contains(name))
    }

    /// The value of a URI parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        let value = self.parsed.params()?.value(name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Whether both mean the same (RFC 3261 §19.1.4).
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        self.parsed.equivalent(&other.parsed)
    }

    /// Whether user, host and port are the same: enough to know again what was made by us.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        self.user() == other.user() && self.host() == other.host() && self.port() == other.port()
    }

    pub(crate) fn parsed(&self) -> &sipx_sip::Uri {
        &self.parsed
    }

    pub(crate) fn from_parsed(parsed: &sipx_sip::Uri) -> Self {
        let text = String::from_utf8_lossy(&parsed.to_bytes()).into_owned();
        Self { parsed: parsed.clone(), text }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", self.text)
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Uri {}

impl FromStr for Uri {
    type Err = UriError;
    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// A display name, a URI, and header parameters: a From, To, Contact, Refer-To …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    display: Option<String>,
    uri: Uri,
    params: Vec<(String, Option<String>)>,
}

impl NameAddr {
    /// Only a URI.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Vec::new() }
    }

    /// Parses one header value, `"Ann" <sip:ann@example.com>;tag=1` or `sip:ann@example.com;tag=1`.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_LEN {
            return Err(UriError::new(text, "it is too long"));
        }
        let address = sipx_sip::Address::parse(text.as_bytes(), "address").map_err(|e| UriError::new(text, e))?;
        let params = address
            .params
            .iter()
            .map(|p| {
                let value = p.value.as_ref().map(|v| String::from_utf8_lossy(v).into_owned());
                (String::from_utf8_lossy(&p.name).into_owned(), value)
            })
            .collect();
        let display = address.display_name.map(|name| String::from_utf8_lossy(&name).into_owned());
        Ok(Self { display: display.filter(|name| !name.is_empty()), uri: Uri::from_parsed(&address.uri), params })
    }

    /// With this display name. Control characters are left out; an empty name means none.
    #[must_use]
    pub fn with_display(mut self, name: &str) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(256).collect();
        self.display = (!name.is_empty()).then_some(name);
        self
    }

    /// With this header parameter, replacing one of the same name.
    ///
    /// # Errors
    /// The name is not a token, or the value has a control character in it.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Result<Self, UriError> {
        let is_token = !name.is_empty() && name.bytes().all(crate::header::is_token_byte);
        if !is_token || value.is_some_and(|v| v.chars().any(char::is_control)) {
            return Err(UriError::new(name, "it cannot be a header parameter"));
        }
        self.remove_param(name);
        self.params.push((name.to_owned(), value.map(str::to_owned)));
        Ok(self)
    }

    /// The display name, unquoted.
    #[must_use]
    pub fn display(&self) -> Option<&str> {
        self.display.as_deref()
    }

    /// The URI.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// A header parameter's value; `Some("")` for a flag.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let (_, value) = self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value.as_deref().unwrap_or(""))
    }

    /// The `tag` parameter.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.param("tag")
    }

    pub(crate) fn remove_param(&mut self, name: &str) {
        self.params.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    pub(crate) fn with_tag(mut self, tag: &str) -> Self {
        self.remove_param("tag");
        self.params.push(("tag".to_owned(), Some(tag.to_owned())));
        self
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "\"")?;
            for c in display.chars() {
                if matches!(c, '"' | '\\') {
                    write!(f, "\\")?;
                }
                write!(f, "{c}")?;
            }
            write!(f, "\" ")?;
        }
        write!(f, "<{}>", self.uri)?;
        for (name, value) in &self.params {
            match value {
                Some(value) if value.bytes().all(is_param_byte) && !value.is_empty() => write!(f, ";{name}={value}")?,
                Some(value) => write!(f, ";{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for NameAddr {
    type Err = UriError;
    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// Escapes what may not stand in a user part: all but `unreserved` and `user-unreserved` (RFC 3261 §25.1).
fn escape_user(user: &str) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// What a parameter value may hold unquoted: token, or host characters.
fn is_param_byte(byte: u8) -> bool {
    crate::header::is_token_byte(byte) || b"[]:".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_escaped_and_read_back() {
        let uri = Uri::sip("*1#a b", "example.com").expect("valid");
        assert_eq!(uri.as_str(), "sip:*1%23a%20b@example.com");
        assert_eq!(uri.user(), "*1#a b");
        assert_eq!(uri.host(), "example.com");
    }

    #[test]
    fn what_could_break_out_of_a_header_is_refused() {
        for text in ["sip:a@b\r\nX: y", "sip:a@b>", "sip:a b@c", "sip:\"@b", ""] {
            assert!(Uri::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn display_names_survive_quoting() {
        let address = NameAddr::new(Uri::sip("a", "b").expect("valid")).with_display("An \"ace\" \\ \r\n Zoë");
        let again = NameAddr::parse(&address.to_string()).expect("parses");
        assert_eq!(again.display(), Some("An \"ace\" \\  Zoë"));
        assert_eq!(again.uri().as_str(), "sip:a@b");
    }

    #[test]
    fn header_parameters_and_uri_parameters_are_told_apart() {
        let bare = NameAddr::parse("sip:a@b;tag=1").expect("parses");
        assert_eq!((bare.tag(), bare.uri().as_str()), (Some("1"), "sip:a@b"));
        let angled = NameAddr::parse("<sip:a@b;transport=ws>;tag=2;expires=60").expect("parses");
        assert_eq!((angled.tag(), angled.param("expires")), (Some("2"), Some("60")));
        assert_eq!(angled.uri().param("transport").as_deref(), Some("ws"));
    }
}
