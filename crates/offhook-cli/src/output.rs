//! Standard output: a line for a human or a JSON object for a program.

use std::io::Write as _;

use serde::Serialize;

/// How a subcommand tells what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Lines of text.
    Text,
    /// JSON objects, one a line.
    Json,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Prints `value` as JSON, or the text made of it.
    pub(crate) fn tell<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) {
        match self {
            Self::Json => match serde_json::to_string(value) {
                Ok(line) => print_line(&line),
                Err(error) => tracing::error!(%error, "an event that is no JSON"),
            },
            Self::Text => print_line(&text()),
        }
    }
}

/// Prints a line at once. A reader that went away (`| head`) is no reason to end a call.
pub(crate) fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
