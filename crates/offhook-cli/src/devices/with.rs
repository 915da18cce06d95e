//! A build with devices.

use std::time::Duration;

use offhook::devices::{
    AudioDevices, DeviceError, DeviceEvent, DeviceEvents, DeviceInfo, DeviceKind, ProcessingConfig, Role, Sound,
};
use offhook::{Init, PhoneBuilder, ToneSpec};
use serde_json::json;
use tokio::time::Instant;

use crate::args::{DevicesArgs, SoundArgs};
use crate::exit::{Failure, Reason};
use crate::output::Output;

/// How often a meter is read.
const METER: Duration = Duration::from_millis(200);
/// A device that could not be opened is told of within this time.
const OPENED: Duration = Duration::from_millis(300);
/// The test tone, ms.
const TONE_MS: u32 = 1_000;

/// The devices of a call, or none.
pub(crate) struct Chosen(Option<AudioDevices>);

impl Chosen {
    /// Opens what is asked for, and says on standard error what happens to it from then on.
    pub(crate) async fn open(args: &SoundArgs) -> Result<Self, Failure> {
        if !args.devices {
            return Ok(Self(None));
        }
        let devices = AudioDevices::open(ProcessingConfig::default()).map_err(|error| failure(&error))?;
        let choices =
            [(Role::Microphone, &args.microphone), (Role::Speaker, &args.speaker), (Role::Ringer, &args.ring_on)];
        for (role, choice) in choices {
            if let Some(name) = choice {
                devices.choose(role, Some(name)).await.map_err(|error| failure(&error))?;
            }
        }
        let mut events = devices.events();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let Some(text) = text(&event) {
                    eprintln!("offhook: {text}");
                }
            }
        });
        Ok(Self(Some(devices)))
    }

    /// For a phone that has nothing to do with devices.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Whether there is a microphone that could be silent.
    pub(crate) fn are_used(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn for_phone(self, builder: PhoneBuilder) -> PhoneBuilder {
        match self.0 {
            Some(devices) => builder.devices(devices),
            None => builder,
        }
    }

    pub(crate) fn for_pbx(self, init: Init) -> Init {
        match self.0 {
            Some(devices) => init.devices(devices),
            None => init,
        }
    }
}

/// What a user is to know.
fn text(event: &DeviceEvent) -> Option<String> {
    let name = |device: &Option<DeviceInfo>| device.as_ref().map_or("nothing".to_owned(), |one| one.name.clone());
    let what = |role: &Role| match role {
        Role::Microphone => "the microphone",
        Role::Speaker => "the loudspeaker",
        _ => "the bell",
    };
    match event {
        DeviceEvent::Lost { role, device, fallback, reason } => {
            Some(format!("{} {} is lost ({reason}): going on with {}", what(role), device.name, name(fallback)))
        }
        DeviceEvent::Switched { role, device } => Some(format!("{} is now {}", what(role), name(device))),
        _ => None,
    }
}

/// Lists the devices and tries them.
pub(crate) async fn run(args: DevicesArgs) -> Result<(), Failure> {
    let output = Output::new(args.json);
    let devices = AudioDevices::open(ProcessingConfig::none()).map_err(|error| failure(&error))?;
    let mut events = devices.events();
    if !args.tone && args.meter.is_none() {
        return list(&devices, output).await;
    }
    if args.tone {
        let device = choose(&devices, Role::Speaker, args.speaker.as_deref()).await?;
        let started = json!({ "event": "tone", "device": device.name });
        output.tell(&started, || format!("a tone on {}", device.name));
        devices.tone(Some(Sound::lasting(ToneSpec::new(440.0), TONE_MS)));
        survives(&mut events, Duration::from_millis(TONE_MS.into()) + OPENED).await?;
    }
    if let Some(time) = args.meter {
        let device = choose(&devices, Role::Microphone, args.microphone.as_deref()).await?;
        output.tell(&json!({ "event": "meter", "device": device.name }), || format!("listening to {}", device.name));
        devices.listen(true);
        meter(&devices, &mut events, output, time).await?;
    }
    Ok(())
}

async fn list(devices: &AudioDevices, output: Output) -> Result<(), Failure> {
    let found = devices.list().await.map_err(|error| failure(&error))?;
    for kind in [DeviceKind::Input, DeviceKind::Output] {
        let name = match kind {
            DeviceKind::Input => "microphone",
            DeviceKind::Output => "speaker",
        };
        for one in found.iter().filter(|one| one.kind == kind) {
            let line = json!({ "kind": name, "name": one.name, "id": one.id, "default": one.is_default });
            let mark = if one.is_default { "*" } else { " " };
            output.tell(&line, || format!("{mark} {name:<10}  {}  [{}]", one.name, one.id));
        }
    }
    if found.is_empty() {
        return Err(Failure::new(Reason::Media, DeviceError::None(DeviceKind::Output).to_string()));
    }
    Ok(())
}

async fn choose(devices: &AudioDevices, role: Role, name: Option<&str>) -> Result<DeviceInfo, Failure> {
    if name.is_some() {
        devices.choose(role, name).await.map_err(|error| failure(&error))?;
    }
    let used = devices.used(role).await.map_err(|error| failure(&error))?;
    used.ok_or_else(|| failure(&DeviceError::None(role.kind())))
}

async fn meter(
    devices: &AudioDevices,
    events: &mut DeviceEvents,
    output: Output,
    time: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        survives(events, METER.min(end.saturating_duration_since(Instant::now()))).await?;
        let level = devices.level(Role::Microphone);
        // From −60 dBFS on, a mark for each 2 dB.
        let marks = ((level + 60.0) / 2.0).clamp(0.0, 30.0) as usize;
        output.tell(&json!({ "event": "level", "dbfs": level }), || {
            format!("{level:>7.1} dBFS  {:<30}|", "#".repeat(marks))
        });
    }
    Ok(())
}

/// Waits so long, unless a device is lost.
async fn survives(events: &mut DeviceEvents, time: Duration) -> Result<(), Failure> {
    let lost = async {
        while let Some(event) = events.recv().await {
            if matches!(event, DeviceEvent::Lost { .. })
                && let Some(text) = text(&event)
            {
                return text;
            }
        }
        std::future::pending().await
    };
    match tokio::time::timeout(time, lost).await {
        Ok(text) => Err(Failure::new(Reason::Media, text)),
        Err(_) => Ok(()),
    }
}

fn failure(error: &DeviceError) -> Failure {
    let reason = match error {
        DeviceError::Unknown { .. } => Reason::Usage,
        _ => Reason::Media,
    };
    Failure::new(reason, error.to_string())
}
