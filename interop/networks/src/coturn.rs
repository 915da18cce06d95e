//! coturn in the foreground, as our child.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use offhook_media::{IceServer, MediaError};

use crate::Certificate;

/// A user of every server here.
pub const USERNAME: &str = "ada";
/// Her password.
pub const CREDENTIAL: &str = "hidden-words";
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);
/// Relay ports of one server.
const RELAYS: u16 = 60;

/// A running coturn; dropping it kills it.
#[derive(Debug)]
pub struct Coturn {
    child: Child,
    folder: PathBuf,
    address: Ipv4Addr,
    port: u16,
    tls_port: u16,
    /// Of its TLS.
    pub certificate: Certificate,
}

impl Coturn {
    /// On loopback, on free ports.
    pub fn start() -> Self {
        Self::start_with(None, Ipv4Addr::LOCALHOST, &[])
    }

    /// On this address in this network namespace, with more options.
    pub fn start_with(namespace: Option<&str>, address: Ipv4Addr, more: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("offhook-coturn-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let certificate = Certificate::make(&address.to_string());
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        std::fs::write(path("server.pem"), &certificate.server).expect("a file");
        std::fs::write(path("key.pem"), &certificate.key).expect("a file");
        let port = if namespace.is_some() { 3_478 } else { free_ports() };
        let (tls_port, relays) = (port + 1, port + 10);
        let log = File::create(path("log")).expect("a log file");
        // util-linux: the kernel sends the signal when the thread that started it is gone.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if let Some(namespace) = namespace {
            command.args(["ip", "netns", "exec", namespace]);
        }
        let ip = address.to_string();
        command.args(["turnserver", "-n", "-L", &ip, "-E", &ip, "-r", "offhook.test", "-a", "--no-cli"]);
        command.args(["-u", &format!("{USERNAME}:{CREDENTIAL}"), "--log-file", "stdout", "--simple-log"]);
        command.args(["--cert", &path("server.pem"), "--pkey", &path("key.pem"), "--userdb", &path("users")]);
        command.args(["--pidfile", &path("pid"), "--no-rfc5780", "--no-multicast-peers"]);
        command.args(["-p", &port.to_string(), "--tls-listening-port", &tls_port.to_string()]);
        command.args(["--min-port", &relays.to_string(), "--max-port", &(relays + RELAYS - 1).to_string()]);
        if address.is_loopback() {
            command.arg("--allow-loopback-peers");
        }
        command.args(more);
        let output = log.try_clone().expect("a log file");
        let child = command.stdin(Stdio::null()).stdout(output).stderr(log).spawn().expect("setpriv");
        let mut coturn = Self { child, folder, address, port, tls_port, certificate };
        let begun = Instant::now();
        while !coturn.is_ready(namespace) {
            let ended = coturn.child.try_wait().expect("a child");
            assert!(ended.is_none(), "coturn ended at once: is it installed? {}", coturn.words());
            assert!(begun.elapsed() < PATIENCE, "coturn does not start: {}", coturn.words());
            std::thread::sleep(Duration::from_millis(10));
        }
        coturn
    }

    /// As a server of ours: `stun`, `udp`, `tcp` or `tls`.
    pub fn server(&self, transport: &str) -> IceServer {
        self.server_for(transport, USERNAME, CREDENTIAL).expect("a good URL")
    }

    /// The same with other credentials.
    ///
    /// # Errors
    /// As of [`IceServer::parse`].
    pub fn server_for(&self, transport: &str, username: &str, credential: &str) -> Result<IceServer, MediaError> {
        IceServer::parse(&self.url(transport), Some(username), Some(credential))
    }

    /// Its URL.
    pub fn url(&self, transport: &str) -> String {
        let Self { address, port, tls_port, .. } = self;
        match transport {
            "stun" => format!("stun:{address}:{port}"),
            "tls" => format!("turns:{address}:{tls_port}"),
            transport => format!("turn:{address}:{port}?transport={transport}"),
        }
    }

    /// Stops it from doing anything, without a word to anybody: a server that answers nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Whether this port is among those it gives out.
    pub fn has_relay(&self, port: u16) -> bool {
        (self.port + 10..self.port + 10 + RELAYS).contains(&port)
    }

    /// Kills it as a crash would.
    pub fn crash(self) {
        drop(self);
    }

    /// What it logged.
    pub fn words(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn is_ready(&self, namespace: Option<&str>) -> bool {
        if let Some(namespace) = namespace {
            // It cannot be reached from here: what the kernel says of its ports (state 0A: listening).
            let listening = format!(":{:04X} 00000000:0000 0A", self.tls_port);
            let sockets = Command::new("ip").args(["netns", "exec", namespace, "cat", "/proc/net/tcp"]).output();
            return sockets.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&listening));
        }
        TcpStream::connect((self.address, self.port)).is_ok()
            && TcpStream::connect((self.address, self.tls_port)).is_ok()
    }

    fn signal(&self, signal: &str) {
        // One that is gone already is fine.
        let _ = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        self.signal("KILL");
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The first of a block of ports, free at this moment and asked for once by this process. Below what systems give out by
/// themselves (Linux: from 32,768 on), and above those of the other interop tests.
fn free_ports() -> u16 {
    const BLOCKS: u16 = 120;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or(0);
    for _ in 0..BLOCKS {
        let first = 10_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % BLOCKS * 80;
        let free = |port| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
                && UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        };
        if free(first) && free(first + 1) && free(first + 10) {
            return first;
        }
    }
    panic!("no free ports");
}
