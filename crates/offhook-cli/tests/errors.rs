//! Every error: its exit code, one line, and the fix in it.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use common::{Dir, Finished, Offhook, PbxProcess, nobody, run};
use offhook_cli::audio::{Pcm, write_wav};

fn call(number: &str, server: &str, extra: &[&str]) -> Finished {
    start(number, server, extra).finish()
}

fn start(number: &str, server: &str, extra: &[&str]) -> Offhook {
    let mut args = vec!["call", number, "--server", server, "--user", "1000"];
    args.extend(extra);
    Offhook::start_with(args, |command| {
        if !extra.contains(&"--password-file") {
            command.env("OFFHOOK_PASSWORD", "secret-1000");
        }
    })
}

fn answer(server: &str, extra: &[&str]) -> Offhook {
    let mut args = vec!["answer", "--server", server, "--user", "1001"];
    args.extend(extra);
    Offhook::start_with(args, |command| {
        command.env("OFFHOOK_PASSWORD", "secret-1001");
    })
}

#[test]
fn an_unreachable_server() {
    let (_kept, address) = nobody();
    let (server, address) = (format!("ws://{address}/ws"), address.to_string());
    call("1001", &server, &[]).fails(3, &[&address, "is the server running"]);
    call("1001", "ws://no-such-host.invalid/ws", &[]).fails(3, &["no-such-host.invalid"]);
    let answer = Offhook::start_with(["answer", "--server", &server, "--user", "1000"], |command| {
        command.env("OFFHOOK_PASSWORD", "x");
    });
    answer.finish().fails(3, &[&address]);
}

#[test]
fn a_server_that_is_no_sip_server() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("address");
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("the call");
        let _ = socket.read(&mut [0; 1_024]);
        let _ = socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    call("1001", &format!("ws://{address}/ws"), &[]).fails(3, &[&address.to_string(), "SIP"]);
    server.join().expect("server");
}

#[test]
fn a_server_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("address");
    call("1001", &format!("ws://{address}/ws"), &[]).fails(8, &[&address.to_string(), "firewall"]);
    drop(listener);
}

#[test]
fn a_certificate_that_is_not_trusted() {
    let pbx = PbxProcess::start();
    call("1001", &pbx.wss, &[]).fails(4, &["certificate", "--ca", "--pin"]);
    call("1001", &pbx.wss, &["--pin", &"00".repeat(32)]).fails(4, &["certificate"]);
    let other = PbxProcess::start();
    call("1001", &pbx.wss, &["--ca", &other.certificate]).fails(4, &["certificate"]);
    // TLS to a port without it.
    let plain = pbx.ws.replace("ws://", "wss://");
    call("1001", &plain, &[]).fails(4, &["TLS"]);
}

#[test]
fn trust_that_cannot_be_used() {
    let dir = Dir::new();
    let (_kept, nobody) = nobody();
    let server = format!("ws://{nobody}/ws");
    call("1001", &server, &["--pin", &"00".repeat(32)]).fails(2, &["wss://"]);
    let secure = server.replace("ws://", "wss://");
    call("1001", &secure, &["--ca", &dir.path("none.pem")]).fails(2, &["none.pem"]);
    let text = dir.write("text.pem", "no certificate in here");
    call("1001", &secure, &["--ca", &text]).fails(2, &["certificate"]);
}

#[test]
fn a_wrong_password_or_user() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let wrong = dir.write("password", "not-the-password\n");
    let finished = call("1001", &pbx.ws, &["--password-file", &wrong]);
    finished.fails(5, &["1000", "password"]);
    assert!(!finished.stderr[0].contains("not-the-password"));
    let unknown = run(["answer", "--server", &pbx.ws, "--user", "4711", "--password-file", &wrong]);
    unknown.fails(5, &["4711", "--user"]);
}

#[test]
fn no_user() {
    let finished = run(["call", "600", "--server", "ws://127.0.0.1:1", "--user", "", "--password", "x"]);
    assert_eq!(finished.status.code(), Some(2), "{finished:?}");
    let said = finished.stderr.join("\n");
    assert!(said.contains("--user") && !said.contains("builder"), "{said}");
}

#[test]
fn no_password() {
    let (_kept, nobody) = nobody();
    let server = format!("ws://{nobody}/ws");
    run(["call", "1001", "--server", &server, "--user", "1000"]).fails(2, &["OFFHOOK_PASSWORD", "--password-file"]);
    let dir = Dir::new();
    call("1001", &server, &["--password-file", &dir.path("none")]).fails(2, &["none"]);
    let empty = dir.write("empty", "");
    call("1001", &server, &["--password-file", &empty]).fails(2, &["empty"]);
}

#[test]
fn a_password_file_counts_before_the_environment_and_not_beside_the_option() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let right = dir.write("password", "secret-1000\n");
    let with = |args: &[&str], variable: &str| {
        let all = [args, &["--server", &pbx.ws, "--user", "1000", "--password-file", &right]].concat();
        let finished = Offhook::start_with(all, |command| {
            command.env(variable, "wrong");
        });
        finished.finish()
    };
    // Registered, with what is in the file.
    with(&["call", "604"], "OFFHOOK_PASSWORD").fails(6, &["604", "busy"]);
    let turn = ["doctor", "--no-call", "--turn", "turn:127.0.0.1:1?transport=tcp", "--turn-user", "u"];
    let turn = [&turn[..], &["--turn-password-file", &right]].concat();
    assert_ne!(with(&turn, "OFFHOOK_TURN_PASSWORD").status.code(), Some(2));

    let twice =
        [with(&["call", "604", "--password", "x"], "X"), with(&[&turn[..], &["--turn-password", "x"]].concat(), "X")];
    for (finished, option) in twice.iter().zip(["--password ", "--turn-password "]) {
        assert_eq!(finished.status.code(), Some(2), "{finished:#?}");
        let said = finished.stderr.join("\n");
        assert!(said.contains(option) && said.contains("-file"), "{said}");
    }
}

#[test]
fn as_json_a_failure_is_an_object_too() {
    let dir = Dir::new();
    let none = dir.path("none.toml");
    let mut all = vec![(run(["pbx", "--json", "--config", &none]), 2)];
    all.push((run(["pbx", "ctl", "--json", "--url", "http://127.0.0.1:1", "status"]), 3));
    // A build with devices may have some.
    if !cfg!(feature = "devices") {
        all.push((run(["devices", "--json"]), 2));
    }
    for (finished, code) in all {
        finished.fails(code, &[]);
        let said = finished.stderr[0].trim_start_matches("offhook: ");
        let wanted = serde_json::json!({ "ok": false, "error": said, "exit_code": code });
        assert_eq!(finished.json_lines(), [wanted], "{finished:#?}");
    }
    let plain = run(["pbx", "--config", &none]);
    assert!(plain.stdout.is_empty(), "{plain:#?}");
}

#[test]
fn a_transfer_that_nobody_could_hear_says_so() {
    let pbx = PbxProcess::start();
    let to = ["--transfer-to", "603", "--transfer-after", "200ms", "--duration", "3s"];
    call("600", &pbx.ws, &to).fails(6, &["603", "488", "Two services cannot be joined"]);
}

#[test]
fn refused_calls_have_their_sip_status() {
    let pbx = PbxProcess::start();
    for (number, said) in [
        ("4711", &["4711", "404", "check the number"][..]),
        ("1009", &["1009", "480", "registered"]),
        ("604", &["604", "busy", "486"]),
        ("605", &["605", "503", "later"]),
        ("607", &["607", "603"]),
        ("609", &["609", "403"]),
        ("612", &["612", "480"]),
    ] {
        call(number, &pbx.ws, &[]).fails(6, said);
    }
}

#[test]
fn as_json_a_refused_call_ends_with_a_summary_too() {
    let pbx = PbxProcess::start();
    let finished = call("604", &pbx.ws, &["--json"]);
    finished.fails(6, &["486"]);
    let lines = finished.json_lines();
    let failed = lines.iter().find(|line| line["event"] == "failed").expect("the failed event");
    assert_eq!((&failed["cause"], &failed["code"]), (&"Busy".into(), &486.into()));
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["event"], "summary");
    assert!(["codec", "packets_received", "loss", "mos"].iter().all(|key| summary[key].is_null()), "{summary}");
    assert_eq!((&summary["ok"], &summary["exit_code"], &summary["code"]), (&false.into(), &6.into(), &486.into()));

    let (_kept, nobody) = nobody();
    let unreachable = call("604", &format!("ws://{nobody}/ws"), &["--json"]);
    unreachable.fails(3, &[]);
    let lines = unreachable.json_lines();
    assert_eq!((lines.len(), &lines[0]["exit_code"]), (1, &3.into()));
}

#[test]
fn a_call_that_nobody_answers_leaves_the_recordings_as_they_were() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let (_kept, nobody) = nobody();
    let (old, none) = (dir.write("old.wav", "an older recording"), dir.path("none.wav"));
    for (server, code) in [(pbx.ws.clone(), 6), (format!("ws://{nobody}/ws"), 3)] {
        for path in [&old, &none] {
            let finished = call("604", &server, &["--json", "--record", path]);
            finished.fails(code, &[]);
            assert!(finished.json_lines().last().expect("a summary")["recorded"].is_null());
        }
        assert_eq!(std::fs::read_to_string(&old).expect("it is there"), "an older recording");
        assert!(!Path::new(&none).exists(), "there was no call to record");
    }
}

#[test]
fn a_number_that_is_none() {
    let pbx = PbxProcess::start();
    call("", &pbx.ws, &[]).fails(2, &["number"]);
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_call() {
    let pbx = PbxProcess::start();
    let mut caller = start("600", &pbx.ws, &["--json", "--duration", "3s"]);
    caller.event("confirmed");
    pbx.process.signal("KILL");
    caller.event("disconnected");
    let finished = caller.finish();
    finished.fails(3, &["lost"]);
    assert_eq!(finished.json_lines().last().expect("a summary")["exit_code"], 3);
}

#[test]
fn interrupted_before_anybody_answered() {
    let pbx = PbxProcess::start();
    let mut caller = start("606", &pbx.ws, &["--json"]);
    caller.event("progress");
    caller.signal("INT");
    let finished = caller.finish();
    finished.fails(130, &["interrupted", "606"]);
    let canceled = finished.json_lines().into_iter().find(|line| line["event"] == "failed").expect("failed");
    assert_eq!(canceled["cause"], "Canceled");
}

/// The server stands still: it does not even answer the CANCEL.
#[test]
fn a_call_that_does_not_end_in_time_is_left_and_summed_up() {
    let pbx = PbxProcess::start();
    let mut caller = start("606", &pbx.ws, &["--json"]);
    caller.event("progress");
    pbx.process.signal("STOP");
    caller.signal("INT");
    assert!(caller.event_within("summary", Duration::from_secs(30)), "it is not left");
    let finished = caller.finish();
    finished.fails(8, &["did not end in time"]);
    let summary = finished.json_lines().pop().expect("a summary");
    assert_eq!((&summary["event"], &summary["exit_code"]), (&"summary".into(), &8.into()), "{summary}");
    assert!(summary["cause"].is_null() && summary["ok"] == false, "{summary}");
}

#[test]
fn who_answers_ends_with_a_summary_while_connecting_too() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("address");
    for extra in [&["--json"][..], &["--json", "--once"]] {
        let answer = answer(&format!("ws://{address}/ws"), extra);
        let (mut socket, _) = listener.accept().expect("it connects");
        let _ = socket.read(&mut [0; 1_024]).expect("it asks");
        answer.signal("INT");
        let finished = answer.finish();
        finished.succeeds();
        let lines = finished.json_lines();
        let [summary] = &lines[..] else { panic!("one line: {finished:?}") };
        assert_eq!((&summary["event"], &summary["ok"]), (&"summary".into(), &true.into()));
        assert_eq!((&summary["calls"], &summary["exit_code"]), (&0.into(), &0.into()));
    }
}

#[test]
fn sound_files_that_cannot_be_used() {
    let dir = Dir::new();
    let (_kept, nobody) = nobody();
    let server = format!("ws://{nobody}/ws");
    // Found before the server is asked for, or the exit code would be 3.
    let text = dir.write("text.wav", "no sound in here");
    call("1001", &server, &["--play", &text]).fails(7, &["text.wav"]);
    call("1001", &server, &["--play", &dir.path("none.wav")]).fails(7, &["none.wav"]);
    call("1001", &server, &["--record", &dir.path("none/heard.wav")]).fails(7, &["heard.wav"]);
    let odd = dir.path("odd.wav");
    write_wav(Path::new(&odd), &Pcm::new(1_000, vec![0.0; 100])).expect("write");
    call("1001", &server, &["--play", &odd]).fails(7, &["odd.wav", "1000 Hz"]);
}
