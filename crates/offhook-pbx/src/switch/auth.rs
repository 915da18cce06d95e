//! Who sent a request.

use std::collections::HashMap;

use offhook_sip::message::Request;
use offhook_sip::{AuthFailure, ConnectionId, DigestAlgorithm, HeaderField, Millis, Verifier};

use crate::extension::Extension;

/// How long a nonce is good. A client that was challenged once uses it for its next requests too.
const NONCE_LIFE_MS: Millis = 5 * 60 * 1000;

/// So many wrong passwords on one connection, and it is not asked any more.
const MAX_WRONG: u32 = 20;

/// What is known of a connection's client.
#[derive(Debug, Default)]
struct Client {
    /// The extension that has proven itself on it.
    extension: Option<String>,
    wrong: u32,
    /// No other may use it.
    only: Option<String>,
}

/// Checks credentials.
#[derive(Debug)]
pub(super) struct Authenticator {
    verifier: Verifier,
    extensions: HashMap<String, Extension>,
    clients: HashMap<ConnectionId, Client>,
}

/// Which kind of challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Challenge {
    /// 401, for REGISTER.
    Registrar,
    /// 407, for calls.
    Proxy,
}

/// How a request without the right credentials is answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Denied {
    pub(super) status: u16,
    pub(super) headers: Vec<HeaderField>,
}

impl Challenge {
    fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Registrar => (401, "Authorization", "WWW-Authenticate"),
            Self::Proxy => (407, "Proxy-Authorization", "Proxy-Authenticate"),
        }
    }
}

impl Authenticator {
    pub(super) fn new(realm: &str, key: [u8; 32], extensions: &[Extension]) -> Self {
        let enabled = extensions.iter().filter(|extension| extension.is_enabled());
        let extensions = enabled.map(|e| (e.number().to_owned(), e.clone())).collect();
        Self { verifier: Verifier::new(realm, key, NONCE_LIFE_MS), extensions, clients: HashMap::new() }
    }

    pub(super) fn extension(&self, number: &str) -> Option<&Extension> {
        self.extensions.get(number)
    }

    /// An extension is so from now on; `None`: there is none of this number.
    pub(super) fn set(&mut self, number: &str, extension: Option<Extension>) {
        match extension {
            Some(extension) => self.extensions.insert(number.to_owned(), extension),
            None => self.extensions.remove(number),
        };
    }

    /// Nobody has proven to be this extension any more.
    pub(super) fn forget(&mut self, number: &str) {
        for client in self.clients.values_mut().filter(|client| client.extension.as_deref() == Some(number)) {
            client.extension = None;
        }
    }

    /// A client connected.
    pub(super) fn connected(&mut self, connection: ConnectionId, only: Option<String>) {
        self.clients.insert(connection, Client { only, ..Client::default() });
    }

    /// A client is gone.
    pub(super) fn disconnected(&mut self, connection: ConnectionId) {
        self.clients.remove(&connection);
    }

    /// Whether this extension has proven itself on this connection.
    pub(super) fn is_on(&self, connection: ConnectionId, extension: &str) -> bool {
        self.clients.get(&connection).is_some_and(|client| client.extension.as_deref() == Some(extension))
    }

    /// Gives the extension that sent a request. `claimed` is who it says it is.
    pub(super) fn check(
        &mut self,
        now: Millis,
        connection: ConnectionId,
        request: &Request,
        challenge: Challenge,
        claimed: &str,
    ) -> Result<String, Denied> {
        let only = self.clients.get(&connection).and_then(|client| client.only.as_deref());
        if only.is_some_and(|only| only != claimed) {
            return Err(Denied { status: 403, headers: Vec::new() });
        }
        let (status, credentials, _) = challenge.parts();
        let (extensions, realm) = (&self.extensions, self.verifier.realm().to_owned());
        let ha1 = |user: &str, algorithm: DigestAlgorithm| extensions.get(user)?.ha1(algorithm, &realm);
        let failure = match self.verifier.verify(now, request, credentials, ha1) {
            Ok(verified) => {
                if let Some(client) = self.clients.get_mut(&connection) {
                    client.wrong = 0;
                    client.extension = Some(verified.username.clone());
                }
                return Ok(verified.username);
            }
            Err(failure) => failure,
        };
        if failure == AuthFailure::Malformed {
            return Err(Denied { status: 400, headers: Vec::new() });
        }
        if failure == AuthFailure::Wrong {
            tracing::info!(?connection, claimed, "wrong user or password");
            if let Some(client) = self.clients.get_mut(&connection) {
                client.wrong += 1;
                if client.wrong > MAX_WRONG {
                    return Err(Denied { status: 403, headers: Vec::new() });
                }
            }
        }
        Err(Denied { status, headers: self.challenges(now, failure, challenge, claimed) })
    }

    /// An extension of which only one hash is known is asked for that one only. An unknown one is asked like any other, so
    /// that nobody learns which there are.
    fn challenges(
        &mut self,
        now: Millis,
        failure: AuthFailure,
        challenge: Challenge,
        claimed: &str,
    ) -> Vec<HeaderField> {
        let (.., name) = challenge.parts();
        let extensions = &self.extensions;
        let answers = |algorithm| extensions.get(claimed).is_none_or(|extension| extension.answers(algorithm));
        self.verifier
            .challenge(now, failure)
            .iter()
            .filter(|value| {
                let is_sha = value.to_ascii_uppercase().contains("ALGORITHM=SHA-256");
                answers(if is_sha { DigestAlgorithm::Sha256 } else { DigestAlgorithm::Md5 })
            })
            .filter_map(|value| HeaderField::new(name, value).ok())
            .collect()
    }
}
