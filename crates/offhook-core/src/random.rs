//! Random choices from the caller's seed.

use offhook_sip::ChaCha;

/// ChaCha20 with the caller's seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(ChaCha);

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha::new(seed, 20))
    }

    /// A seed for another generator.
    pub(crate) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for bytes in seed.as_chunks_mut::<4>().0 {
            *bytes = self.0.next_u32().to_le_bytes();
        }
        seed
    }

    /// `len` characters of a–z and 0–9.
    pub(crate) fn token(&mut self, len: usize) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        (0..len).map(|_| char::from(ALPHABET[(self.0.next_u32() % 32) as usize])).collect()
    }

    /// `ms` ± 20 %.
    pub(crate) fn jitter(&mut self, ms: u64) -> u64 {
        let fifth = ms / 5;
        ms - fifth + self.0.next_u64() % (2 * fifth + 1)
    }
}
