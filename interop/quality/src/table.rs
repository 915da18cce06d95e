//! The outcomes as text.

use serde_json::{Value, json};

use crate::plan::Row;
use crate::run::Outcome;

/// A row with its outcomes: offhook's and Chromium's, each with its score where there is one.
type Result<'a> = (&'a Row, &'a [Outcome; 2], [Option<f64>; 2]);

/// A table in Markdown, with a head. What was not measured is a dash.
pub fn markdown(results: &[Result<'_>]) -> String {
    let mut text =
        "| trace | concealed % offhook | Chromium | added delay ms offhook | Chromium | PESQ offhook | Chromium |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for (row, outcomes, scores) in results {
        text += &format!("| {} |", row.scenario.title);
        for outcome in *outcomes {
            text += &cell(outcome.is_complete().then_some(outcome.concealed_percent), 2);
        }
        for outcome in *outcomes {
            text += &cell(outcome.is_complete().then_some(outcome.added_ms), 0);
        }
        for score in scores {
            text += &cell(*score, 2);
        }
        text.push('\n');
    }
    text
}

fn cell(value: Option<f64>, decimals: usize) -> String {
    value.map_or(" – |".to_owned(), |value| format!(" {value:.decimals$} |"))
}

/// The same, and more, for programs. What was not measured is null.
pub fn json(results: &[Result<'_>]) -> Value {
    let rows = results.iter().map(|(row, outcomes, scores)| {
        let one = |outcome: &Outcome, score: Option<f64>| {
            let complete = |value: f64| outcome.is_complete().then_some(value);
            json!({
                "concealedPercent": complete(outcome.concealed_percent),
                "addedDelayMs": complete(outcome.added_ms),
                "pesq": score,
                "packetsReceived": outcome.receiver.received,
                "concealmentEvents": outcome.receiver.events,
                "jitterBufferDelayMs": outcome.receiver.waited_ms,
            })
        };
        let [ours, theirs] = *outcomes;
        json!({
            "name": row.scenario.name,
            "title": row.scenario.title,
            "codec": row.codec,
            "seconds": row.seconds,
            "seed": row.seed,
            "senderLateMs": ours.lateness_ms,
            "offhook": one(ours, scores[0]),
            "chromium": one(theirs, scores[1]),
        })
    });
    rows.collect()
}
