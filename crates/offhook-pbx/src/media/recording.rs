//! Files of calls and rooms that are recorded.

use futures_util::FutureExt as _;

use super::{LegId, MediaEvent, MediaHost, MessageId, OpenFile, RecordingId, Reply, Running, Taped, message};
use crate::events::CallId;
use crate::recordings::{Listener, NewFile};

impl MediaHost {
    /// Opens the file where that may block.
    pub(super) fn start_recording(&mut self, recording: RecordingId, call: CallId, of: Taped) {
        self.recordings.insert(recording, Running { of, open: None });
        let (directory, open) = (self.directory.clone(), OpenFile::clone(&self.files));
        let created = tokio::task::spawn_blocking(move || NewFile::create(directory.as_deref(), call, of));
        let reply = created.map(move |joined| {
            let result = joined.unwrap_or_else(|_| Err("the PBX stops".to_owned())).map(Box::new);
            Reply::Created { call, recording, result, open }
        });
        self.replies.push(reply.boxed());
    }

    /// Lets the recorder hear, unless it was stopped before.
    pub(super) fn file_created(
        &mut self,
        call: CallId,
        recording: RecordingId,
        result: Result<Box<NewFile>, String>,
        open: OpenFile,
    ) -> Option<MediaEvent> {
        let Some(running) = self.recordings.get_mut(&recording) else {
            // Its call ended meanwhile: nothing was heard, and nothing stays.
            if let Ok(file) = result {
                self.discard(*file, open);
            }
            return None;
        };
        let NewFile { path, listener, handle } = match result {
            Ok(file) => *file,
            Err(reason) => return Some(MediaEvent::RecordingFailed { call, recording, reason }),
        };
        let tap = match (listener, running.of) {
            (Listener::Call(sides), Taped::Callee(leg) | Taped::Caller(leg)) => {
                let Some(known) = self.legs.get(&leg) else {
                    let reason = "the call's media is closed".to_owned();
                    let listener = Listener::Call(sides);
                    self.discard(NewFile { path, listener, handle }, open);
                    return Some(MediaEvent::RecordingFailed { call, recording, reason });
                };
                Some(known.peer.tap(sides))
            }
            (Listener::Room(sink), Taped::Room(room)) => {
                self.rooms.entry(room).or_default().set_listener(Some(Box::new(sink)));
                None
            }
            _ => None,
        };
        running.open = Some((tap, handle.control()));
        let finished = handle.finished().map(move |result| {
            drop(open);
            Reply::Event(match result {
                Ok(summary) => {
                    MediaEvent::RecordingComplete { call, recording, file: summary.path.display().to_string() }
                }
                Err(error) => MediaEvent::RecordingFailed { call, recording, reason: error.to_string() },
            })
        });
        self.replies.push(finished.boxed());
        Some(MediaEvent::RecordingStarted { call, recording, file: path.display().to_string() })
    }

    /// Removes a file in which nothing is.
    fn discard(&mut self, file: NewFile, open: OpenFile) {
        let NewFile { path, listener, handle } = file;
        drop(listener);
        let removed = handle.finished().then(|_| {
            let remove = move || {
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::warn!(path = %path.display(), %error, "an empty recording stays");
                }
            };
            tokio::task::spawn_blocking(remove).map(move |_| {
                drop(open);
                Reply::Discarded
            })
        });
        self.replies.push(removed.boxed());
    }

    /// Completes the file.
    pub(super) fn stop_recording(&mut self, recording: RecordingId) {
        let Some(Running { of, open }) = self.recordings.remove(&recording) else { return };
        match of {
            Taped::Callee(leg) | Taped::Caller(leg) => {
                if let (Some(known), Some((Some(tap), _))) = (self.legs.get(&leg), open) {
                    known.peer.untap(tap);
                }
            }
            Taped::Room(room) => {
                if let Some(mixer) = self.rooms.get(&room) {
                    mixer.set_listener(None);
                }
                if self.legs.values().all(|known| known.room != Some(room)) {
                    self.rooms.remove(&room);
                }
            }
        }
    }

    /// Opens a message's file where that may block.
    pub(super) fn take_message(&mut self, leg: LegId, message: MessageId, mailbox: String) {
        self.messages.insert(message, leg);
        let (mailboxes, events) = (self.mailboxes.clone(), self.events.clone());
        let open = OpenFile::clone(&self.files);
        let over = Box::new(move || {
            // The PBX may be stopping.
            let _ = events.send(MediaEvent::MessageOver { message });
        });
        let name = mailbox.clone();
        let opened = tokio::task::spawn_blocking(move || match mailboxes {
            Some(mailboxes) => mailboxes.take(&name, over),
            None => Err("there is no voicemail".to_owned()),
        });
        let reply = opened.map(move |joined| {
            let result = joined.unwrap_or_else(|_| Err("the PBX stops".to_owned())).map(Box::new);
            Reply::Message { message, mailbox, result, open }
        });
        self.replies.push(reply.boxed());
    }

    /// The message is recorded from now on. It may be over already, or its call: then nothing is heard, and nothing kept.
    pub(super) fn message_opened(
        &mut self,
        message: MessageId,
        mailbox: String,
        result: Result<Box<message::Taking>, String>,
        open: OpenFile,
    ) -> Option<MediaEvent> {
        let taking = match result {
            Ok(taking) => *taking,
            Err(reason) => return Some(MediaEvent::MessageLost { message, mailbox, reason }),
        };
        let message::Taking { sink, file, recording, spoken } = taking;
        if let Some(known) = self.messages.get(&message).and_then(|leg| self.legs.get(leg)) {
            known.peer.set_sink(Some(Box::new(sink)));
        }
        let finished = recording.finished().then(move |result| async move {
            let kept = match result {
                Ok(summary) => {
                    let is_spoken = spoken.load(std::sync::atomic::Ordering::Relaxed);
                    tokio::task::spawn_blocking(move || message::keep(file, summary.frames, is_spoken)).await
                }
                Err(error) => Ok(Err(error.to_string())),
            };
            drop(open);
            Reply::Event(match kept.unwrap_or_else(|_| Err("the PBX stops".to_owned())) {
                Ok(kept) => MediaEvent::MessageKept { message, mailbox, kept },
                Err(reason) => MediaEvent::MessageLost { message, mailbox, reason },
            })
        });
        self.replies.push(finished.boxed());
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;
    use crate::media::MediaAction;

    /// The shutdown looks for files that are not complete each time that something happens.
    #[tokio::test]
    async fn that_a_file_was_discarded_is_something_that_happens() {
        let directory = std::env::temp_dir().join(format!("offhook-pbx-discarded-{}", std::process::id()));
        let file = std::env::temp_dir().join(format!("offhook-pbx-no-directory-{}", std::process::id()));
        std::fs::write(&file, []).expect("made");
        // It is made, or cannot be.
        for (directory, files) in [(&directory, 0), (&file, 1)] {
            let mut host =
                MediaHost::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Duration::from_secs(60), Some(directory.clone()), None);
            let recording = RecordingId(1);
            host.execute(MediaAction::StartRecording { recording, call: CallId(2), of: Taped::Callee(LegId(3)) });
            host.execute(MediaAction::StopRecording { recording });
            let complete = async {
                while host.files() > 0 {
                    host.next().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), complete).await.expect("told");
            assert_eq!(std::fs::read_dir(directory).map_or(1, Iterator::count), files);
        }
        std::fs::remove_dir(&directory).expect("removed");
        std::fs::remove_file(&file).expect("removed");
    }

    #[tokio::test]
    async fn a_call_that_ends_while_its_file_is_opened_leaves_none() {
        let directory = std::env::temp_dir().join(format!("offhook-pbx-opened-{}", std::process::id()));
        for stops in [true, false] {
            let mut host =
                MediaHost::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Duration::from_secs(60), Some(directory.clone()), None);
            let recording = RecordingId(1);
            // The leg is gone before the file is there, and the recording with it or not.
            host.execute(MediaAction::StartRecording { recording, call: CallId(2), of: Taped::Callee(LegId(3)) });
            if stops {
                host.execute(MediaAction::StopRecording { recording });
            }
            let mut told = Vec::new();
            while !host.replies.is_empty() {
                if let Ok(event) = tokio::time::timeout(Duration::from_millis(10), host.next()).await {
                    told.extend(event);
                }
            }
            let failed = matches!(told[..], [MediaEvent::RecordingFailed { .. }]);
            assert!(if stops { told.is_empty() } else { failed }, "{told:?}");
            assert_eq!(std::fs::read_dir(&directory).expect("it was made").count(), 0);
            std::fs::remove_dir(&directory).expect("removed");
        }
    }
}
