//! Call legs' media connections: carries out what the switch wants of them, and tells how it went.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use offhook_media::{
    Addresses, AudioSource, Codec, Direction, MediaError, Peer, PeerConfig, PeerEvent, PeerEvents, RecordingControl,
    TapId, ToneSpec, bridge, unbridge,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::events::CallId;
use crate::recordings::NewFile;

/// One leg of a call. Never used twice by one PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LegId(pub(crate) u64);

/// One recording of a call. Never used twice by one PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RecordingId(pub(crate) u64);

/// What the switch wants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MediaAction {
    /// Make a connection, with these codecs in order of preference.
    Open { leg: LegId, codecs: Vec<Codec> },
    /// An offer of ours: [`MediaEvent::Offer`] or [`MediaEvent::Failed`] follows.
    CreateOffer { leg: LegId, purpose: OfferFor, direction: Direction },
    /// The answer to theirs: [`MediaEvent::Answer`] or [`MediaEvent::Failed`] follows.
    AcceptOffer { leg: LegId, purpose: AnswerFor, sdp: String },
    /// Their answer: [`MediaEvent::Applied`] or [`MediaEvent::Failed`] follows.
    AcceptAnswer { leg: LegId, purpose: AppliedFor, sdp: String },
    /// Our offer was refused.
    Rollback { leg: LegId },
    /// What the leg hears from now on.
    Play { leg: LegId, sound: Sound },
    /// Each hears the other.
    Bridge { a: LegId, b: LegId },
    /// It hears nobody, and nobody hears it.
    Unbridge { leg: LegId },
    /// Whether [`MediaEvent::Silent`] is wanted.
    Watch { leg: LegId, on: bool },
    /// Record what a leg hears (left) and says (right): [`MediaEvent::RecordingStarted`] or
    /// [`MediaEvent::RecordingFailed`] follows.
    StartRecording { recording: RecordingId, call: CallId, leg: LegId },
    /// Leave out what is said, or do not any more.
    PauseRecording { recording: RecordingId, paused: bool },
    /// Complete the file.
    StopRecording { recording: RecordingId },
    /// Close the connection.
    Close { leg: LegId },
}

/// What a leg can be made to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sound {
    /// 440 Hz.
    Tone,
    Music,
    Echo,
    /// The leg that it is bridged with.
    Relay,
}

/// What an offer of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfferFor {
    /// The INVITE of an outbound leg.
    Invite,
    /// The 200 to an INVITE without an offer.
    Answer,
    /// The 200 to a re-INVITE without an offer.
    Reinvite,
    /// A session refresh.
    Refresh,
}

/// What an answer of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerFor {
    /// A 183.
    Early,
    /// The 200.
    Answer,
    /// A re-INVITE or UPDATE; whether it puts us on hold.
    Reinvite { hold: bool },
}

/// What an answer of theirs was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppliedFor {
    /// In a 18x to our INVITE.
    Early,
    /// In the 200 to our INVITE.
    Answer,
    /// In an ACK: the answer to the offer in our 200. Whether it puts us on hold.
    Ack { hold: bool },
    /// To our session refresh.
    Refresh,
}

/// What a command was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Open,
    Offer(OfferFor),
    Answer(AnswerFor),
    Applied(AppliedFor),
}

/// How it went, and what happens by itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MediaEvent {
    Offer {
        leg: LegId,
        purpose: OfferFor,
        sdp: String,
    },
    Answer {
        leg: LegId,
        purpose: AnswerFor,
        sdp: String,
    },
    Applied {
        leg: LegId,
        purpose: AppliedFor,
    },
    /// A command failed; the connection may go on.
    Failed {
        leg: LegId,
        step: Step,
        error: MediaError,
    },
    /// Encrypted audio can flow.
    Connected {
        leg: LegId,
    },
    /// The connection is unusable.
    Broken {
        leg: LegId,
        error: MediaError,
    },
    /// Nothing came in for the media timeout.
    Silent {
        leg: LegId,
    },
    /// A DTMF digit came as telephone-event.
    Digit {
        leg: LegId,
        digit: char,
    },
    /// The file is open.
    RecordingStarted {
        call: CallId,
        recording: RecordingId,
        file: String,
    },
    /// The file cannot be written, or not any more.
    RecordingFailed {
        call: CallId,
        recording: RecordingId,
        reason: String,
    },
    /// The file is complete.
    RecordingComplete {
        call: CallId,
        file: String,
    },
}

/// All media connections.
pub(crate) struct MediaHost {
    addresses: Addresses,
    timeout: Duration,
    legs: HashMap<LegId, LegPeer>,
    replies: FuturesUnordered<BoxFuture<'static, Reply>>,
    events: mpsc::UnboundedSender<MediaEvent>,
    inbox: mpsc::UnboundedReceiver<MediaEvent>,
    checks: Interval,
    /// Where calls are recorded.
    directory: Option<PathBuf>,
    recordings: HashMap<RecordingId, Running>,
}

/// A recording that is not stopped.
struct Running {
    leg: LegId,
    /// When the file is open.
    open: Option<(TapId, RecordingControl)>,
}

struct LegPeer {
    peer: Peer,
    /// While watched: packets seen, and since when it is so many.
    watched: Option<(u64, Instant)>,
}

enum Reply {
    Event(MediaEvent),
    Packets { leg: LegId, received: Option<u64> },
    Created { call: CallId, recording: RecordingId, result: Result<Box<NewFile>, String> },
    Nothing,
}

impl MediaHost {
    /// Media is offered on the address that the PBX listens on.
    pub(crate) fn new(bind: IpAddr, timeout: Duration, directory: Option<PathBuf>) -> Self {
        let (events, inbox) = mpsc::unbounded_channel();
        let mut checks = interval((timeout / 12).clamp(Duration::from_millis(50), Duration::from_secs(5)));
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            addresses: addresses(bind),
            timeout,
            legs: HashMap::new(),
            replies: FuturesUnordered::new(),
            events,
            inbox,
            checks,
            directory,
            recordings: HashMap::new(),
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.legs.len()
    }

    /// Starts what is wanted.
    pub(crate) fn execute(&mut self, action: MediaAction) {
        match action {
            MediaAction::Open { leg, codecs } => self.open(leg, codecs),
            MediaAction::CreateOffer { leg, purpose, direction } => {
                let step = Step::Offer(purpose);
                self.ask(
                    leg,
                    step,
                    |peer| peer.create_offer(direction),
                    move |sdp| MediaEvent::Offer { leg, purpose, sdp },
                );
            }
            MediaAction::AcceptOffer { leg, purpose, sdp } => {
                let step = Step::Answer(purpose);
                let answer = move |sdp| MediaEvent::Answer { leg, purpose, sdp };
                self.ask(leg, step, |peer| peer.accept_offer(sdp, Direction::SendRecv), answer);
            }
            MediaAction::AcceptAnswer { leg, purpose, sdp } => {
                let step = Step::Applied(purpose);
                self.ask(leg, step, |peer| peer.accept_answer(sdp), move |()| MediaEvent::Applied { leg, purpose });
            }
            MediaAction::Rollback { leg } => {
                if let Some(known) = self.legs.get(&leg) {
                    self.replies.push(known.peer.rollback().map(|_| Reply::Nothing).boxed());
                }
            }
            MediaAction::Play { leg, sound } => {
                if let Some(known) = self.legs.get(&leg) {
                    known.peer.set_source(source(sound));
                }
            }
            MediaAction::Bridge { a, b } => {
                if let (Some(a), Some(b)) = (self.legs.get(&a), self.legs.get(&b)) {
                    bridge(&a.peer, &b.peer);
                }
            }
            MediaAction::Unbridge { leg } => {
                if let Some(known) = self.legs.get(&leg) {
                    unbridge(&known.peer);
                }
            }
            MediaAction::Watch { leg, on } => {
                if let Some(known) = self.legs.get_mut(&leg) {
                    known.watched = on.then(|| (0, Instant::now()));
                }
            }
            MediaAction::StartRecording { recording, call, leg } => self.start_recording(recording, call, leg),
            MediaAction::PauseRecording { recording, paused } => {
                if let Some((_, control)) = self.recordings.get(&recording).and_then(|running| running.open.as_ref()) {
                    control.set_paused(paused);
                }
            }
            MediaAction::StopRecording { recording } => {
                let Some(Running { leg, open: Some((tap, _)) }) = self.recordings.remove(&recording) else { return };
                if let Some(known) = self.legs.get(&leg) {
                    known.peer.untap(tap);
                }
            }
            MediaAction::Close { leg } => {
                self.legs.remove(&leg);
            }
        }
    }

    /// The next thing that happened. Cancel-safe.
    pub(crate) async fn next(&mut self) -> MediaEvent {
        loop {
            tokio::select! {
                Some(event) = self.inbox.recv() => return event,
                Some(reply) = self.replies.next(), if !self.replies.is_empty() => match reply {
                    Reply::Event(event) => return event,
                    Reply::Packets { leg, received } => {
                        if let Some(event) = self.packets(leg, received) {
                            return event;
                        }
                    }
                    Reply::Created { call, recording, result } => {
                        if let Some(event) = self.file_created(call, recording, result) {
                            return event;
                        }
                    }
                    Reply::Nothing => {}
                },
                _ = self.checks.tick() => self.check(),
            }
        }
    }

    fn open(&mut self, leg: LegId, codecs: Vec<Codec>) {
        let config = PeerConfig::new(format!("leg-{}", leg.0)).addresses(self.addresses.clone()).codecs(codecs);
        match Peer::spawn(config) {
            Ok((peer, events)) => {
                tokio::spawn(forward(leg, events, self.events.clone()));
                self.legs.insert(leg, LegPeer { peer, watched: None });
            }
            Err(error) => {
                let _ = self.events.send(MediaEvent::Failed { leg, step: Step::Open, error });
            }
        }
    }

    fn ask<T, F>(
        &mut self,
        leg: LegId,
        step: Step,
        command: impl FnOnce(&Peer) -> F,
        done: impl FnOnce(T) -> MediaEvent + Send + 'static,
    ) where
        F: Future<Output = Result<T, MediaError>> + Send + 'static,
        T: 'static,
    {
        // Without a peer, opening it has failed and was told.
        let Some(known) = self.legs.get(&leg) else { return };
        let result = command(&known.peer).map(move |result| match result {
            Ok(value) => Reply::Event(done(value)),
            Err(error) => Reply::Event(MediaEvent::Failed { leg, step, error }),
        });
        self.replies.push(result.boxed());
    }

    /// Opens the file where that may block.
    fn start_recording(&mut self, recording: RecordingId, call: CallId, leg: LegId) {
        self.recordings.insert(recording, Running { leg, open: None });
        let directory = self.directory.clone();
        let created = tokio::task::spawn_blocking(move || NewFile::create(directory.as_deref(), call));
        let reply = created.map(move |joined| {
            let result = joined.unwrap_or_else(|_| Err("the PBX stops".to_owned())).map(Box::new);
            Reply::Created { call, recording, result }
        });
        self.replies.push(reply.boxed());
    }

    /// Lets the recorder hear, unless it was stopped before.
    fn file_created(
        &mut self,
        call: CallId,
        recording: RecordingId,
        result: Result<Box<NewFile>, String>,
    ) -> Option<MediaEvent> {
        let running = self.recordings.get_mut(&recording)?;
        let NewFile { path, recorder, handle } = match result {
            Ok(file) => *file,
            Err(reason) => return Some(MediaEvent::RecordingFailed { call, recording, reason }),
        };
        let Some(known) = self.legs.get(&running.leg) else {
            let reason = "the call's media is closed".to_owned();
            return Some(MediaEvent::RecordingFailed { call, recording, reason });
        };
        running.open = Some((known.peer.tap(recorder), handle.control()));
        let finished = handle.finished().map(move |result| {
            Reply::Event(match result {
                Ok(summary) => MediaEvent::RecordingComplete { call, file: summary.path.display().to_string() },
                Err(error) => MediaEvent::RecordingFailed { call, recording, reason: error.to_string() },
            })
        });
        self.replies.push(finished.boxed());
        Some(MediaEvent::RecordingStarted { call, recording, file: path.display().to_string() })
    }

    fn check(&mut self) {
        for (&leg, known) in self.legs.iter().filter(|(_, known)| known.watched.is_some()) {
            let stats = known.peer.stats().map(move |stats| match stats {
                Ok(stats) => Reply::Packets { leg, received: Some(stats.inbound.packets_received) },
                // The far end closed its side: nothing will come any more.
                Err(_) => Reply::Packets { leg, received: None },
            });
            self.replies.push(stats.boxed());
        }
    }

    fn packets(&mut self, leg: LegId, received: Option<u64>) -> Option<MediaEvent> {
        let watched = self.legs.get_mut(&leg)?.watched.as_mut()?;
        let (seen, since) = *watched;
        if let Some(received) = received.filter(|&received| received != seen) {
            *watched = (received, Instant::now());
            return None;
        }
        if since.elapsed() < self.timeout {
            return None;
        }
        *watched = (seen, Instant::now());
        Some(MediaEvent::Silent { leg })
    }
}

async fn forward(leg: LegId, mut events: PeerEvents, sender: mpsc::UnboundedSender<MediaEvent>) {
    while let Some(event) = events.recv().await {
        let event = match event {
            PeerEvent::Connected => MediaEvent::Connected { leg },
            PeerEvent::Dtmf { tone, .. } => MediaEvent::Digit { leg, digit: tone },
            PeerEvent::Failed(error) => MediaEvent::Broken { leg, error },
            // A client closes its media as it hangs up: the BYE says so, and the media timeout if there is none.
            _ => continue,
        };
        if sender.send(event).is_err() {
            return;
        }
    }
}

fn addresses(bind: IpAddr) -> Addresses {
    match bind {
        IpAddr::V4(address) if address.is_loopback() => Addresses::Loopback,
        address if address.is_unspecified() => Addresses::Host,
        address => Addresses::Only(vec![address]),
    }
}

fn source(sound: Sound) -> AudioSource {
    match sound {
        Sound::Tone => AudioSource::Tone(ToneSpec::new(440.0)),
        Sound::Music => AudioSource::Music,
        Sound::Echo => AudioSource::Echo,
        Sound::Relay => AudioSource::Relay,
    }
}
