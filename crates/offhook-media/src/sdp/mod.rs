//! Session descriptions: read tolerantly, written in the shape the peer used.
//!
//! The transport engine's own SDP reader is stricter than what PBXs send and its writer ignores what they expect, so
//! descriptions are read and written here and the engine is told the facts.

mod negotiation;
mod parse;
mod write;

pub(crate) use negotiation::{Agreed, AgreedVideo, Answered, Negotiation, Transport};
pub(crate) use parse::RemoteTransport;
