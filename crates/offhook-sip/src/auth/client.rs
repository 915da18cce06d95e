//! Answering challenges.

use bytes::Bytes;
use sipx_sip::auth::{Algorithm, Challenge};
use sipx_sip::{Header, HeaderName};

use super::digest::{DigestAlgorithm, Exchange, ha1, response};
use crate::message::{Request, Response};
use crate::rng::Rng;
use crate::secret::Secret;

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

    fn ha1_for(&self, challenge: &Challenge) -> Option<Secret> {
        let (algorithm, _) = supported(challenge.algorithm)?;
        match &self.kind {
            Kind::Password(password) => Some(ha1(algorithm, &self.username, &challenge.realm, password)),
            Kind::Ha1 { realm, ha1 } => {
                let same_realm = realm.as_ref().is_none_or(|realm| *realm == challenge.realm);
                (algorithm == DigestAlgorithm::Md5 && same_realm).then(|| ha1.clone())
            }
        }
    }
}

/// Puts credentials that answer the challenges of a 401 or 407 into the request, which keeps those for other realms.
/// `false` when there is nothing new to say: no challenge we can answer, or our answer to this very realm was refused
/// (`stale=true` excepted).
pub(crate) fn authorize(request: &mut Request, refusal: &Response, credentials: &Credentials, rng: &mut Rng) -> bool {
    let mut answered = false;
    for (header, from_proxy) in [(HeaderName::WwwAuthenticate, false), (HeaderName::ProxyAuthenticate, true)] {
        // RFC 8760 §2.4: the topmost challenge of a realm that we can answer.
        let mut realms: Vec<String> = Vec::new();
        let challenges: Vec<Challenge> =
            refusal.headers.get_all(&header).filter_map(|h| Challenge::parse(&h.value(), from_proxy)).collect();
        for challenge in challenges {
            let Some(ha1) = credentials.ha1_for(&challenge) else { continue };
            if realms.contains(&challenge.realm) {
                continue;
            }
            realms.push(challenge.realm.clone());
            let name = challenge.response_header();
            if has_answer_for(request, &name, &challenge.realm) && !challenge.stale {
                return false;
            }
            let Some(value) = answer(request, &challenge, credentials, &ha1, rng) else { continue };
            request.headers.retain(|h| !(h.name() == &name && names_realm(h, &challenge.realm)));
            request.headers.push(value);
            answered = true;
        }
    }
    answered
}

fn supported(algorithm: Algorithm) -> Option<(DigestAlgorithm, bool)> {
    match algorithm {
        Algorithm::Md5 => Some((DigestAlgorithm::Md5, false)),
        Algorithm::Md5Sess => Some((DigestAlgorithm::Md5, true)),
        Algorithm::Sha256 => Some((DigestAlgorithm::Sha256, false)),
        Algorithm::Sha256Sess => Some((DigestAlgorithm::Sha256, true)),
        _ => None,
    }
}

fn answer(
    request: &Request,
    challenge: &Challenge,
    credentials: &Credentials,
    ha1: &Secret,
    rng: &mut Rng,
) -> Option<Header> {
    let (algorithm, session) = supported(challenge.algorithm)?;
    let cnonce = rng.token(20);
    let uri = String::from_utf8_lossy(&request.uri.to_bytes()).into_owned();
    let method = request.method.to_string();
    let nc = "00000001";
    let exchange = Exchange {
        algorithm,
        session,
        nonce: &challenge.nonce,
        qop: challenge.qop_auth.then_some((cnonce.as_str(), nc)),
        cnonce: &cnonce,
        method: &method,
        uri: &uri,
    };
    let mut value = format!(
        "Digest username={}, realm={}, nonce={}, uri=\"{uri}\", response=\"{}\", algorithm={}",
        quoted(&credentials.username),
        quoted(&challenge.realm),
        quoted(&challenge.nonce),
        response(&exchange, ha1.expose()),
        challenge.algorithm.as_str(),
    );
    if challenge.qop_auth {
        value.push_str(&format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
    } else if session {
        value.push_str(&format!(", cnonce=\"{cnonce}\""));
    }
    if let Some(opaque) = &challenge.opaque {
        value.push_str(&format!(", opaque={}", quoted(opaque)));
    }
    Header::build(challenge.response_header(), Bytes::from(value)).ok()
}

fn has_answer_for(request: &Request, name: &HeaderName, realm: &str) -> bool {
    request.headers.get_all(name).any(|h| names_realm(h, realm))
}

fn names_realm(header: &Header, realm: &str) -> bool {
    String::from_utf8_lossy(&header.value()).contains(&format!("realm={}", quoted(realm)))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
