//! What is going on at one moment.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::events::CallId;

/// Who is registered, and which calls there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status {
    /// Devices by extension; those without one are left out.
    pub(crate) registered: BTreeMap<String, usize>,
    pub(crate) calls: Vec<ActiveCall>,
}

/// A call that is not over.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ActiveCall {
    pub(crate) call: CallId,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) answered: bool,
    /// Seconds since its answer, or since it came.
    pub(crate) duration_s: u64,
    pub(crate) recording: bool,
}

impl Status {
    /// What an extension is doing, in a word.
    pub(crate) fn of(&self, number: &str) -> &'static str {
        if self.calls.iter().any(|call| call.from == number || call.to == number) {
            "busy"
        } else if self.registered.contains_key(number) {
            "idle"
        } else {
            "unavailable"
        }
    }
}
