use std::path::PathBuf;

use super::super::analysis::{Search, compare};
use super::super::clips::{speech_1000, speech_1001};
use super::super::outcome::{Check, DirectionResult, Flow, PhoneTrack, QualityPoint, StateSpan, TimedEvent};
use super::*;
use crate::audio::Pcm;

const TOTAL_MS: f64 = 21_400.0;

/// A made-up call: 9 s of speech both ways, a hold of 3 s, 4 s of speech, tones.
fn outcome(broken: bool) -> DemoOutcome {
    let directions: Vec<DirectionResult> = vec![
        direction("1000", "1001", &speech_1000(), &speech_1001(), broken),
        direction("1001", "1000", &speech_1001(), &speech_1000(), false),
    ];
    let failures: Vec<String> = directions.iter().flat_map(DirectionResult::failures).collect();
    let span = |state: &str, from_ms, to_ms| StateSpan { state: state.to_owned(), from_ms, to_ms };
    let check = |name: &str, ok, detail: &str| Check { name: name.to_owned(), ok, detail: detail.to_owned() };
    DemoOutcome {
        ok: failures.is_empty(),
        started: "2026-11-22 16:04:09".to_owned(),
        duration_ms: TOTAL_MS as u64,
        transport: "SIP over wss with the certificate pinned, speech over DTLS-SRTP.".to_owned(),
        phones: vec![
            PhoneTrack {
                phone: "1000".to_owned(),
                states: vec![
                    span("register", 120, 400),
                    span("calling", 400, 520),
                    span("ringing", 520, 1_400),
                    span("talking", 1_400, 11_400),
                    span("on hold", 11_400, 14_400),
                    span("talking", 14_400, 21_000),
                ],
            },
            PhoneTrack {
                phone: "1001".to_owned(),
                states: vec![
                    span("register", 130, 410),
                    span("ringing", 520, 1_400),
                    span("talking", 1_400, 11_400),
                    span("held", 11_400, 14_400),
                    span("talking", 14_400, 21_000),
                ],
            },
        ],
        checks: vec![
            check("Both phones register with digest", true, "200 OK after a challenge, SHA-256"),
            check("Events come in the order of the contract", true, "1000: 14 events, 1001: 13 events"),
            check("1001 hears music while held", !broken, "active 98 % of 2.6 s, −24.1 dBFS, unlike speech"),
            check("Tones arrive both ways", true, "1000 sent 12#, 1001 sent 9*0"),
            check("Timers and reports agree", true, "callDuration 19 s, 7 reports a side"),
        ],
        events: events(),
        failures,
        directions,
    }
}

fn direction(from: &str, to: &str, clip: &Pcm, other: &Pcm, broken: bool) -> DirectionResult {
    let rate = 8_000;
    let mut said = vec![0.0; (TOTAL_MS * 8.0) as usize];
    let mut own = said.clone();
    let put = |track: &mut Vec<f32>, clip: &Pcm, at_ms: usize, length_ms: usize| {
        for (to, from) in track[at_ms * 8..].iter_mut().zip(&clip.samples()[..length_ms * 8]) {
            *to = *from;
        }
    };
    put(&mut said, clip, 1_450, 8_800);
    put(&mut said, clip, 14_600, 4_000);
    put(&mut own, other, 1_450, 8_800);
    put(&mut own, other, 14_600, 4_000);
    let mut heard = vec![0.0; said.len()];
    let delay = 61 * 8;
    for (i, sample) in said.iter().enumerate().take(said.len() - delay) {
        let noise = ((i * 7_919) % 997) as f32 / 997.0 - 0.5;
        heard[i + delay] = sample * 0.98 + noise * 0.004;
    }
    if broken {
        heard[5_000 * 8..5_600 * 8].fill(0.0);
        heard[16_000 * 8..16_300 * 8].fill(0.0);
    } else if to == "1001" {
        for (i, sample) in heard[11_500 * 8..14_300 * 8].iter_mut().enumerate() {
            let t = i as f32 / 8_000.0;
            let chord = (t * 1_645.0).sin() + (t * 2_073.0).sin() + (t * 2_463.0).sin();
            *sample = chord * 0.06 * (0.6 + 0.4 * (t * 9.0).sin());
        }
    }
    let (said, heard) = (Pcm::new(rate, said), Pcm::new(rate, heard));
    let found = compare(&said, &heard, &Search::default());
    let leakage = compare(&Pcm::new(rate, own), &heard, &Search::default()).correlation;
    let loss = if broken { 0.031 } else { 0.0 };
    let quality = (0..7)
        .map(|i| QualityPoint {
            at_ms: 1_400 + i * 3_000,
            loss: loss * i as f64 / 6.0,
            jitter_ms: 1.2 + (i % 3) as f64 * 0.7,
            mos: if broken { 4.4 - 0.2 * i as f64 } else { 4.41 },
            rtt_ms: 0.8 + (i % 2) as f64 * 0.3,
        })
        .collect();
    DirectionResult {
        loss,
        jitter_ms: 1.8,
        mos: if broken { 3.2 } else { 4.41 },
        codec: "Opus 48 kHz".to_owned(),
        rtt_ms: 1.0,
        quality,
        ..DirectionResult::new(from, to, said, heard, &found, leakage)
    }
}

fn events() -> Vec<TimedEvent> {
    let list: &[(u64, &str, &str, &str, Flow)] = &[
        (0, "PBX", "listening", "wss://127.0.0.1:40123/ws", Flow::Local),
        (120, "1000", "REGISTER", "", Flow::Sent),
        (160, "1000", "registered", "200 OK, for 600 s", Flow::Received),
        (170, "1001", "REGISTER", "", Flow::Sent),
        (210, "1001", "registered", "200 OK, for 600 s", Flow::Received),
        (400, "1000", "call", "1001", Flow::Sent),
        (430, "1001", "incoming", "from 1000 “Ada”", Flow::Received),
        (520, "1000", "progress", "180", Flow::Received),
        (521, "1000", "statusChange", "calling → ringing", Flow::Local),
        (1_400, "1001", "answer", "", Flow::Sent),
        (1_430, "1000", "accepted", "200", Flow::Received),
        (1_440, "1000", "confirmed", "", Flow::Local),
        (1_442, "1001", "confirmed", "", Flow::Received),
        (1_450, "1000", "callReport", "MOS 4.41, loss 0.0 %", Flow::Local),
        (11_400, "1000", "hold", "", Flow::Sent),
        (11_420, "1001", "reinvite", "isRemoteHold", Flow::Received),
        (14_400, "1000", "unhold", "", Flow::Sent),
        (19_000, "1000", "dtmf", "12#", Flow::Sent),
        (19_120, "1001", "dtmf", "1, 100 ms", Flow::Received),
        (21_000, "1000", "hangup", "", Flow::Sent),
        (21_010, "1001", "ended", "Terminated", Flow::Received),
        (21_020, "1000", "ended", "Terminated", Flow::Received),
    ];
    list.iter()
        .map(|&(at_ms, phone, name, detail, flow)| TimedEvent {
            at_ms,
            phone: phone.to_owned(),
            name: name.to_owned(),
            detail: detail.to_owned(),
            flow,
        })
        .collect()
}

/// Where a page goes to be looked at: `OFFHOOK_REPORT_DIR=/tmp cargo test -p offhook-cli report`.
fn keep(name: &str, page: &str) {
    if let Some(dir) = std::env::var_os("OFFHOOK_REPORT_DIR") {
        std::fs::write(PathBuf::from(dir).join(name), page).expect("report");
    }
}

#[test]
fn a_good_run_says_so_and_shows_both_directions() {
    let page = render(&outcome(false));
    keep("report-good.html", &page);
    assert!(page.contains("Passed") && !page.contains("What failed"));
    for part in ["1001 hears 1000", "1000 hears 1001", "Opus 48 kHz", "61 ms", "MOS"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("class=\"gap\""));
    assert_eq!(page.matches("<li><span class=\"time\">").count(), events().len());
}

#[test]
fn a_bad_run_names_the_causes_and_marks_the_gaps() {
    let page = render(&outcome(true));
    keep("report-bad.html", &page);
    assert!(page.contains("What failed") && page.contains("speech are missing"));
    assert!(page.contains("class=\"gap\"") && page.contains("class=\"off\""));
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    let page = render(&outcome(false));
    for forbidden in ["<script", "http://", "https://", "@import", "url(", "<link"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn every_picture_has_a_title_or_is_hidden() {
    let page = render(&outcome(false));
    for svg in page.split("<svg").skip(1) {
        let head = svg.split("</svg>").next().unwrap_or_default();
        assert!(head.contains("aria-hidden") || head.contains("<title"), "{}", &head[..80.min(head.len())]);
    }
}

#[test]
fn text_from_outside_cannot_become_markup() {
    let mut evil = outcome(true);
    let text = "<img src=x onerror=alert(1)>\"'";
    evil.failures = vec![text.to_owned()];
    evil.transport = text.to_owned();
    evil.started = text.to_owned();
    evil.directions[0].codec = text.to_owned();
    evil.directions[0].from = text.to_owned();
    evil.phones[0].states[0].state = text.to_owned();
    evil.phones[1].phone = text.to_owned();
    evil.events[0].name = text.to_owned();
    evil.events[1].detail = text.to_owned();
    evil.checks[0].detail = text.to_owned();
    assert!(!render(&evil).contains("<img"));
}

#[test]
fn an_empty_run_is_a_page_too() {
    let nothing = DemoOutcome { failures: vec!["the PBX did not start".to_owned()], ..DemoOutcome::default() };
    let page = render(&nothing);
    keep("report-empty.html", &page);
    assert!(page.contains("The call did not take place") && page.contains("the PBX did not start"));
}
