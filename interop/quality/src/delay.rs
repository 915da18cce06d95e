//! By how much what is heard is later than what was said, from the sound itself.

use realfft::RealFftPlanner;

use crate::run::NARROW;

/// Compared at once: 2 s.
const PIECE: usize = 2 * NARROW as usize;
/// Looked for up to so late: 1 s.
const RANGE: usize = NARROW as usize;
/// Below this correlation a piece says nothing: it was lost, or nothing was said.
const CLEAR: f64 = 0.4;

/// Mean over the pieces, ms; both at 8 kHz. The sender's clock is faster by `drift`, parts per million.
pub(crate) fn mean(said: &[i16], heard: &[i16], drift: f64) -> Option<f64> {
    let mut planner = RealFftPlanner::<f64>::new();
    let size = (2 * PIECE + RANGE).next_power_of_two();
    let (forward, back) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let spectrum = |samples: &[i16]| {
        let mut input = vec![0.0; size];
        input.iter_mut().zip(samples).for_each(|(slot, &sample)| *slot = f64::from(sample));
        let mut output = forward.make_output_vec();
        forward.process(&mut input, &mut output).expect("the right sizes");
        output
    };
    let energy = |samples: &[i16]| samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
    let mut delays = Vec::new();
    for start in (0..said.len().saturating_sub(PIECE)).step_by(PIECE) {
        // When the sender's clock says `start`, ours says this.
        let moved = (start as f64 / (1.0 + drift / 1e6)).round();
        let piece = &said[start..start + PIECE];
        let Some(window) = heard.get(moved as usize..(moved as usize + PIECE + RANGE).min(heard.len())) else { break };
        let (a, b) = (spectrum(piece), spectrum(window));
        let mut product: Vec<_> = a.iter().zip(&b).map(|(a, b)| b * a.conj()).collect();
        let mut correlation = back.make_output_vec();
        // The ends have no imaginary part but for rounding, which the transform refuses.
        for end in [0, product.len() - 1] {
            product[end].im = 0.0;
        }
        back.process(&mut product, &mut correlation).expect("the right sizes");
        let best = (0..RANGE).max_by(|&x, &y| correlation[x].total_cmp(&correlation[y])).unwrap_or(0);
        let matched = window.get(best..(best + PIECE).min(window.len())).unwrap_or_default();
        let clear = correlation[best] / size as f64 / (energy(piece) * energy(matched)).sqrt().max(1.0);
        if clear > CLEAR {
            delays.push(best as f64 * 1_000.0 / f64::from(NARROW) + (moved - start as f64 / (1.0 + drift / 1e6)) / 8.0);
        }
    }
    (!delays.is_empty()).then(|| delays.iter().sum::<f64>() / delays.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_delay_and_its_mean() {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 17) as i16 - 16_384
        };
        let said: Vec<i16> = (0..PIECE * 5).map(|_| noise()).collect();
        let shifted = |by: usize| std::iter::repeat_n(0, by).chain(said.iter().copied()).collect::<Vec<i16>>();
        assert_eq!(mean(&said, &shifted(400), 0.0), Some(50.0));
        // The second half comes 20 ms later.
        let mut late = shifted(400);
        late.splice(PIECE * 2 + 400..PIECE * 2 + 400, std::iter::repeat_n(0, 160));
        assert_eq!(mean(&said, &late, 0.0), Some(60.0));
        assert_eq!(mean(&said, &vec![0; said.len()], 0.0), None);
    }
}
