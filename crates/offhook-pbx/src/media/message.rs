//! The files of voicemail: a directory for each mailbox, a WAV for each message.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use offhook_media::{AudioSink, Recording, WavSink};

use crate::private;
use crate::wall::wall_ms;

/// Of messages, Hz.
const RATE: u32 = 8_000;

/// A message is over when nothing is said for so long …
const SILENCE: Duration = Duration::from_secs(10);

/// … and this is nothing: −48 dBFS RMS.
const QUIET: f64 = 130.0;

/// The longest message.
pub(crate) const LONGEST: Duration = Duration::from_secs(180);

/// Less than this is no message: who was too late to hang up.
const SHORTEST: Duration = Duration::from_millis(1_000);

/// The bytes of the shortest: samples of two bytes.
const SMALLEST: u64 = RATE as u64 * 2 * SHORTEST.as_millis() as u64 / 1_000;

/// A message in a mailbox. The order is that of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    /// When it was left, ms since the epoch, and made different from all others of the mailbox.
    pub(crate) at: u64,
    /// The file.
    pub(crate) file: PathBuf,
}

/// Where the mailboxes are.
#[derive(Debug, Clone)]
pub(crate) struct Mailboxes(PathBuf);

/// A message that is being recorded.
pub(crate) struct Taking {
    pub(crate) sink: MessageSink,
    pub(crate) file: PathBuf,
    pub(crate) recording: Recording,
    /// Whether anything was said.
    pub(crate) spoken: Arc<AtomicBool>,
}

impl Mailboxes {
    /// In this data directory.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self(data_dir.join("voicemail"))
    }

    /// The messages of every mailbox, oldest first; what an earlier PBX left too short for one is deleted. Blocks.
    pub(crate) fn list(&self) -> BTreeMap<String, Vec<Message>> {
        let entries = |directory: &Path| std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries(&self.0)
            .filter_map(|entry| {
                let mailbox = number(entry.file_name().to_str()?)?;
                let mut messages: Vec<Message> =
                    entries(&entry.path()).filter_map(|entry| message(entry.path())).collect();
                messages.retain(|message| {
                    let is_long = std::fs::metadata(&message.file).is_ok_and(|file| file.len() >= SMALLEST);
                    if !is_long {
                        delete(&message.file);
                    }
                    is_long
                });
                messages.sort();
                Some((mailbox, messages))
            })
            .filter(|(_, messages)| !messages.is_empty())
            .collect()
    }

    /// Opens a file for a new message: its name is the time. Blocks.
    pub(crate) fn take(&self, mailbox: &str, over: Box<dyn FnOnce() + Send>) -> Result<Taking, String> {
        let directory = self.directory(mailbox);
        let shown = |error: std::io::Error| format!("{}: {error}", directory.display());
        private::create_dir(&directory).map_err(shown)?;
        let now = wall_ms();
        // Two at the same moment: the later one is a little later still.
        for at in now..now + 100 {
            let file = directory.join(format!("{at}.wav"));
            match private::create_file(&file) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(shown(error)),
            }
            let (wav, recording) = WavSink::create(&file, RATE).map_err(|error| error.to_string())?;
            let spoken = Arc::new(AtomicBool::new(false));
            let sink = MessageSink { wav, quiet: 0, heard: 0, spoken: spoken.clone(), over: Some(over) };
            return Ok(Taking { sink, file, recording, spoken });
        }
        Err(format!("{}: too many messages at once", directory.display()))
    }

    /// The directory's name is made of the number such that it can be nothing but a name.
    fn directory(&self, mailbox: &str) -> PathBuf {
        let name: String = mailbox
            .bytes()
            .map(
                |byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("_{byte:02x}") },
            )
            .collect();
        self.0.join(name)
    }
}

/// The number of the mailbox in a directory of this name.
fn number(directory: &str) -> Option<String> {
    let mut parts = directory.split('_');
    let mut number = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        number.push(char::from(u8::from_str_radix(code, 16).ok()?));
        number.push_str(rest);
    }
    Some(number)
}

/// A message's file is complete. Blocks.
pub(crate) fn keep(file: PathBuf, frames: u64, spoken: bool) -> Result<Message, String> {
    if !spoken || frames * 2 < SMALLEST {
        delete(&file);
        return Err("nothing was said".to_owned());
    }
    message(file).ok_or_else(|| "its file has no name".to_owned())
}

/// Deletes a message. Blocks.
pub(crate) fn delete(file: &Path) {
    if let Err(error) = std::fs::remove_file(file) {
        tracing::info!(file = %file.display(), %error, "a message cannot be deleted");
    }
}

fn message(file: PathBuf) -> Option<Message> {
    let at = file.file_name()?.to_str()?.strip_suffix(".wav")?.parse().ok()?;
    Some(Message { at, file })
}

/// Writes a message, and says when there is no more of it.
pub(crate) struct MessageSink {
    wav: WavSink,
    /// For so long nothing was said, ms.
    quiet: u64,
    /// So long is it, ms.
    heard: u64,
    spoken: Arc<AtomicBool>,
    over: Option<Box<dyn FnOnce() + Send>>,
}

impl AudioSink for MessageSink {
    fn write(&mut self, sample_rate: u32, samples: &[i16]) {
        if self.heard >= LONGEST.as_millis() as u64 {
            return;
        }
        self.wav.write(sample_rate, samples);
        let ms = samples.len() as u64 * 1_000 / u64::from(sample_rate.max(1));
        self.heard += ms;
        let power = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
        if power.sqrt() < QUIET {
            self.quiet += ms;
        } else {
            self.quiet = 0;
            self.spoken.store(true, Ordering::Relaxed);
        }
        let is_over = self.quiet >= SILENCE.as_millis() as u64 || self.heard >= LONGEST.as_millis() as u64;
        if let Some(over) = self.over.take_if(|_| is_over) {
            over();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailboxes(name: &str) -> Mailboxes {
        let directory = std::env::temp_dir().join(format!("offhook-{name}-{}", std::process::id()));
        // Of an earlier run.
        let _ = std::fs::remove_dir_all(&directory);
        Mailboxes::new(&directory)
    }

    #[test]
    fn no_number_leads_out_of_the_directory() {
        let mailboxes = Mailboxes::new(Path::new("data"));
        for number in ["..", ".", "*97", "a_b", "+49"] {
            let directory = mailboxes.directory(number);
            assert_eq!(directory.parent(), Some(Path::new("data/voicemail")), "{number}");
            let name = directory.file_name().and_then(|name| name.to_str()).expect("a name");
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
            assert_eq!(super::number(name).as_deref(), Some(number));
        }
        assert_ne!(mailboxes.directory("a_b"), mailboxes.directory("a_5fb"));
    }

    #[test]
    fn messages_are_listed_oldest_first_and_other_files_are_not() {
        let mailboxes = mailboxes("list");
        let directory = mailboxes.directory("1000");
        std::fs::create_dir_all(&directory).expect("made");
        std::fs::create_dir_all(mailboxes.directory("1001")).expect("made");
        for name in ["20.wav", "3.wav", "x.wav", "4.txt"] {
            std::fs::write(directory.join(name), vec![0; 16_000]).expect("written");
        }
        std::fs::write(directory.join("5.wav"), [0; 44]).expect("written");
        let listed = mailboxes.list();
        assert!(!directory.join("5.wav").exists(), "nobody said anything");
        assert_eq!(listed.keys().collect::<Vec<_>>(), ["1000"]);
        assert_eq!(listed["1000"].iter().map(|message| message.at).collect::<Vec<_>>(), [3, 20]);
        std::fs::remove_dir_all(&mailboxes.0).expect("removed");
    }

    #[tokio::test]
    async fn a_message_is_over_after_ten_seconds_of_silence_and_a_short_or_silent_one_is_none() {
        let mailboxes = mailboxes("take");
        let (sender, over) = std::sync::mpsc::channel();
        let told = Box::new(move || sender.send(()).expect("read"));
        let mut taking = mailboxes.take("1000", told).expect("a file");
        #[cfg(unix)]
        for (path, mode) in [(&mailboxes.0, 0o700), (&mailboxes.directory("1000"), 0o700), (&taking.file, 0o600)] {
            use std::os::unix::fs::PermissionsExt as _;
            let found = std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
            assert_eq!(found, mode, "{}", path.display());
        }
        let loud = [3_000; 160];
        for _ in 0..200 {
            taking.sink.write(8_000, &loud);
        }
        for _ in 0..499 {
            taking.sink.write(8_000, &[20; 160]);
        }
        assert!(over.try_recv().is_err());
        taking.sink.write(8_000, &[20; 160]);
        assert!(over.try_recv().is_ok());
        drop(taking.sink);
        let summary = taking.recording.finished().await.expect("written");
        let spoken = taking.spoken.load(Ordering::Relaxed);
        let kept = keep(taking.file, summary.frames, spoken).expect("long enough");
        assert_eq!(mailboxes.list()["1000"], [kept]);

        for (frames, sample) in [(1, 3_000), (400, 20)] {
            let mut none = mailboxes.take("1001", Box::new(|| {})).expect("a file");
            for _ in 0..frames {
                none.sink.write(8_000, &[sample; 160]);
            }
            drop(none.sink);
            let summary = none.recording.finished().await.expect("written");
            let spoken = none.spoken.load(Ordering::Relaxed);
            assert!(keep(none.file, summary.frames, spoken).is_err(), "{frames} frames");
        }
        assert!(!mailboxes.list().contains_key("1001"));
        std::fs::remove_dir_all(&mailboxes.0).expect("removed");
    }

    #[tokio::test]
    async fn no_message_is_longer_than_three_minutes() {
        let mailboxes = mailboxes("long");
        let (sender, over) = std::sync::mpsc::channel();
        let mut taking = mailboxes.take("1000", Box::new(move || sender.send(()).expect("read"))).expect("a file");
        for _ in 0..20_000 {
            taking.sink.write(8_000, &[3_000; 160]);
        }
        assert!(over.try_recv().is_ok() && over.try_recv().is_err());
        drop(taking.sink);
        let summary = taking.recording.finished().await.expect("written");
        assert!(summary.frames <= 180 * 8_000, "{}", summary.frames);
        std::fs::remove_dir_all(&mailboxes.0).expect("removed");
    }
}
