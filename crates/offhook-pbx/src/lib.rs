//! An embedded PBX to develop calls against: it runs in the process that wants it, on a free port, in one line.
//!
//! ```no_run
//! # async fn example() -> Result<(), offhook_pbx::PbxError> {
//! let pbx = offhook_pbx::Pbx::builder().start().await?;
//! println!("{}", pbx.ws_url().unwrap_or_default());
//! # Ok(())
//! # }
//! ```
//!
//! It is a registrar with digest authentication and a back-to-back user agent that speaks SIP over WebSocket (RFC 7118), plain
//! and with TLS. Every call has two legs, each with a media connection (ICE, DTLS-SRTP) to the PBX, which passes
//! the audio on: so it can play hold music, and neither side ever sees the other's addresses.
//!
//! # Extensions
//!
//! 1000 to 1009, each with the password `secret-` and its number (`secret-1000`), unless others are configured
//! ([`PbxBuilder::extension`], [`PbxConfig`]). Up to ten devices can register for one; all ring, and the first to answer has the
//! call. The host of an address is not looked at: `sip:1000@localhost` and `sip:1000@127.0.0.1` are the same.
//!
//! # Services
//!
//! | number | does |
//! | --- | --- |
//! | 600 | echo: sends back what it hears |
//! | 601 | a tone of 440 Hz for 3 s, then hangs up |
//! | 603 | music on hold |
//! | 604 | 486 Busy Here |
//! | 605 | 503 Service Unavailable, Retry-After |
//! | 606 | 180 Ringing, never an answer: 480 after the no-answer time |
//! | 607 | 183 with early media for 3 s, then 603 Decline |
//! | 609 | 403 Forbidden |
//! | 612 | rings for 1 s, then 480 Temporarily Unavailable |
//!
//! Another number is answered 404, an extension that is not registered 480.
//!
//! # Recording
//!
//! With a directory for it ([`PbxConfig::recordings`]), either side of a call of two extensions switches its recording on and
//! off by dialling `*1` ([`PbxConfig::record_feature_code`]) as telephone-event or as INFO with `application/dtmf-relay`;
//! between two digits are at most 4 s, and other digits before them do not matter. The digits reach the far end all the
//! same. Both phones are told by INFO with `Record: on` or `Record: off`, and [`PbxEvent::Recording`] tells it here.
//!
//! A call has one stereo WAV of 16 kHz, `<Unix time in ms>-<call>.wav`, left what the caller says and right the callee;
//! pauses are left out, and what is heard on hold is in it. It can be read at any moment, also after a crash. A transfer
//! that succeeds ends the call and with it the recording: the joined call can be recorded anew. A file that cannot be written
//! is told as `Record: off` and [`PbxEvent::RecordingFailed`]; the call goes on. [`Extension::record`] says who may.
//! Whose code is not permitted is told what is (`Record` as it stands). Calls to services are not recorded.
//!
//! # Security
//!
//! It listens on 127.0.0.1. Told to listen elsewhere, it refuses to start with built-in or guessable passwords
//! ([`PbxError::WeakPasswords`]). Every INVITE is authenticated, and its From must be the extension that was authenticated.
//! Its TLS certificate is its own ([`Pbx::certificate_pem`], [`Pbx::certificate_sha256`]).

#![forbid(unsafe_code)]

mod api;
mod builder;
mod config;
mod core;
#[allow(dead_code, unused_imports)]
mod directory;
mod error;
mod events;
mod extension;
mod features;
mod media;
#[allow(dead_code)]
mod notice;
mod outbox;
mod pbx;
mod pseries;
mod recordings;
mod records;
mod registrar;
mod sdp;
mod server;
mod service;
#[allow(dead_code, unused_imports)]
mod status;
mod store;
mod switch;
mod tls;
mod trace;

pub use builder::PbxBuilder;
pub use config::{PbxConfig, PbxLimits};
pub use error::{ConfigError, PbxError};
pub use events::{CallId, Load, PbxEvent, PbxEvents};
pub use extension::{Extension, RecordPermissions};
pub use features::{Conference, FeatureCodes, RingGroup, RingStrategy};
pub use offhook_sip::Secret;
pub use pbx::Pbx;
pub use pseries::{PSeries, PlanMode};
pub use service::Service;
