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
//! | 7000 to 7009 | conference rooms, unless others are configured ([`Conference`]) |
//! | `*97` | the caller's own voicemail ([`FeatureCodes::voicemail`]) |
//!
//! Another number is answered 404, an extension that is not registered 480. An extension without call waiting
//! ([`Extension::call_waiting`]) that is in a call, or rings, is busy: 486.
//!
//! **Conference rooms.** Who calls one hears all others in it, and music while alone; a tone says that somebody comes or goes. A
//! member that holds the room is out of it, with its music, until it is back. A room that is full
//! ([`PbxLimits::conference_members`]) is busy. With a [PIN](Conference::pin) two tones ask for it; after three wrong ones it hangs up.
//!
//! **Ring groups** ([`RingGroup`]) ring several extensions, all at once or one after the other; the first to answer has the call.
//! Busy members are left out. At most 20 devices ring at once.
//!
//! **Voicemail** ([`Extension::voicemail`]; it needs [`PbxConfig::data_dir`]) answers for an extension that does not answer in
//! time, is busy or not registered: a greeting, a beep, then the message, which ends when the caller hangs up or dials `#`, after 10 s of
//! silence, or after 3 min. One of less than a second, or in which nothing is said, is not kept. The extension hears its
//! messages at `*97`, the newest first: `*` again, `#` the next, `7` deletes. They go with an extension that is deleted.
//!
//! # Transfers
//!
//! By REFER, blind and attended. Or by digits in the call ([`FeatureCodes`]), then the number and `#` (or 3 s of waiting):
//!
//! | code | does |
//! | --- | --- |
//! | `*03` | blind: the other side hears music until the number answers, and is connected with it |
//! | `*3` | attended: the other side hears music while one talks with the number; hanging up connects the two |
//! | `*0` | meanwhile: back to the other side |
//!
//! What fails gives both sides back to each other, after a tone.
//!
//! # Recording
//!
//! With a directory for it ([`PbxConfig::recordings`]), either side of a call (to a service too), and any member of a conference room,
//! switches its recording on and off by dialling `*1` ([`PbxConfig::record_feature_code`]) as telephone-event or as INFO with
//! `application/dtmf-relay` or `application/dtmf`; between two digits are at most 4 s, and other digits before them do not matter. The digits reach
//! the far end all the same. All phones in the call are told by INFO with `Record: on` or `Record: off`, and
//! [`PbxEvent::Recording`] tells it here.
//!
//! A call has one stereo WAV of 16 kHz, `<Unix time in ms>-<call>.wav`, left what the caller says and right the callee;
//! pauses are left out, and what is heard on hold is in it. A room has one of one channel with what all say, until the last has
//! left. It can be read at any moment, also after a crash. A transfer that succeeds ends the call and with it the recording, and so does
//! asking somebody by `*3`: the joined call can be recorded anew. A file that cannot be written is told as `Record: off`
//! and [`PbxEvent::RecordingFailed`]; the call goes on. [`Extension::record`] says who may. Whose code is not permitted is told
//! what is (`Record` as it stands).
//!
//! # API
//!
//! Clients of a P-Series PBX find its API at [`Pbx::https_url`] (on loopback also [`Pbx::http_url`]): `/api/v1.0` with the
//! subscription socket, and `/openapi/v1.0` for the back ends that get login signatures for them ([`Pbx::login_signature`] makes one
//! here). `/admin/v1` changes extensions, contacts and settings while the PBX runs; clients are told of every change.
//! [`PSeries`] says what the API tells of the PBX. On loopback the client id is `offhook`, the client secret
//! `offhook-secret` and the admin token `offhook-admin`. `docs/pbx-api.md` has every request, with lines that run.
//!
//! # What is kept
//!
//! With a data directory ([`PbxConfig::data_dir`]) a database `pbx.db` in it keeps call records and whatever is changed at run time; without
//! one, both are gone with the PBX. Only one PBX at a time may use a directory.
//!
//! *Call records.* One for each call of two sides, calls to services and refused ones too, with a row for each extension
//! that has to do with it: the caller's, and the callee's, who took or missed it. A transfer ends the calls it is made of, and the joined
//! call is another. The record of a call is on the disk (also if the power fails) **before** anything is sent that tells its end:
//! the 200 to a BYE, the BYE to the other side, the refusal. So whoever was told that a call is over finds its record after a crash.
//! Other connections and all audio go on meanwhile. A disk that fails, or takes longer than 10 s, keeps nobody in a
//! call: [`PbxEvent::CdrFailed`] tells it. The newest million rows are kept.
//!
//! *Extensions* are those of the configuration, or the built-in ones, read at each start. One that was changed at run time stays as it was
//! changed, and one that was deleted stays deleted, whatever the configuration says later, until it is reset. The same goes for each
//! setting. Of passwords that were set at run time, only the hashes that SIP needs are kept, sealed with AES-256-GCM under
//! `store.key` in the same directory: back both up together, and keep both from others. With another realm or key they
//! are of no use, and the extensions are switched off until they have new passwords.
//!
//! An extension that is deleted or switched off at run time loses its registrations and calls at once; to a new password,
//! phones must register again.
//!
//! # Security
//!
//! It listens on 127.0.0.1. Told to listen elsewhere, it refuses to start with built-in or guessable passwords
//! ([`PbxError::WeakPasswords`]), with known secrets of the API ([`PbxError::WeakSecrets`]) and with a plain listener
//! ([`PbxError::PlainBeyondLoopback`]). A connection to `/ws?exten=NUMBER` is for that extension only. Every INVITE is authenticated, and its From must be the extension that was authenticated.
//! Its TLS certificate is its own ([`Pbx::certificate_pem`], [`Pbx::certificate_sha256`]).

#![forbid(unsafe_code)]

mod api;
mod builder;
mod config;
mod core;
mod directory;
mod error;
mod events;
mod extension;
mod features;
mod guesses;
mod hex;
mod limit;
mod media;
mod notice;
mod outbox;
mod pbx;
mod private;
mod pseries;
mod random;
mod recordings;
mod records;
mod registrar;
mod sdp;
mod server;
mod service;
mod site;
mod status;
mod store;
mod switch;
mod tls;
mod trace;
mod wall;

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
pub use site::{Site, SiteFile};
