//! The sockets: ws and wss listeners, the HTTP router on them, and the WebSocket connections.

mod listen;
mod router;
mod ws;

pub(crate) use listen::{Listener, Listeners};
pub(crate) use router::{Link, Shared};
pub(crate) use ws::ConnectionHandle;
