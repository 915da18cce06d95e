//! What outlives a start: call records, contacts, changes of extensions, settings, photos, secrets.
//!
//! One SQLite file, `pbx.db` in the data directory, or memory without one. All writing is done by one thread, which
//! commits what waits for it together: a commit is on the disk (WAL, `synchronous=FULL`) before any of its writers is
//! told. Reading has a thread of its own, so that a long search delays no record.

mod cdr;
mod contacts;
mod extensions;
mod lock;
mod photos;
mod schema;
mod seal;
mod secrets;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

pub(crate) use cdr::{CdrRecord, CdrRow, CdrStatus, Disposition, Order, Query, Sort};
pub(crate) use contacts::{Contact, ContactId};
pub(crate) use extensions::Overlay;
pub(crate) use photos::Photo;

use seal::Key;
use worker::{Queue, Worker};

/// The database's file.
const FILE: &str = "pbx.db";

/// Requests of the API that may be in the store at once; others wait for their turn. Call records do not.
const AT_ONCE: usize = 64;

/// Hashes made or compared at once: each takes 19 MiB and some 30 ms of a core.
const HASHES_AT_ONCE: usize = 2;

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// The file cannot be opened or written.
    #[error("{}: {reason}; make it a directory that this user may write, with room on the disk", .path.display())]
    Open { path: PathBuf, reason: String },
    /// Another PBX has it.
    #[error("another PBX uses the data directory {}; stop it, or give this one a directory of its own", .path.display())]
    InUse { path: PathBuf },
    /// A newer version of the program has written it.
    #[error(
        "{} has schema {found}, and this version knows up to {known}; use the version that wrote it, or another data directory",
        .path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    /// What it holds cannot be decrypted.
    #[error("{} does not fit the database beside it: {reason}; put the key back that was there when it was written", .path.display())]
    Key { path: PathBuf, reason: String },
    /// The database said no: no room, a fault of the disk, or a file that somebody changed.
    #[error("the database failed: {reason}; see to the disk of the data directory")]
    Disk { reason: String },
    /// More waits than there is room for.
    #[error("the database is too slow: too much waits for it; try again, and see to the disk of the data directory")]
    Busy,
    /// It was closed.
    #[error("the PBX has stopped")]
    Stopped,
    /// What is to be kept is too large or malformed: the fault is the caller's.
    #[error("{0}")]
    Invalid(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Disk { reason: error.to_string() }
    }
}

/// The handle of the store. Clones are the same store; it closes with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    writer: Worker,
    /// `None`: in memory, where the writer reads too.
    reader: Option<Worker>,
    permits: Semaphore,
    hashes: Arc<Semaphore>,
    key: Key,
    /// How often this store was opened.
    run: i64,
}

impl Store {
    /// Opens it, and makes it when it is not there. Blocks.
    pub(crate) fn open(data_dir: Option<&Path>) -> Result<Self, StoreError> {
        let path = data_dir.map(|dir| dir.join(FILE));
        let shown = path.clone().unwrap_or_default();
        let failed = |e: rusqlite::Error| StoreError::Open { path: shown.clone(), reason: e.to_string() };
        let (lock, mut connection) = match (data_dir, &path) {
            (Some(dir), Some(path)) => {
                let io = |e: std::io::Error| StoreError::Open { path: path.clone(), reason: e.to_string() };
                std::fs::create_dir_all(dir).map_err(io)?;
                let lock = lock::lock(dir)?;
                seal::make_private(path).map_err(io)?;
                (Some(lock), Connection::open(path).map_err(failed)?)
            }
            _ => (None, Connection::open_in_memory().map_err(failed)?),
        };
        schema::configure(&connection).map_err(failed)?;
        schema::migrate(&mut connection, &shown)?;
        let run = settings::count_run(&connection).map_err(failed)?;
        let key = Key::open(data_dir)?;
        let reader = match &path {
            None => None,
            Some(path) => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
                schema::configure_reader(&connection).map_err(failed)?;
                Some(
                    Worker::spawn("offhook-pbx-read", connection, None)
                        .map_err(|reason| StoreError::Open { path: shown.clone(), reason })?,
                )
            }
        };
        let writer = Worker::spawn("offhook-pbx-store", connection, lock)
            .map_err(|reason| StoreError::Open { path: shown.clone(), reason })?;
        let (permits, hashes) = (Semaphore::new(AT_ONCE), Arc::new(Semaphore::new(HASHES_AT_ONCE)));
        Ok(Self(Arc::new(Inner { writer, reader, permits, hashes, key, run })))
    }

    /// How often this store was opened, this time included: in memory always 1.
    pub(crate) fn run(&self) -> i64 {
        self.0.run
    }

    /// Ends it when all that was asked for before is done.
    pub(crate) async fn close(&self) {
        // The last to close writes the log back into the file, which a reader may not.
        if let Some(reader) = &self.0.reader {
            reader.close().await;
        }
        self.0.writer.close().await;
    }

    /// Has something written, with whatever else waits: the result comes when it is on the disk.
    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.0.permits.acquire().await.map_err(|_| StoreError::Stopped)?;
        settled(self.write_now(job)).await
    }

    /// The same without waiting for a turn: for call records.
    fn write_now<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        self.0.writer.queue().write(job)
    }

    /// Has something read.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.0.permits.acquire().await.map_err(|_| StoreError::Stopped)?;
        let queue: &Queue = self.0.reader.as_ref().unwrap_or(&self.0.writer).queue();
        settled(queue.read(job)).await
    }
}

async fn settled<T>(asked: Result<oneshot::Receiver<Result<T, StoreError>>, StoreError>) -> Result<T, StoreError> {
    asked?.await.unwrap_or(Err(StoreError::Stopped))
}
