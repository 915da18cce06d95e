//! The server, and what tests do with it.

mod embedded;
mod server;
mod subscription;

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use offhook::{CallOptions, Init, Operator, PbxError, Session};

pub(crate) use embedded::{Directory, Embedded};
pub(crate) use server::{Answer, SECRET, Server, TOKEN};
pub(crate) use subscription::Subscription;

/// For whatever should happen. Generous: the machine may be busy.
const SOON: Duration = Duration::from_secs(20);

/// Waits for what should happen soon.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {SOON:?}"),
    }
}

impl Server {
    /// Logs in as 1000.
    pub(crate) fn init(&self) -> Init {
        Init::new(self.url(), "1000", SECRET).ca_certificate(self.ca.clone())
    }

    /// Logged in as 1000, and the subscription that follows.
    pub(crate) async fn operator(&mut self) -> (Operator, Subscription) {
        let operator = soon("logging in", self.init().connect()).await.expect("logged in");
        let mut subscription = self.subscription().await;
        assert!(!subscription.topics().await.is_empty());
        (operator, subscription)
    }
}

/// Why it cannot log in.
pub(crate) async fn refused(init: Init) -> PbxError {
    soon("the refusal", init.connect()).await.expect_err("refused")
}

/// The next item that is wanted.
pub(crate) async fn until<S: Stream + Unpin>(
    what: &str,
    stream: &mut S,
    mut wanted: impl FnMut(&S::Item) -> bool,
) -> S::Item {
    soon(what, async {
        loop {
            let item = stream.next().await.expect("the stream goes on");
            if wanted(&item) {
                return item;
            }
        }
    })
    .await
}

/// Gives the program's tasks their turns until this is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    soon(what, async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A call to the echo service, talking.
pub(crate) async fn call(operator: &Operator) -> Session {
    soon("registering", operator.phone.connect()).await.expect("registered");
    let call = soon("calling", operator.phone.call("600", CallOptions::default())).await.expect("calls");
    soon("an answer", call.confirmed()).await.expect("is answered");
    call
}

/// One calls the other, and both talk.
pub(crate) async fn incoming_call(caller: &Operator, callee: &Operator) -> (Session, Session) {
    let mut incoming = callee.phone.incoming();
    let number = callee.pbx.extension_number();
    let call = soon("calling", caller.phone.call(number, CallOptions::default())).await.expect("calls");
    let ringing = until("the call", &mut incoming, |ringing| ringing.status().is_ring).await;
    soon("answering", ringing.answer(CallOptions::default())).await.expect("answers");
    soon("talking", call.confirmed()).await.expect("talks");
    (call, ringing)
}
