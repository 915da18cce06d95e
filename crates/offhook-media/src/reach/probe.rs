//! Asking one STUN or TURN server by itself, for diagnosis.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::link::{self, LinkEvent};
use super::{IceServer, LinkId, Reach, ReachOutput, TransportPolicy};
use crate::error::TurnError;
use crate::stats::CandidateKind;

/// Largest answer taken, bytes.
const ANSWER: usize = 1_500;

impl IceServer {
    /// Asks the server now: the address under which a STUN server sees this machine, or the one that a TURN server gives, which
    /// is given back at once.
    ///
    /// # Errors
    /// [`TurnError`] says why it is of no use; [`TurnError::Silent`] when there is no answer within `limit`, or sooner.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn probe(&self, limit: Duration) -> Result<SocketAddr, TurnError> {
        let (events, net) = link::channel();
        let mut sockets = Vec::new();
        for any in [SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))] {
            // A machine may have one family only.
            if let Ok(socket) = UdpSocket::bind(any).await
                && let Ok(address) = socket.local_addr()
            {
                sockets.push((address, socket));
            }
        }
        let now = Instant::now();
        let hosts = sockets.iter().map(|(address, _)| *address).collect();
        let reach = Reach::new(now, std::slice::from_ref(self), TransportPolicy::All, limit, hosts);
        let probe = Probe { server: self, reach, sockets, links: Vec::new(), events, net };
        probe.run(now + limit).await
    }
}

struct Probe<'a> {
    server: &'a IceServer,
    reach: Reach,
    sockets: Vec<(SocketAddr, UdpSocket)>,
    links: Vec<(LinkId, mpsc::Sender<Vec<u8>>)>,
    events: mpsc::Sender<LinkEvent>,
    net: mpsc::Receiver<LinkEvent>,
}

impl Probe<'_> {
    async fn run(mut self, end: Instant) -> Result<SocketAddr, TurnError> {
        loop {
            let now = Instant::now();
            self.outputs()?;
            // The base of these sockets is no address of an interface, so that every answer makes a candidate.
            if let Some(found) = self.reach.candidates().into_iter().find(|found| found.kind != CandidateKind::Host) {
                self.reach.close(now);
                // What is still to be sent is the farewell; the connections end by themselves after it.
                let _ = self.outputs();
                return Ok(found.address);
            }
            if now >= end {
                return Err(TurnError::Silent);
            }
            let wake = self.reach.timeout(now).map_or(end, |at| at.min(end));
            // Time passing is what comes of no event.
            if let Ok(happened) = timeout_at(wake.into(), happened(&self.sockets, &mut self.net)).await {
                let now = Instant::now();
                match happened {
                    Happened::Datagram { base, source, data } => {
                        self.reach.host_received(now, base, source, &data);
                    }
                    Happened::Link(LinkEvent::Resolved { server, addresses }) => {
                        self.reach.resolved(now, server, &addresses);
                    }
                    Happened::Link(LinkEvent::Up { link, stream, local, server }) => {
                        self.reach.link_up(now, link, stream, local, server);
                    }
                    Happened::Link(LinkEvent::Message { link, data }) => self.reach.link_received(now, link, &data),
                    Happened::Link(LinkEvent::Down { link, error }) => self.reach.link_down(now, link, error),
                }
            }
            self.reach.handle_timeout(Instant::now());
        }
    }

    /// Carries out what the gathering wants.
    fn outputs(&mut self) -> Result<(), TurnError> {
        while let Some(output) = self.reach.poll_output() {
            match output {
                ReachOutput::Resolve { server } => {
                    tokio::spawn(link::resolve(server, self.server.clone(), self.events.clone()));
                }
                ReachOutput::Open { link, .. } => {
                    let opened = link::open(link, self.server.clone(), Vec::new(), [].into(), self.events.clone());
                    self.links.push((link, opened));
                }
                ReachOutput::Host { base, destination, data } => {
                    if let Some((_, socket)) = self.sockets.iter().find(|(address, _)| *address == base)
                        && let Err(error) = socket.try_send_to(&data, destination)
                    {
                        tracing::trace!(%error, %destination, "not sent");
                    }
                }
                ReachOutput::Link { link, data } => {
                    if let Some((_, sender)) = self.links.iter().find(|(known, _)| *known == link) {
                        // Behind is as good as lost: it is asked again.
                        let _ = sender.try_send(data);
                    }
                }
                ReachOutput::Close { link } => self.links.retain(|(known, _)| *known != link),
                ReachOutput::Failed { error, .. } => return Err(error),
                ReachOutput::Data { .. } | ReachOutput::Candidates => {}
            }
        }
        Ok(())
    }
}

enum Happened {
    Datagram { base: SocketAddr, source: SocketAddr, data: Vec<u8> },
    Link(LinkEvent),
}

async fn happened(sockets: &[(SocketAddr, UdpSocket)], net: &mut mpsc::Receiver<LinkEvent>) -> Happened {
    tokio::select! {
        datagram = datagram(sockets.first()) => datagram,
        datagram = datagram(sockets.get(1)) => datagram,
        event = net.recv() => match event {
            Some(event) => Happened::Link(event),
            // The probe holds a sender of its own.
            None => std::future::pending().await,
        },
    }
}

async fn datagram(socket: Option<&(SocketAddr, UdpSocket)>) -> Happened {
    let Some((base, socket)) = socket else { return std::future::pending().await };
    loop {
        let mut data = vec![0; ANSWER];
        // An error is an ICMP message about an earlier question: it is asked again.
        if let Ok((length, source)) = socket.recv_from(&mut data).await {
            data.truncate(length);
            return Happened::Datagram { base: *base, source, data };
        }
    }
}
