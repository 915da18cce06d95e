//! What listeners of the PBX's operator are told.

use serde::Serialize;

/// An event of the operator. Serialised, its name is under `event` and the payload's fields beside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum PbxEvent {
    /// The operator cannot go on: it and its phone end themselves now. Given out before anything of that is.
    RuntimeError {
        /// −106 to −110.
        code: i32,
        /// What happened and what to do, in words.
        message: String,
    },
    /// There is a new record in the list of calls.
    CdrChange(CdrChange),
    /// The last event: calls, registration, token and subscription are given back.
    Destroyed,
}

impl PbxEvent {
    /// The contract's name of the event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RuntimeError { .. } => "runtimeError",
            Self::CdrChange(_) => "cdrChange",
            Self::Destroyed => "destroyed",
        }
    }
}

/// A new record in the list of calls.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CdrChange {
    /// Whose list.
    pub ext_num: String,
    /// Date, as the PBX writes it.
    pub date: String,
    /// Time, as the PBX writes it.
    pub time: String,
    /// Seconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// The other side.
    pub number: String,
    /// Seconds talked.
    pub talk_duration: u64,
}
