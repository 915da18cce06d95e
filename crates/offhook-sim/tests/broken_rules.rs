//! The simulator's own honesty: phones that break a rule are found out, by storms alone.

use offhook_sim::storm::{Plan, attempt};
use offhook_sim::{Broken, Faults};

const OPERATIONS: usize = 120;

#[test]
fn phones_that_break_a_rule_are_found_out() {
    let rules = [
        (Broken::NeverRepeatsAck, "got no ACK"),
        (Broken::ForgetsToRepeatOk, "got no ACK"),
        (Broken::EndsWithoutBye, "which ended elsewhere"),
        (Broken::ForgetsSessionTimer, "is alive at one end only"),
        (Broken::ForgetsToSettle, "commands"),
    ];
    for (broken, expected) in rules {
        // Each failing storm panics dozens of times while it is shortened.
        std::panic::set_hook(Box::new(|_| {}));
        let found = (1..400).find_map(|seed| {
            // Peers that keep no rules would only be in the way of finding ours.
            let mut plan = Plan { broken: Some(broken), peers: 0, operations: OPERATIONS, ..Plan::of(seed) };
            if expected == "got no ACK" {
                // Those rules are about lost messages, and a lost connection would excuse the phones.
                plan.faults = Faults { loss: 50, ..Faults::default() };
            }
            let why = attempt(seed, plan).err()?;
            Some((seed, why))
        });
        let (seed, why) = found.unwrap_or_default();
        drop(std::panic::take_hook());
        println!("{broken:?}: seed {seed}, {} operations", why.matches("Operation {").count());
        assert!(why.contains(expected), "{broken:?}: {why}");
        assert!(why.contains(&format!("replay: offhook-sim --seed {seed}")), "it says how to see it again: {why}");
        // The shortest list still fails, and is much shorter than the storm was.
        assert!(why.matches("Operation {").count() < OPERATIONS / 2, "{why}");
    }
}
