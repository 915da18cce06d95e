//! The handle of a program's devices, and the two threads behind it: one that keeps the 10 ms, one that looks which
//! devices there are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, oneshot};

use super::backend::{Backend, DeviceError, DeviceInfo, DeviceKind};
use super::engine::{Engine, Meters};
use super::processing::ProcessingConfig;
use super::roles::{self, DeviceEvent, Role};
use super::{CallAudio, Sound};

/// Events that wait for a slow reader.
const EVENTS: usize = 256;
/// How often the system is asked for its devices.
const LOOK: Duration = Duration::from_secs(1);
/// A frame.
const FRAME_TIME: Duration = Duration::from_millis(10);
/// The thread was late by more than this: what was missed is left out.
const LATE: Duration = Duration::from_millis(300);

/// The microphone, the loudspeaker and what rings, for all calls of a program. A cheap handle; dropping the last one closes
/// them. A device is open only while it is needed: the microphone in calls, the loudspeaker while something sounds.
///
/// When a device is lost, calls go on with the fallback ([`DeviceEvent::Lost`]): the system's default, else any other; a
/// chosen device that comes back is used again.
#[derive(Debug, Clone)]
pub struct AudioDevices {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    commands: Sender<Command>,
    events: broadcast::Sender<DeviceEvent>,
    /// The devices of the last look.
    found: Mutex<Vec<DeviceInfo>>,
    meters: Meters,
    closed: Arc<AtomicBool>,
}

impl Inner {
    fn found(&self) -> MutexGuard<'_, Vec<DeviceInfo>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// What happens to the devices, in order. It ends when they are closed.
#[derive(Debug)]
pub struct DeviceEvents(broadcast::Receiver<DeviceEvent>);

impl DeviceEvents {
    /// Waits for the next.
    pub async fn recv(&mut self) -> Option<DeviceEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(DeviceEvent::Missed(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Runs on the engine's thread.
type Command = Box<dyn FnOnce(&mut Engine) + Send>;

impl AudioDevices {
    /// Those of the system.
    ///
    /// # Errors
    /// [`DeviceError::System`]. No device at all is none: one may be plugged in.
    pub fn open(processing: ProcessingConfig) -> Result<Self, DeviceError> {
        Self::with(Arc::new(super::SystemBackend::new()), processing)
    }

    /// Those of another backend.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with(backend: Arc<dyn Backend>, processing: ProcessingConfig) -> Result<Self, DeviceError> {
        let system = |error: std::io::Error| DeviceError::System(error.to_string());
        let devices = backend.list()?;
        let mut engine = Engine::new(Arc::clone(&backend), processing);
        engine.found(devices.clone());
        // Those that are there from the beginning are no news.
        drop(engine.take_events());
        let (commands, received) = channel();
        let (events, _) = broadcast::channel(EVENTS);
        let closed = Arc::new(AtomicBool::new(false));
        let inner = Arc::new(Inner {
            commands,
            events: events.clone(),
            found: Mutex::new(devices),
            meters: engine.meters.clone(),
            closed: closed.clone(),
        });
        let mut clock = Clock { engine, commands: received, events, closed };
        thread::Builder::new().name("offhook-audio".to_owned()).spawn(move || clock.run()).map_err(system)?;
        let watcher = Arc::downgrade(&inner);
        thread::Builder::new()
            .name("offhook-devices".to_owned())
            .spawn(move || look(&*backend, &watcher))
            .map_err(system)?;
        Ok(Self { inner })
    }

    /// The devices that there are.
    ///
    /// # Errors
    /// [`DeviceError::Closed`].
    pub async fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        self.ask(|engine| engine.devices().to_vec()).await
    }

    /// The device with this identity, else with this name, as of the last look, which is about a second ago at most.
    ///
    /// # Errors
    /// [`DeviceError::Unknown`] says which there are; [`DeviceError::None`].
    pub fn find(&self, kind: DeviceKind, wanted: &str) -> Result<DeviceInfo, DeviceError> {
        roles::find(&self.inner.found(), kind, wanted).cloned()
    }

    /// The device that is used for something; `None` if there is none.
    ///
    /// # Errors
    /// [`DeviceError::Closed`].
    pub async fn used(&self, role: Role) -> Result<Option<DeviceInfo>, DeviceError> {
        self.ask(move |engine| engine.used(role).cloned()).await
    }

    /// Chooses a device by its identity or its name, also in calls. `None`: the system's default, whichever that is (for the
    /// ringer: the speaker's device).
    ///
    /// # Errors
    /// [`DeviceError::Unknown`], [`DeviceError::None`], [`DeviceError::Closed`]; what was used before stays.
    pub async fn choose(&self, role: Role, device: Option<&str>) -> Result<(), DeviceError> {
        let device = device.map(str::to_owned);
        self.ask(move |engine| engine.choose(role, device.as_deref())).await?
    }

    /// As [`choose`](Self::choose); the outcome is handed to `then` on the devices' own thread: it must not block.
    pub fn choose_then(
        &self,
        role: Role,
        device: Option<&str>,
        then: impl FnOnce(Result<(), DeviceError>) + Send + 'static,
    ) {
        let device = device.map(str::to_owned);
        self.tell(move |engine| then(engine.choose(role, device.as_deref())));
    }

    /// What happens to the devices from now on.
    pub fn events(&self) -> DeviceEvents {
        DeviceEvents(self.inner.events.subscribe())
    }

    /// How loud it is: RMS, dBFS, −127 to 0, where a full-scale square wave is 0; rises at once and falls by 40 dB a second.
    /// A microphone is measured after the processing and its volume.
    #[must_use]
    pub fn level(&self, role: Role) -> f64 {
        let [microphone, speaker, ringer] = &self.inner.meters.0;
        match role {
            Role::Microphone => microphone.dbfs(),
            Role::Speaker => speaker.dbfs(),
            Role::Ringer => ringer.dbfs(),
        }
    }

    /// How loud it is played or sent, 0.0 (silence) to 1.0 (as it is, the default). A number outside is taken as the
    /// nearest inside. It is this program's own, not the system's.
    pub fn set_volume(&self, role: Role, volume: f32) {
        let volume = if volume.is_nan() { 1.0 } else { volume.clamp(0.0, 1.0) };
        self.tell(move |engine| engine.set_volume(role, volume));
    }

    /// Plugs a call in: give the source to [`crate::Peer::set_source`] and the sink to [`crate::Peer::set_sink`]. It is
    /// unplugged when both are dropped.
    ///
    /// # Errors
    /// [`DeviceError::Closed`].
    pub async fn attach(&self) -> Result<CallAudio, DeviceError> {
        self.ask(Engine::attach).await
    }

    /// As [`attach`](Self::attach), handed to `then` on the devices' own thread: it must not block.
    pub fn attach_then(&self, then: impl FnOnce(CallAudio) + Send + 'static) {
        self.tell(move |engine| then(engine.attach()));
    }

    /// Rings on the ringer's device; `None` stops it.
    pub fn ring(&self, sound: Option<Sound>) {
        self.tell(move |engine| engine.ring(sound.as_ref()));
    }

    /// Plays a tone on the speaker, besides the calls, instead of the one before; `None` stops it.
    pub fn tone(&self, sound: Option<Sound>) {
        self.tell(move |engine| engine.tone(sound.as_ref()));
    }

    /// Plays the tones of these keys on the speaker, one after the other, so that who presses them hears it: `0`–`9 * # A`–`D`;
    /// a comma is a pause of 2 s. At most 256 tones and pauses wait.
    pub fn keys(&self, keys: &str) {
        let sounds: Vec<Sound> = keys.chars().take(128).flat_map(Sound::key).collect();
        self.tell(move |engine| sounds.iter().for_each(|sound| engine.key(sound)));
    }

    /// Opens the microphone without a call, to look at its [`level`](Self::level).
    pub fn listen(&self, on: bool) {
        self.tell(move |engine| engine.listen(on));
    }

    fn tell(&self, command: impl FnOnce(&mut Engine) + Send + 'static) {
        // A closed engine takes no commands.
        let _ = self.inner.commands.send(Box::new(command));
    }

    async fn ask<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Result<T, DeviceError> {
        let (reply, result) = oneshot::channel();
        self.tell(move |engine| {
            let _ = reply.send(command(engine));
        });
        result.await.map_err(|_| DeviceError::Closed)
    }
}

/// Asks for the devices until the last handle is gone.
fn look(backend: &dyn Backend, inner: &Weak<Inner>) {
    loop {
        thread::sleep(LOOK);
        if inner.strong_count() == 0 {
            return;
        }
        let found = match backend.list() {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "devices");
                continue;
            }
        };
        let Some(inner) = inner.upgrade() else { return };
        inner.found().clone_from(&found);
        let _ = inner.commands.send(Box::new(move |engine| engine.found(found)));
    }
}

/// Keeps the engine's time.
struct Clock {
    engine: Engine,
    commands: Receiver<Command>,
    events: broadcast::Sender<DeviceEvent>,
    closed: Arc<AtomicBool>,
}

impl Clock {
    fn run(&mut self) {
        let mut due = Instant::now();
        while !self.closed.load(Ordering::Relaxed) {
            let now = Instant::now();
            if now.saturating_duration_since(due) > LATE {
                due = now;
            }
            let wait = if self.engine.is_idle() { LOOK } else { due.saturating_duration_since(now) };
            match self.commands.recv_timeout(wait) {
                Ok(command) => {
                    let was_idle = self.engine.is_idle();
                    command(&mut self.engine);
                    self.tell();
                    if was_idle {
                        due = Instant::now();
                    }
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.engine.tick();
            self.tell();
            due += FRAME_TIME;
        }
    }

    fn tell(&mut self) {
        for event in self.engine.take_events() {
            // Nobody may be listening.
            let _ = self.events.send(event);
        }
    }
}
