//! Tables, and how older ones become these.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::StoreError;

/// Each step takes the schema from its index to the next; `user_version` is how many were made.
const STEPS: [&str; 2] = [FIRST, SECOND];

/// How long another process may hold the file (a backup, an inspection).
const BUSY: Duration = Duration::from_secs(5);

const FIRST: &str = "
CREATE TABLE cdr (
    -- Never used again, also when the newest is gone.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    extension TEXT NOT NULL,
    -- 1 inbound, 2 missed, 3 outbound
    status INTEGER NOT NULL,
    number TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    answer_ms INTEGER,
    end_ms INTEGER NOT NULL,
    caller TEXT NOT NULL,
    caller_name TEXT NOT NULL,
    callee TEXT NOT NULL,
    callee_name TEXT NOT NULL,
    call_type TEXT NOT NULL,
    uniqueid TEXT NOT NULL,
    disposition TEXT NOT NULL,
    dcontext TEXT NOT NULL,
    clid TEXT NOT NULL,
    sip_call_id TEXT NOT NULL,
    UNIQUE (uniqueid, extension, status)
) STRICT;
CREATE INDEX cdr_by_extension ON cdr (extension, start_ms, id);

CREATE TABLE contact (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The extension whose it is; NULL: everybody's.
    owner TEXT,
    name TEXT NOT NULL,
    company TEXT NOT NULL,
    email TEXT NOT NULL,
    remark TEXT NOT NULL
) STRICT;
CREATE TABLE contact_number (
    contact INTEGER NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    number TEXT NOT NULL,
    -- Without what is written for the eye only.
    plain TEXT NOT NULL,
    PRIMARY KEY (contact, position)
) STRICT;
CREATE INDEX contact_by_number ON contact_number (plain);

-- What was changed at run time; wins over the configuration.
CREATE TABLE extension (
    number TEXT PRIMARY KEY,
    deleted INTEGER NOT NULL,
    name TEXT NOT NULL,
    -- Sealed HA1s.
    md5 BLOB,
    sha256 BLOB,
    enabled INTEGER NOT NULL,
    record INTEGER NOT NULL,
    call_waiting INTEGER NOT NULL,
    web_client INTEGER NOT NULL,
    desktop_client INTEGER NOT NULL,
    voicemail INTEGER NOT NULL
) STRICT;
-- The API's numbers of extensions, which stay.
CREATE TABLE extension_id (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    number TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE photo (
    -- The hash of what is in it.
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE TABLE extension_photo (
    number TEXT PRIMARY KEY,
    photo TEXT NOT NULL REFERENCES photo (name)
) STRICT;

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    -- Argon2id, in the PHC format.
    hash TEXT NOT NULL
) STRICT;
";

const SECOND: &str = "
-- Numbers whose extension was deleted: whoever has one now sees the calls since then only.
CREATE TABLE extension_gone (
    number TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL
) STRICT;
";

/// How a connection that writes behaves.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // In memory it stays "memory".
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // Each commit is on the disk when it is told, also if the power fails (fullfsync: macOS needs to be asked).
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON;")
}

/// How a connection that only reads behaves.
pub(super) fn configure_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)
}

/// Brings the tables up to date, wholly or not at all.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |e: rusqlite::Error| StoreError::Open { path: path.to_owned(), reason: e.to_string() };
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    let made = usize::try_from(found).ok().filter(|made| *made <= STEPS.len());
    let Some(made) = made else {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    };
    for step in STEPS.iter().skip(made) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)
}
