//! G.722 (ITU-T, 09/2012) at 64 kbit/s: two bands of 8 kHz each, the lower with 6 bits a sample, the higher with 2, both by an
//! adaptive quantiser around a predictor of two poles and six zeros. Names in quotes are the Recommendation's.
//!
//! RTP counts it at 8 kHz although it is sampled at 16 (RFC 3551 §4.5.2): an octet is one tick.

/// Decision levels of the lower quantiser (table 4, "q6"); beyond the last one the code stays at its end.
const LOW_LEVELS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1_023, 1_121, 1_219, 1_339,
    1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
];
/// What the 4 upper bits of the lower code stand for, and all 6 of them ("qm4", "qm6").
const LOW_4: [i32; 16] =
    [0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584, 1_200, 0];
const LOW_6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9_360,
    -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776, -2_400, -2_032,
    -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576,
    7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040,
    728, 432, 136, -432, -136,
];
/// The same of the higher code ("qm2").
const HIGH_2: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];
/// The level above which the higher code takes its outer value.
const HIGH_LEVEL: i32 = 564;
/// How the step grows with the code ("wl" by "rl42", "wh" by "rh2").
const LOW_GROWTH: [i32; 16] = [-60, 3_042, 1_198, 538, 334, 172, 58, -30, 3_042, 1_198, 538, 334, 172, 58, -30, -60];
const HIGH_GROWTH: [i32; 4] = [798, -214, 798, -214];
/// 2048 · 2^(n/32) ("ilb").
const POWERS: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656, 2_714, 2_774, 2_834,
    2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520, 3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];
/// Every second coefficient of the filter that splits and joins the bands (table 11); the others are these backwards.
const FILTER: [i32; 12] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];

/// Encodes.
#[derive(Debug)]
pub(crate) struct Encoder {
    bands: [Band; 2],
    history: [i32; 24],
}

/// Decodes.
#[derive(Debug)]
pub(crate) struct Decoder {
    bands: [Band; 2],
    history: [i32; 24],
}

impl Default for Encoder {
    fn default() -> Self {
        Self { bands: [Band::low(), Band::high()], history: [0; 24] }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self { bands: [Band::low(), Band::high()], history: [0; 24] }
    }
}

impl Encoder {
    /// Appends an octet for every two samples.
    pub(super) fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        for pair in samples.chunks_exact(2) {
            let [first, second] = pair else { continue };
            let (odd, even) = filtered(&mut self.history, i32::from(*first), i32::from(*second));
            let [low, high] = &mut self.bands;
            let (wanted_low, wanted_high) = ((even + odd) >> 14, (even - odd) >> 14);
            let low_code = low.quantise_low(wanted_low);
            let high_code = high.quantise_high(wanted_high);
            low.take_low(low_code);
            high.take_high(high_code);
            out.push(high_code << 6 | low_code);
        }
    }
}

impl Decoder {
    /// Appends two samples for every octet.
    pub(super) fn decode(&mut self, octets: &[u8], out: &mut Vec<i16>) {
        for &octet in octets {
            let [low, high] = &mut self.bands;
            let (low_code, high_code) = (octet & 0x3f, octet >> 6);
            let low_sample = limited(low.estimate + scaled(low.step, at(&LOW_6, low_code)));
            let high_sample = limited(high.estimate + scaled(high.step, at(&HIGH_2, high_code)));
            low.take_low(low_code);
            high.take_high(high_code);
            let (odd, even) = filtered(&mut self.history, low_sample + high_sample, low_sample - high_sample);
            out.push(saturated(even >> 11) as i16);
            out.push(saturated(odd >> 11) as i16);
        }
    }
}

/// One of the bands, on either side: what is expected next, and how big its quantiser's steps are.
#[derive(Debug)]
struct Band {
    /// Expected of the next sample ("s"), and the part of it that the zeros make ("sz").
    estimate: i32,
    of_zeros: i32,
    /// Step of the quantiser ("det") and its logarithm ("nb").
    step: i32,
    log_step: i32,
    /// Coefficients of the poles ("a") and zeros ("b").
    poles: [i32; 2],
    zeros: [i32; 6],
    /// Quantised differences ("d"), the latest first.
    differences: [i32; 6],
    /// Reconstructed samples ("r"), and those without the poles' part ("p"), the latest first.
    samples: [i32; 2],
    partial: [i32; 2],
}

impl Band {
    fn low() -> Self {
        Self::new(32)
    }

    fn high() -> Self {
        Self::new(8)
    }

    fn new(step: i32) -> Self {
        Self {
            estimate: 0,
            of_zeros: 0,
            step,
            log_step: 0,
            poles: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
            samples: [0; 2],
            partial: [0; 2],
        }
    }

    fn quantise_low(&self, wanted: i32) -> u8 {
        let difference = saturated(wanted - self.estimate);
        let size = magnitude(difference);
        let above = LOW_LEVELS.iter().take_while(|level| size >= (**level * self.step) >> 12).count() as u8;
        match (difference < 0, above) {
            // The two smallest negative steps stand apart, so that no code is all zeros (table 5).
            (true, 0 | 1) => 63 - above,
            (true, _) => 33 - above,
            (false, _) => 61 - above,
        }
    }

    fn quantise_high(&self, wanted: i32) -> u8 {
        let difference = saturated(wanted - self.estimate);
        let outer = magnitude(difference) >= (HIGH_LEVEL * self.step) >> 12;
        match (difference < 0, outer) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        }
    }

    fn take_low(&mut self, code: u8) {
        let code = code >> 2;
        let difference = scaled(self.step, at(&LOW_4, code));
        self.log_step = (((self.log_step * 127) >> 7) + at(&LOW_GROWTH, code)).clamp(0, 18_432);
        self.set_step(8);
        self.predict(difference);
    }

    fn take_high(&mut self, code: u8) {
        let difference = scaled(self.step, at(&HIGH_2, code));
        self.log_step = (((self.log_step * 127) >> 7) + at(&HIGH_GROWTH, code)).clamp(0, 22_528);
        self.set_step(10);
        self.predict(difference);
    }

    fn set_step(&mut self, shift: i32) {
        let power = at(&POWERS, (self.log_step >> 6 & 31) as u8);
        let shift = shift - (self.log_step >> 11);
        self.step = if shift < 0 { power << -shift } else { power >> shift } << 2;
    }

    /// Adapts the predictor to a quantised difference, and predicts ("block 4").
    fn predict(&mut self, difference: i32) {
        let sample = saturated(self.estimate + difference);
        let partial = saturated(self.of_zeros + difference);
        let [first, second] = self.partial.map(|before| (before < 0) == (partial < 0));

        let [pole_1, pole_2] = self.poles;
        let leading = saturated(pole_1 << 2);
        let leading = if first { -leading } else { leading }.min(32_767);
        let towards = if second { 128 } else { -128 };
        let pole_2 = ((leading >> 7) + towards + scaled(pole_2, 32_512)).clamp(-12_288, 12_288);
        let limit = 15_360 - pole_2;
        let pole_1 = saturated(scaled(pole_1, 32_640) + if first { 192 } else { -192 }).clamp(-limit, limit);
        self.poles = [pole_1, pole_2];

        let gain = if difference == 0 { 0 } else { 128 };
        for (zero, before) in self.zeros.iter_mut().zip(self.differences) {
            let same = (before < 0) == (difference < 0);
            *zero = saturated(scaled(*zero, 32_640) + if same { gain } else { -gain });
        }

        self.differences.rotate_right(1);
        self.differences[0] = difference;
        self.samples = [sample, self.samples[0]];
        self.partial = [partial, self.partial[0]];

        let weighted = |(coefficient, value): (&i32, &i32)| scaled(*coefficient, saturated(value + value));
        let of_poles = saturated(self.poles.iter().zip(&self.samples).map(weighted).sum());
        self.of_zeros = saturated(self.zeros.iter().zip(&self.differences).map(weighted).sum());
        self.estimate = saturated(of_poles + self.of_zeros);
    }
}

/// Two more samples into the filter; what its two halves make of the last 24.
fn filtered(history: &mut [i32; 24], first: i32, second: i32) -> (i32, i32) {
    history.copy_within(2.., 0);
    history[22] = first;
    history[23] = second;
    let pairs = history.chunks_exact(2).zip(FILTER).zip(FILTER.iter().rev());
    pairs.fold((0, 0), |(odd, even), ((pair, forwards), backwards)| match pair {
        [a, b] => (odd + a * forwards, even + b * backwards),
        _ => (odd, even),
    })
}

/// A table's value of a code, which is in its range.
fn at<const N: usize>(table: &[i32; N], code: u8) -> i32 {
    table.get(usize::from(code)).copied().unwrap_or_default()
}

/// A product of two numbers of 16 bits with 15 behind the point.
fn scaled(a: i32, b: i32) -> i32 {
    (a * b) >> 15
}

/// The size of a difference as the quantisers count it: −1 is the smallest negative.
fn magnitude(difference: i32) -> i32 {
    if difference < 0 { !difference } else { difference }
}

fn saturated(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// The range of a band's sample.
fn limited(value: i32) -> i32 {
    value.clamp(-16_384, 16_383)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-32 as in zip.
    fn crc(bytes: impl IntoIterator<Item = u8>) -> u32 {
        !bytes.into_iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }

    fn through(samples: &[i16]) -> (Vec<u8>, Vec<i16>) {
        let (mut octets, mut back) = (Vec::new(), Vec::new());
        Encoder::default().encode(samples, &mut octets);
        Decoder::default().decode(&octets, &mut back);
        (octets, back)
    }

    fn tone(frequency: f64, level: f64) -> Vec<i16> {
        let sample = |n: i32| level * (std::f64::consts::TAU * frequency * f64::from(n) / 16_000.0).sin();
        (0..16_000).map(|n| sample(n) as i16).collect()
    }

    /// What comes back of a tone of full band, dB, and its noise below it, dB; after the predictor has settled.
    fn response(frequency: f64) -> (f64, f64) {
        let said = tone(frequency, 8_000.0);
        let heard = &through(&said).1[8_000..];
        let (mut sine, mut cosine, mut energy) = (0.0, 0.0, 0.0);
        for (n, &sample) in heard.iter().enumerate() {
            let phase = std::f64::consts::TAU * frequency * n as f64 / 16_000.0;
            sine += f64::from(sample) * phase.sin();
            cosine += f64::from(sample) * phase.cos();
            energy += f64::from(sample).powi(2);
        }
        let count = heard.len() as f64;
        let signal = 2.0 * (sine * sine + cosine * cosine) / count;
        (10.0 * (signal / count / (8_000.0f64.powi(2) / 2.0)).log10(), 10.0 * (signal / (energy - signal)).log10())
    }

    #[test]
    fn octets_and_samples_are_those_of_another_implementation() {
        // Noise that halves every 2000 samples, from all of 16 bits down to silence: every level, every limit. The sums are those
        // of libg722 (Python package G722 1.2.8) for the same.
        let mut state = 1u32;
        let noise: Vec<i16> = (0..32_000)
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 16) as i16) >> (n / 2_000)
            })
            .collect();
        let (octets, back) = through(&noise);
        assert_eq!((octets.len(), back.len()), (16_000, 32_000));
        assert_eq!(crc(octets), 0x554a_30e3);
        assert_eq!(crc(back.into_iter().flat_map(i16::to_le_bytes)), 0x3fcf_9e85);
    }

    #[test]
    fn the_band_is_50_to_7000_hz_and_the_noise_is_far_below_the_tone() {
        for frequency in [100.0, 300.0, 1_000.0, 2_000.0, 3_400.0, 5_000.0, 6_500.0] {
            let (level, noise) = response(frequency);
            assert!(level.abs() < 1.0, "{frequency} Hz comes back at {level} dB");
            assert!(
                noise > if frequency < 4_000.0 { 30.0 } else { 12.0 },
                "{frequency} Hz: {noise} dB above its noise"
            );
        }
    }

    #[test]
    fn silence_stays_silent_and_any_octets_can_be_decoded() {
        assert!(through(&[0; 3_200]).1.iter().all(|sample| sample.abs() <= 8));
        let mut back = Vec::new();
        for octet in 0..=255u8 {
            Decoder::default().decode(&[octet; 1_000], &mut back);
        }
        assert_eq!(back.len(), 512_000);
    }
}
