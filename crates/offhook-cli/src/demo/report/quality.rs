//! One card for each direction: delay close up, sound, quality over time; and the table.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::analysis::Verdict;
use super::super::outcome::{
    DirectionResult, MAX_DELAY_MS, MAX_LEAKAGE, MAX_LEVEL_DB, MAX_LOSS, MAX_MISSING_MS, MIN_CORRELATION, MIN_MOS,
    QualityPoint,
};
use super::html::{Escaped, Wave, peak};
use super::push;
use crate::audio::encode_wav;

/// The close-up shows this much around the first word, ms.
const CLOSE_MS: f64 = 480.0;
const CLOSE_LEAD_MS: f64 = 100.0;
/// Quiet parts of a clip are below this, of full scale.
const ONSET: f32 = 0.03;

/// The card of one direction.
pub(super) fn direction(page: &mut String, direction: &DirectionResult) {
    let (from, to) = (Escaped(&direction.from), Escaped(&direction.to));
    push(
        page,
        format_args!(
            "<section class=\"card\">\n<div class=\"head\"><h2>{to} hears {from}</h2><span class=\"soft\">{}</span></div>\n",
            Escaped(&direction.codec)
        ),
    );
    close_up(page, direction);
    if !direction.heard.is_empty() {
        push(
            page,
            format_args!(
                "<audio controls preload=\"none\" aria-label=\"What {to} heard\" src=\"data:audio/wav;base64,{}\"></audio>\n",
                STANDARD.encode(encode_wav(&direction.heard))
            ),
        );
    }
    if !direction.quality.is_empty() {
        page.push_str("<div class=\"mini\">\n");
        let points = &direction.quality;
        chart(page, points, &Measure::new("MOS", "", 2, (1.0, 4.5), |p| p.mos));
        chart(page, points, &Measure::new("Loss", " %", 1, (0.0, 2.0), |p| p.loss * 100.0));
        chart(page, points, &Measure::new("Jitter", " ms", 1, (0.0, 10.0), |p| p.jitter_ms));
        chart(page, points, &Measure::new("Round trip", " ms", 1, (0.0, 10.0), |p| p.rtt_ms));
        page.push_str("</div>\n");
    }
    page.push_str("</section>\n");
}

/// The beginning of the first word, said above and heard below, with the delay between them.
fn close_up(page: &mut String, direction: &DirectionResult) {
    if direction.verdict != Verdict::Heard {
        return;
    }
    let Some(onset) = direction.said.samples().iter().position(|s| s.abs() > ONSET) else {
        return;
    };
    let onset = onset as f64 * 1000.0 / f64::from(direction.said.rate().max(1));
    let delay = direction.delay_ms.max(0.0);
    let shown = CLOSE_MS.max(delay + 3.0 * CLOSE_LEAD_MS);
    let from = (onset - CLOSE_LEAD_MS).max(0.0);
    let to = from + shown;
    let full = peak(&direction.said, from, to).max(peak(&direction.heard, from, to));
    let wave = |up| Wave { width: 600.0, height: 50.0, columns: 300, full, up };
    let x = |ms: f64| (ms - from) / shown * 600.0;
    let percent = |ms: f64| (ms - from) / shown * 100.0;
    push(
        page,
        format_args!(
            "<figure class=\"close\"><svg viewBox=\"0 0 600 100\" preserveAspectRatio=\"none\" role=\"img\">\n\
             <title>The first word close up: heard {delay:.0} ms after it was said</title>\n\
             <path class=\"said\" d=\"{}\"/><path class=\"heard\" transform=\"translate(0 50)\" d=\"{}\"/>\n\
             <path class=\"mark\" d=\"M{x0:.1} 0V100M{x1:.1} 0V100\"/></svg>\n\
             <div class=\"span\" style=\"left:{left:.2}%;width:{width:.2}%\"></div>\
             <div class=\"delay num\" style=\"left:{right:.2}%\">{delay:.0} ms</div>\
             <div class=\"tag\" style=\"top:4px\">said</div><div class=\"tag\" style=\"bottom:4px\">heard</div></figure>\n",
            wave(true).path(&direction.said, from, to),
            wave(false).path(&direction.heard, from, to),
            x0 = x(onset),
            x1 = x(onset + delay),
            left = percent(onset),
            width = delay / shown * 100.0,
            right = percent(onset + delay),
        ),
    );
}

/// One figure over time.
struct Measure {
    name: &'static str,
    unit: &'static str,
    decimals: usize,
    /// The range shown; the upper end grows with the data.
    range: (f64, f64),
    value: fn(&QualityPoint) -> f64,
}

impl Measure {
    fn new(
        name: &'static str,
        unit: &'static str,
        decimals: usize,
        range: (f64, f64),
        value: fn(&QualityPoint) -> f64,
    ) -> Self {
        Self { name, unit, decimals, range, value }
    }
}

fn chart(page: &mut String, points: &[QualityPoint], measure: &Measure) {
    let &Measure { name, unit, decimals, range: (low, high), value } = measure;
    let values: Vec<f64> = points.iter().map(value).collect();
    let high = values.iter().fold(high, |a, &b| a.max(b));
    let latest = values.last().copied().unwrap_or(0.0);
    let first = points.first().map_or(0, |p| p.at_ms);
    let length = points.last().map_or(0, |p| p.at_ms).saturating_sub(first).max(1);
    let mut line = String::new();
    let mut dots = String::new();
    for (index, (point, &v)) in points.iter().zip(&values).enumerate() {
        let x = (point.at_ms.saturating_sub(first)) as f64 / length as f64 * 200.0;
        let y = 50.0 - ((v - low) / (high - low)).clamp(0.0, 1.0) * 46.0;
        let command = if index == 0 { 'M' } else { 'L' };
        line.push_str(&format!("{command}{x:.1} {y:.1}"));
        dots.push_str(&format!("M{x:.1} {y:.1}h.01"));
    }
    push(
        page,
        format_args!(
            "<div><h3>{name}<b class=\"num\">{latest:.decimals$}{unit}</b></h3>\
             <svg viewBox=\"0 0 200 50\" preserveAspectRatio=\"none\" role=\"img\">\
             <title>{name} over the call, {low} to {high:.0}{unit}: {latest:.decimals$}{unit} at the end</title>\
             <path class=\"base\" d=\"M0 50H200M0 4H200\"/><path class=\"area\" d=\"{line}V50H0Z\"/>\
             <path class=\"curve\" d=\"{line}\"/><path class=\"dot\" d=\"{dots}\"/></svg>\
             <div class=\"range num\" aria-hidden=\"true\"><span>{:.0} s</span><span>scale {low}–{}</span><span>{:.0} s</span></div></div>\n",
            first as f64 / 1000.0,
            (high * 10.0).round() / 10.0,
            (first + length) as f64 / 1000.0,
        ),
    );
}

/// All figures of both directions beside what is wanted of them.
pub(super) fn table(page: &mut String, directions: &[DirectionResult]) {
    page.push_str("<section class=\"card\">\n<h2>Quality</h2>\n<table>\n<thead><tr><th scope=\"col\"><span class=\"sr\">Measure</span></th>");
    for d in directions {
        push(page, format_args!("<th scope=\"col\">{} → {}</th>", Escaped(&d.from), Escaped(&d.to)));
    }
    page.push_str("<th scope=\"col\" class=\"limit\">wanted</th></tr></thead>\n<tbody>\n");
    let mut row = |name: &str, limit: &str, cell: &dyn Fn(&DirectionResult) -> (String, bool)| {
        push(page, format_args!("<tr><th scope=\"row\">{name}</th>"));
        for d in directions {
            let (text, good) = cell(d);
            let class = if good { "" } else { " class=\"off\"" };
            push(page, format_args!("<td{class}>{}</td>", Escaped(&text)));
        }
        push(page, format_args!("<td class=\"limit\">{limit}</td></tr>\n"));
    };
    row("Correlation", &format!("≥ {MIN_CORRELATION}"), &|d| {
        (format!("{:.3}", d.correlation), d.correlation >= MIN_CORRELATION)
    });
    row("Own voice heard", &format!("≤ {MAX_LEAKAGE}"), &|d| (format!("{:.2}", d.leakage), d.leakage <= MAX_LEAKAGE));
    row("Delay", &format!("≤ {MAX_DELAY_MS} ms"), &|d| {
        (format!("{:.0} ms", d.delay_ms), (0.0..=MAX_DELAY_MS).contains(&d.delay_ms))
    });
    row("Delay moved by", "", &|d| (format!("{:.0} ms", d.delay_spread_ms), true));
    row("Level", &format!("± {MAX_LEVEL_DB} dB"), &|d| {
        (format!("{:+.1} dB", d.level_db), d.level_db.abs() <= MAX_LEVEL_DB)
    });
    row("Speech to coding noise", "", &|d| (format!("{:.0} dB", d.snr_db), true));
    row("Speech missing", &format!("≤ {MAX_MISSING_MS} ms"), &|d| {
        (format!("{:.0} ms", d.missing_ms()), d.missing_ms() <= MAX_MISSING_MS)
    });
    row("Packets lost", &format!("≤ {:.0} %", MAX_LOSS * 100.0), &|d| {
        (format!("{:.2} %", d.loss * 100.0), d.loss <= MAX_LOSS)
    });
    row("Jitter", "", &|d| (format!("{:.1} ms", d.jitter_ms), true));
    row("Round trip", "", &|d| (format!("{:.1} ms", d.rtt_ms), true));
    row("MOS", &format!("≥ {MIN_MOS}"), &|d| (format!("{:.2}", d.mos), d.mos >= MIN_MOS));
    row("Codec", "", &|d| (d.codec.clone(), true));
    page.push_str("</tbody>\n</table>\n</section>\n");
}
