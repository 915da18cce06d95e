//! The outcomes as text.

use serde_json::{Value, json};

use crate::plan::Row;
use crate::run::Outcome;

/// A row with its outcomes: offhook's and Chromium's, each with its score where there is one.
type Result<'a> = (&'a Row, &'a [Outcome; 2], [Option<f64>; 2]);

/// A table in Markdown, with a head.
pub fn markdown(results: &[Result<'_>]) -> String {
    let mut text =
        "| trace | concealed % offhook | Chromium | added delay ms offhook | Chromium | PESQ offhook | Chromium |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for (row, [ours, theirs], scores) in results {
        let [our_score, their_score] =
            scores.map(|score| score.map_or("–".to_owned(), |score| format!("{score:.2}")));
        text += &format!(
            "| {} | {:.2} | {:.2} | {:.0} | {:.0} | {our_score} | {their_score} |\n",
            row.scenario.title, ours.concealed_percent, theirs.concealed_percent, ours.added_ms, theirs.added_ms,
        );
    }
    text
}

/// The same, and more, for programs.
pub fn json(results: &[Result<'_>]) -> Value {
    let rows = results.iter().map(|(row, outcomes, scores)| {
        let one = |outcome: &Outcome, score: Option<f64>| {
            json!({
                "concealedPercent": outcome.concealed_percent,
                "addedDelayMs": outcome.added_ms,
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
