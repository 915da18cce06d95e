//! A call's plugs: its source is the microphone, its sink the loudspeaker.

use super::RATE;
use super::ring::{Reader, Writer};
use crate::audio::{AudioSink, AudioSourceFn, Resampler, SourceState, convert};

/// What waits between a call and the engine before it is taken, samples: a call's frame and a half.
pub(super) const START: usize = RATE as usize * 30 / 1_000;
/// More than this waits: it is skipped, down to [`START`]. A held call's microphone, or a task that was late.
pub(super) const MOST: usize = RATE as usize * 90 / 1_000;

/// What a call sends: the microphone.
#[derive(Debug)]
pub(super) struct LineSource {
    pub(super) ring: Reader,
    pub(super) convert: Option<Resampler>,
    pub(super) ready: Vec<i16>,
    pub(super) filling: bool,
}

impl AudioSourceFn for LineSource {
    fn fill(&mut self, sample_rate: u32, out: &mut [i16]) -> SourceState {
        if self.convert.as_ref().is_none_or(|convert| convert.to_rate() != sample_rate) {
            self.convert = Resampler::new(RATE, sample_rate).ok();
            self.ready.clear();
        }
        let Some(convert) = &mut self.convert else { return SourceState::Ended };
        if self.ring.len() > MOST {
            self.ring.keep(START);
        }
        if self.filling && self.ring.len() < START {
            return SourceState::Playing;
        }
        self.filling = false;
        let mut piece = [0; 240];
        while self.ready.len() < out.len() {
            let count = self.ring.read(&mut piece);
            if count == 0 {
                self.filling = true;
                break;
            }
            convert.process(piece.get(..count).unwrap_or(&[]), &mut self.ready);
        }
        let count = out.len().min(self.ready.len());
        for (slot, sample) in out.iter_mut().zip(self.ready.drain(..count)) {
            *slot = sample;
        }
        SourceState::Playing
    }
}

/// Who hears a call: the loudspeaker.
#[derive(Debug)]
pub(super) struct LineSink {
    pub(super) ring: Writer,
    pub(super) convert: Option<Resampler>,
    pub(super) converted: Vec<i16>,
}

impl AudioSink for LineSink {
    fn write(&mut self, sample_rate: u32, samples: &[i16]) {
        self.converted.clear();
        convert(&mut self.convert, (sample_rate, RATE), samples, &mut self.converted);
        self.ring.write(self.converted.iter().copied());
    }
}
