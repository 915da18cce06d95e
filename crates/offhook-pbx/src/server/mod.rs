//! The sockets: ws and wss listeners, the HTTP router on them, and the WebSocket connections.

mod listen;
mod router;
mod site;
mod ws;

pub(crate) use listen::{Listener, Listeners};
pub(crate) use router::{Link, Shared};
pub(crate) use site::Files;
pub(crate) use ws::ConnectionHandle;
