//! Small helpers to write HTML and SVG.

use std::fmt;

use crate::audio::Pcm;

/// Text that is safe inside an element or a quoted attribute.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if c.is_control() && c != '\n' => f.write_str("\u{fffd}")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

/// A share of the whole as a CSS percentage, 0 to 100.
pub(super) fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole * 100.0).clamp(0.0, 100.0) } else { 0.0 }
}

/// The outline of half a waveform in a box of `width` × `height` units: from the base line up
/// (`up`) or down. `columns` bars, each as high as the loudest sample in it; `full` is the
/// amplitude that fills the height. `from_ms` to `to_ms` of the audio are drawn.
pub(super) struct Wave {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) columns: usize,
    pub(super) full: f32,
    pub(super) up: bool,
}

impl Wave {
    pub(super) fn path(&self, pcm: &Pcm, from_ms: f64, to_ms: f64) -> String {
        let base = if self.up { self.height } else { 0.0 };
        let mut path = format!("M0 {base}");
        let step = self.width / self.columns.max(1) as f64;
        for column in 0..self.columns {
            let at = |c: usize| from_ms + (to_ms - from_ms) * c as f64 / self.columns as f64;
            let bar = peak(pcm, at(column), at(column + 1)) / self.full.max(1e-6);
            let length = f64::from(bar.min(1.0)) * self.height;
            let y = if self.up { base - length } else { base + length };
            path.push_str(&format!("L{:.1} {y:.1}", (column as f64 + 0.5) * step));
        }
        path.push_str(&format!("L{} {base}Z", self.width));
        path
    }
}

/// The loudest sample between two times.
pub(super) fn peak(pcm: &Pcm, from_ms: f64, to_ms: f64) -> f32 {
    let index = |ms: f64| (ms.max(0.0) * f64::from(pcm.rate()) / 1000.0) as usize;
    let end = (index(to_ms).max(index(from_ms) + 1)).min(pcm.samples().len());
    pcm.samples().get(index(from_ms)..end).unwrap_or_default().iter().fold(0.0, |max, s| max.max(s.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        let text = Escaped("<b a=\"1\" b='2'>&\u{7}").to_string();
        assert_eq!(text, "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;\u{fffd}");
    }

    #[test]
    fn a_wave_stays_in_its_box() {
        let pcm = Pcm::new(1_000, vec![0.0, 0.5, 2.0, -0.25]);
        let wave = Wave { width: 40.0, height: 10.0, columns: 4, full: 1.0, up: true };
        assert_eq!(wave.path(&pcm, 0.0, 4.0), "M0 10L5.0 10.0L15.0 5.0L25.0 0.0L35.0 7.5L40 10Z");
    }

    #[test]
    fn time_outside_the_audio_is_silent() {
        assert_eq!(peak(&Pcm::default(), 0.0, 10.0), 0.0);
        assert_eq!(peak(&Pcm::new(1_000, vec![1.0]), 5.0, 3.0), 0.0);
    }
}
