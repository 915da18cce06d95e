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
        tokio::spawn(async move {
            asked().await;
            sender.send_replace(true);
            asked().await;
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

#[cfg(unix)]
async fn asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = signal(SignalKind::terminate());
    let interrupt = tokio::signal::ctrl_c();
    match terminate {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt => {}
        },
        Err(_) => drop(interrupt.await),
    }
}

#[cfg(not(unix))]
async fn asked() {
    let _ = tokio::signal::ctrl_c().await;
}
