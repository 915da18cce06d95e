//! A server made by hand: it sends what it is told to, and nothing by itself.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use offhook::{Phone, PhoneBuilder, ReconnectPolicy};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as HttpRequest, Response as HttpResponse};
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// For whatever should happen. Generous: the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n";

/// Waits for what should happen soon.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {SOON:?}"),
    }
}

pub(crate) struct Server {
    listener: TcpListener,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port") }
    }

    /// Also what keeps others from its port when it is gone. Only Linux binds a port twice for that.
    pub(crate) async fn with_kept_port() -> (Self, Option<TcpSocket>) {
        if !cfg!(target_os = "linux") {
            return (Self::start().await, None);
        }
        let kept = TcpSocket::new_v4().expect("a socket");
        kept.set_reuseaddr(true).expect("an option");
        kept.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let listener = TcpListener::bind(kept.local_addr().expect("bound")).await.expect("beside it");
        (Self { listener }, Some(kept))
    }

    /// A phone of this server that is quick to come back.
    pub(crate) fn phone(&self) -> PhoneBuilder {
        let port = self.listener.local_addr().expect("bound").port();
        Phone::builder()
            .server(format!("ws://127.0.0.1:{port}/ws"))
            .user("1000")
            .password("secret-1000")
            .connect_timeout(Duration::from_secs(5))
            .reconnect(ReconnectPolicy { max_attempts: None, first_ms: 100, max_ms: 500 })
    }

    /// The next TCP connection.
    pub(crate) async fn tcp(&self) -> TcpStream {
        soon("a connection", self.listener.accept()).await.expect("the port is open").0
    }

    /// The next connection, with the WebSocket made.
    pub(crate) async fn accept(&self) -> Connection {
        Connection::accept(self.tcp().await).await
    }

    /// The next connection, and its phone registered.
    pub(crate) async fn registered(&self) -> Connection {
        let mut connection = self.accept().await;
        let register = connection.request("REGISTER").await;
        connection.send(register.answer(200, "OK", "Expires: 600\r\n")).await;
        connection
    }
}

/// One connection of a phone.
pub(crate) struct Connection {
    socket: WebSocketStream<TcpStream>,
}

impl Connection {
    async fn accept(stream: TcpStream) -> Self {
        #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
        let subprotocol = |request: &HttpRequest, mut response: HttpResponse| {
            assert_eq!(request.headers()["sec-websocket-protocol"], "sip");
            response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, subprotocol).await.expect("the handshake");
        Self { socket }
    }

    /// Sends a message; the phone may have closed the connection already.
    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        let _ = self.socket.send(Message::text(text.into())).await;
    }

    /// Sends a frame.
    pub(crate) async fn send_frame(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    /// The next text, SIP or keep-alive.
    pub(crate) async fn next_text(&mut self) -> String {
        match soon("a message", self.socket.next()).await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// The next SIP message, `None` when the phone has closed the connection.
    pub(crate) async fn next(&mut self) -> Option<Received> {
        loop {
            match soon("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) if !text.trim().is_empty() => return Some(Received(text.to_string())),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next request, which must be of this method. Responses before it are passed over.
    pub(crate) async fn request(&mut self, method: &str) -> Received {
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("closed instead of {method}"));
            if !message.0.starts_with("SIP/2.0 ") {
                assert!(message.0.starts_with(&format!("{method} ")), "{method} wanted: {}", message.0);
                return message;
            }
        }
    }

    /// The next response, which must have this status.
    pub(crate) async fn response(&mut self, status: u16) -> Received {
        let message = self.next().await.unwrap_or_else(|| panic!("closed instead of {status}"));
        assert!(message.0.starts_with(&format!("SIP/2.0 {status} ")), "{status} wanted: {}", message.0);
        message
    }

    /// The TCP connection below.
    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }
}

/// A message that came from the phone.
#[derive(Debug)]
pub(crate) struct Received(pub(crate) String);

impl Received {
    /// A response to it.
    pub(crate) fn answer(&self, status: u16, reason: &str, headers: &str) -> String {
        let tag = if self.header("To").contains(";tag=") { "" } else { ";tag=server" };
        format!(
            "SIP/2.0 {status} {reason}\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{headers}Content-Length: 0\r\n\r\n",
            self.header("Via"),
            self.header("From"),
            self.header("To"),
            self.header("Call-ID"),
            self.header("CSeq"),
        )
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.0
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .unwrap_or_else(|| panic!("no {name} in: {}", self.0))
    }
}

/// A request of the server's making.
pub(crate) fn request(method: &str, id: &str, to_tag: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:1000@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WS server.invalid;branch=z9hG4bK{id}\r\nMax-Forwards: 70\r\n\
         From: <sip:1001@127.0.0.1>;tag=s{id}\r\nTo: <sip:1000@127.0.0.1>{to_tag}\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:1001@server.invalid;transport=ws>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
