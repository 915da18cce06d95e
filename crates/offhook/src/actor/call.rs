//! What a call's handles share with the phone's task.

#[cfg(feature = "devices")]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use offhook_core::{CallId, CallStatus, Cause, Now, Report, Session as CoreSession, SessionEvent, TimerType};
use tokio::sync::{mpsc, watch};

use super::audio::Audio;
use super::{Message, Recorder};
use crate::command::{Act, Command, Reply};
use crate::hub::Hub;
use crate::session::CallEnd;
use crate::video::{Agree, VideoRequest};

/// How far a call is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    Setup,
    Confirmed,
    Ended(CallEnd),
}

/// What a call's handles share with the phone's task.
#[derive(Debug)]
pub(crate) struct Call {
    id: CallId,
    messages: mpsc::UnboundedSender<Message>,
    events: Hub<SessionEvent>,
    stage: watch::Sender<Stage>,
    snapshot: Mutex<Snapshot>,
    audio: Audio,
    agree: Mutex<Option<Agree>>,
    recorder: Recorder,
    #[cfg(feature = "devices")]
    devices: Option<offhook_media::devices::AudioDevices>,
}

#[derive(Debug)]
struct Snapshot {
    status: CallStatus,
    timer: TimerType,
    report: Option<Report>,
}

impl Call {
    pub(super) fn new(session: &CoreSession, messages: mpsc::UnboundedSender<Message>) -> Self {
        let snapshot = Snapshot { status: session.status().clone(), timer: TimerType::default(), report: None };
        Self {
            id: session.call_id().clone(),
            messages,
            events: Hub::new(),
            stage: watch::Sender::new(Stage::Setup),
            snapshot: Mutex::new(snapshot),
            audio: Audio::default(),
            agree: Mutex::default(),
            recorder: Recorder::default(),
            #[cfg(feature = "devices")]
            devices: None,
        }
    }

    #[cfg(feature = "devices")]
    pub(super) fn with_devices(self, devices: Option<offhook_media::devices::AudioDevices>) -> Self {
        Self { devices, ..self }
    }

    #[cfg(feature = "devices")]
    pub(crate) fn devices(&self) -> Option<&offhook_media::devices::AudioDevices> {
        self.devices.as_ref()
    }

    /// Has the call use the devices for what it was given nothing else for.
    #[cfg(feature = "devices")]
    pub(crate) fn plug_in(self: &Arc<Self>, microphone: Option<&str>) {
        use offhook_media::devices::Role;
        let Some(devices) = &self.devices else { return };
        if let Some(name) = microphone {
            devices.choose_then(Role::Microphone, Some(name), |chosen| {
                // It was there when the call was asked for.
                if let Err(error) = chosen {
                    tracing::warn!(%error, "the call's microphone");
                }
            });
        }
        let call = Arc::clone(self);
        devices.attach_then(move |plugs| call.audio.plug_in(plugs));
    }

    pub(crate) fn id(&self) -> &CallId {
        &self.id
    }

    pub(crate) fn messages(&self) -> &mpsc::UnboundedSender<Message> {
        &self.messages
    }

    pub(crate) fn events(&self) -> &Hub<SessionEvent> {
        &self.events
    }

    pub(crate) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    pub(crate) fn audio(&self) -> &Audio {
        &self.audio
    }

    /// Who is asked when the far end wants video.
    pub(crate) fn set_agree(&self, agree: Option<Agree>) {
        let before = std::mem::replace(&mut *self.agree(), agree);
        // Not under the lock: that may run the user's code, which may come back here.
        drop(before);
    }

    /// Asks; the answer goes to the phone's task. An asker that panics has refused, and so has nobody: the core asks for a call
    /// that takes the place of one with an asker, which it does not have before the program gives it one.
    pub(super) fn ask_about_video(&self, name: String) {
        let (call_id, messages) = (self.id.clone(), self.messages.clone());
        let request = VideoRequest { call_id: call_id.clone(), name };
        let answer = move |agreed| {
            let (reply, _) = Reply::pair();
            // The call may be over, or the phone's task gone.
            let _ = messages.send(Message::Command(Command::OfCall { call_id, act: Act::AgreeVideo(agreed), reply }));
        };
        let Some(agree) = self.agree().clone() else { return answer(false) };
        tokio::spawn(async move {
            answer(tokio::spawn(async move { agree.ask(request).await }).await.unwrap_or(false));
        });
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(crate) fn status(&self) -> CallStatus {
        self.snapshot().status.clone()
    }

    pub(crate) fn timer(&self) -> TimerType {
        self.snapshot().timer
    }

    pub(crate) fn report(&self) -> Option<Report> {
        self.snapshot().report.clone()
    }

    pub(super) fn refresh(&self, session: &CoreSession, now: Now) {
        let mut snapshot = self.snapshot();
        if snapshot.status != *session.status() {
            snapshot.status = session.status().clone();
        }
        snapshot.timer = session.timer(now);
        if snapshot.report.as_ref() != session.call_report() {
            snapshot.report = session.call_report().cloned();
        }
    }

    pub(super) fn tell(&self, event: &SessionEvent) {
        let end = |cause, code, was_established| Some(Stage::Ended(CallEnd { cause, code, was_established }));
        let stage = match event {
            SessionEvent::Confirmed { .. } => Some(Stage::Confirmed),
            SessionEvent::Ended(ended) => end(ended.cause, None, true),
            SessionEvent::Failed(failed) => end(failed.cause, failed.code, false),
            SessionEvent::ClientError { cause, .. } => end(*cause, None, false),
            _ => None,
        };
        self.events.publish(event);
        if let Some(stage) = stage {
            self.stage.send_replace(stage);
        }
        if event.is_final() {
            self.events.finish();
        }
    }

    /// The call is over: nothing more is heard or sent.
    pub(super) fn close(&self) {
        self.audio.close();
    }

    /// The phone's task is gone.
    pub(super) fn abandon(&self) {
        self.stage.send_modify(|stage| {
            let was_established = matches!(stage, Stage::Confirmed);
            *stage = Stage::Ended(CallEnd { cause: Cause::InternalError, code: None, was_established });
        });
        self.events.finish();
        self.close();
    }

    fn agree(&self) -> MutexGuard<'_, Option<Agree>> {
        // Only assignments happen under the lock.
        self.agree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> MutexGuard<'_, Snapshot> {
        // Only assignments happen under the lock.
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
