//! Microphones and loudspeakers: `offhook devices`, and `--devices` of `call` and `answer`.

#[cfg(feature = "devices")]
mod with;
#[cfg(not(feature = "devices"))]
mod without;

#[cfg(feature = "devices")]
pub(crate) use with::{Chosen, run};
#[cfg(not(feature = "devices"))]
pub(crate) use without::{Chosen, run};
