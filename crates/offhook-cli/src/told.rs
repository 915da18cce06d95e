//! What `call` and `answer` print of what happens.

use std::path::Path;
use std::time::{Duration, Instant};

use offhook::{CallEnd, CallState, PhoneEvent, Session, SessionEvent};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::{Failure, Reason};
use crate::output::Output;
use crate::quality::Quality;

/// Prints events with the time since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Teller {
    output: Output,
    start: Instant,
}

impl Teller {
    pub(crate) fn new(json: bool) -> Self {
        Self { output: Output::new(json), start: Instant::now() }
    }

    /// An event of the phone or of one of its calls.
    pub(crate) fn event(&self, event: &PhoneEvent) {
        let text = match event {
            PhoneEvent::Session(event) => return self.session(event),
            PhoneEvent::Disconnected { reason } => format!("connection lost: {reason}"),
            PhoneEvent::Reconnecting { attempt, delay_ms } => {
                format!("attempt {attempt} to connect again in {:.0} s", *delay_ms as f64 / 1000.0)
            }
            PhoneEvent::IsRegisteredChange { is_registered: true } => "registered".to_owned(),
            PhoneEvent::IsRegisteredChange { is_registered: false } => "not registered any more".to_owned(),
            PhoneEvent::RegistrationFailed { cause, .. } => format!("not registered: {}", cause.as_str()),
            _ => String::new(),
        };
        self.tell(event, text);
    }

    fn session(&self, event: &SessionEvent) {
        let text = match event {
            SessionEvent::Progress { status_code, .. } => format!("ringing ({status_code})"),
            SessionEvent::Confirmed { .. } => "talking".to_owned(),
            SessionEvent::Dtmf { tone, .. } => format!("tone {tone}"),
            SessionEvent::WarningMessage { message, .. } => message.clone(),
            SessionEvent::TransferProgress { status_code, .. } => format!("transfer: {status_code}"),
            SessionEvent::Reconnecting { .. } => "connection lost, the call goes on".to_owned(),
            SessionEvent::Reconnected { .. } => "connection back".to_owned(),
            SessionEvent::StatusChange { new_status, old_status, .. }
                if new_status.call_status == CallState::Talking && old_status.call_status == CallState::Talking =>
            {
                let held = |was: bool, is: bool, begins: &str, ends: &str| match (was, is) {
                    (false, true) => begins.to_owned(),
                    (true, false) => ends.to_owned(),
                    _ => String::new(),
                };
                let own = held(old_status.is_hold, new_status.is_hold, "on hold", "resumed");
                let remote = held(
                    old_status.is_remote_hold,
                    new_status.is_remote_hold,
                    "held by the far end",
                    "resumed by the far end",
                );
                own + &remote
            }
            _ => String::new(),
        };
        self.tell(event, text);
    }

    /// Something that is no event of the phone.
    pub(crate) fn note(&self, name: &str, text: impl Into<String>) {
        self.tell(&json!({ "event": name }), text.into());
    }

    /// The last line.
    pub(crate) fn summary(&self, summary: &Value, text: impl Into<String>) {
        self.tell(summary, text.into());
    }

    /// As JSON with the time added; as text, if there is one.
    fn tell(&self, event: &impl Serialize, text: String) {
        let at_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.output {
            Output::Text if text.is_empty() => {}
            Output::Text => crate::output::print_line(&format!("{:>8.2} s  {}", at_ms as f64 / 1000.0, clean(&text))),
            Output::Json => {
                if let Ok(mut value) = serde_json::to_value(event) {
                    if let Some(object) = value.as_object_mut() {
                        // It holds the keys of the media connection.
                        object.remove("sdp");
                        object.insert("at_ms".to_owned(), at_ms.into());
                    }
                    crate::output::print_line(&value.to_string());
                }
            }
        }
    }
}

/// How long a call was, from the answer to the end, and whether the server was there at its end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CallTime {
    answered: Option<Instant>,
    length: Option<Duration>,
    lost: bool,
}

impl CallTime {
    /// Looks at an event when it comes; those of a consultation call beside `call` do not count.
    pub(crate) fn see(&mut self, event: &PhoneEvent, call: &Session) {
        let event = match event {
            PhoneEvent::Session(event) if event.call_id() == call.call_id() => event,
            PhoneEvent::Connected => return self.lost = false,
            PhoneEvent::Disconnected { .. } => return self.lost = true,
            _ => return,
        };
        if matches!(event, SessionEvent::Accepted { .. }) {
            self.answered = Some(Instant::now());
        }
        if event.is_final() {
            self.length = Some(self.answered.map_or(Duration::ZERO, |answered| answered.elapsed()));
        }
    }

    /// What it means if the call ended without the server.
    pub(crate) fn connection_lost(self) -> Option<Failure> {
        let text = "the connection to the server was lost during the call: is the server still running?";
        self.lost.then(|| Failure::new(Reason::Unreachable, text))
    }

    fn seconds(self) -> f64 {
        // Of one that has not ended yet, until now.
        let length = self.length.unwrap_or_else(|| self.answered.map_or(Duration::ZERO, |answered| answered.elapsed()));
        (length.as_secs_f64() * 1_000.0).round() / 1_000.0
    }
}

/// What came of a call, for the summary. `end`: `None` if it did not end in time.
pub(crate) fn of_call(
    session: &Session,
    end: Option<&CallEnd>,
    time: CallTime,
    recorded: Option<&Path>,
    failure: Option<&Failure>,
    quality: &Quality,
) -> Value {
    let mut summary = json!({
        "event": "summary",
        "callId": session.call_id(),
        "number": session.status().number,
        "established": end.map_or(time.answered.is_some(), |end| end.was_established),
        "cause": end.map(|end| end.cause),
        "code": end.and_then(|end| end.code),
        "duration_s": time.seconds(),
        "recorded": recorded.map(|path| path.display().to_string()),
    });
    if let (Some(summary), Ok(Value::Object(measured))) = (summary.as_object_mut(), serde_json::to_value(quality)) {
        summary.extend(measured);
    }
    with_outcome(summary, failure)
}

/// With how the command ends, or would if it ended now.
pub(crate) fn with_outcome(mut summary: Value, failure: Option<&Failure>) -> Value {
    if let Some(summary) = summary.as_object_mut() {
        summary.insert("ok".to_owned(), failure.is_none().into());
        summary.insert("error".to_owned(), failure.map(ToString::to_string).into());
        summary.insert("exit_code".to_owned(), failure.map_or(0, |failure| failure.reason().code()).into());
    }
    summary
}

/// The same for a human.
pub(crate) fn of_call_text(
    end: Option<&CallEnd>,
    time: CallTime,
    recorded: Option<&Path>,
    quality: &Quality,
) -> String {
    let mut text = end.map_or("not ended in time".to_owned(), |end| format!("ended ({})", end.cause.as_str()));
    if end.map_or(time.answered.is_some(), |end| end.was_established) {
        text += &format!(" after {:.1} s", time.seconds());
        if let Some(quality) = quality.text() {
            text += &format!(": {quality}");
        }
    }
    if let Some(path) = recorded {
        text += &format!("; recorded to {}", path.display());
    }
    text
}

/// The summary of a command that came to no call.
pub(crate) fn of_nothing(failure: &Failure) -> Value {
    with_outcome(json!({ "event": "summary", "established": false }), Some(failure))
}

/// Without control characters: what a far end sends must not move the cursor.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Whether an event is the very last of a call.
pub(crate) fn is_last(event: &PhoneEvent, call: &Session) -> bool {
    matches!(event, PhoneEvent::DeleteSession { call_id, .. } if call_id == call.call_id())
}
