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

#[cfg(test)]
mod tests {
    use offhook_core::CommunicationType;
    use offhook_core::events::Failed;
    use offhook_core::media::StreamId;

    use super::*;

    fn id(call: &str) -> CallId {
        CallId::new(call)
    }

    fn progress(call: &str) -> PhoneEvent {
        PhoneEvent::Session(SessionEvent::Progress { call_id: id(call), status_code: 180 })
    }

    fn accepted(call: &str) -> PhoneEvent {
        PhoneEvent::Session(SessionEvent::Accepted { call_id: id(call) })
    }

    fn heard(call: &str) -> PhoneEvent {
        PhoneEvent::Session(SessionEvent::StreamAdded {
            call_id: id(call),
            communication_type: CommunicationType::Outbound,
            stream: StreamId(1),
        })
    }

    fn failed(call: &str, cause: Cause) -> PhoneEvent {
        PhoneEvent::Session(SessionEvent::Failed(Failed { call_id: id(call), cause, code: None }))
    }

    fn new(call: &str) -> PhoneEvent {
        PhoneEvent::NewRtcSession { call_id: id(call) }
    }

    fn gone(call: &str) -> PhoneEvent {
        PhoneEvent::DeleteSession { call_id: id(call), cause: Cause::Terminated }
    }

    /// What is done about each of these events; calls whose names begin with `in` are inbound.
    fn cues(feedback: &mut Feedback, events: &[PhoneEvent]) -> Vec<Vec<Cue>> {
        events.iter().map(|event| feedback.see(event, |call| call.as_str().starts_with("in"))).collect()
    }

    const NOTHING: Vec<Cue> = Vec::new();

    #[test]
    fn ringback_is_heard_until_the_answer_or_until_the_far_end_is_heard_itself() {
        let mut feedback = Feedback::default();
        let ringback = vec![Cue::Tone(Some(Tone::Ringback))];
        let silence = vec![Cue::Tone(None)];
        let answered = [new("out"), progress("out"), progress("out"), accepted("out"), gone("out")];
        assert_eq!(cues(&mut feedback, &answered), [NOTHING, ringback.clone(), NOTHING, silence.clone(), NOTHING]);
        let early = [new("out"), progress("out"), heard("out"), progress("out"), accepted("out"), gone("out")];
        assert_eq!(cues(&mut feedback, &early), [NOTHING, ringback, silence, NOTHING, NOTHING, NOTHING]);
    }

    #[test]
    fn it_rings_until_the_answer_or_the_end() {
        for end in [accepted("in"), failed("in", Cause::Canceled), gone("in")] {
            let mut feedback = Feedback::default();
            let told = cues(&mut feedback, &[new("in"), progress("in"), end, gone("in")]);
            assert_eq!(told, [vec![Cue::Ring(true)], NOTHING, vec![Cue::Ring(false)], NOTHING]);
        }
    }

    #[test]
    fn in_a_call_another_one_is_told_by_a_tone_and_rings_when_that_is_over() {
        let mut feedback = Feedback::default();
        cues(&mut feedback, &[new("out"), accepted("out")]);
        let told = cues(&mut feedback, &[new("in"), gone("out"), accepted("in")]);
        let waiting = vec![Cue::Tone(Some(Tone::Waiting))];
        assert_eq!(told, [waiting, vec![Cue::Ring(true), Cue::Tone(None)], vec![Cue::Ring(false)]]);
    }

    #[test]
    fn busy_is_said_for_each_busy_call_and_ends_by_itself_or_with_the_next_answer() {
        let mut feedback = Feedback::default();
        let busy = vec![Cue::Tone(Some(Tone::Busy))];
        for call in ["out", "out 2"] {
            let told = cues(&mut feedback, &[new(call), failed(call, Cause::Busy), gone(call)]);
            assert_eq!(told, [NOTHING, busy.clone(), NOTHING], "{call}");
        }
        let told = cues(&mut feedback, &[new("in"), accepted("in")]);
        assert_eq!(told, [vec![Cue::Ring(true)], vec![Cue::Ring(false), Cue::Tone(None)]]);
    }

    #[test]
    fn whoever_is_called_and_is_busy_hears_no_tone() {
        let mut feedback = Feedback::default();
        let told = cues(&mut feedback, &[new("in"), failed("in", Cause::Busy)]);
        assert_eq!(told, [vec![Cue::Ring(true)], vec![Cue::Ring(false)]]);
    }

    #[test]
    fn at_the_end_of_the_phone_everything_falls_silent() {
        let mut feedback = Feedback::default();
        cues(&mut feedback, &[new("in"), new("out"), progress("out")]);
        assert_eq!(feedback.stop(), [Cue::Ring(false), Cue::Tone(None)]);
        assert_eq!(feedback.stop(), NOTHING);
    }
}
