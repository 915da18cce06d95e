//! Work in the frequency domain: resampling, the telephone band, cross-correlation.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use crate::audio::{Pcm, resample_weighted};

/// The rate everything is compared at, Hz. Twice what the band needs, so that the delay is found
/// to a fraction of a sample.
pub(super) const RATE: u32 = 16_000;

/// Edges of the band: below, codecs shift the phase with their high-pass filters; above, a
/// narrowband codec carries nothing. (from, to) of each slope, Hz.
const LOW_EDGE: (f64, f64) = (150.0, 250.0);
const HIGH_EDGE: (f64, f64) = (3_400.0, 3_700.0);

/// The signal at [`RATE`], limited to the telephone band, without any delay added.
pub(super) fn telephone_band(pcm: &Pcm) -> Vec<f32> {
    resample_weighted(pcm, RATE, band_weight)
}

/// Dot products of `template` with `signal` at every offset where it lies inside:
/// `result[k] = Σ template[i] · signal[k + i]`.
pub(super) fn cross_correlation(planner: &mut RealFftPlanner<f32>, template: &[f32], signal: &[f32]) -> Vec<f32> {
    let Some(last) = signal.len().checked_sub(template.len()) else {
        return Vec::new();
    };
    // Circular, but the offsets that are kept never wrap.
    let length = signal.len().next_power_of_two().max(2);
    let forward = planner.plan_fft_forward(length);
    let inverse = planner.plan_fft_inverse(length);
    let transform = |samples: &[f32]| -> Option<Vec<Complex<f32>>> {
        let mut time = forward.make_input_vec();
        time.get_mut(..samples.len())?.copy_from_slice(samples);
        let mut spectrum = forward.make_output_vec();
        forward.process(&mut time, &mut spectrum).ok()?;
        Some(spectrum)
    };
    let (Some(t), Some(s)) = (transform(template), transform(signal)) else {
        return Vec::new();
    };
    let mut product: Vec<_> = t.iter().zip(&s).map(|(t, s)| t.conj() * s).collect();
    // Rounding leaves a trace of an imaginary part where a real signal has none.
    for end in [0, product.len() - 1] {
        if let Some(bin) = product.get_mut(end) {
            bin.im = 0.0;
        }
    }
    let mut out = inverse.make_output_vec();
    if inverse.process(&mut product, &mut out).is_err() {
        return Vec::new();
    }
    out.truncate(last + 1);
    let scale = 1.0 / length as f32;
    out.iter_mut().for_each(|v| *v *= scale);
    out
}

fn band_weight(hertz: f64) -> f64 {
    let slope = |(from, to): (f64, f64)| ((hertz - from) / (to - from)).clamp(0.0, 1.0);
    let smooth = |x: f64| 0.5 - 0.5 * (std::f64::consts::PI * x).cos();
    smooth(slope(LOW_EDGE)) * (1.0 - smooth(slope(HIGH_EDGE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, millis: usize) -> Pcm {
        let samples = (0..rate as usize * millis / 1000)
            .map(|i| (i as f64 * hertz * std::f64::consts::TAU / f64::from(rate)).sin() as f32)
            .collect();
        Pcm::new(rate, samples)
    }

    #[test]
    fn tones_in_the_band_keep_their_level_at_any_rate() {
        for rate in [8_000, 11_025, 16_000, 44_100, 48_000] {
            let out = telephone_band(&tone(rate, 1_000.0, 1_000));
            assert_eq!(out.len(), 16_000, "{rate}");
            let level = Pcm::new(RATE, out).part(100.0, 900.0).level_dbfs();
            assert!((level + 3.01).abs() < 0.1, "{rate}: {level}");
        }
    }

    #[test]
    fn tones_outside_the_band_vanish() {
        for hertz in [50.0, 100.0, 5_000.0] {
            let out = telephone_band(&tone(16_000, hertz, 1_000));
            let level = Pcm::new(RATE, out).part(100.0, 900.0).level_dbfs();
            assert!(level < -50.0, "{hertz}: {level}");
        }
    }

    #[test]
    fn resampling_adds_no_delay() {
        let at_16k = telephone_band(&tone(16_000, 700.0, 500));
        let at_48k = telephone_band(&tone(48_000, 700.0, 500));
        let inner = 1_000..7_000;
        for i in inner {
            assert!((at_16k[i] - at_48k[i]).abs() < 0.01, "{i}");
        }
    }

    #[test]
    fn cross_correlation_equals_the_definition() {
        let template = [1.0, -2.0, 0.5];
        let signal = [0.0, 1.0, 2.0, -1.0, 0.5, 3.0, 0.25];
        let fast = cross_correlation(&mut RealFftPlanner::new(), &template, &signal);
        assert_eq!(fast.len(), 5);
        for (k, value) in fast.iter().enumerate() {
            let exact: f32 = template.iter().zip(&signal[k..]).map(|(a, b)| a * b).sum();
            assert!((value - exact).abs() < 1e-4, "{k}: {value} {exact}");
        }
    }

    #[test]
    fn a_template_longer_than_the_signal_fits_nowhere() {
        assert!(cross_correlation(&mut RealFftPlanner::new(), &[1.0; 9], &[1.0; 8]).is_empty());
    }
}
