//! The call of `offhook doctor`: to a number that sends back what it hears.

use std::time::{Duration, Instant};

use offhook::{AudioSource, CallOptions, PairCandidateKind, PcmOutput, PeerStats, ReportStats, Session, WavSource};

use super::args::DoctorArgs;
use super::report::{Found, Name, Report};
use crate::audio::Pcm;
use crate::demo::analysis::{Search, compare};
use crate::demo::clips::speech_1000;
use crate::exit::{Failure, Reason};
use crate::server::{Line, of_end, of_phone};

/// The far end answers within this time.
const ANSWER: Duration = Duration::from_secs(20);
/// How long is listened.
const TALK: Duration = Duration::from_secs(5);
/// There is a path within this time after the answer.
const PATH: Duration = Duration::from_secs(5);
/// A hang-up is settled within this time.
const HANG_UP: Duration = Duration::from_secs(5);
const RATE: u32 = 16_000;
/// From this on, what is heard is what was said: speech of somebody else reaches 0.35.
const SAME: f64 = 0.6;
/// The thresholds of the warnings that a call gives.
const MOST_LOSS: f64 = 0.01;
const MOST_JITTER_MS: f64 = 30.0;
const MOST_RTT_MS: f64 = 400.0;
const LEAST_MOS: f64 = 3.5;

/// Calls, listens, and says what it was like.
pub(super) async fn examine(args: &DoctorArgs, options: CallOptions, line: &Line, report: &mut Report) {
    report.begin(&format!("calling {}", args.echo));
    let session = match call(args, options, line).await {
        Ok((session, took)) => {
            report.end(Name::Call, &Found::Ok(format!("{} answered after {} ms", args.echo, took.as_millis())));
            session
        }
        Err(failure) => {
            let advice = match failure.reason() {
                Reason::Refused => "choose a number that sends back what it hears, with --echo NUMBER",
                Reason::Timeout => "is there an echo service at this number? --echo NUMBER chooses another",
                Reason::Media => {
                    "look at the descriptions (RUST_LOG=offhook=debug): the two sides have nothing in common"
                }
                _ => "look at the server's log",
            };
            report.end(Name::Call, &Found::of(&failure, advice));
            return skip(report, &[Name::Ice, Name::Media, Name::Quality], "there is no call");
        }
    };
    listen(args, &session, report).await;
    // Its end is no part of the examination.
    let _ = tokio::time::timeout(HANG_UP, session.hangup()).await;
}

async fn call(args: &DoctorArgs, options: CallOptions, line: &Line) -> Result<(Session, Duration), Failure> {
    let begun = Instant::now();
    let session = line.phone.call(&args.echo, options).await.map_err(|error| of_phone(&error, &args.server))?;
    match tokio::time::timeout(ANSWER, session.confirmed()).await {
        Ok(Ok(())) => Ok((session, begun.elapsed())),
        Ok(Err(error)) => {
            let end = session.ended().await;
            Err(of_end(&end, &args.echo).unwrap_or_else(|| of_phone(&error, &args.server)))
        }
        Err(_) => {
            let _ = tokio::time::timeout(HANG_UP, session.hangup()).await;
            let message = format!("{} did not answer within {} s", args.echo, ANSWER.as_secs());
            Err(Failure::new(Reason::Timeout, message))
        }
    }
}

async fn listen(args: &DoctorArgs, session: &Session, report: &mut Report) {
    report.begin("looking for a path for the media");
    let found = path(session).await;
    if !report.end(Name::Ice, &found) {
        return skip(report, &[Name::Media, Name::Quality], "there is no path for it");
    }
    report.begin(&format!("listening to {} for {} s", args.echo, TALK.as_secs()));
    let said = speech_1000().part(0.0, TALK.as_secs_f64() * 1_000.0);
    let heard = talk(session, &said).await;
    let stats = session.stats().await.unwrap_or_default();
    if !report.end(Name::Media, &media(args, &said, &heard, &stats)) && stats.inbound.packets_received == 0 {
        return skip(report, &[Name::Quality], "nothing came");
    }
    report.begin("quality");
    let last = session.call_report().map(|report| report.stats).unwrap_or_default();
    report.end(Name::Quality, &quality(&last));
}

fn skip(report: &mut Report, names: &[Name], why: &str) {
    report.begin("");
    for name in names {
        report.end(*name, &Found::Skipped(why.to_owned()));
    }
}

/// Which way the media goes, once it goes.
async fn path(session: &Session) -> Found {
    let end = Instant::now() + PATH;
    let mut over = std::pin::pin!(session.ended());
    loop {
        let stats = session.stats().await.unwrap_or_default();
        if let Some(pair) = stats.candidate_pair.filter(|_| stats.dtls == offhook::DtlsState::Connected) {
            let [local, remote] = [pair.local_kind, pair.remote_kind].map(kind);
            return Found::Ok(format!("{} ({local}) to {} ({remote}), encrypted", pair.local, pair.remote));
        }
        let late = Instant::now() >= end;
        let ended = tokio::time::timeout(Duration::from_millis(100), &mut over).await.is_ok();
        if late || ended {
            let (what, advice) = if stats.ice == offhook::IceState::Checking || stats.candidate_pair.is_none() {
                (
                    "no address of the other side can be reached, by UDP",
                    "let UDP through the firewall, give a STUN server (--stun) where a NAT is in the way, and a TURN server \
                     (--turn) where only TCP gets out",
                )
            } else {
                (
                    "there is a path, but no keys were agreed on it (DTLS)",
                    "check that the server's certificate for media is the one in its descriptions",
                )
            };
            return Found::Failed { reason: Reason::Media, detail: what.to_owned(), advice: advice.to_owned() };
        }
    }
}

fn kind(kind: PairCandidateKind) -> &'static str {
    match kind {
        PairCandidateKind::Host => "direct",
        PairCandidateKind::Srflx | PairCandidateKind::Prflx => "through a NAT",
        PairCandidateKind::Relay => "at a TURN server",
    }
}

/// Plays the speech and gives what was heard meanwhile.
async fn talk(session: &Session, said: &Pcm) -> Pcm {
    let Ok(mut output) = session.audio_output(RATE) else { return Pcm::default() };
    if let Ok(source) = WavSource::from_samples(said.rate(), said.to_i16()) {
        drop(session.play(AudioSource::Wav(source)));
    }
    let mut heard = Vec::new();
    // The call may end by itself: then no more comes, and that is told.
    let _ = tokio::time::timeout(TALK + Duration::from_millis(500), collect(&mut output, &mut heard)).await;
    session.set_sink(None);
    Pcm::from_i16(RATE, &heard)
}

async fn collect(output: &mut PcmOutput, heard: &mut Vec<i16>) {
    let mut part = [0; 320];
    loop {
        match output.read(&mut part).await {
            0 => return,
            count => heard.extend(part.iter().take(count)),
        }
    }
}

/// Whether the speech came back.
fn media(args: &DoctorArgs, said: &Pcm, heard: &Pcm, stats: &PeerStats) -> Found {
    let number = &args.echo;
    let (sent, received) = (stats.outbound.packets_sent, stats.inbound.packets_received);
    if received == 0 {
        return Found::Failed {
            reason: Reason::Media,
            detail: format!("{sent} packets sent, none came: {number} sends nothing"),
            advice: "check that the number answers with sound; if it should, the server sends it elsewhere: its NAT or media \
                     address settings"
                .to_owned(),
        };
    }
    let result = compare(said, heard, &Search::anywhere(heard));
    if result.correlation >= SAME {
        return Found::Ok(format!("what was said came back after {:.0} ms", result.delay_ms));
    }
    if heard.active_share(-50.0) < 0.05 {
        return Found::Failed {
            reason: Reason::Media,
            detail: format!("{received} packets came, with nothing but silence in them"),
            advice: format!("is {number} an echo service? If it is, what we send does not arrive there"),
        };
    }
    Found::Warning {
        detail: format!("sound came, but not what was said: {number} is no echo, or the sound is badly damaged"),
        advice: "choose a number that sends back what it hears, with --echo NUMBER".to_owned(),
    }
}

/// How good it was.
fn quality(stats: &ReportStats) -> Found {
    let rtt = stats.rtt_ms.map(|rtt| format!(", round trip {rtt:.0} ms")).unwrap_or_default();
    let mos = stats.mos.unwrap_or(0.0);
    let (loss, jitter) = (stats.loss.max(stats.remote_loss.unwrap_or(0.0)), stats.jitter_ms);
    let codec = &stats.codec;
    let detail = format!("MOS {mos:.2}, {codec}, {:.1} % lost, jitter {jitter:.0} ms{rtt}", loss * 100.0);
    let bad = [
        (loss > MOST_LOSS, "packets get lost: look for an overloaded link or a weak radio signal"),
        (
            jitter > MOST_JITTER_MS,
            "packets come irregularly: give voice precedence (QoS), avoid a crowded radio channel",
        ),
        (
            stats.rtt_ms.is_some_and(|rtt| rtt > MOST_RTT_MS),
            "the way is long: use a server, or a TURN server, that is nearer",
        ),
        (mos < LEAST_MOS, "it sounds bad"),
    ];
    match bad.iter().find(|(bad, _)| *bad) {
        None => Found::Ok(detail),
        Some((_, advice)) => Found::Failed { reason: Reason::Failed, detail, advice: (*advice).to_owned() },
    }
}
