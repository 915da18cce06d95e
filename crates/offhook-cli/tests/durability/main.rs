//! `offhook pbx` as a process that is killed: what it has acknowledged is kept, and phones come back by themselves.

#[path = "../common/mod.rs"]
mod common;

mod caller;
mod kill;
mod recordings;
mod restart;
mod support;
