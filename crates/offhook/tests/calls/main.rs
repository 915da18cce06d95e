//! Phones at the embedded PBX, with real media on real sockets.

mod connect;
mod controls;
mod endings;
mod handles;
mod lost;
mod sound;
mod support;
mod transfers;
