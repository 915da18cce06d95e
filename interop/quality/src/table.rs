//! The outcomes as text.

use serde_json::{Value, json};

use crate::plan::Row;
use crate::run::Outcome;

/// What came of a row.
#[derive(Debug)]
pub struct Measured<'a> {
    /// It.
    pub row: &'a Row,
    /// Of each run: offhook's outcome and Chromium's.
    pub runs: Vec<[Scored<'a>; 2]>,
}

/// An outcome with its score, where there is one.
pub type Scored<'a> = (&'a Outcome, Option<f64>);

/// What is measured of an outcome.
type Figure = fn(&Scored<'_>) -> Option<f64>;

/// Each with the decimals that it is shown with.
const FIGURES: [(Figure, usize); 3] = [(concealed, 2), (added, 0), (pesq, 2)];

fn concealed((outcome, _): &Scored<'_>) -> Option<f64> {
    outcome.is_complete().then_some(outcome.concealed_percent)
}

fn added((outcome, _): &Scored<'_>) -> Option<f64> {
    outcome.is_complete().then_some(outcome.added_ms)
}

fn pesq((_, score): &Scored<'_>) -> Option<f64> {
    *score
}

impl Measured<'_> {
    /// The median of the runs in which it was measured, of offhook and of Chromium.
    fn median(&self, figure: Figure) -> [Option<f64>; 2] {
        [0, 1].map(|whose| median(self.runs.iter().filter_map(|run| figure(&run[whose])).collect()))
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2)?;
    let before = values.get(values.len().div_ceil(2) - 1)?;
    Some(f64::midpoint(*before, *middle))
}

/// A table in Markdown, with a head: medians of the runs. What was not measured is a dash.
pub fn markdown(rows: &[Measured<'_>]) -> String {
    let mut text =
        "| trace | concealed % offhook | Chromium | added delay ms offhook | Chromium | PESQ offhook | Chromium |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for measured in rows {
        text += &format!("| {} |", measured.row.scenario.title);
        for (figure, decimals) in FIGURES {
            for value in measured.median(figure) {
                text += &value.map_or(" – |".to_owned(), |value| format!(" {value:.decimals$} |"));
            }
        }
        text.push('\n');
    }
    text
}

/// The same, and each run, for programs. What was not measured is null.
pub fn json(rows: &[Measured<'_>]) -> Value {
    let rows = rows.iter().map(|measured| {
        let [concealed, added, pesq] = FIGURES.map(|(figure, _)| measured.median(figure));
        let receiver = |whose: usize| {
            json!({
                "concealedPercent": concealed[whose],
                "addedDelayMs": added[whose],
                "pesq": pesq[whose],
                "runs": measured.runs.iter().map(|run| one(&run[whose])).collect::<Value>(),
            })
        };
        let Row { scenario, codec, seconds, seed, .. } = measured.row;
        json!({
            "name": scenario.name,
            "title": scenario.title,
            "codec": codec,
            "seconds": seconds,
            "seed": seed,
            "offhook": receiver(0),
            "chromium": receiver(1),
        })
    });
    rows.collect()
}

fn one(scored: &Scored<'_>) -> Value {
    let [concealed, added, pesq] = FIGURES.map(|(figure, _)| figure(scored));
    let (outcome, _) = scored;
    json!({
        "concealedPercent": concealed,
        "addedDelayMs": added,
        "pesq": pesq,
        "packetsReceived": outcome.receiver.received,
        "concealmentEvents": outcome.receiver.events,
        "jitterBufferDelayMs": outcome.receiver.waited_ms,
        "senderLateMs": outcome.lateness_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }
}
