//! Runs the program's code where its panic must not harm a call.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A source, sink or tap of the program's. One that panics is told by the panic hook and here, and is gone. Nothing is
/// allocated to run it.
pub(crate) struct Guarded<T: ?Sized> {
    code: Option<Box<T>>,
    what: &'static str,
}

impl<T: ?Sized> Guarded<T> {
    /// `what` it is, for the log.
    pub(crate) fn new(what: &'static str, code: Box<T>) -> Self {
        Self { code: Some(code), what }
    }

    /// `None` if it has panicked, now or before.
    pub(crate) fn run<R>(&mut self, act: impl FnOnce(&mut T) -> R) -> Option<R> {
        let code = self.code.as_mut()?;
        match catch_unwind(AssertUnwindSafe(|| act(code))) {
            Ok(result) => Some(result),
            Err(_) => {
                tracing::error!("the program's {} panicked: it is not used any more", self.what);
                self.discard();
                None
            }
        }
    }

    fn discard(&mut self) {
        let code = self.code.take();
        if catch_unwind(AssertUnwindSafe(|| drop(code))).is_err() {
            tracing::error!("the program's {} panicked as it was dropped", self.what);
        }
    }
}

impl<T: ?Sized> Drop for Guarded<T> {
    fn drop(&mut self) {
        self.discard();
    }
}
