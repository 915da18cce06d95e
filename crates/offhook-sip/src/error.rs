//! Why a command was refused.

use thiserror::Error;

use crate::header::HeaderError;
use crate::name_addr::UriError;

/// Why a command was refused. Nothing was sent and nothing changed; the fault is the caller's, except where said.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such call, or it is over (which may have crossed the command: an [`Event::Terminated`](crate::Event::Terminated)
    /// was or will be polled).
    #[error("no such call, or it is already over")]
    UnknownCall,
    /// No such registration.
    #[error("no such registration")]
    UnknownRegistration,
    /// No such connection, or it is closed: wait for a new one.
    #[error("no such connection, or it is closed: connect first")]
    UnknownConnection,
    /// The request is not waiting for a response (any more).
    #[error("this request is not waiting for a response")]
    UnknownTransaction,
    /// The call is in a state in which this cannot be done.
    #[error("{command} is not possible while the call is {state}")]
    WrongState {
        /// What was wanted.
        command: &'static str,
        /// What the call is doing.
        state: &'static str,
    },
    /// An offer is on its way, ours or theirs; try again when it is answered (RFC 3264 §4, RFC 3311 §5.1).
    #[error("an offer is pending: try again when it is answered")]
    OfferPending,
    /// An argument cannot be put into a SIP message.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// An argument cannot be put into a SIP message.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A number is out of range.
    #[error("{what} is out of range: {allowed}")]
    OutOfRange {
        /// Which argument.
        what: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
}
