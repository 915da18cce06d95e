//! The PBX against clients that speak SIP and WebSocket by hand, and badly: what is wrong is answered or dropped as RFC 3261, RFC 6455 and
//! RFC 7118 say, others are served meanwhile, and nothing of it stays.

mod dialogs;
mod digest;
mod malformed;
mod records;
mod sockets;
mod support;
mod upgrade;
mod without_offer;
