//! Runs a target's corpus as an ordinary test.

use std::path::PathBuf;

/// Calls `run` with every file of `fuzz/corpus/<target>`, in the order of their names, and gives what it gave. The file's name stands
/// before a panic's message in the captured output.
pub(crate) fn each<R>(target: &str, mut run: impl FnMut(&[u8]) -> R) -> Vec<R> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "fuzz", "corpus", target].iter().collect();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a directory entry").path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| {
            println!("{}", file.display());
            run(&std::fs::read(file).expect("a corpus file"))
        })
        .collect()
}
