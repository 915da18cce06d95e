//! Ctrl-C: the first asks the command to end properly, the second ends it at once.

use tokio::sync::watch;
use tokio::time::Instant;

/// Says when the user wants the command to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Takes Ctrl-C (and SIGTERM) over from the system's handling.
    pub(crate) fn install() -> Self {
        let (sender, receiver) = watch::channel(false);
        // At once: until then a signal ends the process.
        let mut signals = Signals::new();
        tokio::spawn(async move {
            signals.next().await;
            sender.send_replace(true);
            signals.next().await;
            std::process::exit(130);
        });
        Self(receiver)
    }

    /// Resolves when the user asked to end, also if that was before the call. Cancel-safe.
    pub(crate) async fn wait(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            // Only if signals cannot be received at all: then nobody can ask.
            std::future::pending::<()>().await;
        }
    }
}

/// Resolves at a deadline; never if there is none.
pub(crate) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Ctrl-C and SIGTERM; what cannot be received never comes.
#[cfg(unix)]
struct Signals([Option<tokio::signal::unix::Signal>; 2]);

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self([SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok()))
    }

    async fn next(&mut self) {
        async fn came(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            () = came(interrupt) => {}
            () = came(terminate) => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_that_comes_at_once_is_taken_over() {
        let mut interrupt = Interrupt::install();
        // Nothing has run yet but this.
        let sent = std::process::Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        interrupt.wait().await;
    }
}
