//! The tokio task around the core: one per peer, with its sockets.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::config::{Addresses, PeerConfig};
use crate::core::{Output, PeerCore, Seeds};
use crate::error::MediaError;
use crate::event::{PeerEvent, PeerEvents};
use crate::interfaces::{self, ADDRESS_POLL};
use crate::peer::Command;
use crate::reach::link::{self, LinkEvent};
use crate::reach::{self, Reach, ReachOutput};
use crate::relay::{self, LinkId, RelayReceiver, RelaySender, Relayed};
use crate::stats::IceState;
use crate::threads::Place;
use crate::timer::Timer;

/// Events that may wait for a slow reader.
const EVENTS: usize = 256;
/// Largest datagram taken: above the MTU of any path in use.
const DATAGRAM: usize = 2_048;
/// Errors of a socket that are read in a row.
const MOST_ERRORS: usize = 64;
/// A description waits no longer for candidates.
const LONGEST_GATHERING: Duration = Duration::from_millis(500);
/// Most local addresses: a host with more offers the first ones.
const MAX_ADDRESSES: usize = 8;

pub(crate) fn spawn(
    config: PeerConfig,
) -> Result<(mpsc::UnboundedSender<Command>, RelaySender, PeerEvents), MediaError> {
    let place = Place::take()?;
    let runtime = place.runtime().clone();
    let inside = runtime.enter();
    let sockets = bind(&config.addresses)?;
    let (commands, inbox) = mpsc::unbounded_channel();
    let (relay_sender, relay) = relay::channel();
    let (events, receiver) = mpsc::channel(EVENTS);
    let now = Instant::now();
    let known = (config.addresses == Addresses::Host).then(interfaces::local_addresses);
    let hosts = sockets.iter().map(|(address, _)| *address).collect();
    let limit = config.gather_timeout.min(LONGEST_GATHERING);
    let reach = Reach::new(now, &config.ice_servers, config.transport_policy, limit, hosts);
    let core = PeerCore::new(&config, reach.candidates(), grid(), now, seeds()?);
    let (net_sender, net) = link::channel();
    let mut task = Task {
        _place: place,
        label: config.label,
        addresses: config.addresses,
        core,
        reach,
        held: None,
        net,
        net_sender,
        links: Vec::new(),
        turn_roots: config.turn_roots.into(),
        sockets,
        commands: inbox,
        relay,
        events,
        link: None,
        next_socket: 0,
        next_look: known.as_ref().map(|_| now + ADDRESS_POLL),
        known: known.unwrap_or_default(),
    };
    drop(inside);
    runtime.spawn(async move { task.run_to_the_end().await });
    Ok((commands, relay_sender, PeerEvents { receiver, closed: false }))
}

/// The moment from which all peers of the process count their frames, so that their timers fire together.
fn grid() -> Instant {
    static GRID: OnceLock<Instant> = OnceLock::new();
    *GRID.get_or_init(Instant::now)
}

fn seeds() -> Result<Seeds, MediaError> {
    let mut bytes = [0u8; 14];
    getrandom::fill(&mut bytes).map_err(|e| MediaError::Engine(format!("no random numbers: {e}")))?;
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = bytes;
    Ok(Seeds {
        // RFC 8866 §5.2 and RFC 8829 §5.2.1: 62 bits.
        session_id: u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 2,
        seq: u16::from_be_bytes([i, j]),
        timestamp: u32::from_be_bytes([k, l, m, n]),
    })
}

fn bind(addresses: &Addresses) -> Result<Vec<(SocketAddr, UdpSocket)>, MediaError> {
    let mut sockets = Vec::new();
    let mut failure = MediaError::NoAddress;
    for ip in wanted_addresses(addresses).into_iter().take(MAX_ADDRESSES) {
        match bind_one(ip) {
            Ok(bound) => sockets.push(bound),
            // One interface of several may be going down just now.
            Err(error) => failure = MediaError::Socket { address: ip, reason: error.to_string() },
        }
    }
    if sockets.is_empty() { Err(failure) } else { Ok(sockets) }
}

fn wanted_addresses(addresses: &Addresses) -> Vec<IpAddr> {
    match addresses {
        Addresses::Loopback => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        Addresses::Only(ips) => ips.clone(),
        Addresses::Host => interfaces::read(),
    }
}

fn bind_one(ip: IpAddr) -> std::io::Result<(SocketAddr, UdpSocket)> {
    // A candidate is an address the peer can send to.
    let link_local = matches!(ip, IpAddr::V4(v4) if v4.is_link_local());
    if ip.is_unspecified() || ip.is_multicast() || link_local {
        return Err(std::io::Error::other("this is no address of an interface that a peer could reach"));
    }
    let socket = std::net::UdpSocket::bind((ip, 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    Ok((address, UdpSocket::from_std(socket)?))
}

struct Task {
    _place: Place,
    label: String,
    /// Which addresses are wanted.
    addresses: Addresses,
    core: PeerCore,
    reach: Reach,
    /// A description that waits for candidates; the commands after it wait for it.
    held: Option<Command>,
    net: mpsc::Receiver<LinkEvent>,
    net_sender: mpsc::Sender<LinkEvent>,
    /// Connections to TURN servers.
    links: Vec<(reach::LinkId, mpsc::Sender<Vec<u8>>)>,
    turn_roots: Arc<[Vec<u8>]>,
    sockets: Vec<(SocketAddr, UdpSocket)>,
    commands: mpsc::UnboundedReceiver<Command>,
    relay: RelayReceiver,
    events: mpsc::Sender<PeerEvent>,
    link: Option<(LinkId, RelaySender)>,
    /// Socket to look at first, so that none starves.
    next_socket: usize,
    /// The machine's addresses as they were seen last, and when to look again.
    known: Arc<[IpAddr]>,
    next_look: Option<Instant>,
}

/// Why the task woke up.
enum Wake {
    Command(Command),
    /// All handles are gone.
    Dropped,
    Relayed(Relayed),
    Net(LinkEvent),
    /// A datagram of this length for this socket.
    Datagram {
        socket: usize,
        source: SocketAddr,
        length: usize,
    },
    Timer,
}

impl Task {
    /// By reference: a future holds what it is given twice.
    async fn run_to_the_end(&mut self) {
        let ran = {
            let mut run = pin!(self.run());
            poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context))) {
                Ok(poll) => poll.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            })
            .await
        };
        if ran.is_err() {
            // Nothing of it can be relied on any more, but whoever has the call is told.
            tracing::error!(label = self.label, "the task of a peer connection panicked");
            self.tell(PeerEvent::Failed(MediaError::Crashed));
        }
        if let Some((link, sender)) = self.link.take() {
            let _ = sender.try_send(Relayed::Unlink(link));
        }
        tracing::debug!(label = self.label, "peer connection closed");
    }

    async fn run(&mut self) {
        let mut buffer = vec![0u8; DATAGRAM];
        let mut timer = Timer::new();
        self.outputs(Instant::now());
        while !self.core.is_closed() {
            let reach = if self.reach.has_servers() { self.reach.timeout(Instant::now()) } else { None };
            let timeout = self.core.timeout().into_iter().chain(reach).chain(self.next_look).min();
            timer.set(timeout, self.core.timeout_after());
            let wake = poll_fn(|context| self.poll(context, &mut buffer, &mut timer)).await;
            let now = Instant::now();
            match wake {
                Wake::Command(command) => {
                    if matches!(&command, Command::CreateOffer(wanted, _) if wanted.ice_restart) {
                        self.rebind(now);
                    }
                    self.held = Some(command);
                }
                Wake::Dropped => self.core.close(now),
                Wake::Relayed(relayed) => {
                    self.unlink_if_told(&relayed);
                    self.core.relayed(now, relayed);
                }
                Wake::Datagram { socket, source, length } => {
                    let to = self.sockets.get(socket).map(|(address, _)| *address);
                    if let (Some(to), Some(data)) = (to, buffer.get(..length))
                        && !self.reach.host_received(now, to, source, data)
                    {
                        self.core.receive(now, source, to, data);
                    }
                }
                Wake::Net(event) => self.net(now, event),
                Wake::Timer => {
                    self.core.handle_timeout(now);
                    self.reach.handle_timeout(now);
                    self.look_at_addresses(now);
                }
            }
            self.outputs(now);
            let waits = matches!(self.held, Some(Command::CreateOffer(..) | Command::AcceptOffer(..)));
            if !(waits && self.waits_for_candidates(now))
                && let Some(command) = self.held.take()
            {
                self.command(now, command);
                self.outputs(now);
            }
        }
        self.reach.close(Instant::now());
        self.outputs(Instant::now());
    }

    fn poll(&mut self, context: &mut Context<'_>, buffer: &mut [u8], timer: &mut Timer) -> Poll<Wake> {
        if self.held.is_none()
            && let Poll::Ready(command) = self.commands.poll_recv(context)
        {
            return Poll::Ready(command.map_or(Wake::Dropped, Wake::Command));
        }
        if timer.poll(context).is_ready() {
            return Poll::Ready(Wake::Timer);
        }
        // The peer holds a sender of its own while it lives: the channel does not end before the commands.
        if let Poll::Ready(Some(relayed)) = self.relay.poll_recv(context) {
            return Poll::Ready(Wake::Relayed(relayed));
        }
        // This task holds a sender of its own.
        if let Poll::Ready(Some(event)) = self.net.poll_recv(context) {
            return Poll::Ready(Wake::Net(event));
        }
        for turn in 0..self.sockets.len() {
            let index = (self.next_socket + turn) % self.sockets.len();
            let Some((_, socket)) = self.sockets.get(index) else { continue };
            for _ in 0..MOST_ERRORS {
                let mut read = ReadBuf::new(buffer);
                match socket.poll_recv_from(context, &mut read) {
                    Poll::Ready(Ok(source)) => {
                        let length = read.filled().len();
                        self.next_socket = index + 1;
                        return Poll::Ready(Wake::Datagram { socket: index, source, length });
                    }
                    // An ICMP error of an earlier datagram: it says nothing of this socket. Each is told once; one that the
                    // system has taken away (a telephone that slept) tells for ever, and is looked at when something else happens.
                    Poll::Ready(Err(error)) => tracing::trace!(%error, "socket"),
                    Poll::Pending => break,
                }
            }
        }
        Poll::Pending
    }

    fn command(&mut self, now: Instant, command: Command) {
        let core = &mut self.core;
        match command {
            Command::CreateOffer(wanted, reply) => reply.send(match self.reach.is_hopeless() {
                Some(error) => Err(MediaError::NoRelay(error)),
                None => core.create_offer(now, wanted),
            }),
            Command::AcceptOffer(sdp, wanted, reply) => reply.send(match self.reach.is_hopeless() {
                Some(error) => Err(MediaError::NoRelay(error)),
                None => core.accept_offer(now, &sdp, wanted),
            }),
            Command::AcceptAnswer(sdp, reply) => reply.send(core.accept_answer(now, &sdp)),
            Command::SetEarly(early) => core.set_early(now, early),
            Command::Rollback(reply) => reply.send(core.rollback()),
            Command::SetMuted(muted) => core.set_muted(muted),
            Command::SetSource(id, source) => core.set_source(id, source),
            Command::SetVolume(volume) => core.set_volume(volume),
            Command::SetVideoSink(sink) => core.set_video_sink(sink),
            Command::SendVideo(frame) => core.send_video(now, &frame),
            Command::SetSink(sink) => core.set_sink(sink),
            Command::AddTap(id, tap) => core.add_tap(id, tap),
            Command::RemoveTap(id) => core.remove_tap(id),
            Command::SendDtmf(tones, reply) => core.send_dtmf(tones, reply),
            Command::SendTones(tones, reply) => core.send_tones(tones, reply),
            Command::Join(mixer) => {
                self.unlink();
                self.core.join(mixer);
            }
            Command::Leave => core.leave(),
            Command::Stats(reply) => reply.send(Ok(core.stats(now))),
            Command::Bridge(link, sender) => {
                self.unlink();
                self.core.leave();
                self.link = Some((link, sender));
                self.core.bridge(link);
            }
            Command::Unbridge => self.unlink(),
        }
    }

    /// Tells if the call's path began at an address that is gone, or if it has none and there are other addresses now.
    fn look_at_addresses(&mut self, now: Instant) {
        if self.next_look.is_none_or(|at| now < at) {
            return;
        }
        self.next_look = Some(now + ADDRESS_POLL);
        let addresses = interfaces::local_addresses();
        if addresses == self.known {
            return;
        }
        let before = std::mem::replace(&mut self.known, addresses);
        let gone = |ip: &IpAddr| before.contains(ip) && !self.known.contains(ip);
        let affected = match self.core.path() {
            Some(local) if self.sockets.iter().any(|(address, _)| *address == local) => {
                !self.known.contains(&local.ip())
            }
            // From a TURN server, that is connected to by way of any of them.
            Some(_) => before.iter().any(gone),
            None => true,
        };
        if affected {
            tracing::info!(label = self.label, addresses = ?self.known, "the network changed");
            self.tell(PeerEvent::NetworkChanged);
        }
    }

    /// The machine may have come to another network: sockets on the addresses that it has now.
    fn rebind(&mut self, now: Instant) {
        let ips = wanted_addresses(&self.addresses);
        if ips.is_empty() {
            // No network at all just now: the old addresses are as good as none.
            return;
        }
        let before = self.sockets.len();
        self.sockets.retain(|(address, _)| ips.contains(&address.ip()));
        let kept = self.sockets.len();
        for ip in ips.into_iter().take(MAX_ADDRESSES) {
            if self.sockets.iter().all(|(address, _)| address.ip() != ip)
                && let Ok(bound) = bind_one(ip)
            {
                self.sockets.push(bound);
            }
        }
        if kept < before || self.sockets.len() > kept {
            self.next_socket = 0;
        }
        self.reach.restart(now, self.sockets.iter().map(|(address, _)| *address).collect());
        self.core.set_candidates(now, self.reach.candidates());
    }

    /// Whether a description would be made too early.
    fn waits_for_candidates(&self, now: Instant) -> bool {
        self.reach.has_servers() && !self.reach.is_ready(now)
    }

    fn net(&mut self, now: Instant, event: LinkEvent) {
        match event {
            LinkEvent::Resolved { server, addresses } => self.reach.resolved(now, server, &addresses),
            LinkEvent::Up { link, stream, local, server } => self.reach.link_up(now, link, stream, local, server),
            LinkEvent::Message { link, data } => self.reach.link_received(now, link, &data),
            LinkEvent::Down { link, error } => {
                self.links.retain(|(known, _)| *known != link);
                self.reach.link_down(now, link, error);
            }
        }
    }

    /// Carries out what the core and the gathering want done. Each may want something of the other.
    fn outputs(&mut self, now: Instant) {
        self.core_outputs(now);
        if !self.reach.has_servers() {
            return;
        }
        while let Some(output) = self.reach.poll_output() {
            self.reach_output(now, output);
            self.core_outputs(now);
        }
    }

    fn reach_output(&mut self, now: Instant, output: ReachOutput) {
        match output {
            ReachOutput::Resolve { server } => {
                if let Some(config) = self.reach.server(server) {
                    tokio::spawn(link::resolve(server, config.clone(), self.net_sender.clone()));
                }
            }
            ReachOutput::Open { link, server } => {
                if let Some(config) = self.reach.server(server) {
                    // Where the system chooses, it chooses by its routes.
                    let from = match &self.addresses {
                        Addresses::Host => Vec::new(),
                        chosen => wanted_addresses(chosen),
                    };
                    let (roots, net) = (Arc::clone(&self.turn_roots), self.net_sender.clone());
                    self.links.push((link, link::open(link, config.clone(), from, roots, net)));
                }
            }
            ReachOutput::Host { base, destination, data } => self.send(base, destination, &data),
            ReachOutput::Link { link, data } => {
                if let Some((_, sender)) = self.links.iter().find(|(known, _)| *known == link)
                    && sender.try_send(data).is_err()
                {
                    tracing::trace!("not relayed: the connection to the TURN server is behind");
                }
            }
            ReachOutput::Close { link } => self.links.retain(|(known, _)| *known != link),
            ReachOutput::Data { relay, peer, data } => self.core.receive(now, peer, relay, &data),
            ReachOutput::Candidates => self.core.set_candidates(now, self.reach.candidates()),
            ReachOutput::Failed { server, error } => {
                let url = self.reach.server(server).map(reach::IceServer::url).unwrap_or_default();
                tracing::info!(label = self.label, url, %error, "ICE server");
                self.tell(PeerEvent::ServerFailed { url, error });
            }
        }
    }

    fn send(&self, base: SocketAddr, destination: SocketAddr, data: &[u8]) {
        // A full buffer is loss on the path, and is treated like it.
        if let Some((_, socket)) = self.sockets.iter().find(|(address, _)| *address == base)
            && let Err(error) = socket.try_send_to(data, destination)
        {
            tracing::trace!(%error, %destination, "not sent");
        }
    }

    fn tell(&self, event: PeerEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            tracing::debug!(label = self.label, ?event, "nobody reads the events");
        }
    }

    /// Ends the present bridging and tells the other side.
    fn unlink(&mut self) {
        if let Some((link, sender)) = self.link.take() {
            self.core.unbridge(link);
            let _ = sender.try_send(Relayed::Unlink(link));
        }
    }

    /// The other side ended the bridging.
    fn unlink_if_told(&mut self, relayed: &Relayed) {
        if let Relayed::Unlink(link) = relayed {
            self.link.take_if(|(present, _)| present == link);
        }
    }

    fn core_outputs(&mut self, now: Instant) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Transmit { source, destination, data } => {
                    if !(self.reach.has_servers() && self.reach.send(now, source, destination, &data)) {
                        self.send(source, destination, &data);
                    }
                }
                Output::Event(event) => {
                    // After an ICE restart only ICE says so.
                    if matches!(event, PeerEvent::IceState(IceState::Connected | IceState::Completed)) {
                        self.reach.connected();
                    }
                    self.tell(event);
                }
                Output::Relay(relayed) => {
                    let closed = self.link.as_ref().is_some_and(|(_, sender)| {
                        matches!(sender.try_send(relayed), Err(mpsc::error::TrySendError::Closed(_)))
                    });
                    if closed {
                        self.unlink();
                    }
                }
            }
        }
    }
}
