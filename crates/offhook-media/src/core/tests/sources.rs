//! Which source ended, and which of two is sent.

use super::*;
use crate::audio::{AudioSourceFn, SourceState};

/// Ends with its first 20 ms; the number of frames that were asked for.
#[derive(Clone, Default)]
struct Short(Arc<Mutex<usize>>);

impl Short {
    fn asked(&self) -> usize {
        *self.0.lock().unwrap()
    }
}

impl AudioSourceFn for Short {
    fn fill(&mut self, _: u32, _: &mut [i16]) -> SourceState {
        *self.0.lock().unwrap() += 1;
        SourceState::Ended
    }
}

fn short(source: &Short) -> AudioSource {
    AudioSource::Custom(Box::new(source.clone()))
}

/// What ended on the first side, in order.
fn ended(pair: &Pair) -> Vec<SourceId> {
    let ended = |event: &PeerEvent| match event {
        PeerEvent::SourceEnded(id) => Some(*id),
        _ => None,
    };
    pair.sides[0].events.iter().filter_map(ended).collect()
}

#[test]
fn an_end_is_that_of_the_source_that_ended_though_another_is_set_before_it_is_read() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    let earlier = Short::default();
    let first = pair.sides[0].play(short(&earlier));
    // Its last frame is sent, and nobody has read of it yet.
    for _ in 0..100 {
        let Some(at) = pair.sides[0].core.timeout().filter(|_| earlier.asked() == 0) else { break };
        pair.now = pair.now.max(at);
        pair.sides[0].core.handle_timeout(pair.now);
    }
    assert_eq!(earlier.asked(), 1);
    let second = pair.sides[0].play(AudioSource::Tone(ToneSpec::new(500.0)));
    pair.run(100);
    assert_eq!(ended(&pair), [first]);
    let third = pair.sides[0].play(short(&Short::default()));
    pair.run(100);
    assert_eq!(ended(&pair), [first, third]);
    assert!(first < second && second < third);
}

#[test]
fn of_two_sources_the_later_number_is_sent_whichever_comes_first() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    let (first, second) = (SourceId::next(), SourceId::next());
    let (earlier, later) = (Short::default(), Short::default());
    pair.sides[0].core.set_source(second, short(&later));
    pair.sides[0].core.set_source(first, short(&earlier));
    pair.run(100);
    assert_eq!((earlier.asked(), later.asked()), (0, 1));
    assert_eq!(ended(&pair), [second]);
}
