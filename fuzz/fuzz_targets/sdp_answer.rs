#![no_main]

#[path = "../harness/sdp.rs"]
mod sdp;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sdp::answer(data));
