//! Video of a call, as encoded pictures: nothing here has a camera, a screen, an encoder or a decoder.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use offhook_core::CallId;
use offhook_media::{VideoFrame, VideoSink};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use crate::actor::{Call, Stage};
use crate::command::{Act, Pending};
use crate::session::Session;

/// Pictures that wait in a [`VideoOutput`]: two seconds.
const WAITING: usize = 60;

/// The far end wants to add video to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoRequest {
    /// To which call.
    pub call_id: CallId,
    /// Who wants it.
    pub name: String,
}

type Asked = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Who is asked.
#[derive(Clone)]
pub(crate) struct Agree(Arc<dyn Fn(VideoRequest) -> Asked + Send + Sync>);

impl Agree {
    pub(crate) fn ask(&self, request: VideoRequest) -> Asked {
        (self.0)(request)
    }
}

impl fmt::Debug for Agree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Agree")
    }
}

impl Session {
    /// Asked when the far end wants to add video to the call. Within 30 s it must say `true`, or the video is refused and the
    /// audio goes on; so it is, too, when nobody is asked, as at first.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`](crate::PhoneError::UnknownCall).
    pub fn agree_change_video<F, Asked>(&self, agree: F) -> Pending
    where
        F: Fn(VideoRequest) -> Asked + Send + Sync + 'static,
        Asked: Future<Output = bool> + Send + 'static,
    {
        self.call.set_agree(Some(Agree(Arc::new(move |request| Box::pin(agree(request))))));
        self.send(Act::AskForVideo(true))
    }

    /// Nobody is asked any more: video of the far end is refused.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`](crate::PhoneError::UnknownCall).
    pub fn refuse_change_video(&self) -> Pending {
        self.call.set_agree(None);
        self.send(Act::AskForVideo(false))
    }

    /// Adds video to the call. Its outcome is the far end's.
    ///
    /// # Errors
    /// As [`hold`](Self::hold); [`PhoneError::Refused`](crate::PhoneError::Refused) when it wants no video: the call goes on.
    pub fn audio_to_video(&self) -> Pending {
        self.send(Act::Video(true))
    }

    /// Takes the video out of the call.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn video_to_audio(&self) -> Pending {
        self.send(Act::Video(false))
    }

    /// Where encoded pictures go in, to be sent.
    #[must_use]
    pub fn video_input(&self) -> VideoInput {
        VideoInput { call: Arc::clone(&self.call), keyframes: self.call.audio().keyframes() }
    }

    /// Where the far end's encoded pictures come out. Replaces the one there was. When more than 60 wait, new ones are dropped
    /// up to the next key frame.
    #[must_use]
    pub fn video_output(&self) -> VideoOutput {
        let (sender, frames) = mpsc::channel(WAITING);
        self.call.audio().set_video_sink(Some(Box::new(Queue { sender, whole: true })));
        VideoOutput { frames }
    }
}

/// Sends encoded pictures.
#[derive(Debug)]
pub struct VideoInput {
    call: Arc<Call>,
    keyframes: Arc<Notify>,
}

impl VideoInput {
    /// Sends a picture. It is dropped unless video is sent and its codec agreed on; `false` when the call is over.
    pub fn send(&self, frame: VideoFrame) -> bool {
        self.call.audio().send_video(frame)
    }

    /// Waits until the far end asks for a key frame; `false` when the call is over. Cancel-safe; requests that came meanwhile
    /// count as one.
    pub async fn keyframe_requested(&self) -> bool {
        let mut stage = self.call.stage();
        tokio::select! {
            () = self.keyframes.notified() => true,
            // It is there for as long as the call is, which this has.
            _ = stage.wait_for(|stage| matches!(stage, Stage::Ended(_))) => false,
        }
    }
}

/// The far end's encoded pictures.
#[derive(Debug)]
pub struct VideoOutput {
    frames: mpsc::Receiver<VideoFrame>,
}

impl VideoOutput {
    /// The next picture; `None` when the call is over, or another output took its place. Cancel-safe.
    pub async fn recv(&mut self) -> Option<VideoFrame> {
        self.frames.recv().await
    }
}

struct Queue {
    sender: mpsc::Sender<VideoFrame>,
    /// Nothing was dropped since the last key frame.
    whole: bool,
}

impl VideoSink for Queue {
    fn frame(&mut self, frame: VideoFrame) {
        if !self.whole && !frame.keyframe {
            return;
        }
        self.whole = !matches!(self.sender.try_send(frame), Err(TrySendError::Full(_)));
    }
}
