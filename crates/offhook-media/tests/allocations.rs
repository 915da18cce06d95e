//! In the steady state a packet costs a bounded handful of allocations, those of the engine's interface, and memory does not
//! grow.

mod common;

use std::alloc::System;
use std::time::Duration;

use common::*;
use offhook_media::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations per packet received and sent again, and growth in bytes, over a while of a call with this codec.
async fn measure(codec: Codec, decode: bool) -> (f64, i64) {
    let (mut a, mut b) = (End::new(&[codec]), End::new(&[codec]));
    connect(&mut a, &mut b).await;
    let (mut c, mut d) = (End::new(&[codec]), End::new(&[codec]));
    connect(&mut c, &mut d).await;
    if !decode {
        bridge(&b.peer, &c.peer);
    }
    a.peer.set_source(AudioSource::Music);
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let packets = async || {
        let mut sum = 0;
        for end in [&a, &b, &c, &d] {
            let stats = end.peer.stats().await.expect("open");
            sum += stats.inbound.packets_received + stats.outbound.packets_sent;
        }
        sum
    };
    let before = packets().await;
    let region = Region::new(ALLOCATOR);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let change = region.change();
    let count = packets().await - before;
    let growth = change.bytes_allocated as i64 - change.bytes_deallocated as i64 + change.bytes_reallocated as i64;
    (change.allocations as f64 / count as f64, growth)
}

#[tokio::test]
async fn a_packet_costs_the_engines_few_allocations_and_memory_stands_still() {
    // G.711 shows what is ours and str0m's: the shared payload in, and the datagram out. The Opus codec allocates its scratch
    // buffers for every frame, which only it can change; there it is growth that is looked at.
    for (codec, decode, most) in
        [(Codec::Pcmu, true, 2.2), (Codec::Pcmu, false, 2.2), (Codec::Opus, false, f64::INFINITY)]
    {
        let (per_packet, growth) = measure(codec, decode).await;
        println!("{codec}, decoded {decode}: {per_packet:.2} allocations per packet, {growth} bytes grown");
        assert!(per_packet < most, "{codec}: {per_packet} allocations per packet");
        assert!(growth < 200_000, "{codec}: grew by {growth} bytes");
    }
}
