//! Checking credentials: the server side.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::digest::{DigestAlgorithm, Exchange, response};
use crate::Millis;
use crate::message::{HeadersExt as _, Request};
use crate::secret::Secret;

/// Nonces whose counts are remembered. Above, the oldest is forgotten: its next use is answered `stale`, and so is that of any
/// which is older still.
const MAX_NONCES: usize = 20_000;

/// Checks the credentials of requests: the server side.
///
/// A nonce carries its time, a serial number and a MAC, so nothing is stored for a challenge. Its count must rise with
/// each use (RFC 7616 §3.4), which is remembered for the nonces in use, a bounded number.
#[derive(Debug)]
pub struct Verifier {
    realm: String,
    key: Secret,
    nonce_life_ms: Millis,
    serial: u64,
    counts: BTreeMap<(Millis, u64), u32>,
    /// The latest nonce that was forgotten while it was good: what counts were used up to it is not known.
    forgotten: Option<(Millis, u64)>,
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
    /// The nonce is not the verifier's, whatever the password; or the password is right, but the nonce too old or its count used
    /// already: challenge with `stale=true`.
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
        let key = Secret::new(super::digest::hex(&key));
        Self { realm: realm.to_owned(), key, nonce_life_ms, serial: 0, counts: BTreeMap::new(), forgotten: None }
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// `WWW-Authenticate` (or `Proxy-Authenticate`) values, strongest algorithm first: SHA-256, then MD5 (RFC 8760 §2.3).
    #[must_use]
    pub fn challenge(&mut self, now: Millis, failure: AuthFailure) -> Vec<String> {
        let stale = if failure == AuthFailure::Stale { ", stale=true" } else { "" };
        [DigestAlgorithm::Sha256, DigestAlgorithm::Md5]
            .into_iter()
            .map(|algorithm| {
                self.serial += 1;
                let nonce = self.nonce(now, self.serial);
                let realm = self.realm.replace('\\', "\\\\").replace('"', "\\\"");
                format!(
                    "Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
                    algorithm.token()
                )
            })
            .collect()
    }

    /// Checks a request. `header` is `Authorization` or `Proxy-Authorization`; `ha1` gives the user's HA1 for an
    /// algorithm in this realm, `None` for an unknown user; it is asked only for a nonce that this verifier made.
    ///
    /// # Errors
    /// What to do about it is said at [`AuthFailure`].
    pub fn verify(
        &mut self,
        now: Millis,
        request: &Request,
        header: &str,
        ha1: impl FnOnce(&str, DigestAlgorithm) -> Option<Secret>,
    ) -> Result<Verified, AuthFailure> {
        let mut found = AuthFailure::Missing;
        let answer = request.headers.texts(header).into_iter().find_map(|text| match Answer::parse(&text) {
            Some(answer) if answer.realm == self.realm => Some(answer),
            Some(_) => None,
            None => {
                found = AuthFailure::Malformed;
                None
            }
        });
        let answer = answer.ok_or(found)?;
        let method = request.method.to_string();
        // The digest covers the URI that the client wrote; it must name what was asked for (RFC 7616 §3.4.6).
        let same_uri = sipx_sip::Uri::parse(bytes::Bytes::copy_from_slice(answer.uri.as_bytes()))
            .is_ok_and(|uri| uri.equivalent(&request.uri));
        if !same_uri {
            return Err(AuthFailure::Malformed);
        }
        // First, so that nobody finds out with a nonce of its own whether a password is right.
        let (issued, serial) = self.open_nonce(&answer.nonce).ok_or(AuthFailure::Stale)?;
        let stored = ha1(&answer.username, answer.algorithm);
        let exchange = Exchange {
            algorithm: answer.algorithm,
            session: answer.session,
            nonce: &answer.nonce,
            qop: Some((&answer.cnonce, &answer.nc)),
            cnonce: &answer.cnonce,
            method: &method,
            uri: &answer.uri,
        };
        // An unknown user costs the same time as a wrong password.
        let expected = response(&exchange, stored.as_ref().map_or("", Secret::expose));
        let right: bool = expected.as_bytes().ct_eq(answer.response.as_bytes()).into();
        if !right || stored.is_none() {
            return Err(AuthFailure::Wrong);
        }
        if issued > now || now - issued > self.nonce_life_ms || !self.count_up(now, (issued, serial), &answer.nc) {
            return Err(AuthFailure::Stale);
        }
        Ok(Verified { username: answer.username })
    }

    fn nonce(&self, at: Millis, serial: u64) -> String {
        let mut bytes = Vec::with_capacity(32);
        bytes.extend_from_slice(&at.to_be_bytes());
        bytes.extend_from_slice(&serial.to_be_bytes());
        let mac = self.mac(&bytes);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn open_nonce(&self, nonce: &str) -> Option<(Millis, u64)> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (head, mac) = bytes.split_at_checked(16)?;
        let right: bool = self.mac(head).ct_eq(mac).into();
        let (at, serial) = head.split_at_checked(8)?;
        let at = Millis::from_be_bytes(at.try_into().ok()?);
        let serial = u64::from_be_bytes(serial.try_into().ok()?);
        right.then_some((at, serial))
    }

    fn mac(&self, bytes: &[u8]) -> [u8; 16] {
        let mut out = [0; 16];
        // HMAC takes a key of any length; this cannot fail.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes()) {
            mac.update(bytes);
            mac.update(self.realm.as_bytes());
            for (o, b) in out.iter_mut().zip(mac.finalize().into_bytes()) {
                *o = b;
            }
        }
        out
    }

    /// Whether the nonce count is above all that were used with this nonce.
    fn count_up(&mut self, now: Millis, nonce: (Millis, u64), nc: &str) -> bool {
        let Ok(nc) = u32::from_str_radix(nc, 16) else { return false };
        let is_known = self.counts.contains_key(&nonce);
        if !is_known && Some(nonce) <= self.forgotten {
            return false;
        }
        while let Some((&oldest, _)) = self.counts.first_key_value() {
            let expired = now.saturating_sub(oldest.0) > self.nonce_life_ms;
            if !expired && (is_known || self.counts.len() < MAX_NONCES) {
                break;
            }
            self.counts.remove(&oldest);
            if !expired {
                self.forgotten = self.forgotten.max(Some(oldest));
            }
        }
        let last = self.counts.entry(nonce).or_insert(0);
        let fresh = nc > *last;
        *last = nc.max(*last);
        fresh
    }
}

/// One parsed Authorization header.
struct Answer {
    username: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    algorithm: DigestAlgorithm,
    session: bool,
    cnonce: String,
    nc: String,
}

impl Answer {
    /// `None` when it is no digest with `qop=auth`, or a part is missing.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_at_checked(7)?;
        if !scheme.eq_ignore_ascii_case("digest ") {
            return None;
        }
        let params = auth_params(rest)?;
        let get = |name: &str| params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
        if !get("qop")?.eq_ignore_ascii_case("auth") {
            return None;
        }
        let (algorithm, session) = match get("algorithm").unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "md5" => (DigestAlgorithm::Md5, false),
            "md5-sess" => (DigestAlgorithm::Md5, true),
            "sha-256" => (DigestAlgorithm::Sha256, false),
            "sha-256-sess" => (DigestAlgorithm::Sha256, true),
            _ => return None,
        };
        Some(Self {
            username: get("username")?,
            realm: get("realm")?,
            nonce: get("nonce")?,
            uri: get("uri")?,
            response: get("response")?.to_ascii_lowercase(),
            algorithm,
            session,
            cnonce: get("cnonce")?,
            nc: get("nc")?,
        })
    }
}

/// `name=value` pairs separated by commas, values quoted or not. `None` when a quote is never closed.
fn auth_params(text: &str) -> Option<Vec<(String, String)>> {
    let mut params = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', ',']);
    while let Some((name, tail)) = rest.split_once('=') {
        let tail = tail.trim_start();
        let mut value = String::new();
        if let Some(quoted) = tail.strip_prefix('"') {
            let mut chars = quoted.char_indices();
            rest = loop {
                match chars.next()? {
                    (_, '\\') => value.push(chars.next()?.1),
                    (i, '"') => break quoted.get(i + 1..)?,
                    (_, c) => value.push(c),
                }
            };
        } else {
            let end = tail.find(',').unwrap_or(tail.len());
            value.push_str(tail.get(..end)?.trim());
            rest = tail.get(end..)?;
        }
        params.push((name.trim().to_owned(), value));
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    Some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_that_was_forced_out_is_not_good_again() {
        let mut verifier = Verifier::new("realm", [1; 32], 300_000);
        let mut uses = |serial: u64, nc: &str| verifier.count_up(1_000, (1_000, serial), nc);
        let last = MAX_NONCES as u64 + 2;
        // Serial 2 is not used yet.
        assert!((1..=last).filter(|&serial| serial != 2).all(|serial| uses(serial, "00000001")));
        for nc in ["00000001", "00000002", "ffffffff"] {
            assert!(!uses(1, nc), "forgotten, and with it which counts were used");
        }
        assert!(uses(2, "00000001"), "above what was forgotten");
        assert!(!uses(2, "00000001") && uses(2, "00000002"));
        assert!(!uses(3, "00000002"), "it has made room for that");
        // Who goes on using one needs no room, and what is new is good.
        assert!(uses(4, "00000002") && uses(last, "00000002") && uses(last + 1, "00000001"));
        assert!(!uses(2, "00000003") && uses(4, "00000003"));
    }
}
