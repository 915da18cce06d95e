//! Devices whose clocks are not ours.

use super::*;

/// Ten minutes, in which nothing runs dry or piles up.
fn ten_minutes(ppm: f64, rate: u32, period: usize) {
    let mut bench = Bench::new(ProcessingConfig::none());
    let microphone = bench.backend.plug_with(DeviceKind::Input, "microphone", rate, period);
    let speaker = bench.backend.plug_with(DeviceKind::Output, "speaker", rate, period);
    microphone.set_drift(ppm);
    speaker.set_drift(ppm);
    let _ = bench.look();
    bench.call();
    bench.run(5_000);
    let dry = |bench: &Bench, kind| bench.engine.queue(kind).unwrap().1;
    let before = [dry(&bench, DeviceKind::Input), dry(&bench, DeviceKind::Output)];
    let period_ms = period as f64 * 1_000.0 / f64::from(rate);
    let bound = 2.0 * period_ms + 40.0;
    let mut most = [0.0_f64; 2];
    for _ in 0..600 {
        microphone.speak(&tone(400.0, rate, 1_001));
        bench.says(&tone(700.0, RATE, 1_000));
        for _ in 0..100 {
            bench.run(10);
            for (most, kind) in most.iter_mut().zip([DeviceKind::Input, DeviceKind::Output]) {
                *most = most.max(bench.engine.queue(kind).unwrap().0);
            }
        }
        let _ = (bench.hears(), speaker.played());
    }
    println!("{ppm:+} ppm, {rate} Hz, {period_ms:.1} ms a callback: at most {most:.1?} ms wait");
    assert_eq!([dry(&bench, DeviceKind::Input), dry(&bench, DeviceKind::Output)], before, "ran dry");
    assert!(most.iter().all(|most| *most < bound), "{most:?} ms wait, {bound} are allowed");
}

#[test]
fn a_fast_device_is_followed_for_ten_minutes() {
    ten_minutes(200.0, 48_000, 480);
}

#[test]
fn a_slow_device_at_another_rate_is_followed_for_ten_minutes() {
    ten_minutes(-200.0, 44_100, 1_024);
}

#[test]
fn what_is_followed_stays_whole() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let microphone = bench.backend.plug(DeviceKind::Input, "microphone");
    let speaker = bench.backend.plug(DeviceKind::Output, "speaker");
    microphone.set_drift(200.0);
    speaker.set_drift(-200.0);
    let _ = bench.look();
    bench.call();
    bench.run(40_000);
    let _ = (bench.hears(), speaker.played());
    microphone.speak(&tone(400.0, RATE, 2_100));
    bench.says(&tone(700.0, RATE, 2_100));
    bench.run(2_000);
    // Off by the 200 ppm at most, and without a gap: a click would spread.
    let (heard, played) = (bench.hears(), speaker.played());
    let inner = |all: &[i16]| all[20_000..60_000].to_vec();
    let (heard, played) = (share(&inner(&heard), 400.0, RATE), share(&inner(&played), 700.0, RATE));
    assert!(heard > 0.98, "of the microphone's tone: {heard}");
    assert!(played > 0.98, "of the far end's tone: {played}");
}

#[test]
fn a_device_that_bursts_is_caught_up_with() {
    let mut bench = Bench::new(ProcessingConfig::none());
    let microphone = bench.backend.plug(DeviceKind::Input, "microphone");
    let _ = bench.look();
    bench.call();
    bench.run(1_000);
    microphone.speak(&tone(400.0, RATE, 2_000));
    // The engine's thread was not run for 400 ms.
    bench.backend.step(400.0);
    bench.run(20);
    let waiting = bench.engine.queue(DeviceKind::Input).unwrap().0;
    assert!(waiting < 60.0, "{waiting} ms wait");
}
