//! What clients tell of themselves: call reports and their own log. The last of each extension are kept for the administrator.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Api;
use super::answer::{Answer, Done, Errcode, Fault};
use super::request::{self, Caller};
use super::session::locked;
use super::signature::seconds;

/// Reports kept of each extension.
const REPORTS: usize = 20;
/// Lines kept of each extension's clients.
const LINES: usize = 100;
/// Fields of a report.
const FIELDS: usize = 64;
/// The longest name of a field, and the longest value, bytes.
const MOST_NAME: usize = 64;
const MOST_VALUE: usize = 512;
/// The largest report, bytes.
const MOST_REPORT: usize = 4096;
/// Lines of one batch; the longest line, characters: the rest is cut off.
const BATCH: usize = 200;
const MOST_LINE: usize = 500;

/// The last of each extension.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    reports: Mutex<HashMap<String, VecDeque<Value>>>,
    lines: Mutex<HashMap<String, VecDeque<Value>>>,
}

impl Reports {
    /// Call reports of an extension, the newest first.
    pub(super) fn reports(&self, extension: &str) -> Vec<Value> {
        newest(&self.reports, extension)
    }

    /// Lines of an extension's clients, the newest first.
    pub(super) fn lines(&self, extension: &str) -> Vec<Value> {
        newest(&self.lines, extension)
    }

    /// An extension is gone.
    pub(super) fn forget(&self, extension: &str) {
        locked(&self.reports).remove(extension);
        locked(&self.lines).remove(extension);
    }
}

fn newest(kept: &Mutex<HashMap<String, VecDeque<Value>>>, extension: &str) -> Vec<Value> {
    locked(kept).get(extension).map(|values| values.iter().rev().cloned().collect()).unwrap_or_default()
}

fn keep(kept: &Mutex<HashMap<String, VecDeque<Value>>>, most: usize, extension: &str, values: Vec<Value>) {
    let mut kept = locked(kept);
    let queue = kept.entry(extension.to_owned()).or_default();
    queue.extend(values);
    while queue.len() > most {
        queue.pop_front();
    }
}

#[derive(Deserialize)]
pub(super) struct Init {
    r#type: String,
}

/// POST `dct/init`.
pub(super) async fn init(State(api): State<Arc<Api>>, _caller: Caller, body: Body) -> Answer {
    let init: Init = request::json(&api, body).await?;
    if init.r#type != "call" {
        return Err(Fault::parameter("type must be call"));
    }
    Ok(Done::empty())
}

/// POST `rascallreport/web`: an object of texts and numbers in snake_case.
pub(super) async fn report(State(api): State<Arc<Api>>, caller: Caller, body: Body) -> Answer {
    let caller = caller.permitted(&api)?;
    caller.session.report().map_err(Fault::blocked)?;
    let report: Map<String, Value> = request::json(&api, body).await?;
    let number = caller.extension.number();
    if report.is_empty() || report.len() > FIELDS || !report.iter().all(|(name, value)| is_field(name, value)) {
        let text = format!("a report has 1 to {FIELDS} fields in snake_case, each a text or a number");
        return Err(Fault::parameter(text));
    }
    if Value::Object(report.clone()).to_string().len() > MOST_REPORT {
        return Err(Fault::new(Errcode::TooLarge, format!("a report has at most {MOST_REPORT} bytes")));
    }
    let is_own =
        |extension: &Value| extension == number || extension.as_u64().map(|n| n.to_string()).as_deref() == Some(number);
    if !report.get("extension").is_none_or(is_own) {
        return Err(Fault::new(Errcode::AccessDenied, "the report is of another extension"));
    }
    let received = json!({ "received": seconds(SystemTime::now()), "report": report });
    keep(&api.reports.reports, REPORTS, number, vec![received]);
    Ok(Done::empty())
}

fn is_field(name: &str, value: &Value) -> bool {
    let is_snake = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let fits = match value {
        Value::String(text) => text.len() <= MOST_VALUE && !text.chars().any(char::is_control),
        Value::Number(_) => true,
        _ => false,
    };
    fits && (1..=MOST_NAME).contains(&name.len()) && name.bytes().all(is_snake)
}

#[derive(Deserialize)]
pub(super) struct Log {
    log_list: Vec<Value>,
}

/// POST `systemlog/webclientlog`.
pub(super) async fn log(State(api): State<Arc<Api>>, caller: Caller, body: Body) -> Answer {
    caller.session.log().map_err(Fault::blocked)?;
    let log: Log = request::json(&api, body).await?;
    if log.log_list.len() > BATCH {
        return Err(Fault::parameter(format!("log_list has at most {BATCH} lines")));
    }
    let number = caller.extension.number();
    let received = seconds(SystemTime::now());
    let lines: Vec<Value> = log
        .log_list
        .iter()
        .map(|line| {
            let line = plain(line);
            // Quoted: a line cannot pass itself off as one of the PBX's.
            tracing::debug!(target: "offhook_pbx::client", extension = number, kind = caller.session.kind.name(), line = ?line);
            json!({ "received": received, "line": line })
        })
        .collect();
    keep(&api.reports.lines, LINES, number, lines);
    Ok(Done::empty())
}

/// One line, whatever it was.
fn plain(line: &Value) -> String {
    let text = line.as_str().map_or_else(|| line.to_string(), str::to_owned);
    text.chars().take(MOST_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_kept() {
        let reports = Reports::default();
        for i in 0..3 * REPORTS {
            keep(&reports.reports, REPORTS, "1000", vec![json!(i)]);
        }
        let kept = reports.reports("1000");
        assert_eq!((kept.len(), kept[0].clone()), (REPORTS, json!(3 * REPORTS - 1)));
        assert!(reports.reports("1001").is_empty());
    }

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(plain(&json!("a\r\nb\u{1b}[2J")), "a  b [2J");
        assert_eq!(plain(&json!({"a": 1})), r#"{"a":1}"#);
        assert_eq!(plain(&json!("é".repeat(5000))).chars().count(), MOST_LINE);
    }
}
