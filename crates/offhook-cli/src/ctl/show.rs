//! Answers for humans.

use serde_json::Value;

/// `extension list`.
pub(super) fn extensions(answer: &Value) -> String {
    let header =
        ["number", "name", "state", "record", "waiting", "web", "desktop", "voicemail", "devices", "logged in"];
    let rows = list(answer, "extensions").iter().map(|extension| {
        let flag = |name: &str| on(&extension[name]);
        let logged_in = list(extension, "logged_in").iter().map(text).collect::<Vec<_>>().join("+");
        vec![
            text(&extension["number"]),
            text(&extension["name"]),
            if extension["enabled"] == true { "on".to_owned() } else { "off".to_owned() },
            text(&extension["record"]),
            flag("call_waiting"),
            flag("web_client"),
            flag("desktop_client"),
            flag("voicemail"),
            text(&extension["devices"]),
            logged_in,
        ]
    });
    table(&header, rows)
}

/// One extension.
pub(super) fn extension(answer: &Value) -> String {
    let extension = &answer["extension"];
    if extension.is_null() {
        return "the configuration has no such extension: it is gone".to_owned();
    }
    let mut lines = fields(extension);
    if let Some(password) = answer["password"].as_str() {
        lines.push_str(&format!("\npassword        {password}\n(made at random; it is not shown again)"));
    }
    lines
}

/// `contact list`.
pub(super) fn contacts(answer: &Value) -> String {
    let rows = list(answer, "contacts").iter().map(|contact| {
        let numbers = list(contact, "numbers").iter().map(text).collect::<Vec<_>>().join(", ");
        let owner = if contact["owner"].is_null() { "everybody".to_owned() } else { text(&contact["owner"]) };
        vec![text(&contact["id"]), text(&contact["name"]), numbers, text(&contact["company"]), owner]
    });
    table(&["id", "name", "numbers", "company", "of"], rows)
}

/// One contact.
pub(super) fn contact(answer: &Value) -> String {
    fields(&answer["contact"])
}

/// `setting show`.
pub(super) fn settings(answer: &Value) -> String {
    fields(&answer["settings"])
}

/// `status`.
pub(super) fn status(answer: &Value) -> String {
    let rows = list(answer, "calls").iter().map(|call| {
        let state = if call["answered"] == true { "talking" } else { "ringing" };
        let recording = if call["recording"] == true { "recorded" } else { "" };
        vec![
            text(&call["from"]),
            text(&call["to"]),
            state.to_owned(),
            format!("{} s", call["duration_s"]),
            recording.to_owned(),
        ]
    });
    let calls = table(&["from", "to", "state", "for", ""], rows);
    format!("{}\n\n{calls}", fields(&answer["load"]))
}

/// `cdr`.
pub(super) fn cdrs(answer: &Value) -> String {
    let rows = list(answer, "cdrs").iter().map(|row| {
        let kind = match row["status"].as_u64() {
            Some(1) => "inbound",
            Some(2) => "missed",
            _ => "outbound",
        };
        let at = format!("{} {}", text(&row["date"]), text(&row["time"]));
        vec![
            at,
            text(&row["extension"]),
            kind.to_owned(),
            text(&row["number"]),
            format!("{} s", row["talk_duration"]),
            text(&row["disposition"]),
        ]
    });
    let rows = table(&["UTC", "extension", "", "number", "talked", "disposition"], rows);
    format!("{rows}\n{} in all", answer["total_number"])
}

/// `report`.
pub(super) fn reports(answer: &Value) -> String {
    lines(answer, "reports", |report| report["report"].to_string())
}

/// `log`.
pub(super) fn log(answer: &Value) -> String {
    lines(answer, "log", |line| text(&line["line"]))
}

/// `secret`.
pub(super) fn secret(answer: &Value) -> String {
    match answer["secret"].as_str() {
        Some(secret) => format!("{secret}\n(made at random; it is not shown again)"),
        None => "set".to_owned(),
    }
}

/// `logout`.
pub(super) fn logged_out(answer: &Value) -> String {
    format!("{} logged out", answer["logged_out"])
}

/// Something is gone.
pub(super) fn deleted(_: &Value) -> String {
    "deleted".to_owned()
}

/// `extension photo`.
pub(super) fn photo(answer: &Value) -> String {
    format!("/api/photo/{}", text(&answer["photo"]))
}

/// `setting hot-standby`.
pub(super) fn told(_: &Value) -> String {
    "told to all clients".to_owned()
}

fn lines(answer: &Value, name: &str, line: impl Fn(&Value) -> String) -> String {
    let lines: Vec<String> = list(answer, name).iter().map(line).collect();
    if lines.is_empty() { "none".to_owned() } else { lines.join("\n") }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn on(value: &Value) -> String {
    if value == true { "yes".to_owned() } else { "no".to_owned() }
}

fn fields(object: &Value) -> String {
    let fields = object.as_object().into_iter().flatten();
    fields.map(|(name, value)| format!("{name:<20} {}", text(value))).collect::<Vec<_>>().join("\n")
}

/// One line, whatever is in it.
fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> =
        std::iter::once(header.iter().map(|&name| name.to_owned()).collect()).chain(rows).collect();
    if rows.len() == 1 {
        return "none".to_owned();
    }
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..header.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(text, &width)| format!("{text:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_stand_below_each_other() {
        let answer = json!({ "contacts": [
            { "id": 1, "name": "Zoë", "numbers": ["1", "22"], "company": "", "owner": null },
            { "id": 12, "name": "A\u{1b}[2J", "numbers": [], "company": "X", "owner": "1000" },
        ] });
        let text = contacts(&answer);
        assert_eq!(text.lines().count(), 3);
        let columns: Vec<usize> = text.lines().filter_map(|line| line.find("everybody").or(line.find("of"))).collect();
        assert!(!text.contains('\u{1b}') && columns.len() == 2, "{text}");
        assert_eq!(contacts(&json!({})), "none");
    }
}
