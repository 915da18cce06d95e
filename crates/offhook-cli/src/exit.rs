//! How the command ends: an exit code and one line that names the fix.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

/// Why the command failed. Each has its own exit code, so that a script can tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The demo or a check failed, or something that should not happen did. 1
    Failed,
    /// The command line or a configuration file is wrong. 2
    Usage,
    /// The server cannot be reached, or the connection to it was lost. 3
    Unreachable,
    /// The server's certificate was not accepted. 4
    Tls,
    /// The server refused user or password. 5
    Authentication,
    /// The far end or the server refused the call. 6
    Refused,
    /// A sound file cannot be read or written, or the media connection failed. 7
    Media,
    /// Something did not happen in time. 8
    Timeout,
    /// The PBX cannot start: a port in use, no permission, weak passwords. 9
    Bind,
    /// Ctrl-C before there was a call. 130, as shells do
    Interrupted,
}

impl Reason {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Tls => 4,
            Self::Authentication => 5,
            Self::Refused => 6,
            Self::Media => 7,
            Self::Timeout => 8,
            Self::Bind => 9,
            Self::Interrupted => 130,
        }
    }
}

/// What `--help` says about exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the demo or a check failed
  2    wrong command line, configuration file, or value of `pbx ctl`
  3    server unreachable, or the connection to it was lost
  4    TLS: the certificate was not accepted
  5    authentication: wrong user or password
  6    the call was refused (the SIP status is in the message)
  7    media: unreadable or unwritable sound file, no media connection
  8    timeout
  9    the PBX cannot start: port in use, no permission, weak passwords
  130  interrupted before there was a call";

/// A failure of the whole command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    reason: Reason,
    message: String,
}

impl Failure {
    /// A failure with what happened and how to fix it, in one line.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        // One line, whatever a far end put into its text.
        let message: String = message.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { reason, message }
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// As JSON.
    pub(crate) fn told(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Told<'a> {
            ok: bool,
            error: &'a str,
            exit_code: u8,
        }
        Told { ok: false, error: &self.message, exit_code: self.reason.code() }
    }

    /// The exit code for `main`.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.reason.code())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<crate::audio::WavError> for Failure {
    fn from(error: crate::audio::WavError) -> Self {
        Self::new(Reason::Media, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_code_once() {
        let all = [
            Reason::Failed,
            Reason::Usage,
            Reason::Unreachable,
            Reason::Tls,
            Reason::Authentication,
            Reason::Refused,
            Reason::Media,
            Reason::Timeout,
            Reason::Bind,
            Reason::Interrupted,
        ];
        let listed: Vec<u8> =
            EXIT_CODES.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
        let mut codes: Vec<u8> = all.iter().map(|r| r.code()).collect();
        codes.insert(0, 0);
        assert_eq!(listed, codes);
    }

    #[test]
    fn a_message_stays_on_one_line() {
        let failure = Failure::new(Reason::Refused, "603 Decline\r\nX: y");
        assert_eq!(failure.to_string(), "603 Decline  X: y");
    }
}
