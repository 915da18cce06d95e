//! G.711 (ITU-T G.711): one byte a sample, µ-law or A-law, with a concealment of our own.

/// Encodes a sample to µ-law.
fn ulaw_encode(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    const CLIP: i32 = 32_635;
    let sample = i32::from(sample);
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.abs().min(CLIP) + BIAS;
    // The segment is the position of the highest bit above bit 7.
    let segment = (24 - (magnitude as u32).leading_zeros()) as i32;
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) | mantissa) as u8
}

fn ulaw_decode(byte: u8) -> i16 {
    let byte = i32::from(!byte);
    let magnitude = ((((byte & 0x0f) << 3) + 0x84) << ((byte >> 4) & 7)) - 0x84;
    (if byte & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

/// Encodes a sample to A-law.
fn alaw_encode(sample: i16) -> u8 {
    let sample = i32::from(sample) >> 3;
    // One's complement, as the standard's tables have it.
    let (sign, magnitude) = if sample >= 0 { (0x80, sample) } else { (0, !sample) };
    let code = if magnitude < 32 {
        magnitude >> 1
    } else {
        let segment = (27 - (magnitude as u32).leading_zeros()) as i32;
        (segment << 4) | ((magnitude >> segment) & 0x0f)
    };
    ((sign | code) ^ 0x55) as u8
}

fn alaw_decode(byte: u8) -> i16 {
    let byte = i32::from(byte ^ 0x55);
    let segment = (byte >> 4) & 7;
    let mantissa = ((byte & 0x0f) << 4) + 8;
    let magnitude = if segment == 0 { mantissa } else { (mantissa + 0x100) << (segment - 1) };
    (if byte & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

/// Which of the two laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Law {
    Mu,
    A,
}

impl Law {
    pub(super) fn encode(self, samples: &[i16], out: &mut Vec<u8>) {
        match self {
            Self::Mu => out.extend(samples.iter().map(|&s| ulaw_encode(s))),
            Self::A => out.extend(samples.iter().map(|&s| alaw_encode(s))),
        }
    }

    pub(crate) fn decode(self, bytes: &[u8], out: &mut Vec<i16>) {
        match self {
            Self::Mu => out.extend(bytes.iter().map(|&b| ulaw_decode(b))),
            Self::A => out.extend(bytes.iter().map(|&b| alaw_decode(b))),
        }
    }
}

/// The following are samples at 8 kHz; at 16 kHz there are twice as many. Longest pitch period looked for: 66 Hz.
const MAX_PERIOD: usize = 120;
/// Shortest: 200 Hz keeps octave errors rare; a multiple of the period does as well.
const MIN_PERIOD: usize = 40;
/// Samples compared when looking for the period.
const COMPARED: usize = 160;
/// Silence after this many samples of concealment: 60 ms.
const FADE: usize = 480;

/// Conceals lost packets by repeating the last pitch period while fading (in the way of G.711 Appendix I).
#[derive(Debug)]
pub(crate) struct Concealment {
    history: Vec<i16>,
    /// Samples for each that there are at 8 kHz.
    scale: usize,
    /// Samples made up since the last good packet.
    made_up: usize,
    period: usize,
}

impl Concealment {
    /// For sound at 8 or 16 kHz.
    pub(super) fn new(rate: usize) -> Self {
        let scale = (rate / 8_000).max(1);
        Self { history: vec![0; (MAX_PERIOD + COMPARED) * scale], scale, made_up: 0, period: MAX_PERIOD * scale }
    }

    /// Remembers what was decoded, and after a loss blends it with what the concealment would have gone on with.
    pub(super) fn good(&mut self, samples: &mut [i16]) {
        if self.made_up > 0 {
            let blend = samples.len().min(40 * self.scale);
            for (index, sample) in samples.iter_mut().take(blend).enumerate() {
                let old = i32::from(self.next());
                *sample = ((old * (blend - index) as i32 + i32::from(*sample) * index as i32) / blend as i32) as i16;
            }
        }
        self.made_up = 0;
        let keep = samples.len().min(self.history.len());
        self.history.copy_within(keep.., 0);
        let start = self.history.len() - keep;
        if let (Some(to), Some(from)) = (self.history.get_mut(start..), samples.get(samples.len() - keep..)) {
            to.copy_from_slice(from);
        }
    }

    pub(super) fn lost(&mut self, samples: usize, out: &mut Vec<i16>) {
        if self.made_up == 0 {
            self.period = self.pitch();
        }
        for _ in 0..samples {
            let sample = self.next();
            out.push(sample);
        }
    }

    fn next(&mut self) -> i16 {
        let back = self.period - self.made_up % self.period;
        let sample = self.history.get(self.history.len() - back).copied().unwrap_or(0);
        let fade = FADE * self.scale;
        let gain = fade.saturating_sub(self.made_up) as i32;
        self.made_up += 1;
        (i32::from(sample) * gain / fade as i32) as i16
    }

    /// The lag at which the last samples resemble those before them most.
    fn pitch(&self) -> usize {
        let longest = MAX_PERIOD * self.scale;
        let recent = self.history.get(longest..).unwrap_or(&[]);
        let score = |period: usize| {
            let earlier = self.history.get(longest - period..).unwrap_or(&[]);
            let (mut cross, mut energy) = (0f32, 1f32);
            for (&a, &b) in recent.iter().zip(earlier) {
                cross += f32::from(a) * f32::from(b);
                energy += f32::from(b) * f32::from(b);
            }
            cross / energy.sqrt()
        };
        (MIN_PERIOD * self.scale..=longest)
            .map(|period| (period, score(period)))
            .fold((longest, f32::MIN), |best, this| if this.1 > best.1 { this } else { best })
            .0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_of_the_standard() {
        assert_eq!((ulaw_encode(0), ulaw_encode(32_767), ulaw_encode(-32_768)), (0xff, 0x80, 0x00));
        assert_eq!((alaw_encode(0), alaw_encode(32_767), alaw_encode(-32_768)), (0xd5, 0xaa, 0x2a));
        assert_eq!((ulaw_decode(0x80), ulaw_decode(0x00), ulaw_decode(0xff)), (32_124, -32_124, 0));
        assert_eq!((alaw_decode(0xaa), alaw_decode(0x2a), alaw_decode(0xd5)), (32_256, -32_256, 8));
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for byte in 0..=255u8 {
            // µ-law has two zeros; both decode to 0.
            let back = ulaw_encode(ulaw_decode(byte));
            assert!(back == byte || (byte == 0x7f && back == 0xff), "µ-law {byte:#x} became {back:#x}");
            assert_eq!(alaw_encode(alaw_decode(byte)), byte, "A-law {byte:#x}");
        }
    }

    #[test]
    fn quantisation_error_is_that_of_13_bits_companded() {
        for sample in (-32_000..32_000).step_by(37) {
            for decoded in [ulaw_decode(ulaw_encode(sample)), alaw_decode(alaw_encode(sample))] {
                let allowed = 16 + i32::from(sample).abs() / 32;
                assert!((i32::from(decoded) - i32::from(sample)).abs() <= allowed, "{sample} became {decoded}");
            }
        }
    }

    #[test]
    fn a_lost_packet_of_a_tone_is_hardly_missed_and_a_long_loss_fades_to_silence() {
        let tone: Vec<i16> = (0..800)
            .map(|n| (8_000.0 * (std::f64::consts::TAU * 100.0 * f64::from(n) / 8_000.0).sin()) as i16)
            .collect();
        let mut concealment = Concealment::new(8_000);
        concealment.good(&mut tone[..480].to_vec());
        let mut made_up = Vec::new();
        concealment.lost(160, &mut made_up);
        let (mut cross, mut a, mut b) = (0.0, 0.0, 0.0);
        for (&x, &y) in made_up.iter().zip(&tone[480..]) {
            cross += f64::from(x) * f64::from(y);
            a += f64::from(x).powi(2);
            b += f64::from(y).powi(2);
        }
        assert!(cross / (a * b).sqrt() > 0.95, "correlation {}", cross / (a * b).sqrt());
        concealment.lost(640, &mut made_up);
        assert!(made_up[600..].iter().all(|&s| s == 0));
    }
}
