//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760), both sides.

use crate::Millis;
use crate::message::Request;
use crate::secret::Secret;

/// A digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// `MD5`, `MD5-sess`.
    Md5,
    /// `SHA-256`, `SHA-256-sess` (RFC 8760).
    Sha256,
}

/// What a user proves to be with.
#[derive(Debug, Clone)]
pub struct Credentials {
    username: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Password(Secret),
    Ha1 { realm: Option<String>, ha1: Secret },
}

impl Credentials {
    /// A user name and a password.
    pub fn password(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self { username: username.into(), kind: Kind::Password(password.into()) }
    }

    /// A user name and the MD5 HA1 (`md5(user:realm:password)`, hex), which answers MD5 challenges only. With `realm`,
    /// challenges of other realms are not answered.
    pub fn ha1(username: impl Into<String>, realm: Option<String>, ha1: impl Into<Secret>) -> Self {
        Self { username: username.into(), kind: Kind::Ha1 { realm, ha1: ha1.into() } }
    }

    /// The user name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }
}

/// `H(user:realm:password)` in hex: what a server stores instead of the password.
#[must_use]
pub fn ha1(algorithm: DigestAlgorithm, username: &str, realm: &str, password: &Secret) -> Secret {
    let _ = (algorithm, username, realm, password);
    unimplemented!()
}

/// Checks the credentials of requests: the server side.
///
/// Nonces carry their time and a MAC, so nothing is stored per challenge; a nonce count must rise with each use, which
/// is kept for the nonces in use, a bounded number.
#[derive(Debug)]
pub struct Verifier {
    realm: String,
}

/// A request whose credentials are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The user.
    pub username: String,
}

/// Why a request must be challenged or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthFailure {
    /// No credentials for this realm: challenge.
    Missing,
    /// The nonce is too old, or its count was used already: challenge with `stale=true`.
    Stale,
    /// Wrong user or password: challenge again (and count it).
    Wrong,
    /// Not understood: answer 400.
    Malformed,
}

impl Verifier {
    /// For one realm. `key` must be secret and random; `nonce_life_ms` is how long a nonce is good.
    #[must_use]
    pub fn new(realm: &str, key: [u8; 32], nonce_life_ms: Millis) -> Self {
        let _ = (key, nonce_life_ms);
        Self { realm: realm.to_owned() }
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// `WWW-Authenticate` (or `Proxy-Authenticate`) values, strongest algorithm first: SHA-256, then MD5.
    #[must_use]
    pub fn challenge(&self, now: Millis, failure: AuthFailure) -> Vec<String> {
        let _ = (now, failure);
        unimplemented!()
    }

    /// Checks a request. `header` is `Authorization` or `Proxy-Authorization`; `ha1` gives the user's HA1 for an algorithm in
    /// this realm, `None` for an unknown user.
    pub fn verify(
        &mut self,
        now: Millis,
        request: &Request,
        header: &str,
        ha1: impl FnOnce(&str, DigestAlgorithm) -> Option<Secret>,
    ) -> Result<Verified, AuthFailure> {
        let _ = (now, request, header, ha1);
        unimplemented!()
    }
}
