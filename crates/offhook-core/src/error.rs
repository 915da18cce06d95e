//! Why a command was refused or came to nothing.

use thiserror::Error;

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::io::TransportError;

/// Why a command was refused or came to nothing. [`code`](Self::code) is the contract's number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PhoneError {
    /// The server did not take the registration.
    #[error("not registered: {}", registration_advice(*.cause, *.status, .reason))]
    Registration {
        /// Why.
        cause: Cause,
        /// SIP status, where there was one.
        status: Option<u16>,
        /// The server's words; empty when there were none.
        reason: String,
    },
    /// No connection to the server.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// There is no connection to the server at this moment; the phone is making one.
    #[error("not connected to the server: start the phone, or wait until it is connected again")]
    NotConnected,
    /// The attempts to register that were allowed are used up.
    #[error("gave up registering after {attempts} attempts")]
    AttemptsUsedUp {
        /// How many.
        attempts: u32,
    },
    /// The user or the system does not let us use the microphone or camera.
    #[error("no permission to use the microphone or camera: allow it in the system's or browser's settings")]
    PermissionDenied,
    /// The local media could not be opened.
    #[error("the local media could not be opened: {detail}")]
    LocalStream {
        /// What went wrong.
        detail: String,
    },
    /// As many calls as the phone allows.
    #[error("there are as many calls as this phone allows: end one first")]
    TooManyCalls,
    /// The device list cannot be read.
    #[error("the list of audio devices cannot be read")]
    DevicesUnreadable,
    /// A call was made less than a second ago.
    #[error("a call was made less than a second ago: wait a moment")]
    CallTooSoon,
    /// Not something that can be called.
    #[error("{number:?} is not a number that can be called: {why}")]
    InvalidNumber {
        /// What was given, cut at 80 characters.
        number: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The call that a consultation call was to be made for, or was made for, does not exist or is over.
    #[error("the call to be transferred does not exist, or is over")]
    ParentNotFound,
    /// Another call is not connected yet.
    #[error("another call is not connected yet: answer it, end it or wait")]
    CallNotConnected,
    /// No such call, or it is over.
    #[error("no such call, or it is over")]
    UnknownCall,
    /// No microphone.
    #[error("no microphone found: connect one")]
    NoMicrophone,
    /// Video was asked for, and there is no camera.
    #[error("no camera found: connect one, or call without video")]
    NoCamera,
    /// An option or argument cannot be used.
    #[error("{detail}")]
    InvalidArgument {
        /// What is wrong with it.
        detail: String,
    },
    /// This build, or this host, cannot do it.
    #[error("{what}")]
    Unsupported {
        /// What it is, why not, and what to do instead.
        what: &'static str,
    },
    /// Not possible in what the call or phone is doing.
    #[error("{command} is not possible now: {state}")]
    WrongState {
        /// What was wanted.
        command: &'static str,
        /// What it is doing.
        state: &'static str,
    },
    /// The user of this phone may not do that.
    #[error("{command} is not permitted on this phone (recordPermissions)")]
    NotPermitted {
        /// What was wanted.
        command: &'static str,
    },
    /// The call cannot be recorded; it goes on as it was.
    #[error("cannot record to {path}: {detail}. Choose a file that this user may write")]
    Recording {
        /// The file.
        path: String,
        /// The system's words.
        detail: String,
    },
    /// Too few or too many calls for a conference.
    #[error("a conference has two to four calls besides this phone, not {calls}")]
    ConferenceSize {
        /// How many there would be.
        calls: usize,
    },
    /// Some calls did not do what the conference wanted; the others did.
    #[error("not done for {} of the conference's calls: {}", .failed.len(), told(.failed))]
    Conference {
        /// Which, and why.
        failed: Vec<(CallId, PhoneError)>,
    },
    /// The far end refused it; the call goes on as it was.
    #[error("refused by the far end: {status} {reason}")]
    Refused {
        /// 300–699.
        status: u16,
        /// The far end's words.
        reason: String,
    },
    /// The far end did not answer in time; the call goes on as it was.
    #[error("not answered in time")]
    Timeout,
    /// A later command asked for the opposite before this one was carried out.
    #[error("overtaken by a later command")]
    Superseded,
    /// The call ended before the command was carried out.
    #[error("the call is over: {cause}")]
    Ended {
        /// Why it ended.
        cause: Cause,
        /// SIP status, where there was one.
        status: Option<u16>,
    },
    /// The phone was stopped before the command was carried out.
    #[error("the phone was stopped")]
    Stopped,
}

impl PhoneError {
    /// The number that stands for it in the JavaScript contract; −200 (unknown) for those that have none there.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Registration { .. } | Self::Transport(_) => -201,
            Self::PermissionDenied => -202,
            Self::LocalStream { .. } => -203,
            Self::AttemptsUsedUp { .. } => -204,
            Self::TooManyCalls => -205,
            Self::DevicesUnreadable => -206,
            Self::ParentNotFound => -207,
            Self::CallTooSoon => -208,
            Self::InvalidNumber { .. } => -209,
            Self::CallNotConnected => -210,
            Self::UnknownCall => -211,
            Self::NoMicrophone => -290,
            Self::NoCamera => -291,
            _ => -200,
        }
    }

    /// The word that the contract has for [`code`](Self::code).
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.code() {
            -201 => "REGISTRY_FAILED",
            -202 => "GET_AGREE_CHROME_USER_MEDIA_ROLE_ERROR",
            -203 => "GET_LOCAL_STREAM_ERROR",
            -204 => "RE_REGISTRY_MAX_LIMIT_TIMES",
            -205 => "MAX_LIMIT_CALL",
            -206 => "GET_LOCAL_MEDIA_INFO_ERROR",
            -207 => "ATTENDED_PARENT_NOT_FOUND",
            -208 => "CALL_TOO_MANY_TIMES",
            -209 => "INVALID_NUMBER",
            -210 => "CURRENT_CALL_HAS_NOT_CONNECTED",
            -211 => "NOT_FOUND_CALL_ID",
            -290 => "NOT_FOUND_AUDIO_INPUT_DEVICE",
            -291 => "NOT_FOUND_VIDEO_INPUT_DEVICE",
            _ => "UNKNOWN_ERROR",
        }
    }
}

fn told(failed: &[(CallId, PhoneError)]) -> String {
    failed.iter().map(|(call_id, error)| format!("{call_id}: {error}")).collect::<Vec<_>>().join("; ")
}

fn registration_advice(cause: Cause, status: Option<u16>, reason: &str) -> String {
    let said = match status {
        Some(status) => format!(" (the server said {status} {reason})"),
        None => String::new(),
    };
    let advice = match cause {
        Cause::AuthenticationError => "wrong user name or password",
        Cause::NotFound => "the server does not know this user",
        Cause::Rejected => "the server forbids it to this user",
        Cause::RequestTimeout => "the server did not answer; is it a SIP registrar?",
        Cause::ConnectionError => "the connection was lost",
        _ => "the server refused",
    };
    format!("{advice}{said}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_number_and_word() {
        use crate::io::TransportError;
        let text = || "x".to_owned();
        let rejected = PhoneError::Registration { cause: Cause::Rejected, status: Some(403), reason: text() };
        let lost = PhoneError::Transport(TransportError::Lost { detail: text() });
        let unnumbered = [
            PhoneError::NotConnected,
            PhoneError::InvalidArgument { detail: text() },
            PhoneError::Unsupported { what: "x" },
            PhoneError::WrongState { command: "x", state: "y" },
            PhoneError::Refused { status: 488, reason: text() },
            PhoneError::Timeout,
            PhoneError::Superseded,
            PhoneError::Ended { cause: Cause::Busy, status: Some(486) },
            PhoneError::Stopped,
        ];
        let numbered = [
            (rejected, -201, "REGISTRY_FAILED"),
            (lost, -201, "REGISTRY_FAILED"),
            (PhoneError::PermissionDenied, -202, "GET_AGREE_CHROME_USER_MEDIA_ROLE_ERROR"),
            (PhoneError::LocalStream { detail: text() }, -203, "GET_LOCAL_STREAM_ERROR"),
            (PhoneError::AttemptsUsedUp { attempts: 3 }, -204, "RE_REGISTRY_MAX_LIMIT_TIMES"),
            (PhoneError::TooManyCalls, -205, "MAX_LIMIT_CALL"),
            (PhoneError::DevicesUnreadable, -206, "GET_LOCAL_MEDIA_INFO_ERROR"),
            (PhoneError::ParentNotFound, -207, "ATTENDED_PARENT_NOT_FOUND"),
            (PhoneError::CallTooSoon, -208, "CALL_TOO_MANY_TIMES"),
            (PhoneError::InvalidNumber { number: text(), why: "x" }, -209, "INVALID_NUMBER"),
            (PhoneError::CallNotConnected, -210, "CURRENT_CALL_HAS_NOT_CONNECTED"),
            (PhoneError::UnknownCall, -211, "NOT_FOUND_CALL_ID"),
            (PhoneError::NoMicrophone, -290, "NOT_FOUND_AUDIO_INPUT_DEVICE"),
            (PhoneError::NoCamera, -291, "NOT_FOUND_VIDEO_INPUT_DEVICE"),
        ];
        for (error, code, name) in numbered {
            assert_eq!((error.code(), error.name()), (code, name), "{error}");
        }
        for error in unnumbered {
            assert_eq!((error.code(), error.name()), (-200, "UNKNOWN_ERROR"), "{error}");
        }
    }

    #[test]
    fn the_message_of_a_wrong_password_names_it() {
        let error = PhoneError::Registration {
            cause: Cause::AuthenticationError,
            status: Some(401),
            reason: "Unauthorized".to_owned(),
        };
        assert_eq!(error.to_string(), "not registered: wrong user name or password (the server said 401 Unauthorized)");
        assert_eq!(error.code(), -201);
    }
}
