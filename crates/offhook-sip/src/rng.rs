//! The agent's one source of randomness: ChaCha12 from the caller's seed.

use crate::chacha::ChaCha;

#[derive(Debug)]
pub(crate) struct Rng(ChaCha);

impl Rng {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha::new(seed, 12))
    }

    /// A random token of letters and digits carrying 5 bits each: 16 of them are 80 bits, enough that nobody guesses a
    /// tag, branch or nonce (RFC 3261 §19.3 asks for 32).
    pub(crate) fn token(&mut self, len: usize) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        (0..len).map(|_| char::from(ALPHABET[(self.0.next_u32() & 31) as usize])).collect()
    }

    /// From 0 to `below` − 1; 0 when `below` is 0.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        if below == 0 { 0 } else { self.0.next_u64() % below }
    }
}
