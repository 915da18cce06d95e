//! A client that sends what it is told to, and nothing by itself.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use md5::{Digest as _, Md5};
use offhook_media::{Addresses, Direction, Peer, PeerConfig, PeerEvents};
use offhook_pbx::{Load, Pbx, PbxLimits};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

/// For whatever should happen. Generous: the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A PBX with short deadlines, so that tests of them need not wait.
pub(crate) async fn pbx() -> Pbx {
    pbx_with(|_| {}).await
}

/// The same with other limits. Calls made by hand have no media, and may not be ended for it while the machine is slow.
pub(crate) async fn pbx_with(change: impl FnOnce(&mut PbxLimits)) -> Pbx {
    let mut limits = PbxLimits::default();
    limits.handshake_ms = 500;
    change(&mut limits);
    Pbx::builder().wss_port(None).limits(limits).start().await.expect("the PBX starts")
}

/// Waits until nothing is left of what the clients did.
pub(crate) async fn assert_nothing_left(pbx: &Pbx) {
    let empty = tokio::time::timeout(SOON, pbx.load_when(Load::is_zero)).await;
    assert!(empty.is_ok(), "still held: {:?}", pbx.load());
}

/// So much time passes at once.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// A raw client of one WebSocket.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    requests: u32,
}

impl Client {
    pub(crate) async fn connect(pbx: &Pbx) -> Self {
        Self::connect_to(&pbx.ws_url().expect("ws is on")).await
    }

    /// A client of the SIP socket with this URL.
    pub(crate) async fn connect_to(url: &str) -> Self {
        let mut request = url.into_client_request().expect("a URL");
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
        let (socket, response) = connect_async(request).await.expect("the handshake");
        assert_eq!(response.headers()["sec-websocket-protocol"], "sip");
        Self { socket, requests: 0 }
    }

    /// A client with a small receive buffer: little is on its way to it.
    pub(crate) async fn connect_narrow(pbx: &Pbx) -> Self {
        let tcp = TcpSocket::new_v4().expect("a socket");
        tcp.set_recv_buffer_size(16 * 1024).expect("a size");
        let tcp = tcp.connect(pbx.ws_address().expect("ws is on")).await.expect("the PBX listens");
        let mut request = pbx.ws_url().expect("ws is on").into_client_request().expect("a URL");
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
        let (socket, _) = client_async(request, MaybeTlsStream::Plain(tcp)).await.expect("the handshake");
        Self { socket, requests: 0 }
    }

    /// A client that has registered this extension with its built-in password.
    pub(crate) async fn registered(pbx: &Pbx, user: &str) -> Self {
        let mut client = Self::connect(pbx).await;
        let register = client.request("REGISTER", "sip:localhost", user, user).header("Expires: 600");
        let response = client.authenticated(register, user, &format!("secret-{user}")).await;
        assert_eq!(response.status, 200, "{}", response.text);
        client
    }

    /// A request that is in order, with a Call-ID, tag and branch of its own.
    pub(crate) fn request(&mut self, method: &str, uri: &str, from: &str, to: &str) -> Request {
        self.requests += 1;
        let id = format!("{}-{}", self.local_port(), self.requests);
        Request {
            method: method.to_owned(),
            uri: uri.to_owned(),
            branch: format!("z9hG4bK{id}"),
            from: format!("<sip:{from}@localhost>;tag=f{id}"),
            to: format!("<sip:{to}@localhost>"),
            call_id: format!("call-{id}"),
            cseq: 1,
            headers: vec![format!("Contact: <sip:{from}@raw.invalid;transport=ws>")],
            body: String::new(),
        }
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.expect("the socket is open");
    }

    /// Sends a frame, whatever it is.
    pub(crate) async fn send_frame(&mut self, message: Message) -> Result<(), tungstenite::Error> {
        self.socket.send(message).await
    }

    /// The next SIP message.
    pub(crate) async fn receive(&mut self) -> Received {
        loop {
            let text = self.receive_text().await;
            if !text.trim().is_empty() {
                return Received::parse(text);
            }
        }
    }

    /// Whether no message has come yet.
    pub(crate) async fn has_nothing(&mut self) -> bool {
        tokio::time::timeout(Duration::ZERO, self.socket.next()).await.is_err()
    }

    /// The next message, SIP or keep-alive.
    pub(crate) async fn receive_text(&mut self) -> String {
        let message = tokio::time::timeout(SOON, self.socket.next()).await.expect("no message came");
        match message.expect("the connection was closed").expect("the connection failed") {
            Message::Text(text) => text.to_string(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The next frame as it is.
    pub(crate) async fn receive_frame(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        tokio::time::timeout(SOON, self.socket.next()).await.expect("no frame came")
    }

    /// The final response to a request that is sent now.
    pub(crate) async fn ask(&mut self, request: &Request) -> Received {
        self.send(request.text()).await;
        self.final_response(request).await
    }

    /// The final response to a request, past provisional ones and whatever else comes.
    pub(crate) async fn final_response(&mut self, request: &Request) -> Received {
        loop {
            let message = self.receive().await;
            if message.status >= 200 && message.text.contains(&request.branch) {
                return message;
            }
        }
    }

    /// Sends a request, answers its challenge and gives the final response.
    pub(crate) async fn authenticated(&mut self, request: Request, user: &str, password: &str) -> Received {
        let challenge = self.ask(&request).await;
        assert!(matches!(challenge.status, 401 | 407), "no challenge: {}", challenge.text);
        if request.method == "INVITE" {
            self.send(request.ack(&challenge).text()).await;
        }
        let again = request.again().header(&challenge.credentials(&request, user, password));
        self.ask(&again).await
    }

    /// Proves that the PBX still answers on this connection, and that nothing else came before the answer.
    pub(crate) async fn assert_served(&mut self) {
        let options = self.request("OPTIONS", "sip:localhost", "1000", "1000");
        self.send(options.text()).await;
        let response = self.receive().await;
        assert!(response.text.contains(&options.branch), "something else came: {}", response.text);
        assert_eq!(response.status, 200, "{}", response.text);
    }

    /// Waits until the PBX has closed the connection; gives what it had sent before.
    pub(crate) async fn closed(&mut self) -> Vec<Received> {
        let mut received = Vec::new();
        loop {
            match self.receive_frame().await {
                Some(Ok(Message::Text(text))) => received.push(Received::parse(text.to_string())),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return received,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The TCP connection below.
    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        match self.socket.get_mut() {
            MaybeTlsStream::Plain(stream) => stream,
            _ => unreachable!("the tests use ws"),
        }
    }

    fn local_port(&mut self) -> u16 {
        self.tcp().local_addr().expect("connected").port()
    }
}

/// A request under construction.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) branch: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    pub(crate) fn sdp(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self.header("Content-Type: application/sdp")
    }

    /// The next request with the same identifiers.
    pub(crate) fn again(&self) -> Self {
        self.next(&self.method.clone())
    }

    /// Another request with the same identifiers: `Call-ID`, tags.
    pub(crate) fn next(&self, method: &str) -> Self {
        let cseq = self.cseq + 1;
        Self { method: method.to_owned(), cseq, branch: format!("{}{cseq}", self.branch), ..self.clone() }
    }

    /// The ACK of a refusal (RFC 3261 §17.1.1.3).
    pub(crate) fn ack(&self, response: &Received) -> Self {
        Self {
            method: "ACK".to_owned(),
            to: response.header("To").to_owned(),
            headers: Vec::new(),
            body: String::new(),
            ..self.clone()
        }
    }

    /// A request in the dialog that a 200 made.
    pub(crate) fn in_dialog(&self, method: &str, response: &Received) -> Self {
        Self {
            method: method.to_owned(),
            uri: response.header("Contact").trim_start_matches('<').split('>').next().unwrap_or_default().to_owned(),
            to: response.header("To").to_owned(),
            cseq: if method == "ACK" { self.cseq } else { self.cseq + 1 },
            branch: format!("{}{method}", self.branch),
            headers: Vec::new(),
            body: String::new(),
            ..self.clone()
        }
    }

    pub(crate) fn text(&self) -> String {
        let Self { method, uri, branch, from, to, call_id, cseq, headers, body } = self;
        let mut lines = vec![
            format!("{method} {uri} SIP/2.0"),
            format!("Via: SIP/2.0/WS raw.invalid;branch={branch}"),
            "Max-Forwards: 70".to_owned(),
            format!("From: {from}"),
            format!("To: {to}"),
            format!("Call-ID: {call_id}"),
            format!("CSeq: {cseq} {method}"),
        ];
        lines.extend(headers.iter().cloned());
        lines.push(format!("Content-Length: {}", body.len()));
        format!("{}\r\n\r\n{body}", lines.join("\r\n"))
    }
}

/// A message that came; `status` is 0 for a request.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Received {
    fn parse(text: String) -> Self {
        let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0);
        Self { status, text }
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers(name).next().unwrap_or_else(|| panic!("no {name} in: {}", self.text))
    }

    pub(crate) fn headers<'a>(&'a self, name: &str) -> std::vec::IntoIter<&'a str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The MD5 challenge's parameter.
    pub(crate) fn challenge(&self, parameter: &str) -> String {
        let challenge = self
            .headers("WWW-Authenticate")
            .chain(self.headers("Proxy-Authenticate"))
            .find(|challenge| !challenge.contains("SHA-256"))
            .unwrap_or_else(|| panic!("no MD5 challenge in: {}", self.text));
        let (_, rest) = challenge.split_once(&format!("{parameter}=")).unwrap_or_default();
        match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
            None => rest.split(',').next().unwrap_or_default().trim().to_owned(),
        }
    }

    /// The header that answers this challenge (RFC 7616, qop=auth).
    pub(crate) fn credentials(&self, request: &Request, user: &str, password: &str) -> String {
        self.credentials_of_ha1(request, user, &md5(&format!("{user}:{}:{password}", self.challenge("realm"))))
    }

    /// The same from the hash of user, realm and password.
    pub(crate) fn credentials_of_ha1(&self, request: &Request, user: &str, ha1: &str) -> String {
        let (realm, nonce) = (self.challenge("realm"), self.challenge("nonce"));
        let name = if self.status == 407 { "Proxy-Authorization" } else { "Authorization" };
        let ha2 = md5(&format!("{}:{}", request.method, request.uri));
        let response = md5(&format!("{ha1}:{nonce}:00000001:c0ffee:auth:{ha2}"));
        format!(
            "{name}: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{}\", response=\"{response}\", \
             algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c0ffee\"",
            request.uri
        )
    }
}

/// An offer that the PBX can answer, and the peer connection that made it.
pub(crate) async fn offer() -> (String, Peer, PeerEvents) {
    let config = PeerConfig::new("raw").addresses(Addresses::Loopback);
    let (peer, events) = Peer::spawn(config).expect("a peer connection");
    let offer = peer.create_offer(Direction::SendRecv).await.expect("an offer");
    (offer, peer, events)
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
