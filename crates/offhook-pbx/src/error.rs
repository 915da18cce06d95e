//! What can go wrong when a PBX is set up, and what to do about it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use thiserror::Error;

use crate::store::StoreError;

/// Why a PBX does not start. Every message names the fix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PbxError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another program (or another PBX) listens there already.
    #[error("{listener} port {} on {} is in use: stop the other program, or choose another port (0 takes a free one)", .address.port(), .address.ip())]
    PortInUse {
        /// `ws` or `wss`.
        listener: &'static str,
        /// The address that is taken.
        address: SocketAddr,
    },
    /// The operating system refuses the address.
    #[error(
        "cannot listen for {listener} on {address}: {reason}; choose an address of this machine and a port this user may open"
    )]
    Listen {
        /// `ws` or `wss`.
        listener: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's words.
        reason: String,
    },
    /// Neither ws nor wss is switched on.
    #[error("both listeners are switched off: set ws_port or wss_port")]
    NoListener,
    /// The PBX would be reachable from other machines with passwords that everybody knows.
    #[error(
        "refusing to listen on {bind}, beyond loopback, with known or guessable passwords for {}: set your own (8 characters or more) in the configuration",
        .extensions.join(", ")
    )]
    WeakPasswords {
        /// The address that was asked for.
        bind: IpAddr,
        /// The extensions whose passwords are built in or weak.
        extensions: Vec<String>,
    },
    /// The PBX would be reachable from other machines with secrets of its API that everybody knows.
    #[error(
        "refusing to listen on {bind}, beyond loopback, with a {secret} that is known or too short: set pseries.{secret} (16 characters or more), or set data_dir and have a random one made there"
    )]
    WeakSecrets {
        /// The address that was asked for.
        bind: IpAddr,
        /// The key of the configuration: `client_secret` or `admin_token`.
        secret: &'static str,
    },
    /// The PBX would be reachable from other machines without encryption.
    #[error(
        "refusing plain ws and http on {bind}, beyond loopback, where others can read along: switch them off (ws_port = false) and use wss_port, or bind to 127.0.0.1"
    )]
    PlainBeyondLoopback {
        /// The address that was asked for.
        bind: IpAddr,
    },
    /// The data directory cannot be used.
    #[error("cannot use {}: {reason}; make it a directory that this user may write, or leave data_dir out", .path.display())]
    DataDir {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's words.
        reason: String,
    },
    /// The directory for recordings cannot be used.
    #[error("cannot record into {}: {reason}; make it a directory that this user may write, or leave recordings out", .path.display())]
    Recordings {
        /// The directory.
        path: PathBuf,
        /// The operating system's words.
        reason: String,
    },
    /// The certificate or its key cannot be made or read.
    #[error(
        "the TLS certificate cannot be used: {reason}; remove certificate.pem and key.pem from the data directory to have new ones made"
    )]
    Certificate {
        /// What is wrong.
        reason: String,
    },
    /// The database in the data directory cannot be used.
    #[error("the database cannot be used: {reason}")]
    Store {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Another PBX uses the data directory.
    #[error("another PBX uses the data directory {}: stop it, or give this one a directory of its own", .path.display())]
    DataDirInUse {
        /// The directory.
        path: PathBuf,
    },
    /// A newer version of the program has written the data directory.
    #[error(
        "the database was written by a newer version (schema {found}, known up to {known}): use that version, or another data directory"
    )]
    NewerStore {
        /// The schema that was found.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// The operating system gave no random numbers.
    #[error("no secure random numbers from the operating system: {reason}")]
    Random {
        /// The operating system's words.
        reason: String,
    },
    /// Started outside a tokio runtime.
    #[error("no tokio runtime: start the PBX inside one, with time and net enabled")]
    NoRuntime,
}

impl PbxError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "config",
            Self::PortInUse { .. } => "port-in-use",
            Self::Listen { .. } => "listen",
            Self::NoListener => "no-listener",
            Self::WeakPasswords { .. } => "weak-passwords",
            Self::WeakSecrets { .. } => "weak-secrets",
            Self::PlainBeyondLoopback { .. } => "plain-beyond-loopback",
            Self::DataDir { .. } => "data-dir",
            Self::Recordings { .. } => "recordings",
            Self::Certificate { .. } => "certificate",
            Self::Store { .. } => "store",
            Self::DataDirInUse { .. } => "data-dir-in-use",
            Self::NewerStore { .. } => "newer-store",
            Self::Random { .. } => "random",
            Self::NoRuntime => "no-runtime",
        }
    }
}

impl From<StoreError> for PbxError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InUse { path } => Self::DataDirInUse { path },
            StoreError::Newer { found, known, .. } => Self::NewerStore { found, known },
            error => Self::Store { reason: error.to_string() },
        }
    }
}

/// What is wrong with a configuration: the fault is its writer's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{}{problem}; {fix}", .path.as_ref().map(|p| format!("{}: ", p.display())).unwrap_or_default(), .line.map(|l| format!("line {l}: ")).unwrap_or_default())]
#[non_exhaustive]
pub struct ConfigError {
    /// The file, when it is one.
    pub path: Option<PathBuf>,
    /// The line, from 1, when known.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

impl ConfigError {
    pub(crate) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { path: None, line: None, problem: problem.into(), fix: fix.into() }
    }

    pub(crate) fn at(mut self, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        self.line = Some(before.matches('\n').count() + 1);
        self
    }
}
