//! `offhook doctor`: each thing that can be wrong is named, with what to do about it, and the others are still looked at.

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use common::{Dir, Finished, Offhook, PbxProcess, nobody};
use futures_util::StreamExt as _;
use serde_json::Value;

fn doctor(server: &str, extra: &[&str]) -> Finished {
    let mut args = vec!["doctor", "--server", server, "--user", "1000", "--json"];
    args.extend(extra);
    run(&args, "secret-1000")
}

fn run(args: &[&str], password: &str) -> Finished {
    let start = Offhook::start_with(args, |command| {
        command.env("OFFHOOK_PASSWORD", password).env("OFFHOOK_TURN_PASSWORD", "hidden-words");
    });
    start.finish()
}

/// The one check of this name; every check is reported exactly once.
#[track_caller]
fn check(finished: &Finished, name: &str) -> Value {
    let mut found: Vec<Value> = finished.json_lines().into_iter().filter(|line| line["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name} in {finished:#?}");
    found.remove(0)
}

#[track_caller]
fn statuses(finished: &Finished) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let lines = finished.json_lines();
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["exit_code"].as_i64(), finished.status.code().map(i64::from), "{finished:#?}");
    lines.iter().filter(|line| line["event"] == "check").map(|l| (text(&l["name"]), text(&l["status"]))).collect()
}

/// That this check failed with these words and an advice, that the exit code is its, and that what needs it was not looked at.
#[track_caller]
fn fails(finished: &Finished, name: &str, code: i32, said: &[&str]) -> Value {
    finished.fails(code, &[name]);
    let failed = check(finished, name);
    assert_eq!(failed["status"], "failed", "{finished:#?}");
    let text = failed.to_string();
    for part in said {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(failed["advice"].as_str().is_some_and(|advice| advice.len() > 10), "no advice: {text}");
    failed
}

/// A STUN server that sees everybody at one address.
fn stun_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut request = [0; 512];
        while let Ok((_, from)) = socket.recv_from(&mut request) {
            // RFC 8489: a success response with XOR-MAPPED-ADDRESS 198.51.100.7:4660.
            let mut answer = vec![1, 1, 0, 12];
            answer.extend(&request[4..20]);
            answer.extend([0, 0x20, 0, 8, 0, 1, 0x12 ^ 0x21, 0x34 ^ 0x12, 198 ^ 0x21, 51 ^ 0x12, 100 ^ 0xa4, 7 ^ 0x42]);
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

/// A port of UDP at which nobody answers.
fn silent() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address").to_string();
    (socket, address)
}

#[test]
fn at_the_embedded_pbx_all_is_well() {
    let pbx = PbxProcess::start();
    let stun = format!("stun:{}", stun_server());
    let finished = doctor(&pbx.wss, &["--ca", &pbx.certificate, "--stun", &stun]);
    finished.succeeds();
    let ok = ["dns", "tcp", "tls", "websocket", "register", "stun", "call", "ice", "media", "quality"];
    for (name, status) in statuses(&finished) {
        assert_eq!(status, if ok.contains(&name.as_str()) { "ok" } else { "skipped" }, "{name}: {finished:#?}");
    }
    assert!(check(&finished, "stun")["detail"].as_str().is_some_and(|text| text.contains("198.51.100.7")));
    assert!(check(&finished, "tls")["detail"].as_str().is_some_and(|text| text.contains("valid for")));
    assert!(check(&finished, "ice")["detail"].as_str().is_some_and(|text| text.contains("direct")));
    assert!(check(&finished, "media")["detail"].as_str().is_some_and(|text| text.contains("came back")));
    let quality = check(&finished, "quality");
    assert!(
        quality["detail"].as_str().is_some_and(|text| text.starts_with("MOS 4") && text.contains("opus")),
        "{quality}"
    );
}

#[test]
fn as_text_there_is_a_line_for_each_check() {
    let pbx = PbxProcess::start();
    let finished = run(&["doctor", "--server", &pbx.ws, "--user", "1000", "--no-call"], "secret-1000");
    finished.succeeds();
    let begins = |line: &String| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = finished.stdout.iter().map(begins).collect();
    let expected = ["ok dns", "ok tcp", "skipped tls", "ok websocket", "ok register", "skipped stun", "skipped turn"];
    assert_eq!(lines[..7], expected, "{finished:#?}");
    assert_eq!(finished.stdout.last().map(String::as_str), Some("4 ok, 0 failed, 7 not looked at"));
    assert!(finished.stderr.is_empty(), "no progress where there is no terminal: {finished:#?}");
    let broken = run(&["doctor", "--server", &pbx.ws, "--user", "1000", "--no-call"], "wrong");
    broken.fails(5, &["register"]);
    assert!(broken.stdout.iter().any(|line| line.trim_start().starts_with('→')), "what to do: {broken:#?}");
}

#[test]
fn a_p_series_pbx_is_logged_in_to() {
    let pbx = PbxProcess::start();
    let url = pbx.wss.replace("wss://", "https://").trim_end_matches("/ws").to_owned();
    let args = ["doctor", "--pbx", &url, "--user", "1000", "--pin", &pbx.fingerprint, "--no-call", "--json"];
    let finished = run(&args, "secret-1000");
    finished.succeeds();
    let login = check(&finished, "login");
    assert!(login["detail"].as_str().is_some_and(|text| text.contains("extension 1000")), "{login}");
    assert_eq!(check(&finished, "register")["status"], "ok");
    let refused = run(&args, "wrong");
    fails(&refused, "login", 5, &["1000", "signature"]);
    assert_eq!(check(&refused, "register")["status"], "skipped");
}

#[test]
fn a_name_that_does_not_exist() {
    let finished = doctor("wss://no-such-host.invalid/ws", &[]);
    fails(&finished, "dns", 3, &["no-such-host.invalid", "DNS"]);
    for name in ["tcp", "tls", "websocket", "register", "call", "ice", "media", "quality"] {
        assert_eq!(check(&finished, name)["status"], "skipped", "{name}");
    }
}

#[test]
fn a_closed_port() {
    let (_kept, address) = nobody();
    let address = address.to_string();
    let finished = doctor(&format!("ws://{address}/ws"), &[]);
    fails(&finished, "tcp", 3, &[&address, "firewall"]);
    assert_eq!(check(&finished, "dns")["status"], "ok");
}

#[test]
fn a_certificate_that_is_not_the_right_one() {
    let (pbx, other) = (PbxProcess::start(), PbxProcess::start());
    fails(&doctor(&pbx.wss, &[]), "tls", 4, &["not signed by a CA", "--pin"]);
    fails(&doctor(&pbx.wss, &["--ca", &other.certificate]), "tls", 4, &["not signed by a CA"]);
    // Its certificate is for localhost and loopback addresses, not for this name of it.
    let renamed = pbx.wss.replace("127.0.0.1", "pbx.localhost");
    let finished = doctor(&renamed, &["--ca", &pbx.certificate]);
    if check(&finished, "dns")["status"] == "ok" {
        fails(&finished, "tls", 4, &["another host name", "localhost"]);
    }
    // TLS to a port without it.
    fails(&doctor(&pbx.ws.replace("ws://", "wss://"), &[]), "tls", 4, &["port"]);
    // And the other way round.
    fails(&doctor(&pbx.wss.replace("wss://", "ws://"), &[]), "websocket", 3, &["does not speak HTTP", "write wss://"]);
}

#[test]
fn a_web_server_that_speaks_no_sip() {
    // The handshake key is answered as it should be, but without a subprotocol.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            listener.set_nonblocking(true).expect("non-blocking");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((socket, _)) = listener.accept().await {
                let _ = tokio_tungstenite::accept_async(socket).await;
            }
        });
    });
    let finished = doctor(&format!("ws://{address}/ws"), &[]);
    fails(&finished, "websocket", 3, &["not for SIP"]);
    assert_eq!(check(&finished, "register")["status"], "skipped");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().expect("the doctor");
        not_found(socket);
    });
    fails(&doctor(&format!("ws://{address}/nowhere"), &[]), "websocket", 3, &["404", "path"]);
}

/// Reads a request and knows nothing of it.
fn not_found(mut socket: TcpStream) {
    let mut reader = BufReader::new(socket.try_clone().expect("a socket"));
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
        line.clear();
    }
    let _ = socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn a_wrong_password_and_dead_servers_beside_it() {
    let pbx = PbxProcess::start();
    let ((_one, stun), (_other, turn)) = (silent(), silent());
    let (stun, turn) = (format!("stun:{stun}"), format!("turn:{turn}"));
    let mut args = vec!["doctor", "--server", &pbx.ws, "--user", "1000", "--json"];
    args.extend(["--stun", &stun, "--turn", &turn, "--turn-user", "ada"]);
    let finished = run(&args, "wrong");
    // The first of them makes the exit code.
    let failed = fails(&finished, "register", 5, &["1000", "password"]);
    assert!(!failed.to_string().contains("wrong\""), "the password is not repeated");
    for (name, said) in [("stun", "does not answer"), ("turn", "does not answer")] {
        let check = check(&finished, name);
        assert_eq!(check["status"], "failed", "{check}");
        assert!(check["detail"].as_str().is_some_and(|text| text.contains(said)), "{check}");
        assert!(check["advice"].as_str().is_some_and(|text| text.contains("firewall")), "{check}");
    }
    assert!(finished.stdout.iter().all(|line| !line.contains("hidden-words")));
    assert_eq!(check(&finished, "call")["status"], "skipped");
}

#[test]
fn a_call_can_be_well_while_a_server_for_it_is_dead() {
    let pbx = PbxProcess::start();
    let (_socket, stun) = silent();
    let finished = doctor(&pbx.ws, &["--stun", &format!("stun:{stun}")]);
    fails(&finished, "stun", 8, &[&stun]);
    assert_eq!(check(&finished, "media")["status"], "ok");
}

#[test]
fn a_number_that_is_no_echo() {
    let pbx = PbxProcess::start();
    let music = doctor(&pbx.ws, &["--echo", "603"]);
    let media = check(&music, "media");
    assert_eq!(media["status"], "warning", "{music:#?}");
    assert!(media.to_string().contains("--echo"), "{media}");
    music.succeeds();
    fails(&doctor(&pbx.ws, &["--echo", "4711"]), "call", 6, &["404", "--echo"]);
}

#[test]
fn a_far_end_that_answers_and_says_nothing() {
    let pbx = PbxProcess::start();
    // It sends silence.
    let mut mute = Offhook::start_with(["answer", "--server", &pbx.ws, "--user", "1001", "--json"], |command| {
        command.env("OFFHOOK_PASSWORD", "secret-1001");
    });
    mute.event("registered");
    let finished = doctor(&pbx.ws, &["--echo", "1001"]);
    fails(&finished, "media", 7, &["nothing but silence", "1001"]);
    assert_eq!(check(&finished, "quality")["status"], "ok", "the path is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_that_answers_and_sends_nothing_at_all() {
    let pbx = PbxProcess::start();
    // It says in its answer that it only receives, so the PBX has nothing to pass on.
    let builder = offhook::Phone::builder().server(&pbx.ws).user("1001").password("secret-1001");
    let deaf = |step: &offhook::SdpStep<'_>| {
        let answer = step.originator == offhook::events::Side::Local;
        answer.then(|| step.sdp.replace("a=sendrecv", "a=recvonly"))
    };
    let phone = builder.sdp_filter(deaf).connect().await.expect("registers");
    let mut incoming = phone.incoming();
    tokio::spawn(async move {
        while let Some(call) = incoming.next().await {
            call.answer(offhook::CallOptions::default()).await.expect("answers");
        }
    });
    let server = pbx.ws.clone();
    let run = tokio::task::spawn_blocking(move || doctor(&server, &["--echo", "1001"]));
    let finished = run.await.expect("runs");
    fails(&finished, "media", 7, &["none came", "NAT"]);
    assert_eq!(check(&finished, "ice")["status"], "ok");
    assert_eq!(check(&finished, "quality")["status"], "skipped");
    phone.shutdown().await;
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let dir = Dir::new();
    let server = ["doctor", "--server", "ws://127.0.0.1:1/ws", "--user", "1000"];
    run(&[&server[..], &["--stun", "turn:x"]].concat(), "x").fails(2, &["--stun"]);
    run(&[&server[..], &["--turn", "stun:x", "--turn-user", "ada"]].concat(), "x").fails(2, &["--turn"]);
    let missing = dir.path("none");
    let file = ["--turn", "turn:x", "--turn-user", "ada", "--turn-password-file", &missing];
    let finished = Offhook::start([&server[..], &file].concat()).finish();
    finished.fails(2, &["--turn-password-file", "none"]);
}
