//! Adaptive jitter buffer.

mod config;

pub use config::JitterConfig;
