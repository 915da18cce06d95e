//! Mixing costs no allocation of its own.

mod common;

use std::alloc::System;
use std::time::Duration;

use common::*;
use offhook_media::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

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
        let before = packets().await;
        let region = Region::new(ALLOCATOR);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let change = region.change();
        *per_packet = change.allocations as f64 / (packets().await - before) as f64;
        let growth = change.bytes_allocated as i64 - change.bytes_deallocated as i64 + change.bytes_reallocated as i64;
        assert!(growth < 200_000, "grew by {growth} bytes");
    }
    let [apart, mixed] = per_packet;
    println!("{apart:.2} allocations per packet apart, {mixed:.2} in a conference");
    assert!(mixed < apart + 0.1, "{apart} allocations per packet apart, {mixed} in a conference");
}
