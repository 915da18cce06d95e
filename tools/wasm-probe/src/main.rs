//! Runs the sans-IO core with a fixed seed and writes down everything it puts out.
//!
//! Natively the transcript goes to stdout. In wasm32-unknown-unknown there is nothing to write
//! to, which is the point: the module must import nothing. There the transcript stays in memory
//! behind [`MARK`], where `tools/check-wasm.mjs` finds it and compares it with the native one.

#![forbid(unsafe_code)]

mod pbx;
mod scene;
mod storms;

/// Stands before the transcript in memory; its length as eight hexadecimal digits follows.
/// Kept in two halves, so that the program's own constants do not look like a transcript.
const MARK: [&str; 2] = ["offhook transcript ", "begins here: "];

fn main() {
    let transcript = scene::play() + &pbx::play() + &storms::play();
    print!("{transcript}");
    let marked = format!("{}{}{:08x}{transcript}", MARK[0], MARK[1], transcript.len());
    std::hint::black_box(Box::leak(marked.into_boxed_str()));
}
