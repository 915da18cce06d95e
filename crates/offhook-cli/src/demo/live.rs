//! What the demo shows in the terminal: a ladder of events while it runs, then a table.
//!
//! Plain lines when the output is not a terminal; colours only on a terminal and only without
//! `NO_COLOR` (<https://no-color.org>); the progress bar is drawn on a terminal only.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::outcome::{DemoOutcome, DirectionResult, Flow, TimedEvent};

/// Characters from one lane of the ladder to the next.
const GAP: usize = 13;

/// Colours or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    colours: bool,
}

impl Palette {
    /// No colours.
    pub fn plain() -> Self {
        Self { colours: false }
    }

    /// ANSI colours.
    pub fn ansi() -> Self {
        Self { colours: true }
    }

    /// What standard output can show.
    pub fn of_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Self { colours: std::io::stdout().is_terminal() && !unwanted }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn good(self, text: &str) -> String {
        self.paint("1;32", text)
    }

    fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }
}

/// Shows a run while it goes on.
#[derive(Debug)]
pub struct Live {
    palette: Palette,
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Live {
    /// On standard output; with `quiet` nothing is shown at all (`--json`).
    pub fn new(quiet: bool) -> Self {
        let palette = Palette::of_stdout();
        let bar = (!quiet && std::io::stdout().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stdout());
            let template = "  {spinner} {bar:32} {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { palette, quiet, bar }
    }

    /// Prints the names of the lanes.
    pub fn head(&self) {
        self.print(&ladder_head(self.palette));
    }

    /// Prints an event.
    pub fn event(&self, event: &TimedEvent) {
        self.print(&ladder_line(event, self.palette));
    }

    /// Says what is going on and how far the run is, in percent.
    pub fn phase(&self, percent: u64, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(percent.min(100));
            bar.set_message(what.to_owned());
        }
    }

    /// Removes the progress bar and prints the result.
    pub fn finish(&self, outcome: &DemoOutcome) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.print(&summary(outcome, self.palette));
    }

    /// Prints a line, above the progress bar if there is one.
    pub fn print(&self, text: &str) {
        if self.quiet {
            return;
        }
        match &self.bar {
            Some(bar) if !bar.is_finished() => bar.println(text),
            // A reader that went away (`| head`) is no reason to fail the run.
            _ => drop(writeln!(std::io::stdout(), "{text}")),
        }
    }
}

/// The line above the ladder.
pub fn ladder_head(palette: Palette) -> String {
    let line = format!("{:>8}  {:^5}{:^w$}{:^5}{:^w$}{:^5}", "", "1000", "", "PBX", "", "1001", w = GAP - 4);
    palette.bold(line.trim_end())
}

/// One event as a line of the ladder.
pub fn ladder_line(event: &TimedEvent, palette: Palette) -> String {
    let lane = match event.phone.as_str() {
        "PBX" => 1,
        "1000" => 0,
        _ => 2,
    };
    let mut lanes = ["│", "│", "│"];
    let mut gaps = [" ".repeat(GAP), " ".repeat(GAP)];
    let right = format!("{}▶", "─".repeat(GAP - 1));
    let left = format!("◀{}", "─".repeat(GAP - 1));
    match (lane, event.flow) {
        (0, Flow::Sent) => (lanes[0], gaps[0]) = ("├", right),
        (0, Flow::Received) => (lanes[1], gaps[0]) = ("┤", left),
        (2, Flow::Sent) => (lanes[2], gaps[1]) = ("┤", left),
        (2, Flow::Received) => (lanes[1], gaps[1]) = ("├", right),
        (lane, _) => lanes[lane] = "●",
    }
    let colour = ["34", "2", "36"][lane];
    let mut drawn = String::new();
    for (index, lane_sign) in lanes.iter().enumerate() {
        let lane_code = if *lane_sign == "│" { "2" } else { colour };
        drawn.push_str(&palette.paint(lane_code, lane_sign));
        if let Some(gap) = gaps.get(index) {
            drawn.push_str(&palette.paint(colour, gap));
        }
    }
    let time = format!("{:>6.2} s", event.at_ms as f64 / 1000.0);
    let mut line = format!("{}    {drawn}  {}", palette.dim(&time), palette.bold(&clean(&event.name)));
    if !event.detail.is_empty() {
        let _ = write!(line, " {}", palette.dim(&clean(&event.detail)));
    }
    line
}

/// The table of both directions, the checks that failed, and the verdict.
pub fn summary(outcome: &DemoOutcome, palette: Palette) -> String {
    let mut text = String::new();
    if !outcome.directions.is_empty() {
        text.push('\n');
        table(&mut text, &outcome.directions, palette);
    }
    text.push('\n');
    if outcome.ok {
        let _ = write!(
            text,
            "{} both voices arrived as they were said: {} checks passed in {:.1} s",
            palette.good("PASSED"),
            outcome.checks.len(),
            outcome.duration_ms as f64 / 1000.0
        );
    } else {
        let _ = write!(text, "{}", palette.bad("FAILED"));
        for cause in &outcome.failures {
            let _ = write!(text, "\n  · {}", clean(cause));
        }
    }
    text
}

fn table(text: &mut String, directions: &[DirectionResult], palette: Palette) {
    let head = ["", "correlation", "delay", "level", "missing", "loss", "jitter", "rtt", "MOS", "codec"];
    let rows: Vec<Vec<String>> = directions
        .iter()
        .map(|d| {
            vec![
                format!("{} → {}", clean(&d.from), clean(&d.to)),
                format!("{:.3}", d.correlation),
                format!("{:.0} ms", d.delay_ms),
                format!("{:+.1} dB", d.level_db),
                format!("{:.0} ms", d.missing_ms()),
                format!("{:.1} %", d.loss * 100.0),
                format!("{:.1} ms", d.jitter_ms),
                format!("{:.1} ms", d.rtt_ms),
                format!("{:.2}", d.mos),
                clean(&d.codec),
            ]
        })
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        longest.max(head.get(column).map_or(0, |h| h.len()))
    };
    let line = |cells: &[&str]| {
        let parts: Vec<String> =
            cells.iter().enumerate().map(|(column, cell)| format!("{cell:>w$}", w = width(column))).collect();
        format!("  {}", parts.join("  "))
    };
    let _ = writeln!(text, "{}", palette.dim(&line(&head)));
    for row in &rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        let _ = writeln!(text, "{}", line(&cells));
    }
}

/// Text without control characters: what a far end sends must not move the cursor.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(phone: &str, flow: Flow) -> TimedEvent {
        TimedEvent { at_ms: 1_234, phone: phone.to_owned(), name: "hold".to_owned(), detail: "now".to_owned(), flow }
    }

    #[test]
    fn arrows_point_where_the_event_went() {
        let line = |phone, flow| ladder_line(&event(phone, flow), Palette::plain());
        assert_eq!(line("1000", Flow::Sent), "  1.23 s    ├────────────▶│             │  hold now");
        assert_eq!(line("1000", Flow::Received), "  1.23 s    │◀────────────┤             │  hold now");
        assert_eq!(line("1001", Flow::Sent), "  1.23 s    │             │◀────────────┤  hold now");
        assert_eq!(line("1001", Flow::Received), "  1.23 s    │             ├────────────▶│  hold now");
        assert_eq!(line("PBX", Flow::Local), "  1.23 s    │             ●             │  hold now");
    }

    #[test]
    fn the_names_stand_above_their_lanes() {
        let head: Vec<char> = ladder_head(Palette::plain()).chars().collect();
        let line: Vec<char> = ladder_line(&event("PBX", Flow::Local), Palette::plain()).chars().collect();
        let lane = line.iter().position(|&c| c == '●').expect("dot");
        let word = head.iter().position(|&c| c == 'B').expect("PBX");
        assert_eq!(lane, word);
    }

    #[test]
    fn colours_only_when_asked_for() {
        let event = event("1001", Flow::Local);
        assert!(!ladder_line(&event, Palette::plain()).contains('\u{1b}'));
        assert!(ladder_line(&event, Palette::ansi()).contains('\u{1b}'));
    }

    #[test]
    fn control_characters_from_outside_are_removed() {
        let mut event = event("1000", Flow::Received);
        event.detail = "\u{1b}[2J\r\n".to_owned();
        assert!(!ladder_line(&event, Palette::plain()).contains(['\u{1b}', '\n', '\r']));
    }

    #[test]
    fn a_failed_run_lists_its_causes() {
        let outcome =
            DemoOutcome { failures: vec!["the PBX ended".to_owned(), "no audio".to_owned()], ..DemoOutcome::default() };
        assert_eq!(summary(&outcome, Palette::plain()), "\nFAILED\n  · the PBX ended\n  · no audio");
    }
}
