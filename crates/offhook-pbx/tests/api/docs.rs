//! The curl lines of docs/pbx-api.md, in their order, each with what the ones before it gave; and the configuration of docs/pbx.md.

use std::collections::BTreeMap;

use offhook_pbx::{Conference, FeatureCodes, PbxConfig, PbxLimits, RingStrategy, Service};

use crate::support::{Call, Server};

const DOCS: &str = include_str!("../../../../docs/pbx-api.md");

/// The pages that show a configuration.
const PBX: &str = include_str!("../../../../docs/pbx.md");
const DEPLOY: &str = include_str!("../../../../docs/deploy.md");

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

/// The TOML blocks of a page.
fn configurations(page: &str) -> Vec<PbxConfig> {
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.map(|text| PbxConfig::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))).collect()
}

#[test]
fn the_configuration_of_the_page_is_one_and_says_the_defaults() {
    let [config] = &configurations(PBX)[..] else { panic!("one block") };
    assert_eq!((config.extensions.len(), config.extensions[0].number()), (2, "1000"));
    let Conference { number, name, pin, .. } = &config.conferences[0];
    assert_eq!((number.as_str(), name.as_str()), ("7000", "Monday round"));
    assert_eq!(pin.as_ref().map(|pin| pin.expose()), Some("1234"));
    let group = &config.ring_groups[0];
    assert_eq!((group.number.as_str(), group.strategy, group.ring_s), ("6200", RingStrategy::All, 30));
    assert_eq!((group.members.len(), group.then.as_deref()), (2, Some("600")));
    // What it shows of these is what is there without it.
    let default = PbxConfig::default();
    assert_eq!((&config.feature_codes, &config.limits), (&FeatureCodes::default(), &PbxLimits::default()));
    assert_eq!((&config.record_feature_code, config.no_answer), (&default.record_feature_code, default.no_answer));
    assert_eq!(configurations(DEPLOY).len(), 1);
}

#[test]
fn the_page_has_every_key_and_every_number() {
    // As Rust shows them, the fields are the keys.
    let limits = format!("{:?}", PbxLimits::default());
    let codes = format!("{:?}", FeatureCodes::default());
    let fields = |shown: &str| -> Vec<String> {
        let inside = shown.split_once('{').expect("fields").1;
        inside.split(", ").filter_map(|field| Some(field.split_once(':')?.0.trim().to_owned())).collect()
    };
    let keys = [fields(&limits), fields(&codes)].concat();
    assert_eq!(keys.len(), 14, "{keys:?}");
    for key in keys {
        assert!(PBX.contains(&format!("\n{key} = ")), "{key}");
    }
    for service in Service::ALL {
        assert!(PBX.contains(&format!("| `{}` |", service.number())), "{service:?}");
    }
}

#[test]
fn what_a_configuration_may_not_have_is_refused_with_the_page_that_tells_what_it_may() {
    let error = PbxConfig::parse("bind = \"127.0.0.1\"\nconferences = 3\n").expect_err("unknown").to_string();
    assert!(error.contains("line 2") && error.contains("docs/pbx.md"), "{error}");
}
