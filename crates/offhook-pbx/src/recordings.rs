//! The files of recorded calls.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use offhook_media::{Recorder, Recording};

use crate::events::CallId;

/// Of recordings, Hz: what telephony can hold, and a third of what Opus is decoded at.
const RATE: u32 = 16_000;

/// A file that is open.
pub(crate) struct NewFile {
    pub(crate) path: PathBuf,
    pub(crate) recorder: Recorder,
    pub(crate) handle: Recording,
}

impl NewFile {
    /// Makes the file of a call, and its directory if need be: nothing in its name came over the network. Blocks.
    pub(crate) fn create(directory: Option<&Path>, call: CallId) -> Result<Self, String> {
        let directory = directory.ok_or("no directory is configured")?;
        std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let path = directory.join(format!("{time}-{}.wav", call.0));
        let (recorder, handle) = Recorder::create(&path, RATE).map_err(|error| error.to_string())?;
        Ok(Self { path, recorder, handle })
    }
}
