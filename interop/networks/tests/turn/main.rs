//! Calls through coturn and NATs.

mod failures;
mod nats;
mod relayed;
mod support;
