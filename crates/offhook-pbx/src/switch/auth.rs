//! Who sent a request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use offhook_sip::message::Request;
use offhook_sip::{AuthFailure, ConnectionId, DigestAlgorithm, HeaderField, Millis, Verifier};
use tokio::time::Instant;

use super::{Action, Switch};
use crate::extension::Extension;
use crate::guesses::Guesses;
use crate::limit::place;

/// How long a nonce is good. A client that was challenged once uses it for its next requests too.
const NONCE_LIFE_MS: Millis = 5 * 60 * 1000;

/// So many wrong passwords on one connection: one more, and it is closed.
const MAX_WRONG: u32 = 20;

/// For proving to be an extension, when others want the place.
const PROOF_MS: Millis = 30_000;

/// The longest user name whose failures are counted by themselves, bytes. No extension's is longer.
const MOST_USER: usize = 64;

/// What is known of a connection's client.
#[derive(Debug, Default)]
struct Client {
    /// Where it comes from.
    place: String,
    since: Millis,
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
    guesses: Guesses,
    /// What the limits call the time zero; any will do.
    zero: Instant,
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
    /// Whether its connection is to be closed then.
    close: bool,
}

impl Denied {
    fn with(status: u16) -> Self {
        Self { status, headers: Vec::new(), close: false }
    }

    /// Too many were wrong. Not 403: who has the right password is to try it again.
    fn later(seconds: u64) -> Self {
        let headers = HeaderField::new("Retry-After", &seconds.to_string()).into_iter().collect();
        Self { headers, ..Self::with(503) }
    }
}

impl Switch {
    /// Gives the extension that sent a request. `claimed` is who it says it is. Who has guessed too often on a connection loses it.
    pub(super) fn authenticate(
        &mut self,
        now: Millis,
        connection: ConnectionId,
        request: &Request,
        challenge: Challenge,
        claimed: &str,
    ) -> Result<String, Denied> {
        let result = self.auth.check(now, connection, request, challenge, claimed);
        if result.as_ref().is_err_and(|denied| denied.close) {
            self.actions.push_back(Action::Disconnect(connection));
        }
        result
    }
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
    pub(super) fn new(realm: &str, key: [u8; 32], extensions: &[Extension], guesses: Guesses) -> Self {
        let enabled = extensions.iter().filter(|extension| extension.is_enabled());
        let extensions = enabled.map(|e| (e.number().to_owned(), e.clone())).collect();
        Self {
            verifier: Verifier::new(realm, key, NONCE_LIFE_MS),
            extensions,
            clients: HashMap::new(),
            guesses,
            zero: Instant::now(),
        }
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

    /// Nobody has proven to be this extension any more. Who had has its time again.
    pub(super) fn forget(&mut self, now: Millis, number: &str) {
        for client in self.clients.values_mut().filter(|client| client.extension.as_deref() == Some(number)) {
            client.extension = None;
            client.since = now;
        }
    }

    /// A client connected.
    pub(super) fn connected(&mut self, now: Millis, connection: ConnectionId, peer: IpAddr, only: Option<String>) {
        self.clients.insert(connection, Client { place: place(peer), since: now, only, ..Client::default() });
    }

    /// The connections on which nobody has proven to be an extension, though there was time for it.
    pub(super) fn idle(&self, now: Millis) -> Vec<ConnectionId> {
        let is_idle = |client: &Client| client.extension.is_none() && now.saturating_sub(client.since) >= PROOF_MS;
        self.clients.iter().filter(|(_, client)| is_idle(client)).map(|(connection, _)| *connection).collect()
    }

    /// A client is gone.
    pub(super) fn disconnected(&mut self, connection: ConnectionId) {
        self.clients.remove(&connection);
    }

    /// Whether this extension has proven itself on this connection.
    pub(super) fn is_on(&self, connection: ConnectionId, extension: &str) -> bool {
        self.clients.get(&connection).is_some_and(|client| client.extension.as_deref() == Some(extension))
    }

    fn check(
        &mut self,
        now: Millis,
        connection: ConnectionId,
        request: &Request,
        challenge: Challenge,
        claimed: &str,
    ) -> Result<String, Denied> {
        // Who is gone asks nothing.
        let Some(client) = self.clients.get_mut(&connection) else { return Err(Denied::with(403)) };
        if client.only.as_deref().is_some_and(|only| only != claimed) {
            return Err(Denied::with(403));
        }
        if client.wrong > MAX_WRONG {
            return Err(Denied { close: true, ..Denied::with(403) });
        }
        let (status, credentials, _) = challenge.parts();
        let at = self.zero + Duration::from_millis(now);
        let (extensions, realm) = (&self.extensions, self.verifier.realm().to_owned());
        let guesses = &self.guesses;
        let mut tried = None;
        let ha1 = |user: &str, algorithm: DigestAlgorithm| {
            // Who has proven itself here is not held up by others that guess its password.
            if client.extension.as_deref() != Some(user) {
                let counted = if user.len() <= MOST_USER { user } else { "" };
                tried = Some(guesses.begin(at, &client.place, counted));
            }
            extensions.get(user)?.ha1(algorithm, &realm)
        };
        let result = self.verifier.verify(now, request, credentials, ha1);
        match (tried, &result) {
            // Whatever came of it: who has no more tries learns nothing.
            (Some(Err(seconds)), _) => {
                tracing::info!(?connection, place = client.place, claimed, "too many wrong passwords");
                return Err(Denied::later(seconds));
            }
            (Some(Ok(guess)), Ok(_)) => guesses.right(guess),
            (Some(Ok(guess)), Err(failure)) if *failure != AuthFailure::Wrong => guesses.void(guess),
            _ => {}
        }
        let failure = match result {
            Ok(verified) => {
                client.wrong = 0;
                client.extension = Some(verified.username.clone());
                return Ok(verified.username);
            }
            Err(failure) => failure,
        };
        if failure == AuthFailure::Malformed {
            return Err(Denied::with(400));
        }
        if failure == AuthFailure::Wrong {
            tracing::info!(?connection, place = client.place, claimed, "wrong user or password");
            client.wrong += 1;
            if client.wrong > MAX_WRONG {
                return Err(Denied { close: true, ..Denied::with(403) });
            }
        }
        Err(Denied { headers: self.challenges(now, failure, challenge, claimed), ..Denied::with(status) })
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
