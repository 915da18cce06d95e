//! The curl lines of docs/pbx-api.md, in their order, each with what the ones before it gave.

use std::collections::BTreeMap;

use crate::support::{Call, Server};

const DOCS: &str = include_str!("../../../../docs/pbx-api.md");

/// What a shell makes of a line: words, without quotes, with variables.
fn words(line: &str, variables: &BTreeMap<&str, String>) -> Vec<String> {
    let mut line = line.to_owned();
    for (name, value) in variables {
        line = line.replace(&format!("${name}"), value);
    }
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(std::mem::take(&mut word)),
            (_, c) => word.push(c),
        }
    }
    words.push(word);
    words
}

fn call(line: &str, variables: &BTreeMap<&str, String>) -> Call {
    let (mut method, mut url, mut headers, mut body) = (None, String::new(), Vec::new(), None);
    let mut words = words(line, variables).into_iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-s" => {}
            "-X" => method = words.next(),
            "-H" => headers.push(words.next().expect("a header")),
            "-d" => body = words.next(),
            _ => url = word,
        }
    }
    let path = url.strip_prefix("http://127.0.0.1:8088").unwrap_or_else(|| panic!("another address: {line}"));
    let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
    let mut call = Call::new(&method, path);
    for header in headers {
        let (name, value) = header.split_once(": ").expect("name: value");
        call = call.header(&name.to_ascii_lowercase(), value);
    }
    call.body(body.unwrap_or_default())
}

#[tokio::test]
async fn the_lines_of_the_documentation_run() {
    let server = Server::start().await;
    let lines: Vec<&str> = DOCS.lines().filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.len() >= 18, "{}", lines.len());
    let mut variables = BTreeMap::new();
    for line in lines {
        let answer = server.send(call(line, &variables)).await.ok();
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        if line.contains("/get_token") {
            variables.insert("OPEN_TOKEN", text(&answer["access_token"]));
        } else if line.contains("/sign/create") {
            variables.insert("SIGN", text(&answer["data"]["sign"]));
        } else if line.contains("/login") {
            variables.insert("TOKEN", text(&answer["access_token"]));
        }
    }
    assert_eq!(variables.len(), 3);
}
