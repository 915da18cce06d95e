//! The bad path between namespaces does what it is told, and calls go through it, directly and by way of coturn.

mod call;
mod coturn;
mod packets;

const LINK: &str = env!("CARGO_BIN_EXE_offhook-network-link");
