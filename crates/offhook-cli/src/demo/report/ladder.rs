//! What happened, as a ladder: time down the page, one lane for each phone and one for the PBX.

use super::super::outcome::{DemoOutcome, Flow, TimedEvent};
use super::html::Escaped;
use super::push;

/// Where the lanes are, percent of the width of the ladder.
const LANES: [u32; 3] = [10, 50, 90];
const PBX: usize = 1;

/// The section with the ladder.
pub(super) fn section(page: &mut String, outcome: &DemoOutcome) {
    if outcome.events.is_empty() {
        return;
    }
    let left = lane_phone(outcome, 0, "1000");
    let right = lane_phone(outcome, 1, "1001");
    push(
        page,
        format_args!(
            "<section class=\"card\">\n<h2>What happened</h2>\n<p>{} events. Arrows went over the wire, dots stayed in the phone.</p>\n\
             <div class=\"ladder\">\n<div class=\"lanes\" aria-hidden=\"true\"><div></div><div class=\"rails\">",
            outcome.events.len()
        ),
    );
    for (at, name) in LANES.iter().zip([left, "PBX", right]) {
        push(page, format_args!("<b style=\"left:{at}%\">{}</b>", Escaped(name)));
    }
    page.push_str("</div><div></div></div>\n<ol>\n");
    for event in &outcome.events {
        row(page, event, left);
    }
    page.push_str("</ol>\n</div>\n</section>\n");
}

fn lane_phone<'a>(outcome: &'a DemoOutcome, index: usize, or: &'a str) -> &'a str {
    outcome.phones.get(index).map_or(or, |p| p.phone.as_str())
}

fn row(page: &mut String, event: &TimedEvent, left: &str) {
    let lane = match event.phone.as_str() {
        "PBX" => PBX,
        phone if phone == left => 0,
        _ => 2,
    };
    let class = ["p0", "pbx", "p1"][lane];
    let mark = match event.flow {
        _ if lane == PBX => dot(lane, class),
        Flow::Local => dot(lane, class),
        Flow::Sent => arrow(lane, PBX, class),
        Flow::Received => arrow(PBX, lane, class),
    };
    push(
        page,
        format_args!(
            "<li><span class=\"time\">{:.2} s</span><span class=\"rails\" aria-hidden=\"true\">{mark}</span>\
             <span class=\"what\"><span class=\"sr\">{}: </span><b>{}</b><span>{}</span></span></li>\n",
            event.at_ms as f64 / 1000.0,
            Escaped(&event.phone),
            Escaped(&event.name),
            Escaped(&event.detail)
        ),
    );
}

fn dot(lane: usize, class: &str) -> String {
    format!("<i class=\"dot {class}\" style=\"left:{}%\"></i>", LANES[lane])
}

fn arrow(from: usize, to: usize, class: &str) -> String {
    let (left, right, way) =
        if from < to { (LANES[from], LANES[to], "right") } else { (LANES[to], LANES[from], "left") };
    format!("<i class=\"arrow {way} {class}\" style=\"left:{left}%;width:{}%\"></i>", right - left)
}
