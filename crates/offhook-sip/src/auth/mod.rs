//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760), both sides.

mod client;
mod digest;
mod hash;
mod verifier;

pub use client::Credentials;
pub(crate) use client::authorize;
pub use digest::{DigestAlgorithm, ha1};
pub use verifier::{AuthFailure, Verified, Verifier};
