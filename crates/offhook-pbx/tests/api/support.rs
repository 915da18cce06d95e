//! A client that knows HTTP and WebSockets, and nothing of the PBX.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use offhook_pbx::{PSeries, Pbx, PbxBuilder, PbxLimits};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// For whatever should happen. Generous: the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A topic that is told to everybody when a test wants it.
pub(crate) const MARKER: u32 = 20104;

/// A PBX, and how it is reached.
pub(crate) struct Server {
    pub(crate) pbx: Pbx,
    /// `127.0.0.1:PORT`
    pub(crate) authority: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut PSeries)) -> Self {
        let mut pseries = PSeries::default();
        change(&mut pseries);
        let mut limits = PbxLimits::default();
        // So that the test of slow bodies need not wait.
        limits.handshake_ms = 1_500;
        Self::of(Pbx::builder().wss_port(None).limits(limits).pseries(pseries)).await
    }

    pub(crate) async fn of(builder: PbxBuilder) -> Self {
        let pbx = builder.start().await.expect("the PBX starts");
        let authority = pbx.ws_address().expect("ws is on").to_string();
        Self { pbx, authority }
    }

    pub(crate) async fn send(&self, request: Call) -> Reply {
        let stream = TcpStream::connect(&self.authority).await.expect("it listens");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        let connection = tokio::spawn(connection);
        let mut built = hyper::Request::builder().method(request.method.as_str()).uri(request.path);
        let headers = built.headers_mut().expect("a method and a path");
        headers.insert("host", HeaderValue::from_str(&self.authority).expect("an address"));
        for (name, value) in request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.insert(name, HeaderValue::from_str(&value).expect("a value"));
        }
        let built = built.body(Full::new(request.body)).expect("a request");
        let sent = async {
            let response = sender.send_request(built).await.expect("an answer");
            let (parts, body) = response.into_parts();
            let body = body.collect().await.expect("the whole answer").to_bytes();
            Reply { status: parts.status.as_u16(), headers: parts.headers, body }
        };
        let reply = tokio::time::timeout(SOON, sent).await.expect("an answer in time");
        connection.abort();
        reply
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Reply {
        self.send(Call::new("GET", path).token(token)).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        self.send(Call::new("POST", path).token(token).json(&body)).await
    }

    /// A request of the admin API.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Reply {
        let call = Call::new(method, &format!("/admin/v1/{path}")).header("authorization", "Bearer offhook-admin");
        self.send(if body.is_null() { call } else { call.json(&body) }).await
    }

    /// An access token of the open API.
    pub(crate) async fn open_token(&self) -> String {
        let body = json!({ "username": "offhook", "password": "offhook-secret" });
        let call = Call::new("POST", "/openapi/v1.0/get_token").json(&body);
        self.send(call).await.ok()["access_token"].as_str().expect("a token").to_owned()
    }

    /// A login signature, as an app's back end gets it.
    pub(crate) async fn signature(&self, number: &str) -> String {
        let path = format!("/openapi/v1.0/sign/create?access_token={}", self.open_token().await);
        let call = Call::new("POST", &path).json(&json!({ "username": number }));
        self.send(call).await.ok()["data"]["sign"].as_str().expect("a signature").to_owned()
    }

    pub(crate) async fn try_login(&self, username: &str, password: &str, source: Value) -> Reply {
        let body = json!({ "username": username, "password": password, "login_source": source, "login_jump": "sdk" });
        self.send(Call::new("POST", "/api/v1.0/login").json(&body)).await
    }

    /// The access token of a client in a browser.
    pub(crate) async fn login(&self, number: &str) -> String {
        self.login_as(number, Value::Null).await
    }

    pub(crate) async fn login_as(&self, number: &str, source: Value) -> String {
        let signature = self.signature(number).await;
        let reply = self.try_login(number, &signature, source).await;
        reply.ok()["access_token"].as_str().expect("a token").to_owned()
    }

    /// A socket that has subscribed to these topics.
    pub(crate) async fn subscribe(&self, token: &str, topics: &[u32]) -> Socket {
        let mut socket = self.socket(token).await.expect("a socket");
        socket.send(&json!({ "topic_list": topics }).to_string()).await;
        assert_eq!(socket.json().await["errcode"], 0);
        socket
    }

    pub(crate) async fn socket(&self, token: &str) -> Result<Socket, tungstenite::Error> {
        let url = format!("ws://{}/api/v1.0/subscribe?access_token={token}", self.authority);
        connect_async(url).await.map(|(socket, _)| Socket(socket))
    }
}

/// A request to be sent.
pub(crate) struct Call {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Call {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    /// The bare token, as clients of this API send it; none when it is empty.
    pub(crate) fn token(self, token: &str) -> Self {
        if token.is_empty() { self } else { self.header("authorization", token) }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    pub(crate) fn errcode(&self) -> i64 {
        self.json()["errcode"].as_i64().unwrap_or_else(|| panic!("no errcode: {self:?}"))
    }

    /// The answer to a request that was carried out.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        let body = self.json();
        assert_eq!(
            (self.status, body["errcode"].as_i64(), &body["errmsg"]),
            (200, Some(0), &json!("SUCCESS")),
            "{self:?}"
        );
        body
    }

    /// A refusal as this API says it: HTTP 200 and an errcode.
    #[track_caller]
    pub(crate) fn refused(&self, errcode: i64) {
        assert_eq!((self.status, self.errcode()), (200, errcode), "{self:?}");
        let text = self.json();
        assert!(text["errmsg"].as_str().is_some_and(|text| !text.is_empty() && text != "SUCCESS"), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn fails(&self, status: u16, errcode: i64) {
        assert_eq!((self.status, self.errcode()), (status, errcode), "{self:?}");
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A subscription socket.
#[derive(Debug)]
pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("the socket is open");
    }

    /// The next text.
    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).expect("JSON")
    }

    /// The next notification, which must be of this type: what its message says.
    pub(crate) async fn told(&mut self, kind: u32) -> Value {
        let notification = self.json().await;
        assert_eq!(notification["type"], kind, "{notification}");
        serde_json::from_str(notification["msg"].as_str().expect("msg is a text")).expect("msg is JSON")
    }

    /// Nothing was told up to now: the next that comes is the marker, which takes the same way. The socket must have subscribed
    /// to [`MARKER`].
    pub(crate) async fn silent(&mut self, server: &Server) {
        server.admin("POST", "hot_standby", Value::Null).await.ok();
        self.told(MARKER).await;
    }

    /// Waits for the server to close it; gives the code.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(Message::Text(text))) => panic!("told before it was closed: {text}"),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    async fn next(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        tokio::time::timeout(SOON, self.0.next()).await.expect("nothing came in time")
    }
}
