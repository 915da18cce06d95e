//! Every 10 ms: mixes what is to be heard, plays it, takes what the microphone hears, cleans it, and hands it to the calls.
//!
//! Knows no clock: whoever calls [`Engine::tick`] does, so that tests run in virtual time.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

#[cfg(test)]
use super::backend::DeviceKind;
use super::backend::{Backend, DeviceError, DeviceInfo, Health, Stream};
use super::line::{LineSink, LineSource, MOST, START};
use super::meter::Meter;
use super::processing::{Processing, ProcessingConfig};
use super::ring::{Reader, Writer, ring};
use super::roles::{DeviceEvent, Role, Roles};
use super::stream::{Capture, Playback, input_port, output_port};
use super::{CallAudio, FRAME, Sound};
use crate::audio::{AudioSource, Tone};

/// Devices that gave nothing are tried again after so many frames, if there is no other: 2 s.
const RETRY: u32 = 200;
/// Key tones that may wait.
const MAX_KEYS: usize = 256;

/// What the handles see of an engine.
#[derive(Debug, Clone, Default)]
pub(super) struct Meters(pub(super) [Meter; 3]);

impl Meters {
    fn of(&self, role: Role) -> &Meter {
        let [microphone, speaker, ringer] = &self.0;
        match role {
            Role::Microphone => microphone,
            Role::Speaker => speaker,
            Role::Ringer => ringer,
        }
    }
}

/// A call that is plugged in. Its ends in the call are gone when the call is.
struct Line {
    from_call: Reader,
    to_call: Writer,
    filling: bool,
    /// Held by the call's source and by its sink.
    source: Weak<()>,
    sink: Weak<()>,
}

impl Line {
    /// The call takes what the microphone hears.
    fn takes(&self) -> bool {
        self.source.strong_count() > 0
    }

    /// The call gives something to be heard.
    fn gives(&self) -> bool {
        self.sink.strong_count() > 0
    }
}

/// Something that sounds.
struct Playing {
    tone: Tone,
    /// Frames left; `None`: until it is stopped.
    left: Option<u32>,
}

impl Playing {
    fn new(sound: &Sound) -> Self {
        Self { tone: Tone::new(sound.tone.clone()), left: sound.duration_ms.map(|ms| ms.div_ceil(10).max(1)) }
    }

    /// Adds 10 ms of it; whether there is more.
    fn add(&mut self, sums: &mut [i32; FRAME]) -> bool {
        let mut frame = [0; FRAME];
        self.tone.fill(super::RATE, &mut frame);
        add(sums, &frame);
        self.left = self.left.map(|left| left - 1);
        self.left != Some(0)
    }
}

pub(super) struct Engine {
    backend: Arc<dyn Backend>,
    roles: Roles,
    microphone: Option<Capture>,
    /// Speaker and, if it is on another device, ringer.
    speaker: Option<Playback>,
    ringer: Option<Playback>,
    processing: Processing,
    lines: Vec<Line>,
    tone: Option<Playing>,
    ringing: Option<Playing>,
    keys: VecDeque<Playing>,
    volumes: [f32; 3],
    /// Somebody looks at the microphone's meter without a call.
    listening: bool,
    pub(super) meters: Meters,
    events: Vec<DeviceEvent>,
    retry: u32,
}

impl Engine {
    pub(super) fn new(backend: Arc<dyn Backend>, processing: ProcessingConfig) -> Self {
        Self {
            backend,
            roles: Roles::default(),
            microphone: None,
            speaker: None,
            ringer: None,
            processing: Processing::new(processing),
            lines: Vec::new(),
            tone: None,
            ringing: None,
            keys: VecDeque::new(),
            volumes: [1.0; 3],
            listening: false,
            meters: Meters::default(),
            events: Vec::new(),
            retry: 0,
        }
    }

    // --- what is wanted ---

    pub(super) fn found(&mut self, devices: Vec<DeviceInfo>) {
        self.roles.found(devices, &mut self.events);
    }

    pub(super) fn choose(&mut self, role: Role, wanted: Option<&str>) -> Result<(), DeviceError> {
        self.roles.choose(role, wanted, &mut self.events)
    }

    pub(super) fn devices(&self) -> &[DeviceInfo] {
        self.roles.devices()
    }

    pub(super) fn used(&self, role: Role) -> Option<&DeviceInfo> {
        self.roles.used(role)
    }

    pub(super) fn attach(&mut self) -> CallAudio {
        let ((to_call, at_call), (from, from_call)) = (ring(2 * MOST), ring(2 * MOST));
        let guards = [Arc::new(()), Arc::new(())];
        let [takes, gives] = guards.each_ref().map(Arc::downgrade);
        self.lines.push(Line { from_call, to_call, filling: true, source: takes, sink: gives });
        let [takes, gives] = guards;
        let source = LineSource { ring: at_call, convert: None, ready: Vec::new(), filling: true };
        let sink = LineSink { ring: from, convert: None, converted: Vec::new() };
        CallAudio {
            source: AudioSource::Custom(Box::new(super::Held(source, takes))),
            sink: Box::new(super::Held(sink, gives)),
        }
    }

    /// `None` stops it.
    pub(super) fn ring(&mut self, sound: Option<&Sound>) {
        self.ringing = sound.map(Playing::new);
    }

    /// `None` stops it.
    pub(super) fn tone(&mut self, sound: Option<&Sound>) {
        self.tone = sound.map(Playing::new);
    }

    /// One after the other.
    pub(super) fn key(&mut self, sound: &Sound) {
        if self.keys.len() < MAX_KEYS {
            self.keys.push_back(Playing::new(sound));
        }
    }

    pub(super) fn set_volume(&mut self, role: Role, volume: f32) {
        if let Some(slot) = self.volumes.get_mut(role.index()) {
            *slot = volume;
        }
    }

    pub(super) fn listen(&mut self, on: bool) {
        self.listening = on;
    }

    /// Whether there is anything to do at all.
    pub(super) fn is_idle(&self) -> bool {
        let silent = self.tone.is_none() && self.ringing.is_none() && self.keys.is_empty();
        silent
            && !self.listening
            && self.lines.is_empty()
            && self.speaker.is_none()
            && self.ringer.is_none()
            && self.microphone.is_none()
    }

    pub(super) fn take_events(&mut self) -> Vec<DeviceEvent> {
        std::mem::take(&mut self.events)
    }

    fn is_talking(&self) -> bool {
        self.listening || self.lines.iter().any(Line::takes)
    }

    // --- every 10 ms ---

    pub(super) fn tick(&mut self) {
        self.lines.retain(|line| line.takes() || line.gives());
        self.open_and_close();
        let (calls, ring) = self.mix();
        let delay = self.speaker.as_ref().map_or(0.0, Playback::waiting_ms)
            + self.microphone.as_ref().map_or(0.0, Capture::waiting_ms);
        self.processing.played(&calls, delay);
        if let Some(speaker) = &mut self.speaker {
            speaker.push(&calls);
        }
        if let Some(ringer) = &mut self.ringer {
            ringer.push(&ring);
        }
        self.capture();
        self.watch();
    }

    /// What goes to the speaker, and what to the ringer where that is another device.
    fn mix(&mut self) -> ([i16; FRAME], [i16; FRAME]) {
        let (mut sums, mut rings) = ([0_i32; FRAME], [0_i32; FRAME]);
        for line in &mut self.lines {
            if line.from_call.len() > MOST {
                line.from_call.keep(START);
            }
            if line.filling && line.from_call.len() < START {
                continue;
            }
            let mut frame = [0; FRAME];
            line.filling = line.from_call.read(&mut frame) < FRAME;
            add(&mut sums, &frame);
        }
        self.tone.take_if(|playing| !playing.add(&mut sums));
        if let Some(playing) = self.keys.front_mut()
            && !playing.add(&mut sums)
        {
            self.keys.pop_front();
        }
        self.ringing.take_if(|playing| !playing.add(&mut rings));
        let [_, speaker, ringer] = self.volumes;
        let ring = scaled(&rings, ringer);
        self.meters.of(Role::Ringer).measure(&ring);
        let mut calls = scaled(&sums, speaker);
        if self.ringer.is_none() {
            for (sample, ring) in calls.iter_mut().zip(&ring) {
                *sample = sample.saturating_add(*ring);
            }
        }
        self.meters.of(Role::Speaker).measure(&calls);
        (calls, ring)
    }

    fn capture(&mut self) {
        let Some(microphone) = &mut self.microphone else {
            self.meters.of(Role::Microphone).silence();
            return;
        };
        let mut frame = [0; FRAME];
        microphone.pull(&mut frame);
        self.processing.heard(&mut frame);
        let [volume, ..] = self.volumes;
        if volume < 1.0 {
            frame = scaled(&frame.map(i32::from), volume);
        }
        self.meters.of(Role::Microphone).measure(&frame);
        for line in &mut self.lines {
            // A held call takes nothing: let nothing pile up for it beyond what it skips anyway.
            if line.to_call.len() < MOST + FRAME {
                line.to_call.write(frame.iter().copied());
            }
        }
    }

    // --- devices ---

    /// Opens what is needed and is not open, and closes what is not needed: a microphone is open only in a call.
    fn open_and_close(&mut self) {
        let hearing = self.is_talking();
        let sounding = self.lines.iter().any(Line::gives) || self.tone.is_some() || !self.keys.is_empty();
        let (speaker, ringer) = (self.roles.used(Role::Speaker), self.roles.used(Role::Ringer));
        let apart = speaker.map(|one| &one.id) != ringer.map(|one| &one.id);
        let ringing = self.ringing.is_some();
        let microphone = self.roles.used(Role::Microphone).filter(|_| hearing).cloned();
        let speaker = speaker.filter(|_| sounding || (ringing && !apart)).cloned();
        let ringer = ringer.filter(|_| ringing && apart).cloned();
        if self.microphone.as_ref().map(|open| &open.device.id) != microphone.as_ref().map(|one| &one.id) {
            self.microphone = None;
            self.microphone = microphone.and_then(|device| self.open_microphone(device));
        }
        let is = |open: &Option<Playback>| open.as_ref().map(|open| open.device.id.clone());
        if is(&self.speaker) != speaker.as_ref().map(|one| one.id.clone()) {
            self.speaker = None;
            self.speaker = speaker.and_then(|device| self.open_output(device));
        }
        if is(&self.ringer) != ringer.as_ref().map(|one| one.id.clone()) {
            self.ringer = None;
            self.ringer = ringer.and_then(|device| self.open_output(device));
        }
        self.retry_later();
    }

    fn open_microphone(&mut self, device: DeviceInfo) -> Option<Capture> {
        let backend = Arc::clone(&self.backend);
        self.open(device, input_port, |device, make| backend.open_input(device, make), Capture::new)
    }

    fn open_output(&mut self, device: DeviceInfo) -> Option<Playback> {
        let backend = Arc::clone(&self.backend);
        self.open(device, output_port, |device, make| backend.open_output(device, make), Playback::new)
    }

    /// Opens a device; one that cannot be is not tried again before long.
    fn open<Port, End, Opened>(
        &mut self,
        device: DeviceInfo,
        ports: impl Fn(u32) -> (Port, End, Arc<Health>),
        open: impl FnOnce(&DeviceInfo, &mut dyn FnMut(u32) -> Port) -> Result<Stream, DeviceError>,
        made: impl FnOnce(DeviceInfo, u32, (End, Arc<Health>), Stream) -> Option<Opened>,
    ) -> Option<Opened> {
        let mut end = None;
        let opened = open(&device, &mut |rate| {
            let (port, ring, health) = ports(rate);
            end = Some((rate, (ring, health)));
            port
        });
        let made = match (opened, end) {
            (Ok(stream), Some((rate, ends))) => {
                made(device.clone(), rate, ends, stream).ok_or_else(|| format!("it runs at {rate} Hz"))
            }
            (Ok(_), None) => Err("it did not start".to_owned()),
            (Err(error), _) => Err(error.to_string()),
        };
        made.map_err(|reason| self.roles.broke(&device, &reason, &mut self.events)).ok()
    }

    /// Notices what ended or stands still.
    fn watch(&mut self) {
        let heard = self.microphone.as_mut().and_then(|open| Some((open.trouble()?, open.device.clone())));
        let outputs = [&mut self.speaker, &mut self.ringer];
        let played = outputs.into_iter().flatten().filter_map(|open| Some((open.trouble()?, open.device.clone())));
        let troubles: Vec<_> = heard.into_iter().chain(played).collect();
        for (reason, device) in troubles {
            tracing::warn!(device = device.name, reason, "device lost");
            self.roles.broke(&device, reason, &mut self.events);
        }
    }

    fn retry_later(&mut self) {
        let lacking = Role::ALL.into_iter().any(|role| {
            self.roles.used(role).is_none() && self.roles.devices().iter().any(|one| one.kind == role.kind())
        });
        self.retry = if lacking { self.retry + 1 } else { 0 };
        if self.retry >= RETRY {
            self.retry = 0;
            self.roles.forgive(&mut self.events);
        }
    }

    /// For tests: what waits, ms, and how often the queue ran dry.
    #[cfg(test)]
    pub(super) fn queue(&self, kind: DeviceKind) -> Option<(f64, u64)> {
        match kind {
            DeviceKind::Input => self.microphone.as_ref().map(|open| (open.waiting_ms(), open.dry)),
            DeviceKind::Output => self.speaker.as_ref().map(|open| (open.waiting_ms(), open.dry)),
        }
    }
}

fn add(sums: &mut [i32; FRAME], frame: &[i16; FRAME]) {
    for (sum, sample) in sums.iter_mut().zip(frame) {
        *sum += i32::from(*sample);
    }
}

fn scaled(sums: &[i32; FRAME], volume: f32) -> [i16; FRAME] {
    sums.map(|sum| (sum as f32 * volume) as i16)
}
