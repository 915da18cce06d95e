//! The arithmetic of RFC 7616 §3.4, with HA1 as the starting point, so that a password need not be kept.

use std::fmt::Write as _;

use super::hash::{md5, sha256};
use crate::secret::Secret;

/// A digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// `MD5`, `MD5-sess`.
    Md5,
    /// `SHA-256`, `SHA-256-sess` (RFC 8760).
    Sha256,
}

impl DigestAlgorithm {
    /// Its token in a challenge.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    pub(crate) fn hash(self, parts: &[&str]) -> String {
        let input = parts.join(":");
        match self {
            Self::Md5 => hex(&md5(input.as_bytes())),
            Self::Sha256 => hex(&sha256(input.as_bytes())),
        }
    }
}

/// `H(user:realm:password)` in hex: what a server stores instead of the password.
#[must_use]
pub fn ha1(algorithm: DigestAlgorithm, username: &str, realm: &str, password: &Secret) -> Secret {
    Secret::new(algorithm.hash(&[username, realm, password.expose()]))
}

/// What a response is computed from, besides HA1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange<'a> {
    pub(crate) algorithm: DigestAlgorithm,
    /// `MD5-sess`, `SHA-256-sess`: HA1 is bound to the nonces (RFC 7616 §3.4.2).
    pub(crate) session: bool,
    pub(crate) nonce: &'a str,
    /// cnonce and nc when `qop=auth` is in use.
    pub(crate) qop: Option<(&'a str, &'a str)>,
    /// For `-sess` without qop there is a cnonce nevertheless.
    pub(crate) cnonce: &'a str,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
}

/// The `response` value.
pub(crate) fn response(exchange: &Exchange<'_>, ha1: &str) -> String {
    let Exchange { algorithm, nonce, .. } = *exchange;
    let bound;
    let ha1 = if exchange.session {
        bound = algorithm.hash(&[ha1, nonce, exchange.cnonce]);
        bound.as_str()
    } else {
        ha1
    };
    let ha2 = algorithm.hash(&[exchange.method, exchange.uri]);
    match exchange.qop {
        Some((cnonce, nc)) => algorithm.hash(&[ha1, nonce, nc, cnonce, "auth", &ha2]),
        None => algorithm.hash(&[ha1, nonce, &ha2]),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mufasa(algorithm: DigestAlgorithm, session: bool) -> String {
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let exchange = Exchange {
            algorithm,
            session,
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            qop: Some((cnonce, "00000001")),
            cnonce,
            method: "GET",
            uri: "/dir/index.html",
        };
        let ha1 = ha1(algorithm, "Mufasa", "http-auth@example.org", &"Circle of Life".into());
        response(&exchange, ha1.expose())
    }

    #[test]
    fn the_examples_of_rfc_7616_3_9_1() {
        assert_eq!(mufasa(DigestAlgorithm::Md5, false), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            mufasa(DigestAlgorithm::Sha256, false),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn session_variants_bind_ha1_to_the_nonces() {
        assert_ne!(mufasa(DigestAlgorithm::Md5, true), mufasa(DigestAlgorithm::Md5, false));
    }

    #[test]
    fn the_example_of_rfc_2617_without_qop() {
        // RFC 2617 §3.5 with the RFC 2069 form of the response.
        let exchange = Exchange {
            algorithm: DigestAlgorithm::Md5,
            session: false,
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            qop: None,
            cnonce: "",
            method: "GET",
            uri: "/dir/index.html",
        };
        let ha1 = ha1(DigestAlgorithm::Md5, "Mufasa", "testrealm@host.com", &"Circle Of Life".into());
        assert_eq!(ha1.expose(), "939e7578ed9e3c518a452acee763bce9");
        assert_eq!(response(&exchange, ha1.expose()), "670fd8c2df070c60b045671b8b24ff02");
    }
}
