//! Phones at Kamailio, with rtpengine in the media path.

mod calls;
mod registering;
mod restart;
mod support;
mod transfers;
