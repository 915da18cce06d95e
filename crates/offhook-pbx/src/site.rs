//! Files that a PBX serves to browsers beside its API: a table that is made before it starts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::error::ConfigError;

/// The most files of a site.
const MOST_FILES: usize = 256;
/// The longest path, bytes.
const MOST_PATH: usize = 128;
/// What the PBX answers by itself.
const TAKEN: [&str; 4] = ["/api", "/openapi", "/admin", "/ws"];

/// A page with what belongs to it, for [`PbxBuilder::site`](crate::PbxBuilder::site).
///
/// The PBX answers GET and HEAD for exactly these paths, from memory: nothing that a client sends ever reaches the disk. `/` stays
/// the place of SIP over WebSocket, too: a request to upgrade is never answered with a page. All files are served under a policy
/// (CSP) that lets a page load and reach nothing but the PBX itself, and keeps it out of the frames of others.
#[derive(Debug, Clone, Default)]
pub struct Site {
    files: BTreeMap<String, SiteFile>,
}

impl Site {
    /// Without any file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file. `path` begins with `/` and has letters, digits, `-`, `_`, `.` and further `/`, at most 128 bytes.
    ///
    /// # Errors
    /// A path that is none, belongs to the API or is there already, and more than 256 files.
    pub fn file(mut self, path: impl Into<String>, file: SiteFile) -> Result<Self, ConfigError> {
        let path = path.into();
        let wrong = |fix: &str| Err(ConfigError::new(format!("{path:?} cannot be a path of the site"), fix));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if !path.starts_with('/') || path.len() > MOST_PATH || !path.chars().all(is_plain) {
            return wrong("begin with / and use letters, digits, -, _, . and /, at most 128 characters");
        }
        if path[1..].split('/').any(|segment| matches!(segment, "." | "..")) || path.contains("//") {
            return wrong("write it without . and .. and empty parts");
        }
        if TAKEN
            .iter()
            .any(|taken| path.strip_prefix(taken).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        {
            return wrong("choose one outside /api, /openapi, /admin and /ws");
        }
        if self.files.len() >= MOST_FILES {
            return wrong("a site has at most 256 files");
        }
        if self.files.contains_key(&path) {
            return wrong("it is there already");
        }
        self.files.insert(path, file);
        Ok(self)
    }

    /// The paths, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub(crate) fn into_files(self) -> impl Iterator<Item = (String, SiteFile)> {
        self.files.into_iter()
    }
}

/// One file of a [`Site`].
#[derive(Debug, Clone)]
#[must_use]
pub struct SiteFile {
    pub(crate) content_type: &'static str,
    pub(crate) data: Cow<'static, [u8]>,
    pub(crate) gzip: Option<Cow<'static, [u8]>>,
    pub(crate) brotli: Option<Cow<'static, [u8]>>,
    pub(crate) immutable: bool,
}

impl SiteFile {
    /// A file as it is. `content_type` as in `text/html; charset=utf-8`.
    pub fn new(content_type: &'static str, data: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { content_type, data: data.into(), gzip: None, brotli: None, immutable: false }
    }

    /// The same, compressed: for clients that take it. Who gives it vouches that it is the same.
    pub fn gzip(mut self, data: impl Into<Cow<'static, [u8]>>) -> Self {
        self.gzip = Some(data.into());
        self
    }

    /// Likewise.
    pub fn brotli(mut self, data: impl Into<Cow<'static, [u8]>>) -> Self {
        self.brotli = Some(data.into());
        self
    }

    /// What is behind this path never changes (the path has a hash of it, say): a browser asks for it once in a year. Others are
    /// asked for each time, and sent only if they are not the ones that the browser has.
    pub fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_outside_the_api_are_taken() {
        let file = || SiteFile::new("text/plain", b"x".as_slice());
        for path in ["/", "/a.js", "/a1/b-c_d.css", "/.well-known/x", "/apis", "/wss", "/..a"] {
            assert!(Site::new().file(path, file()).is_ok(), "{path}");
        }
        let long = format!("/{}", "a".repeat(128));
        for path in [
            "",
            "a",
            "/a b",
            "/{a}",
            "/:a",
            "/*",
            "/ä",
            "/a//b",
            "/../a",
            "/a/..",
            "/./a",
            "/ws",
            "/api",
            "/api/x",
            "/admin/v1",
            &long,
        ] {
            assert!(Site::new().file(path, file()).is_err(), "{path}");
        }
        let twice = Site::new().file("/", file()).and_then(|site| site.file("/", file()));
        assert!(twice.is_err());
    }

    #[test]
    fn a_site_is_bounded() {
        let add =
            |site: Site, index: usize| site.file(format!("/{index}"), SiteFile::new("text/plain", b"".as_slice()));
        let full = (0..MOST_FILES).try_fold(Site::new(), add).expect("so many");
        assert_eq!(full.paths().count(), MOST_FILES);
        assert!(add(full, MOST_FILES).is_err());
    }
}
