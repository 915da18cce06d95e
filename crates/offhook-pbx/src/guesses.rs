//! Who guesses passwords, of the API and of SIP.
//!
//! Whoever guesses must not lock out whom it guesses: a user is counted apart where it has proven itself before, and has a few tries
//! of its own where it is new, so that others' guesses neither use up its own nor those of its neighbours behind the same address.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limit::{Failures, Rate};

/// Failed passwords from one address, of users that have not proven themselves there.
const BY_ADDRESS: Rate = Rate { burst: 20, every: Duration::from_secs(6) };
/// Those of one user, from all addresses where it has not.
const BY_USER: Rate = Rate { burst: 10, every: Duration::from_secs(30) };
/// A user where it is new has so many tries when those of [`BY_USER`] are used up, …
const FIRST: Rate = Rate { burst: 2, every: Duration::from_secs(3_600) };
/// … and so many at all new places together.
const NEWCOMERS: Rate = Rate { burst: 30, every: Duration::from_secs(10) };
/// Those of one user from one address where it has proven itself. A few devices with an old password stay below.
const KNOWN: Rate = Rate { burst: 20, every: Duration::from_secs(6) };

/// So many users with their addresses are known. The one that proved itself longest ago makes room.
const MOST_KNOWN: usize = 4_096;

/// See the module. Shared by the API and the switch.
#[derive(Debug, Clone)]
pub(crate) struct Guesses(Arc<Mutex<Counts>>);

#[derive(Debug)]
struct Counts {
    by_address: Failures,
    by_user: Failures,
    first: Failures,
    newcomers: Failures,
    of_known: Failures,
    /// Users at their addresses, with the number of the last proof.
    known: HashMap<String, u64>,
    proofs: u64,
}

/// A password that is being looked at: it counts as wrong until something else is said.
#[derive(Debug)]
#[must_use]
pub(crate) struct Guess {
    user: String,
    place: String,
    taken: Taken,
}

#[derive(Debug, Clone, Copy)]
enum Taken {
    OfKnown,
    Strange { of_user: bool, first: bool },
}

impl Default for Guesses {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Counts {
            by_address: Failures::new(BY_ADDRESS),
            by_user: Failures::new(BY_USER),
            first: Failures::new(FIRST),
            newcomers: Failures::new(NEWCOMERS),
            of_known: Failures::new(KNOWN),
            known: HashMap::new(),
            proofs: 0,
        })))
    }
}

impl Guesses {
    /// Before a user's password is looked at: so that many at once cannot be tried with what one may. `Err` says in how many seconds
    /// another may be tried.
    pub(crate) fn begin(&self, now: Instant, place: &str, user: &str) -> Result<Guess, u64> {
        let mut counts = self.counts();
        let Counts { by_address, by_user, first, newcomers, of_known, known, .. } = &mut *counts;
        let pair = pair(user, place);
        let taken = if known.contains_key(&pair) {
            of_known.begin(now, &pair)?;
            Taken::OfKnown
        } else {
            by_address.begin(now, place)?;
            let is_first = first.begin(now, &pair).is_ok();
            match by_user.begin(now, user) {
                Ok(()) => Taken::Strange { of_user: true, first: is_first },
                Err(_) if is_first && newcomers.begin(now, user).is_ok() => {
                    Taken::Strange { of_user: false, first: true }
                }
                Err(seconds) => {
                    by_address.succeeded(place);
                    if is_first {
                        first.succeeded(&pair);
                    }
                    return Err(seconds);
                }
            }
        };
        Ok(Guess { user: user.to_owned(), place: place.to_owned(), taken })
    }

    /// It was right.
    pub(crate) fn right(&self, guess: Guess) {
        self.proven(&guess.place, &guess.user);
        self.void(guess);
    }

    /// It was none: what was sent tells nothing of the password.
    pub(crate) fn void(&self, Guess { user, place, taken }: Guess) {
        let mut counts = self.counts();
        let pair = pair(&user, &place);
        match taken {
            Taken::OfKnown => counts.of_known.succeeded(&pair),
            Taken::Strange { of_user, first } => {
                counts.by_address.succeeded(&place);
                if of_user {
                    counts.by_user.succeeded(&user);
                } else {
                    counts.newcomers.succeeded(&user);
                }
                if first {
                    counts.first.succeeded(&pair);
                }
            }
        }
    }

    /// A user has proven itself there, by whatever.
    pub(crate) fn proven(&self, place: &str, user: &str) {
        let mut counts = self.counts();
        counts.proofs += 1;
        let number = counts.proofs;
        counts.known.insert(pair(user, place), number);
        if counts.known.len() > MOST_KNOWN {
            let oldest = counts.known.iter().min_by_key(|(_, number)| **number).map(|(pair, _)| pair.clone());
            oldest.map(|pair| counts.known.remove(&pair));
        }
    }

    /// Before another secret than a user's is looked at, from this address.
    pub(crate) fn begin_secret(&self, now: Instant, place: &str) -> Result<(), u64> {
        self.counts().by_address.begin(now, place)
    }

    /// It was right.
    pub(crate) fn right_secret(&self, place: &str) {
        self.counts().by_address.succeeded(place);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Each change is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No place has an `@` in it.
fn pair(user: &str, place: &str) -> String {
    format!("{user}@{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many wrong ones may be tried at once.
    fn wrong(guesses: &Guesses, now: Instant, place: &str, user: &str) -> usize {
        (0..1_000).take_while(|_| guesses.begin(now, place, user).is_ok()).count()
    }

    fn is_let_in(guesses: &Guesses, now: Instant, place: &str, user: &str) -> bool {
        guesses.begin(now, place, user).map(|guess| guesses.right(guess)).is_ok()
    }

    #[test]
    fn guesses_are_counted_by_user_and_by_address() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        assert_eq!(wrong(&guesses, now, "attacker", "1000"), 10);
        assert_eq!(wrong(&guesses, now, "attacker", "1001"), 10);
        assert_eq!(wrong(&guesses, now, "attacker", "1002"), 0, "the address has no more");
        let later = now + Duration::from_secs(6);
        assert_eq!(guesses.begin(later, "attacker", "1000").map(drop), Err(24));
        assert_eq!(wrong(&guesses, later, "attacker", "1002"), 1);
        assert_eq!(wrong(&guesses, now + Duration::from_secs(30), "attacker", "1000"), 1);
    }

    #[test]
    fn who_is_guessed_is_not_locked_out_and_what_is_right_costs_nothing() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        assert!(is_let_in(&guesses, now, "home", "1000"));
        for second in 0..600 {
            let now = now + Duration::from_secs(second);
            wrong(&guesses, now, "attacker", "1000");
            for place in ["home", "a hotel", "an office"] {
                assert!(is_let_in(&guesses, now, place, "1000"), "at {place} after {second} s");
            }
        }
    }

    #[test]
    fn neighbours_that_guess_lock_out_nobody_who_was_there_before() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        assert!(is_let_in(&guesses, now, "office", "1000"));
        guesses.proven("office", "1001");
        for second in 0..600 {
            let now = now + Duration::from_secs(second);
            wrong(&guesses, now, "office", &format!("invented-{}", second % 7));
            assert!(is_let_in(&guesses, now, "office", "1000") && is_let_in(&guesses, now, "office", "1001"));
        }
        // Three of its own devices with an old password, each every 30 s.
        for second in (600..4_200).step_by(10) {
            let now = now + Duration::from_secs(second);
            let _ = guesses.begin(now, "office", "1000");
            assert!(is_let_in(&guesses, now, "office", "1000"), "after {second} s");
        }
        assert_eq!(wrong(&guesses, now + Duration::from_secs(9_000), "office", "1000"), 20, "it is counted as well");
    }

    #[test]
    fn many_addresses_together_have_few_tries() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let all = |now, from: u32| {
            (from..from + 1_000).map(|n| wrong(&guesses, now, &format!("bot-{n}"), "1000")).sum::<usize>()
        };
        assert_eq!(all(now, 0), 10 + 30);
        assert_eq!(all(now + Duration::from_secs(60), 1_000), 2 + 6);
    }

    #[test]
    fn nothing_is_learnt_from_what_is_no_guess() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for _ in 0..100 {
            guesses.void(guesses.begin(now, "home", "1000").expect("costs nothing"));
        }
        assert_eq!(wrong(&guesses, now, "home", "1000"), 10, "nor is it a proof");
    }

    #[test]
    fn the_known_are_bounded() {
        let guesses = Guesses::default();
        for n in 0..MOST_KNOWN + 10 {
            guesses.proven("home", &n.to_string());
        }
        let counts = guesses.counts();
        assert_eq!(counts.known.len(), MOST_KNOWN);
        assert!(!counts.known.contains_key("9@home") && counts.known.contains_key("10@home"));
    }
}
