//! The files of recorded calls.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use offhook_media::{Recorder, Recording, WavSink};

use crate::events::CallId;
use crate::media::Taped;

/// Of recordings, Hz: what telephony can hold, and a third of what Opus is decoded at.
const RATE: u32 = 16_000;

/// A file that is open.
pub(crate) struct NewFile {
    pub(crate) path: PathBuf,
    pub(crate) listener: Listener,
    pub(crate) handle: Recording,
}

/// What writes it.
pub(crate) enum Listener {
    /// Both sides of a call, in stereo.
    Call(Recorder),
    /// The sum of all members of a room.
    Room(WavSink),
}

impl NewFile {
    /// Makes the file of a call, and its directory if need be: nothing in its name came over the network. Blocks.
    pub(crate) fn create(directory: Option<&Path>, call: CallId, of: Taped) -> Result<Self, String> {
        let directory = directory.ok_or("no directory is configured")?;
        std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let path = directory.join(format!("{time}-{}.wav", call.0));
        let (listener, handle) = match of {
            Taped::Leg(_) => Recorder::create(&path, RATE).map(|(recorder, handle)| (Listener::Call(recorder), handle)),
            Taped::Room(_) => WavSink::create(&path, RATE).map(|(sink, handle)| (Listener::Room(sink), handle)),
        }
        .map_err(|error| error.to_string())?;
        Ok(Self { path, listener, handle })
    }
}
