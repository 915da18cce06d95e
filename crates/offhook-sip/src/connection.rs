//! Connections: one WebSocket each, with the transactions that run on it.
//!
//! RFC 7118 §5 sends every response back on the connection of its request, so a transaction belongs to one connection;
//! with a layer per connection nobody can answer, cancel or collide with the transactions of another.

use std::collections::HashMap;

use bytes::Bytes;
use sipx_sip::{TransactionKey, TransactionLayer};

use crate::Millis;
use crate::config::Limits;
use crate::event::DropReason;
use crate::message::{Message, Request};

/// Which side opened a connection, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionKind {
    /// We connected to a server; `secure` for wss.
    Client {
        /// TLS.
        secure: bool,
    },
    /// A client connected to us; `secure` for wss.
    Server {
        /// TLS.
        secure: bool,
    },
}

impl ConnectionKind {
    pub(crate) fn is_client(self) -> bool {
        matches!(self, Self::Client { .. })
    }

    /// The transport in a Via (RFC 7118 §5.2).
    pub(crate) fn via_transport(self) -> &'static str {
        match self {
            Self::Client { secure: true } | Self::Server { secure: true } => "WSS",
            Self::Client { secure: false } | Self::Server { secure: false } => "WS",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) kind: ConnectionKind,
    pub(crate) layer: TransactionLayer,
    /// The agent's number of each transaction of the layer.
    pub(crate) ids: HashMap<TransactionKey, u64>,
    /// Server transactions among them.
    pub(crate) servers: usize,
    /// Messages in a row that were no SIP.
    pub(crate) bad_messages: u32,
    /// When the keep-alive went out that is not answered yet.
    pub(crate) pinged_at: Option<Millis>,
    /// Whether a keep-alive was ever answered here.
    pub(crate) answers_pings: bool,
    /// [`Output::Disconnect`](crate::Output::Disconnect) was given out: nothing more is taken from it.
    pub(crate) condemned: bool,
}

/// What one WebSocket message is.
#[derive(Debug)]
pub(crate) enum Frame {
    Message(Box<Message>),
    /// CRLF CRLF (RFC 5626 §4.4.1).
    Ping,
    /// CRLF.
    Pong,
    /// `heartbeat`, or nothing at all.
    Ignored,
    /// Not SIP, or not well-formed; a request that could be made out gets this status and phrase.
    Bad {
        answer: Option<(Box<Request>, u16, String)>,
        drop: Option<DropReason>,
    },
}

pub(crate) fn classify(data: Bytes, limits: &Limits) -> Frame {
    if data.iter().all(|b| matches!(b, b'\r' | b'\n')) {
        return match data.len() {
            0 => Frame::Ignored,
            1 | 2 => Frame::Pong,
            _ => Frame::Ping,
        };
    }
    if data.as_ref() == b"heartbeat" {
        return Frame::Ignored;
    }
    // RFC 3261 §25.1: all text in a message is UTF-8. What is not could not be copied into an answer either.
    let head = data.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(data.len());
    if data.get(..head).is_none_or(|head| std::str::from_utf8(head).is_err()) {
        return Frame::Bad { answer: None, drop: None };
    }
    let parser = parser_limits(limits);
    if data.len() > limits.max_message_bytes {
        let answer = salvage(&data, &parser).map(|r| (Box::new(r), 513, "Message Too Large".to_owned()));
        return Frame::Bad { answer, drop: Some(DropReason::TooLarge) };
    }
    match sipx_sip::parse_frame(data.clone(), &parser) {
        Ok(message) => check(message),
        Err(error) => {
            let answer = salvage(&data, &parser).map(|r| (Box::new(r), 400, phrase(&error.to_string())));
            Frame::Bad { answer, drop: None }
        }
    }
}

/// RFC 3261 §8.1.1, and §16.3 item 3 for the one defect that may be overlooked.
fn check(message: Message) -> Frame {
    let findings = sipx_sip::validate(&message);
    match findings.iter().find(|finding| !finding.is_repairable()) {
        None => Frame::Message(Box::new(message)),
        Some(finding) => {
            let (status, why) = (finding.status(), in_words(finding));
            let answer = match message {
                Message::Request(request) => Some((Box::new(request), status, why)),
                Message::Response(_) => None,
            };
            Frame::Bad { answer, drop: None }
        }
    }
}

/// Reads the head of a request whose body or length is wrong, so that it can be answered.
fn salvage(data: &Bytes, limits: &sipx_sip::Limits) -> Option<Request> {
    let head = data.get(..data.len().min(limits.max_message_bytes))?;
    let end = head.windows(4).position(|w| w == b"\r\n\r\n")?;
    let mut kept = Vec::with_capacity(end + 4);
    for line in head.get(..end)?.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let name = line.split(|b| *b == b':').next().unwrap_or(line);
        let name = name.trim_ascii();
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            kept.extend_from_slice(line);
            kept.extend_from_slice(b"\r\n");
        }
    }
    kept.extend_from_slice(b"\r\n");
    match sipx_sip::parse_datagram(Bytes::from(kept), limits) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    }
}

fn parser_limits(limits: &Limits) -> sipx_sip::Limits {
    sipx_sip::Limits {
        max_message_bytes: limits.max_message_bytes,
        max_body_bytes: limits.max_message_bytes,
        ..sipx_sip::Limits::datagram()
    }
}

fn in_words(finding: &sipx_sip::Finding) -> String {
    use sipx_sip::Finding as F;
    match finding {
        F::MissingRequiredHeader(name) => format!("Missing {name}"),
        F::MalformedRequiredHeader(name) => format!("Malformed {name}"),
        F::RepeatedSingleValueHeader(name) => format!("More Than One {name}"),
        F::CSeqMethodMismatch => "CSeq Names Another Method".to_owned(),
        F::UnsupportedVersion => "Version Not Supported".to_owned(),
        F::RequestUriHasHeaders => "Headers In The Request-URI".to_owned(),
        _ => "Bad Request".to_owned(),
    }
}

/// A reason phrase out of an error text: printable ASCII, short.
fn phrase(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).take(80).collect()
}
