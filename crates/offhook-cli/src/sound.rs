//! The sound files of `call` and `answer`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook::{AudioSink as _, AudioSource, Recording, Session, Tap, TapFrame, WavSink, WavSource};

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

/// Checks that a recording can be written, before anybody is called. An older one stays as it is.
pub(crate) fn check_record(path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    match std::fs::OpenOptions::new().append(true).create(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(
            Reason::Media,
            format!("--record {}: {error}; choose a file that this user may write", path.display()),
        )),
    }
}

/// A recording that runs.
pub(crate) struct Running {
    path: PathBuf,
    recording: Recording,
}

/// Begins to record what is heard, beside the loudspeaker or instead of one.
pub(crate) fn record(session: &Session, path: Option<&Path>, beside: bool) -> Result<Option<Running>, Failure> {
    let Some(path) = path else {
        return Ok(None);
    };
    let (sink, recording) = WavSink::create(path, RECORDING_RATE).map_err(|e| of_media(&e))?;
    if beside {
        session.add_tap(Heard(sink));
    } else {
        session.set_sink(Some(Box::new(sink)));
    }
    Ok(Some(Running { path: path.to_owned(), recording }))
}

/// Writes down the far end.
struct Heard(WavSink);

impl Tap for Heard {
    fn frame(&mut self, frame: &TapFrame<'_>) {
        self.0.write(frame.remote_rate, frame.remote);
    }
}

/// Waits until the recording of a call that is over is complete.
pub(crate) async fn finish(running: Option<Running>) -> Result<Option<PathBuf>, Failure> {
    let Some(Running { path, recording }) = running else {
        return Ok(None);
    };
    match tokio::time::timeout(FINISH, recording.finished()).await {
        Ok(Ok(_)) => Ok(Some(path)),
        Ok(Err(error)) => Err(of_media(&error)),
        Err(_) => Err(Failure::new(
            Reason::Media,
            format!("{}: the disk is too slow, the end of the recording is missing", path.display()),
        )),
    }
}

/// Plays a file, or silence.
pub(crate) fn source(file: Option<WavSource>) -> AudioSource {
    file.map_or(AudioSource::Silence, AudioSource::Wav)
}
