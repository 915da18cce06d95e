//! Phones against a server that is wrong, slow, hostile or gone: each failure has a name and comes in time, and a phone that was
//! registered finds its way back.

mod lost;
mod refused;
mod support;
mod video;
mod wrong;
