//! The demo: a real call between two phones through the embedded PBX, and the proof that it was one.

pub mod analysis;
pub mod clips;
pub mod contract;
mod diary;
mod judge;
pub mod live;
pub mod outcome;
mod pbx_process;
pub mod report;
mod run;
mod script;
pub mod track;

pub(crate) use run::run;
