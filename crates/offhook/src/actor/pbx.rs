//! The phone's PBX: carries out what the core asks of its API and of its subscription.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use offhook_core::pbx::{HttpId, HttpRequest, PbxEvent, PbxOperator, SubscriptionInput, SubscriptionOutput};
use offhook_core::{CloseReason, Secret, TransportError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{FromTransport, Message, Told};
use crate::http::Client;
use crate::hub::Hub;
use crate::transport::{Line, Target, Transport, Trust};

/// How the PBX is reached. Dropping it drops its requests and its subscription.
#[derive(Debug)]
pub(crate) struct PbxLink {
    http: Client,
    trust: Trust,
    /// For making the subscription's connection.
    timeout: Duration,
    requests: JoinSet<()>,
    subscription: Option<Transport>,
    subscriptions: u64,
}

impl PbxLink {
    pub(crate) fn new(http: Client, trust: Trust, timeout: Duration) -> Self {
        Self { http, trust, timeout, requests: JoinSet::new(), subscription: None, subscriptions: 0 }
    }

    pub(super) fn ask(&mut self, id: HttpId, request: HttpRequest, messages: &mpsc::UnboundedSender<Message>) {
        while self.requests.try_join_next().is_some() {}
        let (answer, messages) = (self.http.send(request), messages.clone());
        self.requests.spawn(async move {
            // The phone's task may be gone.
            let _ = messages.send(Message::Http(id, answer.await));
        });
    }

    pub(super) fn subscribe(
        &mut self,
        output: SubscriptionOutput,
        told: &mpsc::Sender<Told>,
        messages: &mpsc::UnboundedSender<Message>,
    ) {
        match output {
            SubscriptionOutput::Open { url } => {
                self.subscriptions += 1;
                let line = Line::Subscription(self.subscriptions);
                match Target::new(url.expose(), self.trust.clone(), self.timeout) {
                    Ok(target) => {
                        let (told, messages) = (told.clone(), messages.clone());
                        self.subscription = Some(Transport::open(Arc::new(target), line, told, messages));
                    }
                    Err(error) => {
                        let (address, detail) = ("the PBX".to_owned(), error.to_string());
                        let reason = CloseReason::Failed(TransportError::Handshake { address, detail });
                        let _ = messages.send(Message::Transport(line, FromTransport::Closed { status: None, reason }));
                    }
                }
            }
            SubscriptionOutput::Send(text) => {
                if let Some(subscription) = &mut self.subscription {
                    subscription.send(Bytes::from(text));
                }
            }
            SubscriptionOutput::Close => {
                if let Some(subscription) = &mut self.subscription {
                    subscription.close();
                }
            }
            _ => {}
        }
    }

    /// What the core is told of what connection number `number` told.
    pub(super) fn heard(&mut self, number: u64, event: FromTransport) -> Option<SubscriptionInput> {
        if number != self.subscriptions {
            return None;
        }
        match event {
            FromTransport::Connected { .. } => Some(SubscriptionInput::Connected),
            // What is no text is nothing of this protocol.
            FromTransport::Received(data) => String::from_utf8(data.into()).ok().map(SubscriptionInput::Text),
            FromTransport::Closed { status, reason } => {
                self.subscription = None;
                // What it still tells is nobody's.
                self.subscriptions += 1;
                Some(SubscriptionInput::Closed { status, reason })
            }
        }
    }
}

/// What the operator's handles read without asking the task.
#[derive(Debug)]
pub(crate) struct PbxShared {
    pub(crate) events: Hub<PbxEvent>,
    pub(crate) url: String,
    pub(crate) username: String,
    pub(crate) secret: Secret,
    pub(crate) extension_number: String,
    pub(crate) extension_id: String,
    pub(crate) extension_name: String,
    token: Mutex<Secret>,
}

impl PbxShared {
    pub(super) fn new(operator: &PbxOperator) -> Self {
        Self {
            events: Hub::new(),
            url: operator.url().to_owned(),
            username: operator.username().to_owned(),
            secret: operator.secret().clone(),
            extension_number: operator.extension_number().to_owned(),
            extension_id: operator.extension_id().to_owned(),
            extension_name: operator.extension_name().to_owned(),
            token: Mutex::new(operator.token().clone()),
        }
    }

    pub(crate) fn token(&self) -> Secret {
        self.lock().clone()
    }

    pub(super) fn refresh(&self, operator: &PbxOperator) {
        let mut token = self.lock();
        if token.expose() != operator.token().expose() {
            *token = operator.token().clone();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Secret> {
        // Only assignments happen under the lock.
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
