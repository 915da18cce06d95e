//! The P-Series API, the open API and the admin API, as a foreign program speaks them: plain HTTP and WebSockets.

mod admin;
mod beyond;
mod cdr;
mod contacts;
mod docs;
mod exten;
mod limits;
mod login;
mod notifications;
mod openapi;
mod pages;
mod personal;
mod photo;
mod product;
mod reports;
#[path = "../raw/support.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod sip;
mod site;
mod subscribe;
mod support;
