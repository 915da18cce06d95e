//! Runs a target's corpus as an ordinary test.

use std::path::PathBuf;

/// Calls `run` with every file of `fuzz/corpus/<target>`, in the order of their names, and returns how many there were. The file's
/// name is in the panic message's captured output.
pub(crate) fn each(target: &str, mut run: impl FnMut(&[u8])) -> usize {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "fuzz", "corpus", target].iter().collect();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a directory entry").path())
        .collect();
    files.sort();
    for file in &files {
        println!("{}", file.display());
        run(&std::fs::read(file).expect("a corpus file"));
    }
    files.len()
}
