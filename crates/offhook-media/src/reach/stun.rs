//! Asking a STUN server for the address under which one of our sockets is seen (RFC 8489, RFC 8445 §5.1.1.2).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use turn_client_proto::types::stun::attribute::XorMappedAddress;
use turn_client_proto::types::stun::message::{Message, MessageClass};

use crate::error::MediaError;

/// Before the first repetition. RFC 8489 §6.2.1 says 500 ms, which is all the time that gathering has.
const FIRST_REPEAT: Duration = Duration::from_millis(100);
const LONGEST_REPEAT: Duration = Duration::from_millis(1_600);
/// Times a request is sent.
const MOST_SENT: u32 = 7;
/// How often an address is asked for again until the call uses it, so that the NAT keeps it (RFC 8445 §11).
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// One of our sockets at one server.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) base: SocketAddr,
    pub(super) server: SocketAddr,
    transaction: [u8; 12],
    sent: u32,
    next: Option<Instant>,
    pub(super) mapped: Option<SocketAddr>,
    /// There will be no answer.
    pub(super) failed: bool,
}

impl Check {
    pub(super) fn new(now: Instant, base: SocketAddr, server: SocketAddr) -> Result<Self, MediaError> {
        let next = Some(now);
        Ok(Self { base, server, transaction: transaction()?, sent: 0, next, mapped: None, failed: false })
    }

    pub(super) fn is_settled(&self) -> bool {
        self.failed || self.mapped.is_some()
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.next
    }

    /// The request to send now, if any.
    pub(super) fn poll(&mut self, now: Instant, keep_alive: bool) -> Option<[u8; 20]> {
        if self.next.is_none_or(|next| now < next) {
            return None;
        }
        if self.sent == 0 && self.mapped.is_some() {
            if !keep_alive {
                self.next = None;
                return None;
            }
            // Without random numbers the old ones do.
            self.transaction = transaction().unwrap_or(self.transaction);
        }
        if self.sent >= MOST_SENT {
            self.failed = self.mapped.is_none();
            self.sent = 0;
            self.next = (!self.failed).then(|| now + KEEP_ALIVE);
            return None;
        }
        self.next = Some(now + (FIRST_REPEAT * (1 << self.sent)).min(LONGEST_REPEAT));
        self.sent += 1;
        let mut request = [0u8; 20];
        // A binding request without attributes.
        request[..2].copy_from_slice(&[0, 1]);
        request[4..8].copy_from_slice(&COOKIE);
        request[8..].copy_from_slice(&self.transaction);
        Some(request)
    }

    /// Takes a datagram; gives whether it was the answer.
    pub(super) fn receive(&mut self, now: Instant, base: SocketAddr, source: SocketAddr, data: &[u8]) -> bool {
        let ours = self.base == base
            && self.server == source
            && self.sent > 0
            && data.get(8..20).is_some_and(|transaction| transaction == self.transaction);
        if !ours {
            return false;
        }
        let Ok(message) = Message::from_bytes(data) else { return false };
        match message.class() {
            MessageClass::Success => {
                let mapped = message.attribute::<XorMappedAddress>();
                let mapped = mapped.ok().map(|attribute| attribute.addr(message.transaction_id()));
                self.mapped = mapped.filter(|mapped| is_usable(mapped, base)).or(self.mapped);
                self.failed = self.mapped.is_none();
            }
            MessageClass::Error => self.failed = self.mapped.is_none(),
            _ => return false,
        }
        self.sent = 0;
        self.next = (!self.failed).then(|| now + KEEP_ALIVE);
        true
    }
}

/// Whether a datagram may be an answer: looked at for every datagram, so cheap.
pub(super) fn is_answer(data: &[u8]) -> bool {
    data.len() >= 20 && data.starts_with(&[1]) && data.get(4..8) == Some(&COOKIE)
}

/// A server may say anything; an address that nobody can send to is none.
fn is_usable(mapped: &SocketAddr, base: SocketAddr) -> bool {
    let ip = mapped.ip();
    mapped.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && ip.is_ipv4() == base.is_ipv4()
}

fn transaction() -> Result<[u8; 12], MediaError> {
    let mut bytes = [0u8; 12];
    getrandom::fill(&mut bytes).map_err(|error| MediaError::Engine(format!("no random numbers: {error}")))?;
    Ok(bytes)
}
