//! The `offhook` command: its subcommands, and the analysis the demo proves a call with.
//!
//! The library part exists for the command's own tests; its API is not stable.

#![forbid(unsafe_code)]

pub mod args;
pub mod audio;
pub mod demo;
pub mod exit;
