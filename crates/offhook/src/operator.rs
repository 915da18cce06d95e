//! The handle of a PBX that took us in.

use std::sync::Arc;

use offhook_core::Secret;
use offhook_core::pbx::{CdrPage, CdrQuery, PbxError, PbxEvent};

use crate::actor::{Message, PbxShared};
use crate::command::{Command, Pending, Reply};
use crate::hub::{EventStream, Subscription};
use crate::phone::Phone;

/// What [`init`](crate::init) makes: the phone, which is not started, and the PBX that it belongs to.
///
/// Both are cheap handles of one task. When the last handle of either is dropped, calls are hung up, the phone unregisters,
/// and the PBX gets its token back (in the background, within 10 s).
#[derive(Debug, Clone)]
pub struct Operator {
    /// The phone. It connects and registers with [`Phone::connect`]; listeners added before that miss nothing.
    pub phone: Phone,
    /// The PBX.
    pub pbx: PbxOperator,
}

impl Operator {
    /// Ends both, as [`PbxOperator::destroy`] does.
    pub async fn destroy(&self) {
        self.pbx.destroy().await;
    }
}

/// A PBX that took us in: the list of calls, what happens on its side, and the end.
///
/// When the PBX says that we cannot go on (another log-in, a deleted extension …), there is a
/// [`RuntimeError`](PbxEvent::RuntimeError) in [`events`](Self::events) before anything else of the end can be seen: then calls are
/// hung up, the phone unregisters, and every handle of both is inert. [`init`](crate::init) makes a new pair.
#[derive(Debug, Clone)]
pub struct PbxOperator {
    phone: Phone,
    shared: Arc<PbxShared>,
}

impl PbxOperator {
    /// `None` if the phone did not come with a PBX.
    pub(crate) fn new(phone: &Phone) -> Option<Self> {
        let shared = phone.inner.shared.pbx.clone()?;
        Some(Self { phone: phone.clone(), shared })
    }

    /// Refuses: an operator is initialised as long as it lives.
    ///
    /// # Errors
    /// [`PbxError::AlreadyInitialized`], and [`PbxError::Destroyed`] after its end.
    pub fn init(&self) -> Result<(), PbxError> {
        Err(if self.is_destroyed() { PbxError::Destroyed } else { PbxError::AlreadyInitialized })
    }

    /// Asks for a page of the list of calls.
    ///
    /// # Errors
    /// [`PbxError::InvalidQuery`], [`PbxError::Network`], [`PbxError::Api`], [`PbxError::Destroyed`].
    pub fn cdr_query(&self, query: CdrQuery) -> Pending<CdrPage, PbxError> {
        self.send(|reply| Command::Cdr(query, reply))
    }

    /// Hangs up every call, unregisters, gives the token back and closes everything, in at most 10 s. Listeners hear all of it.
    ///
    /// # Errors
    /// [`PbxError::Destroyed`] if that was done before.
    pub fn logout(&self) -> Pending<(), PbxError> {
        self.send(Command::Logout)
    }

    /// As [`logout`](Self::logout), but every stream and listener, of the phone and its calls too, ends at once. Doing it again
    /// does nothing.
    pub async fn destroy(&self) {
        // One whose task is gone is destroyed.
        let (reply, pending) = Reply::pair();
        if self.phone.inner.messages.send(Message::Command(Command::Destroy(reply))).is_ok() {
            let _ = pending.await;
        }
    }

    /// Whether it has ended: nothing can be asked of it or of its phone any more.
    #[must_use]
    pub fn is_destroyed(&self) -> bool {
        self.phone.inner.messages.is_closed()
    }

    /// What happens on the PBX's side. It ends with the operator.
    pub fn events(&self) -> EventStream<PbxEvent> {
        self.shared.events.subscribe()
    }

    /// Calls a listener with every event, on a task of its own. It may call any method; if it panics, nothing else is harmed.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn on(&self, listener: impl FnMut(&PbxEvent) + Send + 'static) -> Subscription {
        self.shared.events.listen(listener)
    }

    /// The PBX's URL, as it was given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The user name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.shared.username
    }

    /// The login signature.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.shared.secret
    }

    /// The token that requests are made with at present.
    #[must_use]
    pub fn token(&self) -> Secret {
        self.shared.token()
    }

    /// Number of our extension.
    #[must_use]
    pub fn extension_number(&self) -> &str {
        &self.shared.extension_number
    }

    /// Identity of our extension at the PBX.
    #[must_use]
    pub fn extension_id(&self) -> &str {
        &self.shared.extension_id
    }

    /// Name of our extension.
    #[must_use]
    pub fn extension_name(&self) -> &str {
        &self.shared.extension_name
    }

    fn send<T>(&self, command: impl FnOnce(Reply<T, PbxError>) -> Command) -> Pending<T, PbxError> {
        let (reply, pending) = Reply::pair_or(PbxError::Destroyed);
        match self.phone.inner.messages.send(Message::Command(command(reply))) {
            Ok(()) => pending,
            Err(_) => Pending::refused(PbxError::Destroyed),
        }
    }
}
