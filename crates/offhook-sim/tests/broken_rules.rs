//! The simulator's own honesty: phones that break a rule are found out.

use offhook_sim::Broken;
use offhook_sim::storm::{Plan, attempt};

#[test]
fn phones_that_break_a_rule_are_found_out() {
    let rules = [
        (Broken::NeverRepeatsAck, "got no ACK"),
        (Broken::ForgetsToRepeatOk, "got no ACK"),
        (Broken::EndsWithoutBye, "which ended elsewhere"),
    ];
    for (broken, expected) in rules {
        // Each failing storm panics dozens of times while it is shortened.
        std::panic::set_hook(Box::new(|_| {}));
        let found = (1..400).find_map(|seed| attempt(seed, Plan { broken: Some(broken), ..Plan::of(seed) }).err());
        let why = found.unwrap_or_default();
        drop(std::panic::take_hook());
        assert!(why.contains(expected), "{broken:?}: {why}");
        assert!(why.contains("replay: offhook-sim --seed"), "it says how to see it again: {why}");
    }
}
