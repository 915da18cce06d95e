//! Both daemons, set up for each other.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::certificate::{self, Certificate};
use crate::control::{self, Media, RegisteredAt};
use crate::daemon::Daemon;
use crate::ports::{self, Ports};

/// Domain of the users' addresses, and realm.
pub const DOMAIN: &str = "offhook.test";
/// Their passwords are `secret-` and the number.
const USERS: [&str; 4] = ["1000", "1001", "1002", "1003"];
/// The text database's version of the table, as Kamailio 5.6 wants it.
const SUBSCRIBER_VERSION: u32 = 7;

/// Kamailio and rtpengine, running. Users 1000 to 1003 exist, with the passwords `secret-1000` to `secret-1003`.
#[derive(Debug)]
pub struct Scene {
    directory: PathBuf,
    ports: Ports,
    authority: String,
    kamailio: Option<Daemon>,
    rtpengine: Option<Daemon>,
}

impl Scene {
    /// Starts both.
    ///
    /// # Panics
    /// When one of them does not start, with its log.
    #[must_use]
    pub fn start() -> Self {
        let directory = directory();
        let Certificate { authority, server, key } = certificate::make();
        write(&directory, "server.pem", &server);
        write(&directory, "server.key", &key);
        write(
            &directory,
            "users/version",
            &format!("table_name(string) table_version(int)\nsubscriber:{SUBSCRIBER_VERSION}\n"),
        );
        let columns = "id(int,auto) username(string) domain(string) password(string)\n".to_owned();
        let rows = USERS.iter().enumerate().map(|(id, user)| format!("{id}:{user}:{DOMAIN}:secret-{user}\n"));
        write(&directory, "users/subscriber", &rows.fold(columns, |table, row| table + &row));
        let mut scene = Self { directory, ports: ports::free(), authority, kamailio: None, rtpengine: None };
        scene.rtpengine = Some(scene.start_rtpengine());
        scene.start_kamailio();
        scene
    }

    /// URL of Kamailio's WebSocket without TLS.
    #[must_use]
    pub fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}", self.ports.ws)
    }

    /// URL of Kamailio's WebSocket over TLS.
    #[must_use]
    pub fn wss(&self) -> String {
        format!("wss://127.0.0.1:{}", self.ports.wss)
    }

    /// The CA that signed Kamailio's certificate, PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// A CA that did not, PEM.
    #[must_use]
    pub fn other_authority(&self) -> String {
        certificate::stranger()
    }

    /// The ports of which rtpengine takes its own.
    #[must_use]
    pub fn media_ports(&self) -> RangeInclusive<u16> {
        self.ports.media.clone()
    }

    // --- Kamailio's life ---

    /// Ends Kamailio in an orderly way: it closes its connections.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop_kamailio(&mut self) {
        if let Some(daemon) = self.kamailio.take() {
            daemon.stop();
        }
    }

    /// Kills Kamailio, as a crash would.
    pub fn crash_kamailio(&mut self) {
        if let Some(daemon) = self.kamailio.take() {
            daemon.crash();
        }
    }

    /// Starts Kamailio (again). It remembers nothing.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_kamailio(&mut self) {
        let socket = self.directory.join("rpc.sock");
        // Of a Kamailio that crashed.
        let _ = std::fs::remove_file(&socket);
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("kamailio.cfg");
        let pid_file = self.directory.join("kamailio.pid");
        let mut command = Command::new("/usr/sbin/kamailio");
        command
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-f"])
            .arg(config)
            .arg("-Y")
            .arg(&self.directory)
            .arg("-P")
            .arg(pid_file)
            .env("KAM_RUN_DIR", &self.directory)
            .env("KAM_DOMAIN", DOMAIN)
            .env("KAM_IP", "127.0.0.1")
            .env("KAM_WS_PORT", self.ports.ws.to_string())
            .env("KAM_WSS_PORT", self.ports.wss.to_string())
            .env("KAM_RTPENGINE", format!("127.0.0.1:{}", self.ports.control));
        let is_ready = || socket.exists() && control::kamailio(&self.directory, "core.version", &json!([])).is_ok();
        self.kamailio = Some(Daemon::start(&mut command, &self.directory.join("kamailio.log"), is_ready));
    }

    // --- what the daemons know ---

    /// Who is registered, and where.
    ///
    /// # Panics
    /// When Kamailio does not answer.
    #[must_use]
    pub fn registered(&self) -> Vec<RegisteredAt> {
        control::registered(&self.ask_kamailio("ul.dump", &json!([])))
    }

    /// How many dialogs Kamailio holds.
    ///
    /// # Panics
    /// When Kamailio does not answer.
    #[must_use]
    pub fn dialogs(&self) -> usize {
        self.ask_kamailio("dlg.list", &json!([])).as_array().map_or(0, Vec::len)
    }

    /// What rtpengine knows of a call, by its Call-ID; `None`: nothing.
    ///
    /// # Panics
    /// When rtpengine does not answer.
    #[must_use]
    pub fn media(&self, call_id: &str) -> Option<Media> {
        control::media(&self.ask_rtpengine(&json!({ "command": "query", "call-id": call_id })))
    }

    /// Call-IDs of the calls that rtpengine holds.
    ///
    /// # Panics
    /// When rtpengine does not answer.
    #[must_use]
    pub fn media_calls(&self) -> Vec<String> {
        let answer = self.ask_rtpengine(&json!({ "command": "list" }));
        let calls = answer["calls"].as_array().cloned().unwrap_or_default();
        calls.iter().filter_map(|call| call.as_str().map(str::to_owned)).collect()
    }

    fn ask_kamailio(&self, method: &str, params: &Value) -> Value {
        let answer = control::kamailio(&self.directory, method, params);
        answer.unwrap_or_else(|error| panic!("kamailio, {method}: {error}"))
    }

    fn ask_rtpengine(&self, command: &Value) -> Value {
        let answer = control::rtpengine(self.ports.control, command);
        answer.unwrap_or_else(|error| panic!("rtpengine, {command}: {error}"))
    }

    fn start_rtpengine(&self) -> Daemon {
        let Ports { control, media, .. } = &self.ports;
        let mut command = Command::new("/usr/bin/rtpengine");
        command
            // In user space: no kernel module.
            .args(["--config-file=none", "--foreground", "--log-stderr", "--table=-1", "--num-threads=2"])
            // A call that is deleted is gone at once.
            .args(["--interface=127.0.0.1", "--delete-delay=0"])
            .arg(format!("--listen-ng=127.0.0.1:{control}"))
            .arg(format!("--port-min={}", media.start()))
            .arg(format!("--port-max={}", media.end()));
        let is_ready = || control::rtpengine(*control, &json!({ "command": "ping" })).is_ok();
        Daemon::start(&mut command, &self.directory.join("rtpengine.log"), is_ready)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for daemon in [&self.kamailio, &self.rtpengine].into_iter().flatten() {
                eprintln!("{}", daemon.words());
            }
        }
        self.kamailio = None;
        self.rtpengine = None;
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("offhook-kamailio-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(directory.join("users")).expect("a directory");
    directory
}

fn write(directory: &Path, name: &str, content: &str) {
    std::fs::write(directory.join(name), content).unwrap_or_else(|error| panic!("{name}: {error}"));
}
