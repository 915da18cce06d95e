//! What a codec does to speech, with and without loss.

/// Which of the two models a codec belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// 300–3400 Hz: G.107.
    Narrow,
    /// 50–7000 Hz and more: G.107.1.
    Wide,
}

/// What a codec does to speech.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodecQuality {
    /// Which model.
    pub band: Band,
    /// Equipment impairment factor without loss (Ie or Ie,wb).
    pub ie: f64,
    /// Packet-loss robustness (Bpl or Bpl,wb).
    pub bpl: f64,
}

impl CodecQuality {
    /// By encoding name, any case. An unknown codec counts as G.711.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let narrow = |ie, bpl| Self { band: Band::Narrow, ie, bpl };
        let wide = |ie, bpl| Self { band: Band::Wide, ie, bpl };
        match name.to_ascii_lowercase().as_str() {
            // No ITU-T value is published, so this is our estimate: transparent for speech at the rates we send but for
            // a small remainder, and about twice as robust as G.722.
            "opus" => wide(5.0, 10.0),
            // Ie,wb of G.113 Appendix IV at 64 kbit/s; the robustness is our estimate (ADPCM, simple concealment).
            "g722" => wide(13.0, 4.3),
            // G.113 Appendix I.
            "g729" => narrow(11.0, 19.0),
            // G.113 Appendix I: G.711 with packet-loss concealment.
            _ => narrow(0.0, 25.1),
        }
    }
}
