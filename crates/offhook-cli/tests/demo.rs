//! `offhook demo`, from the outside.

mod common;

use std::collections::HashSet;

use common::{Dir, run};
use offhook_cli::audio::read_wav;
use offhook_cli::demo::analysis::{Search, compare};
use offhook_cli::demo::clips::{speech_1000, speech_1001};

/// One run, and everything that must be true of it: a run takes 18 s.
#[test]
fn the_demo_makes_a_call_and_proves_it() {
    let dir = Dir::new();
    let out = dir.path("out");
    let finished = run(["demo", "--json", "--out", &out]);
    finished.succeeds();
    assert_eq!(finished.stdout.len(), 1, "one object and nothing else: {:#?}", finished.stdout);
    assert!(finished.stderr.is_empty(), "{:#?}", finished.stderr);
    let outcome = &finished.json_lines()[0];

    assert_eq!(outcome["ok"], true);
    assert_eq!(outcome["failures"], serde_json::json!([]));
    assert!(outcome["duration_ms"].as_u64().is_some_and(|ms| ms < 30_000), "{}", outcome["duration_ms"]);
    let directions = outcome["directions"].as_array().expect("directions");
    for (direction, (from, to)) in directions.iter().zip([("1000", "1001"), ("1001", "1000")]) {
        assert_eq!((direction["from"].as_str(), direction["to"].as_str()), (Some(from), Some(to)));
        let number = |key: &str| direction[key].as_f64().unwrap_or_else(|| panic!("{key}: {direction}"));
        assert!(number("correlation") >= 0.9 && number("leakage") < 0.4, "{direction}");
        assert!((5.0..400.0).contains(&number("delay_ms")), "{direction}");
        assert!(number("loss") == 0.0 && number("mos") > 4.0, "{direction}");
        assert_eq!(direction["codec"], "opus");
    }
    assert_eq!(directions.len(), 2);

    let events = outcome["events"].as_array().expect("events");
    let times: Vec<u64> = events.iter().filter_map(|e| e["at_ms"].as_u64()).collect();
    assert!(times.len() == events.len() && times.is_sorted());
    let names: HashSet<&str> = events.iter().filter_map(|e| e["name"].as_str()).collect();
    for name in
        ["registered", "call", "incoming", "progress", "accepted", "confirmed", "dtmf", "hold", "unhold", "ended"]
    {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    let checks = outcome["checks"].as_array().expect("checks");
    assert!(checks.len() >= 15 && checks.iter().all(|c| c["ok"] == true), "{checks:#?}");

    recordings_hold_the_speech(&dir);
    let page = std::fs::read_to_string(dir.root().join("out/report.html")).expect("report");
    assert!(page.contains("Passed") && page.contains("data:audio/wav;base64,"));
}

/// The files on the disk, not what the program says of them.
fn recordings_hold_the_speech(dir: &Dir) {
    let wav = |name: &str| read_wav(&dir.root().join("out").join(name)).expect(name);
    for (clip, other, said, heard) in [
        (speech_1000(), speech_1001(), "1000-said.wav", "1001-heard.wav"),
        (speech_1001(), speech_1000(), "1001-said.wav", "1000-heard.wav"),
    ] {
        for name in [said, heard] {
            let recording = wav(name);
            // Its beginning is said again after the hold.
            let first = Search { min_delay_ms: 0.0, max_delay_ms: 5_000.0 };
            let own = compare(&clip, &recording, &first);
            assert!(own.correlation > 0.9 && own.gaps.is_empty(), "{name}: {own:?}");
            let foreign = compare(&other, &recording, &Search::anywhere(&recording));
            assert!(foreign.correlation < 0.4, "{name}: {foreign:?}");
        }
    }
}
