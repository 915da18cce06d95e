//! The call in time: what each phone was doing, and what was said and heard.

use super::super::outcome::{DemoOutcome, DirectionResult, StateSpan};
use super::html::{Escaped, Wave, peak, percent};
use super::push;

/// Columns of a waveform: one for every two or three pixels of a wide screen.
const COLUMNS: usize = 420;
/// Size of a waveform in SVG units; it is stretched to the page.
const WIDTH: f64 = 1_000.0;
const HALF: f64 = 50.0;

/// The figure with all lanes on one time axis.
pub(super) fn call(page: &mut String, outcome: &DemoOutcome) {
    let total = outcome.duration_ms.max(1) as f64;
    if outcome.phones.is_empty() && outcome.directions.is_empty() {
        return;
    }
    page.push_str(
        "<section class=\"card\">\n<h2>The call in time</h2>\n\
         <p>Speech as it was said points up; what the other phone heard points down.</p>\n\
         <div class=\"legend\"><span><i style=\"background:var(--said)\"></i>said</span>\
         <span><i style=\"background:var(--heard)\"></i>heard</span>\
         <span><i style=\"background:color-mix(in srgb,var(--hold) 38%,var(--card))\"></i>on hold, with music</span>\
         <span><i style=\"background:var(--gap);opacity:.5\"></i>speech missing</span></div>\n\
         <div class=\"call\">\n",
    );
    for track in &outcome.phones {
        push(
            page,
            format_args!(
                "<div class=\"row\"><div class=\"label\"><b>{}</b></div><div class=\"states\">",
                Escaped(&track.phone)
            ),
        );
        for span in &track.states {
            state(page, span, total);
        }
        page.push_str("</div></div>\n");
    }
    let held: Vec<&StateSpan> =
        outcome.phones.iter().flat_map(|p| &p.states).filter(|s| class(&s.state) == "st-hold").collect();
    for (index, direction) in outcome.directions.iter().enumerate() {
        waves(page, index, direction, &held, total);
    }
    page.push_str("<div class=\"row\"><div class=\"label\"></div><div class=\"axis\" aria-hidden=\"true\">");
    axis(page, total);
    page.push_str("</div></div>\n</div>\n</section>\n");
}

fn state(page: &mut String, span: &StateSpan, total: f64) {
    let left = percent(span.from_ms as f64, total);
    let width = percent(span.to_ms.saturating_sub(span.from_ms) as f64, total);
    // A state too short for its word keeps it as a tooltip.
    let word = if width < 5.0 { "" } else { span.state.as_str() };
    push(
        page,
        format_args!(
            "<span class=\"{}\" style=\"left:{left:.2}%;width:{width:.2}%\" title=\"{} {:.1}–{:.1} s\">{}</span>",
            class(&span.state),
            Escaped(&span.state),
            span.from_ms as f64 / 1000.0,
            span.to_ms as f64 / 1000.0,
            Escaped(word)
        ),
    );
}

fn class(state: &str) -> &'static str {
    match state {
        "calling" | "ringing" | "connecting" => "st-ring",
        "talking" => "st-talk",
        s if s.contains("hold") || s == "held" => "st-hold",
        _ => "st-other",
    }
}

fn waves(page: &mut String, index: usize, direction: &DirectionResult, held: &[&StateSpan], total: f64) {
    let full = peak(&direction.said, 0.0, total).max(peak(&direction.heard, 0.0, total)).max(0.05);
    let wave = |up| Wave { width: WIDTH, height: HALF, columns: COLUMNS, full, up };
    let (from, to) = (Escaped(&direction.from), Escaped(&direction.to));
    push(
        page,
        format_args!(
            "<div class=\"row\"><div class=\"label\"><b>{from} → {to}</b>\
             <span class=\"soft num\">{:.0} ms later</span></div><div class=\"plot\">\n\
             <svg class=\"wave\" viewBox=\"0 0 {WIDTH} {}\" preserveAspectRatio=\"none\" role=\"img\" aria-labelledby=\"w{index}t w{index}d\">\n\
             <title id=\"w{index}t\">What {from} said and {to} heard</title>\n\
             <desc id=\"w{index}d\">Waveforms over {:.1} seconds. Correlation {:.3}, delay {:.0} ms, level {:+.1} dB, {} gaps.</desc>\n",
            direction.delay_ms,
            HALF * 2.0,
            total / 1000.0,
            direction.correlation,
            direction.delay_ms,
            direction.level_db,
            direction.gaps.len()
        ),
    );
    let mut band = |class: &str, from_ms: f64, length_ms: f64| {
        push(
            page,
            format_args!(
                "<rect class=\"{class}\" x=\"{:.2}\" y=\"0\" width=\"{:.2}\" height=\"{}\"/>\n",
                from_ms / total * WIDTH,
                (length_ms / total * WIDTH).max(1.0),
                HALF * 2.0
            ),
        );
    };
    if let Some(span) = held.first() {
        band("held", span.from_ms as f64, span.to_ms.saturating_sub(span.from_ms) as f64);
    }
    for gap in &direction.gaps {
        band("gap", gap.start_ms, gap.length_ms);
    }
    push(
        page,
        format_args!(
            "<path class=\"said\" d=\"{}\"/>\n<path class=\"heard\" transform=\"translate(0 {HALF})\" d=\"{}\"/>\n\
             <path class=\"mid\" d=\"M0 {HALF}H{WIDTH}\"/>\n</svg></div></div>\n",
            wave(true).path(&direction.said, 0.0, total),
            wave(false).path(&direction.heard, 0.0, total)
        ),
    );
}

/// Marks at whole seconds, the odd ones left out on a narrow page.
fn axis(page: &mut String, total: f64) {
    let seconds = total / 1000.0;
    let step = if seconds > 12.0 { 2 } else { 1 };
    let last = seconds.floor() as u64;
    for (index, second) in (0..=last).step_by(step).enumerate() {
        // The last mark would run into the one before it.
        if seconds - (second as f64) < step as f64 * 0.8 {
            break;
        }
        let minor = if index % 2 == 1 { " class=\"minor\"" } else { "" };
        push(
            page,
            format_args!("<span{minor} style=\"left:{:.2}%\">{second} s</span>", percent(second as f64, seconds)),
        );
    }
    push(page, format_args!("<span style=\"left:100%\">{seconds:.1} s</span>"));
}
