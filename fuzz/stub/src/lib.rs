//! What the targets use of libfuzzer-sys, for the type checker (`./test`).

#![forbid(unsafe_code)]

/// A target over bytes.
#[macro_export]
macro_rules! fuzz_target {
    (|$data:ident: &[u8]| $body:expr) => {
        /// One input.
        pub fn fuzz_one($data: &[u8]) {
            $body
        }
    };
}
