//! Bad networks with names: those of docs/quality.md.

use std::time::Duration;

use crate::profile::{Loss, Outage, Profile};

/// A bad network with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// For a command line: small letters, digits and hyphens.
    pub name: String,
    /// For a table.
    pub title: String,
    /// What the path does, one way.
    pub profile: Profile,
}

impl Scenario {
    /// All of them, in the order of the table. Each path takes 40 ms, and what its title says.
    pub fn all() -> Vec<Self> {
        let ms = Duration::from_millis;
        let base = Profile { delay: ms(40), ..Profile::default() };
        let mut all = Vec::new();
        let mut add = |name: String, title: String, profile: Profile| all.push(Self { name, title, profile });
        for percent in [0, 1, 3, 5, 10, 20] {
            let loss = Loss::random(f64::from(percent) / 100.0);
            add(format!("loss-{percent}"), format!("random loss {percent} %"), Profile { loss, ..base.clone() });
        }
        for (percent, length) in [(3, 3), (5, 5), (10, 4)] {
            let loss = Loss::bursts(f64::from(percent) / 100.0, f64::from(length));
            let title = format!("loss {percent} % in bursts of {length}");
            add(format!("bursts-{percent}-of-{length}"), title, Profile { loss, ..base.clone() });
        }
        for jitter in [10, 20, 40, 60, 100] {
            let profile = Profile { jitter: ms(jitter), ..base.clone() };
            add(format!("jitter-{jitter}"), format!("jitter 0–{jitter} ms"), profile);
        }
        add("delay-500".into(), "delay 500 ms".into(), Profile { delay: ms(500), ..base.clone() });
        for by in [30, 80] {
            let profile = Profile { reorder: 0.05, reorder_by: ms(by), ..base.clone() };
            add(format!("reorder-{by}"), format!("5 % overtaken, by {by} ms"), profile);
        }
        add("twice".into(), "2 % twice".into(), Profile { duplicate: 0.02, ..base.clone() });
        let outage = Outage { at: ms(5_000), lasts: ms(300), every: ms(10_000) };
        let profile = Profile { outages: vec![outage], ..base.clone() };
        add("outage-300".into(), "outage of 300 ms every 10 s".into(), profile);
        let profile = Profile { jitter: ms(40), loss: Loss::bursts(0.05, 2.0), ..base.clone() };
        add("mobile".into(), "mobile: jitter 0–40 ms, loss 5 % in bursts of 2".into(), profile);
        all
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|scenario| scenario.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own_that_finds_it() {
        let all = Scenario::all();
        for scenario in &all {
            assert_eq!(Scenario::named(&scenario.name).as_ref(), Some(scenario));
            assert!(scenario.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        }
        assert_eq!(Scenario::named("none"), None);
    }
}
