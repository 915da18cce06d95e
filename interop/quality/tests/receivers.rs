//! The short form of the comparison: offhook's receiver is not clearly worse than Chromium's. The long one is docs/quality.md.

use offhook_interop_quality::{Browser, Row, compare};
use offhook_media::Codec;

/// Share of the speech by which one measurement may differ from the next, percent: each row is 20 s.
const CONCEALED: f64 = 3.0;
/// Delay by which it may, ms.
const DELAY: f64 = 40.0;

#[tokio::test(flavor = "multi_thread")]
async fn offhook_is_not_clearly_worse_than_chromium() {
    let mut rows = Row::all(Codec::Opus, 20, 7);
    rows.retain(|row| ["loss-0", "loss-10", "jitter-60"].contains(&row.scenario.name.as_str()));
    assert_eq!(rows.len(), 3);
    let outcomes = compare(rows.clone(), 3, Browser::start().await).await;
    for (row, [ours, theirs]) in rows.iter().zip(&outcomes) {
        let title = &row.scenario.title;
        println!(
            "{title}: concealed {:.2} % and {:.2} %, added {:.0} ms and {:.0} ms",
            ours.concealed_percent, theirs.concealed_percent, ours.added_ms, theirs.added_ms
        );
        assert!(ours.is_complete() && theirs.is_complete(), "{title}: sound until the end");
        // The same packets came to both; they are asked one after the other.
        assert!(ours.receiver.received.abs_diff(theirs.receiver.received) <= 25, "{title}: the same packets");
        assert!(ours.receiver.received >= 800, "{title}: {}", ours.receiver.received);
        assert!(ours.concealed_percent <= theirs.concealed_percent + CONCEALED, "{title}");
        assert!(ours.added_ms <= theirs.added_ms + DELAY, "{title}");
    }
    for outcome in &outcomes[0] {
        assert!(outcome.concealed_percent < CONCEALED, "nothing was lost");
    }
}
