//! Chromium's receiver: a page in a headless Chromium of our own, told what to do over HTTP on loopback.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::run::{Heard, Receiver};

/// Longest wait for the page to do something.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most that a page gives back: ten minutes.
const MOST: usize = 100_000_000;
const FLAGS: [&str; 15] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    // Without a sound card, sound is fetched by a timer.
    "--disable-audio-output",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--autoplay-policy=no-user-gesture-required",
];

/// What waits for a word of the page, by path.
type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<Result<Bytes, String>>>>>;

/// A running Chromium with one page; dropping it ends it.
pub struct Browser {
    child: Child,
    profile: PathBuf,
    shared: Shared,
}

#[derive(Clone)]
struct Shared {
    waiting: Waiting,
    tasks: mpsc::UnboundedSender<Value>,
    queue: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Value>>>,
}

impl Browser {
    /// Starts `$CHROMIUM`, or else the system's.
    pub async fn start() -> Self {
        let (tasks, queue) = mpsc::unbounded_channel();
        let shared = Shared { waiting: Waiting::default(), tasks, queue: Arc::new(queue.into()) };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(axum::serve(listener, routes(shared.clone())).into_future());
        let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
        let profile = std::env::temp_dir().join(format!("offhook-quality-{}", std::process::id()));
        // util-linux: the kernel sends the signal when the thread that started it is gone.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", &program]).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.display())).arg(format!("http://127.0.0.1:{port}/"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { child: child.expect("setpriv"), profile, shared }
    }

    /// Has the page answer an offer.
    pub(crate) async fn answer(&self, offer: &str) -> (Page<'_>, String) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let page = Page { id: NUMBER.fetch_add(1, Ordering::Relaxed), browser: self };
        let answer = page.ask("answer", json!({"id": page.id, "offer": offer})).await;
        let answer = String::from_utf8(answer.to_vec()).expect("text");
        (page, answer)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// One connection in the page.
pub(crate) struct Page<'a> {
    id: u32,
    browser: &'a Browser,
}

impl Page<'_> {
    /// What it heard and made of it.
    pub(crate) async fn end(self) -> Receiver {
        let body = self.ask("heard", json!({"id": self.id})).await;
        let (length, rest) = body.split_first_chunk::<4>().expect("a length");
        let (head, sound) = rest.split_at(u32::from_le_bytes(*length) as usize);
        let head: Value = serde_json::from_slice(head).expect("JSON");
        let samples = sound.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let (mut at, mut times) = (0, Vec::new());
        let lists = |name: &str| head[name].as_array().cloned().unwrap_or_default();
        for (length, time) in lists("lengths").iter().zip(lists("times")) {
            times.push((at, time.as_f64().expect("a time")));
            at += length.as_u64().expect("a length") as usize;
        }
        let stat = |name: &str| head["stats"][name].as_f64().unwrap_or_else(|| panic!("no {name}: {}", head["stats"]));
        let rate = head["rate"].as_u64().expect("a rate") as u32;
        Receiver {
            received: stat("packetsReceived") as u64,
            concealed_s: stat("concealedSamples") / f64::from(rate.max(1)),
            events: stat("concealmentEvents") as u64,
            waited_ms: 1_000.0 * stat("jitterBufferDelay") / stat("jitterBufferEmittedCount").max(1.0),
            heard: Heard { rate, samples, times },
        }
    }

    /// Gives the page something to do, and waits for its word.
    async fn ask(&self, word: &str, task: Value) -> Bytes {
        let (sender, answer) = oneshot::channel();
        let path = format!("{word}/{}", self.id);
        self.browser.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), sender);
        self.browser.shared.tasks.send(task).expect("the queue is there");
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("no {path} of the page in {PATIENCE:?}: does Chromium run?"));
        answer.expect("somebody answers").unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

fn routes(shared: Shared) -> Router {
    let script = ([(CONTENT_TYPE, "text/javascript")], include_str!("../page/receiver.js"));
    let page = ([(CONTENT_TYPE, "text/html")], include_str!("../page/index.html"));
    Router::new()
        .route("/", get(move || async move { page }))
        .route("/receiver.js", get(move || async move { script }))
        .route("/tasks", get(tasks))
        .route("/{word}/{id}", post(told))
        .layer(DefaultBodyLimit::max(MOST))
        .with_state(shared)
}

/// What there is to do: waits for it.
async fn tasks(State(shared): State<Shared>) -> axum::Json<Vec<Value>> {
    let mut tasks = Vec::new();
    shared.queue.lock().await.recv_many(&mut tasks, 100).await;
    axum::Json(tasks)
}

async fn told(State(shared): State<Shared>, Path((word, id)): Path<(String, u32)>, body: Bytes) {
    let mut waiting = shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    if word == "failed" {
        for word in ["answer", "heard"] {
            if let Some(sender) = waiting.remove(&format!("{word}/{id}")) {
                let _ = sender.send(Err(String::from_utf8_lossy(&body).into_owned()));
            }
        }
    } else if let Some(sender) = waiting.remove(&format!("{word}/{id}")) {
        let _ = sender.send(Ok(body));
    }
}
