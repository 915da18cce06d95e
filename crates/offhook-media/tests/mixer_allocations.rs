//! Mixing costs no allocation of its own.

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

#[tokio::test]
async fn a_conference_costs_no_allocation_beyond_those_of_its_calls() {
    let mut ends = Vec::new();
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::Pcmu] {
        let (mut here, mut there) = (End::new(&[codec]), End::new(&[codec]));
        connect(&mut here, &mut there).await;
        there.peer.set_source(AudioSource::Music);
        ends.extend([here, there]);
    }
    let packets = async || {
        let mut sum = 0;
        for end in &ends {
            let stats = end.peer.stats().await.expect("open");
            sum += stats.inbound.packets_received + stats.outbound.packets_sent;
        }
        sum
    };
    let mut per_packet = [0.0; 2];
    let mixer = Mixer::new();
    for (round, per_packet) in per_packet.iter_mut().enumerate() {
        if round == 1 {
            for pair in ends.chunks(2) {
                pair[0].peer.join(&mixer);
            }
        }
        tokio::time::sleep(Duration::from_millis(800)).await;
        // The second least of five whiles in a row: a table grows once, and what happens to be in use at the end of a while is
        // more in one and less in the next; a leak is in all of them.
        let (mut allocations, mut all, mut growth) = (0, 0.0, Vec::new());
        let (mut before, mut region) = (packets().await, Region::new(ALLOCATOR));
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(600)).await;
            let change = region.change_and_reset();
            let now = packets().await;
            let count = (now - std::mem::replace(&mut before, now)) as f64;
            assert!(count > 0.0, "the calls stand still");
            allocations += change.allocations;
            all += count;
            // What a reallocation adds or takes away is in both already.
            growth.push((change.bytes_allocated as f64 - change.bytes_deallocated as f64) / count);
        }
        growth.sort_by(f64::total_cmp);
        let growth = growth[1];
        *per_packet = allocations as f64 / all;
        println!("round {round}: {growth:.2} bytes left by each packet");
        assert!(growth < MOST_GROWTH, "round {round}: each packet leaves {growth} bytes");
    }
    let [apart, mixed] = per_packet;
    println!("{apart:.2} allocations per packet apart, {mixed:.2} in a conference");
    assert!(mixed < apart + 0.1, "{apart} allocations per packet apart, {mixed} in a conference");
}
