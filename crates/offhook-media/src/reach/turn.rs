//! One allocation at a TURN server (RFC 8656), by turn-client-proto. Nothing outside this file knows it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use turn_client_proto::api::{SendError, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::prelude::TurnClientApi;
use turn_client_proto::stun::Instant as StunInstant;
use turn_client_proto::stun::agent::Transmit;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::stun::attribute::{AttributeStaticType as _, ErrorCode, MessageIntegrity};
use turn_client_proto::types::stun::message::{Message, MessageClass};
use turn_client_proto::types::{AddressFamily, TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use super::server::IceServer;
use crate::error::TurnError;

/// Peers of one allocation: candidates of the far end, over the life of the call. As many as the engine takes of them.
const MAX_PEERS: usize = 128;
/// Datagrams kept for a peer until its channel is there: its first checks.
const MAX_WAITING: usize = 4;
/// Allocate requests whose answers are looked at.
const MAX_REQUESTS: usize = 16;
/// Rounds of the client's machine at one call.
const MAX_ROUNDS: usize = 64;
const ALLOCATE_REQUEST: [u8; 2] = [0, 3];

turn_client_proto::impl_client!(pub(super) Client, (Udp, TurnClientUdp), (Tcp, TurnClientTcp));

/// What came of it.
#[derive(Debug)]
pub(super) enum TurnOutput {
    /// For the server: one message.
    Send(Vec<u8>),
    /// A peer's datagram, as if it had come to our address at the server.
    Data { relay: SocketAddr, peer: SocketAddr, data: Vec<u8> },
    /// An address at the server is ours.
    Allocated,
    /// There is no allocation, or no more. The last output.
    Failed(TurnError),
}

pub(super) struct Turn {
    client: Client,
    /// Where the client's time begins.
    epoch: Instant,
    local: SocketAddr,
    server: SocketAddr,
    relays: Vec<SocketAddr>,
    peers: Vec<Peer>,
    /// Transactions of our Allocate requests, and whether they had credentials.
    requests: VecDeque<([u8; 12], bool)>,
    refused: Option<TurnError>,
    /// Address families that there is, or may be, an address of.
    families: u8,
    timeout: Option<Instant>,
    failed: bool,
    outputs: VecDeque<TurnOutput>,
}

struct Peer {
    address: SocketAddr,
    state: PeerState,
}

enum PeerState {
    Binding(Vec<Vec<u8>>),
    Bound,
    /// The server does not let us.
    Refused,
}

impl Turn {
    /// Asks for an allocation, over a connection from `local` to `server`.
    pub(super) fn new(now: Instant, config: &IceServer, stream: bool, local: SocketAddr, server: SocketAddr) -> Self {
        let mut turn = TurnConfig::new(TurnCredentials::new(&config.username, &config.credential));
        // The far end's addresses decide which family is of use; a server without IPv6 gives the other alone.
        turn.add_address_family(AddressFamily::IPV6);
        // Repeated sooner than RFC 8489 §6.2.1 says, for the reason told in stun.rs; over 8 s in all.
        let second = Duration::from_secs(1);
        turn.set_request_retransmits(second / 4, second * 2, 6, second * 2);
        let client = if stream {
            Client::Tcp(TurnClientTcp::allocate(local, server, turn))
        } else {
            Client::Udp(TurnClientUdp::allocate(local, server, turn))
        };
        let mut this = Self {
            client,
            epoch: now,
            local,
            server,
            relays: Vec::new(),
            peers: Vec::new(),
            requests: VecDeque::new(),
            refused: None,
            families: 2,
            timeout: Some(now),
            failed: false,
            outputs: VecDeque::new(),
        };
        this.handle_timeout(now);
        this
    }

    /// Our addresses at the server.
    pub(super) fn relays(&self) -> &[SocketAddr] {
        &self.relays
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.timeout.filter(|_| !self.failed)
    }

    pub(super) fn poll_output(&mut self) -> Option<TurnOutput> {
        self.outputs.pop_front()
    }

    /// A whole message from the server.
    pub(super) fn receive(&mut self, now: Instant, data: &[u8]) {
        if self.failed {
            return;
        }
        self.note_refusal(data);
        let at = self.at(now);
        let received = self.client.recv(Transmit::new(data, self.client.transport(), self.server, self.local), at);
        if let TurnRecvRet::PeerData(data) = received {
            let (peer, data) = (data.peer, data.data().to_vec());
            self.heard(peer, data);
        }
        self.drive(now);
    }

    /// Sends a datagram of ours to a peer; the first one to it asks for a channel.
    pub(super) fn send(&mut self, now: Instant, peer: SocketAddr, data: &[u8]) {
        if self.failed {
            return;
        }
        let full = self.peers.len() >= MAX_PEERS;
        match self.peers.iter_mut().find(|known| known.address == peer).map(|known| &mut known.state) {
            Some(PeerState::Bound) => self.pass_on(now, peer, data),
            Some(PeerState::Binding(waiting)) => {
                if waiting.len() < MAX_WAITING {
                    waiting.push(data.to_vec());
                }
            }
            Some(PeerState::Refused) => {}
            None if full => {}
            None => {
                let at = self.at(now);
                let asked = self.client.bind_channel(TransportType::Udp, peer, at);
                if let Err(error) = &asked {
                    tracing::debug!(%error, %peer, "no channel");
                }
                let state = asked.map_or(PeerState::Refused, |()| PeerState::Binding(vec![data.to_vec()]));
                self.peers.push(Peer { address: peer, state });
                self.drive(now);
            }
        }
    }

    /// The connection to the server is gone.
    pub(super) fn lost(&mut self, error: TurnError) {
        self.fail(error);
    }

    /// Gives the allocation back (RFC 8656 §7.3).
    pub(super) fn close(&mut self, now: Instant) {
        if !self.failed {
            let at = self.at(now);
            // Without an allocation there is nothing to give back.
            let _ = self.client.delete(at);
            self.drive(now);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.timeout.is_some_and(|at| at <= now) {
            self.drive(now);
        }
    }

    /// Lets the client do what is due, and takes what came of it.
    fn drive(&mut self, now: Instant) {
        let at = self.at(now);
        for _ in 0..MAX_ROUNDS {
            if self.failed {
                return;
            }
            while let Some(transmit) = self.client.poll_transmit(at) {
                self.transmit(transmit.data.as_ref().to_vec());
            }
            while let Some(data) = self.client.poll_recv(at) {
                self.heard(data.peer, data.data().to_vec());
            }
            while let Some(event) = self.client.poll_event() {
                self.event(now, event);
            }
            match self.client.poll(at) {
                TurnPollRet::WaitUntil(until) if until > at => {
                    self.timeout = Some(now + until.saturating_duration_since(at));
                    return;
                }
                TurnPollRet::WaitUntil(_) => {}
                TurnPollRet::Closed => {
                    let lost = if self.relays.is_empty() { TurnError::Silent } else { TurnError::Lost };
                    self.fail(self.refused.clone().unwrap_or(lost));
                    return;
                }
                // Only of allocations over TCP, of which there are none.
                TurnPollRet::AllocateTcpSocket { .. } | TurnPollRet::TcpClose { .. } => {}
            }
        }
        self.timeout = Some(now + Duration::from_millis(20));
    }

    fn event(&mut self, now: Instant, event: TurnEvent) {
        match event {
            TurnEvent::AllocationCreated(_, relay) => {
                self.relays.push(relay);
                self.outputs.push_back(TurnOutput::Allocated);
            }
            TurnEvent::AllocationCreateFailed(_) => {
                self.families -= self.families.min(1);
                if self.families == 0 {
                    self.fail(self.refused.clone().unwrap_or(TurnError::Silent));
                }
            }
            TurnEvent::ChannelCreated(_, peer) => {
                let bound = self.peers.iter_mut().find(|known| known.address == peer);
                let before = bound.map(|known| std::mem::replace(&mut known.state, PeerState::Bound));
                if let Some(PeerState::Binding(waiting)) = before {
                    for data in waiting {
                        self.pass_on(now, peer, &data);
                    }
                }
            }
            TurnEvent::ChannelCreateFailed(_, peer) => {
                tracing::debug!(%peer, server = %self.server, "the TURN server gives no channel");
                for known in self.peers.iter_mut().filter(|known| known.address == peer) {
                    known.state = PeerState::Refused;
                }
            }
            _ => {}
        }
    }

    fn pass_on(&mut self, now: Instant, peer: SocketAddr, data: &[u8]) {
        let at = self.at(now);
        match self.client.send_to(TransportType::Udp, peer, data, at) {
            Ok(Some(build)) => self.transmit(build.build().data),
            Ok(None) => {}
            Err(SendError::NoAllocation) => self.fail(TurnError::Lost),
            Err(error) => tracing::trace!(%error, %peer, "not relayed"),
        }
    }

    fn transmit(&mut self, message: Vec<u8>) {
        if message.starts_with(&ALLOCATE_REQUEST)
            && let Some(transaction) = message.get(8..20).and_then(|bytes| <[u8; 12]>::try_from(bytes).ok())
            && self.requests.iter().all(|(known, _)| *known != transaction)
        {
            let signed =
                Message::from_bytes(&message).is_ok_and(|message| message.has_attribute(MessageIntegrity::TYPE));
            if self.requests.len() >= MAX_REQUESTS {
                self.requests.pop_front();
            }
            self.requests.push_back((transaction, signed));
        }
        self.outputs.push_back(TurnOutput::Send(message));
    }

    fn heard(&mut self, peer: SocketAddr, data: Vec<u8>) {
        if let Some(&relay) = self.relays.iter().find(|relay| relay.is_ipv4() == peer.is_ipv4()) {
            self.outputs.push_back(TurnOutput::Data { relay, peer, data });
        }
    }

    /// The client does not tell why there is no allocation: the server's answer does.
    fn note_refusal(&mut self, data: &[u8]) {
        if !self.relays.is_empty() || !data.starts_with(&[1, 0x13]) {
            return;
        }
        let request = self.requests.iter().find(|(known, _)| data.get(8..20).is_some_and(|bytes| bytes == known));
        let (Some(&(_, signed)), Ok(message)) = (request, Message::from_bytes(data)) else { return };
        if message.class() != MessageClass::Error {
            return;
        }
        let Ok(code) = message.attribute::<ErrorCode>().map(|error| error.code()) else { return };
        match code {
            // It asks for the credentials, once for each time that it got the first request.
            401 if !signed => {}
            401 | 441 => self.fail(TurnError::Unauthorized),
            // The client asks again with the new nonce.
            438 => {}
            403 => self.refused = Some(TurnError::Forbidden),
            486 => self.refused = Some(TurnError::QuotaReached),
            508 => self.refused = Some(TurnError::NoCapacity),
            code => self.refused = Some(TurnError::Refused { code }),
        }
    }

    fn fail(&mut self, error: TurnError) {
        if !self.failed {
            self.failed = true;
            self.relays.clear();
            self.peers.clear();
            self.outputs.push_back(TurnOutput::Failed(error));
        }
    }

    fn at(&self, now: Instant) -> StunInstant {
        StunInstant::from_nanos(now.saturating_duration_since(self.epoch).as_nanos() as i64)
    }
}
