//! The web phone that `offhook pbx` serves: the files that `build.rs` has put into the command.

use offhook_pbx::{Site, SiteFile};

use crate::exit::{Failure, Reason};

/// One file, as the build script writes it down.
struct Embedded {
    path: &'static str,
    content_type: &'static str,
    data: &'static [u8],
    gzip: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
    immutable: bool,
}

const FILES: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/web_phone.rs"));

/// What `/` says in a build without the phone.
const MISSING: &str = "This build of offhook has no web phone: run `node web/build.js` in its source, build it again, and load this page anew.\n";

/// Whether it was built in.
pub(crate) const IS_THERE: bool = !FILES.is_empty();

/// For the PBX.
pub(crate) fn site() -> Result<Site, Failure> {
    let wrong = |error: offhook_pbx::ConfigError| Failure::new(Reason::Failed, error.to_string());
    if !IS_THERE {
        let text = SiteFile::new("text/plain; charset=utf-8", MISSING.as_bytes());
        return Site::new().file("/", text).map_err(wrong);
    }
    FILES.iter().try_fold(Site::new(), |site, embedded| {
        let mut file = SiteFile::new(embedded.content_type, embedded.data);
        if let Some(data) = embedded.gzip {
            file = file.gzip(data);
        }
        if let Some(data) = embedded.brotli {
            file = file.brotli(data);
        }
        site.file(embedded.path, if embedded.immutable { file.immutable() } else { file }).map_err(wrong)
    })
}
