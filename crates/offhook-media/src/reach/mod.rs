//! How the far end can reach us: host addresses, those that STUN servers see, and those at TURN servers.
//!
//! Gathering begins with the peer and with each ICE restart. A description waits for it until there is a first usable
//! set, and never longer than the deadline: an address from each kind of server that was given, or the certainty that there
//! is none. What comes later is not lost: a late candidate of ours is paired with those of the far end at once, so that our
//! checks from there make it known to the far end as a peer-reflexive one (RFC 8445 §7.3.1.3), without another offer; the
//! next description names it.
//!
//! Sans-IO: names are resolved and connections made by the driver ([`link`]); time and datagrams come in.

pub(crate) mod link;
mod probe;
mod server;
mod stun;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) use self::server::ServerKind;
pub use self::server::{IceServer, TransportPolicy};
use self::stun::Check;
use self::turn::{Turn, TurnOutput};
use crate::error::TurnError;
use crate::stats::CandidateKind;

/// Servers used; of more, the first ones.
pub(crate) const MAX_SERVERS: usize = 8;
/// Questions to STUN servers under way at once.
const MAX_CHECKS: usize = 32;
/// How long other sockets are waited for when one has the STUN server's answer.
const SETTLE: Duration = Duration::from_millis(100);
/// How long the connections to the TURN servers from before an ICE restart are kept, for the path in use until it is over.
const RETIRED: Duration = Duration::from_secs(15);

/// A candidate of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalCandidate {
    pub(crate) kind: CandidateKind,
    pub(crate) address: SocketAddr,
    /// What datagrams are sent from: a socket of ours, or the address at the TURN server.
    pub(crate) base: SocketAddr,
}

impl LocalCandidate {
    pub(crate) fn host(address: SocketAddr) -> Self {
        Self { kind: CandidateKind::Host, address, base: address }
    }
}

/// Identifies a connection to a TURN server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LinkId(pub(crate) u32);

/// What the driver is to do.
#[derive(Debug)]
pub(crate) enum ReachOutput {
    /// Find the addresses of this STUN server, for [`Reach::resolved`].
    Resolve { server: usize },
    /// Connect to this TURN server, for [`Reach::link_up`].
    Open { link: LinkId, server: usize },
    /// Send from this socket of ours.
    Host { base: SocketAddr, destination: SocketAddr, data: Vec<u8> },
    /// Send one message on a connection.
    Link { link: LinkId, data: Vec<u8> },
    /// End a connection when what was sent is out.
    Close { link: LinkId },
    /// A datagram of a peer came to our address at a TURN server.
    Data { relay: SocketAddr, peer: SocketAddr, data: Vec<u8> },
    /// [`Reach::candidates`] changed.
    Candidates,
    /// A server is of no use.
    Failed { server: usize, error: TurnError },
}

pub(crate) struct Reach {
    servers: Vec<IceServer>,
    policy: TransportPolicy,
    limit: Duration,
    hosts: Vec<SocketAddr>,
    checks: Vec<Check>,
    links: Vec<Link>,
    /// Servers whose names are being looked up, by the gathering they belong to.
    resolving: Vec<usize>,
    next_link: u32,
    deadline: Instant,
    /// When the first STUN answer of this gathering came.
    first_answer: Option<Instant>,
    /// Why there is no address at a TURN server; of several reasons the last.
    failure: Option<TurnError>,
    /// Whether addresses at STUN servers are kept alive.
    keep_alive: bool,
    outputs: VecDeque<ReachOutput>,
}

struct Link {
    id: LinkId,
    server: usize,
    /// Once it is connected.
    turn: Option<Turn>,
    /// Of an earlier gathering: closed then.
    retired: Option<Instant>,
}

impl Reach {
    pub(crate) fn new(
        now: Instant,
        servers: &[IceServer],
        policy: TransportPolicy,
        limit: Duration,
        hosts: Vec<SocketAddr>,
    ) -> Self {
        let mut this = Self {
            servers: servers.iter().take(MAX_SERVERS).cloned().collect(),
            policy,
            limit,
            hosts: Vec::new(),
            checks: Vec::new(),
            links: Vec::new(),
            resolving: Vec::new(),
            next_link: 0,
            deadline: now,
            first_answer: None,
            failure: None,
            keep_alive: true,
            outputs: VecDeque::new(),
        };
        this.restart(now, hosts);
        this
    }

    // ---- getters ----

    pub(crate) fn server(&self, index: usize) -> Option<&IceServer> {
        self.servers.get(index)
    }

    pub(crate) fn has_servers(&self) -> bool {
        !self.servers.is_empty()
    }

    /// All candidates of ours, best first.
    pub(crate) fn candidates(&self) -> Vec<LocalCandidate> {
        let mut found: Vec<LocalCandidate> = Vec::new();
        if self.policy == TransportPolicy::All {
            found.extend(self.hosts.iter().copied().map(LocalCandidate::host));
            for check in &self.checks {
                let Some(address) = check.mapped.filter(|mapped| *mapped != check.base) else { continue };
                let candidate = LocalCandidate { kind: CandidateKind::Srflx, address, base: check.base };
                if !found.contains(&candidate) {
                    found.push(candidate);
                }
            }
        }
        let relays = self.links.iter().filter_map(|link| link.turn.as_ref()).flat_map(Turn::relays);
        found.extend(relays.map(|&relay| LocalCandidate { kind: CandidateKind::Relay, address: relay, base: relay }));
        found
    }

    /// Whether a description need not wait any longer.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        now >= self.deadline || (self.is_stun_ready(now) && self.is_turn_ready())
    }

    /// Why there is nothing to offer, when only addresses at TURN servers may be and there will be none.
    pub(crate) fn is_hopeless(&self) -> Option<TurnError> {
        let pending = self.links.iter().any(|link| link.retired.is_none());
        let relayed = self.policy == TransportPolicy::Relay;
        (relayed && !pending).then(|| self.failure.clone().unwrap_or(TurnError::NoServer))
    }

    /// When [`Reach::handle_timeout`] must be called next.
    pub(crate) fn timeout(&self, now: Instant) -> Option<Instant> {
        let checks = self.checks.iter().filter_map(Check::timeout);
        let links = self.links.iter().flat_map(|link| [link.turn.as_ref().and_then(Turn::timeout), link.retired]);
        let settled = self.first_answer.map(|at| at + SETTLE);
        let gathering = [Some(self.deadline), settled].into_iter().filter(|at| at.is_some_and(|at| at > now));
        checks.chain(links.flatten()).chain(gathering.flatten()).min()
    }

    // ---- commands ----

    /// Gathers anew, from these sockets.
    pub(crate) fn restart(&mut self, now: Instant, hosts: Vec<SocketAddr>) {
        self.hosts = hosts;
        self.checks.clear();
        self.resolving.clear();
        self.first_answer = None;
        self.failure = None;
        // Until the new path is found.
        self.keep_alive = true;
        self.deadline = if self.servers.is_empty() { now } else { now + self.limit };
        for link in &mut self.links {
            link.retired = link.retired.or(Some(now + RETIRED));
        }
        // One that never came up serves nothing.
        self.drop_links(|link| link.retired.is_some() && link.turn.is_none());
        for (index, server) in self.servers.iter().enumerate() {
            if server.is_turn() {
                let id = LinkId(self.next_link);
                self.next_link = self.next_link.wrapping_add(1);
                self.links.push(Link { id, server: index, turn: None, retired: None });
                self.outputs.push_back(ReachOutput::Open { link: id, server: index });
            } else if self.policy == TransportPolicy::All {
                self.resolving.push(index);
                self.outputs.push_back(ReachOutput::Resolve { server: index });
            }
        }
    }

    /// The call has its path: what STUN servers see needs not be kept alive any more.
    pub(crate) fn connected(&mut self) {
        self.keep_alive = false;
    }

    /// Sends a datagram from an address at a TURN server; gives whether it is one.
    pub(crate) fn send(&mut self, now: Instant, relay: SocketAddr, peer: SocketAddr, data: &[u8]) -> bool {
        let of_relay = |link: &&mut Link| link.turn.as_ref().is_some_and(|turn| turn.relays().contains(&relay));
        let Some(link) = self.links.iter_mut().find(of_relay) else { return false };
        if let Some(turn) = &mut link.turn {
            turn.send(now, peer, data);
        }
        self.take_links(now);
        true
    }

    /// Gives the allocations back.
    pub(crate) fn close(&mut self, now: Instant) {
        for link in &mut self.links {
            if let Some(turn) = &mut link.turn {
                turn.close(now);
            }
        }
        self.take_links(now);
        self.drop_links(|_| true);
    }

    // ---- what happened ----

    /// The addresses of a STUN server; none: it cannot be found.
    pub(crate) fn resolved(&mut self, now: Instant, server: usize, addresses: &[SocketAddr]) {
        let Some(index) = self.resolving.iter().position(|waiting| *waiting == server) else { return };
        self.resolving.swap_remove(index);
        for &base in &self.hosts {
            let address = addresses.iter().find(|address| address.is_ipv4() == base.is_ipv4());
            if let Some(&address) = address.filter(|_| self.checks.len() < MAX_CHECKS)
                && let Ok(check) = Check::new(now, base, address)
            {
                self.checks.push(check);
            }
        }
        if addresses.is_empty() {
            let error = TurnError::Unreachable("its name cannot be resolved".to_owned());
            self.outputs.push_back(ReachOutput::Failed { server, error });
        }
        self.handle_timeout(now);
    }

    /// A connection to a TURN server is up. `stream` says that it is TCP or TLS.
    pub(crate) fn link_up(&mut self, now: Instant, id: LinkId, stream: bool, local: SocketAddr, server: SocketAddr) {
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else { return };
        if let Some(config) = self.servers.get(link.server) {
            link.turn = Some(Turn::new(now, config, stream, local, server));
        }
        self.take_links(now);
    }

    /// A connection could not be made, or ended.
    pub(crate) fn link_down(&mut self, now: Instant, id: LinkId, error: TurnError) {
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else { return };
        if let Some(turn) = &mut link.turn {
            turn.lost(error);
            self.take_links(now);
        } else {
            let server = link.server;
            self.give_up(id, server, error);
        }
    }

    /// A whole message came over a connection.
    pub(crate) fn link_received(&mut self, now: Instant, id: LinkId, data: &[u8]) {
        if let Some(turn) = self.links.iter_mut().find(|link| link.id == id).and_then(|link| link.turn.as_mut()) {
            turn.receive(now, data);
            self.take_links(now);
        }
    }

    /// A datagram came to a socket of ours; gives whether it was a STUN server's answer.
    pub(crate) fn host_received(&mut self, now: Instant, base: SocketAddr, source: SocketAddr, data: &[u8]) -> bool {
        if self.checks.is_empty() || !stun::is_answer(data) {
            return false;
        }
        for check in &mut self.checks {
            let before = check.mapped;
            if check.receive(now, base, source, data) {
                self.first_answer = self.first_answer.or(check.mapped.map(|_| now));
                if check.mapped != before {
                    self.outputs.push_back(ReachOutput::Candidates);
                }
                return true;
            }
        }
        false
    }

    /// Time has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for check in &mut self.checks {
            if let Some(request) = check.poll(now, self.keep_alive) {
                let data = request.to_vec();
                self.outputs.push_back(ReachOutput::Host { base: check.base, destination: check.server, data });
            }
        }
        for link in &mut self.links {
            if let Some(turn) = &mut link.turn {
                turn.handle_timeout(now);
                if link.retired.is_some_and(|at| at <= now) {
                    turn.close(now);
                }
            }
        }
        self.take_links(now);
        let before = self.links.len();
        self.drop_links(|link| link.retired.is_some_and(|at| at <= now));
        if self.links.len() != before {
            self.outputs.push_back(ReachOutput::Candidates);
        }
    }

    // ---- outputs ----

    pub(crate) fn poll_output(&mut self) -> Option<ReachOutput> {
        self.outputs.pop_front()
    }

    // ---- private ----

    fn is_stun_ready(&self, now: Instant) -> bool {
        let answered = self.first_answer.is_some_and(|at| now >= at + SETTLE);
        answered || (self.resolving.is_empty() && self.checks.iter().all(Check::is_settled))
    }

    fn is_turn_ready(&self) -> bool {
        let mut present = self.links.iter().filter(|link| link.retired.is_none()).peekable();
        present.peek().is_none() || present.any(|link| link.turn.as_ref().is_some_and(|turn| !turn.relays().is_empty()))
    }

    /// Takes what the TURN clients want done.
    fn take_links(&mut self, _now: Instant) {
        let mut failed = Vec::new();
        for link in &mut self.links {
            let Some(turn) = &mut link.turn else { continue };
            while let Some(output) = turn.poll_output() {
                self.outputs.push_back(match output {
                    TurnOutput::Send(data) => ReachOutput::Link { link: link.id, data },
                    TurnOutput::Data { relay, peer, data } => ReachOutput::Data { relay, peer, data },
                    TurnOutput::Allocated => ReachOutput::Candidates,
                    TurnOutput::Failed(error) => {
                        failed.push((link.id, link.server, error));
                        ReachOutput::Candidates
                    }
                });
            }
        }
        for (id, server, error) in failed {
            self.give_up(id, server, error);
        }
    }

    fn give_up(&mut self, id: LinkId, server: usize, error: TurnError) {
        let retired = self.links.iter().any(|link| link.id == id && link.retired.is_some());
        self.drop_links(|link| link.id == id);
        if !retired {
            self.failure = Some(error.clone());
            self.outputs.push_back(ReachOutput::Failed { server, error });
        }
    }

    fn drop_links(&mut self, gone: impl Fn(&Link) -> bool) {
        let outputs = &mut self.outputs;
        self.links.retain(|link| {
            let gone = gone(link);
            if gone {
                outputs.push_back(ReachOutput::Close { link: link.id });
            }
            !gone
        });
    }
}
