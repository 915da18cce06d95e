//! One process has a data directory at a time: two switches on one database would each lose the other's changes.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{StoreError, seal};

/// Locked while the store is open. The system lets go of it whatever ends the process; the file stays.
const FILE: &str = "pbx.lock";

/// One that is just ending still has it, or a store of this process that was dropped without being closed.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Takes the directory until the result is dropped. Blocks.
pub(super) fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(FILE);
    let failed = |e: std::io::Error| StoreError::Open { path: path.clone(), reason: e.to_string() };
    seal::make_private(&path).map_err(failed)?;
    let file = File::open(&path).map_err(failed)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: dir.to_owned() }),
            // A network's file system may not know locks: better without one than not at all.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}
