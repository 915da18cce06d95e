//! `offhook call` and `offhook answer`: calls between processes through a PBX in a third one.

mod common;

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use common::{Dir, Offhook, PbxProcess};
use offhook_cli::audio::{Pcm, read_wav, write_wav};
use offhook_cli::demo::analysis::{Search, compare};
use offhook_cli::demo::clips::{speech_1000, speech_1001};

/// `offhook COMMAND… --server … --user …`, the password in the environment.
fn phone(command: &[&str], pbx: &PbxProcess, user: &str) -> Offhook {
    let args = command.iter().copied().chain(["--server", &pbx.ws, "--user", user]);
    let password = format!("secret-{user}");
    Offhook::start_with(args, |command| {
        command.env("OFFHOOK_PASSWORD", password);
    })
}

fn answering(extra: &[&str], pbx: &PbxProcess) -> Offhook {
    let mut command = vec!["answer", "--json"];
    command.extend(extra);
    let mut phone = phone(&command, pbx, "1001");
    phone.event("registered");
    phone
}

fn clip(dir: &Dir, name: &str, pcm: &Pcm) -> String {
    let path = dir.path(name);
    write_wav(Path::new(&path), pcm).expect("clip");
    path
}

/// How much of `said` is in the recording.
#[track_caller]
fn heard(said: &Pcm, recording: &str) -> f64 {
    let recording = read_wav(Path::new(recording)).expect("a recording");
    compare(said, &recording, &Search::anywhere(&recording)).correlation
}

#[test]
fn speech_and_tones_go_both_ways() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let (first, second) = (speech_1000().part(0.0, 4_000.0), speech_1001().part(0.0, 4_000.0));
    let (a, b) = (clip(&dir, "a.wav", &first), clip(&dir, "b.wav", &second));
    let (heard_a, heard_b) = (dir.path("heard-a.wav"), dir.path("heard-b.wav"));
    let mut callee = answering(&["--once", "--play", &b, "--record", &heard_b], &pbx);
    let caller = phone(
        &["call", "1001", "--json", "--play", &a, "--record", &heard_a, "--dtmf", "12#", "--duration", "5500ms"],
        &pbx,
        "1000",
    );
    let tones: String = (0..3).map(|_| callee.event("dtmf")["tone"].as_str().expect("tone").to_owned()).collect();
    assert_eq!(tones, "12#");

    let caller = caller.finish();
    caller.succeeds();
    let lines = caller.json_lines();
    let summary = lines.last().expect("a summary");
    assert_eq!((&summary["event"], &summary["ok"]), (&"summary".into(), &true.into()), "{summary}");
    assert_eq!(summary["cause"], "Terminated");
    assert_eq!(summary["number"], "1001");
    assert!(summary["duration_s"].as_f64().is_some_and(|s| (5.4..7.0).contains(&s)), "{summary}");
    assert!(summary["mos"].as_f64().is_some_and(|mos| mos > 4.0), "{summary}");
    assert!(lines.iter().all(|line| line["event"].is_string() && line["at_ms"].is_u64()));
    let sdp: Vec<_> = lines.iter().filter(|line| line["event"] == "sdp").collect();
    assert!(!sdp.is_empty() && sdp.iter().all(|line| line.get("sdp").is_none()), "keys are not printed");

    let callee = callee.finish();
    callee.succeeds();
    assert_eq!(callee.json_lines().last().expect("a summary")["ok"], true);
    let each = [heard(&first, &heard_b), heard(&second, &heard_a)];
    assert!(each.iter().all(|correlation| *correlation > 0.9), "{each:?}");
    assert!(heard(&second, &heard_b) < 0.4 && heard(&first, &heard_a) < 0.4);
}

#[test]
fn an_echo_comes_back_and_the_far_end_ends_with_the_file() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let said = speech_1000().part(0.0, 3_000.0);
    let file = clip(&dir, "said.wav", &said);
    let recording = dir.path("echo.wav");
    let callee = answering(&["--once", "--echo", "--record", &recording], &pbx);
    // Without --duration and --record, the end of the file ends the call.
    phone(&["call", "1001", "--play", &file], &pbx, "1000").finish().succeeds();
    callee.finish().succeeds();
    assert!(heard(&said, &recording) > 0.9);

    let recording = dir.path("back.wav");
    let _callee = answering(&["--echo"], &pbx);
    phone(&["call", "1001", "--play", &file, "--record", &recording, "--duration", "6s"], &pbx, "1000")
        .finish()
        .succeeds();
    assert!(heard(&said, &recording) > 0.9);
}

#[test]
fn a_hold_begins_and_ends_by_itself() {
    let pbx = PbxProcess::start();
    let _callee = answering(&["--echo"], &pbx);
    let mut caller = phone(&["call", "1001", "--json", "--hold-after", "500ms"], &pbx, "1000");
    let is_change = |line: &serde_json::Value| {
        line["event"] == "statusChange" && line["newStatus"]["isHold"] != line["oldStatus"]["isHold"]
    };
    for _ in 0..2 {
        caller.line(|line| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| is_change(&line)));
    }
    caller.signal("INT");
    let caller = caller.finish();
    caller.succeeds();
    let holds: Vec<bool> = caller
        .json_lines()
        .iter()
        .filter(|line| is_change(line))
        .filter_map(|line| line["newStatus"]["isHold"].as_bool())
        .collect();
    assert_eq!(holds, [true, false]);
}

#[test]
fn ctrl_c_hangs_up_properly_on_either_side() {
    let pbx = PbxProcess::start();
    let mut callee = answering(&[], &pbx);
    let mut caller = phone(&["call", "1001", "--json"], &pbx, "1000");
    caller.event("confirmed");
    caller.signal("INT");
    caller.finish().succeeds();
    assert_eq!(callee.event("ended")["cause"], "Terminated");

    let mut caller = phone(&["call", "1001", "--json"], &pbx, "1002");
    caller.event("confirmed");
    callee.signal("TERM");
    let callee = callee.finish();
    callee.succeeds();
    assert_eq!(callee.json_lines().last().expect("a summary")["calls"], 2);
    assert_eq!(caller.event("ended")["cause"], "Terminated");
    caller.finish().succeeds();
}

/// Waits until a TURN server is asked for an address (RFC 8656); it never answers.
#[track_caller]
fn is_asked(server: &UdpSocket) {
    server.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut request = [0u8; 1_500];
    server.recv(&mut request).expect("a request");
    assert_eq!(request[..2], [0, 3], "an Allocate request");
}

#[test]
fn both_ask_their_turn_servers() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let password = dir.path("turn-password");
    std::fs::write(&password, "hidden-words\n").expect("a file");
    let servers = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("binds"));
    let [first, second] = servers.each_ref().map(|server| format!("turn:{}", server.local_addr().expect("an address")));
    let user = ["--turn-user", "ada", "--turn-password-file", &password];
    let callee = answering(&[&user[..], &["--turn", &second, "--once", "--echo"]].concat(), &pbx);
    let caller = [&user[..], &["--turn", &first, "--duration", "1s"]].concat();
    let caller = phone(&[&["call", "1001"], &caller[..]].concat(), &pbx, "1000");
    servers.iter().for_each(is_asked);
    // Neither needs them here.
    caller.finish().succeeds();
    callee.finish().succeeds();
    let wrong = phone(&["call", "1001", "--stun", "turn:x"], &pbx, "1000").finish();
    wrong.fails(2, &["--stun"]);
    let wrong = phone(&["answer", "--relay"], &pbx, "1000").finish();
    assert!(wrong.status.code() == Some(2) && wrong.stderr.join("\n").contains("--turn"), "{wrong:?}");
}

#[test]
fn who_answers_takes_one_call_at_a_time() {
    let pbx = PbxProcess::start();
    let mut callee = answering(&["--echo"], &pbx);
    let mut first = phone(&["call", "1001", "--json"], &pbx, "1000");
    first.event("confirmed");
    phone(&["call", "1001"], &pbx, "1002").finish().fails(6, &["1001", "busy", "486"]);
    assert_eq!(callee.event("busy")["event"], "busy");
    first.signal("INT");
    first.finish().succeeds();
    // And it takes the next one, once it knows that the first is over.
    callee.event("ended");
    phone(&["call", "1001", "--duration", "300ms"], &pbx, "1002").finish().succeeds();
}

#[test]
fn a_service_that_hangs_up_ends_the_call_without_error() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let recording = dir.path("tone.wav");
    let caller = phone(&["call", "601", "--record", &recording], &pbx, "1000").finish();
    caller.succeeds();
    let text = caller.stdout.join("\n");
    assert!(text.contains("talking") && text.contains("ended (Terminated)"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours without a terminal");
    let tone = read_wav(Path::new(&recording)).expect("a recording");
    // The tone begins when there is a path for it.
    let mut frames = (0..tone.duration_ms() as u32 / 20).map(|n| f64::from(n) * 20.0);
    let begun = frames.find(|ms| tone.part(*ms, ms + 20.0).active_share(-40.0) > 0.5).expect("it is heard");
    let tone = tone.part(begun, tone.duration_ms());
    assert!(tone.active_share(-40.0) > 0.7 && tone.duration_ms() > 2_500.0, "{} ms", tone.duration_ms());
}

#[test]
fn a_call_shorter_than_a_report_is_measured_too() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    // The end of the file ends the call, a second after its media is up.
    let file = clip(&dir, "said.wav", &speech_1000().part(0.0, 1_000.0));
    let caller = phone(&["call", "600", "--json", "--play", &file], &pbx, "1000").finish();
    caller.succeeds();
    let summary = caller.json_lines().pop().expect("a summary");
    assert_eq!(summary["codec"], "opus", "{summary}");
    assert!(summary["packets_received"].as_u64().is_some_and(|received| received > 10), "{summary}");
    assert_eq!(summary["loss"], 0.0, "{summary}");
}

#[test]
fn tls_is_accepted_with_the_ca_or_the_pin() {
    let pbx = PbxProcess::start();
    for trust in [["--ca", &pbx.certificate], ["--pin", &pbx.fingerprint]] {
        let mut args = vec!["call", "600", "--server", &pbx.wss, "--user", "1000", "--duration", "300ms"];
        args.extend(trust);
        Offhook::start_with(args, |command| {
            command.env("OFFHOOK_PASSWORD", "secret-1000");
        })
        .finish()
        .succeeds();
    }
}

#[test]
fn the_password_may_be_in_a_file() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let file = dir.write("password", "secret-1000\nnot this\n");
    let server = ["--server", &pbx.ws, "--user", "1000", "--password-file", &file];
    let args = ["call", "600", "--duration", "300ms"].into_iter().chain(server);
    common::run(args).succeeds();
}

#[test]
fn without_a_microphone_there_is_no_warning_of_a_silent_one() {
    let pbx = PbxProcess::start();
    // A microphone would be warned of after 9 s.
    let finished = phone(&["call", "600", "--json", "--duration", "11s"], &pbx, "1000").finish();
    finished.succeeds();
    let events = finished.json_lines();
    assert!(events.iter().any(|event| event["event"] == "confirmed"), "{events:#?}");
    let warned = |event: &serde_json::Value| event.to_string().contains("constant-audio-input-level");
    assert!(!events.iter().any(warned), "{events:#?}");
}
