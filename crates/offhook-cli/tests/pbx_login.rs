//! `offhook call` and `offhook answer` that log in to a P-Series PBX, which `offhook pbx` is too.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use common::{Dir, Offhook, PbxProcess, nobody, run};

/// What `--pbx` is given.
struct Urls {
    http: String,
    https: String,
}

fn urls(pbx: &PbxProcess) -> Urls {
    let host = |url: &str| url.split('/').nth(2).expect("a host").to_owned();
    Urls { http: format!("http://{}", host(&pbx.ws)), https: format!("https://{}", host(&pbx.wss)) }
}

/// A request of an administrator or of an app's backend, on loopback.
fn ask(http: &str, method: &str, path: &str, body: &str) -> serde_json::Value {
    let host = http.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("it listens");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer offhook-admin\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

fn signature(http: &str, number: &str) -> String {
    let client = r#"{"username":"offhook","password":"offhook-secret"}"#;
    let token = ask(http, "POST", "/openapi/v1.0/get_token", client);
    let path = format!("/openapi/v1.0/sign/create?access_token={}", token["access_token"].as_str().expect("a token"));
    let signed = ask(http, "POST", &path, &format!(r#"{{"username":"{number}"}}"#));
    signed["data"]["sign"].as_str().expect("a signature").to_owned()
}

#[test]
fn a_call_of_two_that_logged_in_with_signatures() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let urls = urls(&pbx);
    let file = |number: &str| dir.write(number, format!("{}\n", signature(&urls.http, number)));
    let (ann, bob) = (file("1000"), file("1001"));
    let mut answer = Offhook::start([
        "answer",
        "--pbx",
        &urls.https,
        "--pin",
        &pbx.fingerprint,
        "--user",
        "1001",
        "--signature-file",
        &bob,
        "--echo",
        "--once",
        "--json",
    ]);
    answer.event("registered");
    let call = run([
        "call",
        "1001",
        "--pbx",
        &urls.https,
        "--ca",
        &pbx.certificate,
        "--user",
        "1000",
        "--signature-file",
        &ann,
        "--duration",
        "1s",
        "--json",
    ]);
    call.succeeds();
    let summary = call.json_lines().pop().expect("a summary");
    assert_eq!((summary["event"].as_str(), summary["ok"].as_bool()), (Some("summary"), Some(true)), "{summary}");
    answer.finish().succeeds();
}

/// On loopback without TLS, as one tries it out.
#[test]
fn the_embedded_pbx_takes_the_password_too() {
    let pbx = PbxProcess::start();
    let call = Offhook::start_with(
        ["call", "600", "--pbx", &urls(&pbx).http, "--user", "1000", "--duration", "500ms"],
        |command| {
            command.env("OFFHOOK_PASSWORD", "secret-1000");
        },
    );
    call.finish().succeeds();
}

/// Waits until a client that runs is told what happens: it subscribes beside all else, and what is told before that is told to nobody.
fn is_subscribed(client: &mut Offhook, urls: &Urls) {
    let mut permissions = ["0", "2"].into_iter().cycle();
    let told = (0..600).any(|_| {
        let body = format!(r#"{{"record":{}}}"#, permissions.next().expect("for ever"));
        assert_eq!(ask(&urls.http, "PATCH", "/admin/v1/extensions/1000", &body)["errcode"], 0);
        client.event_within("recordPermissionsChange", Duration::from_millis(100))
    });
    assert!(told, "it does not subscribe");
}

#[test]
fn a_call_that_the_pbx_ends_says_why() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let urls = urls(&pbx);
    let file = dir.write("signature", signature(&urls.http, "1000"));
    let args = ["call", "600", "--pbx", &urls.http, "--user", "1000", "--signature-file", &file, "--json"];
    let mut call = Offhook::start(args);
    call.event("confirmed");
    is_subscribed(&mut call, &urls);
    // A deleted extension's calls are ended by the PBX too, and which of the two is heard first is open.
    run(args.into_iter().chain(["--duration", "200ms"])).succeeds();
    call.finish().fails(5, &["somewhere else", "-107"]);
}

#[test]
fn who_answers_and_is_ended_by_the_pbx_ends_with_a_summary_that_says_why() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let urls = urls(&pbx);
    let file = dir.write("signature", signature(&urls.http, "1000"));
    let line = ["--pbx", &urls.http, "--user", "1000", "--signature-file", &file, "--json"];
    let mut answer = Offhook::start(["answer"].into_iter().chain(line));
    is_subscribed(&mut answer, &urls);
    run(["call", "600", "--duration", "200ms"].into_iter().chain(line)).succeeds();
    let finished = answer.finish();
    finished.fails(5, &["somewhere else", "-107"]);
    let summary = finished.json_lines().pop().expect("a summary");
    assert_eq!((&summary["event"], &summary["ok"]), (&"summary".into(), &false.into()), "{summary}");
    assert_eq!((&summary["calls"], &summary["exit_code"]), (&0.into(), &5.into()), "{summary}");
    assert!(summary["error"].as_str().is_some_and(|error| error.contains("-107")), "{summary}");
}

#[test]
fn every_refusal_has_its_exit_code() {
    let (pbx, dir) = (PbxProcess::start(), Dir::new());
    let urls = urls(&pbx);
    let wrong = dir.write("wrong", "not-the-signature\n");
    let call = |url: &str, extra: &[&str]| {
        let mut args = vec!["call", "600", "--pbx", url, "--user", "1000", "--signature-file", &wrong];
        args.extend(extra);
        run(args)
    };
    let finished = call(&urls.http, &[]);
    finished.fails(5, &["1000", "login signature"]);
    assert!(!finished.stderr[0].contains("not-the-signature"));
    let by_password = ["call", "600", "--pbx", &urls.http, "--user", "1000", "--password-file", &wrong];
    run(by_password).fails(5, &["1000", "check --user and the password"]);
    call(&urls.https, &[]).fails(4, &["certificate", "--ca", "--pin"]);
    call(&urls.https, &["--pin", &"00".repeat(32)]).fails(4, &["certificate"]);
    let (_kept, nobody) = nobody();
    call(&format!("https://{nobody}"), &["--pin", &pbx.fingerprint]).fails(3, &[&nobody.to_string()]);
    call("http://pbx.example", &[]).fails(2, &["https"]);
    call("pbx.example", &[]).fails(2, &["https://"]);
    call(&urls.http, &["--pin", &pbx.fingerprint]).fails(2, &["https://"]);
    let none = dir.path("none");
    run(["call", "600", "--pbx", &urls.http, "--user", "1000", "--signature-file", &none]).fails(2, &["none"]);
    run(["call", "600", "--pbx", &urls.http, "--user", "1000"]).fails(2, &["--signature-file", "OFFHOOK_PASSWORD"]);
}

#[test]
fn either_a_server_or_a_pbx() {
    let call = |extra: &[&str]| {
        let mut args = vec!["call", "600", "--user", "1000"];
        args.extend(extra);
        run(args)
    };
    for (extra, said) in [
        (&[][..], "--server"),
        (&["--server", "ws://127.0.0.1:1", "--pbx", "http://127.0.0.1:1"], "cannot be used with"),
        (&["--server", "ws://127.0.0.1:1", "--signature-file", "x"], "cannot be used with"),
    ] {
        let finished = call(extra);
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.stderr.join("\n").contains(said), "{finished:?}");
    }
}
