//! Where to connect.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use offhook_core::{PhoneError, Secret, TransportError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::dial::dial;
use super::tls::{self, Trust};

/// A connection, over TLS or not.
pub(crate) type Stream = Box<dyn Io>;

/// What a connection can do.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {
    /// The address of this machine that it comes from.
    fn local(&self) -> Option<IpAddr>;
}

impl Io for TcpStream {
    fn local(&self) -> Option<IpAddr> {
        self.local_addr().ok().map(|address| address.ip())
    }
}

impl Io for TlsStream<TcpStream> {
    fn local(&self) -> Option<IpAddr> {
        self.get_ref().0.local()
    }
}

/// A server: its URL taken apart, whom to trust, how long to wait.
#[derive(Debug)]
pub(crate) struct Target {
    /// May hold a token: not for `Debug`.
    pub(super) url: Secret,
    secure: bool,
    host: String,
    port: u16,
    pub(super) trust: Trust,
    pub(super) timeout: Duration,
}

impl Target {
    /// Takes `ws://` or `wss://host[:port][/path]`.
    pub(crate) fn new(url: &str, trust: Trust, timeout: Duration) -> Result<Self, PhoneError> {
        Self::parse(url, ["wss", "ws"], trust, timeout)
    }

    /// Takes `https://host[:port]`, and `http://` of this machine, with a path or without.
    pub(crate) fn http(url: &str, trust: Trust, timeout: Duration) -> Result<Self, PhoneError> {
        let target = Self::parse(url, ["https", "http"], trust, timeout)?;
        if !target.secure && !target.is_loopback() {
            let detail = format!("{}: http is for a server on this machine only; write https://", target.address());
            return Err(PhoneError::InvalidArgument { detail });
        }
        Ok(target)
    }

    fn parse(url: &str, [tls, plain]: [&str; 2], trust: Trust, timeout: Duration) -> Result<Self, PhoneError> {
        let shown = url.split(['?', '#']).next().unwrap_or_default();
        let refuse = |why: &str| PhoneError::InvalidArgument {
            detail: format!("{shown:?} is not a server: {why}; write {tls}://host[:port][/path]"),
        };
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(refuse("it has a blank in it"));
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| refuse("it has no scheme"))?;
        let secure = scheme.eq_ignore_ascii_case(tls);
        if !secure && !scheme.eq_ignore_ascii_case(plain) {
            return Err(refuse(&format!("it is neither {plain} nor {tls}")));
        }
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
        Ok(Self { url: Secret::from(url), secure, host: host.to_owned(), port, trust, timeout })
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Host and port, the host in brackets where it needs them.
    pub(crate) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// As `Host` says it: without the port that goes without saying (RFC 9110 §7.2).
    pub(crate) fn authority(&self) -> String {
        let address = self.address();
        let usual = if self.secure { ":443" } else { ":80" };
        address.strip_suffix(usual).map(str::to_owned).unwrap_or(address)
    }

    /// What is asked for there, without a query: empty, or from the slash on.
    pub(crate) fn path(&self) -> &str {
        let url = self.url.expose();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
        path.split(['?', '#']).next().unwrap_or_default()
    }

    /// Whether the server runs on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let name = self.host.to_ascii_lowercase();
        let is_name = name == "localhost" || name.ends_with(".localhost");
        is_name || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// A stream to the server, within whatever time the caller gives it.
    pub(crate) async fn connect(&self) -> Result<Stream, TransportError> {
        let addresses = self.resolve().await?;
        let tcp = self.connect_tcp(&addresses).await?;
        if self.secure { Ok(Box::new(tls::connect(self, tcp).await?)) } else { Ok(Box::new(tcp)) }
    }

    /// The addresses of the server.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, TransportError> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        found
            .map(Iterator::collect)
            .map_err(|error| TransportError::UnknownHost { host: self.host.clone(), detail: error.to_string() })
    }

    /// How long a step may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A connection to the one of these that takes it first.
    pub(crate) async fn connect_tcp(&self, addresses: &[SocketAddr]) -> Result<TcpStream, TransportError> {
        let connected = dial(addresses).await;
        let tcp = connected.map_err(|detail| TransportError::Unreachable { address: self.address(), detail })?;
        // Every message is complete: waiting for more only delays it.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        Ok(tcp)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    fn target(url: &str) -> Result<Target, PhoneError> {
        Target::new(url, Trust::system(), Duration::from_secs(1))
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

    #[test]
    fn http_is_for_this_machine_only() {
        let http =
            |url| Target::http(url, Trust::system(), Duration::from_secs(1)).map(|t| (t.address(), t.is_secure()));
        assert_eq!(http("https://pbx.example"), Ok(("pbx.example:443".to_owned(), true)));
        assert_eq!(http("http://localhost:8088"), Ok(("localhost:8088".to_owned(), false)));
        let path = |url| Target::http(url, Trust::system(), Duration::from_secs(1)).map(|t| t.path().to_owned());
        assert_eq!(path("https://pbx.example/api?x=/y"), Ok("/api".to_owned()));
        assert_eq!(path("https://pbx.example?x=/y"), Ok(String::new()));
        assert!(http("http://pbx.example").is_err());
        assert!(http("wss://pbx.example").is_err());
    }

    #[tokio::test]
    async fn an_address_that_says_nothing_is_passed_over() {
        let silent = TcpSocket::new_v4().expect("a socket");
        silent.bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let silent = silent.listen(1).expect("listens");
        let (good, silent_at) = (TcpListener::bind("127.0.0.1:0").await.expect("binds"), silent.local_addr());
        let addresses = [silent_at.expect("an address"), good.local_addr().expect("an address")];
        // When its queue is full, it does not even refuse.
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(addresses[0])).await
        {
            waiting.push(stream);
        }
        let target = target("ws://pbx.example").expect("a URL");
        let connecting = tokio::time::timeout(Duration::from_secs(20), target.connect_tcp(&addresses));
        let tcp = connecting.await.expect("the silent one holds it up").expect("connects");
        assert_eq!(tcp.peer_addr().expect("an address"), addresses[1]);
    }

    #[test]
    fn a_token_in_the_url_is_not_shown() {
        let url = "wss://pbx.example/subscribe?access_token=t0ken";
        assert!(!format!("{:?}", target(url)).contains("t0ken"));
        let error = target("wss://pbx.example:x/subscribe?access_token=t0ken").expect_err("no port");
        assert!(!error.to_string().contains("t0ken"), "{error}");
    }
}
