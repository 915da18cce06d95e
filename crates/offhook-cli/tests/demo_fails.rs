//! `offhook demo` when something goes wrong: it must end, say why, and leave nothing behind.

mod common;

use common::{Dir, Offhook, run};

#[test]
fn a_pbx_killed_in_the_middle_fails_the_demo_with_the_cause() {
    let dir = Dir::new();
    let out = dir.path("out");
    let mut demo = Offhook::start(["demo", "--out", &out]);
    let pid = pbx_of(&mut demo);
    demo.line(|line| line.contains("callReport MOS"));
    common::signal(pid, "KILL");
    let finished = demo.finish();
    finished.fails(3, &["the demo failed", "the PBX ended in the middle of the call", "signal: 9"]);
    let text = finished.stdout.join("\n");
    assert!(text.contains("FAILED") && !text.contains("PASSED"), "{text}");
    let page = std::fs::read_to_string(dir.root().join("out/report.html")).expect("report");
    assert!(page.contains("Failed") && page.contains("the PBX ended in the middle of the call"));
}

#[test]
fn killed_while_it_prints_json_it_still_prints_one_object() {
    let dir = Dir::new();
    let out = dir.path("out");
    let demo = Offhook::start(["demo", "--json", "--out", &out]);
    // Nothing is printed before the end: the child is found by its parent, perhaps before it listens.
    let pbx = child_of(demo.pid());
    common::signal(pbx, "KILL");
    let finished = demo.finish();
    assert!(matches!(finished.status.code(), Some(3 | 9)), "{finished:#?}");
    assert!(finished.stderr.len() == 1 && finished.stderr[0].contains("signal: 9"), "{finished:#?}");
    let outcome = &finished.json_lines()[0];
    assert_eq!(finished.stdout.len(), 1);
    assert_eq!(outcome["ok"], false);
    assert!(outcome["failures"][0].as_str().is_some_and(|cause| cause.contains("the PBX")), "{outcome}");
}

#[test]
fn interrupted_it_ends_with_130_and_takes_its_pbx_along() {
    let dir = Dir::new();
    let out = dir.path("out");
    let mut demo = Offhook::start(["demo", "--out", &out]);
    let pid = pbx_of(&mut demo);
    demo.line(|line| line.contains("confirmed"));
    demo.signal("INT");
    demo.finish().fails(130, &["interrupted"]);
    // Not its port: that may be somebody else's by now, such as that of another test.
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "the PBX is gone");
}

#[test]
fn a_directory_that_cannot_be_written_is_named_before_the_call() {
    let dir = Dir::new();
    let file = dir.write("taken", "a file, no directory");
    let finished = run(["demo", "--out", &file]);
    finished.fails(7, &["taken", "--out"]);
    assert_eq!(finished.stdout.iter().filter(|line| line.contains("--out")).count(), 1, "{finished:#?}");
    assert!(!finished.stdout.join("\n").contains("REGISTER"));
}

/// The process id of a demo's PBX, when it listens.
fn pbx_of(demo: &mut Offhook) -> u32 {
    let listening = demo.line(|line| line.contains("listening wss://"));
    let pid = listening.split("(process ").nth(1).and_then(|rest| rest.trim_end_matches(')').parse().ok());
    pid.expect("the PBX is a process")
}

/// The process id of the only child of a process, once there is one.
fn child_of(parent: u32) -> u32 {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        // Threads start children too: look at all of them.
        let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).expect(&path);
        for task in tasks.flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            if let Some(child) = children.split_whitespace().next() {
                return child.parse().expect("a process id");
            }
        }
        assert!(std::time::Instant::now() < end, "no child in time");
        std::thread::yield_now();
    }
}
