//! The files of recorded calls.

use std::path::{Path, PathBuf};

use offhook_media::{Recorder, Recording, Tap, TapFrame, WavSink};

use crate::error::PbxError;
use crate::events::CallId;
use crate::media::Taped;
use crate::private;
use crate::random::random;
use crate::wall::wall_ms;

/// Of recordings, Hz: what telephony can hold, and a third of what Opus is decoded at.
const RATE: u32 = 16_000;

/// Makes the directory, and sees that files can be made in it: at the start, while somebody looks, and not with the first call
/// that is to be recorded. Blocks.
pub(crate) fn probe(directory: &Path) -> Result<(), PbxError> {
    // A name of its own: another PBX may look at the same moment, also as process 1 of another container on this volume.
    let probe = directory.join(format!(".offhook-{:032x}", u128::from_be_bytes(random()?)));
    private::create_dir(directory)
        .and_then(|()| private::create_file(&probe).map(drop))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|error| PbxError::Recordings { path: directory.to_owned(), reason: error.to_string() })
}

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
        private::create_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let path = directory.join(format!("{}-{}.wav", wall_ms(), call.0));
        private::create_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::media::{LegId, RoomId};

    /// Two PBXs in one process, or as the first process of two containers, may have one directory.
    #[test]
    fn a_probe_touches_no_file_of_another_pbx() {
        let directory = std::env::temp_dir().join(format!("offhook-pbx-probed-{}", std::process::id()));
        std::fs::create_dir(&directory).expect("made");
        let theirs = directory.join(format!(".offhook-{}", std::process::id()));
        std::fs::write(&theirs, "theirs").expect("written");
        probe(&directory).expect("it can be written");
        assert_eq!(std::fs::read(&theirs).expect("there"), b"theirs");
        assert_eq!(std::fs::read_dir(&directory).expect("there").count(), 1, "its own is gone");
        std::fs::remove_dir_all(&directory).expect("removed");
    }

    #[tokio::test]
    async fn recordings_are_for_their_owner_only() {
        let data = std::env::temp_dir().join(format!("offhook-pbx-private-{}", std::process::id()));
        let directory = data.join("calls");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        probe(&directory).expect("it can be written");
        assert_eq!(mode(&directory), 0o700, "made at the start");
        for (call, of) in [(1, Taped::Callee(LegId(1))), (2, Taped::Room(RoomId(0)))] {
            let file = NewFile::create(Some(&directory), CallId(call), of).expect("made");
            assert_eq!((mode(&directory), mode(&file.path)), (0o700, 0o600));
            drop(file.listener);
            let summary = file.handle.finished().await.expect("written");
            assert_eq!(mode(&summary.path), 0o600);
        }
        // A directory that somebody else made for it stays as open as that wants it.
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o750)).expect("its owner's");
        let file = NewFile::create(Some(&directory), CallId(3), Taped::Room(RoomId(0))).expect("made");
        assert_eq!((mode(&directory), mode(&file.path)), (0o750, 0o600));
        std::fs::remove_dir_all(&data).expect("removed");
    }
}
