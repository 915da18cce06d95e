//! WAV files written while a call runs: one thread for all calls of the process does the blocking work.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use tokio::sync::oneshot;

use super::resample::{Resampler, convert};
use super::{AudioSink, Tap, TapFrame};
use crate::error::MediaError;

/// Blocks that may wait for the disk, all calls together: 200 ms each.
const QUEUE: usize = 4_096;
/// Blocks between two updates of the header: what a crash can lose is this, a second.
const HEADER_EVERY: u32 = 5;

/// Writes what is heard into a mono WAV file. Dropping it (the sink is replaced, the peer closes) completes the file.
pub struct WavSink {
    stream: Stream,
    convert: Option<Resampler>,
}

impl WavSink {
    /// Creates the file, or replaces it. The handle says when it is complete.
    ///
    /// # Errors
    /// [`MediaError::UnwritableWav`], [`MediaError::SampleRate`].
    pub fn create(path: impl AsRef<Path>, sample_rate: u32) -> Result<(Self, Recording), MediaError> {
        let (stream, recording) = Stream::create(path.as_ref(), sample_rate, 1)?;
        Ok((Self { stream, convert: None }, recording))
    }
}

impl AudioSink for WavSink {
    fn write(&mut self, sample_rate: u32, samples: &[i16]) {
        if self.stream.paused() {
            return;
        }
        convert(&mut self.convert, (sample_rate, self.stream.rate), samples, &mut self.stream.block);
        self.stream.pass_on();
    }
}

/// Records both sides of a call into a stereo WAV file, left local, right remote. Dropping it (the peer closes) completes
/// the file; at any moment before, the file is a readable WAV that lacks at most the last two seconds.
pub struct Recorder {
    stream: Stream,
    convert: [Option<Resampler>; 2],
    sides: [Vec<i16>; 2],
}

impl Recorder {
    /// Creates the file, or replaces it. Give the recorder to [`crate::Peer::tap`]; the handle pauses it and says when
    /// the file is complete.
    ///
    /// # Errors
    /// [`MediaError::UnwritableWav`], [`MediaError::SampleRate`].
    pub fn create(path: impl AsRef<Path>, sample_rate: u32) -> Result<(Self, Recording), MediaError> {
        let (stream, recording) = Stream::create(path.as_ref(), sample_rate, 2)?;
        Ok((Self { stream, convert: [None, None], sides: [Vec::new(), Vec::new()] }, recording))
    }
}

impl Tap for Recorder {
    fn frame(&mut self, frame: &TapFrame<'_>) {
        if self.stream.paused() {
            return;
        }
        let inputs = [(frame.local_rate, frame.local), (frame.remote_rate, frame.remote)];
        for ((converter, side), (rate, samples)) in self.convert.iter_mut().zip(&mut self.sides).zip(inputs) {
            convert(converter, (rate, self.stream.rate), samples, side);
        }
        let [left, right] = &mut self.sides;
        let count = left.len().min(right.len());
        for (l, r) in left.drain(..count).zip(right.drain(..count)) {
            self.stream.block.extend([l, r]);
        }
        self.stream.pass_on();
    }
}

/// What came of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingSummary {
    /// The file.
    pub path: PathBuf,
    /// Sample frames written.
    pub frames: u64,
    /// Sample frames lost because the disk was too slow.
    pub dropped: u64,
}

/// Handle of a recording that runs.
#[derive(Debug)]
pub struct Recording {
    control: Arc<Control>,
    done: oneshot::Receiver<Result<RecordingSummary, MediaError>>,
}

impl Recording {
    /// Stops writing; what is said meanwhile is left out.
    pub fn pause(&self) {
        self.control.paused.store(true, Ordering::Relaxed);
    }

    /// Writes again.
    pub fn resume(&self) {
        self.control.paused.store(false, Ordering::Relaxed);
    }

    /// A handle that pauses it too, to be kept while something waits for [`finished`](Self::finished).
    pub fn control(&self) -> RecordingControl {
        RecordingControl(self.control.clone())
    }

    /// Waits until the recorder or sink was dropped and the file is complete, or until it cannot be written any more.
    ///
    /// # Errors
    /// [`MediaError::UnwritableWav`] if writing failed: told at once.
    pub async fn finished(self) -> Result<RecordingSummary, MediaError> {
        self.done.await.unwrap_or(Err(MediaError::Closed))
    }
}

/// Pauses a [`Recording`].
#[derive(Debug, Clone)]
pub struct RecordingControl(Arc<Control>);

impl RecordingControl {
    /// Stops writing, or writes again.
    pub fn set_paused(&self, paused: bool) {
        self.0.paused.store(paused, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Control {
    paused: AtomicBool,
    dropped: AtomicU64,
}

/// Collects samples and hands them to the writer in blocks.
struct Stream {
    id: u64,
    rate: u32,
    block: Vec<i16>,
    block_samples: usize,
    channels: u16,
    control: Arc<Control>,
    writer: SyncSender<Job>,
}

impl Stream {
    fn create(path: &Path, rate: u32, channels: u16) -> Result<(Self, Recording), MediaError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Resampler::new(rate, rate)?;
        let control = Arc::new(Control::default());
        let (reply, done) = oneshot::channel();
        let wav = WavFile::create(path, rate, channels, control.clone(), reply)?;
        let writer = writer(path)?.clone();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        writer
            .try_send(Job::Open(id, Box::new(wav)))
            .map_err(|_| unwritable(path, "too many recordings wait for the disk"))?;
        let block_samples = rate as usize / 5 * usize::from(channels);
        let block = Vec::with_capacity(block_samples * 2);
        let stream = Self { id, rate, block, block_samples, channels, control: control.clone(), writer };
        Ok((stream, Recording { control, done }))
    }

    fn paused(&self) -> bool {
        self.control.paused.load(Ordering::Relaxed)
    }

    fn pass_on(&mut self) {
        if self.block.len() >= self.block_samples {
            let next = Vec::with_capacity(self.block_samples * 2);
            let block = std::mem::replace(&mut self.block, next);
            self.send(block);
        }
    }

    fn send(&mut self, block: Vec<i16>) {
        let frames = block.len() as u64 / u64::from(self.channels);
        if self.writer.try_send(Job::Samples(self.id, block)).is_err() {
            self.control.dropped.fetch_add(frames, Ordering::Relaxed);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let block = std::mem::take(&mut self.block);
        self.send(block);
        // The queue may be full just now; the file must be completed all the same, but a runtime thread must not block.
        if let Err(std::sync::mpsc::TrySendError::Full(job)) = self.writer.try_send(Job::Close(self.id)) {
            let writer = self.writer.clone();
            std::thread::spawn(move || writer.send(job));
        }
    }
}

enum Job {
    Open(u64, Box<WavFile>),
    Samples(u64, Vec<i16>),
    Close(u64),
}

/// The writer thread, started with the first recording.
fn writer(path: &Path) -> Result<&'static SyncSender<Job>, MediaError> {
    static WRITER: OnceLock<Result<SyncSender<Job>, String>> = OnceLock::new();
    WRITER
        .get_or_init(|| {
            let (sender, jobs) = sync_channel(QUEUE);
            std::thread::Builder::new()
                .name("offhook-wav".to_owned())
                .spawn(move || {
                    let mut files = std::collections::HashMap::new();
                    for job in jobs {
                        match job {
                            Job::Open(id, file) => {
                                files.insert(id, file);
                            }
                            Job::Samples(id, block) => {
                                if let Some(file) = files.get_mut(&id) {
                                    file.append(&block);
                                }
                            }
                            Job::Close(id) => {
                                if let Some(file) = files.remove(&id) {
                                    file.finish();
                                }
                            }
                        }
                    }
                })
                .map(|_| sender)
                .map_err(|e| e.to_string())
        })
        .as_ref()
        .map_err(|reason| unwritable(path, reason))
}

fn unwritable(path: &Path, reason: impl ToString) -> MediaError {
    MediaError::UnwritableWav { path: path.display().to_string(), reason: reason.to_string() }
}

/// Bytes of samples that a WAV can hold: its sizes have 32 bits, and the header counts in one of them.
const LARGEST: u64 = u32::MAX as u64 - 36;
const FULL: &str = "a WAV holds no more than 4 GiB; what was recorded until then is complete";

/// A WAV file whose header is brought up to date as it grows.
struct WavFile {
    path: PathBuf,
    file: BufWriter<File>,
    channels: u16,
    bytes: u64,
    blocks: u32,
    failed: Option<MediaError>,
    control: Arc<Control>,
    /// Until the outcome was told.
    reply: Option<oneshot::Sender<Result<RecordingSummary, MediaError>>>,
}

impl WavFile {
    fn create(
        path: &Path,
        rate: u32,
        channels: u16,
        control: Arc<Control>,
        reply: oneshot::Sender<Result<RecordingSummary, MediaError>>,
    ) -> Result<Self, MediaError> {
        let mut file = BufWriter::new(File::create(path).map_err(|e| unwritable(path, e))?);
        let align = channels * 2;
        let mut header = Vec::with_capacity(44);
        header.extend_from_slice(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0");
        header.extend_from_slice(&channels.to_le_bytes());
        header.extend_from_slice(&rate.to_le_bytes());
        header.extend_from_slice(&(rate * u32::from(align)).to_le_bytes());
        header.extend_from_slice(&align.to_le_bytes());
        header.extend_from_slice(b"\x10\0data\0\0\0\0");
        file.write_all(&header).and_then(|()| file.flush()).map_err(|e| unwritable(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            channels,
            bytes: 0,
            blocks: 0,
            failed: None,
            control,
            reply: Some(reply),
        })
    }

    fn append(&mut self, samples: &[i16]) {
        if self.failed.is_some() {
            return;
        }
        let result = if self.bytes + samples.len() as u64 * 2 > LARGEST {
            // What there is stays a whole file.
            self.update_header().and_then(|()| self.file.flush()).and(Err(std::io::Error::other(FULL)))
        } else {
            self.write(samples)
        };
        self.failed = result.err().map(|e| unwritable(&self.path, e));
        if let (Some(error), Some(reply)) = (&self.failed, self.reply.take_if(|_| self.failed.is_some())) {
            // Nobody may be waiting.
            let _ = reply.send(Err(error.clone()));
        }
    }

    fn write(&mut self, samples: &[i16]) -> std::io::Result<()> {
        samples.iter().try_for_each(|s| self.file.write_all(&s.to_le_bytes()))?;
        self.bytes += samples.len() as u64 * 2;
        self.blocks += 1;
        if self.blocks.is_multiple_of(HEADER_EVERY) { self.update_header() } else { Ok(()) }
    }

    /// The sizes are written after the samples they count: a cut leaves a file that is short, not broken.
    fn update_header(&mut self) -> std::io::Result<()> {
        self.file.flush()?;
        self.file.seek(SeekFrom::Start(4))?;
        self.file.write_all(&(self.bytes as u32 + 36).to_le_bytes())?;
        self.file.seek(SeekFrom::Start(40))?;
        self.file.write_all(&(self.bytes as u32).to_le_bytes())?;
        self.file.seek(SeekFrom::End(0))?;
        Ok(())
    }

    fn finish(mut self) {
        let result = match self.failed.take() {
            Some(error) => Err(error),
            None => self.update_header().and_then(|()| self.file.flush()).map_err(|e| unwritable(&self.path, e)),
        };
        let summary = result.map(|()| RecordingSummary {
            frames: self.bytes / 2 / u64::from(self.channels),
            dropped: self.control.dropped.load(Ordering::Relaxed),
            path: self.path,
        });
        if let Some(reply) = self.reply {
            // Nobody may be waiting.
            let _ = reply.send(summary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_any_more_is_told_while_the_call_runs() {
        let path = std::env::temp_dir().join(format!("offhook-broken-{}.wav", std::process::id()));
        let (reply, mut told) = oneshot::channel();
        let mut wav = WavFile::create(&path, 8_000, 2, Arc::default(), reply).expect("a file");
        // The disk takes nothing more.
        wav.file = BufWriter::new(File::open(&path).expect("to read only"));
        for _ in 0..HEADER_EVERY {
            assert!(told.try_recv().is_err(), "nothing is known to be wrong yet");
            wav.append(&[1; 100]);
        }
        assert!(matches!(told.try_recv(), Ok(Err(MediaError::UnwritableWav { .. }))));
        wav.append(&[1; 100]);
        wav.finish();
        std::fs::remove_file(&path).expect("it was there");
    }

    #[test]
    fn a_file_that_is_full_is_told_once_and_whole() {
        let path = std::env::temp_dir().join(format!("offhook-full-{}.wav", std::process::id()));
        let (reply, mut told) = oneshot::channel();
        let mut wav = WavFile::create(&path, 8_000, 2, Arc::default(), reply).expect("a file");
        // Of which only the end is there.
        wav.bytes = LARGEST - 203;
        wav.append(&[1; 100]);
        assert!(told.try_recv().is_err(), "it just fits");
        let written = wav.bytes;
        wav.append(&[1; 100]);
        let Ok(Err(MediaError::UnwritableWav { reason, .. })) = told.try_recv() else { panic!("it is told at once") };
        assert!(reason.contains("4 GiB"), "{reason}");
        wav.append(&[1]);
        wav.finish();
        let file = std::fs::read(&path).expect("it is there");
        std::fs::remove_file(&path).expect("it was there");
        let size = |at: usize| u64::from(u32::from_le_bytes(file[at..at + 4].try_into().expect("four")));
        assert_eq!((size(4), size(40), file.len()), (written + 36, written, 44 + 200));
    }

    #[tokio::test]
    async fn both_sides_stay_together_when_the_rate_of_one_changes() {
        let path = std::env::temp_dir().join(format!("offhook-rates-{}.wav", std::process::id()));
        let (mut recorder, recording) = Recorder::create(&path, 16_000).expect("a file");
        let (narrow, wide) = ([1_000i16; 160], [1_000i16; 960]);
        for n in 0..100 {
            let (local, local_rate): (&[i16], _) = if n / 10 % 2 == 0 { (&narrow, 8_000) } else { (&wide, 48_000) };
            let remote_earlier = std::time::Duration::ZERO;
            recorder.frame(&TapFrame { local, local_rate, remote: &wide, remote_rate: 48_000, remote_earlier });
        }
        drop(recorder);
        let frames = recording.finished().await.expect("it is written").frames;
        std::fs::remove_file(&path).expect("it was there");
        // But for what the converters still hold.
        assert!((32_000 - 30..=32_000).contains(&frames), "{frames} of 2 s");
    }
}
