//! Ports that nobody uses.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what systems give out by themselves (Linux: from 32,768 on), so that nobody comes in between.
const FROM: u16 = 20_000;
const BLOCK: u16 = 100;
const BLOCKS: u16 = 120;

/// Of one scene.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pub(crate) ws: u16,
    pub(crate) wss: u16,
    /// rtpengine's control port (UDP).
    pub(crate) control: u16,
    /// rtpengine's media ports.
    pub(crate) media: RangeInclusive<u16>,
}

/// A block of ports, free at this moment and asked for once by this process.
pub(crate) fn free() -> Ports {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or(0);
    for _ in 0..BLOCKS {
        let block = (own + NEXT.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
        let first = FROM + block * BLOCK;
        let ports = Ports { ws: first, wss: first + 1, control: first + 2, media: first + 10..=first + BLOCK - 1 };
        if is_free(&ports) {
            return ports;
        }
    }
    panic!("no free ports between {FROM} and {}", FROM + BLOCK * BLOCKS);
}

fn is_free(ports: &Ports) -> bool {
    let tcp = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let udp = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    tcp(ports.ws) && tcp(ports.wss) && udp(ports.control) && ports.media.clone().all(udp)
}
