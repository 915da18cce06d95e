//! When a packet arrives.

use std::time::Duration;

use crate::profile::Profile;
use crate::random::Random;

/// When a packet arrives: not at all, once, or twice.
pub type Arrivals = [Option<Duration>; 2];

/// One direction of a path. Packets go in in the order of their times.
#[derive(Debug, Clone)]
pub struct Path {
    profile: Profile,
    random: Random,
    bad: bool,
    /// When the narrowest link has sent what it has.
    free_at: Duration,
    /// When the last packet that was not overtaken arrives.
    last: Duration,
}

impl Path {
    /// A path in this state, with all its chances from `seed`.
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self { profile, random: Random::new(seed), bad: false, free_at: Duration::ZERO, last: Duration::ZERO }
    }

    /// The path is like this from now on.
    pub fn change(&mut self, profile: Profile) {
        self.profile = profile;
    }

    /// A packet of so many bytes is sent at `now`.
    pub fn send(&mut self, now: Duration, bytes: usize) -> Arrivals {
        // Every chance is taken for every packet, so that one setting does not change what another one does.
        let [change, lost, jitter, reordered, doubled, again] = std::array::from_fn(|_| self.random.unit());
        let profile = &self.profile;
        let loss = profile.loss;
        let turns = if self.bad { loss.improves } else { loss.worsens };
        self.bad ^= change < turns;
        if lost < if self.bad { loss.bad } else { loss.good } || profile.outages.iter().any(|outage| outage.covers(now))
        {
            return [None, None];
        }
        let mut sent = now;
        if let Some(rate) = profile.rate {
            let queue = if profile.queue.is_zero() { Duration::from_secs(1) } else { profile.queue };
            let begins = self.free_at.max(now);
            if begins - now > queue {
                return [None, None];
            }
            self.free_at = begins + Duration::from_secs_f64(bytes as f64 * 8.0 / rate.max(1) as f64);
            sent = self.free_at;
        }
        let usual = sent + profile.delay + profile.jitter.mul_f64(jitter);
        let arrives = if reordered < profile.reorder {
            usual + profile.reorder_by
        } else {
            self.last = self.last.max(usual);
            self.last
        };
        let copy = (doubled < profile.duplicate).then(|| arrives + profile.jitter.mul_f64(again));
        [Some(arrives), copy]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Loss, Outage};

    const MS: Duration = Duration::from_millis(1);

    /// Arrivals of so many packets of 172 bytes, one each 20 ms.
    fn run(profile: Profile, seed: u64, count: u32) -> Vec<Arrivals> {
        let mut path = Path::new(profile, seed);
        (0..count).map(|n| path.send(20 * MS * n, 172)).collect()
    }

    fn share(arrivals: &[Arrivals], what: impl Fn(&Arrivals) -> bool) -> f64 {
        arrivals.iter().filter(|arrival| what(arrival)).count() as f64 / arrivals.len() as f64
    }

    #[test]
    fn a_good_path_only_takes_its_time() {
        let arrivals = run(Profile { delay: 30 * MS, ..Profile::default() }, 1, 100);
        assert!(arrivals.iter().zip(0..).all(|(arrival, n)| *arrival == [Some(20 * MS * n + 30 * MS), None]));
    }

    #[test]
    fn the_same_seed_does_the_same_and_another_one_does_not() {
        let profile = Profile { jitter: 50 * MS, loss: Loss::bursts(0.1, 3.0), duplicate: 0.1, ..Profile::default() };
        assert_eq!(run(profile.clone(), 5, 500), run(profile.clone(), 5, 500));
        assert_ne!(run(profile.clone(), 5, 500), run(profile, 6, 500));
    }

    #[test]
    fn one_setting_does_not_change_what_another_does() {
        let lossy = Profile { loss: Loss::random(0.2), ..Profile::default() };
        let worse = Profile { jitter: 80 * MS, duplicate: 0.3, ..lossy.clone() };
        let lost = |profile| run(profile, 9, 1_000).iter().map(|a| a[0].is_none()).collect::<Vec<_>>();
        assert_eq!(lost(lossy), lost(worse));
    }

    #[test]
    fn loss_is_as_much_and_in_such_runs_as_asked() {
        for (share_wanted, length) in [(0.01, 1.0), (0.05, 1.0), (0.05, 4.0), (0.2, 8.0)] {
            let loss = if length > 1.0 { Loss::bursts(share_wanted, length) } else { Loss::random(share_wanted) };
            let arrivals = run(Profile { loss, ..Profile::default() }, 3, 200_000);
            let lost = share(&arrivals, |arrival| arrival[0].is_none());
            assert!((lost - share_wanted).abs() < share_wanted * 0.15, "{share_wanted}: {lost}");
            let begins = arrivals.windows(2).filter(|pair| pair[0][0].is_some() && pair[1][0].is_none()).count();
            let mean = lost * arrivals.len() as f64 / begins as f64;
            assert!((mean - length).abs() < length * 0.25, "{length}: {mean}");
        }
    }

    #[test]
    fn jitter_keeps_the_order_and_stays_in_its_range() {
        let arrivals = run(Profile { delay: 10 * MS, jitter: 100 * MS, ..Profile::default() }, 4, 5_000);
        let times: Vec<_> = arrivals.iter().filter_map(|arrival| arrival[0]).collect();
        assert!(times.is_sorted());
        let delays: Vec<_> = times.iter().zip(0..).map(|(at, n)| *at - 20 * MS * n).collect();
        assert!(delays.iter().all(|delay| (10 * MS..=110 * MS).contains(delay)));
        assert!(delays.iter().max() > Some(&(100 * MS)) && delays.iter().min() < Some(&(40 * MS)));
    }

    #[test]
    fn the_overtaken_and_the_doubled_are_as_many_as_asked() {
        let profile =
            Profile { reorder: 0.05, reorder_by: 50 * MS, duplicate: 0.02, delay: 10 * MS, ..Profile::default() };
        let arrivals = run(profile, 8, 50_000);
        let overtaken = arrivals.iter().zip(0..).filter(|(a, n)| a[0] == Some(20 * MS * *n + 60 * MS)).count();
        assert!((2_200..2_800).contains(&overtaken), "{overtaken}");
        let doubled = share(&arrivals, |arrival| arrival[1].is_some());
        assert!((0.017..0.023).contains(&doubled), "{doubled}");
    }

    #[test]
    fn a_narrow_link_delays_and_then_loses() {
        // 172 bytes each 20 ms are 68.8 kbit/s: half of them do not fit.
        let profile = Profile { rate: Some(34_400), queue: 200 * MS, ..Profile::default() };
        let arrivals = run(profile, 2, 1_000);
        assert_eq!(arrivals[0], [Some(40 * MS), None]);
        let lost = share(&arrivals, |arrival| arrival[0].is_none());
        assert!((0.45..0.5).contains(&lost), "{lost}");
        let longest = arrivals.iter().zip(0..).filter_map(|(arrival, n)| Some(arrival[0]? - 20 * MS * n)).max();
        assert!(longest <= Some(240 * MS), "{longest:?}");
    }

    #[test]
    fn nothing_passes_in_an_outage() {
        let once = Outage { at: 100 * MS, lasts: 300 * MS, every: Duration::ZERO };
        let again = Outage { at: 5_000 * MS, lasts: 100 * MS, every: 1_000 * MS };
        let arrivals = run(Profile { outages: vec![once, again], ..Profile::default() }, 2, 500);
        let lost: Vec<_> = arrivals.iter().zip(0..).filter(|(a, _)| a[0].is_none()).map(|(_, n)| n).collect();
        assert_eq!(lost[..15], (5..20).collect::<Vec<_>>()[..]);
        assert_eq!(lost[15..20], [250, 251, 252, 253, 254]);
        assert_eq!(lost[20], 300);
    }
}
