//! The PBX's URL, checked, and what is reached below it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::error::PbxError;

/// Scheme, host and port of a PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    secure: bool,
    /// In lower case; an IPv6 address in brackets.
    host: String,
    port: Option<u16>,
}

impl BaseUrl {
    /// Takes `https://HOST[:PORT]`, slashes at its end left out; `http` for loopback hosts, as browsers do.
    pub(crate) fn parse(url: &str) -> Result<Self, PbxError> {
        let url = url.trim();
        let invalid = |why| PbxError::InvalidUrl { url: shown(url), why };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid("it has no https:// at its beginning"))?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(invalid("it has no https:// at its beginning")),
        };
        let authority = rest.trim_end_matches('/');
        if authority.contains('@') {
            return Err(invalid("it has a user in it"));
        }
        if authority.contains(['/', '?', '#']) {
            return Err(invalid("something follows the host and port"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (address, port) = v6.split_once(']').ok_or_else(|| invalid("a bracket is not closed"))?;
                let address: Ipv6Addr = address.parse().map_err(|_| invalid("its IPv6 address is none"))?;
                let port = match port {
                    "" => None,
                    port => Some(port.strip_prefix(':').ok_or_else(|| invalid("something follows the bracket"))?),
                };
                (format!("[{address}]"), port)
            }
            None => {
                let (host, port) = match authority.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (authority, None),
                };
                if !is_host(host) {
                    return Err(invalid("its host is none"));
                }
                (host.to_ascii_lowercase(), port)
            }
        };
        let port = match port {
            None => None,
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
                let port = port.parse().ok().filter(|port| *port != 0);
                Some(port.ok_or_else(|| invalid("its port is not 1 to 65535"))?)
            }
            Some(_) => return Err(invalid("its port is not 1 to 65535")),
        };
        if !secure && !is_loopback(&host) {
            return Err(PbxError::NotHttps { host });
        }
        Ok(Self { secure, host, port })
    }

    /// Host, an IPv6 address in brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// `HOST[:PORT]`.
    pub(crate) fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// `https://HOST[:PORT]`.
    pub(crate) fn http(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }

    /// `wss://HOST[:PORT]`.
    pub(crate) fn ws(&self) -> String {
        format!("{}://{}", if self.secure { "wss" } else { "ws" }, self.authority())
    }
}

/// A text as it is written into a path or query: all but unreserved characters encoded (RFC 3986 §2.3).
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// A host name (RFC 1123 §2.1, and underscores, which are met in practice) or an IPv4 address.
pub(crate) fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= 253 && host.split('.').all(label)
}

/// The names and addresses that never leave the machine (RFC 6761 §6.3; RFC 1122 §3.2.1.3).
fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name == "localhost"
        || name.ends_with(".localhost")
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// A URL for a message, without what may be a password in it.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.rsplit('@').next().unwrap_or(rest);
    let whole = if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") };
    whole.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<(String, String, String), i32> {
        BaseUrl::parse(url).map(|b| (b.http(), b.ws(), b.host().to_owned())).map_err(|e| e.code())
    }

    #[test]
    fn hosts_ports_and_slashes_are_understood() {
        let ok = |http: &str, ws: &str, host: &str| Ok((http.to_owned(), ws.to_owned(), host.to_owned()));
        assert_eq!(parse("https://pbx.example"), ok("https://pbx.example", "wss://pbx.example", "pbx.example"));
        assert_eq!(parse(" HTTPS://PBX.example:8088// "), {
            ok("https://pbx.example:8088", "wss://pbx.example:8088", "pbx.example")
        });
        assert_eq!(parse("https://[2001:DB8::1]:8088/"), {
            ok("https://[2001:db8::1]:8088", "wss://[2001:db8::1]:8088", "[2001:db8::1]")
        });
        assert_eq!(parse("https://10.0.0.1"), ok("https://10.0.0.1", "wss://10.0.0.1", "10.0.0.1"));
    }

    #[test]
    fn http_is_for_loopback_only() {
        for host in ["localhost:8088", "pbx.localhost", "127.0.0.1:1", "127.3.2.1", "[::1]:8088"] {
            assert!(parse(&format!("http://{host}")).is_ok_and(|(_, ws, _)| ws.starts_with("ws://")), "{host}");
        }
        for host in ["pbx.example", "10.0.0.1", "127.0.0.1.example", "localhost.example", "[::2]", "0.0.0.0"] {
            assert_eq!(parse(&format!("http://{host}")), Err(-3), "{host}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_pbx_is_refused() {
        let long = format!("https://{}", "a".repeat(64));
        for url in [
            "",
            "pbx.example",
            "https://",
            "https:///",
            "wss://pbx.example",
            "ftp://pbx.example",
            "https://pbx.example/path",
            "https://pbx.example?x",
            "https://pbx.example#x",
            "https://user:password@pbx.example",
            "https://pbx..example",
            "https://pbx example",
            "https://pbx.example:0",
            "https://pbx.example:65536",
            "https://pbx.example:",
            "https://pbx.example:+1",
            "https://[::1",
            "https://[::1]8",
            "https://[x]",
            "https://pbx\r\nexample",
            "https://münchen.example",
            &long,
        ] {
            assert_eq!(parse(url), Err(-2), "{url:?}");
        }
        let Err(error) = BaseUrl::parse("https://ann:hunter2@pbx.example") else { panic!("refused") };
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encoded("a b&c=+é/?"), "a%20b%26c%3D%2B%C3%A9%2F%3F");
        assert_eq!(encoded("AZaz09-._~"), "AZaz09-._~");
    }
}
