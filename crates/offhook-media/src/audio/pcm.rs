//! Handles through which user code pushes and pulls samples at its own rate.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::AudioSink;
use super::resample::{Resampler, convert};
use super::source::SourceState;
use crate::error::MediaError;

/// A queue from user code to a call: samples pushed into the [`PcmInput`] are sent once the [`PcmReceiver`] is given to
/// [`crate::Peer::set_source`] in [`crate::AudioSource::Pcm`].
///
/// `sample_rate` is 4000–192000 Hz; `buffer` is brought into 20 ms–10 s. Nothing is taken from it while nothing is sent (before the
/// connection is up, on hold): what waits is said afterwards. A live microphone is not late for the rest of the call if
/// [`PcmInput::clear`] is called when sending begins.
///
/// # Errors
/// [`MediaError::SampleRate`].
pub fn pcm_input(sample_rate: u32, buffer: Duration) -> Result<(PcmInput, PcmReceiver), MediaError> {
    let shared = Shared::new(sample_rate, buffer)?;
    let receiver = PcmReceiver { shared: shared.clone(), convert: None, ready: Vec::new(), generation: 0 };
    Ok((PcmInput { shared }, receiver))
}

/// A queue from a call to user code: what is heard once the [`PcmSender`] is given to [`crate::Peer::set_sink`] is pulled
/// from the [`PcmOutput`]. When it is full the oldest samples are dropped and counted.
///
/// `sample_rate` is 4000–192000 Hz; `buffer` is brought into 20 ms–10 s.
///
/// # Errors
/// [`MediaError::SampleRate`].
pub fn pcm_output(sample_rate: u32, buffer: Duration) -> Result<(PcmOutput, PcmSender), MediaError> {
    let shared = Shared::new(sample_rate, buffer)?;
    let sender = PcmSender { shared: shared.clone(), convert: None, converted: Vec::new() };
    Ok((PcmOutput { shared }, sender))
}

/// Pushes samples into a call.
#[derive(Debug)]
pub struct PcmInput {
    shared: Arc<Shared>,
}

impl PcmInput {
    /// Queues all samples, waiting while the queue is full. Cancel-safe only in that what was queued stays queued.
    ///
    /// # Errors
    /// [`MediaError::Closed`] if the call no longer plays this source.
    pub async fn write(&mut self, mut samples: &[i16]) -> Result<(), MediaError> {
        loop {
            let written = self.try_write(samples)?;
            samples = samples.get(written..).unwrap_or(&[]);
            if samples.is_empty() {
                return Ok(());
            }
            self.shared.room.notified().await;
        }
    }

    /// Queues what fits, and says how many samples that was.
    ///
    /// # Errors
    /// [`MediaError::Closed`] if the call no longer plays this source.
    pub fn try_write(&mut self, samples: &[i16]) -> Result<usize, MediaError> {
        let mut queue = self.shared.lock();
        if queue.reader_gone {
            return Err(MediaError::Closed);
        }
        let count = samples.len().min(self.shared.capacity.saturating_sub(queue.samples.len()));
        queue.samples.extend(samples.iter().take(count));
        Ok(count)
    }

    /// Drops everything queued and not yet sent: the bot is interrupted.
    pub fn clear(&mut self) {
        let mut queue = self.shared.lock();
        queue.samples.clear();
        queue.generation += 1;
        drop(queue);
        self.shared.room.notify_one();
    }

    /// Duration of what is queued.
    pub fn queued(&self) -> Duration {
        let samples = self.shared.lock().samples.len();
        Duration::from_secs_f64(samples as f64 / f64::from(self.shared.rate))
    }

    /// Rate of the samples, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.shared.rate
    }
}

impl Drop for PcmInput {
    fn drop(&mut self) {
        self.shared.lock().writer_gone = true;
    }
}

/// The call's end of [`pcm_input`].
#[derive(Debug)]
pub struct PcmReceiver {
    shared: Arc<Shared>,
    convert: Option<Resampler>,
    /// Converted samples not yet played.
    ready: Vec<i16>,
    generation: u64,
}

impl PcmReceiver {
    pub(crate) fn sample_rate(&self) -> u32 {
        self.shared.rate
    }

    pub(crate) fn fill(&mut self, sample_rate: u32, out: &mut [i16]) -> SourceState {
        if self.convert.as_ref().is_none_or(|c| c.to_rate() != sample_rate) {
            // Both rates were checked: this cannot fail.
            self.convert = Resampler::new(self.shared.rate, sample_rate).ok();
            self.ready.clear();
        }
        let ended = self.refill(out.len());
        let count = out.len().min(self.ready.len());
        for (sample, ready) in out.iter_mut().zip(self.ready.drain(..count)) {
            *sample = ready;
        }
        if ended && count == 0 { SourceState::Ended } else { SourceState::Playing }
    }

    /// Converts until `wanted` samples are ready or the queue is empty; says whether no more will come.
    fn refill(&mut self, wanted: usize) -> bool {
        let Some(convert) = &mut self.convert else {
            return true;
        };
        let mut queue = self.shared.lock();
        if queue.generation != self.generation {
            self.generation = queue.generation;
            self.ready.clear();
            convert.reset();
        }
        let mut piece = [0i16; 256];
        while self.ready.len() < wanted && !queue.samples.is_empty() {
            let mut count = 0;
            while let (Some(slot), Some(sample)) = (piece.get_mut(count), queue.samples.front().copied()) {
                *slot = sample;
                queue.samples.pop_front();
                count += 1;
            }
            convert.process(piece.get(..count).unwrap_or(&[]), &mut self.ready);
        }
        let ended = queue.writer_gone && queue.samples.is_empty();
        drop(queue);
        self.shared.room.notify_one();
        ended
    }
}

impl Drop for PcmReceiver {
    fn drop(&mut self) {
        self.shared.lock().reader_gone = true;
        self.shared.room.notify_one();
    }
}

/// Pulls samples out of a call.
#[derive(Debug)]
pub struct PcmOutput {
    shared: Arc<Shared>,
}

impl PcmOutput {
    /// Waits until `out` can be filled, fills it, and says how many samples that was: fewer than asked for only at the
    /// end of the call, then 0. Cancel-safe: nothing is taken before it is all there.
    pub async fn read(&mut self, out: &mut [i16]) -> usize {
        // More than the buffer holds would never come.
        let wanted = out.len().min(self.shared.capacity);
        loop {
            {
                let mut queue = self.shared.lock();
                if queue.samples.len() >= wanted || queue.writer_gone {
                    let count = wanted.min(queue.samples.len());
                    for (slot, sample) in out.iter_mut().zip(queue.samples.drain(..count)) {
                        *slot = sample;
                    }
                    return count;
                }
            }
            self.shared.filled.notified().await;
        }
    }

    /// Samples dropped because they were not read in time.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Rate of the samples, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.shared.rate
    }
}

impl Drop for PcmOutput {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.reader_gone = true;
        queue.samples = VecDeque::new();
    }
}

/// The call's end of [`pcm_output`]; give it to [`crate::Peer::set_sink`].
#[derive(Debug)]
pub struct PcmSender {
    shared: Arc<Shared>,
    convert: Option<Resampler>,
    converted: Vec<i16>,
}

impl AudioSink for PcmSender {
    fn write(&mut self, sample_rate: u32, samples: &[i16]) {
        self.converted.clear();
        convert(&mut self.convert, (sample_rate, self.shared.rate), samples, &mut self.converted);
        let mut queue = self.shared.lock();
        if queue.reader_gone {
            return;
        }
        queue.samples.extend(&self.converted);
        let excess = queue.samples.len().saturating_sub(self.shared.capacity);
        queue.samples.drain(..excess);
        queue.dropped += excess as u64;
        drop(queue);
        self.shared.filled.notify_one();
    }
}

impl Drop for PcmSender {
    fn drop(&mut self) {
        self.shared.lock().writer_gone = true;
        self.shared.filled.notify_one();
    }
}

#[derive(Debug)]
struct Shared {
    rate: u32,
    capacity: usize,
    queue: Mutex<Queue>,
    room: Notify,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    samples: VecDeque<i16>,
    /// Counts how often the queue was cleared, so that the reader drops what it has converted.
    generation: u64,
    dropped: u64,
    writer_gone: bool,
    reader_gone: bool,
}

impl Shared {
    fn new(rate: u32, buffer: Duration) -> Result<Arc<Self>, MediaError> {
        // Checks the range.
        Resampler::new(rate, rate)?;
        let buffer = buffer.clamp(Duration::from_millis(20), Duration::from_secs(10));
        Ok(Arc::new(Self {
            rate,
            capacity: (buffer.as_secs_f64() * f64::from(rate)) as usize,
            queue: Mutex::default(),
            room: Notify::new(),
            filled: Notify::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic runs under the lock, and the queue is consistent at every step.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
