//! The local recording of a call: carries out what the core asks of it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use offhook_core::MediaEvent;
use offhook_core::media::{MediaError as CoreError, MediaRequest};
use offhook_media::{MediaError, RecordingControl, RecordingSummary};
use tokio::sync::watch;

use super::Call;
use super::media::{failed, tell};

/// Rate of the files, Hz.
const RATE: u32 = 16_000;

/// How a recording ended; `None` while it runs.
type Outcome = Option<Result<RecordingSummary, MediaError>>;

/// A call's recordings, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Option<(RecordingControl, watch::Receiver<Outcome>)>>);

impl Recorder {
    pub(super) fn pause(&self, paused: bool) {
        if let Some((control, _)) = &*self.lock() {
            control.set_paused(paused);
        }
    }

    /// The outcome of the last recording, if there was one.
    pub(crate) fn outcome(&self) -> Option<watch::Receiver<Outcome>> {
        self.lock().as_ref().map(|(_, outcome)| outcome.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<(RecordingControl, watch::Receiver<Outcome>)>> {
        // Only assignments happen under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the file and says whether that went well.
pub(super) fn start(call: &Arc<Call>, request: MediaRequest, path: &Path) {
    let (recorder, recording) = match offhook_media::Recorder::create(path, RATE) {
        Ok(created) => created,
        Err(error) => return tell(call, failed(Some(request), &error)),
    };
    let (outcome, watched) = watch::channel(None);
    *call.recorder().lock() = Some((recording.control(), watched));
    call.audio().add_tap(Box::new(recorder));
    tell(call, MediaEvent::RecordingStarted { request });
    let call = Arc::clone(call);
    tokio::spawn(async move {
        let result = recording.finished().await;
        if let Err(error) = &result {
            // Of a call that is over, the core does not listen any more.
            tell(&call, MediaEvent::RecordingFailed { error: CoreError::Other(error.to_string()) });
        }
        outcome.send_replace(Some(result));
    });
}
