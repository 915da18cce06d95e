//! Descriptions on their way in and out, as the program wants them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use offhook_core::CallId;
use offhook_core::events::{SdpType, Side};

/// A description that is about to be applied or sent.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SdpStep<'a> {
    /// Of which call.
    pub call_id: &'a CallId,
    /// Whose it is.
    pub originator: Side,
    /// Offer or answer.
    pub kind: SdpType,
    /// The description.
    pub sdp: &'a str,
}

type Filter = dyn Fn(&SdpStep<'_>) -> Option<String> + Send + Sync;

/// What the program makes of descriptions.
#[derive(Clone)]
pub(crate) struct SdpFilter(Arc<Filter>);

impl SdpFilter {
    pub(crate) fn new(filter: impl Fn(&SdpStep<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(filter))
    }

    pub(crate) fn apply(&self, step: &SdpStep<'_>) -> Option<String> {
        // A panic is told of by the panic hook, and harms no call.
        catch_unwind(AssertUnwindSafe(|| (self.0)(step))).unwrap_or(None)
    }
}

impl fmt::Debug for SdpFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SdpFilter")
    }
}
