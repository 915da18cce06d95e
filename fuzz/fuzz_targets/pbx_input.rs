#![no_main]

#[path = "../harness/pbx_input.rs"]
mod pbx_input;
#[path = "../harness/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    pbx_input::run(data);
});
