//! Keeps what the phones and the PBX tell, shows it, and waits for it.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use offhook::events::Side;
use offhook::{CommunicationType, Phone, PhoneEvent, SessionEvent};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::contract::Recorded;
use super::live::Live;
use super::outcome::{Flow, TimedEvent};
use super::track::Clock;

/// Everything that happened, for the report.
#[derive(Debug, Clone)]
pub(super) struct Diary {
    clock: Clock,
    live: Arc<Live>,
    events: Arc<Mutex<Vec<TimedEvent>>>,
}

impl Diary {
    pub(super) fn new(clock: Clock, live: Arc<Live>) -> Self {
        Self { clock, live, events: Arc::default() }
    }

    /// Writes down what happens now.
    pub(super) fn note(&self, phone: &str, name: &str, detail: impl Into<String>, flow: Flow) {
        self.note_at(self.clock.ms(), phone, name, detail.into(), flow);
    }

    fn note_at(&self, at_ms: u64, phone: &str, name: &str, detail: String, flow: Flow) {
        let event = TimedEvent { at_ms, phone: phone.to_owned(), name: name.to_owned(), detail, flow };
        self.live.event(&event);
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// All of it, in order of time.
    pub(super) fn events(&self) -> Vec<TimedEvent> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        events.sort_by_key(|event| event.at_ms);
        events
    }
}

/// What one phone told.
#[derive(Debug)]
pub(super) struct PhoneLog {
    list: watch::Receiver<Vec<Recorded>>,
    task: JoinHandle<()>,
}

impl PhoneLog {
    /// Listens to a phone until it is gone.
    pub(super) fn of(phone: &Phone, number: &'static str, diary: Diary) -> Self {
        let (sender, list) = watch::channel(Vec::new());
        let mut events = phone.events();
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let at_ms = diary.clock.ms();
                if let Some((detail, flow)) = describe(&event) {
                    diary.note_at(at_ms, number, event.name(), detail, flow);
                }
                sender.send_modify(|list| list.push(Recorded { at_ms, event }));
            }
        });
        Self { list, task }
    }

    /// Waits until the phone has told what is wanted.
    pub(super) async fn until(&self, mut wanted: impl FnMut(&[Recorded]) -> bool) {
        let mut list = self.list.clone();
        if list.wait_for(|list| wanted(list)).await.is_err() {
            // The phone is gone: the deadline of the step says so.
            std::future::pending::<()>().await;
        }
    }

    /// What it told so far.
    pub(super) fn list(&self) -> Vec<Recorded> {
        self.list.borrow().clone()
    }
}

impl Drop for PhoneLog {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What an event says and where it went; none for those that would only fill the page.
fn describe(event: &PhoneEvent) -> Option<(String, Flow)> {
    let told = match event {
        PhoneEvent::Connected => ("WebSocket over TLS".to_owned(), Flow::Received),
        PhoneEvent::Disconnected { reason } => (reason.clone(), Flow::Local),
        PhoneEvent::Registered => (String::new(), Flow::Received),
        PhoneEvent::RegistrationFailed { cause, .. } => (cause.as_str().to_owned(), Flow::Received),
        PhoneEvent::IsRegisteredChange { is_registered } => (is_registered.to_string(), Flow::Local),
        PhoneEvent::Incoming { .. } => (String::new(), Flow::Received),
        PhoneEvent::DeleteSession { cause, .. } => (cause.as_str().to_owned(), Flow::Local),
        PhoneEvent::Session(event) => return of_session(event),
        _ => (String::new(), Flow::Local),
    };
    Some(told)
}

fn of_session(event: &SessionEvent) -> Option<(String, Flow)> {
    let told = match event {
        SessionEvent::UpdateTimer { .. } | SessionEvent::Icecandidate { .. } => return None,
        SessionEvent::CallReport { call_report, .. } => {
            let stats = &call_report.stats;
            let mos = stats.mos.map(|mos| format!("MOS {mos:.2}, ")).unwrap_or_default();
            (format!("{mos}{} packets, {} lost", stats.packets_received, stats.packets_lost), Flow::Local)
        }
        SessionEvent::Sdp { originator, kind, .. } => {
            let kind = format!("{kind:?}").to_lowercase();
            match originator {
                Side::Local => (format!("local {kind}"), Flow::Sent),
                Side::Remote => (format!("remote {kind}"), Flow::Received),
            }
        }
        SessionEvent::Progress { status_code, .. } => (status_code.to_string(), Flow::Received),
        SessionEvent::Accepted { .. } => ("200".to_owned(), Flow::Local),
        SessionEvent::StreamAdded { communication_type, .. } => {
            let side = match communication_type {
                CommunicationType::Outbound => "outbound",
                CommunicationType::Inbound => "inbound",
            };
            (side.to_owned(), Flow::Local)
        }
        SessionEvent::UpdateLocalStream { local_stream: stream, .. }
        | SessionEvent::UpdateRemoteStream { remote_stream: stream, .. } => {
            (if stream.is_some() { "there" } else { "gone" }.to_owned(), Flow::Local)
        }
        SessionEvent::StatusChange { new_status: new, old_status: old, .. } => {
            let mut changes = Vec::new();
            if new.call_status != old.call_status {
                changes.push(format!("{:?} → {:?}", old.call_status, new.call_status).to_lowercase());
            }
            for (name, was, is) in [
                ("isRing", old.is_ring, new.is_ring),
                ("isHold", old.is_hold, new.is_hold),
                ("isRemoteHold", old.is_remote_hold, new.is_remote_hold),
            ] {
                if was != is {
                    changes.push(format!("{name} {is}"));
                }
            }
            if new.name != old.name {
                changes.push(format!("name {}", new.name));
            }
            (changes.join(", "), Flow::Local)
        }
        SessionEvent::Dtmf { tone, duration, .. } => (format!("{tone}, {duration} ms"), Flow::Received),
        SessionEvent::Ended(ended) => (ended.cause.as_str().to_owned(), Flow::Local),
        SessionEvent::Failed(failed) => {
            let code = failed.code.map(|code| format!(" ({code})")).unwrap_or_default();
            (format!("{}{code}", failed.cause.as_str()), Flow::Local)
        }
        SessionEvent::ClientError { cause, .. } => (cause.as_str().to_owned(), Flow::Local),
        SessionEvent::WarningMessage { message, .. } => (message.clone(), Flow::Local),
        SessionEvent::Reinvite { .. } => (String::new(), Flow::Received),
        _ => (String::new(), Flow::Local),
    };
    Some(told)
}
