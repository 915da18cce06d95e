//! Makes the outcome of what the run left behind.

use offhook::{CallState, CommunicationType, PhoneEvent, SessionEvent};

use super::analysis::{Search, Verdict, compare};
use super::clips::speech_1000;
use super::contract::{self, Expected, Hold, Recorded};
use super::outcome::{Check, DemoOutcome, DirectionResult, PhoneTrack, QualityPoint, StateSpan};
use super::script::{NUMBERS, Security, Stage, TONES, UNHEARD_MS};
use crate::audio::Pcm;
use crate::exit::Failure;

/// What is louder than this is heard, dBFS.
const AUDIBLE_DBFS: f64 = -50.0;
/// At least this share of the hold must be filled with music.
const MUSIC_SHARE: f64 = 0.6;
/// Around the change to hold and back, neither speech nor music is sure, ms.
const CHANGE_MS: f64 = 350.0;

/// The outcome, from everything the phones told and heard. `fatal` is what broke the run off.
pub(super) fn judge(stage: Stage, end_ms: u64, fatal: Option<&Failure>) -> DemoOutcome {
    let logs: Vec<Vec<Recorded>> = stage.logs.iter().map(super::diary::PhoneLog::list).collect();
    let held = stage.held;
    let tracks: Vec<(Pcm, Pcm)> = stage.tracks.into_iter().map(super::track::Tracks::finish).collect();
    let mut outcome = DemoOutcome {
        duration_ms: end_ms,
        transport: transport(&stage.security),
        phones: logs.iter().zip(NUMBERS).map(|(log, number)| states(number, log, end_ms)).collect(),
        ..DemoOutcome::default()
    };
    if let [first, second] = &tracks[..] {
        for (from, to, speaker, listener) in [(0, 1, first, second), (1, 0, second, first)] {
            let mut direction = direction(from, to, speaker, listener, held);
            if let Some(log) = logs.get(to) {
                quality(&mut direction, log);
            }
            outcome.directions.push(direction);
        }
    }
    if let Some(fatal) = fatal {
        // Everything after it is a consequence of it.
        outcome.failures.push(fatal.to_string());
        return outcome;
    }
    outcome.checks.extend(outcome.directions.iter().map(speech));
    if let ([(_, heard_by_first), (_, heard_by_second)], Some(held)) = (&tracks[..], held) {
        outcome.checks.push(music(heard_by_second, held));
        outcome.checks.push(silence(heard_by_first, held));
    }
    outcome.checks.push(encrypted(&stage.security));
    for (index, log) in logs.iter().enumerate() {
        outcome.checks.extend(contract::check(&expected(index, held), log));
    }
    outcome.failures = failures(&outcome);
    outcome.ok = outcome.failures.is_empty();
    outcome
}

fn failures(outcome: &DemoOutcome) -> Vec<String> {
    let mut list: Vec<String> = outcome.directions.iter().flat_map(DirectionResult::failures).collect();
    if outcome.directions.len() < 2 {
        list.push("the call was not recorded on both sides".to_owned());
    }
    // What is wrong with the speech is listed already, in its own words.
    let speech = outcome.directions.len();
    for check in outcome.checks.iter().skip(speech).filter(|check| !check.ok) {
        list.push(format!("{}: {}", check.name, check.detail));
    }
    list
}

/// Compares one direction. What is said on hold is not meant to be heard, and is left out.
fn direction(
    from: usize,
    to: usize,
    speaker: &(Pcm, Pcm),
    listener: &(Pcm, Pcm),
    held: Option<(u64, u64)>,
) -> DirectionResult {
    let without_hold = |pcm: &Pcm| match held {
        Some((start, end)) => silenced(pcm, start as f64, end as f64),
        None => pcm.clone(),
    };
    let (said, heard) = (&speaker.0, &listener.1);
    let found = compare(&without_hold(said), heard, &Search::default());
    let leakage = compare(&without_hold(&listener.0), heard, &Search::default()).correlation;
    let name = |index: usize| NUMBERS.get(index).copied().unwrap_or_default();
    DirectionResult::new(name(from), name(to), said.clone(), heard.clone(), &found, leakage)
}

fn silenced(pcm: &Pcm, from_ms: f64, to_ms: f64) -> Pcm {
    let index = |ms: f64| (ms * f64::from(pcm.rate()) / 1_000.0) as usize;
    let mut samples = pcm.samples().to_vec();
    let end = index(to_ms).min(samples.len());
    if let Some(part) = samples.get_mut(index(from_ms).min(end)..end) {
        part.fill(0.0);
    }
    Pcm::new(pcm.rate(), samples)
}

/// The figures out of the listener's reports.
fn quality(direction: &mut DirectionResult, log: &[Recorded]) {
    let reports = log.iter().filter_map(|recorded| match &recorded.event {
        PhoneEvent::Session(SessionEvent::CallReport { call_report, .. }) => Some((recorded.at_ms, &call_report.stats)),
        _ => None,
    });
    for (at_ms, stats) in reports {
        // The first report is made before the first packet.
        let Some(mos) = stats.mos else { continue };
        let rtt_ms = stats.rtt_ms.unwrap_or(direction.rtt_ms);
        direction.quality.push(QualityPoint { at_ms, loss: stats.loss, jitter_ms: stats.jitter_ms, mos, rtt_ms });
        direction.loss = stats.loss;
        direction.mos = mos;
        direction.rtt_ms = rtt_ms;
        direction.codec.clone_from(&stats.codec);
    }
    let count = direction.quality.len().max(1) as f64;
    direction.jitter_ms = direction.quality.iter().map(|q| q.jitter_ms).sum::<f64>() / count;
}

fn speech(direction: &DirectionResult) -> Check {
    let wrong = direction.failures();
    Check {
        name: format!("{} hears what {} says", direction.to, direction.from),
        ok: wrong.is_empty(),
        detail: if wrong.is_empty() {
            format!(
                "correlation {:.3}, {:.0} ms later, {:+.1} dB; own voice {:.2}",
                direction.correlation, direction.delay_ms, direction.level_db, direction.leakage
            )
        } else {
            wrong.join("; ")
        },
    }
}

/// The part of a recording that is surely on hold.
fn on_hold(heard: &Pcm, (from, to): (u64, u64)) -> Pcm {
    heard.part(from as f64 + CHANGE_MS, to as f64)
}

/// Who is held hears music, and not what the holder goes on saying.
fn music(heard: &Pcm, held: (u64, u64)) -> Check {
    let part = on_hold(heard, held);
    let share = part.active_share(AUDIBLE_DBFS);
    let unheard = speech_1000().part(UNHEARD_MS.0, UNHEARD_MS.1);
    let speech = compare(&unheard, &part, &Search::anywhere(&part)).verdict == Verdict::Heard;
    Check {
        name: format!("{} hears music while it is held", NUMBERS[1]),
        ok: share >= MUSIC_SHARE && !speech,
        detail: format!(
            "sound in {:.0} % of {:.1} s, {:.0} dBFS; {}",
            share * 100.0,
            part.duration_ms() / 1_000.0,
            part.level_dbfs(),
            if speech { "it is the speech of the holder" } else { "the holder talks and is not heard" }
        ),
    }
}

/// Who holds hears nothing of the other side.
fn silence(heard: &Pcm, held: (u64, u64)) -> Check {
    let part = on_hold(heard, held);
    let share = part.active_share(AUDIBLE_DBFS);
    Check {
        name: format!("{} hears nothing while it holds", NUMBERS[0]),
        // A recording that ends before the hold proves nothing.
        ok: share == 0.0 && !part.is_empty(),
        detail: format!("{} goes on talking; {:.0} dBFS arrive", NUMBERS[1], part.level_dbfs()),
    }
}

fn encrypted(security: &[Security]) -> Check {
    let ciphers: Vec<&str> = security.iter().filter_map(|s| s.cipher.as_deref()).collect();
    Check {
        name: "Speech is encrypted on both legs".to_owned(),
        ok: security.len() == 2 && security.iter().all(|s| s.connected),
        detail: if ciphers.is_empty() { "DTLS-SRTP".to_owned() } else { format!("DTLS-SRTP, {}", ciphers.join(", ")) },
    }
}

fn transport(security: &[Security]) -> String {
    let cipher = security.iter().find_map(|s| s.cipher.as_deref());
    let cipher = cipher.map(|c| format!(" ({c})")).unwrap_or_default();
    format!("SIP over a WebSocket with TLS, the certificate pinned; speech over DTLS-SRTP{cipher}.")
}

fn expected(index: usize, held: Option<(u64, u64)>) -> Expected {
    let other = 1 - index.min(1);
    let pick = |list: [&str; 2], index: usize| list.get(index).copied().unwrap_or_default().to_owned();
    Expected {
        phone: pick(NUMBERS, index),
        peer: pick(NUMBERS, other),
        side: if index == 0 { CommunicationType::Outbound } else { CommunicationType::Inbound },
        // The PBX answers for the held side and plays the music itself.
        hold: if index == 0 { Hold::Local } else { Hold::Unseen },
        hold_ms: held.map_or(0, |(from, to)| to - from),
        tones: pick(TONES, other),
    }
}

/// What a phone was doing when.
fn states(number: &str, log: &[Recorded], end_ms: u64) -> PhoneTrack {
    let mut states: Vec<StateSpan> = Vec::new();
    let mut enter = |at_ms: u64, state: &str| {
        if let Some(last) = states.last_mut() {
            if last.state == state {
                return;
            }
            last.to_ms = at_ms;
        }
        states.push(StateSpan { state: state.to_owned(), from_ms: at_ms, to_ms: end_ms });
    };
    for recorded in log {
        match &recorded.event {
            PhoneEvent::Registered => enter(recorded.at_ms, "registered"),
            PhoneEvent::Incoming { .. } => enter(recorded.at_ms, "ringing"),
            PhoneEvent::StartSession { .. } if number == NUMBERS[0] => enter(recorded.at_ms, "calling"),
            PhoneEvent::Session(SessionEvent::StatusChange { new_status: status, .. }) => {
                let state = match status.call_status {
                    CallState::Calling => "calling",
                    CallState::Ringing => "ringing",
                    CallState::Connecting if status.is_ring => "ringing",
                    CallState::Connecting => "connecting",
                    CallState::Talking if status.is_hold => "on hold",
                    CallState::Talking if status.is_remote_hold => "held",
                    CallState::Talking => "talking",
                };
                enter(recorded.at_ms, state);
            }
            PhoneEvent::DeleteSession { .. } => enter(recorded.at_ms, "registered"),
            _ => {}
        }
    }
    PhoneTrack { phone: number.to_owned(), states }
}

#[cfg(test)]
mod tests;
