//! `init()` and what follows it, against a P-Series server that does as the test tells it, and against the embedded PBX.

mod cdr;
mod embedded;
mod ends;
mod features;
mod init;
mod refused;
mod runtime_error;
mod settings;
mod story;
mod subscription;
mod support;
mod token;
