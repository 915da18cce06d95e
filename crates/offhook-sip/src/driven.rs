//! A wrapper that makes "poll after every mutation" impossible to forget.

/// A state machine whose outputs must be taken after every mutation.
pub trait Machine {
    /// What it gives out.
    type Output;

    /// The next thing to do, `None` when there is none until the next mutation.
    fn poll_output(&mut self) -> Option<Self::Output>;
}

/// Owns a [`Machine`] and lends it out mutably only for the length of a [`turn`](Driven::turn), at the end of which all
/// outputs are handed over.
#[derive(Debug)]
pub struct Driven<M>(M);

impl<M: Machine> Driven<M> {
    /// Takes the machine over.
    pub fn new(machine: M) -> Self {
        Self(machine)
    }

    /// The getters.
    pub fn view(&self) -> &M {
        &self.0
    }

    /// Does something to the machine, then gives every output to `sink`, in order.
    pub fn turn<R>(&mut self, act: impl FnOnce(&mut M) -> R, mut sink: impl FnMut(M::Output)) -> R {
        let result = act(&mut self.0);
        self.drain(&mut sink);
        result
    }

    /// Apart from [`turn`](Self::turn), so that it is there once for a sink and not once for each act.
    #[inline(never)]
    fn drain(&mut self, sink: &mut impl FnMut(M::Output)) {
        while let Some(output) = self.0.poll_output() {
            sink(output);
        }
    }
}
