//! Random tokens, of which only hashes are kept.

use offhook_sip::Secret;
use sha2::{Digest as _, Sha256};

use crate::error::PbxError;
use crate::hex::hex;
use crate::random;

/// What is kept of a token. Finding one by its hash tells nothing about it in the time it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
    }
}

/// A new token: 256 random bits, as 64 hex digits.
pub(crate) fn random() -> Result<Secret, PbxError> {
    Ok(Secret::new(hex(&random::random::<32>()?)))
}

/// Compares secrets; how long it takes does not depend on where they differ, nor on their lengths.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let (one, other) = (TokenHash::of(one), TokenHash::of(other));
    one.0.iter().zip(other.0).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_256_bits_and_differ() {
        let (one, other) = (random().expect("random"), random().expect("random"));
        assert_eq!(one.expose().len(), 64);
        assert!(!same(one.expose(), other.expose()) && same(one.expose(), one.expose()));
        assert!(!same("", "a") && same("", ""));
    }
}
