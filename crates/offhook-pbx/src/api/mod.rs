//! The P-Series API.

mod answer;
mod limit;
mod notification;
mod secrets;
mod session;
mod signature;
mod token;
