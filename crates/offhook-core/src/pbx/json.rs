//! Reading what a PBX wrote: numbers come as strings and the other way round, and anything may be missing.

use serde_json::Value;

/// Longest text taken, characters.
const MAX_TEXT: usize = 512;

/// A text; a number or truth value counts as one.
pub(crate) fn text(object: &Value, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(cut(text, MAX_TEXT)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(u8::from(*truth).to_string()),
        _ => None,
    }
}

/// A text that is not empty.
pub(crate) fn filled(object: &Value, name: &str) -> Option<String> {
    text(object, name).filter(|text| !text.is_empty())
}

/// A whole number; a text of digits or a truth value counts as one.
pub(crate) fn number(object: &Value, name: &str) -> Option<i64> {
    match object.get(name)? {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(truth) => Some(i64::from(*truth)),
        _ => None,
    }
}

/// A whole number that is not negative.
pub(crate) fn unsigned(object: &Value, name: &str) -> Option<u64> {
    number(object, name).and_then(|number| u64::try_from(number).ok())
}

/// Whether a flag is 1; `None` where there is none that can be read.
pub(crate) fn flag(object: &Value, name: &str) -> Option<bool> {
    number(object, name).map(|number| number == 1)
}

/// The object that holds any of these: the answer itself, or an object right in it, as firmwares differ there.
pub(crate) fn holder<'a>(answer: &'a Value, names: &[&str]) -> &'a Value {
    let holds = |object: &&Value| names.iter().any(|name| object.get(name).is_some());
    let inner = || answer.as_object()?.values().filter(|value| value.is_object()).find(holds);
    if holds(&answer) { answer } else { inner().unwrap_or(answer) }
}

/// At most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn whole(number: f64) -> Option<i64> {
    // Beyond 2^53 a fraction could not be told from a whole number anyway.
    (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_texts_are_taken_for_each_other() {
        let object = json!({"a": 7, "b": "7", "c": 7.0, "d": true, "e": "x", "f": [7], "g": 1.5, "h": -3, "i": " 1 "});
        let numbers = ["a", "b", "c", "d", "e", "f", "g", "h", "z"].map(|name| number(&object, name));
        assert_eq!(numbers, [Some(7), Some(7), Some(7), Some(1), None, None, None, Some(-3), None]);
        assert_eq!(unsigned(&object, "h"), None);
        assert_eq!(["a", "b", "d", "e", "f"].map(|name| text(&object, name)), {
            let some = |text: &str| Some(text.to_owned());
            [some("7"), some("7"), some("1"), some("x"), None]
        });
        assert_eq!(["a", "d", "e", "i"].map(|name| flag(&object, name)), [Some(false), Some(true), None, Some(true)]);
        assert_eq!(text(&json!({"t": "é".repeat(600)}), "t").map(|t| t.chars().count()), Some(512));
        assert_eq!(number(&json!([1]), "a"), None);
    }
}
