//! Phones at the embedded PBX, with real media on real sockets.

mod conference;
mod connect;
mod controls;
mod endings;
mod handles;
mod in_call;
mod lost;
mod recording;
mod secured;
mod sound;
mod support;
mod transfers;
