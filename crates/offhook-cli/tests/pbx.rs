//! `offhook pbx` as a process.

mod common;

use std::net::TcpListener;
use std::process::Stdio;

use common::{Dir, Offhook, PbxProcess, run};

#[test]
fn it_tells_where_it_listens_and_ends_with_ctrl_c() {
    let mut pbx = Offhook::start(["pbx", "--port", "0", "--tls-port", "0"]);
    let url = pbx.line(|line| line.starts_with("listening on ws://"));
    let address = url.trim_start_matches("listening on ws://").trim_end_matches("/ws");
    std::net::TcpStream::connect(address).expect("it listens there");
    pbx.line(|line| line.starts_with("listening on wss://127.0.0.1:"));
    pbx.line(|line| line.starts_with("certificate  SHA-256 "));
    pbx.line(|line| line.contains("1000, 1001"));
    pbx.line(|line| line.contains("600"));
    pbx.line(|line| line.starts_with("conferences  7000, 7001, ") && line.ends_with(", 7009"));
    // Without a place for messages and recordings there is neither *97 nor *1.
    pbx.line(|line| {
        line.starts_with("codes        *03 in a call: ") && line.contains("; *3 ") && line.contains("; *0 ")
    });
    pbx.line(|line| line == "Ctrl-C ends it");
    pbx.signal("INT");
    pbx.finish().succeeds();
}

#[test]
fn as_json_it_prints_nothing_but_json() {
    let mut pbx = Offhook::start(["pbx", "--json", "--port", "0", "--tls-port", "0"]);
    let listening = pbx.event("listening");
    assert_eq!(listening["pid"], pbx.pid());
    assert_eq!(listening["fingerprint"].as_str().map(str::len), Some(64));
    pbx.signal("TERM");
    let finished = pbx.finish();
    finished.succeeds();
    assert_eq!(finished.json_lines().len(), 1);
}

#[test]
fn as_json_it_tells_whatever_can_be_dialled() {
    let dir = Dir::new();
    let text = format!(
        "ws_port = 0\nwss_port = 0\ndata_dir = {:?}\nrecordings = {:?}\n[[conference]]\nnumber = \"8000\"\nname = \"Round\"\n\
         [[ring_group]]\nnumber = \"6200\"\nmembers = [\"1000\", \"1001\"]\n",
        dir.path("data"),
        dir.path("calls")
    );
    let file = dir.write("pbx.toml", text);
    let mut pbx = Offhook::start(["pbx", "--json", "--config", &file]);
    let listening = pbx.event("listening");
    let services = listening["services"].as_array().expect("a list");
    let told: Vec<&str> = services.iter().filter_map(|service| service["number"].as_str()).collect();
    let known =
        ["600", "601", "603", "604", "605", "606", "607", "609", "612", "8000", "6200", "*97", "*03", "*3", "*0", "*1"];
    assert_eq!(told, known);
    let does =
        |number: &str| services.iter().find(|service| service["number"] == number).expect("told")["does"].clone();
    assert_eq!((does("8000"), does("6200")), ("conference room Round".into(), "rings 1000, 1001".into()));
    pbx.signal("TERM");
    pbx.finish().succeeds();
}

#[test]
fn recordings_that_could_not_be_written_are_noticed_at_the_start() {
    let dir = Dir::new();
    let taken = dir.write("taken", "no directory");
    for recordings in [taken.as_str(), "/proc/calls"] {
        let file = dir.write("pbx.toml", format!("ws_port = 0\nwss_port = 0\nrecordings = {recordings:?}\n"));
        run(["pbx", "--config", &file]).fails(9, &[recordings, "leave recordings out"]);
    }
    let calls = dir.path("new/calls");
    let file = dir.write("pbx.toml", format!("ws_port = 0\nwss_port = 0\nrecordings = {calls:?}\n"));
    let mut pbx = Offhook::start(["pbx", "--json", "--config", &file]);
    pbx.event("listening");
    assert_eq!(std::fs::read_dir(&calls).expect("made").count(), 0, "and nothing is left in it");
    pbx.signal("TERM");
    pbx.finish().succeeds();
}

#[test]
fn the_certificate_is_kept_in_the_data_directory() {
    let dir = Dir::new();
    let data = dir.path("data");
    let fingerprint = || {
        let mut pbx = Offhook::start(["pbx", "--json", "--port", "0", "--tls-port", "0", "--data", &data]);
        let listening = pbx.event("listening");
        let path = listening["certificate"].as_str().expect("a path");
        assert!(std::fs::read_to_string(path).expect("PEM").starts_with("-----BEGIN CERTIFICATE"));
        listening["fingerprint"].clone()
    };
    assert_eq!(fingerprint(), fingerprint());
}

#[test]
fn a_port_in_use_is_named_with_the_option_to_change_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("address").port().to_string();
    run(["pbx", "--port", &port, "--tls-port", "0"]).fails(9, &[&port, "in use", " --port "]);
    run(["pbx", "--port", "0", "--tls-port", &port]).fails(9, &[&port, "in use", "--tls-port"]);
}

#[test]
fn beyond_loopback_built_in_passwords_are_refused() {
    run(["pbx", "--bind", "0.0.0.0", "--port", "0", "--tls-port", "0"]).fails(9, &["passwords", "--config"]);
}

#[test]
fn beyond_loopback_it_speaks_tls_only_and_says_where_its_secrets_are() {
    let dir = Dir::new();
    let extension = "[[extension]]\nnumber = \"77\"\npassword = \"long enough\"\n";
    let plain = dir.write("plain.toml", format!("bind = \"0.0.0.0\"\nws_port = 0\n{extension}"));
    run(["pbx", "--config", &plain]).fails(9, &["ws_port = false", "wss_port"]);
    let file = dir.write("pbx.toml", format!("bind = \"0.0.0.0\"\nwss_port = 0\n{extension}"));
    run(["pbx", "--config", &file]).fails(9, &["client_secret", "data_dir"]);

    let data = dir.path("data");
    let mut pbx = Offhook::start(["pbx", "--json", "--config", &file, "--data", &data]);
    let listening = pbx.event("listening");
    assert!(listening["ws"].is_null() && listening["wss"].is_string());
    assert!(listening["api"][0].as_str().is_some_and(|url| url.starts_with("https://")), "{listening}");
    for key in ["client_secret_file", "admin_token_file"] {
        let path = listening[key].as_str().expect("a file");
        assert!(path.starts_with(&data), "{path}");
        let secret = std::fs::read_to_string(path).expect("readable");
        assert_eq!(secret.trim().len(), 64);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o600);
        }
    }
    let token = listening["admin_token_file"].as_str().expect("a file");
    let certificate = listening["certificate"].as_str().expect("a file");
    let url = listening["api"][0].as_str().expect("a URL").to_owned();
    run(["pbx", "ctl", "--url", &url, "--token-file", token, "--ca", certificate, "status"]).succeeds();
    pbx.signal("INT");
    let finished = pbx.finish();
    finished.succeeds();
    let printed = format!("{:?}{:?}", finished.stdout, finished.stderr);
    assert!(!printed.contains(std::fs::read_to_string(token).expect("readable").trim()), "a secret was printed");
}

#[test]
fn a_wrong_configuration_file_is_named_with_its_line() {
    let dir = Dir::new();
    let file = dir.write("pbx.toml", "domain = \"a\"\nextensions = 7\n");
    run(["pbx", "--config", &file]).fails(2, &["pbx.toml", "line 2"]);
    run(["pbx", "--config", &dir.path("none.toml")]).fails(2, &["none.toml"]);
}

#[test]
fn a_configuration_file_replaces_the_built_in_extensions() {
    let dir = Dir::new();
    let toml =
        "wss_port = false\nws_port = 0\n[[extension]]\nnumber = \"77\"\nname = \"Eve\"\npassword = \"long enough\"\n";
    let file = dir.write("pbx.toml", toml);
    let mut pbx = Offhook::start(["pbx", "--json", "--config", &file]);
    let listening = pbx.event("listening");
    assert_eq!(listening["extensions"], serde_json::json!(["77"]));
    assert!(listening["wss"].is_null() && listening["ws"].is_string());
}

#[test]
fn it_ends_with_its_parents_pipe_when_asked_to() {
    let mut pbx =
        Offhook::start_with(["pbx", "--json", "--port", "0", "--tls-port", "0", "--until-stdin-closes"], |command| {
            command.stdin(Stdio::piped());
        });
    pbx.event("listening");
    pbx.close_stdin();
    pbx.finish().succeeds();
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let (one, two) = (PbxProcess::start(), PbxProcess::start());
    assert_ne!(one.ws, two.ws);
    assert_ne!(one.fingerprint, two.fingerprint);
}

/// Whether or not the phone was built in: the root is never a broken page, and can be switched off.
#[test]
fn the_root_is_the_web_phone_or_says_how_to_get_it() {
    use std::io::{Read as _, Write as _};
    let get = |url: &str| {
        let mut stream = std::net::TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let args = ["pbx", "--json", "--port", "0", "--tls-port", "0"];
    let mut pbx = Offhook::start(args);
    let listening = pbx.event("listening");
    let answer = get(listening["api"][0].as_str().expect("a URL"));
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    match listening["web_phone"].as_array().expect("a list").len() {
        0 => assert!(answer.contains("node web/build.js"), "{answer}"),
        count => assert!(count == 2 && answer.contains("<!doctype html>"), "{answer}"),
    }
    let mut without = Offhook::start(args.iter().copied().chain(["--no-web-phone"]));
    let listening = without.event("listening");
    assert_eq!(listening["web_phone"], serde_json::json!([]));
    assert!(get(listening["api"][0].as_str().expect("a URL")).starts_with("HTTP/1.1 426"));
}
