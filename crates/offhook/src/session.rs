//! The handle of a call.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use offhook_core::{
    CallId, CallOptions, CallStatus, Cause, PhoneError, Report, SessionEvent, StaticPatch, StatusPatch, TerminateType,
    TimerType,
};
use offhook_media::{
    AudioSink, AudioSource, MediaError, PcmInput, PcmOutput, PeerStats, Recorder, Recording, RecordingSummary, Tap,
    pcm_input, pcm_output,
};
use tokio::sync::oneshot;

use crate::actor::{Call, Message, Stage};
use crate::command::{Act, Command, Pending, Reply};
use crate::hub::{EventStream, Subscription};

/// What waits in [`Session::audio_input`] and [`Session::audio_output`] at most.
const PCM_BUFFER: Duration = Duration::from_secs(2);
/// Rate of recordings, Hz.
const RECORDING_RATE: u32 = 16_000;

/// One call. A cheap handle; dropping it does nothing to the call.
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) call: Arc<Call>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallEnd {
    /// Why.
    pub cause: Cause,
    /// SIP status, where there was one.
    pub code: Option<u16>,
    /// Whether it had been answered.
    pub was_established: bool,
}

impl Session {
    pub(crate) fn new(call: Arc<Call>) -> Self {
        Self { call }
    }

    // --- what it is doing ---

    /// The call's identity, the SIP Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &CallId {
        self.call.id()
    }

    /// What it is doing: a snapshot.
    #[must_use]
    pub fn status(&self) -> CallStatus {
        self.call.status()
    }

    /// How long it has been doing it, to the second.
    #[must_use]
    pub fn timer(&self) -> TimerType {
        self.call.timer()
    }

    /// The latest quality report; `None` before the answer. The first, at the answer, has nothing measured yet; a new one
    /// comes every 3 s. [`stats`](Self::stats) measures at any moment.
    #[must_use]
    pub fn call_report(&self) -> Option<Report> {
        self.call.report()
    }

    /// What happens to the call. The first stream gets everything since its beginning; each ends with the call.
    pub fn events(&self) -> EventStream<SessionEvent> {
        self.call.events().subscribe()
    }

    /// Calls a listener with every event, on a task of its own. It may call any method; if it panics, nothing else is harmed.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn on(&self, listener: impl FnMut(&SessionEvent) + Send + 'static) -> Subscription {
        self.call.events().listen(listener)
    }

    /// Waits until the call is confirmed: both sides can talk.
    ///
    /// # Errors
    /// [`PhoneError::Ended`] if it ends before that, with cause and SIP status.
    pub fn confirmed(&self) -> impl Future<Output = Result<(), PhoneError>> + Send + 'static + use<> {
        let mut stage = self.call.stage();
        async move {
            match stage.wait_for(|stage| !matches!(stage, Stage::Setup)).await.as_deref() {
                Ok(Stage::Ended(end)) if !end.was_established => {
                    Err(PhoneError::Ended { cause: end.cause, status: end.code })
                }
                Ok(_) => Ok(()),
                Err(_) => Err(PhoneError::Stopped),
            }
        }
    }

    /// Waits until the call is over.
    pub fn ended(&self) -> impl Future<Output = CallEnd> + Send + 'static + use<> {
        let mut stage = self.call.stage();
        async move {
            match stage.wait_for(|stage| matches!(stage, Stage::Ended(_))).await.as_deref() {
                Ok(Stage::Ended(end)) => *end,
                // The phone's task is gone, and the call with it.
                _ => CallEnd { cause: Cause::InternalError, code: None, was_established: false },
            }
        }
    }

    // --- commands ---

    /// Accepts a ringing call; every other talking call is held. Its outcome is that the call is confirmed.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`] if it does not ring any more, [`PhoneError::CallNotConnected`] if another call is being
    /// made or answered, [`PhoneError::LocalStream`], [`PhoneError::Ended`].
    pub fn answer(&self, options: CallOptions) -> Pending {
        self.send(Act::Answer(options))
    }

    /// Refuses a ringing call (486). Its outcome is that the call is over.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`] if it does not ring any more.
    pub fn reject(&self) -> Pending {
        self.send(Act::Reject)
    }

    /// Ends the call in whatever state it is. Its outcome is that the call is over.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`] if it is over already.
    pub fn hangup(&self) -> Pending {
        self.send(Act::Terminate(TerminateType::Hangup))
    }

    /// As [`hangup`](Self::hangup); `kind` is what [`events::Ended`](crate::events::Ended) says.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`] if it is over already.
    pub fn terminate(&self, kind: TerminateType) -> Pending {
        self.send(Act::Terminate(kind))
    }

    /// Puts the call on hold. Its outcome is the far end's.
    ///
    /// # Errors
    /// [`PhoneError::Refused`], [`Timeout`](PhoneError::Timeout), [`Superseded`](PhoneError::Superseded) by an unhold,
    /// [`WrongState`](PhoneError::WrongState) before the answer, [`UnknownCall`](PhoneError::UnknownCall),
    /// [`Ended`](PhoneError::Ended).
    pub fn hold(&self) -> Pending {
        self.send(Act::Hold(true))
    }

    /// Takes the call from hold; every other talking call is held. Its outcome is the far end's.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn unhold(&self) -> Pending {
        self.send(Act::Hold(false))
    }

    /// Sends silence instead of the source.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn mute(&self) -> Pending {
        self.send(Act::Mute(true))
    }

    /// Sends the source again.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn unmute(&self) -> Pending {
        self.send(Act::Mute(false))
    }

    /// Sends DTMF: `0`–`9`, `*`, `#`, `A`–`D`, and `,` for a pause of 2 s. Its outcome is that the last tone was sent.
    ///
    /// # Errors
    /// [`PhoneError::InvalidArgument`] for any other character, with nothing sent; [`PhoneError::LocalStream`] if the far end
    /// takes no telephone-events (see [`PhoneBuilder::dtmf_mode`](crate::PhoneBuilder::dtmf_mode)), or while it is held; [`PhoneError::WrongState`] before the answer.
    pub fn dtmf(&self, tones: impl Into<String>) -> Pending {
        self.send(Act::Dtmf(tones.into()))
    }

    /// Sends a SIP INFO. Its outcome is the far end's.
    ///
    /// # Errors
    /// [`PhoneError::Refused`], [`PhoneError::Timeout`], [`PhoneError::WrongState`] before the answer.
    pub fn send_info(&self, content_type: impl Into<String>, body: impl Into<String>) -> Pending {
        self.send(Act::SendInfo { content_type: content_type.into(), body: body.into() })
    }

    /// Sends the far end to another number. The call is held, and ends when the new one is answered; its outcome is the
    /// transfer's. If nothing comes of it, the call goes on as it was.
    ///
    /// # Errors
    /// [`PhoneError::InvalidNumber`], [`PhoneError::WrongState`] before the answer or while another transfer is under way,
    /// [`PhoneError::Refused`], [`PhoneError::Timeout`].
    pub fn blind_transfer(&self, number: impl Into<String>) -> Pending {
        self.send(Act::BlindTransfer(number.into()))
    }

    /// Makes a consultation call: a second call, to transfer this one, which is held. It does not count against the limit of
    /// calls, and ends when this call ends.
    ///
    /// # Errors
    /// As [`Phone::call`](crate::Phone::call); [`PhoneError::ParentNotFound`] if this call is not answered, or over.
    pub fn consult(&self, number: impl Into<String>, options: CallOptions) -> Pending<Session> {
        let parent = Some(self.call.id().clone());
        self.command(|reply| Command::Call { parent, number: number.into(), options, reply })
    }

    /// On a consultation call: connects its far end with that of the call it was made for. If it still rings, that call is
    /// transferred blind. Both calls are over when it succeeded; its outcome is the transfer's.
    ///
    /// # Errors
    /// [`PhoneError::ParentNotFound`] if it is no consultation call, or the other call is over;
    /// [`PhoneError::WrongState`] while another transfer is under way, [`PhoneError::Refused`], [`PhoneError::Timeout`].
    pub fn attended_transfer(&self) -> Pending {
        self.send(Act::AttendedTransfer)
    }

    /// Begins to record, or goes on after a pause, in the way of
    /// [`PhoneBuilder::record_method`](crate::PhoneBuilder::record_method). `recordStatus` and the outcome tell when it is
    /// recorded: when the file is open, or the server said so.
    ///
    /// # Errors
    /// [`PhoneError::NotPermitted`], [`PhoneError::WrongState`] before the answer, [`PhoneError::Recording`] for a file
    /// that cannot be written, [`PhoneError::Refused`] by the server, [`PhoneError::Timeout`]. The call goes on.
    pub fn start_record(&self) -> Pending {
        self.send(Act::Record(true))
    }

    /// Pauses the recording; [`start_record`](Self::start_record) goes on with it, into the same file.
    ///
    /// # Errors
    /// As [`start_record`](Self::start_record), and [`PhoneError::WrongState`] if the call is not recorded.
    pub fn pause_record(&self) -> Pending {
        self.send(Act::Record(false))
    }

    /// Waits until the file of a local recording (of [`start_record`](Self::start_record) or
    /// [`CallOptions::record_to`]) is complete, which it is when the call is over; gives its name and length. At any moment
    /// before, the file is a readable WAV that lacks at most the last two seconds.
    ///
    /// # Errors
    /// [`MediaError::Closed`] if there was no local recording, [`MediaError::UnwritableWav`] if it broke off.
    pub fn recorded(&self) -> impl Future<Output = Result<RecordingSummary, MediaError>> + Send + 'static + use<> {
        let outcome = self.call.recorder().outcome();
        async move {
            let Some(mut outcome) = outcome else { return Err(MediaError::Closed) };
            match outcome.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(result)) => result.clone(),
                _ => Err(MediaError::Closed),
            }
        }
    }

    /// Stops the once-a-second timer; the durations freeze.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn stop_timer(&self) -> Pending {
        self.send(Act::StopTimer)
    }

    /// Changes what the status says.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn set_status(&self, patch: StatusPatch) -> Pending {
        self.send(Act::SetStatus(patch))
    }

    /// Changes who the far end is said to be. With `manual` `Some(true)`, signalling does not change the name any more.
    ///
    /// # Errors
    /// [`PhoneError::UnknownCall`].
    pub fn set_static_status(&self, patch: StaticPatch, manual: Option<bool>) -> Pending {
        self.send(Act::SetStaticStatus(patch, manual))
    }

    // --- audio ---

    /// Sends this from now on (until then, silence is sent). May be called before the call is answered. The outcome is how
    /// the playing ended.
    pub fn play(&self, source: AudioSource) -> Playback {
        Playback(self.call.audio().play(source))
    }

    /// A queue of samples to send, at `rate` Hz (4,000–192,000), up to 2 s of them.
    ///
    /// # Errors
    /// [`MediaError::SampleRate`].
    pub fn audio_input(&self, rate: u32) -> Result<PcmInput, MediaError> {
        let (input, receiver) = pcm_input(rate, PCM_BUFFER)?;
        drop(self.call.audio().play(AudioSource::Pcm(receiver)));
        Ok(input)
    }

    /// A queue of the samples heard, at `rate` Hz (4,000–192,000). The oldest are dropped when more than 2 s of them wait.
    /// Replaces the sink there was.
    ///
    /// # Errors
    /// [`MediaError::SampleRate`].
    pub fn audio_output(&self, rate: u32) -> Result<PcmOutput, MediaError> {
        let (output, sender) = pcm_output(rate, PCM_BUFFER)?;
        self.set_sink(Some(Box::new(sender)));
        Ok(output)
    }

    /// Who hears the far end, in frames of 20 ms. `None`: nobody.
    pub fn set_sink(&self, sink: Option<Box<dyn AudioSink>>) {
        self.call.audio().set_sink(sink);
    }

    /// Adds a listener to both sides, in frames of 20 ms, until the call is over.
    pub fn add_tap(&self, tap: impl Tap + 'static) {
        self.call.audio().add_tap(Box::new(tap));
    }

    /// Writes both sides into a WAV file until the call is over: left what is sent, right what is heard, 16 kHz. For
    /// programs; `recordStatus` says nothing of it, see [`start_record`](Self::start_record) for that.
    ///
    /// # Errors
    /// [`MediaError::UnwritableWav`].
    pub fn record(&self, path: impl AsRef<Path>) -> Result<Recording, MediaError> {
        let (recorder, recording) = Recorder::create(path, RECORDING_RATE)?;
        self.add_tap(recorder);
        Ok(recording)
    }

    /// Statistics of this moment.
    ///
    /// # Errors
    /// [`MediaError::Closed`] before the media is opened (at the answer, for an inbound call) and after the call.
    pub fn stats(&self) -> impl Future<Output = Result<PeerStats, MediaError>> + Send + 'static + use<> {
        let stats = self.call.audio().stats();
        async move {
            match stats {
                Some(stats) => stats.await,
                None => Err(MediaError::Closed),
            }
        }
    }

    pub(crate) fn send(&self, act: Act) -> Pending {
        let call_id = self.call.id().clone();
        self.command(|reply| Command::OfCall { call_id, act, reply })
    }

    pub(crate) fn command<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Pending<T> {
        let (reply, pending) = Reply::pair();
        match self.call.messages().send(Message::Command(command(reply))) {
            Ok(()) => pending,
            Err(_) => Pending::refused(PhoneError::Stopped),
        }
    }
}

/// A source being played. Waits for its end; dropping it does not stop the playing.
#[derive(Debug)]
pub struct Playback(oneshot::Receiver<()>);

impl Future for Playback {
    /// Whether the source came to its end (else another took its place, or the call is over).
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        Pin::new(&mut self.0).poll(context).map(|ended| ended.is_ok())
    }
}
