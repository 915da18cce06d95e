//! A P-Series server that answers what it is told to. SIP on it is a real PBX's.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use offhook_pbx::{Extension, Pbx};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::soon;
use super::subscription::Subscription;

/// md5(number:realm:password), as far as the PBX knows.
const HA1: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const SECRET: &str = "a-login-signature";
pub(crate) const TOKEN: &str = "token-1";

pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// What it answers to a request.
#[derive(Clone)]
pub(crate) enum Answer {
    Json(Value),
    Status(u16, &'static str),
    /// These bytes, and then it closes the connection.
    Raw(Vec<u8>),
    /// Nothing, and the connection stays open.
    Never,
}

/// A request that it got.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

pub(crate) struct Server {
    pub(crate) pbx: Pbx,
    pub(crate) ca: String,
    address: SocketAddr,
    state: Arc<State>,
    subscriptions: mpsc::UnboundedReceiver<Subscription>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    sip: SocketAddr,
    answers: Mutex<HashMap<String, VecDeque<Answer>>>,
    asked: watch::Sender<Vec<Asked>>,
    /// TCP connections that are open.
    open: watch::Sender<usize>,
    subscriptions: mpsc::UnboundedSender<Subscription>,
    /// HTTP statuses instead of the next subscriptions.
    refuse: Mutex<VecDeque<u16>>,
    no_sip: AtomicBool,
}

impl Server {
    /// Over TLS, with everything as it should be.
    pub(crate) async fn start() -> Self {
        Self::listen(true).await
    }

    /// Without TLS.
    pub(crate) async fn plain() -> Self {
        Self::listen(false).await
    }

    async fn listen(secure: bool) -> Self {
        let extensions = ["1000", "1001"].map(|number| Extension::with_ha1(number, number, HA1));
        let [first, second] = extensions;
        let pbx = Pbx::builder().extension(first).extension(second).start().await.expect("the PBX starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .expect("its own certificate");
        let tls = secure.then(|| TlsAcceptor::from(Arc::new(config)));
        let (sender, subscriptions) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            sip: pbx.ws_address().expect("a ws port"),
            answers: Mutex::new(answers(pbx.realm())),
            asked: watch::Sender::new(Vec::new()),
            open: watch::Sender::new(0),
            subscriptions: sender,
            refuse: Mutex::default(),
            no_sip: AtomicBool::new(false),
        });
        let task = tokio::spawn(accept(listener, tls, Arc::clone(&state)));
        Self { pbx, ca: own.cert.pem(), address, state, subscriptions, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What it answers to `/api/v1.0/…` from now on: one after the other, the last for ever.
    pub(crate) fn answer(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        let answers = answers.into_iter().collect();
        self.state.answers.lock().expect("no panic").insert(format!("/api/v1.0/{path}"), answers);
    }

    /// What it answers to the next subscriptions, instead of taking them. Those are among the requests.
    pub(crate) fn refuse_subscriptions(&self, statuses: impl IntoIterator<Item = u16>) {
        self.state.refuse.lock().expect("no panic").extend(statuses);
    }

    /// SIP is not there any more.
    pub(crate) fn cut_sip(&self) {
        self.state.no_sip.store(true, Ordering::Release);
    }

    /// All requests to a path so far.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let path = format!("/api/v1.0/{path}");
        self.state.asked.borrow().iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// The request number `count`, from 1, to a path.
    pub(crate) async fn request(&self, path: &str, count: usize) -> Asked {
        let wanted = format!("/api/v1.0/{path}");
        let mut changes = self.state.asked.subscribe();
        // Without asked(): the value is locked here, and to lock it twice beside a waiting writer takes for ever.
        let there = |all: &Vec<Asked>| all.iter().filter(|asked| asked.path == wanted).count() >= count;
        soon(path, changes.wait_for(there)).await.expect("the server lives");
        self.asked(path)[count - 1].clone()
    }

    /// Waits until so many TCP connections are open.
    pub(crate) async fn connections(&self, count: usize) {
        let mut open = self.state.open.subscribe();
        soon("connections", open.wait_for(|open| *open == count)).await.expect("the server lives");
    }

    /// The next subscription socket.
    pub(crate) async fn subscription(&mut self) -> Subscription {
        soon("a subscription", self.subscriptions.recv()).await.expect("the server lives")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a server with one extension, 1000, answers.
fn answers(realm: &str) -> HashMap<String, VecDeque<Answer>> {
    let product = json!({
        "company_name": "Offhook", "disp_dev_name": "PBX", "oem_id": "2", "base_oem_id": "2", "platform_name": "p_appliance",
        "product_name": "P550", "product_type": "P550", "version": "37.12.0.20",
    });
    let extension = json!({
        "id": 12, "number": "1000", "caller_id_name": "Ann", "enb_web_client_call_waiting": 1, "enb_ctl_record": 2,
        "enb_web_client": 1, "enb_desktop_client": 1,
    });
    let all = [
        ("pbx/getproduct", json!({ "access_type": "ip", "product": product })),
        ("login", json!({ "access_token": TOKEN })),
        ("extension/getpersonalglobal", json!({ "enable_nat_fqdn": 0, "record_feature_code": "*1" })),
        ("licenseservice/get", json!({ "subscribe_plan_list": [] })),
        ("extension/getpersonal", json!({ "extension": extension })),
        ("extension/getregisterinfo", json!({ "registername": "1000", "registerpassword": HA1, "realm": realm })),
        ("extension/getphoto", json!({ "photo": "" })),
        ("contacts/matchall", json!({ "name": "" })),
        ("cdr/searchpersonal", json!({ "personal_cdr_list": [], "total_number": 0 })),
        ("dct/init", json!({})),
        ("rascallreport/web", json!({})),
        ("systemlog/webclientlog", json!({})),
        ("logout", json!({})),
    ];
    all.into_iter().map(|(path, value)| (format!("/api/v1.0/{path}"), VecDeque::from([Answer::Json(value)]))).collect()
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    // Dropped with this future, and with it all connections.
    let mut serving = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        serving.spawn(async move {
            state.open.send_modify(|open| *open += 1);
            let stream: Box<dyn Io> = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => return state.open.send_modify(|open| *open -= 1),
                },
                None => Box::new(stream),
            };
            serve(stream, &state).await;
            state.open.send_modify(|open| *open -= 1);
        });
    }
}

/// Answers requests until one ends the connection.
async fn serve(mut stream: Box<dyn Io>, state: &State) {
    let mut buffer = Vec::new();
    while let Some(asked) = read(&mut stream, &mut buffer).await {
        match asked.path.as_str() {
            "/ws" if state.no_sip.load(Ordering::Acquire) => return,
            "/ws" => return splice(stream, asked, state.sip).await,
            "/api/v1.0/subscribe" => return subscribe(stream, asked, state).await,
            _ => {}
        }
        let answer = state.next_answer(&asked.path);
        state.asked.send_modify(|all| all.push(asked));
        let bytes = match answer {
            Answer::Json(mut value) => {
                if value.get("errcode").is_none() {
                    value["errcode"] = json!(0);
                    value["errmsg"] = json!("SUCCESS");
                }
                response(200, &value.to_string())
            }
            Answer::Status(status, body) => response(status, body),
            Answer::Raw(bytes) => {
                // The client may have had enough before the end.
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Answer::Never => {
                let _ = stream.read_to_end(&mut buffer).await;
                return;
            }
        };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

impl State {
    fn next_answer(&self, path: &str) -> Answer {
        let mut answers = self.answers.lock().expect("no panic");
        match answers.get_mut(path) {
            Some(queue) if queue.len() > 1 => queue.pop_front().expect("two"),
            Some(queue) => queue.front().cloned().expect("one"),
            None => Answer::Status(404, "no such thing"),
        }
    }
}

async fn read(stream: &mut Box<dyn Io>, buffer: &mut Vec<u8>) -> Option<Asked> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).expect("a head in UTF-8");
    let mut first = head.split_ascii_whitespace();
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut asked = Asked { method, path, query, head, body: Value::Null };
    if let Some(length) = asked.header("content-length").map(|length| length.parse::<usize>().expect("a length")) {
        while buffer.len() < length {
            if stream.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        }
        let body: Vec<u8> = buffer.drain(..length).collect();
        if !body.is_empty() {
            asked.body = serde_json::from_slice(&body).expect("a body in JSON");
        }
    }
    Some(asked)
}

fn response(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// SIP is the PBX's.
async fn splice(mut stream: Box<dyn Io>, asked: Asked, sip: SocketAddr) {
    let Ok(mut pbx) = TcpStream::connect(sip).await else { return };
    if pbx.write_all(asked.head.as_bytes()).await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut pbx).await;
    }
}

async fn subscribe(mut stream: Box<dyn Io>, asked: Asked, state: &State) {
    let refuse = state.refuse.lock().expect("no panic").pop_front();
    if let Some(status) = refuse {
        state.asked.send_modify(|all| all.push(asked));
        // The client may be gone.
        let _ = stream.write_all(&response(status, "{}")).await;
        return;
    }
    let key = derive_accept_key(asked.header("sec-websocket-key").expect("a key").as_bytes());
    let head =
        format!("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {key}\r\n\r\n");
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let (subscription, closed) = Subscription::new(socket, asked);
    // The test may not want it.
    let _ = state.subscriptions.send(subscription);
    let _ = closed.await;
}
