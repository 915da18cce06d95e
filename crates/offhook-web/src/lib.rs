//! The phone core for a page: [`offhook_core::Phone`] with texts and numbers at its edges.
//!
//! The npm package in `web/` holds one [`Core`] per phone and does what it says: WebSocket, `RTCPeerConnection`, timers. It
//! decides nothing about calls, and neither does this crate: it only translates.
//!
//! Whatever changes the phone answers with a JSON text `[result, outputs]`. `result` is the number of an accepted command
//! (0: done already), `{code, name, detail}` of a refused one, or `[command, callId]` of a call. `outputs` are carried
//! out in order; `output.rs` has their form. Times are milliseconds: `mono` never goes backwards, `wall` counts from 1970.

mod config;
mod core;
mod login;
mod output;
mod pbx;
mod stats;

pub use self::core::Core;
pub use self::login::Login;
