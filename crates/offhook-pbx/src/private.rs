//! Files for their owner's eyes only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::path::Path;

/// Makes a directory, and those above it that are missing. One that is there stays as it is: who made it chose who may look.
pub(crate) fn create_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Makes a file that is not there yet. Who opens it again to write it leaves its mode as it is.
pub(crate) fn create_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
