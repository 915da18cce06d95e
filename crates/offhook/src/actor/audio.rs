//! A call's audio and video: what is plugged into the peer connection, also before there is one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use offhook_media::{
    AudioSink, AudioSource, MediaError, Peer, PeerStats, SourceId, Tap, TapFrame, VideoFrame, VideoSink,
};
use tokio::sync::{Notify, oneshot};

/// A call's audio: what is to be sent and who hears it, also before there is a peer connection.
#[derive(Debug, Default)]
pub(crate) struct Audio {
    plugs: Mutex<Plugs>,
    announced: AtomicBool,
}

#[derive(Default)]
struct Plugs {
    peer: Option<Arc<Peer>>,
    closed: bool,
    source: Option<(SourceId, AudioSource)>,
    sink: Option<Box<dyn AudioSink>>,
    /// The program gave a source, a sink of its own.
    own_source: bool,
    own_sink: bool,
    taps: Vec<Box<dyn Tap>>,
    video_sink: Option<Box<dyn VideoSink>>,
    /// Told when the far end wants a key frame.
    keyframes: Option<Arc<Notify>>,
    /// What the program plays, and who is told when it came to its end.
    playing: Option<(SourceId, oneshot::Sender<()>)>,
}

impl std::fmt::Debug for Plugs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugs").field("peer", &self.peer).field("closed", &self.closed).finish_non_exhaustive()
    }
}

impl Audio {
    // A source, sink or tap is never dropped under the lock: that may run the user's code, which may come back here.

    pub(crate) fn play(&self, source: AudioSource) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut plugs = self.plugs();
        if plugs.closed {
            return receiver;
        }
        // Numbered and noted in one go, before it is set: it may end at once, and two may be played at the same time.
        let id = SourceId::next();
        plugs.playing = Some((id, sender));
        plugs.own_source = true;
        match plugs.peer.clone() {
            Some(peer) => {
                drop(plugs);
                peer.set_source_as(id, source);
            }
            None => {
                let replaced = plugs.source.replace((id, source));
                drop(plugs);
                drop(replaced);
            }
        }
        receiver
    }

    pub(crate) fn set_sink(&self, sink: Option<Box<dyn AudioSink>>) {
        let mut plugs = self.plugs();
        plugs.own_sink = true;
        match plugs.peer.clone() {
            Some(peer) => {
                drop(plugs);
                peer.set_sink(sink);
            }
            None => {
                let unused = if plugs.closed { sink } else { std::mem::replace(&mut plugs.sink, sink) };
                drop(plugs);
                drop(unused);
            }
        }
    }

    /// The devices, for what the program gave nothing else for.
    #[cfg(feature = "devices")]
    pub(super) fn plug_in(&self, devices: offhook_media::devices::CallAudio) {
        let plugs = self.plugs();
        let Some(peer) = plugs.peer.clone() else { return };
        let (own_source, own_sink) = (plugs.own_source, plugs.own_sink);
        // Under the lock, or what the program gives meanwhile would be replaced; only commands are sent.
        if !own_source {
            peer.set_source(devices.source);
        }
        if !own_sink {
            peer.set_sink(Some(devices.sink));
        }
    }

    /// What the program gave is to be replaced by the devices.
    #[cfg(feature = "devices")]
    pub(crate) fn give_up(&self) {
        let mut plugs = self.plugs();
        (plugs.own_source, plugs.own_sink) = (false, false);
        plugs.playing = None;
        let unused = (plugs.source.take(), plugs.sink.take());
        drop(plugs);
        drop(unused);
    }

    pub(crate) fn add_tap(&self, tap: Box<dyn Tap>) {
        let mut plugs = self.plugs();
        match plugs.peer.clone() {
            Some(peer) => {
                drop(plugs);
                peer.tap(Boxed(tap));
            }
            None if plugs.closed => drop(plugs),
            None => plugs.taps.push(tap),
        }
    }

    pub(crate) fn set_video_sink(&self, sink: Option<Box<dyn VideoSink>>) {
        let mut plugs = self.plugs();
        match plugs.peer.clone() {
            Some(peer) => {
                drop(plugs);
                peer.set_video_sink(sink);
            }
            None => {
                let unused = if plugs.closed { sink } else { std::mem::replace(&mut plugs.video_sink, sink) };
                drop(plugs);
                drop(unused);
            }
        }
    }

    /// Sends a picture, if there is somewhere to send it to.
    pub(crate) fn send_video(&self, frame: VideoFrame) -> bool {
        let (peer, closed) = {
            let plugs = self.plugs();
            (plugs.peer.clone(), plugs.closed)
        };
        if let Some(peer) = peer {
            peer.send_video(frame);
        }
        !closed
    }

    pub(crate) fn keyframes(&self) -> Arc<Notify> {
        Arc::clone(self.plugs().keyframes.get_or_insert_default())
    }

    pub(super) fn keyframe_requested(&self) {
        if let Some(keyframes) = &self.plugs().keyframes {
            keyframes.notify_one();
        }
    }

    pub(crate) fn stats(&self) -> Option<impl Future<Output = Result<PeerStats, MediaError>> + Send + 'static + use<>> {
        self.plugs().peer.as_ref().map(|peer| peer.stats())
    }

    pub(super) fn peer(&self) -> Option<Arc<Peer>> {
        self.plugs().peer.clone()
    }

    /// The peer connection is there: plugs everything in.
    pub(super) fn open(&self, peer: Peer) {
        let mut plugs = self.plugs();
        if let Some((id, source)) = plugs.source.take() {
            peer.set_source_as(id, source);
        }
        if let Some(sink) = plugs.sink.take() {
            peer.set_sink(Some(sink));
        }
        if let Some(sink) = plugs.video_sink.take() {
            peer.set_video_sink(Some(sink));
        }
        for tap in plugs.taps.drain(..) {
            peer.tap(Boxed(tap));
        }
        plugs.peer = Some(Arc::new(peer));
    }

    /// `true` the first time: the remote track is there from now on.
    pub(super) fn announce_once(&self) -> bool {
        !self.announced.swap(true, Ordering::AcqRel)
    }

    /// A source came to its end: what is played, or what was played before it.
    pub(super) fn source_ended(&self, ended: SourceId) {
        if let Some((_, playing)) = self.plugs().playing.take_if(|(id, _)| *id == ended) {
            // Nobody may be waiting.
            let _ = playing.send(());
        }
    }

    pub(super) fn close(&self) {
        let old = std::mem::replace(&mut *self.plugs(), Plugs { closed: true, ..Plugs::default() });
        // What was given to a call that was never answered is the program's, and dropped here: its panic is its own fault, and
        // does not end the phone with all its calls.
        if catch_unwind(AssertUnwindSafe(|| drop(old))).is_err() {
            tracing::error!("what was given to a call panicked when it was dropped");
        }
    }

    fn plugs(&self) -> MutexGuard<'_, Plugs> {
        // Only assignments and sends into channels happen under the lock.
        self.plugs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Boxed(Box<dyn Tap>);

impl Tap for Boxed {
    fn frame(&mut self, frame: &TapFrame<'_>) {
        self.0.frame(frame);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    fn playing(audio: &Audio) -> SourceId {
        audio.plugs().playing.as_ref().expect("something is played").0
    }

    #[test]
    fn a_late_end_of_the_source_before_does_not_end_what_is_played_now() {
        let audio = Audio::default();
        let mut first = audio.play(AudioSource::Silence);
        let before = playing(&audio);
        let mut second = audio.play(AudioSource::Music);
        assert_eq!(first.try_recv(), Err(TryRecvError::Closed), "another took its place");
        audio.source_ended(before);
        assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
        audio.source_ended(playing(&audio));
        assert_eq!(second.try_recv(), Ok(()));
    }
}
