//! Timers and quality reports.

use offhook::events::SessionEvent;
use offhook::{CommunicationType, PhoneEvent, Report, TimerType};

use super::{Expected, Finding, Hold, Recorded, at, talked};

/// How far a duration in whole seconds may be from the clock: rounding and a busy machine.
const SLACK_S: f64 = 1.5;
/// Reports come this often, ms.
const REPORT_MS: u64 = 3_000;

/// The durations of the timer against the times of the events.
pub(super) fn timers(expected: &Expected, log: &[Recorded]) -> Finding {
    let ticks: Vec<(u64, TimerType)> = log
        .iter()
        .filter_map(|recorded| match &recorded.event {
            PhoneEvent::Session(SessionEvent::UpdateTimer { timer, .. }) => Some((recorded.at_ms, *timer)),
            _ => None,
        })
        .collect();
    let (Some((from, to)), Some((last_at, last))) = (talked(log), ticks.last()) else {
        return Err("updateTimer never came, or the call was not answered".to_owned());
    };
    let begun = log.iter().find(|r| matches!(r.event, PhoneEvent::NewRtcSession { .. }));
    let begun = begun.map_or(from, |r| r.at_ms);
    let rang = at(log, |e| matches!(e, SessionEvent::Progress { .. })).unwrap_or(begun);
    let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1000.0;

    let all = seconds(begun, to);
    if (ticks.len() as f64 - all).abs() > 2.0 {
        return Err(format!("updateTimer came {} times in {all:.1} s", ticks.len()));
    }
    let near = |name: &str, told: u64, clock: f64| {
        if (told as f64 - clock).abs() <= SLACK_S {
            Ok(())
        } else {
            Err(format!("{name} says {told} s, the clock {clock:.1} s"))
        }
    };
    near("callDuration", last.call_duration, seconds(from, *last_at))?;
    near("ringDuration", last.ring_duration, seconds(rang, from))?;
    let calling = if expected.side == CommunicationType::Outbound { seconds(begun, from) } else { 0.0 };
    near("callingDuration", last.calling_duration, calling)?;
    near("holdDuration at the end", last.hold_duration, 0.0)?;
    let longest_hold = ticks.iter().map(|(_, t)| t.hold_duration).max().unwrap_or(0);
    let hold = if expected.hold == Hold::Local { expected.hold_ms as f64 / 1000.0 } else { 0.0 };
    // The last tick of the hold may be a second before its end.
    near("the longest holdDuration", longest_hold, (hold - 0.5).max(0.0))?;
    if ticks.windows(2).any(|w| matches!(w, [a, b] if a.1.call_duration > b.1.call_duration)) {
        return Err("callDuration went backwards".to_owned());
    }
    Ok(format!("{} ticks; call {} s, hold up to {longest_hold} s", ticks.len(), last.call_duration))
}

/// The reports: how often they come, and whether what they say can be true.
pub(super) fn reports(expected: &Expected, log: &[Recorded]) -> Finding {
    let reports: Vec<&Report> = log
        .iter()
        .filter_map(|recorded| match &recorded.event {
            PhoneEvent::Session(SessionEvent::CallReport { call_report, .. }) => Some(&**call_report),
            _ => None,
        })
        .collect();
    let (Some((from, to)), Some(last)) = (talked(log), reports.last()) else {
        return Err("callReport never came, or the call was not answered".to_owned());
    };
    let wanted = (to - from) / REPORT_MS + 1;
    if (reports.len() as u64).abs_diff(wanted) > 1 {
        return Err(format!("{} reports in {:.1} s, {wanted} wanted", reports.len(), (to - from) as f64 / 1000.0));
    }
    content(expected, last)?;
    for pair in reports.windows(2) {
        let [before, after] = pair else { continue };
        if after.stats.packets_received < before.stats.packets_received
            || after.stats.packets_sent < before.stats.packets_sent
        {
            return Err("a packet count went backwards".to_owned());
        }
    }
    // 50 packets a second, while there is speech or music: at least half of them.
    let fewest = (to - from) / 40;
    for (name, count) in [("received", last.stats.packets_received), ("sent", last.stats.packets_sent)] {
        if count < fewest {
            return Err(format!("only {count} packets {name}, at least {fewest} wanted"));
        }
    }
    Ok(format!(
        "{} reports; {} packets received, {} sent, MOS {:.2}",
        reports.len(),
        last.stats.packets_received,
        last.stats.packets_sent,
        last.stats.mos.unwrap_or(0.0)
    ))
}

/// The strings of the last report against its numbers.
fn content(expected: &Expected, report: &Report) -> Result<(), String> {
    let stats = &report.stats;
    let equal = |name: &str, told: &str, is: &str| {
        if told == is { Ok(()) } else { Err(format!("{name} is {told:?} instead of {is:?}")) }
    };
    equal("extension", &report.extension, &expected.phone)?;
    equal("iceResult", &report.ice_result, "local")?;
    equal("lksDeviceType", &report.lks_device_type, "desktop")?;
    equal("lksAudioRx", &report.lks_audio_rx, &stats.packets_received.to_string())?;
    equal("lksAudioTx", &report.lks_audio_tx, &stats.packets_sent.to_string())?;
    equal("lksAudioRxLost", &report.lks_audio_rx_lost, &lost(stats.loss))?;
    equal("lksVideoRx", &report.lks_video_rx, "0")?;
    if report.lks_audio_codec == "0" || report.lks_audio_codec.is_empty() {
        return Err("lksAudioCodec is empty".to_owned());
    }
    let date = report.lks_date.as_bytes();
    if date.len() != 19 || report.lks_timestamp.parse::<u64>().is_err() {
        return Err(format!("lksDate is {:?}, lksTimestamp {:?}", report.lks_date, report.lks_timestamp));
    }
    if report.lks_duration.parse::<u64>().is_ok_and(|s| s > 0) {
        Ok(())
    } else {
        Err(format!("lksDuration is {:?}", report.lks_duration))
    }
}

/// A share with 6 decimals; `0` where nothing is lost.
fn lost(share: f64) -> String {
    format!("{share:.6}")
}
