//! The files of recorded calls.

use std::path::{Path, PathBuf};

use offhook_media::{Recorder, Recording, Tap, TapFrame, WavSink};

use crate::events::CallId;
use crate::media::Taped;
use crate::wall::wall_ms;

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
    Call(Sides),
    /// The sum of all members of a room.
    Room(WavSink),
}

/// Writes what the caller says left, and the callee right.
pub(crate) struct Sides {
    recorder: Recorder,
    /// It listens at the caller's leg: what is heard there is what the caller says.
    at_caller: bool,
}

impl Tap for Sides {
    fn frame(&mut self, frame: &TapFrame<'_>) {
        let TapFrame { local, local_rate, remote, remote_rate, .. } = *frame;
        if self.at_caller {
            let sides =
                TapFrame { local: remote, local_rate: remote_rate, remote: local, remote_rate: local_rate, ..*frame };
            return self.recorder.frame(&sides);
        }
        self.recorder.frame(frame);
    }
}

impl NewFile {
    /// Makes the file of a call, and its directory if need be: nothing in its name came over the network. Blocks.
    pub(crate) fn create(directory: Option<&Path>, call: CallId, of: Taped) -> Result<Self, String> {
        let directory = directory.ok_or("no directory is configured")?;
        std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let path = directory.join(format!("{}-{}.wav", wall_ms(), call.0));
        let (listener, handle) = match of {
            Taped::Callee(_) | Taped::Caller(_) => Recorder::create(&path, RATE).map(|(recorder, handle)| {
                let at_caller = matches!(of, Taped::Caller(_));
                (Listener::Call(Sides { recorder, at_caller }), handle)
            }),
            Taped::Room(_) => WavSink::create(&path, RATE).map(|(sink, handle)| (Listener::Room(sink), handle)),
        }
        .map_err(|error| error.to_string())?;
        Ok(Self { path, listener, handle })
    }
}
