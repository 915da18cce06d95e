//! The demo: a real call between two phones through the embedded PBX, and the proof that it was one.

pub mod analysis;
pub mod clips;
pub mod contract;
pub mod live;
pub mod outcome;
pub mod report;
