//! Devices that are not there: for tests, and for machines without sound.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::backend::{Alarm, Backend, DeviceError, DeviceInfo, DeviceKind, InputPort, OutputPort, Stream};

/// What a virtual microphone hears at most before it is heard, samples.
const MAX_HEARD: usize = 60 * 48_000;

/// Devices in memory, which come, go, fail and drift as they are told. Time passes for them only in [`step`](Self::step).
#[derive(Debug, Clone, Default)]
pub struct VirtualBackend(Arc<Mutex<Vec<Arc<Device>>>>);

/// One of them: a handle.
#[derive(Debug, Clone)]
pub struct VirtualDevice(Arc<Device>);

struct Device {
    info: Mutex<DeviceInfo>,
    rate: u32,
    period: usize,
    state: Mutex<State>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("info", &self.info).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    ppm: f64,
    stalled: bool,
    refuses: bool,
    /// Samples that its clock owes.
    owed: f64,
    port: Option<(Weak<()>, Port)>,
    /// A microphone: what it is about to hear. A loudspeaker: what was played.
    sound: VecDeque<i16>,
}

enum Port {
    Input(InputPort),
    Output(OutputPort),
}

impl Port {
    fn alarm(&self) -> Alarm {
        match self {
            Self::Input(port) => port.alarm(),
            Self::Output(port) => port.alarm(),
        }
    }
}

impl VirtualBackend {
    /// Without devices.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plugs a device in: 48 kHz, callbacks of 10 ms. The first of its kind is the default.
    pub fn plug(&self, kind: DeviceKind, name: &str) -> VirtualDevice {
        self.plug_with(kind, name, 48_000, 480)
    }

    /// As [`plug`](Self::plug), with a rate, Hz, and samples a callback.
    pub fn plug_with(&self, kind: DeviceKind, name: &str, rate: u32, period: usize) -> VirtualDevice {
        let mut devices = lock(&self.0);
        let is_default = !devices.iter().any(|one| lock(&one.info).kind == kind);
        let info = DeviceInfo { id: format!("virtual:{name}"), name: name.to_owned(), kind, is_default };
        let device = Arc::new(Device { info: Mutex::new(info), rate, period: period.max(1), state: Mutex::default() });
        devices.push(Arc::clone(&device));
        VirtualDevice(device)
    }

    /// Plugs it in again.
    pub fn replug(&self, device: &VirtualDevice) {
        lock(&self.0).push(Arc::clone(&device.0));
    }

    /// Pulls it out: a stream on it ends.
    pub fn unplug(&self, device: &VirtualDevice) {
        lock(&self.0).retain(|one| !Arc::ptr_eq(one, &device.0));
        if let Some((_, port)) = lock(&device.0.state).port.take() {
            port.alarm().raise();
        }
        let mut info = lock(&device.0.info);
        info.is_default = false;
    }

    /// Makes it the system's default of its kind.
    pub fn set_default(&self, device: &VirtualDevice) {
        let kind = lock(&device.0.info).kind;
        for one in lock(&self.0).iter() {
            let mut info = lock(&one.info);
            info.is_default = info.is_default && info.kind != kind;
        }
        lock(&device.0.info).is_default = true;
    }

    /// So much time passes, ms, for all devices.
    pub fn step(&self, ms: f64) {
        let devices = lock(&self.0).clone();
        for device in devices {
            device.step(ms);
        }
    }

    fn find(&self, info: &DeviceInfo) -> Result<Arc<Device>, DeviceError> {
        let unavailable = |reason: &str| DeviceError::Unavailable { device: info.name.clone(), reason: reason.into() };
        let devices = lock(&self.0);
        let found = devices.iter().find(|one| {
            let known = lock(&one.info);
            known.id == info.id && known.kind == info.kind
        });
        let device = found.ok_or_else(|| unavailable("it is not there"))?;
        if lock(&device.state).refuses { Err(unavailable("it is busy")) } else { Ok(Arc::clone(device)) }
    }

    fn open(&self, info: &DeviceInfo, port: &mut dyn FnMut(u32) -> Port) -> Result<Stream, DeviceError> {
        let device = self.find(info)?;
        let guard = Arc::new(());
        let port = port(device.rate);
        let mut state = lock(&device.state);
        state.owed = 0.0;
        state.port = Some((Arc::downgrade(&guard), port));
        drop(state);
        Ok(Stream::new(guard))
    }
}

impl Backend for VirtualBackend {
    fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        Ok(lock(&self.0).iter().map(|one| lock(&one.info).clone()).collect())
    }

    fn open_input(&self, device: &DeviceInfo, make: &mut dyn FnMut(u32) -> InputPort) -> Result<Stream, DeviceError> {
        self.open(device, &mut |rate| Port::Input(make(rate)))
    }

    fn open_output(&self, device: &DeviceInfo, make: &mut dyn FnMut(u32) -> OutputPort) -> Result<Stream, DeviceError> {
        self.open(device, &mut |rate| Port::Output(make(rate)))
    }
}

impl VirtualDevice {
    /// Its clock runs fast by so many parts per million.
    pub fn set_drift(&self, ppm: f64) {
        lock(&self.0.state).ppm = ppm;
    }

    /// It gives nothing any more, without a word; or again.
    pub fn stall(&self, stalled: bool) {
        lock(&self.0.state).stalled = stalled;
    }

    /// It cannot be opened; or again.
    pub fn refuse(&self, refuses: bool) {
        lock(&self.0.state).refuses = refuses;
    }

    /// Whether a stream is open on it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        lock(&self.0.state).port.as_ref().is_some_and(|(guard, _)| guard.strong_count() > 0)
    }

    /// A microphone is about to hear this, at its own rate, after what it was about to hear already; at most a minute.
    pub fn speak(&self, samples: &[i16]) {
        let mut state = lock(&self.0.state);
        let room = MAX_HEARD.saturating_sub(state.sound.len());
        state.sound.extend(samples.iter().take(room));
    }

    /// What a loudspeaker played since the last time, at its own rate; at most a minute.
    #[must_use]
    pub fn played(&self) -> Vec<i16> {
        lock(&self.0.state).sound.drain(..).collect()
    }
}

impl Device {
    fn step(&self, ms: f64) {
        let mut state = lock(&self.state);
        let State { ppm, stalled, owed, port, sound, .. } = &mut *state;
        let Some((_, port)) = port.as_mut().filter(|(guard, _)| guard.strong_count() > 0 && !*stalled) else {
            *owed = 0.0;
            return;
        };
        *owed += f64::from(self.rate) * ms / 1_000.0 * (1.0 + *ppm / 1e6);
        while *owed >= self.period as f64 {
            *owed -= self.period as f64;
            match port {
                Port::Input(port) => port.write((0..self.period).map(|_| sound.pop_front().unwrap_or(0))),
                Port::Output(port) => {
                    port.read(self.period, |sample| {
                        if sound.len() == MAX_HEARD {
                            sound.pop_front();
                        }
                        sound.push_back(sample);
                    });
                }
            }
        }
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    // The state is consistent at every step.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
