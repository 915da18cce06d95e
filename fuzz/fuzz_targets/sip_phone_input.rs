#![no_main]

#[path = "../harness/script.rs"]
mod script;
#[path = "../harness/sip_phone_input.rs"]
mod sip_phone_input;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sip_phone_input::run(data);
});
