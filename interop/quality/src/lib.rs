//! Two receivers of speech on the same bad network: offhook's and Chromium's.
//!
//! One sender encodes speech with `offhook-media`, as a call does. What the network does to each packet is decided once, by
//! `offhook-netem` from a seed. Then each packet that arrives is handed to both receivers at the same moment, over a DTLS-SRTP
//! connection of loopback to each: the same numbers, timestamps and payloads with the same fates and delays, duplicates and
//! order included. The network stands before encryption, because each connection has keys of its own; nothing of ICE and
//! DTLS suffers. Each receiver runs in real time, as it would in a call: offhook's as a `Peer`, Chromium's as an
//! `RTCPeerConnection` in a page whose every sample is kept.
//!
//! Everything here panics when it cannot be done: it is for measuring.

#![forbid(unsafe_code)]

mod browser;
mod delay;
mod native;
mod plan;
mod run;
mod score;
mod sender;
mod table;

pub use browser::Browser;
pub use plan::Row;
pub use run::{Heard, Outcome, Receiver, compare};
pub use score::{Scorer, write_wavs};
pub use table::{Measured, Scored, json, markdown};
