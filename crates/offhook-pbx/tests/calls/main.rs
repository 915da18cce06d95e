//! Phones with real media on real sockets.

mod ends;
mod extensions;
mod hold;
mod limits;
mod secure;
mod services;
mod setup;
mod sound;
mod support;
