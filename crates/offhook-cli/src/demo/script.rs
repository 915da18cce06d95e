//! What the two phones of the demo do, step by step, each with a deadline.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use offhook::{AudioSource, CallOptions, DtlsState, Phone, PhoneError, PhoneEvent, Session, SessionEvent, WavSource};

use super::clips::{speech_1000, speech_1001};
use super::contract::Recorded;
use super::diary::{Diary, PhoneLog};
use super::live::Live;
use super::outcome::Flow;
use super::pbx_process::PbxProcess;
use super::track::{Clock, Tracks, pair};
use crate::audio::Pcm;
use crate::exit::{Failure, Reason};
use crate::server::of_media;

/// The phones: the first calls the second.
pub(super) const NUMBERS: [&str; 2] = ["1000", "1001"];
/// What each phone sends.
pub(super) const TONES: [&str; 2] = ["12#", "9*0"];

/// How long 1001 rings.
const RING: Duration = Duration::from_millis(800);
/// How long 1000 holds.
const HOLD: Duration = Duration::from_millis(3_000);
/// How much is said again after the hold, ms.
const AGAIN_MS: f64 = 3_200.0;
/// What both say on hold, and nobody must hear: this part of their clips, ms.
pub(super) const UNHEARD_MS: (f64, f64) = (4_000.0, 6_000.0);
/// Speech arrives completely within this time of its end.
const TAIL: Duration = Duration::from_millis(500);
/// A step without audio takes at most this long.
const STEP: Duration = Duration::from_secs(8);

/// What the run left behind, also when it broke off.
#[derive(Debug, Default)]
pub(super) struct Stage {
    pub(super) phones: Vec<Phone>,
    pub(super) logs: Vec<PhoneLog>,
    pub(super) tracks: Vec<Tracks>,
    /// What both sides say of the encryption.
    pub(super) security: Vec<Security>,
    /// From the answer to the hold on to the command to resume, ms: what is surely on hold.
    pub(super) held: Option<(u64, u64)>,
}

/// The state of a media connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Security {
    pub(super) connected: bool,
    pub(super) cipher: Option<String>,
}

/// Everything that the steps need.
pub(super) struct Script<'a> {
    pub(super) clock: Clock,
    pub(super) diary: &'a Diary,
    pub(super) live: &'a Arc<Live>,
    pub(super) url: String,
    pub(super) fingerprint: String,
}

impl<'a> Script<'a> {
    pub(super) fn new(clock: Clock, diary: &'a Diary, live: &'a Arc<Live>, pbx: &PbxProcess) -> Self {
        Self { clock, diary, live, url: pbx.url.clone(), fingerprint: pbx.fingerprint.clone() }
    }

    /// The whole call.
    pub(super) async fn play(&self, stage: &mut Stage) -> Result<(), Failure> {
        self.live.phase(5, "registering two phones");
        for number in NUMBERS {
            self.register(stage, number).await?;
        }
        let (caller, callee) = self.connect(stage).await?;

        self.live.phase(20, "both speak at once");
        let clips = [speech_1000(), speech_1001()];
        self.speak(&[(&caller, &clips[0]), (&callee, &clips[1])]).await?;

        self.live.phase(55, "tones both ways");
        self.tones(stage, [&caller, &callee]).await?;

        self.live.phase(60, "on hold, with music");
        self.hold(stage, [(&caller, &clips[0]), (&callee, &clips[1])]).await?;

        self.live.phase(75, "resumed: both speak again");
        let again = [clips[0].part(0.0, AGAIN_MS), clips[1].part(0.0, AGAIN_MS)];
        self.speak(&[(&caller, &again[0]), (&callee, &again[1])]).await?;

        for session in [&caller, &callee] {
            let stats = step("the statistics", session.stats()).await?.map_err(|e| of_media(&e))?;
            let connected = stats.dtls == DtlsState::Connected;
            stage.security.push(Security { connected, cipher: stats.cipher });
        }
        self.live.phase(95, "hanging up");
        self.hang_up(stage, &caller).await
    }

    async fn register(&self, stage: &mut Stage, number: &'static str) -> Result<(), Failure> {
        let phone = Phone::builder()
            .server(&self.url)
            .user(number)
            .password(format!("secret-{number}"))
            .pin_certificate(&self.fingerprint)
            .build()
            .map_err(|e| broken("setting up the phone", &e))?;
        stage.logs.push(PhoneLog::of(&phone, number, self.diary.clone()));
        self.diary.note(number, "REGISTER", "", Flow::Sent);
        let connecting = phone.connect();
        stage.phones.push(phone);
        step("the registration", connecting).await?.map_err(|e| broken("the registration", &e))
    }

    /// 1000 calls, 1001 rings and answers.
    async fn connect(&self, stage: &mut Stage) -> Result<(Session, Session), Failure> {
        self.live.phase(12, "1000 calls 1001");
        let [first, second] = &stage.phones[..] else {
            return Err(Failure::new(Reason::Failed, "two phones are needed"));
        };
        let mut incoming = second.incoming();
        self.diary.note(NUMBERS[0], "call", NUMBERS[1], Flow::Sent);
        let calling = first.call(NUMBERS[1], CallOptions::default());
        let caller = step("the call", calling).await?.map_err(|e| broken("the call", &e))?;
        let (tap, said_and_heard) = pair(self.clock);
        caller.add_tap(tap);
        stage.tracks.push(said_and_heard);

        let callee = step("the incoming call", incoming.next()).await?;
        let callee = callee.ok_or_else(|| Failure::new(Reason::Failed, "1001 is gone"))?;
        let (tap, said_and_heard) = pair(self.clock);
        callee.add_tap(tap);
        stage.tracks.push(said_and_heard);
        self.both(stage, "ringing", |log, index| index == 1 || has(log, "progress")).await?;
        tokio::time::sleep(RING).await;

        self.diary.note(NUMBERS[1], "answer", "", Flow::Sent);
        step("the answer", callee.answer(CallOptions::default())).await?.map_err(|e| broken("the answer", &e))?;
        step("the answer", caller.confirmed()).await?.map_err(|e| broken("the call", &e))?;
        self.both(stage, "confirmed", |log, _| has(log, "confirmed")).await?;
        Ok((caller, callee))
    }

    /// All say something at the same time, to its end.
    async fn speak(&self, what: &[(&Session, &Pcm)]) -> Result<(), Failure> {
        let longest = what.iter().map(|(_, pcm)| pcm.duration_ms()).fold(0.0, f64::max);
        let mut playing = Vec::new();
        for (session, pcm) in what {
            playing.push(session.play(source(pcm)?));
        }
        let deadline = Duration::from_secs_f64(longest / 1_000.0) + STEP;
        let ended = tokio::time::timeout(deadline, futures_util::future::join_all(playing)).await;
        match ended {
            Ok(ended) if ended.iter().all(|ended| *ended) => {}
            Ok(_) => return Err(Failure::new(Reason::Media, "the speech was cut off: the call ended too early")),
            Err(_) => return Err(Failure::new(Reason::Timeout, "the speech was not played to its end in time")),
        }
        tokio::time::sleep(TAIL).await;
        Ok(())
    }

    /// Both send tones; both must get them.
    async fn tones(&self, stage: &Stage, sessions: [&Session; 2]) -> Result<(), Failure> {
        let mut sending = Vec::new();
        for ((session, number), tones) in sessions.iter().zip(NUMBERS).zip(TONES) {
            self.diary.note(number, "dtmf", tones, Flow::Sent);
            sending.push(session.dtmf(tones));
        }
        for sent in step("sending the tones", futures_util::future::join_all(sending)).await? {
            sent.map_err(|e| broken("sending the tones", &e))?;
        }
        // A tone that is lost is found by the checks at the end; here, only wait for those that come.
        let arrived = self.both(stage, "tones", |log, index| {
            let wanted = TONES.iter().rev().nth(index).map_or(0, |tones| tones.len());
            log.iter().filter(|r| r.event.name() == "dtmf").count() >= wanted
        });
        let _ = tokio::time::timeout(Duration::from_secs(2), arrived).await;
        Ok(())
    }

    /// 1000 holds; both go on talking, which nobody must hear.
    async fn hold(&self, stage: &mut Stage, both: [(&Session, &Pcm); 2]) -> Result<(), Failure> {
        let [(holder, _), _] = both;
        self.diary.note(NUMBERS[0], "hold", "", Flow::Sent);
        step("the hold", holder.hold()).await?.map_err(|e| broken("the hold", &e))?;
        let from = self.clock.ms();
        for (session, clip) in both {
            drop(session.play(source(&clip.part(UNHEARD_MS.0, UNHEARD_MS.1))?));
        }
        tokio::time::sleep(HOLD).await;
        stage.held = Some((from, self.clock.ms()));
        self.diary.note(NUMBERS[0], "unhold", "", Flow::Sent);
        step("the resuming", holder.unhold()).await?.map_err(|e| broken("the resuming", &e))
    }

    /// 1000 hangs up; both phones unregister.
    async fn hang_up(&self, stage: &Stage, caller: &Session) -> Result<(), Failure> {
        self.diary.note(NUMBERS[0], "hangup", "", Flow::Sent);
        step("the hang-up", caller.hangup()).await?.map_err(|e| broken("the hang-up", &e))?;
        for (log, number) in stage.logs.iter().zip(NUMBERS) {
            step(&format!("{number}: the end of the call"), log.until(|list| has(list, "deleteSession"))).await?;
        }
        let leaving = futures_util::future::join_all(stage.phones.iter().map(Phone::shutdown));
        step("unregistering", leaving).await.map(drop)
    }

    /// Waits until both phones told what is wanted of a call that goes on.
    async fn both(
        &self,
        stage: &Stage,
        what: &str,
        wanted: impl Fn(&[Recorded], usize) -> bool,
    ) -> Result<(), Failure> {
        for (index, (log, number)) in stage.logs.iter().zip(NUMBERS).enumerate() {
            // A call that fails tells why; waiting for more would only hide it.
            let until = log.until(|list| wanted(list, index) || failed(list).is_some());
            step(&format!("{number}: {what}"), until).await?;
            let list = log.list();
            if !wanted(&list, index) {
                let cause = failed(&list).unwrap_or_default();
                return Err(Failure::new(
                    Reason::Failed,
                    format!("{number}: the call ended too early ({what}): {cause}"),
                ));
            }
        }
        Ok(())
    }
}

/// Waits for a step, but not for ever.
async fn step<T>(what: &str, doing: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(STEP, doing)
        .await
        .map_err(|_| Failure::new(Reason::Timeout, format!("{what} took longer than {} s", STEP.as_secs())))
}

fn broken(what: &str, error: &PhoneError) -> Failure {
    Failure::new(Reason::Failed, format!("{what} failed: {error}"))
}

fn source(pcm: &Pcm) -> Result<AudioSource, Failure> {
    WavSource::from_samples(pcm.rate(), pcm.to_i16()).map(AudioSource::Wav).map_err(|e| of_media(&e))
}

fn has(log: &[Recorded], name: &str) -> bool {
    log.iter().any(|recorded| recorded.event.name() == name)
}

/// Why a call ended, if it did.
fn failed(log: &[Recorded]) -> Option<String> {
    log.iter().find_map(|recorded| match &recorded.event {
        PhoneEvent::Session(SessionEvent::Failed(failed)) => Some(failed.cause.as_str().to_owned()),
        PhoneEvent::Session(SessionEvent::Ended(ended)) => Some(ended.cause.as_str().to_owned()),
        PhoneEvent::Session(SessionEvent::ClientError { cause, .. }) => Some(cause.as_str().to_owned()),
        _ => None,
    })
}
