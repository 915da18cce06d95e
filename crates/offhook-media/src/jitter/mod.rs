//! Adaptive jitter buffer.

mod buffer;
mod config;
mod delays;
#[cfg(test)]
mod tests;

pub(crate) use buffer::{JitterBuffer, Next, Packet};
pub use config::JitterConfig;
