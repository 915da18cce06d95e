//! How calls are recorded, and whether they may be.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::call_id::CallId;

/// How [`Phone::start_record`](crate::Phone::start_record) and [`Phone::pause_record`](crate::Phone::pause_record) record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordMethod {
    /// The server records: this code is sent as DTMF, each time to change between on and off. The status follows the
    /// server's word, an INFO with the header `Record: on` or `Record: off`, or the notification of a P-Series PBX; in a
    /// conference call, which has nobody to say it, it changes at once. An INFO that says the opposite refuses.
    FeatureCode(String),
    /// The server records: it is asked by an INFO with the header `Record: on` or `Record: off`, and its answer counts.
    Info,
    /// This phone records, into a stereo WAV file: left what it sends, right what it hears.
    Local {
        /// Where the files go. Each gets the name of its time (ms since 1970 UTC), number and Call-ID.
        directory: PathBuf,
    },
}

impl Default for RecordMethod {
    /// Locally, into the working directory.
    fn default() -> Self {
        Self::Local { directory: PathBuf::new() }
    }
}

/// What the user of a phone may do about recording: 0, 1 or 2 in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum RecordPermissions {
    /// Nothing.
    None = 0,
    /// Pause and resume what somebody else began to record.
    PauseResume = 1,
    /// Start, pause and resume.
    #[default]
    All = 2,
}

impl RecordPermissions {
    /// From the contract's number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::None, Self::PauseResume, Self::All].into_iter().find(|permissions| *permissions as u8 == number)
    }
}

impl Serialize for RecordPermissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

/// The file of a call in a directory. Number and Call-ID came over the network: nothing of them but letters, digits and
/// a few harmless signs gets into a path.
pub(crate) fn file_in(directory: &Path, wall: u64, number: &str, call_id: &CallId) -> PathBuf {
    let harmless = |text: &str| -> String {
        text.chars().take(32).map(|c| if c.is_ascii_alphanumeric() || "-+".contains(c) { c } else { '_' }).collect()
    };
    directory.join(format!("{wall}-{}-{}.wav", harmless(number), harmless(call_id.as_str())))
}

/// The name of the `n`th file of a call, from 1: what was recorded before one failed stays.
pub(crate) fn numbered(path: &Path, n: u32) -> PathBuf {
    if n <= 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{n}{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_the_network_leads_out_of_the_directory() {
        let path = file_in(Path::new("/calls"), 1_700, "../../etc", &CallId::new("a/../b\\c@h\0".to_owned()));
        assert_eq!(path, Path::new("/calls/1700-______etc-a____b_c_h_.wav"));
        let long = file_in(Path::new(""), 1, &"9".repeat(500), &CallId::new("x".repeat(500)));
        assert!(long.to_string_lossy().len() < 100);
    }

    #[test]
    fn a_second_file_does_not_replace_the_first() {
        assert_eq!(numbered(Path::new("/a/b.wav"), 1), Path::new("/a/b.wav"));
        assert_eq!(numbered(Path::new("/a/b.wav"), 2), Path::new("/a/b-2.wav"));
        assert_eq!(numbered(Path::new("call"), 3), Path::new("call-3"));
    }

    #[test]
    fn permissions_are_the_contracts_numbers() {
        assert_eq!([0, 1, 2].map(RecordPermissions::from_number), {
            use RecordPermissions::{All, None, PauseResume};
            [Some(None), Some(PauseResume), Some(All)]
        });
        assert_eq!(RecordPermissions::from_number(3), None);
        assert_eq!(serde_json::to_value(RecordPermissions::PauseResume).ok(), Some(serde_json::json!(1)));
    }
}
