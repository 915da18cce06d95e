//! Storms of the simulator: phones, peers that keep no rules, and a network that fails.

use std::fmt::Write as _;

use offhook_sim::storm::{Plan, operations, run};

/// So many calls, counted once each.
const CALLS: u64 = 200;

/// A line for each storm, with the hash over all its messages and events.
pub(crate) fn play() -> String {
    let (mut calls, mut text) = (0, String::new());
    for seed in 1.. {
        let plan = Plan::of(seed);
        let outcome = run(seed, plan, &operations(seed, plan));
        calls += outcome.calls / 2;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "storm {seed}: {outcome:?}");
        if calls >= CALLS {
            let _ = writeln!(text, "{calls} simulated calls");
            return text;
        }
    }
    text
}
