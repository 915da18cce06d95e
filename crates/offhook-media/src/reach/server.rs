//! STUN and TURN servers, as they are configured.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::MediaError;

/// Longest URL taken, bytes.
const MAX_URL: usize = 512;
/// Longest user name, bytes (RFC 8489 §14.3 allows fewer than 509).
const MAX_USERNAME: usize = 508;
/// Longest password, bytes.
const MAX_CREDENTIAL: usize = 1_024;

/// Which candidates may be used (RFC 8829 §4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransportPolicy {
    /// All.
    #[default]
    All,
    /// Only those at a TURN server: the far end learns none of our addresses.
    Relay,
}

/// A STUN or TURN server: one URL.
///
/// The password is zeroized when this is dropped, and not shown by `Debug`. While a server is in use, the TURN client keeps a
/// copy that is freed, but not zeroized.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    pub(crate) kind: ServerKind,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: String,
    pub(crate) credential: Zeroizing<String>,
}

/// What a server is asked for, and how it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerKind {
    Stun,
    TurnUdp,
    TurnTcp,
    TurnTls,
}

impl IceServer {
    /// Reads `stun:host[:port]` (RFC 7064), `turn:host[:port][?transport=udp|tcp]` or `turns:host[:port][?transport=tcp]`
    /// (RFC 7065). TURN needs a user name and a password, STUN takes none. The port is 3478 unless given, 5349 for `turns`.
    ///
    /// # Errors
    /// [`MediaError::IceServer`] says what is wrong with it.
    pub fn parse(url: &str, username: Option<&str>, credential: Option<&str>) -> Result<Self, MediaError> {
        let refused = |reason| MediaError::IceServer { url: shown(url), reason };
        if url.len() > MAX_URL {
            return Err(refused("the URL is too long"));
        }
        let (scheme, rest) = url.split_once(':').ok_or(refused("a URL begins with stun:, turn: or turns:"))?;
        let (address, query) = rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
        let transport = match query {
            None => None,
            Some(query) => Some(query.strip_prefix("transport=").ok_or(refused("after '?' only transport= may come"))?),
        };
        let kind = match (scheme.to_ascii_lowercase().as_str(), transport) {
            ("stun", None) => ServerKind::Stun,
            ("turn", None | Some("udp")) => ServerKind::TurnUdp,
            ("turn", Some("tcp")) => ServerKind::TurnTcp,
            ("turns", None | Some("tcp")) => ServerKind::TurnTls,
            ("turns", Some("udp")) => return Err(refused("TURN over DTLS is not spoken: use transport=tcp")),
            ("stuns", _) => return Err(refused("STUN over TLS tells nothing about UDP: use stun:")),
            ("stun" | "turn" | "turns", Some(_)) => {
                return Err(refused("the transport is udp or tcp, and stun: has none"));
            }
            _ => return Err(refused("a URL begins with stun:, turn: or turns:")),
        };
        let default = if kind == ServerKind::TurnTls { 5_349 } else { 3_478 };
        let (host, port) =
            host_and_port(address, default).ok_or(refused("this is no host, or no port from 1 to 65535"))?;
        let mut server = Self { kind, host, port, username: String::new(), credential: Zeroizing::new(String::new()) };
        if kind != ServerKind::Stun {
            let (Some(username), Some(credential)) = (username, credential) else {
                return Err(refused("TURN needs a user name and a credential"));
            };
            if username.is_empty() || username.len() > MAX_USERNAME || credential.len() > MAX_CREDENTIAL {
                return Err(refused("the user name is empty, or it or the credential is too long"));
            }
            server.username = username.to_owned();
            server.credential = Zeroizing::new(credential.to_owned());
        }
        Ok(server)
    }

    /// The URL again.
    pub fn url(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let (scheme, transport) = match self.kind {
            ServerKind::Stun => ("stun", ""),
            ServerKind::TurnUdp => ("turn", "?transport=udp"),
            ServerKind::TurnTcp => ("turn", "?transport=tcp"),
            ServerKind::TurnTls => ("turns", "?transport=tcp"),
        };
        format!("{scheme}:{host}:{}{transport}", self.port)
    }

    pub(crate) fn is_turn(&self) -> bool {
        self.kind != ServerKind::Stun
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IceServer").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// Somebody may have put a password into it.
fn shown(url: &str) -> String {
    if url.contains('@') {
        return "(a URL with '@')".to_owned();
    }
    url.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn host_and_port(address: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        match rest {
            "" => (host, None),
            rest => (host, Some(rest.strip_prefix(':')?)),
        }
    } else {
        match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        }
    };
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || host.len() > 253 || !host.chars().all(allowed) {
        return None;
    }
    let port = match port {
        None => default,
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => port.parse().ok().filter(|&port| port != 0)?,
        Some(_) => return None,
    };
    Some((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(url: &str) -> Result<IceServer, MediaError> {
        IceServer::parse(url, Some("ada"), Some("hidden-words"))
    }

    #[test]
    fn urls_are_read_with_their_defaults() {
        for (url, kind, host, port) in [
            ("stun:stun.example", ServerKind::Stun, "stun.example", 3_478),
            ("STUN:192.0.2.1:19302", ServerKind::Stun, "192.0.2.1", 19_302),
            ("turn:turn.example", ServerKind::TurnUdp, "turn.example", 3_478),
            ("turn:turn.example:443?transport=tcp", ServerKind::TurnTcp, "turn.example", 443),
            ("turns:turn.example", ServerKind::TurnTls, "turn.example", 5_349),
            ("turns:[2001:db8::1]:443?transport=tcp", ServerKind::TurnTls, "2001:db8::1", 443),
        ] {
            let server = turn(url).unwrap();
            assert_eq!((server.kind, server.host.as_str(), server.port), (kind, host, port), "{url}");
            assert_eq!(turn(&server.url()).unwrap(), server, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_reason() {
        for url in [
            "",
            "turn",
            "http://x",
            "turn:",
            "turn::1",
            "turn:x:0",
            "turn:x:99999",
            "turn:x:+1",
            "turn:[::1",
            "turn:[x]",
            "turn:a/b",
            "stun:x?transport=udp",
            "turns:x?transport=udp",
            "stuns:x",
            "turn:x?foo=1",
            "turn:x y",
        ] {
            assert!(matches!(turn(url), Err(MediaError::IceServer { .. })), "{url}");
        }
        assert!(IceServer::parse("turn:x", None, Some("y")).is_err());
        assert!(IceServer::parse("turn:x", Some("y"), None).is_err());
        assert!(IceServer::parse(&format!("stun:{}", "x".repeat(600)), None, None).is_err());
    }

    #[test]
    fn a_password_is_never_shown() {
        let server = turn("turn:turn.example").unwrap();
        assert!(!format!("{server:?}").contains("hidden"));
        let error = turn("turn:ada:hidden-words@turn.example").unwrap_err();
        assert!(!error.to_string().contains("hidden") && !format!("{error:?}").contains("hidden"), "{error}");
    }
}
