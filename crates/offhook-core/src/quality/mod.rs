//! How good a call sounds, estimated: the E-model of ITU-T G.107 (narrowband) and G.107.1 (wideband).
//!
//! Only what a packet call can measure goes in: codec, loss, and delay from mouth to ear. All other parameters
//! have the Recommendation's defaults, so an unimpaired G.711 call has R = 93.2, MOS 4.41. Echo is taken to be
//! cancelled: of the delay impairments only Idd (pure delay) counts.

mod codec;
mod watch;

pub use codec::{Band, CodecQuality};
pub(crate) use watch::{Expected, Watch};

/// R with every parameter at its default (G.107, Table 2 and Annex A).
const NARROWBAND_R: f64 = 93.2;
/// Ro of the wideband model (G.107.1).
const WIDEBAND_R: f64 = 129.0;

/// Enough for the sixth root of any number there is: each step takes a sixth off, until it is near.
const MOST_STEPS: u32 = 4_000;

/// What goes into the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impairment {
    /// The codec.
    pub codec: CodecQuality,
    /// Share of packets lost or too late, 0–1.
    pub loss: f64,
    /// Delay from mouth to ear, ms.
    pub delay_ms: f64,
}

/// The transmission rating R: at most 93.2 narrowband, 129 wideband. Below 0 it is as bad as 0.
#[must_use]
pub fn rating(impairment: &Impairment) -> f64 {
    let best = match impairment.codec.band {
        Band::Narrow => NARROWBAND_R,
        Band::Wide => WIDEBAND_R,
    };
    best - delay_impairment(impairment.delay_ms) - equipment_impairment(impairment.codec, impairment.loss)
}

/// The estimated mean opinion score, 1–4.5.
#[must_use]
pub fn mos(impairment: &Impairment) -> f64 {
    let rating = rating(impairment);
    match impairment.codec.band {
        Band::Narrow => mos_of_rating(rating),
        // G.107.1: the wideband scale is compressed onto the narrowband one before the mapping.
        Band::Wide => mos_of_rating(rating / 1.29),
    }
}

/// MOS of a narrowband rating (G.107 Annex B, equation B-4).
#[must_use]
pub fn mos_of_rating(r: f64) -> f64 {
    if r <= 0.0 {
        1.0
    } else if r >= 100.0 {
        4.5
    } else {
        // The polynomial dips below 1 for R < 6.5.
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
    }
}

/// Idd: the impairment of pure delay (G.107 §7.4).
fn delay_impairment(delay_ms: f64) -> f64 {
    if !delay_ms.is_finite() || delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    25.0 * (sixth_root(1.0 + x.powi(6)) - 3.0 * sixth_root(1.0 + (x / 3.0).powi(6)) + 2.0)
}

/// Of a number from 1, by Newton's way from above, which needs no table.
fn sixth_root(x: f64) -> f64 {
    let mut root = x;
    for _ in 0..MOST_STEPS {
        let next = (5.0 * root + x / root.powi(5)) / 6.0;
        if next >= root {
            break;
        }
        root = next;
    }
    root
}

/// Ie,eff for random loss (G.107 §7.5 with BurstR = 1; G.107.1 has the same form).
fn equipment_impairment(codec: CodecQuality, loss: f64) -> f64 {
    let percent = if loss.is_finite() { loss.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
    codec.ie + (95.0 - codec.ie) * percent / (percent + codec.bpl)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn g711(loss: f64, delay_ms: f64) -> Impairment {
        Impairment { codec: CodecQuality::of("PCMU"), loss, delay_ms }
    }

    fn close(got: f64, wanted: f64, by: f64) {
        assert!((got - wanted).abs() <= by, "{got} is not {wanted} ± {by}");
    }

    #[test]
    fn the_default_connection_has_the_recommendations_rating() {
        close(rating(&g711(0.0, 0.0)), 93.2, 1e-9);
        close(mos(&g711(0.0, 0.0)), 4.41, 0.005);
    }

    #[test]
    fn ratings_map_to_the_scores_of_annex_b() {
        // G.107 Table B.1: the lower limits of the categories of user satisfaction.
        for (r, score) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            close(mos_of_rating(r), score, 0.01);
        }
        close(mos_of_rating(-5.0), 1.0, 0.0);
        close(mos_of_rating(3.0), 1.0, 0.0);
        close(mos_of_rating(120.0), 4.5, 0.0);
    }

    #[test]
    fn loss_impairs_as_the_tables_of_g_113_say() {
        // G.113 (11/2007) Appendix I, impairment Ie under random packet loss, measured in listening tests: percent of packets
        // lost, Ie. The formula of G.107 was fitted to them.
        let g711_with_concealment = [(0, 0), (1, 5), (2, 7), (3, 10), (5, 15), (7, 20), (10, 25), (15, 35), (20, 45)];
        let g729a_with_vad = [(0, 11), (1, 15), (2, 19), (3, 23), (4, 26), (8, 36), (16, 49)];
        for (codec, table, by) in [("PCMA", &g711_with_concealment[..], 3.0), ("G729", &g729a_with_vad[..], 0.6)] {
            for &(percent, ie) in table {
                let got = equipment_impairment(CodecQuality::of(codec), f64::from(percent) / 100.0);
                close(got, f64::from(ie), by);
            }
        }
    }

    #[test]
    fn wideband_is_rated_on_its_own_scale() {
        let clean = |codec: &str| Impairment { codec: CodecQuality::of(codec), loss: 0.0, delay_ms: 0.0 };
        // G.107.1: 129 without impairment; G.113 Appendix IV: Ie,wb = 13 for G.722 at 64 kbit/s. G.711 has 129 − 36 there, its
        // 93 of the narrowband scale.
        let ideal = CodecQuality { band: Band::Wide, ie: 0.0, bpl: 10.0 };
        close(rating(&Impairment { codec: ideal, ..clean("opus") }), 129.0, 1e-9);
        close(rating(&clean("G722")), 116.0, 1e-9);
        // G.107.1 §7.7: the score is that of R / 1.29.
        close(mos(&Impairment { codec: ideal, ..clean("opus") }), 4.5, 1e-9);
        close(mos(&clean("G722")), mos_of_rating(89.92), 0.005);
        let order = ["opus", "G722", "G729"].map(|codec| mos(&clean(codec)));
        assert!(order.is_sorted_by(|a, b| a > b), "{order:?}");
    }

    #[test]
    fn delay_hurts_from_100_ms_on() {
        close(delay_impairment(100.0), 0.0, 1e-9);
        // At twice 100 ms X is 1: 25 (2^(1/6) − 3 (1 + 3^−6)^(1/6) + 2).
        close(delay_impairment(200.0), 3.04, 0.01);
        assert!(delay_impairment(400.0) > 20.0);
    }

    #[test]
    fn loss_never_helps_and_a_robust_codec_loses_less() {
        let mut last = f64::MAX;
        for percent in 0..=100 {
            let score = mos(&g711(f64::from(percent) / 100.0, 50.0));
            assert!((1.0..=4.5).contains(&score) && score <= last);
            last = score;
        }
        let drop = |name| {
            let at = |loss| mos(&Impairment { codec: CodecQuality::of(name), loss, delay_ms: 50.0 });
            at(0.0) - at(0.02)
        };
        assert!(drop("opus") > 0.0 && drop("opus") < drop("G722"));
    }

    #[test]
    fn numbers_that_are_none_do_no_harm() {
        close(mos(&g711(f64::NAN, f64::NAN)), 4.41, 0.005);
        close(mos(&g711(7.0, -3.0)), mos(&g711(1.0, 0.0)), 1e-9);
    }
}
