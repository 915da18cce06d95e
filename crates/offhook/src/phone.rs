//! The handle of a phone.

use std::sync::Arc;

use offhook_core::{CallId, CallOptions, Devices, PhoneConfig, PhoneError, PhoneEvent, RecordPermissions};
use tokio::sync::{mpsc, oneshot};

use crate::actor::{Message, Shared};
use crate::builder::PhoneBuilder;
use crate::command::{Command, Pending, Reply};
use crate::hub::{EventStream, Subscription};
use crate::session::Session;

/// A registration with a server, and its calls. A cheap handle; dropping the last clone hangs up every call,
/// unregisters and closes the connection (in the background, within 5 s).
#[derive(Debug, Clone)]
pub struct Phone {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) messages: mpsc::UnboundedSender<Message>,
    pub(crate) shared: Arc<Shared>,
    /// The phone's task sees it close when the last handle is gone.
    _alive: oneshot::Sender<()>,
    #[cfg(feature = "devices")]
    devices: Option<offhook_media::devices::AudioDevices>,
}

impl Phone {
    /// What a phone is made with.
    pub fn builder() -> PhoneBuilder {
        PhoneBuilder::new()
    }

    pub(crate) fn new(
        messages: mpsc::UnboundedSender<Message>,
        shared: Arc<Shared>,
        alive: oneshot::Sender<()>,
    ) -> Self {
        let inner = Inner {
            messages,
            shared,
            _alive: alive,
            #[cfg(feature = "devices")]
            devices: None,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Nobody else has a handle yet.
    #[cfg(feature = "devices")]
    pub(crate) fn with_devices(mut self, devices: Option<offhook_media::devices::AudioDevices>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.devices = devices;
        }
        self
    }

    /// The microphone and loudspeakers of its calls, if it was made with some
    /// ([`PhoneBuilder::devices`](crate::PhoneBuilder::devices)): to list and choose them, for volumes and meters, and to hear
    /// of what happens to them.
    #[cfg(feature = "devices")]
    #[must_use]
    pub fn devices(&self) -> Option<&offhook_media::devices::AudioDevices> {
        self.inner.devices.as_ref()
    }

    /// Connects and registers. The outcome is that of the first attempt; a phone that was connected once comes back by
    /// itself whenever the connection is lost. After a failure the phone goes on trying too:
    /// [`shutdown`](Self::shutdown) or drop it to stop that.
    ///
    /// # Errors
    /// [`PhoneError::Transport`] and [`PhoneError::Registration`] say what is wrong and what to do;
    /// [`PhoneError::WrongState`] if it is connected already.
    pub fn connect(&self) -> Pending {
        self.send(Command::Start)
    }

    /// Calls a number, a user name or a `sip:` address, holding every other talking call. The outcome is a call that is being
    /// made: wait for [`Session::confirmed`] to talk.
    ///
    /// # Errors
    /// [`PhoneError::CallNotConnected`], [`InvalidNumber`](PhoneError::InvalidNumber),
    /// [`CallTooSoon`](PhoneError::CallTooSoon) (within a second of the last), [`TooManyCalls`](PhoneError::TooManyCalls) (two),
    /// [`NotConnected`](PhoneError::NotConnected), [`InvalidArgument`](PhoneError::InvalidArgument).
    pub fn call(&self, number: impl Into<String>, options: CallOptions) -> Pending<Session> {
        self.send(|reply| Command::Call { parent: None, number: number.into(), options, reply })
    }

    /// Makes a conference of two to four calls and this phone, or brings calls into the one there is: held ones are unheld,
    /// `isConference` is set in each, and every far end hears all others. What it hears of us is what
    /// its own call plays ([`Session::play`]): play the microphone in each. Each call's sink hears its own far end, without
    /// the others.
    ///
    /// A member that is held, by either side, is out of the mix until it is not any more; one that is muted does not hear us,
    /// but the others. Any may end: the rest go on, and one alone is a call as any other. Unholding a member does not hold
    /// the others; a call outside that is made, answered or unheld holds all of them.
    ///
    /// ```no_run
    /// # async fn example(phone: offhook::Phone) -> Result<(), offhook::PhoneError> {
    /// let calls: Vec<_> = phone.sessions().iter().map(|call| call.call_id().clone()).collect();
    /// phone.conference(&calls).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// With nothing done: [`PhoneError::UnknownCall`], [`WrongState`](PhoneError::WrongState) for a call that is not confirmed or
    /// is being transferred, [`ConferenceSize`](PhoneError::ConferenceSize). Later:
    /// [`Conference`](PhoneError::Conference) names the calls that could not be unheld; the others are in it.
    pub fn conference(&self, call_ids: &[CallId]) -> Pending {
        self.send(|reply| Command::Conference(call_ids.to_vec(), reply))
    }

    /// Holds every call of the conference.
    ///
    /// # Errors
    /// [`PhoneError::WrongState`] without a conference, [`PhoneError::Conference`] names the calls that are not held.
    pub fn hold_conference(&self) -> Pending {
        self.send(|reply| Command::HoldConference(true, reply))
    }

    /// Unholds every call of the conference; other talking calls are held.
    ///
    /// # Errors
    /// As [`hold_conference`](Self::hold_conference).
    pub fn unhold_conference(&self) -> Pending {
        self.send(|reply| Command::HoldConference(false, reply))
    }

    /// What its user may do about recording.
    #[must_use]
    pub fn record_permissions(&self) -> RecordPermissions {
        self.inner.shared.record_permissions()
    }

    /// Changes what its user may do about recording (`recordPermissionsChange`). What is being recorded goes on.
    ///
    /// # Errors
    /// [`PhoneError::Stopped`].
    pub fn set_record_permissions(&self, permissions: RecordPermissions) -> Pending {
        self.send(|reply| Command::SetRecordPermissions(permissions, reply))
    }

    /// Whether the PBX's plan includes video calls. A phone that did not come with a PBX has no plan: `false`.
    #[must_use]
    pub fn video_plan(&self) -> bool {
        self.inner.shared.video_plan()
    }

    /// Whether there are as many calls as the phone allows: two, or one without call waiting. Calls that ring inbound count,
    /// consultation calls do not. While it is so, who calls hears that we are busy (486, RFC 3261 §21.4.24), and
    /// [`call`](Self::call) is refused with [`PhoneError::TooManyCalls`].
    #[must_use]
    pub fn is_max_call(&self) -> bool {
        self.inner.shared.is_max_call()
    }

    /// Whether there is no camera, as [`set_devices`](Self::set_devices) said: calls with video are refused then. `false` as long as it
    /// said nothing.
    #[must_use]
    pub fn is_none_camera(&self) -> bool {
        self.inner.shared.is_none_camera()
    }

    /// How many attempts in a row a lost connection or a failed registration is tried again for
    /// ([`PhoneBuilder::reconnect`](crate::PhoneBuilder::reconnect), `reRegistryPhoneTimes` of [`InitParams`](crate::InitParams)); `None`: no limit.
    #[must_use]
    pub fn re_registry_phone_times(&self) -> Option<u32> {
        self.config().reconnect.max_attempts
    }

    /// What it was made with: as it was then, whatever a PBX or the program has changed since. What is secret is left out: it
    /// has no credentials (nor those of TURN servers), no headers for REGISTER, and zeros as its seed.
    #[must_use]
    pub fn config(&self) -> &PhoneConfig {
        &self.inner.shared.config
    }

    /// Whether a second call may come in or be made while one is there. A PBX may change it too.
    ///
    /// # Errors
    /// [`PhoneError::Stopped`].
    pub fn set_call_waiting(&self, allowed: bool) -> Pending {
        self.send(|reply| Command::SetCallWaiting(allowed, reply))
    }

    /// Tells the phone what devices the program found, if it uses some: calls are refused as they are missing. Without it, they count
    /// as there.
    ///
    /// # Errors
    /// [`PhoneError::Stopped`].
    pub fn set_devices(&self, devices: Devices) -> Pending {
        self.send(|reply| Command::SetDevices(devices, reply))
    }

    /// The calls that come in, ringing. The first stream gets those that came before it as well.
    pub fn incoming(&self) -> EventStream<Session> {
        self.inner.shared.incoming.subscribe()
    }

    /// Everything that happens to the phone and its calls.
    pub fn events(&self) -> EventStream<PhoneEvent> {
        self.inner.shared.events.subscribe()
    }

    /// Calls a listener with every event, on a task of its own. It may call any method; if it panics, nothing else is harmed.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn on(&self, listener: impl FnMut(&PhoneEvent) + Send + 'static) -> Subscription {
        self.inner.shared.events.listen(listener)
    }

    /// The calls that are not over, oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.inner.shared.sessions()
    }

    /// A call that is not over.
    #[must_use]
    pub fn session(&self, call_id: &CallId) -> Option<Session> {
        self.sessions().into_iter().find(|session| session.call_id() == call_id)
    }

    /// Whether the server has us registered.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.inner.shared.is_registered()
    }

    /// Hangs up every call, unregisters and closes the connection, in at most 5 s. The phone can be connected again.
    pub async fn shutdown(&self) {
        // It cannot fail; a phone whose task is gone is shut down.
        let _ = self.send(Command::Disconnect).await;
    }

    pub(crate) fn send<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Pending<T> {
        let (reply, pending) = Reply::pair();
        if self.inner.shared.is_destroyed() {
            return Pending::refused(PhoneError::Stopped);
        }
        match self.inner.messages.send(Message::Command(command(reply))) {
            Ok(()) => pending,
            Err(_) => Pending::refused(PhoneError::Stopped),
        }
    }
}
