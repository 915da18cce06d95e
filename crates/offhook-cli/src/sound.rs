//! The sound files of `call` and `answer`.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook::{
    AudioSink as _, AudioSource, PhoneEvent, Recording, Session, SessionEvent, Tap, TapFrame, WavSink, WavSource,
};

use crate::exit::{Failure, Reason};
use crate::server::of_media;

/// Rate of recordings, Hz.
const RECORDING_RATE: u32 = 16_000;
/// The last samples of a recording are on the disk within this time.
const FINISH: Duration = Duration::from_secs(5);

/// Reads the file to play.
pub(crate) fn open(path: Option<&Path>) -> Result<Option<WavSource>, Failure> {
    path.map(WavSource::open).transpose().map_err(|e| of_media(&e))
}

/// Checks that a recording can be written, before anybody is called. An older one stays as it is, and where there is none,
/// none is left: the call may never be answered.
pub(crate) fn check_record(path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let checked = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => OpenOptions::new().append(true).open(path).map(drop),
        Err(error) => Err(error),
    };
    checked.map_err(|error| {
        let message = format!("--record {}: {error}; choose a file that this user may write", path.display());
        Failure::new(Reason::Media, message)
    })
}

/// `--record`: writes down what is heard from the answer on, beside the loudspeaker or instead of one.
pub(crate) struct Record<'a> {
    path: Option<&'a Path>,
    beside: bool,
    running: Option<Recording>,
}

impl<'a> Record<'a> {
    pub(crate) fn new(path: Option<&'a Path>, beside: bool) -> Self {
        Self { path, beside, running: None }
    }

    /// Looks at an event of `call` or of another when it comes, and begins with the answer: an older recording gives way
    /// to a call that there is.
    pub(crate) fn see(&mut self, event: &PhoneEvent, call: &Session) -> Result<(), Failure> {
        let PhoneEvent::Session(SessionEvent::Accepted { call_id, .. }) = event else { return Ok(()) };
        let Some(path) = self.path.filter(|_| call_id == call.call_id() && self.running.is_none()) else {
            return Ok(());
        };
        let (sink, recording) = WavSink::create(path, RECORDING_RATE).map_err(|e| of_media(&e))?;
        if self.beside {
            call.add_tap(Heard(sink));
        } else {
            call.set_sink(Some(Box::new(sink)));
        }
        self.running = Some(recording);
        Ok(())
    }

    /// Waits until the recording of a call that is over is complete, if there is one.
    pub(crate) async fn finish(self) -> Result<Option<PathBuf>, Failure> {
        let (Some(path), Some(recording)) = (self.path, self.running) else { return Ok(None) };
        match tokio::time::timeout(FINISH, recording.finished()).await {
            Ok(Ok(_)) => Ok(Some(path.to_owned())),
            Ok(Err(error)) => Err(of_media(&error)),
            Err(_) => Err(Failure::new(
                Reason::Media,
                format!("{}: the disk is too slow, the end of the recording is missing", path.display()),
            )),
        }
    }
}

/// Writes down the far end.
struct Heard(WavSink);

impl Tap for Heard {
    fn frame(&mut self, frame: &TapFrame<'_>) {
        self.0.write(frame.remote_rate, frame.remote);
    }
}

/// Plays a file, or silence.
pub(crate) fn source(file: Option<WavSource>) -> AudioSource {
    file.map_or(AudioSource::Silence, AudioSource::Wav)
}
