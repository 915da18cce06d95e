//! ChaCha as a generator of random numbers.
//!
//! Written out here because the usual crates compute four blocks at once, twice over for two kinds of generator: 9 kB of a
//! page's module for some tokens a minute. The numbers are theirs.

/// A stream of random numbers from a seed: the key stream of ChaCha (RFC 8439 §2.3 with 20 rounds), its block counter of
/// 64 bits and its nonce 0.
#[derive(Clone)]
pub struct ChaCha {
    key: [u32; 8],
    counter: u64,
    rounds: u8,
    block: [u32; 16],
    /// Words of the block given out.
    used: usize,
}

impl ChaCha {
    /// The generator with this seed. `rounds`: 8, 12 or 20.
    #[must_use]
    pub fn new(seed: [u8; 32], rounds: u8) -> Self {
        let mut key = [0; 8];
        for (word, bytes) in key.iter_mut().zip(seed.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Self { key, counter: 0, rounds, block: [0; 16], used: 16 }
    }

    /// The next number.
    pub fn next_u32(&mut self) -> u32 {
        if self.used >= self.block.len() {
            self.next_block();
        }
        let word = self.block[self.used];
        self.used += 1;
        word
    }

    /// The next number, of two words.
    pub fn next_u64(&mut self) -> u64 {
        let low = self.next_u32();
        u64::from(low) | u64::from(self.next_u32()) << 32
    }

    fn next_block(&mut self) {
        let mut start = [0; 16];
        start[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
        start[4..12].copy_from_slice(&self.key);
        start[12] = self.counter as u32;
        start[13] = (self.counter >> 32) as u32;
        let mut state = start;
        for _ in 0..self.rounds / 2 {
            for column in 0..4 {
                quarter_round(&mut state, [column, 4 + column, 8 + column, 12 + column]);
            }
            for diagonal in 0..4 {
                let along = |row: usize| 4 * row + (diagonal + row) % 4;
                quarter_round(&mut state, [along(0), along(1), along(2), along(3)]);
            }
        }
        for (word, start) in state.iter_mut().zip(start) {
            *word = word.wrapping_add(start);
        }
        self.block = state;
        self.counter = self.counter.wrapping_add(1);
        self.used = 0;
    }
}

/// Seed and state stay out of logs.
impl std::fmt::Debug for ChaCha {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChaCha")
    }
}

/// RFC 8439 §2.1.
fn quarter_round(state: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    for (x, y, z, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        state[x] = state[x].wrapping_add(state[y]);
        state[z] = (state[z] ^ state[x]).rotate_left(turn);
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha12Rng, ChaCha20Rng};
    use rand_core::{RngCore, SeedableRng};

    use super::*;

    #[test]
    fn the_first_block_of_rfc_8439_a_1() {
        let mut chacha = ChaCha::new([0; 32], 20);
        let words = [0xade0_b876, 0x903d_f1a0, 0xe56a_5d40, 0x28bd_8653, 0xb819_d2bd, 0x1aed_8da0, 0xccef_36a8];
        assert_eq!(words.map(|_| chacha.next_u32()), words);
    }

    #[test]
    fn the_numbers_are_those_of_rand_chacha() {
        let seed = std::array::from_fn(|n| n as u8 * 7);
        let (mut ours, mut theirs) = (ChaCha::new(seed, 12), ChaCha12Rng::from_seed(seed));
        assert!((0..500).all(|_| ours.next_u32() == theirs.next_u32()));
        let (mut ours, mut theirs) = (ChaCha::new(seed, 20), ChaCha20Rng::from_seed(seed));
        assert!((0..500).all(|n| {
            let odd = n % 7 == 0 && ours.next_u32() != theirs.next_u32();
            !odd && ours.next_u64() == theirs.next_u64()
        }));
    }
}
