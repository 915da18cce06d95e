//! MD5 (RFC 1321) and SHA-256 (FIPS 180-4), for digests.
//!
//! As loops over their tables: the usual crates write every round out, 8 kB of a page's module for three hashes at each
//! registration. Both fill the last block the same way, but for the order of the bytes of its length.

/// MD5 of these bytes.
pub(super) fn md5(input: &[u8]) -> [u8; 16] {
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in blocks(input, u64::to_le_bytes) {
        let words = words(&block, u32::from_le_bytes);
        let [mut a, mut b, mut c, mut d] = state;
        for (n, constant) in SINES.into_iter().enumerate() {
            let (mix, word) = match n / 16 {
                0 => (b & c | !b & d, n),
                1 => (d & b | !d & c, 5 * n + 1),
                2 => (b ^ c ^ d, 3 * n + 5),
                _ => (c ^ (b | !d), 7 * n),
            };
            let sum = a.wrapping_add(mix).wrapping_add(constant).wrapping_add(words[word % 16]);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(TURNS[n / 16][n % 4]));
        }
        add(&mut state, [a, b, c, d]);
    }
    bytes(state.map(u32::to_le_bytes))
}

/// SHA-256 of these bytes.
pub(super) fn sha256(input: &[u8]) -> [u8; 32] {
    let mut state: [u32; 8] =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
    for block in blocks(input, u64::to_be_bytes) {
        let mut words = words(&block, u32::from_be_bytes);
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
        for (n, constant) in CUBE_ROOTS.into_iter().enumerate() {
            if n >= 16 {
                let (early, late) = (words[(n + 1) % 16], words[(n + 14) % 16]);
                let early = early.rotate_right(7) ^ early.rotate_right(18) ^ early >> 3;
                let late = late.rotate_right(17) ^ late.rotate_right(19) ^ late >> 10;
                words[n % 16] = words[n % 16].wrapping_add(early).wrapping_add(words[(n + 9) % 16]).wrapping_add(late);
            }
            let turned = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let first =
                h.wrapping_add(turned).wrapping_add(e & f ^ !e & g).wrapping_add(constant).wrapping_add(words[n % 16]);
            let turned = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let second = turned.wrapping_add(a & b ^ a & c ^ b & c);
            (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(first), c, b, a, first.wrapping_add(second));
        }
        add(&mut state, [a, b, c, d, e, f, g, h]);
    }
    bytes(state.map(u32::to_be_bytes))
}

/// The input in blocks: behind it a one bit, zeros, and in the last 8 bytes its length in bits.
fn blocks(input: &[u8], length: fn(u64) -> [u8; 8]) -> Vec<[u8; 64]> {
    let mut padded = input.to_vec();
    padded.push(0x80);
    padded.resize((input.len() + 9).next_multiple_of(64) - 8, 0);
    padded.extend_from_slice(&length(input.len() as u64 * 8));
    padded.as_chunks().0.to_vec()
}

fn words(block: &[u8; 64], word: fn([u8; 4]) -> u32) -> [u32; 16] {
    let bytes = block.as_chunks().0;
    std::array::from_fn(|n| word(bytes[n]))
}

fn add<const N: usize>(state: &mut [u32; N], block: [u32; N]) {
    for (word, more) in state.iter_mut().zip(block) {
        *word = word.wrapping_add(more);
    }
}

fn bytes<const N: usize, const M: usize>(words: [[u8; 4]; N]) -> [u8; M] {
    std::array::from_fn(|n| words[n / 4][n % 4])
}

/// How far each round turns, by quarters (RFC 1321 §3.4).
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The first 32 bits of |sin n|, n from 1.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// The first 32 bits of the fractions of the cube roots of the first 64 primes.
#[rustfmt::skip]
const CUBE_ROOTS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};
    use proptest::prelude::*;
    use sha2::Sha256;

    use super::*;

    #[test]
    fn the_examples_of_the_standards() {
        let hex = crate::auth::digest::hex;
        assert_eq!(hex(&md5(b"abc")), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex(&md5(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    proptest! {
        #[test]
        fn the_hashes_are_those_of_the_usual_crates(input in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(&md5(&input)[..], &Md5::digest(&input)[..]);
            prop_assert_eq!(&sha256(&input)[..], &Sha256::digest(&input)[..]);
        }
    }
}
