//! `offhook pbx ctl` against a running `offhook pbx`.

mod common;

use common::{Dir, Finished, Offhook, run};
use serde_json::{Value, json};

/// A running PBX, and how it is asked.
struct Server {
    pbx: Offhook,
    url: String,
    https: String,
    certificate: String,
    _dir: Dir,
}

impl Server {
    fn start() -> Self {
        let dir = Dir::new();
        let data = dir.path("data");
        let mut pbx = Offhook::start(["pbx", "--json", "--port", "0", "--tls-port", "0", "--data", &data]);
        let listening = pbx.event("listening");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        assert_eq!(listening["client_id"], "offhook");
        let (url, https) = (text(&listening["api"][0]), text(&listening["api"][1]));
        Self { pbx, url, https, certificate: text(&listening["certificate"]), _dir: dir }
    }

    fn ctl(&self, args: &[&str]) -> Finished {
        self.with(args, &[])
    }

    fn with(&self, args: &[&str], environment: &[(&str, &str)]) -> Finished {
        let all = ["pbx", "ctl", "--url", &self.url].into_iter().chain(args.iter().copied());
        Offhook::start_with(all, |command| {
            command.env_remove("OFFHOOK_ADMIN_TOKEN").env_remove("OFFHOOK_EXTENSION_PASSWORD");
            command.envs(environment.iter().copied());
        })
        .finish()
    }

    fn json(&self, args: &[&str]) -> Value {
        let finished = self.ctl(&[&["--json"], args].concat());
        finished.succeeds();
        let [line] = finished.json_lines().try_into().expect("one object");
        line
    }
}

#[test]
fn an_extension_is_added_changed_switched_off_and_deleted() {
    let server = Server::start();
    let added = server.json(&["extension", "add", "2000", "--name", "Zoë", "--record", "1", "--web-client", "off"]);
    assert_eq!(added["extension"]["number"], "2000");
    assert_eq!((&added["extension"]["record"], &added["extension"]["web_client"]), (&json!(1), &json!(false)));
    let password = added["password"].as_str().expect("a random password");
    assert_eq!(password.len(), 20);

    server.ctl(&["extension", "set", "2000", "--voicemail", "on"]).succeeds();
    let shown = server.json(&["extension", "show", "2000"]);
    assert_eq!((&shown["extension"]["voicemail"], &shown["extension"]["name"]), (&json!(true), &json!("Zoë")));
    server.ctl(&["extension", "disable", "2000"]).succeeds();
    assert_eq!(server.json(&["extension", "show", "2000"])["extension"]["enabled"], false);
    server.ctl(&["extension", "enable", "2000"]).succeeds();
    let table = server.ctl(&["extension", "list"]);
    table.succeeds();
    assert!(table.stdout.iter().any(|line| line.starts_with("2000 ") && line.contains("Zoë")), "{table:?}");
    assert!(!table.stdout.concat().contains(password));
    server.ctl(&["extension", "delete", "2000"]).succeeds();
    server.ctl(&["extension", "show", "2000"]).fails(2, &["no such extension", "add it first"]);
    server.ctl(&["extension", "set", "1000", "--name", "X"]).succeeds();
    assert_eq!(server.json(&["extension", "reset", "1000"])["extension"]["name"], "Ada");
}

#[test]
fn a_phone_registers_with_the_password_that_was_set() {
    let mut server = Server::start();
    let environment = [("OFFHOOK_EXTENSION_PASSWORD", "correct horse")];
    server.with(&["extension", "add", "2000"], &environment).succeeds();
    let ws = format!("{}/ws", server.url.replace("http://", "ws://"));
    let mut phone = Offhook::start_with(["answer", "--json", "--server", &ws, "--user", "2000"], |command| {
        command.env("OFFHOOK_PASSWORD", "correct horse");
    });
    phone.event("registered");
    server.pbx.event("registered");
    let status = server.json(&["status"]);
    assert_eq!((&status["load"]["registrations"], &status["calls"]), (&json!(1), &json!([])));
    let dir = Dir::new();
    let file = dir.write("password", "battery staple\n");
    server.ctl(&["extension", "set", "2000", "--password-file", &file]).succeeds();
    // The phone has to prove the new one.
    assert_eq!(server.pbx.event("unregistered")["extension"], "2000");
}

#[test]
fn a_new_password_logs_clients_out_unless_they_may_stay() {
    let (server, dir) = (Server::start(), Dir::new());
    let mut phone = Offhook::start_with(["answer", "--json", "--pbx", &server.url, "--user", "1000"], |command| {
        command.env("OFFHOOK_PASSWORD", "secret-1000");
    });
    phone.event("registered");
    for (password, also, logged_in) in
        [("correct horse", &["--stay-logged-in"][..], json!(["desktop"])), ("battery staple", &[], json!([]))]
    {
        let file = dir.write("password", password);
        let set = ["extension", "set", "1000", "--password-file", &file];
        assert_eq!(server.json(&[&set, also].concat())["extension"]["logged_in"], logged_in, "{also:?}");
    }
}

#[test]
fn contacts_settings_and_the_rest() {
    let server = Server::start();
    let contact = server.json(&["contact", "add", "Grace", "--number", "555", "--number", "556", "--company", "Navy"]);
    let id = contact["contact"]["id"].to_string();
    server.ctl(&["contact", "set", &id, "--name", "G. Hopper"]).succeeds();
    let list = server.json(&["contact", "list"]);
    assert_eq!(list["contacts"][0]["name"], "G. Hopper");
    assert_eq!(list["contacts"][0]["numbers"], json!(["555", "556"]));
    server.ctl(&["contact", "delete", &id]).succeeds();
    assert_eq!(server.ctl(&["contact", "list"]).stdout, ["none"]);

    let settings = server.json(&["setting", "set", "--record-feature-code", "*7", "--video-licence", "off"]);
    assert_eq!(settings["settings"]["record_feature_code"], "*7");
    assert_eq!(server.json(&["setting", "show"]), settings);
    assert_eq!(server.json(&["setting", "reset"])["settings"]["record_feature_code"], "*1");
    server.ctl(&["setting", "hot-standby"]).succeeds();
    assert_eq!(server.json(&["logout", "1000"])["logged_out"], 0);
    assert_eq!(server.json(&["cdr", "1000", "--status", "missed"])["total_number"], 0);
    assert_eq!(server.json(&["cdr"])["cdrs"], json!([]));
    server.ctl(&["report", "1000"]).succeeds();
    server.ctl(&["log", "1000"]).succeeds();
    let status = server.ctl(&["status"]);
    status.succeeds();
    assert!(status.stdout.iter().any(|line| line.starts_with("registrations")), "{status:?}");

    let dir = Dir::new();
    let photo = dir.write("me.png", b"\x89PNG\r\n\x1a\n a picture");
    let name = server.json(&["extension", "photo", "1000", &photo]);
    assert!(name["photo"].as_str().is_some_and(|name| name.ends_with(".png")), "{name}");
    server.ctl(&["extension", "photo", "1000"]).succeeds();
    let text = dir.write("me.txt", "no picture");
    server.ctl(&["extension", "photo", "1000", &text]).fails(2, &["PNG"]);
}

#[test]
fn errors_have_their_codes_and_a_next_step() {
    let server = Server::start();
    server.ctl(&["extension", "add", "600"]).fails(2, &["service", "another number"]);
    server.ctl(&["extension", "add", "1000"]).fails(2, &["there already"]);
    server.ctl(&["extension", "set", "1000"]).fails(2, &["nothing to change", "--name"]);
    server.ctl(&["extension", "set", "../settings", "--name", "x"]).fails(2, &["no extension"]);
    server.ctl(&["contact", "delete", "4711"]).fails(2, &["no such contact"]);
    server.ctl(&["setting", "set", "--record-feature-code", "x"]).fails(2, &["cannot be dialled"]);
    server.ctl(&["cdr", "1000", "--page", "0"]).fails(2, &["page must be"]);
    assert_eq!(server.ctl(&["extension", "set", "1000", "--record", "3"]).status.code(), Some(2));

    let wrong = [("OFFHOOK_ADMIN_TOKEN", "wrong")];
    server.with(&["status"], &wrong).fails(5, &["admin token", "--token-file"]);
    let dir = Dir::new();
    let token = dir.write("token", "offhook-admin\n");
    server.with(&["status", "--token-file", &token], &wrong).succeeds();
    server.ctl(&["status", "--token-file", &dir.path("none")]).fails(2, &["--token-file", "none"]);
    server.ctl(&["status", "--token-file", &dir.write("empty", "\n")]).fails(2, &["first line is empty"]);

    run(["pbx", "ctl", "--url", "http://127.0.0.1:1", "status"]).fails(3, &["127.0.0.1:1", "offhook pbx"]);
    run(["pbx", "ctl", "--url", "http://192.0.2.1", "status"]).fails(2, &["https"]);
    run(["pbx", "ctl", "--url", "pbx.example", "status"]).fails(2, &["https://host:port"]);
    assert_eq!(run(["pbx", "ctl"]).status.code(), Some(2));
}

#[test]
fn over_https_the_certificate_is_verified() {
    let server = Server::start();
    let ask = |more: &[&str]| {
        let args = ["pbx", "ctl", "--url", &server.https, "status"].into_iter().chain(more.iter().copied());
        run(args)
    };
    ask(&["--ca", &server.certificate]).succeeds();
    ask(&[]).fails(4, &["TLS", "--ca"]);
    ask(&["--ca", "/nothing"]).fails(2, &["/nothing"]);
}

#[test]
fn new_secrets_end_the_old_ones() {
    let server = Server::start();
    let dir = Dir::new();
    assert_eq!(server.json(&["secret", "client"])["secret"].as_str().map(str::len), Some(64));
    let file = dir.write("token", "an-admin-token-of-my-own\n");
    server.ctl(&["secret", "admin", "--file", &dir.write("short", "short\n")]).fails(2, &["16 to 256"]);
    server.ctl(&["secret", "admin", "--file", &file]).succeeds();
    server.ctl(&["status"]).fails(5, &["--token-file"]);
    server.ctl(&["status", "--token-file", &file]).succeeds();
}

/// What is changed at run time is there after a restart.
#[test]
fn changes_outlive_the_process() {
    let dir = Dir::new();
    let data = dir.path("data");
    let start = || {
        let mut pbx = Offhook::start(["pbx", "--json", "--port", "0", "--tls-port", "0", "--data", &data]);
        let url = pbx.event("listening")["api"][0].as_str().expect("a URL").to_owned();
        (pbx, url)
    };
    let (pbx, url) = start();
    run(["pbx", "ctl", "--url", &url, "extension", "set", "1000", "--name", "Countess"]).succeeds();
    pbx.signal("KILL");
    let _ = pbx.finish();
    let (_pbx, url) = start();
    let shown = run(["pbx", "ctl", "--url", &url, "--json", "extension", "show", "1000"]);
    assert_eq!(shown.json_lines()[0]["extension"]["name"], "Countess");
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let server = Server::start();
    server.ctl(&["contact", "delete", "77"]).fails(2, &["no such contact", "contact list"]);
    server.ctl(&["contact", "set", "77", "--name", "x"]).fails(2, &["contact list"]);
    server.ctl(&["extension", "photo", "1000", "nofile"]).fails(2, &["nofile", "PNG, JPEG or WebP"]);
}
