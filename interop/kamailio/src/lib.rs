//! Kamailio and rtpengine as child processes, for tests of phones against them: on loopback, on free ports, with everything
//! they need and write in a directory of their own, and gone when the [`Scene`] is dropped or the test process dies.
//!
//! Needs the Debian packages `kamailio`, `kamailio-websocket-modules`, `kamailio-tls-modules` and `rtpengine-daemon`.
//! Everything here panics, with the daemons' logs, when it cannot be done: it is for tests.

#![forbid(unsafe_code)]

mod certificate;
mod control;
mod daemon;
mod ports;
mod scene;

pub use control::{Media, RegisteredAt};
pub use scene::{DOMAIN, Scene};
