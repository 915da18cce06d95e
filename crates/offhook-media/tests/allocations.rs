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

/// Bytes that a packet may leave behind: less than any payload, which the receiver's half of the packets would leave.
const MOST_GROWTH: f64 = 16.0;

/// Allocations per packet received and sent again, and bytes per packet that are still there afterwards, over five whiles in a row of
/// a call with this codec. Of the bytes the second least of the five: a table grows once, and what happens to be in use at the end of
/// a while is more in one and less in the next; a leak is in all of them.
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
    let packets = async || {
        let mut sum = 0;
        for end in [&a, &b, &c, &d] {
            let stats = end.peer.stats().await.expect("open");
            sum += stats.inbound.packets_received + stats.outbound.packets_sent;
        }
        sum
    };
    let (mut allocations, mut all, mut growth) = (0, 0.0, Vec::new());
    let (mut before, mut region) = (packets().await, Region::new(ALLOCATOR));
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let change = region.change_and_reset();
        let now = packets().await;
        let count = (now - std::mem::replace(&mut before, now)) as f64;
        assert!(count > 0.0, "the call stands still");
        allocations += change.allocations;
        all += count;
        // What a reallocation adds or takes away is in both already.
        growth.push((change.bytes_allocated as f64 - change.bytes_deallocated as f64) / count);
    }
    growth.sort_by(f64::total_cmp);
    (allocations as f64 / all, growth[1])
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
