//! Phones with real media on real sockets.

mod codes;
mod ends;
mod extensions;
mod groups;
mod hold;
mod limits;
mod rooms;
mod secure;
mod services;
mod setup;
mod sound;
mod support;
mod voicemail;
