//! A path through a bad network, in virtual time, from one seed.
//!
//! [`Path`] says of each packet when it arrives, if it does: the caller keeps the packets and the clock. The same profile, seed
//! and packets give the same arrivals, on any machine. [`Link`] is a path that keeps the packets too, and
//! [`Scenario`] a profile with a name.
//!
//! ```
//! use std::time::Duration;
//! use offhook_netem::{Link, Loss, Profile};
//!
//! let profile = Profile { delay: Duration::from_millis(50), loss: Loss::random(0.01), ..Profile::default() };
//! let mut link = Link::new(profile, 7);
//! link.send(Duration::ZERO, 172, "hello");
//! assert_eq!(link.next(), Some(Duration::from_millis(50)));
//! assert_eq!(link.receive(Duration::from_millis(50)), Some("hello"));
//! ```

#![forbid(unsafe_code)]

mod link;
mod path;
mod profile;
mod random;
mod scenario;

pub use link::Link;
pub use path::{Arrivals, Path};
pub use profile::{Loss, Outage, Profile};
pub use scenario::Scenario;
