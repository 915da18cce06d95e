//! Call legs' media connections: carries out what the switch wants of them, and tells how it went.

mod action;
mod message;
mod prompt;
mod recording;
mod silence;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use offhook_media::{
    Addresses, AudioSource, Codec, Direction, MediaError, Mixer, Peer, PeerConfig, PeerEvent, PeerEvents,
    RecordingControl, TapId, ToneSpec, Wanted, bridge, unbridge,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

pub(crate) use action::{
    AnswerFor, AppliedFor, LegId, MediaAction, MediaEvent, MessageId, OfferFor, PromptId, RecordingId, RoomId, Sound,
    Step, Taped,
};
pub(crate) use message::{Mailboxes, Message};
pub(crate) use prompt::Piece;

use crate::events::CallId;
use crate::recordings::NewFile;
use silence::Silence;

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
    /// Rooms with somebody in them.
    rooms: HashMap<RoomId, Mixer>,
    mailboxes: Option<Mailboxes>,
    messages: HashMap<MessageId, LegId>,
    /// All files of recordings and messages have it until they are complete.
    files: OpenFile,
}

/// A file that is asked for, written, or being completed.
type OpenFile = Arc<()>;

/// A recording that is not stopped.
struct Running {
    of: Taped,
    /// When the file is open; a room has no tap.
    open: Option<(Option<TapId>, RecordingControl)>,
}

struct LegPeer {
    peer: Peer,
    room: Option<RoomId>,
    /// What it is being told, until it has heard it.
    prompt: Option<PromptId>,
    /// While watched.
    silence: Option<Silence>,
}

enum Reply {
    Event(MediaEvent),
    Packets {
        leg: LegId,
        received: Option<u64>,
    },
    Created {
        call: CallId,
        recording: RecordingId,
        result: Result<Box<NewFile>, String>,
        open: OpenFile,
    },
    Loaded {
        leg: LegId,
        prompt: PromptId,
        samples: Vec<i16>,
    },
    Message {
        message: MessageId,
        mailbox: String,
        result: Result<Box<message::Taking>, String>,
        open: OpenFile,
    },
    /// A file is gone in which nothing was.
    Discarded,
    Nothing,
}

impl LegPeer {
    fn is_told(&self, prompt: PromptId) -> bool {
        self.prompt == Some(prompt)
    }
}

impl MediaHost {
    /// Media is offered on the address that the PBX listens on.
    pub(crate) fn new(
        bind: IpAddr,
        timeout: Duration,
        directory: Option<PathBuf>,
        mailboxes: Option<Mailboxes>,
    ) -> Self {
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
            rooms: HashMap::new(),
            mailboxes,
            messages: HashMap::new(),
            files: OpenFile::default(),
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.legs.len()
    }

    /// How many files are not complete: what became of them is not told yet.
    pub(crate) fn files(&self) -> usize {
        Arc::strong_count(&self.files) - 1
    }

    /// As if there were one more.
    #[cfg(test)]
    pub(crate) fn open_file(&self) -> OpenFile {
        OpenFile::clone(&self.files)
    }

    /// Starts what is wanted.
    pub(crate) fn execute(&mut self, action: MediaAction) {
        match action {
            MediaAction::Open { leg, codecs } => self.open(leg, codecs),
            MediaAction::CreateOffer { leg, purpose, direction, video } => {
                let step = Step::Offer(purpose);
                let wanted = Wanted { direction, video, ice_restart: false };
                self.ask(leg, step, |peer| peer.offer(wanted), move |sdp| MediaEvent::Offer { leg, purpose, sdp });
            }
            MediaAction::AcceptOffer { leg, purpose, sdp, video } => {
                if purpose == AnswerFor::Early {
                    self.early(leg, true);
                }
                let wanted = Wanted { direction: Direction::SendRecv, video, ice_restart: false };
                let answer = move |sdp| MediaEvent::Answer { leg, purpose, sdp };
                self.ask(leg, Step::Answer(purpose), |peer| peer.answer(sdp, wanted), answer);
            }
            MediaAction::AcceptAnswer { leg, purpose, sdp } => {
                if purpose == AppliedFor::Early {
                    self.early(leg, true);
                }
                let step = Step::Applied(purpose);
                self.ask(leg, step, |peer| peer.accept_answer(sdp), move |()| MediaEvent::Applied { leg, purpose });
                if purpose == AppliedFor::Answer {
                    self.early(leg, false);
                }
            }
            MediaAction::Answered { leg } => self.early(leg, false),
            MediaAction::Rollback { leg } => {
                if let Some(known) = self.legs.get(&leg) {
                    self.replies.push(known.peer.rollback().map(|_| Reply::Nothing).boxed());
                }
            }
            MediaAction::Play { leg, sound } => self.play(leg, sound),
            MediaAction::Prompt { leg, prompt, pieces } => self.prompt(leg, prompt, pieces),
            MediaAction::Join { leg, room } => self.join(leg, room),
            MediaAction::Leave { leg } => self.leave(leg),
            MediaAction::TakeMessage { leg, message, mailbox } => self.take_message(leg, message, mailbox),
            MediaAction::EndMessage { message } => {
                // Without its sink the file is completed.
                if let Some(known) = self.messages.remove(&message).and_then(|leg| self.legs.get(&leg)) {
                    known.peer.set_sink(None);
                }
            }
            MediaAction::DeleteMessage { file } => {
                let deleted = tokio::task::spawn_blocking(move || message::delete(&file));
                self.replies.push(deleted.map(|_| Reply::Nothing).boxed());
            }
            MediaAction::Bridge { a, b } => self.bridge(a, b),
            MediaAction::Unbridge { leg } => self.unbridge(leg),
            MediaAction::Watch { leg, on } => {
                if let Some(known) = self.legs.get_mut(&leg) {
                    known.silence = on.then(|| Silence::new(Instant::now()));
                }
            }
            MediaAction::StartRecording { recording, call, of } => self.start_recording(recording, call, of),
            MediaAction::PauseRecording { recording, paused } => {
                if let Some((_, control)) = self.recordings.get(&recording).and_then(|running| running.open.as_ref()) {
                    control.set_paused(paused);
                }
            }
            MediaAction::StopRecording { recording } => self.stop_recording(recording),
            MediaAction::Close { leg } => {
                self.leave(leg);
                self.legs.remove(&leg);
            }
        }
    }

    /// The next thing that happened; `None`: nothing to tell, but a file may have come or gone (see [`files`](Self::files)).
    /// Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<MediaEvent> {
        loop {
            tokio::select! {
                Some(event) = self.inbox.recv() => {
                    if let MediaEvent::Prompted { leg, prompt } = event {
                        self.prompted(leg, prompt);
                    }
                    return Some(event);
                }
                Some(reply) = self.replies.next(), if !self.replies.is_empty() => match reply {
                    Reply::Event(event) => return Some(event),
                    Reply::Packets { leg, received } => {
                        if let Some(event) = self.packets(leg, received) {
                            return Some(event);
                        }
                    }
                    Reply::Created { call, recording, result, open } => {
                        return self.file_created(call, recording, result, open);
                    }
                    Reply::Loaded { leg, prompt, samples } => self.say(leg, prompt, samples),
                    Reply::Message { message, mailbox, result, open } => {
                        return self.message_opened(message, mailbox, result, open);
                    }
                    Reply::Discarded => return None,
                    Reply::Nothing => {}
                },
                _ = self.checks.tick() => self.check(),
            }
        }
    }

    fn early(&self, leg: LegId, early: bool) {
        if let Some(known) = self.legs.get(&leg) {
            known.peer.set_early(early);
        }
    }

    fn open(&mut self, leg: LegId, codecs: Vec<Codec>) {
        let config = PeerConfig::new(format!("leg-{}", leg.0)).addresses(self.addresses.clone()).codecs(codecs);
        // What is passed on packet by packet must not have holes where a caller paused.
        let config = config.comfort_noise(false);
        match Peer::spawn(config) {
            Ok((peer, events)) => {
                tokio::spawn(forward(leg, events, self.events.clone()));
                self.legs.insert(leg, LegPeer { peer, room: None, prompt: None, silence: None });
            }
            Err(error) => {
                let _ = self.events.send(MediaEvent::Failed { leg, step: Step::Open, error });
            }
        }
    }

    fn play(&mut self, leg: LegId, sound: Sound) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        known.prompt = None;
        known.peer.set_source(source(sound));
    }

    /// Lets both hear each other, and nobody else.
    fn bridge(&mut self, a: LegId, b: LegId) {
        let (Some(one), Some(other)) = (self.legs.get(&a), self.legs.get(&b)) else { return };
        bridge(&one.peer, &other.peer);
        for leg in [a, b] {
            if let Some(known) = self.legs.get_mut(&leg) {
                known.prompt = None;
            }
        }
    }

    fn unbridge(&mut self, leg: LegId) {
        if let Some(known) = self.legs.get(&leg) {
            unbridge(&known.peer);
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

    /// Has what can be long read where that may block.
    fn prompt(&mut self, leg: LegId, prompt: PromptId, pieces: Vec<Piece>) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        known.prompt = Some(prompt);
        if pieces.iter().any(Piece::is_file) {
            let samples = tokio::task::spawn_blocking(move || prompt::samples(&pieces));
            let loaded =
                samples.map(move |samples| Reply::Loaded { leg, prompt, samples: samples.unwrap_or_default() });
            return self.replies.push(loaded.boxed());
        }
        self.say(leg, prompt, prompt::samples(&pieces));
    }

    /// Says it, unless something else was said since.
    fn say(&mut self, leg: LegId, prompt: PromptId, samples: Vec<i16>) {
        let Some(known) = self.legs.get(&leg).filter(|known| known.is_told(prompt)) else { return };
        let events = self.events.clone();
        let told = Box::new(move || {
            // The PBX may be stopping.
            let _ = events.send(MediaEvent::Prompted { leg, prompt });
        });
        known.peer.set_source(AudioSource::Custom(Box::new(prompt::Player::new(samples, told))));
    }

    /// It was heard to its end.
    fn prompted(&mut self, leg: LegId, prompt: PromptId) {
        if let Some(known) = self.legs.get_mut(&leg).filter(|known| known.is_told(prompt)) {
            known.prompt = None;
        }
    }

    fn join(&mut self, leg: LegId, room: RoomId) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        known.peer.join(self.rooms.entry(room).or_default());
        known.room = Some(room);
    }

    fn leave(&mut self, leg: LegId) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        known.peer.leave();
        let Some(room) = known.room.take() else { return };
        let is_recorded = self.recordings.values().any(|running| running.of == Taped::Room(room));
        if !is_recorded && self.legs.values().all(|known| known.room != Some(room)) {
            self.rooms.remove(&room);
        }
    }

    fn check(&mut self) {
        for (&leg, known) in self.legs.iter().filter(|(_, known)| known.silence.is_some()) {
            let stats = known.peer.stats().map(move |stats| match stats {
                Ok(stats) => Reply::Packets { leg, received: Some(stats.inbound.packets_received) },
                // It has failed: nothing will come any more.
                Err(_) => Reply::Packets { leg, received: None },
            });
            self.replies.push(stats.boxed());
        }
    }

    fn packets(&mut self, leg: LegId, received: Option<u64>) -> Option<MediaEvent> {
        let silence = self.legs.get_mut(&leg)?.silence.as_mut()?;
        let is_over = silence.look(Instant::now(), received, self.timeout, self.checks.period());
        is_over.then_some(MediaEvent::Silent { leg })
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
        Sound::Ringback => AudioSource::Tone(ToneSpec::ringback()),
        Sound::Silence => AudioSource::Silence,
        Sound::Music => AudioSource::Music,
        Sound::Echo => AudioSource::Echo,
        Sound::Relay => AudioSource::Relay,
    }
}
