//! A device's callback runs on a thread that the system wants back at once: it allocates nothing.

use std::alloc::System;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use offhook_media::ToneSpec;
use offhook_media::devices::{
    AudioDevices, Backend, DeviceError, DeviceInfo, DeviceKind, InputPort, OutputPort, ProcessingConfig, Role, Sound,
    Stream,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One callback: 10 ms at 48 kHz.
const PERIOD: usize = 480;

/// A microphone and a loudspeaker whose callbacks are the test's.
#[derive(Clone, Default)]
struct Ports(Arc<Mutex<(Option<InputPort>, Option<OutputPort>)>>);

impl Ports {
    /// Those of a microphone and a loudspeaker, once they are open.
    fn both(&self) -> Option<(InputPort, OutputPort)> {
        let mut ports = self.0.lock().unwrap();
        let (Some(_), Some(_)) = &*ports else { return None };
        ports.0.take().zip(ports.1.take())
    }
}

impl Backend for Ports {
    fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        let device = |kind| DeviceInfo { id: format!("{kind}"), name: format!("{kind}"), kind, is_default: true };
        Ok(vec![device(DeviceKind::Input), device(DeviceKind::Output)])
    }

    fn open_input(&self, _: &DeviceInfo, make: &mut dyn FnMut(u32) -> InputPort) -> Result<Stream, DeviceError> {
        self.0.lock().unwrap().0 = Some(make(48_000));
        Ok(Stream::new(()))
    }

    fn open_output(&self, _: &DeviceInfo, make: &mut dyn FnMut(u32) -> OutputPort) -> Result<Stream, DeviceError> {
        self.0.lock().unwrap().1 = Some(make(48_000));
        Ok(Stream::new(()))
    }
}

#[tokio::test]
async fn a_callback_allocates_nothing_not_even_when_it_is_called_too_seldom_or_too_often() {
    let ports = Ports::default();
    let devices = AudioDevices::with(Arc::new(ports.clone()), ProcessingConfig::default()).expect("devices");
    let call = devices.attach().await.expect("open");
    devices.tone(Some(Sound::endless(ToneSpec::ringback())));
    let begun = Instant::now();
    let (mut microphone, mut speaker) = loop {
        if let Some(both) = ports.both() {
            break both;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "they are opened");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    // Something to play; then nothing else runs that could allocate.
    while devices.level(Role::Speaker) < -60.0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "there is a tone");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop((call, devices));
    // Both threads have hold of the backend until their end.
    while Arc::strong_count(&ports.0) > 1 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the threads end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut played = [0i16; PERIOD];
    let mut loudest = 0;
    let region = Region::new(ALLOCATOR);
    // First what was queued, and then far more than there is and than fits.
    for _ in 0..1_000 {
        microphone.write((0..PERIOD).map(|n| n as i16));
        let mut at = played.iter_mut();
        speaker.read(PERIOD, |sample| {
            loudest = loudest.max(sample.unsigned_abs());
            if let Some(slot) = at.next() {
                *slot = sample;
            }
        });
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations, change.deallocations), (0, 0, 0), "{change:?}");
    assert!(loudest > 500, "the tone was played: {loudest}");
    assert_eq!(played, [0; PERIOD], "then silence");
}
