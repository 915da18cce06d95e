//! Where to connect.

use std::net::IpAddr;
use std::time::Duration;

use offhook_core::{PhoneError, TransportError};
use tokio::net::TcpStream;

use super::tls::Trust;

/// A server: its URL taken apart, whom to trust, how long to wait.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    secure: bool,
    host: String,
    port: u16,
    pub(super) trust: Trust,
    pub(super) timeout: Duration,
}

impl Target {
    /// Takes `ws://` or `wss://host[:port][/path]`.
    pub(crate) fn new(url: &str, trust: Trust, timeout: Duration) -> Result<Self, PhoneError> {
        let refuse = |why: &str| PhoneError::InvalidArgument {
            detail: format!("{url:?} is not a server: {why}; write wss://host[:port][/path]"),
        };
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(refuse("it has a blank in it"));
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| refuse("it has no scheme"))?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "wss" => true,
            "ws" => false,
            _ => return Err(refuse("it is neither ws nor wss")),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() || host.contains('@') {
            return Err(refuse("it has no host"));
        }
        let port = match port {
            Some(port) => port.parse().map_err(|_| refuse("its port is no port"))?,
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
        };
        Ok(Self { url: url.to_owned(), secure, host: host.to_owned(), port, trust, timeout })
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether the server runs on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let name = self.host.to_ascii_lowercase();
        let is_name = name == "localhost" || name.ends_with(".localhost");
        is_name || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    pub(super) async fn connect_tcp(&self) -> Result<TcpStream, TransportError> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<_> = found
            .map_err(|error| TransportError::UnknownHost { host: self.host.clone(), detail: error.to_string() })?
            .collect();
        let connected = TcpStream::connect(addresses.as_slice()).await;
        let tcp = connected
            .map_err(|error| TransportError::Unreachable { address: self.address(), detail: error.to_string() })?;
        // Every message is complete: waiting for more only delays it.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        Ok(tcp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, PhoneError> {
        Target::new(url, Trust::System, Duration::from_secs(1))
    }

    #[test]
    fn urls_are_taken_apart() {
        let address = |url| target(url).map(|t| (t.address(), t.is_secure(), t.is_loopback()));
        assert_eq!(address("wss://pbx.example/ws"), Ok(("pbx.example:443".to_owned(), true, false)));
        assert_eq!(address("ws://127.0.0.1:8088"), Ok(("127.0.0.1:8088".to_owned(), false, true)));
        assert_eq!(address("WSS://[::1]:8089/ws"), Ok(("[::1]:8089".to_owned(), true, true)));
        assert_eq!(address("ws://localhost"), Ok(("localhost:80".to_owned(), false, true)));
    }

    #[test]
    fn what_is_no_server_is_refused_with_how_to_write_one() {
        for url in [
            "",
            "pbx.example",
            "https://pbx.example",
            "wss://",
            "wss://:1",
            "wss://h:x",
            "wss://u@h",
            "ws://a b",
            "ws://[::1",
        ] {
            let error = target(url).expect_err(url);
            assert!(error.to_string().contains("wss://host"), "{error}");
        }
    }
}
