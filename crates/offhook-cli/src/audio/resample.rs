//! Any rate to any other.

use realfft::RealFftPlanner;

use super::Pcm;

/// The same audio at another rate, without any delay added. Frequencies that the new rate cannot carry are gone.
pub fn resample(pcm: &Pcm, rate: u32) -> Pcm {
    if pcm.rate() == rate {
        return pcm.clone();
    }
    // A slope instead of an edge: an edge rings.
    let limit = f64::from(rate.min(pcm.rate())) / 2.0;
    let weight = |hertz: f64| ((limit - hertz) / (limit * 0.05)).clamp(0.0, 1.0);
    Pcm::new(rate, resample_weighted(pcm, rate, weight))
}

/// Resamples, and multiplies each frequency (Hz) with its weight.
///
/// Done on the whole signal at once: the spectrum is cut or padded, which resamples between any two rates exactly.
pub(crate) fn resample_weighted(pcm: &Pcm, rate_out: u32, weight: impl Fn(f64) -> f64) -> Vec<f32> {
    let (rate, rate_out, samples) = (pcm.rate() as usize, rate_out as usize, pcm.samples());
    if rate == 0 || rate_out == 0 || samples.is_empty() {
        return Vec::new();
    }
    // A length that is a whole number of samples at both rates, and at least 50 ms of padding, so that the end does not
    // ring into the beginning.
    let unit = rate / gcd(rate, rate_out);
    let length_in = (samples.len() + rate / 20).div_ceil(unit) * unit;
    let length_out = length_in / unit * (rate_out / gcd(rate, rate_out));
    let keep = (samples.len() as u64 * rate_out as u64 / rate as u64) as usize;

    let mut planner = RealFftPlanner::<f32>::new();
    let forward = planner.plan_fft_forward(length_in);
    let inverse = planner.plan_fft_inverse(length_out);
    let mut time = forward.make_input_vec();
    if let Some(head) = time.get_mut(..samples.len()) {
        head.copy_from_slice(samples);
    }
    let mut spectrum = forward.make_output_vec();
    let mut kept = inverse.make_input_vec();
    let mut out = inverse.make_output_vec();
    if forward.process(&mut time, &mut spectrum).is_err() {
        return Vec::new();
    }
    let hertz_per_bin = rate as f64 / length_in as f64;
    for (bin, (to, from)) in kept.iter_mut().zip(&spectrum).enumerate() {
        *to = from * (weight(bin as f64 * hertz_per_bin) / length_in as f64) as f32;
    }
    // The first and last bin of a real signal have no imaginary part.
    if let Some(first) = kept.first_mut() {
        first.im = 0.0;
    }
    if let Some(last) = kept.last_mut() {
        last.im = 0.0;
    }
    if inverse.process(&mut kept, &mut out).is_err() {
        return Vec::new();
    }
    out.truncate(keep.max(1));
    out
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_level_length_and_phase() {
        let tone = |rate: u32| {
            let step = 1_000.0 * std::f64::consts::TAU / f64::from(rate);
            Pcm::new(rate, (0..rate).map(|i| (f64::from(i) * step).sin() as f32).collect())
        };
        for (from, to) in [(48_000, 16_000), (8_000, 16_000), (44_100, 8_000), (16_000, 16_000)] {
            let out = resample(&tone(from), to);
            let exact = tone(to);
            assert_eq!(out.samples().len(), to as usize);
            let inner = to as usize / 10..to as usize * 9 / 10;
            for i in inner {
                assert!((out.samples()[i] - exact.samples()[i]).abs() < 0.01, "{from} to {to}: {i}");
            }
        }
    }

    #[test]
    fn what_the_new_rate_cannot_carry_is_gone() {
        let step = 6_000.0 * std::f64::consts::TAU / 48_000.0;
        let tone = Pcm::new(48_000, (0..48_000).map(|i| (f64::from(i) * step).sin() as f32).collect());
        assert!(resample(&tone, 8_000).part(100.0, 900.0).level_dbfs() < -50.0);
    }
}
