//! The phone without its input and output: registration, calls, their events, timers and reports.
//!
//! A [`Phone`] registers with a server over one connection and holds the calls; a call is a [`Session`], known by its
//! [`CallId`]. Neither opens a socket, touches media hardware, reads a clock or draws a random number. What came from
//! outside goes in as [`Input`], what must be done comes out as [`Output`], time is an argument ([`Now`]). The same
//! configuration (with its seed) and the same inputs give the same outputs, natively and in WebAssembly.
//!
//! # The four kinds of methods
//!
//! 1. **Getters** ([`Phone::session`], [`Phone::is_registered`] …) change nothing.
//! 2. **[`Phone::handle_input`]** takes what came from outside: the connection, media, time.
//! 3. **Commands** ([`Phone::call`], [`Phone::hold`] …) are what the user wants. Each returns a [`CommandId`] at once, or
//!    refuses with a [`PhoneError`] and has done nothing. An accepted command is carried out without further calls, and
//!    its end is told by exactly one [`Output::Settled`]: the far end's answer, or a deadline.
//! 4. **[`poll_output`](Machine::poll_output)** gives what must be done, in order.
//!
//! After any of 2 and 3, poll until `None`; [`Driven`] makes this impossible to forget.
//!
//! # What a driver does
//!
//! It carries out [`Output`]s in order and decides nothing: opens and closes the WebSocket, writes messages, hands
//! [`MediaCommand`]s of one call to that call's peer connection in order, hands events to listeners, and calls
//! [`Phone::handle_input`] with [`Input::Timeout`] at the time of the last [`Output::Timeout`] (the last one counts,
//! also when it is later than the one before).

//! # With a P-Series PBX
//!
//! [`pbx::Login`] logs in and [`Phone::with_pbx`] makes the phone of what the PBX says. It then has requests and a
//! subscription besides its connection ([`Output::Http`], [`Output::Subscription`]); see [`pbx`]. A phone that was made with
//! [`Phone::new`] never has them.

#![forbid(unsafe_code)]

mod call_id;
mod cause;
mod config;
mod error;
pub mod events;
mod identity;
mod io;
mod json;
pub mod media;
mod negotiation;
mod number;
pub mod pbx;
mod phone;
pub mod quality;
mod random;
mod recording;
mod report;
mod sdp;
mod session;
mod status;
mod timer;
mod tones;

pub use call_id::CallId;
pub use cause::Cause;
pub use config::{
    CallOptions, Devices, DtmfMode, IceServer, IceTransportPolicy, Permission, PhoneConfig, ReconnectPolicy,
};
pub use error::PhoneError;
pub use events::{PhoneEvent, SessionEvent};
pub use io::{CloseReason, CommandId, Input, Now, Output, SdpFilterId, TransportError};
pub use json::write_text as write_json_text;
pub use media::{Direction, MediaCommand, MediaEvent, Volume};
pub use phone::{Phone, RESUME_MS, Resumed};
pub use recording::{RecordMethod, RecordPermissions};
pub use report::{CandidateKind, MediaStats, Report, ReportStats, StatsSample};
pub use session::{RtcSession, Session, SignalingState};
pub use status::{
    CallState, CallStatus, CommunicationType, RecordStatus, StaticCallStatus, StaticPatch, StatusPatch, TerminateType,
    TransferParent,
};
pub use timer::TimerType;

pub use offhook_sip::{
    Credentials, Driven, KeepAlive, Load, Machine, Millis, Secret, Seed, SessionTimer, Uri, UriError,
};
