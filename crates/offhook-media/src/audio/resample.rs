//! Sample-rate conversion between any two rates of 4–192 kHz.
//!
//! Windowed-sinc interpolation. Two rates in use have a small ratio (48 to 8 kHz: 6 to 1, 44.1 to 48 kHz: 147 to 160) and thus
//! few positions of an output sample between two input samples: each has its row of taps. For rates with more
//! positions, rows are interpolated. The cut-off follows the lower of the two rates, so that nothing aliases. State is
//! kept between calls: a stream may be handed over in pieces of any size and the seams are not audible.

use std::f64::consts::PI;
use std::sync::Arc;

use crate::error::MediaError;

/// Zero crossings of the sinc on each side, at the lower rate.
const ZERO_CROSSINGS: usize = 12;
/// Most phases between two input samples that get rows of their own.
const MAX_EXACT_PHASES: u32 = 640;
/// Phases of a ratio that has more of them; between these is interpolated.
const PHASES: u32 = 128;
/// Kaiser window parameter: about 80 dB of stop-band attenuation.
const KAISER_BETA: f64 = 7.8;

/// Converts a stream of mono samples from one rate to another.
#[derive(Debug, Clone)]
pub struct Resampler {
    from: u32,
    to: u32,
    /// Rows of taps, one per phase and one more.
    table: Arc<[f32]>,
    phases: u32,
    taps: usize,
    /// Input not yet passed by, preceded by the `taps` before it.
    history: Vec<f32>,
    /// Position of the next output in `history`, in input samples × `to` × `scale`.
    position: u64,
    /// From one output to the next, in the same unit.
    step: u64,
    /// 1, or a million where the ratio is [adjusted](Self::adjustable).
    scale: u64,
}

impl Resampler {
    /// Converter between two rates.
    ///
    /// # Errors
    /// [`MediaError::SampleRate`] if one is outside 4000–192000 Hz.
    pub fn new(from: u32, to: u32) -> Result<Self, MediaError> {
        for rate in [from, to] {
            if !(4_000..=192_000).contains(&rate) {
                return Err(MediaError::SampleRate(rate));
            }
        }
        let exact = to / gcd(from, to);
        Ok(Self::with(from, to, if exact <= MAX_EXACT_PHASES { exact } else { PHASES }, 1))
    }

    /// Converter whose ratio follows two clocks that differ a little, by [`set_trim`](Self::set_trim).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "devices")]
    pub(crate) fn adjustable(from: u32, to: u32) -> Result<Self, MediaError> {
        Self::new(from, to)?;
        Ok(Self::with(from, to, PHASES, 1_000_000))
    }

    fn with(from: u32, to: u32, phases: u32, scale: u64) -> Self {
        let (table, taps) = kernel(from, to, phases);
        let step = u64::from(from) * scale;
        let mut this = Self { from, to, table, phases, taps, history: Vec::new(), position: 0, step, scale };
        this.reset();
        this
    }

    /// Takes so many parts per million more input for the same output, ±2000.
    #[cfg(feature = "devices")]
    pub(crate) fn set_trim(&mut self, ppm: f64) {
        let parts = 1_000_000 + ppm.clamp(-2_000.0, 2_000.0).round() as i64;
        self.step = u64::from(self.from) * parts.unsigned_abs() * (self.scale / 1_000_000);
    }

    /// Rate of the input, Hz.
    pub fn from_rate(&self) -> u32 {
        self.from
    }

    /// Rate of the output, Hz.
    pub fn to_rate(&self) -> u32 {
        self.to
    }

    /// Forgets what was fed: the next sample begins a new stream.
    pub fn reset(&mut self) {
        self.history.clear();
        // Half a kernel of silence before the first sample, so that the first output falls on it.
        self.history.resize(self.taps / 2 - 1, 0.0);
        self.position = 0;
    }

    /// The stream ends: appends what is still to come of it. The next sample begins a new one.
    pub fn finish(&mut self, output: &mut Vec<i16>) {
        if self.from != self.to || self.scale != 1 {
            self.process(&vec![0; self.taps / 2], output);
        }
        self.reset();
    }

    /// Converts `input`, appending to `output` all samples that are now determined.
    pub fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        if self.from == self.to && self.scale == 1 {
            output.extend_from_slice(input);
            return;
        }
        self.history.extend(input.iter().map(|&s| f32::from(s)));
        let to = u64::from(self.to) * self.scale;
        loop {
            let start = (self.position / to) as usize;
            let Some(window) = self.history.get(start..start + self.taps) else {
                break;
            };
            output.push(self.convolve(window, self.position % to));
            self.position += self.step;
        }
        let passed = ((self.position / to) as usize).min(self.history.len());
        self.history.drain(..passed);
        self.position -= passed as u64 * to;
    }

    /// The sample `offset`/(`to` × `scale`) input samples behind the middle of the window.
    fn convolve(&self, window: &[f32], offset: u64) -> i16 {
        let row = |i: usize| self.table.get(i * self.taps..(i + 1) * self.taps).unwrap_or(&[]);
        let scaled = offset * u64::from(self.phases);
        let to = u64::from(self.to) * self.scale;
        let (index, rest) = ((scaled / to) as usize, scaled % to);
        let mut sum = dot(window, row(index));
        if rest != 0 {
            sum += (dot(window, row(index + 1)) - sum) * (rest as f32 / to as f32);
        }
        // To the nearest; the cast saturates.
        (sum + 0.5_f32.copysign(sum)) as i16
    }
}

/// Converts the next piece of a stream whose rate `from` may be another than that of the piece before, for those who keep it at `to`. Appends nothing
/// if one is out of range.
pub(crate) fn convert(converter: &mut Option<Resampler>, (from, to): (u32, u32), samples: &[i16], out: &mut Vec<i16>) {
    if converter.as_ref().is_none_or(|c| c.from_rate() != from) {
        // What the one before still holds belongs to the stream, which would be shorter from now on without it.
        if let Some(mut before) = converter.take() {
            before.finish(out);
        }
        *converter = Resampler::new(from, to).ok();
    }
    if let Some(converter) = converter {
        converter.process(samples, out);
    }
}

/// Sum of the products, in lanes, so that the compiler may take several at once.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut lanes = [0.0_f32; LANES];
    for (a, b) in a.by_ref().zip(b.by_ref()) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Table of `phases + 1` rows of taps, each row normalised to unit gain at 0 Hz.
fn kernel(from: u32, to: u32, phases: u32) -> (Arc<[f32]>, usize) {
    // A little below the lower Nyquist frequency: the transition band of the window lies under it.
    let cutoff = 0.94 * (f64::from(to) / f64::from(from)).min(1.0);
    let half = (ZERO_CROSSINGS as f64 / cutoff).ceil() as usize;
    let taps = 2 * half;
    let mut table = Vec::with_capacity((phases as usize + 1) * taps);
    for phase in 0..=phases {
        let offset = f64::from(phase) / f64::from(phases);
        let row: Vec<f64> = (0..taps)
            .map(|tap| {
                let x = tap as f64 - (half as f64 - 1.0) - offset;
                sinc(x * cutoff) * kaiser(x / half as f64)
            })
            .collect();
        let gain: f64 = row.iter().sum();
        table.extend(row.iter().map(|value| (value / gain) as f32));
    }
    (table.into(), taps)
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 {
        return 0.0;
    }
    bessel_i0(KAISER_BETA * (1.0 - x * x).sqrt()) / bessel_i0(KAISER_BETA)
}

fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| (10_000.0 * (2.0 * PI * hz * n as f64 / f64::from(rate)).sin()) as i16).collect()
    }

    fn rms(samples: &[i16]) -> f64 {
        (samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
    }

    #[test]
    fn a_tone_keeps_its_frequency_and_level_between_any_rates() {
        let rates =
            [(8_000, 48_000), (48_000, 8_000), (44_100, 48_000), (16_000, 8_000), (22_050, 8_000), (11_027, 47_999)];
        for (from, to) in rates {
            let mut resampler = Resampler::new(from, to).unwrap();
            let mut output = Vec::new();
            for piece in tone(1_000.0, from, from as usize).chunks(317) {
                resampler.process(piece, &mut output);
            }
            let expected = tone(1_000.0, to, to as usize);
            assert!((output.len() as i64 - i64::from(to)).abs() < i64::from(to) / 50, "{from}->{to}: {}", output.len());
            // The kernel delays by a whole number of input samples at most; find it.
            let best = (0..to as usize / 100)
                .map(|lag| {
                    let n = 4_000.min(output.len() - lag);
                    output[lag + 500..n]
                        .iter()
                        .zip(&expected[500..])
                        .map(|(&a, &b)| f64::from(a) * f64::from(b))
                        .sum::<f64>()
                        / (rms(&output[lag + 500..n]) * rms(&expected[500..n - lag]) * (n - lag - 500) as f64)
                })
                .fold(f64::MIN, f64::max);
            assert!(best > 0.99, "{from}->{to}: correlation {best}");
            let level = rms(&output[1_000..]) / rms(&expected[1_000..]);
            assert!((level - 1.0).abs() < 0.02, "{from}->{to}: level {level}");
        }
    }

    #[test]
    fn a_stream_that_is_finished_is_as_long_as_it_was_and_its_end_is_there() {
        for (from, to) in [(8_000, 48_000), (48_000, 8_000), (48_000, 48_000), (12_000, 16_000)] {
            let mut resampler = Resampler::new(from, to).unwrap();
            for _ in 0..2 {
                let mut output = Vec::new();
                for piece in tone(440.0, from, from as usize / 10).chunks(97) {
                    resampler.process(piece, &mut output);
                }
                resampler.finish(&mut output);
                assert_eq!(output.len(), to as usize / 10, "{from}->{to}");
                let end = output.len() - to as usize / 100;
                assert!(rms(&output[end..]) > 5_000.0, "{from}->{to}");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_removed() {
        let mut resampler = Resampler::new(48_000, 8_000).unwrap();
        let mut output = Vec::new();
        resampler.process(&tone(6_000.0, 48_000, 48_000), &mut output);
        assert!(rms(&output[200..]) < 10.0, "alias at {}", rms(&output[200..]));
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        assert_eq!(Resampler::new(3_999, 8_000).unwrap_err(), MediaError::SampleRate(3_999));
        assert_eq!(Resampler::new(8_000, 192_001).unwrap_err(), MediaError::SampleRate(192_001));
    }
}
