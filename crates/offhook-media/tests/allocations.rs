//! In the steady state a packet costs a bounded handful of allocations, those of the engine's interface, and memory does not
//! grow.

mod common;
#[path = "common/memory.rs"]
mod memory;

use std::alloc::System;
use std::time::Duration;

use common::*;
use memory::{MOST_GROWTH, per_packet};
use offhook_media::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What [`per_packet`] finds in two calls with this codec, or in one that is passed on.
async fn measure(codec: Codec, decode: bool) -> (f64, f64) {
    let (mut a, mut b) = (End::new(&[codec]), End::new(&[codec]));
    connect(&mut a, &mut b).await;
    let (mut c, mut d) = (End::new(&[codec]), End::new(&[codec]));
    connect(&mut c, &mut d).await;
    if !decode {
        bridge(&b.peer, &c.peer);
    }
    a.peer.set_source(AudioSource::Music);
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    per_packet(ALLOCATOR, &[&a, &b, &c, &d]).await
}

#[tokio::test]
async fn a_packet_costs_the_engines_few_allocations_and_memory_stands_still() {
    // G.711 shows what is ours and str0m's: the shared payload in, and the datagram out. The Opus codec allocates its scratch
    // buffers for every frame, which only it can change; there it is growth that is looked at.
    for (codec, decode, most) in
        [(Codec::Pcmu, true, 2.2), (Codec::Pcmu, false, 2.2), (Codec::Opus, false, f64::INFINITY)]
    {
        let (per_packet, growth) = measure(codec, decode).await;
        println!("{codec}, decoded {decode}: {per_packet:.2} allocations per packet, {growth:.2} bytes left by each");
        assert!(per_packet < most, "{codec}: {per_packet} allocations per packet");
        assert!(growth < MOST_GROWTH, "{codec}: each packet leaves {growth} bytes");
    }
}
