//! What a packet costs of memory, in a binary whose allocator counts.

use std::alloc::System;
use std::time::Duration;

use stats_alloc::{Region, StatsAlloc};

use crate::common::End;

/// Bytes that a packet may leave behind: less than any payload, which the receiver's half of the packets would leave.
pub(crate) const MOST_GROWTH: f64 = 16.0;

/// Allocations per packet received and sent at these ends, and bytes per packet that are still there afterwards, over five whiles in a
/// row. Of the bytes the second least of the five: a table grows once, and what happens to be in use at the end of a while is more in
/// one and less in the next; a leak is in all of them.
pub(crate) async fn per_packet(allocator: &StatsAlloc<System>, ends: &[&End]) -> (f64, f64) {
    let packets = async || {
        let mut sum = 0;
        for end in ends {
            let stats = end.peer.stats().await.expect("open");
            sum += stats.inbound.packets_received + stats.outbound.packets_sent;
        }
        sum
    };
    let (mut allocations, mut all, mut growth) = (0, 0.0, Vec::new());
    let (mut before, mut region) = (packets().await, Region::new(allocator));
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
    (allocations as f64 / all, growth[1])
}
