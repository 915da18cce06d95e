//! Why a change is refused.

use thiserror::Error;

use crate::store::StoreError;

/// Why a change was not made. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum DirectoryError {
    /// There is no such extension.
    #[error("there is no extension {0}; add it first")]
    Unknown(String),
    /// There is one already.
    #[error("extension {0} is there already; change it, or choose another number")]
    Exists(String),
    /// A value is out of range.
    #[error("{0}")]
    Invalid(String),
    /// Anybody could guess the password, and the PBX is reachable from other machines.
    #[error("the password of extension {0} is known or guessable; choose one of 8 characters or more")]
    WeakPassword(String),
    /// No room.
    #[error("there are {0} extensions already; delete some first")]
    TooMany(usize),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody carries it out any more. It is kept, and counts from the next start on.
    #[error("the PBX has stopped")]
    Stopped,
}
