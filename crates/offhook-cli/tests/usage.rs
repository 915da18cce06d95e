//! What the command says to a wrong command line.

mod common;

use common::run;

#[test]
fn help_names_the_subcommands_and_the_exit_codes() {
    let help = run(["--help"]);
    help.succeeds();
    let text = help.stdout.join("\n");
    for part in ["demo", "pbx", "call", "answer", "Exit codes", "port in use"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_password_in_the_environment_is_not_shown_by_help() {
    let help = common::Offhook::start_with(["call", "--help"], |command| {
        command.env("OFFHOOK_PASSWORD", "very-secret-42");
    })
    .finish();
    help.succeeds();
    assert!(!help.stdout.join("\n").contains("very-secret-42"));
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_says_what_is_right() {
    let server = ["--server", "ws://127.0.0.1:1/ws", "--user", "1000", "--password", "x"];
    let with = |extra: &[&str]| {
        let mut args = vec!["call", "1001"];
        args.extend(server);
        args.extend(extra);
        run(args)
    };
    for (extra, said) in
        [(&["--dtmf", "12x"][..], "no tone"), (&["--duration", "soon"], "10s"), (&["--pin", "1234"], "64 hex digits")]
    {
        let finished = with(extra);
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.stderr.join("\n").contains(said), "{finished:?}");
    }
    // None of the transfer's options means anything alone.
    for (extra, said) in [
        (&["--transfer-to", "1002"][..], "--transfer-after"),
        (&["--transfer-after", "3s"], "--transfer-to"),
        (&["--transfer-attended"], "--transfer-to"),
        (&["--transfer-to", "1002", "--transfer-after", "soon"], "10s"),
    ] {
        let finished = with(extra);
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.stderr.join("\n").contains(said), "{finished:?}");
    }
    let finished = with(&["--speaker", "x"]);
    assert_eq!(finished.status.code(), Some(2), "{finished:?}");
    assert!(finished.stderr.join("\n").contains("--devices"), "{finished:?}");
    let finished = run(["call", "1001", "--server", "http://x", "--user", "1"]);
    assert_eq!(finished.status.code(), Some(2));
    assert!(finished.stderr.join("\n").contains("wss://host:port"), "{finished:?}");
    assert_eq!(run(["dance"]).status.code(), Some(2));
}

#[cfg(not(feature = "devices"))]
#[test]
fn a_build_without_devices_says_how_to_get_one() {
    let server = ["--server", "ws://127.0.0.1:1/ws", "--user", "1000", "--password", "x"];
    let call = run(["call", "1001", "--devices"].into_iter().chain(server));
    for finished in [run(["devices"]), call] {
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.stderr.join("\n").contains("--features devices"), "{finished:?}");
    }
}
