//! Phones on a virtual network, in virtual time, from one seed.
//!
//! A [`World`] holds any number of phones (the real core of the SDK: registration, calls, timers, everything but sockets
//! and audio) and a server between them. Nothing sleeps and nothing is random but by the seed: an hour of calls takes
//! milliseconds, and what failed once fails again.
//!
//! ```
//! use offhook_sim::World;
//!
//! let mut world = World::new(7);
//! let ann = world.phone("ann");
//! let bob = world.phone("bob");
//! let call = world.call(ann, "bob").expect("both are registered");
//! world.run(500);
//! let theirs = world.ringing(bob).expect("it rings");
//! world.answer(bob, &theirs).expect("it rings");
//! world.run(500);
//! assert!(world.is_talking(ann, &call));
//! // Now the network of one of them fails for ten seconds. The call goes on.
//! world.cut(bob, 10_000);
//! world.run(60_000);
//! assert!(world.is_talking(ann, &call) && world.is_talking(bob, &theirs));
//! ```
//!
//! Every step is checked against what the phone promises ([`check`]): exactly one final event a call, every command settled,
//! status changes only along the table, and so on. A breach panics with the seed.

#![forbid(unsafe_code)]

pub mod check;
mod media;
mod peer;
mod random;
mod server;
pub mod storm;
mod world;

pub use random::Random;
pub use server::{ConnectionId, Replies, Server};
pub use world::{Broken, Faults, PeerId, PhoneId, World};
