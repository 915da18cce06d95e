//! Mixing costs no allocation of its own.

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

#[tokio::test]
async fn a_conference_costs_no_allocation_beyond_those_of_its_calls() {
    let mut ends = Vec::new();
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::Pcmu] {
        let (mut here, mut there) = (End::new(&[codec]), End::new(&[codec]));
        connect(&mut here, &mut there).await;
        there.peer.set_source(AudioSource::Music);
        ends.extend([here, there]);
    }
    let mut allocations = [0.0; 2];
    let mixer = Mixer::new();
    for (round, allocations) in allocations.iter_mut().enumerate() {
        if round == 1 {
            for pair in ends.chunks(2) {
                pair[0].peer.join(&mixer);
            }
        }
        tokio::time::sleep(Duration::from_millis(800)).await;
        let growth;
        (*allocations, growth) = per_packet(ALLOCATOR, &ends.iter().collect::<Vec<_>>()).await;
        println!("round {round}: {growth:.2} bytes left by each packet");
        assert!(growth < MOST_GROWTH, "round {round}: each packet leaves {growth} bytes");
    }
    let [apart, mixed] = allocations;
    println!("{apart:.2} allocations per packet apart, {mixed:.2} in a conference");
    assert!(mixed < apart + 0.1, "{apart} allocations per packet apart, {mixed} in a conference");
}
