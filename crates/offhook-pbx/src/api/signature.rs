//! Login signatures: what an app's back end asks for, and its clients log in with.
//!
//! A signature is `EXPIRY-NONCE-MAC` in hex; the MAC is over the extension, what is proof of its password, and the two. So none
//! has to be kept, they outlive a restart (with a data directory), and a new password ends those of the old one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::hmac;

use crate::error::PbxError;
use crate::hex::hex;
use crate::random::random;

/// Makes and checks signatures.
#[derive(Debug)]
pub(crate) struct Signer(hmac::Key);

/// What a signature is good for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The extension.
    pub(crate) number: &'a str,
    /// What changes with its password.
    pub(crate) proof: &'a str,
}

impl Signer {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A signature; `expires` is in seconds since 1970, 0 means never.
    pub(crate) fn sign(&self, subject: Subject<'_>, expires: u64) -> Result<String, PbxError> {
        let head = format!("{expires:x}-{}", hex(&random::<16>()?));
        let mac = hmac::sign(&self.0, signed(subject, &head).as_bytes());
        Ok(format!("{head}-{}", hex(mac.as_ref())))
    }

    /// Whether it is one of ours for this extension, and still good.
    pub(crate) fn is_good(&self, subject: Subject<'_>, signature: &str, now: SystemTime) -> bool {
        let Some((head, mac)) = signature.rsplit_once('-') else { return false };
        let Some((expires, _)) = head.split_once('-') else { return false };
        let (Some(mac), Ok(expires)) = (unhex(mac), u64::from_str_radix(expires, 16)) else { return false };
        // Takes the same time wherever it differs.
        let is_ours = hmac::verify(&self.0, signed(subject, head).as_bytes(), &mac).is_ok();
        is_ours && (expires == 0 || seconds(now) < expires)
    }
}

/// Seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// No part can be read as another: a number has no line end.
fn signed(subject: Subject<'_>, head: &str) -> String {
    format!("offhook login signature\n{}\n{}\n{head}", subject.number, subject.proof)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 128 || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Subject<'_> = Subject { number: "1000", proof: "ha1" };

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_good_for_one_extension_and_one_password_until_it_expires() {
        let signer = Signer::new(&[7; 32]);
        let signature = signer.sign(ADA, 1000).expect("random");
        assert!(signer.is_good(ADA, &signature, at(999)));
        assert!(!signer.is_good(ADA, &signature, at(1000)));
        assert!(!signer.is_good(Subject { number: "1001", ..ADA }, &signature, at(1)));
        assert!(!signer.is_good(Subject { proof: "other", ..ADA }, &signature, at(1)));
        assert!(!Signer::new(&[8; 32]).is_good(ADA, &signature, at(1)));
        let for_ever = signer.sign(ADA, 0).expect("random");
        assert!(signer.is_good(ADA, &for_ever, at(u64::from(u32::MAX))));
        assert_ne!(for_ever, signer.sign(ADA, 0).expect("random"));
    }

    #[test]
    fn whatever_is_changed_in_it_makes_it_worthless() {
        let signer = Signer::new(&[7; 32]);
        let signature = signer.sign(ADA, 1000).expect("random");
        for at_byte in 0..signature.len() {
            let mut changed = signature.clone().into_bytes();
            changed[at_byte] = if changed[at_byte] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(!signer.is_good(ADA, &changed, at(1)), "{changed}");
        }
        for wrong in ["", "-", "--", "0-0-", "0-0-zz", "0-0-é", "ffffffffffffffffff-0-00"] {
            assert!(!signer.is_good(ADA, wrong, at(1)), "{wrong}");
        }
    }
}
