//! The handle of a peer connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::sync::{mpsc, oneshot};

use crate::audio::{AudioSink, AudioSource, Mixer, Tap};
use crate::config::{Direction, PeerConfig, Wanted};
use crate::dtmf::{self, Tones};
use crate::error::MediaError;
use crate::event::PeerEvents;
use crate::relay::{LinkId, RelaySender};
use crate::stats::PeerStats;
use crate::task;
use crate::video::{VideoFrame, VideoSink};

/// One ICE/DTLS/SRTP peer connection with its audio path, run by one task on a thread that peers of the process share.
/// Dropping it closes it.
///
/// Every method sends its command when it is called; a returned future only waits for the result, and dropping it does not
/// take the command back. Commands of one handle are carried out in order.
#[derive(Debug)]
pub struct Peer {
    commands: mpsc::UnboundedSender<Command>,
    relay: RelaySender,
}

/// Identifies a tap, to remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TapId(pub(crate) u64);

/// Numbers a source that is set, to know it again in [`PeerEvent::SourceEnded`](crate::PeerEvent::SourceEnded). One that was
/// taken later is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u64);

impl SourceId {
    /// A number that no other source of this process has.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Peer {
    /// Opens the sockets and starts the peer's task, on a thread that peers of the process share: it is not held up by what the caller's
    /// own threads and runtimes do, and needs none.
    ///
    /// # Errors
    /// [`MediaError::NoAddress`], [`MediaError::Socket`], [`MediaError::NoThread`].
    pub fn spawn(config: PeerConfig) -> Result<(Self, PeerEvents), MediaError> {
        let (commands, relay, events) = task::spawn(config)?;
        Ok((Self { commands, relay }, events))
    }

    /// An offer with our codecs, candidates and this direction: the first one, or a renegotiation. It stays pending until
    /// [`Peer::accept_answer`] or [`Peer::rollback`]; another call while it is pending replaces it.
    ///
    /// # Errors
    /// [`MediaError::Closed`].
    pub fn create_offer(
        &self,
        direction: Direction,
    ) -> impl Future<Output = Result<String, MediaError>> + Send + use<> {
        self.offer(direction.into())
    }

    /// The answer to the far end's offer. `direction` is what we want; the answer is what of it the offer allows. A pending
    /// offer of ours is rolled back.
    ///
    /// # Errors
    /// [`MediaError::Sdp`] says why the offer is refused (answer 488); what was negotiated before goes on.
    pub fn accept_offer(
        &self,
        sdp: String,
        direction: Direction,
    ) -> impl Future<Output = Result<String, MediaError>> + Send + use<> {
        self.answer(sdp, direction.into())
    }

    /// As [`Peer::create_offer`], with all that an offer can say.
    ///
    /// # Errors
    /// [`MediaError::Closed`].
    pub fn offer(&self, wanted: Wanted) -> impl Future<Output = Result<String, MediaError>> + Send + use<> {
        self.request(|reply| Command::CreateOffer(wanted, reply))
    }

    /// As [`Peer::accept_offer`], with video if it is offered and wanted.
    ///
    /// # Errors
    /// As [`Peer::accept_offer`].
    pub fn answer(
        &self,
        sdp: String,
        wanted: Wanted,
    ) -> impl Future<Output = Result<String, MediaError>> + Send + use<> {
        self.request(|reply| Command::AcceptOffer(sdp, wanted, reply))
    }

    /// Applies the far end's answer to our pending offer. The same answer once more (a 200 repeating a 183) is ignored.
    ///
    /// # Errors
    /// [`MediaError::Sdp`], [`MediaError::WrongState`] without a pending offer.
    pub fn accept_answer(&self, sdp: String) -> impl Future<Output = Result<(), MediaError>> + Send + use<> {
        self.request(|reply| Command::AcceptAnswer(sdp, reply))
    }

    /// While early, what is agreed may come up only when the call is answered, or be another fork's than the one that answers (RFC 3261
    /// §13.2.1: a 183 with a description): [`PeerConfig::connect_timeout`](crate::PeerConfig::connect_timeout) begins when it is
    /// over. Set it before the description is given; a peer is not early from its beginning.
    pub fn set_early(&self, early: bool) {
        self.send(Command::SetEarly(early));
    }

    /// Our pending offer was refused (488, 491): everything is as before it. Without a pending offer nothing happens.
    ///
    /// # Errors
    /// [`MediaError::Closed`].
    pub fn rollback(&self) -> impl Future<Output = Result<(), MediaError>> + Send + use<> {
        self.request(Command::Rollback)
    }

    /// While muted, silence is sent instead of the source. The description does not change.
    pub fn set_muted(&self, muted: bool) {
        self.send(Command::SetMuted(muted));
    }

    /// What is sent from now on. The default is [`AudioSource::Silence`]. A source is asked for audio only while audio is
    /// sent: it begins when the connection is up, and waits while the call is held.
    ///
    /// Gives its number, which [`PeerEvent::SourceEnded`](crate::PeerEvent::SourceEnded) names.
    pub fn set_source(&self, source: AudioSource) -> SourceId {
        let id = SourceId::next();
        self.set_source_as(id, source);
        id
    }

    /// As [`Peer::set_source`], under a number that was taken before: who notes it first knows the source however soon it
    /// ends. Whichever arrives first, the source with the greatest number is sent.
    pub fn set_source_as(&self, id: SourceId, source: AudioSource) {
        self.send(Command::SetSource(id, source));
    }

    /// Who hears the far end: decoded and concealed, in frames of 20 ms on the jitter buffer's playout clock.
    pub fn set_sink(&self, sink: Option<Box<dyn AudioSink>>) {
        self.send(Command::SetSink(sink));
    }

    /// How loud the sink hears the far end, from 0.0 (silence) to 1.0 (as it is, the default). Listeners to both sides hear
    /// it as it is. A number outside is taken as the nearest inside.
    pub fn set_volume(&self, volume: f32) {
        let volume = if volume.is_nan() { 1.0 } else { volume.clamp(0.0, 1.0) };
        self.send(Command::SetVolume(volume));
    }

    /// Who gets the far end's pictures.
    pub fn set_video_sink(&self, sink: Option<Box<dyn VideoSink>>) {
        self.send(Command::SetVideoSink(sink));
    }

    /// Sends an encoded picture. It is dropped unless the connection is up, video is sent, and its codec is agreed on.
    pub fn send_video(&self, frame: VideoFrame) {
        self.send(Command::SendVideo(frame));
    }

    /// Adds a listener to both sides. It is dropped when it is removed or the peer closes.
    pub fn tap(&self, tap: impl Tap + 'static) -> TapId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = TapId(NEXT.fetch_add(1, Ordering::Relaxed));
        self.send(Command::AddTap(id, Box::new(tap)));
        id
    }

    /// Removes a listener.
    pub fn untap(&self, id: TapId) {
        self.send(Command::RemoveTap(id));
    }

    /// Sends DTMF tones as RFC 4733 telephone-events, after those still being sent. `tones` are `0-9 * # A-D` (lower case
    /// too) and `,` for a pause of 2 s, at most 256; `tone_ms` is 40–6000, `gap_ms` 20–6000. The future resolves
    /// when the last gap has passed.
    ///
    /// # Errors
    /// At once, with nothing sent: [`MediaError::InvalidTone`], [`MediaError::DtmfRange`]. Later:
    /// [`MediaError::DtmfNotNegotiated`], [`MediaError::Closed`].
    pub fn send_dtmf(
        &self,
        tones: &str,
        tone_ms: u32,
        gap_ms: u32,
    ) -> Result<impl Future<Output = Result<(), MediaError>> + Send + use<>, MediaError> {
        let tones = dtmf::parse_tones(tones, tone_ms, gap_ms)?;
        Ok(self.request(|reply| Command::SendDtmf(tones, reply)))
    }

    /// Sends DTMF as tones in the audio (ITU-T Q.23, −10 and −8 dBm0), after those still being sent, for far ends that take
    /// no telephone-events. They and the gaps between them replace what else would be sent; in a pause it goes on.
    /// Arguments and outcome as of [`Peer::send_dtmf`].
    ///
    /// # Errors
    /// At once, with nothing sent: [`MediaError::InvalidTone`], [`MediaError::DtmfRange`]. Later:
    /// [`MediaError::WrongState`] while nothing is sent (held), [`MediaError::Closed`].
    pub fn send_dtmf_in_band(
        &self,
        tones: &str,
        tone_ms: u32,
        gap_ms: u32,
    ) -> Result<impl Future<Output = Result<(), MediaError>> + Send + use<>, MediaError> {
        let tones = dtmf::parse_tones(tones, tone_ms, gap_ms)?;
        Ok(self.request(|reply| Command::SendTones(tones, reply)))
    }

    /// Brings the peer into a conference: besides its source it is sent what the other members say, and what it hears is
    /// sent to them. Muting silences the source only. Its sink and the right side of its taps hear its own far end, as
    /// before. Ends a [`bridge`], and leaves another conference.
    pub fn join(&self, mixer: &Mixer) {
        self.send(Command::Join(mixer.clone()));
    }

    /// Takes the peer out of its conference; without one nothing happens.
    pub fn leave(&self) {
        self.send(Command::Leave);
    }

    /// Statistics of this moment.
    ///
    /// # Errors
    /// [`MediaError::Closed`].
    pub fn stats(&self) -> impl Future<Output = Result<PeerStats, MediaError>> + Send + use<> {
        self.request(Command::Stats)
    }

    /// Closes the connection, telling the far end. Dropping the peer does the same.
    pub fn close(self) {}

    fn send(&self, command: Command) {
        // A closed peer takes no commands; its events have said so.
        let _ = self.commands.send(command);
    }

    fn request<T: Send>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Waiting<T> {
        let (reply, result) = oneshot::channel();
        self.send(command(Reply(reply)));
        Waiting(result)
    }
}

/// Connects two peers: what each receives is sent by the other, until [`unbridge`], another [`bridge`] of either, or the end of
/// either. Both get [`AudioSource::Relay`] as their source; giving one another source (hold music) interrupts what is sent
/// to it, and [`AudioSource::Relay`] resumes it.
///
/// With the same codec on both sides the encoded packets are passed on at once, gaps kept so that the far decoder conceals
/// them; otherwise they are decoded and encoded. DTMF events are passed on too, and so is video in a codec that both sides have
/// agreed on: its packets as they are, and requests for key frames. A source other than [`AudioSource::Relay`] stops it.
pub fn bridge(a: &Peer, b: &Peer) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let link = LinkId(NEXT.fetch_add(1, Ordering::Relaxed));
    a.send(Command::Bridge(link, b.relay.clone()));
    b.send(Command::Bridge(link, a.relay.clone()));
}

/// Undoes the [`bridge`] of a peer, on both sides. A source other than [`AudioSource::Relay`] stays.
pub fn unbridge(a: &Peer) {
    a.send(Command::Unbridge);
}

/// Waits for the result of a command that was sent.
struct Waiting<T>(oneshot::Receiver<Result<T, MediaError>>);

impl<T> Future for Waiting<T> {
    type Output = Result<T, MediaError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|result| result.unwrap_or(Err(MediaError::Closed)))
    }
}

/// Where the result of a command goes.
pub(crate) struct Reply<T>(oneshot::Sender<Result<T, MediaError>>);

impl<T> Reply<T> {
    pub(crate) fn send(self, result: Result<T, MediaError>) {
        // Nobody may be waiting any more.
        let _ = self.0.send(result);
    }

    /// One that is waited for.
    #[cfg(test)]
    pub(crate) fn channel() -> (Self, oneshot::Receiver<Result<T, MediaError>>) {
        let (reply, result) = oneshot::channel();
        (Self(reply), result)
    }

    /// For nobody.
    pub(crate) fn discard() -> Self {
        Self(oneshot::channel().0)
    }
}

/// What a handle asks of its task.
pub(crate) enum Command {
    CreateOffer(Wanted, Reply<String>),
    AcceptOffer(String, Wanted, Reply<String>),
    AcceptAnswer(String, Reply<()>),
    SetEarly(bool),
    Rollback(Reply<()>),
    SetMuted(bool),
    SetSource(SourceId, AudioSource),
    SetVolume(f32),
    SetVideoSink(Option<Box<dyn VideoSink>>),
    SendVideo(VideoFrame),
    SetSink(Option<Box<dyn AudioSink>>),
    AddTap(TapId, Box<dyn Tap>),
    RemoveTap(TapId),
    SendDtmf(Tones, Reply<()>),
    SendTones(Tones, Reply<()>),
    Join(Mixer),
    Leave,
    Stats(Reply<PeerStats>),
    Bridge(LinkId, RelaySender),
    Unbridge,
}
