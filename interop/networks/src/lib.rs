//! Networks for tests of offhook's media: coturn as a child process, NATs in network namespaces,
//! and bad paths between them.
//!
//! Needs the Debian package `coturn`, and for the namespaces root, `ip` and `iptables`. Everything here panics, with the
//! daemon's log, when it cannot be done: it is for tests.

#![forbid(unsafe_code)]

mod audio;
mod certificate;
mod coturn;
mod datagrams;
mod homes;
mod link;
mod namespaces;
mod phone;
mod remote;

pub use audio::{Ear, LEFT_TONE, RIGHT_TONE};
pub use certificate::Certificate;
pub use coturn::{CREDENTIAL, Coturn, USERNAME};
pub use datagrams::serve_datagrams;
pub use homes::Homes;
pub use link::{BadPath, serve_link};
pub use namespaces::{Nat, Networks};
pub use phone::{serve_pbx, serve_phone};
pub use remote::{Remote, serve};
