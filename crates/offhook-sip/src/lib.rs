//! A sans-IO SIP user agent: transactions, dialogs, calls and registrations over WebSocket connections.
//!
//! Nothing here opens a socket, reads a clock, draws a random number or starts a thread. The caller passes in
//! what arrived and what time it is, and takes out what must be sent; the same inputs and the same seed give the
//! same bytes, natively and in WebAssembly. One [`Agent`] serves a phone (one connection, mostly UAC) as well as a
//! PBX (many connections, mostly UAS).
//!
//! # The four kinds of methods
//!
//! 1. **Getters** ([`Agent::call`], [`Agent::load`] …) change nothing.
//! 2. **[`Agent::handle_input`]** takes what came from outside: a connection opened, a WebSocket message, a
//!    connection lost, time passed.
//! 3. **Commands** ([`Agent::invite`], [`Agent::accept`], [`Agent::hangup`] …) are what the transaction user wants.
//! 4. **[`Agent::poll_output`]** gives what must be done: bytes to send, events, and last of all the time at which to
//!    call again.
//!
//! After any of 2 and 3, poll until `None`. [`Driven`] makes this impossible to forget: it hands out `&mut` only inside
//! [`Driven::turn`], which drains the outputs before it returns.
//!
//! # Time
//!
//! [`Millis`] since any epoch that the caller likes, never going backwards.
//!
//! # What is not here
//!
//! Media. An SDP is a string to this crate; it only keeps the offer/answer rules (RFC 3264, RFC 6141): who may offer
//! when, what is an answer, what a refusal rolls back.

#![forbid(unsafe_code)]

mod agent;
mod auth;
mod call;
mod chacha;
mod command;
mod compose;
mod config;
mod connection;
mod dialog;
mod driven;
mod dtmf;
mod error;
mod event;
mod header;
pub mod message;
mod name_addr;
mod refer;
mod registration;
mod replaces;
mod rng;
mod secret;
mod sorted;
mod timer;

pub use agent::{Agent, Load};
pub use auth::{AuthFailure, Credentials, DigestAlgorithm, Verified, Verifier, ha1};
pub use call::{CallState, CallView, DialogSnapshot, SnapshotError};
pub use chacha::ChaCha;
pub use command::{Accept, Invite, Modify, ModifyMethod, OutOfDialog, Register, Ring};
pub use config::{AgentConfig, KeepAlive, Limits, SessionTimer, TransactionTimers};
pub use connection::ConnectionKind;
pub use driven::{Driven, Machine};
pub use dtmf::InfoTone;
pub use error::CommandError;
pub use event::{
    CallKey, ConnectionId, DropReason, EarlyId, Event, Farewell, Input, ModifyOutcome, Originator, Output,
    RegistrationFailure, RegistrationId, RequestId, RequestOutcome, Termination, TerminationKind, TransactionId,
};
pub use header::{HeaderError, HeaderField};
pub use name_addr::{NameAddr, Uri, UriError};
pub use refer::{ReferTo, sipfrag_status};
pub use replaces::Replaces;
pub use secret::{Secret, Seed};

/// Milliseconds since an epoch of the caller's choice; it must never go backwards.
pub type Millis = u64;
