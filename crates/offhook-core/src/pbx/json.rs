//! Reading what a PBX wrote: numbers come as strings and the other way round, and anything may be missing.

pub(crate) use crate::json::Value;

/// Longest text taken, characters.
const MAX_TEXT: usize = 512;

/// A text; a number or truth value counts as one.
pub(crate) fn text(object: &Value, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(cut(text, MAX_TEXT)),
        Value::Number(number) => Some(cut(number, MAX_TEXT)),
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
        Value::Number(number) => whole(number),
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
    let inner = || answer.fields().iter().map(|(_, value)| value).filter(|value| value.is_object()).find(holds);
    if holds(&answer) { answer } else { inner().unwrap_or(answer) }
}

/// At most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Of a JSON number, also of one written with a fraction of 0 or an exponent; `None`: it is not whole, or too large.
fn whole(number: &str) -> Option<i64> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut value: i64 = format!("{whole}{fraction}").parse().ok()?;
    let shift = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    for _ in 0..shift.unsigned_abs() {
        value = match shift {
            _ if value == 0 => break,
            1.. => value.checked_mul(10)?,
            _ if value % 10 == 0 => value / 10,
            _ => return None,
        };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(value: serde_json::Value) -> Value {
        value.into()
    }

    #[test]
    fn numbers_and_texts_are_taken_for_each_other() {
        let object =
            value(json!({"a": 7, "b": "7", "c": 7.0, "d": true, "e": "x", "f": [7], "g": 1.5, "h": -3, "i": " 1 "}));
        let numbers = ["a", "b", "c", "d", "e", "f", "g", "h", "z"].map(|name| number(&object, name));
        assert_eq!(numbers, [Some(7), Some(7), Some(7), Some(1), None, None, None, Some(-3), None]);
        assert_eq!(unsigned(&object, "h"), None);
        assert_eq!(["a", "b", "d", "e", "f"].map(|name| text(&object, name)), {
            let some = |text: &str| Some(text.to_owned());
            [some("7"), some("7"), some("1"), some("x"), None]
        });
        assert_eq!(["a", "d", "e", "i"].map(|name| flag(&object, name)), [Some(false), Some(true), None, Some(true)]);
        assert_eq!(text(&value(json!({"t": "é".repeat(600)})), "t").map(|t| t.chars().count()), Some(512));
        assert_eq!(number(&value(json!([1])), "a"), None);
        let wholes =
            ["7.00", "70e-1", "7E0", "0.7e1", "-7", "0e999999999", "9e99", "7.5", "7e-1", "1e2147483648"].map(whole);
        let some = [Some(7), Some(7), Some(7), Some(7), Some(-7), Some(0)];
        assert_eq!((wholes[..6].to_vec(), wholes[6..].to_vec()), (some.to_vec(), vec![None; 4]));
    }
}
