//! A receiver of tones in the audio.

/// The tones in what was heard: where a frequency of each of Q.23's groups holds nearly all of the power for 40 ms, and
/// 20 ms of nothing of the kind between two. In front of each, what else was heard: `v` for voice.
pub(crate) fn detect(samples: &[i16], rate: u32) -> String {
    const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
    const HIGH: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
    const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
    let power = |block: &[i16], hz: f64| {
        // Goertzel's algorithm, as receivers do it.
        let coefficient = 2.0 * (std::f64::consts::TAU * hz / f64::from(rate)).cos();
        let (mut one, mut two) = (0.0, 0.0);
        for sample in block {
            (one, two) = (f64::from(*sample) + coefficient * one - two, one);
        }
        2.0 * (one * one + two * two - coefficient * one * two) / (block.len() as f64).powi(2)
    };
    let mut found = String::new();
    let (mut last, mut run) = (None, 0);
    for block in samples.chunks_exact(rate as usize / 50) {
        let total = block.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / block.len() as f64;
        let best = |group: [f64; 4]| {
            let powers = group.map(|hz| power(block, hz));
            let index = (0..4).max_by(|a, b| powers[*a].total_cmp(&powers[*b])).unwrap_or(0);
            (index, powers[index])
        };
        let ((row, low), (column, high)) = (best(LOW), best(HIGH));
        // Q.24: the levels differ by no more than 4 to 8 dB.
        let key = (total > 1e4 && low + high > 0.7 * total && low < 8.0 * high && high < 8.0 * low)
            .then(|| KEYS[row].as_bytes()[column] as char);
        let key = key.or((total > 1e4).then_some('v'));
        run = if key == last { run + 1 } else { 1 };
        last = key;
        if run == 2 {
            found.extend(key.filter(|key| *key != 'v' || !found.ends_with('v')));
        }
    }
    found
}
