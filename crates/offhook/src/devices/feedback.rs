//! Which tones of a telephone are due, from what happens to its calls. Decides; plays nothing.

use offhook_core::{CallId, Cause, PhoneEvent, SessionEvent};
use offhook_media::ToneSpec;
use offhook_media::devices::{AudioDevices, Sound};

/// How long busy is said, ms.
const BUSY_MS: u32 = 3_000;

/// What is to be done about the tones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cue {
    /// Ring, or stop that.
    Ring(bool),
    /// This on the speaker, instead of what there was.
    Tone(Option<Tone>),
}

/// A tone on the speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// The far end rings.
    Ringback,
    /// Somebody calls, and there is a call already.
    Waiting,
    /// The far end is busy.
    Busy,
}

impl Cue {
    pub(crate) fn play(self, devices: &AudioDevices) {
        match self {
            Self::Ring(on) => devices.ring(on.then(|| Sound::endless(ToneSpec::ring()))),
            Self::Tone(tone) => devices.tone(tone.map(|tone| match tone {
                Tone::Ringback => Sound::endless(ToneSpec::ringback()),
                Tone::Waiting => Sound::endless(ToneSpec::call_waiting()),
                Tone::Busy => Sound::lasting(ToneSpec::busy(), BUSY_MS),
            })),
        }
    }
}

/// How far a call is, as far as its tones are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing is to be heard of it.
    Quiet,
    /// It comes in.
    Incoming,
    /// The far end rings.
    Ringing,
    /// The far end is heard before it answers, and says itself what is going on.
    EarlyMedia,
    Answered,
}

/// Follows the calls.
#[derive(Debug, Default)]
pub(crate) struct Feedback {
    calls: Vec<(CallId, bool, Phase)>,
    ringing: bool,
    tone: Option<Tone>,
}

impl Feedback {
    /// What is to be done when this has happened. `inbound` says which side made a call.
    pub(crate) fn see(&mut self, event: &PhoneEvent, inbound: impl Fn(&CallId) -> bool) -> Vec<Cue> {
        let mut busy = false;
        match event {
            PhoneEvent::NewRtcSession { call_id } => {
                let inbound = inbound(call_id);
                let phase = if inbound { Phase::Incoming } else { Phase::Quiet };
                self.calls.push((call_id.clone(), inbound, phase));
            }
            PhoneEvent::DeleteSession { call_id, .. } => self.calls.retain(|(id, ..)| id != call_id),
            PhoneEvent::Session(event) => busy = self.see_call(event),
            _ => return Vec::new(),
        }
        self.cues(busy)
    }

    /// Everything falls silent.
    pub(crate) fn stop(&mut self) -> Vec<Cue> {
        self.calls.clear();
        self.cues(false)
    }

    /// Whether it was busy.
    fn see_call(&mut self, event: &SessionEvent) -> bool {
        let Some((_, inbound, phase)) = self.calls.iter_mut().find(|(id, ..)| id == event.call_id()) else {
            return false;
        };
        *phase = match (event, *phase) {
            (SessionEvent::Progress { .. }, Phase::Quiet) if !*inbound => Phase::Ringing,
            (SessionEvent::StreamAdded { .. }, Phase::Quiet | Phase::Ringing) => Phase::EarlyMedia,
            (SessionEvent::Accepted { .. } | SessionEvent::Confirmed { .. }, _) => Phase::Answered,
            (event, _) if event.is_final() => Phase::Quiet,
            (_, phase) => phase,
        };
        matches!(event, SessionEvent::Failed(failed) if failed.cause == Cause::Busy && !*inbound)
    }

    fn cues(&mut self, busy: bool) -> Vec<Cue> {
        let any = |wanted: Phase| self.calls.iter().any(|(.., phase)| *phase == wanted);
        let (incoming, answered) = (any(Phase::Incoming), any(Phase::Answered));
        let ring = incoming && !answered;
        let tone = match () {
            () if busy => Some(Tone::Busy),
            () if any(Phase::Ringing) => Some(Tone::Ringback),
            () if incoming && answered => Some(Tone::Waiting),
            // It ends by itself, unless there is another call to be heard.
            () if self.tone == Some(Tone::Busy) && !answered => Some(Tone::Busy),
            () => None,
        };
        let mut cues = Vec::new();
        if std::mem::replace(&mut self.ringing, ring) != ring {
            cues.push(Cue::Ring(ring));
        }
        if std::mem::replace(&mut self.tone, tone) != tone || busy {
            cues.push(Cue::Tone(tone));
        }
        cues
    }
}
