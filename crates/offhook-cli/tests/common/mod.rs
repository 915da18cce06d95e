//! Runs the `offhook` binary: every wait is for a line and has a bound, every process is reaped.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

/// More than any step takes on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `offhook`.
pub(crate) struct Offhook {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    seen: Vec<String>,
}

impl Offhook {
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::start_with(args, |_| ())
    }

    pub(crate) fn start_with<S: AsRef<std::ffi::OsStr>>(
        args: impl IntoIterator<Item = S>,
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
        command
            .args(args)
            .env_remove("OFFHOOK_PASSWORD")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().expect("the binary starts");
        let stdout = lines(child.stdout.take().expect("stdout"));
        let stderr = lines(child.stderr.take().expect("stderr"));
        Self { child, stdout, stderr, seen: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of standard output that `wanted` accepts; fails the test if there is none in time.
    pub(crate) fn line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.stdout.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no such line in time: {}", self.transcript()),
                Err(RecvTimeoutError::Disconnected) => panic!("ended before such a line: {}", self.transcript()),
            }
        }
    }

    /// The next JSON line with this `event`.
    pub(crate) fn event(&mut self, name: &str) -> serde_json::Value {
        let line = self.line(|line| is_event(line, name));
        serde_json::from_str(&line).expect("checked above")
    }

    /// Whether there is a JSON line with this `event` within so much time; those before it are passed over.
    pub(crate) fn event_within(&mut self, name: &str, time: Duration) -> bool {
        let end = Instant::now() + time;
        while let Ok(line) = self.stdout.recv_timeout(end.saturating_duration_since(Instant::now())) {
            let found = is_event(&line, name);
            self.seen.push(line);
            if found {
                return true;
            }
        }
        false
    }

    /// Closes the pipe to its standard input.
    pub(crate) fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends a signal by name, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Finished {
        let end = Instant::now() + PATIENCE;
        let mut stdout = std::mem::take(&mut self.seen);
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.stdout.recv_timeout(left) {
                Ok(line) => stdout.push(line),
                Err(_) => break,
            }
        }
        let mut stderr = Vec::new();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.stderr.recv_timeout(left) {
                Ok(line) => stderr.push(line),
                Err(_) => break,
            }
        }
        if Instant::now() >= end {
            panic!("did not end in time\nstdout: {stdout:#?}\nstderr: {stderr:#?}");
        }
        // Both pipes are closed: the process is at its end.
        let status = self.child.wait().expect("wait");
        Finished { status, stdout, stderr }
    }

    fn transcript(&mut self) -> String {
        let _ = self.child.kill();
        let stderr: Vec<String> = self.stderr.iter().collect();
        format!("\nstdout: {:#?}\nstderr: {stderr:#?}", self.seen)
    }
}

impl Drop for Offhook {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_event(line: &str, name: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(line).is_ok_and(|value| value["event"] == name)
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

impl Finished {
    /// Checks the exit code and that the error is one line with all of `parts`.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        assert_eq!(self.stderr.len(), 1, "one line: {self:#?}");
        for part in parts {
            assert!(self.stderr[0].contains(part), "{part:?} is missing: {self:#?}");
        }
    }

    #[track_caller]
    pub(crate) fn succeeds(&self) {
        assert!(self.status.success(), "{self:#?}");
    }

    /// The JSON objects on standard output; every line must be one.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}

/// Runs to the end.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Finished {
    Offhook::start(args).finish()
}

pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().expect("kill");
    assert!(status.success(), "kill -s {name} {pid}");
}

/// An address where nobody listens, and what keeps it so: the port is bound, and nobody else gets it.
pub(crate) fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

/// A running PBX on free ports.
pub(crate) struct PbxProcess {
    pub(crate) process: Offhook,
    pub(crate) ws: String,
    pub(crate) wss: String,
    pub(crate) fingerprint: String,
    pub(crate) certificate: String,
    _dir: Dir,
}

impl PbxProcess {
    pub(crate) fn start() -> Self {
        let dir = Dir::new();
        let data = dir.path("data");
        let mut process =
            Offhook::start_with(["pbx", "--json", "--port", "0", "--tls-port", "0", "--data", &data], |_| ());
        let listening = process.event("listening");
        let text = |key: &str| listening[key].as_str().expect(key).to_owned();
        Self {
            ws: text("ws"),
            wss: text("wss"),
            fingerprint: text("fingerprint"),
            certificate: text("certificate"),
            process,
            _dir: dir,
        }
    }
}

/// A directory that is removed at the end.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("offhook-test-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("directory");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.0.join(name), content).expect("write");
        self.path(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
