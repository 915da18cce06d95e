//! A PBX that is started again and again, on the same port and data; and phones at it.

use std::net::TcpListener;
use std::time::Duration;

use futures_util::StreamExt as _;
use offhook::{Phone, PhoneBuilder, PhoneEvent, ReconnectPolicy};

use crate::common::{Dir, Offhook};

/// A guard against hanging, far above what anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where a PBX is, and what it leaves behind.
pub(crate) struct Site {
    pub(crate) dir: Dir,
    pub(crate) url: String,
    config: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = Dir::new();
        // Free now, and asked for again at each start.
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
        let (data, recordings) = (dir.path("data"), dir.path("calls"));
        let toml = format!("ws_port = {port}\nwss_port = false\ndata_dir = {data:?}\nrecordings = {recordings:?}\n");
        let config = dir.write("pbx.toml", toml);
        Self { dir, url: format!("ws://127.0.0.1:{port}/ws"), config }
    }

    /// Starts the PBX, and waits until it listens.
    pub(crate) fn start(&self) -> Offhook {
        let mut pbx = Offhook::start(["pbx", "--json", "--config", &self.config]);
        pbx.event("listening");
        pbx
    }

    /// A phone that tries again soon.
    pub(crate) fn phone(&self, user: &str) -> PhoneBuilder {
        let policy = ReconnectPolicy { max_attempts: None, first_ms: 200, max_ms: 1_000 };
        Phone::builder().server(&self.url).user(user).password(format!("secret-{user}")).reconnect(policy)
    }

    pub(crate) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.dir.root().join("data/pbx.db")).expect("the database")
    }
}

/// Waits, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

/// A phone, and what happens at it.
pub(crate) struct Watched {
    pub(crate) phone: Phone,
    events: offhook::EventStream<PhoneEvent>,
}

impl Watched {
    pub(crate) async fn connect(builder: PhoneBuilder) -> Self {
        let phone = builder.build().expect("a phone");
        let events = phone.events();
        soon(phone.connect()).await.expect("registers");
        let mut watched = Self { phone, events };
        watched.until(|event| matches!(event, PhoneEvent::Registered)).await;
        watched
    }

    /// Waits for an event that comes from now on.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&PhoneEvent) -> bool) {
        soon(async {
            loop {
                let event = self.events.next().await.expect("the phone lives");
                if wanted(&event) {
                    return;
                }
            }
        })
        .await;
    }
}
