//! Our own log: what of the phone's events goes into it, as short lines.

use crate::events::{PhoneEvent, SessionEvent};

/// The line of an event; `None` for those that come too often or say too much.
pub(crate) fn line_of(event: &PhoneEvent) -> Option<String> {
    let detail = match event {
        PhoneEvent::Session(event) => of_session(event)?,
        PhoneEvent::Disconnected { reason } => reason.clone(),
        PhoneEvent::RegistrationFailed { cause, status_code, code } => format!("{cause} {status_code:?} {code}"),
        PhoneEvent::DeleteSession { cause, .. } => cause.to_string(),
        PhoneEvent::Reconnecting { attempt, delay_ms } => format!("attempt {attempt} in {delay_ms} ms"),
        _ => String::new(),
    };
    let call = event.call_id().map(|call_id| format!(" {call_id}")).unwrap_or_default();
    let space = if detail.is_empty() { "" } else { " " };
    Some(format!("{}{call}{space}{detail}", event.name()))
}

fn of_session(event: &SessionEvent) -> Option<String> {
    Some(match event {
        SessionEvent::Progress { status_code, .. }
        | SessionEvent::TransferProgress { status_code, .. }
        | SessionEvent::TransferFailed { status_code, .. } => status_code.to_string(),
        SessionEvent::Ended(ended) => ended.cause.to_string(),
        SessionEvent::Failed(failed) => format!("{} {:?}", failed.cause, failed.code),
        SessionEvent::ClientError { cause, .. } => cause.to_string(),
        SessionEvent::WarningMessage { code, .. } => (*code).to_owned(),
        SessionEvent::Accepted { .. }
        | SessionEvent::Confirmed { .. }
        | SessionEvent::Reinvite { .. }
        | SessionEvent::Reconnecting { .. }
        | SessionEvent::Reconnected { .. } => String::new(),
        _ => return None,
    })
}
