//! The report of a demo run: one HTML file that needs nothing else.
//!
//! Style, pictures and sound are inside; there is no script and nothing is fetched. Charts are
//! SVG stretched to the width of the page, their labels are HTML, so that both stay readable
//! from a telephone's 400 px to a wide screen. Every text is escaped.

mod figure;
mod html;
mod ladder;
mod quality;

use std::fmt::Write as _;

use super::outcome::{DemoOutcome, DirectionResult};
use html::Escaped;

const STYLE: &str = include_str!("style.css");
const TICK: &str = r#"<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M4 10.5l4 4 8-9"/></svg>"#;
const CROSS: &str = r#"<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M5 5l10 10M15 5L5 15"/></svg>"#;
const HANDSET: &str = r#"<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6.6 2.3 9 2a1.6 1.6 0 0 1 1.7 1l1.2 3a1.6 1.6 0 0 1-.4 1.8L9.8 9.4a13 13 0 0 0 4.8 4.8l1.6-1.7a1.6 1.6 0 0 1 1.8-.4l3 1.2a1.6 1.6 0 0 1 1 1.7l-.3 2.4a4.4 4.4 0 0 1-4.8 3.9A17.6 17.6 0 0 1 2.7 7.1 4.4 4.4 0 0 1 6.6 2.3Z"/></svg>"#;

/// The whole page.
pub fn render(outcome: &DemoOutcome) -> String {
    let mut page = String::with_capacity(200_000);
    let title = if outcome.ok { "passed" } else { "failed" };
    page.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    push(&mut page, format_args!("<title>offhook demo: {title}</title>\n<style>\n{STYLE}</style>\n"));
    page.push_str("</head>\n<body>\n<main>\n");
    header(&mut page, outcome);
    failures(&mut page, outcome);
    tiles(&mut page, &outcome.directions);
    figure::call(&mut page, outcome);
    page.push_str("<div class=\"two\">\n");
    for direction in &outcome.directions {
        quality::direction(&mut page, direction);
    }
    page.push_str("</div>\n<div class=\"two\">\n");
    quality::table(&mut page, &outcome.directions);
    checks(&mut page, outcome);
    page.push_str("</div>\n");
    ladder::section(&mut page, outcome);
    page.push_str(
        "<footer>Made by <code>offhook demo</code>. Correlation compares the recorded speech with the \
         speech that was played, 200 ms at a time, in the telephone band (200–3500 Hz).</footer>\n",
    );
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Writing to a `String` cannot fail.
fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

fn header(page: &mut String, outcome: &DemoOutcome) {
    let (class, sign, word) = if outcome.ok { ("pass", TICK, "Passed") } else { ("fail", CROSS, "Failed") };
    let headline = match (outcome.ok, outcome.directions.is_empty()) {
        (true, _) => "Both voices arrived, as they were said",
        (false, true) => "The call did not take place",
        (false, false) => "Something is wrong with this call",
    };
    push(
        page,
        format_args!(
            "<header>\n<div class=\"brand\">{HANDSET}<span>offhook demo</span>\
             <span class=\"badge {class}\">{sign}{word}</span></div>\n<h1>{headline}</h1>\n\
             <p>1000 called 1001 through the embedded PBX on {started} UTC. The whole run took {seconds:.1} s. {transport}</p>\n</header>\n",
            started = Escaped(&outcome.started),
            seconds = outcome.duration_ms as f64 / 1000.0,
            transport = Escaped(&outcome.transport),
        ),
    );
}

fn failures(page: &mut String, outcome: &DemoOutcome) {
    if outcome.failures.is_empty() {
        return;
    }
    page.push_str("<section class=\"card causes\">\n<h2>What failed</h2>\n<ul>\n");
    for cause in &outcome.failures {
        push(page, format_args!("<li>{}</li>\n", Escaped(cause)));
    }
    page.push_str("</ul>\n</section>\n");
}

/// The four figures to see first: the worse of the two directions large, both below.
fn tiles(page: &mut String, directions: &[DirectionResult]) {
    if directions.is_empty() {
        return;
    }
    let lowest = |f: fn(&DirectionResult) -> f64| directions.iter().map(f).fold(f64::MAX, f64::min);
    let highest = |f: fn(&DirectionResult) -> f64| directions.iter().map(f).fold(f64::MIN, f64::max);
    let each = |f: &dyn Fn(&DirectionResult) -> String| {
        let parts: Vec<String> =
            directions.iter().map(|d| format!("{} → {}: {}", Escaped(&d.from), Escaped(&d.to), f(d))).collect();
        parts.join("<br>")
    };
    page.push_str("<dl class=\"tiles\">\n");
    let mut tile = |name: &str, big: String, unit: &str, below: String| {
        push(
            page,
            format_args!(
                "<div class=\"tile\"><dt>{name}</dt><dd><div class=\"big num\">{big}<small>{unit}</small></div>\
                 <div class=\"each num\">{below}</div></dd></div>\n"
            ),
        );
    };
    tile(
        "Heard equals said",
        format!("{:.2}", lowest(|d| d.correlation)),
        "of 1",
        each(&|d| format!("{:.3}", d.correlation)),
    );
    tile(
        "Mouth-to-ear delay",
        format!("{:.0}", highest(|d| d.delay_ms)),
        "ms",
        each(&|d| format!("{:.0} ms", d.delay_ms)),
    );
    tile(
        "Packets lost",
        format!("{:.1}", highest(|d| d.loss) * 100.0),
        "%",
        each(&|d| format!("{:.1} %", d.loss * 100.0)),
    );
    tile("Listening quality", format!("{:.2}", lowest(|d| d.mos)), "MOS", each(&|d| format!("{:.2}", d.mos)));
    page.push_str("</dl>\n");
}

fn checks(page: &mut String, outcome: &DemoOutcome) {
    let passed = outcome.checks.iter().filter(|c| c.ok).count();
    push(
        page,
        format_args!(
            "<section class=\"card\">\n<h2>What was checked</h2>\n<p>{passed} of {} passed</p>\n<ul class=\"checks\">\n",
            outcome.checks.len()
        ),
    );
    for check in &outcome.checks {
        let (class, sign, word) = if check.ok { ("yes", TICK, "passed") } else { ("no", CROSS, "failed") };
        push(
            page,
            format_args!(
                "<li class=\"{class}\">{sign}<div><b>{}</b><span class=\"sr\">: {word}</span><p>{}</p></div></li>\n",
                Escaped(&check.name),
                Escaped(&check.detail)
            ),
        );
    }
    page.push_str("</ul>\n</section>\n");
}

#[cfg(test)]
mod tests;
