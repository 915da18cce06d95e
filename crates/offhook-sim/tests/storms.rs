//! Fifty thousand calls in storms, and the simulator's own honesty.

use offhook_sim::storm::{Outcome, Plan, attempt, operations, run};

#[test]
fn fifty_thousand_calls_in_storms_break_no_promise() {
    // Two threads, for two cores; each storm is a world of its own.
    let half = |first: u64| {
        std::thread::spawn(move || {
            let (mut sum, mut seed) = (Outcome::default(), first);
            while sum.calls < 50_000 {
                match attempt(seed, Plan::of(seed)) {
                    Ok(outcome) => {
                        sum.calls += outcome.calls;
                        sum.established += outcome.established;
                        sum.virtual_ms += outcome.virtual_ms;
                    }
                    Err(why) => panic!("{why}"),
                }
                seed += 2;
            }
            sum
        })
    };
    let start = std::time::Instant::now();
    let sums = [half(1), half(2)].map(|thread| thread.join().unwrap_or_else(|_| panic!("a storm broke a promise")));
    // Calls are counted at both ends.
    let calls: u64 = sums.iter().map(|sum| sum.calls / 2).sum();
    let established: u64 = sums.iter().map(|sum| sum.established / 2).sum();
    let hours: u64 = sums.iter().map(|sum| sum.virtual_ms / 3_600_000).sum();
    println!(
        "{calls} calls, {established} answered, {hours} h of virtual time in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    assert!(calls >= 50_000);
    assert!(established * 4 > calls, "too few calls get far enough to prove anything: {established} of {calls}");
}

#[test]
fn the_same_seed_gives_the_same_storm() {
    for seed in [3, 4, 5] {
        let plan = Plan::of(seed);
        let list = operations(seed, plan);
        assert_eq!(run(seed, plan, &list), run(seed, plan, &list));
    }
    assert_ne!(
        run(3, Plan::of(3), &operations(3, Plan::of(3))).hash,
        run(4, Plan::of(4), &operations(4, Plan::of(4))).hash
    );
}
